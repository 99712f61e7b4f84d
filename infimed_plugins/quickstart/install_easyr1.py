"""Install EasyR1 beside us: ``python -m infimed_plugins.quickstart.install_easyr1 [PATH_OR_PIP_URL]``.

EasyR1 is not on PyPI, and its requirements name flash-attn and vllm, which a CPU cannot use: what it needs beside
them is our extra ``rl``, and EasyR1 itself goes in with ``--no-deps``. Without a source, upstream's repository at the
tested commit is tried, and one that cannot be reached is no error: the quickstart then goes on with TRL.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infimed_plugins.errors import ConfigError, InfimedError
from infimed_plugins.trainers.upstream_easyr1 import COMMIT, REPOSITORY

REACH_SECONDS = 20
INSTALL_SECONDS = 600


def install(source: str | None = None) -> str:
    """Install EasyR1 and return the outcome in one line.

    Args:
        source: a folder with EasyR1's source, or anything pip can install from; upstream's repository without it.
    Raises:
        ConfigError: the named source cannot be installed. Never for the default source.
    """
    chosen = source or f"git+{REPOSITORY}@{COMMIT}"
    if _marker().is_file() and _marker().read_text(encoding="utf-8") == chosen and is_installed():
        return f"EasyR1 is installed from {chosen}"
    if source is None:
        if is_installed():
            return "EasyR1 is installed"
        if not _reachable():
            return f"EasyR1 cannot be reached at {REPOSITORY}; going on with TRL (EASYR1=path names a copy)"
    problem = _pip_install(chosen)
    if problem:
        if source is None:
            return f"EasyR1 cannot be installed from {chosen} ({problem}); going on with TRL"
        raise ConfigError(f"EasyR1 cannot be installed from EASYR1={source}: {problem}")
    _marker().write_text(chosen, encoding="utf-8")
    return f"EasyR1 installed from {chosen}"


def is_installed() -> bool:
    """True if the importable ``verl`` is EasyR1 and not PyPI's project of that name."""
    spec = importlib.util.find_spec("verl")
    places = list(spec.submodule_search_locations or []) if spec else []
    return any((Path(place) / "trainer" / "main.py").is_file() for place in places)


def _marker() -> Path:
    return Path(sys.prefix) / ".easyr1-source"


def _reachable() -> bool:
    command = ["git", "ls-remote", "--exit-code", REPOSITORY, "HEAD"]
    try:
        asked = subprocess.run(command, capture_output=True, timeout=REACH_SECONDS, env=_quiet_git(), check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _pip_install(source: str) -> str | None:
    """Install with pip; return None when it went well, else the reason in one line."""
    with tempfile.TemporaryDirectory() as folder:
        if Path(source).is_dir():  # setuptools would write a build folder into the user's copy
            copy = Path(folder) / "EasyR1"
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".git", "build", "*.egg-info"))
            source = str(copy)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", source]
        try:
            done = subprocess.run(
                pip, capture_output=True, text=True, timeout=INSTALL_SECONDS, env=_quiet_git(), check=False
            )
        except subprocess.TimeoutExpired:
            return f"no end after {INSTALL_SECONDS} seconds"
    if done.returncode == 0:
        importlib.invalidate_caches()
        return None if is_installed() else "what it installs is not EasyR1 (it has no verl/trainer/main.py)"
    errors = [line for line in done.stderr.splitlines() if line.strip()]
    return next((line for line in errors if line.startswith("ERROR")), errors[-1] if errors else "pip failed")


def _quiet_git() -> dict[str, str]:
    return {**os.environ, "GIT_TERMINAL_PROMPT": "0"}


if __name__ == "__main__":
    try:
        print(install(sys.argv[1] if len(sys.argv) > 1 else None), file=sys.stderr)
    except InfimedError as failure:
        print(f"error: {failure}", file=sys.stderr)
        raise SystemExit(2) from None
