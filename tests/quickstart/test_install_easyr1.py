"""EasyR1 goes in from a named source or not at all; the other project named ``verl`` is told apart from it."""

from __future__ import annotations

import os
import subprocess
import venv
import zipfile
from pathlib import Path

import pluggy
import pytest

ROOT = Path(__file__).parents[2]
REFUSED = "http://127.0.0.1:9"  # a proxy that is not there: no network


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has pip and no verl."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def wheel(folder: Path, module: str) -> Path:
    """A wheel of a project named verl that holds one module."""
    folder.mkdir(exist_ok=True)
    path = folder / "verl-0.3.3.dev0-py3-none-any.whl"
    info = "verl-0.3.3.dev0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("verl/__init__.py", "")
        file.writestr("verl/trainer/__init__.py", "")
        file.writestr(f"verl/trainer/{module}.py", "")
        file.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: verl\nVersion: 0.3.3.dev0\nRequires-Dist: vllm\n"
        )
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(scope="module")
def only_ours(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH with this package and pluggy and nothing else of the environment the tests run in."""
    folder = tmp_path_factory.mktemp("path")
    (folder / "pluggy").symlink_to(Path(pluggy.__file__).parent)
    (folder / "infimed_plugins").symlink_to(ROOT / "infimed_plugins")
    return str(folder)


@pytest.mark.slow
def test_each_source_ends_as_it_should(python: Path, only_ours: str, tmp_path: Path) -> None:
    def install(*source: str) -> tuple[int, str]:
        env = {**os.environ, "PYTHONPATH": only_ours, "https_proxy": REFUSED, "HTTPS_PROXY": REFUSED}
        command = [str(python), "-m", "infimed_plugins.quickstart.install_easyr1", *source]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env, cwd=tmp_path, check=False)
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        return done.returncode, done.stderr

    easyr1, other = str(wheel(tmp_path / "a", "main")), str(wheel(tmp_path / "b", "main_ppo"))
    code, said = install()
    assert (code, "going on with TRL" in said) == (0, True)
    code, said = install("no/such/folder")
    assert code == 2
    assert "EasyR1 cannot be installed from EASYR1=no/such/folder" in said
    code, said = install(other)
    assert code == 2
    assert "is not EasyR1" in said
    assert install(easyr1) == (0, f"EasyR1 installed from {easyr1}\n")
    assert install(easyr1) == (0, f"EasyR1 is installed from {easyr1}\n")
    assert install() == (0, "EasyR1 is installed\n")
