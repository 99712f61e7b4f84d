"""What a run's ``run.json`` says of how it came about: versions, the state of the code, the machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from infimed_plugins import __version__
from infimed_plugins.benchmarks.run_folder import write_whole
from infimed_plugins.limits import read_json
from infimed_plugins.records import Json

RUN_FILE = "run.json"
PACKAGES = ("torch", "transformers", "vllm", "pillow", "httpx", "ray")


def write_run_file(root: Path, facts: dict[str, Json]) -> None:
    """Add one entry to ``run.json``: a run that was taken up again has several."""
    entries = read_run_file(root)
    entries.append({"started": datetime.now(UTC).isoformat(timespec="seconds"), **facts, **_machine()})
    write_whole(root / RUN_FILE, json.dumps(entries, indent=1))


def read_run_file(root: Path) -> list[dict[str, Json]]:
    """The entries, oldest first; none where there is no file that can be read."""
    try:
        entries = read_json(root / RUN_FILE)
    except (OSError, ValueError):
        return []
    return entries if isinstance(entries, list) else []


def _machine() -> dict[str, Json]:
    return {
        "versions": {"infimed-plugins": __version__, "python": platform.python_version(), **_versions()},
        "git": git_state(Path.cwd()),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, Json] | None:
    """The commit that a folder is at and whether it has changes; None outside of a repository, or without git."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": bool(changed)}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
