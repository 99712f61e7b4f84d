"""What every test runs under: offline, one thread, a Hugging Face cache of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

# before any test module imports torch, datasets or ray: they read these once
_CACHE = tempfile.mkdtemp(prefix="infimed-tests-")
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)
os.environ["HF_HOME"] = _CACHE
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # forked workers hang in a thread pool that their parent had started
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["COLUMNS"] = "200"  # rich tables keep their cells on one line


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs EasyR1 unless EASYR1 says that it was installed, and from where."""
    if os.environ.get("EASYR1"):
        return
    reason = "EasyR1 is not on PyPI: set EASYR1 to a path or pip URL and run `make test` to run these"
    for item in items:
        if item.get_closest_marker("easyr1"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Register things for one test, through the public hooks: ``plug_in(sources={"demo": Demo()})``."""
    from infimed_plugins import hookimpl, plugins

    module = ModuleType("plugged_in_by_a_test")

    def register_all(**things: dict[str, Any]) -> None:
        for hook, named in things.items():

            def implementation(register: Callable[[str, Any], None], named: dict[str, Any] = named) -> None:
                for name, thing in named.items():
                    register(name, thing)

            setattr(module, f"register_{hook}", hookimpl(implementation))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(plugins, "BUILT_IN_MODULES", (*plugins.BUILT_IN_MODULES, module.__name__))
        plugins.registry.cache_clear()

    yield register_all
    plugins.registry.cache_clear()


@pytest.fixture(autouse=True)
def _budget_of_its_own() -> None:
    """Each test stands for a process: burners of one must not cost another's right answer its time."""
    pool = sys.modules.get("infimed_plugins.rewards.math_pool")
    if pool is not None:
        pool.MATH.budget = pool.BUDGET
