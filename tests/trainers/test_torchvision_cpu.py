"""PyPI's CUDA builds of torchvision and torchaudio are made importable beside a CPU torch, and only there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
needs_cpu_torch = pytest.mark.skipif(torch.version.cuda is not None, reason="torch is a CUDA build here")


def _python(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, PYTHONPATH=str(path))
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def _as_pypi_ships_it(name: str, path: Path) -> None:
    """Put the installed package into ``path`` as its wheel has it, the mend undone."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{name} is not installed")
    copy = path / name
    shutil.copytree(next(iter(spec.submodule_search_locations)), copy, ignore=shutil.ignore_patterns("__pycache__"))
    for library in copy.rglob("*.so.disabled"):
        library.rename(library.with_name(library.name.removesuffix(".disabled")))
    asking = copy / "_meta_registrations.py"
    if asking.exists():
        code = asking.read_text(encoding="utf-8")
        asking.write_text(code[code.index("import functools") :], encoding="utf-8")


BOTH_FAIL = """
for name in ("torchvision", "torchaudio"):
    try:
        __import__(name)
    except (RuntimeError, OSError):
        continue
    raise SystemExit(f"{name} loads")
"""
BOTH_WORK = """
import torch, torchaudio
from torchvision.transforms.v2.functional import resize
print(resize(torch.ones(3, 8, 8), [4, 4]).sum().item())
"""


@needs_cpu_torch
def test_cuda_builds_become_importable_and_a_second_mend_changes_nothing(tmp_path: Path) -> None:
    for name in ("torchvision", "torchaudio"):
        _as_pypi_ships_it(name, tmp_path)
    if _python(tmp_path, "-c", BOTH_FAIL).returncode != 0:
        pytest.skip("torchvision or torchaudio here is a CPU build")
    first = _python(tmp_path, "-m", "infimed_plugins.quickstart.torchvision_cpu")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.count("was mended") == 2
    assert _python(tmp_path, "-c", BOTH_WORK).stdout.strip() == "48.0"
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.py")}
    again = _python(tmp_path, "-m", "infimed_plugins.quickstart.torchvision_cpu")
    assert again.stdout.strip() == "torchvision and torchaudio fit torch"
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.py")} == before


def test_a_package_that_fails_for_another_reason_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "torchaudio").mkdir()
    broken = "raise ImportError('a broken copy')\n"
    (tmp_path / "torchaudio" / "__init__.py").write_text(broken)
    said = _python(tmp_path, "-m", "infimed_plugins.quickstart.torchvision_cpu")
    assert said.returncode == 2
    assert "torchaudio cannot be imported (ImportError: a broken copy)" in said.stderr
    assert (tmp_path / "torchaudio" / "__init__.py").read_text() == broken


def test_packages_that_fit_are_left_alone(tmp_path: Path) -> None:
    for name in ("torchvision", "torchaudio"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    said = _python(tmp_path, "-m", "infimed_plugins.quickstart.torchvision_cpu")
    assert (said.returncode, said.stdout.strip()) == (0, "torchvision and torchaudio fit torch")
