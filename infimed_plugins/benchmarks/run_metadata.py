"""The metadata of a run in its ``run.json``: versions, the commit of the code, the machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from infimed_plugins import __version__
from infimed_plugins.limits import read_json
from infimed_plugins.records import Json
from infimed_plugins.storage import write_whole

RUN_FILE = "run.json"
PACKED_BYTES = 64 * 1024 * 1024
PACKAGES = ("torch", "transformers", "vllm", "pillow", "httpx", "ray")


def write_run_file(root: Path, metadata: dict[str, Json]) -> None:
    """Add one entry to ``run.json``: a run that was resumed has several."""
    entries = read_run_file(root)
    entries.append({"started": datetime.now(UTC).isoformat(timespec="seconds"), **metadata, **_machine()})
    write_whole(root / RUN_FILE, json.dumps(entries, indent=1))


def read_run_file(root: Path) -> list[dict[str, Json]]:
    """Return the entries, oldest first; an empty list without a readable file."""
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
    """Return the commit that a folder is at; None outside of a repository.

    Read from git's files: git itself runs what a folder's own configuration names (core.fsmonitor, filters, hooks).
    """
    for top in (folder, *folder.parents):
        git = top / ".git"
        if git.is_file():  # a worktree or submodule
            git = top / _text(git).removeprefix("gitdir:").strip()
        if (head := _text(git / "HEAD")) or git.is_dir():
            shared = git / (_text(git / "commondir") or ".")
            commit = _commit(git, shared, head)
            return None if commit is None else {"commit": commit}
    return None


def _commit(git: Path, shared: Path, head: str) -> str | None:
    name = head.removeprefix("ref:").strip()
    packed = (line.partition(" ") for line in _text(shared / "packed-refs", PACKED_BYTES).splitlines())
    found = [_text(git / name), _text(shared / name)] if head.startswith("ref:") else [head]
    found += [commit for commit, _, ref in packed if ref == name]
    return next((commit for commit in found if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", commit)), None)


def _text(path: Path, most: int = 4096) -> str:
    """Return the beginning of a file, "" without one."""
    try:
        if not path.is_file():  # opening a pipe would wait
            return ""
        with path.open("rb") as file:
            return file.read(most).decode(errors="replace").strip()
    except (OSError, ValueError):
        return ""
