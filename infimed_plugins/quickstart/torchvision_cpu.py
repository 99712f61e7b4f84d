"""Make PyPI's torchvision and torchaudio importable beside a CPU torch.

    python -m infimed_plugins.quickstart.torchvision_cpu

On Linux x86-64 PyPI's wheels of both are CUDA builds. Beside ``torch …+cpu`` their compiled parts do not load, and
then ``import torchvision`` fails with ``operator torchvision::nms does not exist`` and ``import torchaudio`` with an
OSError. Qwen2.5-VL's processor and LLaMA-Factory need both imports, and none of those compiled parts. So:

- torchvision is given the signatures of the two operators it asks torch about while it is imported;
- torchaudio's compiled parts are set aside: without them it takes itself for a build without extensions.

Where the imports work, or torch is not a CPU build, nothing is touched. Reinstalling the wheels undoes it.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from infimed_plugins.errors import InfimedError, optional_module

MARK = "# added by infimed_plugins.quickstart.torchvision_cpu"
_DECLARE_OPERATORS = f"""{MARK}
import torch as _cpu_torch
import torchvision.extension as _cpu_extension

if not _cpu_extension._has_ops():
    _cpu_library = _cpu_torch.library.Library("torchvision", "FRAGMENT")
    for _cpu_operator in ("nms", "qnms"):
        if not hasattr(_cpu_torch.ops.torchvision, _cpu_operator):
            _cpu_library.define(_cpu_operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
# end of what was added

"""


def repair_wheels() -> list[str]:
    """Repair torchvision and torchaudio; return a line for each. Raises InfimedError if an import still fails."""
    torch = optional_module("torch", "the quickstart", "quickstart")
    done = []
    for name, repair in (("torchvision", _declare_operators), ("torchaudio", _set_libraries_aside)):
        folder = _folder(name)
        if folder is None or _error_of(f"import {name}") is None:
            continue
        if torch.version.cuda is None:
            repair(folder)
        problem = _error_of(f"import {name}")
        if problem is not None:
            raise InfimedError(f"{name} cannot be imported ({problem}); install the build that fits your torch")
        done.append(f"{name} was mended: its wheel is a CUDA build, and torch a CPU build")
    return done


def _error_of(code: str) -> str | None:
    """Run some code in a process of its own; return the last line of Python's error, None when it runs."""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return None if said.returncode == 0 else (said.stderr.strip().splitlines() or ["it failed"])[-1]


def _folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def _declare_operators(torchvision: Path) -> None:
    """Declare them before torchvision/_meta_registrations.py asks torch about operators."""
    asking = torchvision / "_meta_registrations.py"
    code = asking.read_text(encoding="utf-8")
    if MARK not in code:
        asking.write_text(_DECLARE_OPERATORS + code, encoding="utf-8")


def _set_libraries_aside(torchaudio: Path) -> None:
    for library in (torchaudio / "lib").glob("*.so"):
        library.rename(library.with_name(library.name + ".disabled"))


def main() -> int:
    """Repair torchvision; exit code 2 and one line when that fails."""
    try:
        print("\n".join(repair_wheels()) or "torchvision and torchaudio fit torch")
    except InfimedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
