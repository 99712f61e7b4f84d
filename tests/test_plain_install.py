"""A plain ``pip install`` is enough for what needs no model: every other package is hidden here, and it still works."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infimed_plugins.errors import MissingExtraError, optional_module

HIDE = """
import importlib.abc, json, sys
hidden = set(json.loads({hidden!r}))
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
{code}
"""


def plain_packages() -> set[str]:
    """The distributions that a plain install brings, from the requirements of those installed here."""
    found: set[str] = set()
    waiting = ["infimed-plugins"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def hidden_modules() -> list[str]:
    plain = plain_packages()
    owners = importlib.metadata.packages_distributions()
    return sorted(module for module, names in owners.items() if not {canonicalize_name(n) for n in names} & plain)


def run_plain(code: str) -> subprocess.CompletedProcess[str]:
    script = HIDE.format(hidden=json.dumps(hidden_modules()), code=code)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)


def infimed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_plain(f"from infimed_plugins.cli.main import app\napp({list(arguments)!r})")


def test_the_heavy_packages_are_hidden_and_the_plain_ones_are_not() -> None:
    hidden = set(hidden_modules())
    assert {"torch", "transformers", "PIL", "pyarrow", "jinja2", "matplotlib", "llamafactory"} <= hidden
    assert not {"pluggy", "yaml", "typer", "rich", "math_verify", "numpy", "scipy", "infimed_plugins"} & hidden


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["plugins", "--json"], '"phantom"'),
        (["data", "plan", "quickstart_sft", "--json"], '"total"'),
        (["data", "plan", "quickstart_rlvr"], "phantom"),
        (["--version"], "infimed-plugins 0."),
    ],
)
def test_a_command_that_needs_no_model_works(arguments: list[str], printed: str) -> None:
    done = infimed(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert printed in done.stdout


@pytest.mark.parametrize(
    ("answer", "overall"),
    [
        ("<think> a </think>\n<answer> liver </answer>", 1.0),
        ("<think> a </think>\n<answer> lung </answer>", 0.1),
        ("liver", 0.0),
    ],
)
def test_rewards_work(answer: str, overall: float) -> None:
    row = {"response": answer, "response_length": 9, "ground_truth": '{"task": "text", "answer": "liver"}'}
    code = f"from infimed_plugins.rewards import compute_score\nprint(compute_score([{row!r}])[0]['overall'])"
    done = run_plain(code)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(overall)


def test_a_command_that_needs_more_names_the_extra(tmp_path: Path) -> None:
    done = infimed("data", "build", "quickstart_rlvr", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "pip install 'infimed-plugins[" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_advised_install_names_the_torch_that_is_to_stay() -> None:
    torch = importlib.metadata.version("torch").partition("+")[0]
    with pytest.raises(MissingExtraError) as raised:
        optional_module("no_such_module", "a test", "transformers")
    assert str(raised.value).endswith(f"run: pip install 'infimed-plugins[transformers]' torch=={torch}")
