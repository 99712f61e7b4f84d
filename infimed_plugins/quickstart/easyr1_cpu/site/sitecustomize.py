"""Python runs this at start-up because its folder is on PYTHONPATH. Nothing heavy happens until ``verl`` is imported.

Every process of the run starts here, Ray's workers too. Each module named in on_cpu.AFTER_IMPORT is adapted right
after its own code has run.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType


class _AfterImport(importlib.abc.MetaPathFinder):
    """Find modules of ``verl`` as usual, and let on_cpu adapt each one after it was executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != "verl":
            return None
        from infimed_plugins.quickstart.easyr1_cpu.on_cpu import AFTER_IMPORT

        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        adapt = AFTER_IMPORT.get(fullname)
        if spec is not None and spec.loader is not None and adapt is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                adapt(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _run_the_shadowed_sitecustomize() -> None:
    """Run the other ``sitecustomize`` on the path, which this file hides."""
    here = Path(__file__).resolve().parent
    elsewhere = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


sys.meta_path.insert(0, _AfterImport())
_run_the_shadowed_sitecustomize()
