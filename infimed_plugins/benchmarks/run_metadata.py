"""The metadata of a run in its ``run.json``: versions, the commit of the code, the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from infimed_plugins import __version__
from infimed_plugins.errors import installed_versions
from infimed_plugins.limits import read_json
from infimed_plugins.records import Json
from infimed_plugins.storage import write_whole

RUN_FILE = "run.json"
GIT_SECONDS = 2  # a pipe in the place of a file would be waited for
_OFF = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.sshCommand=false", "safe.directory=*")
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
        "versions": {
            "infimed-plugins": __version__,
            "python": platform.python_version(),
            **installed_versions(*PACKAGES),
        },
        "git": git_state(Path.cwd()),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def git_state(folder: Path) -> dict[str, Json] | None:
    """Return the commit that a folder is at; None outside of a repository, and without git.

    `git rev-parse` runs nothing; what a stranger's configuration could have it run all the same is off.
    """
    off = [part for setting in _OFF for part in ("-c", setting)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # of a hook
    command = ["git", "-C", str(folder), *off, "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True, env=environment)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return {"commit": done.stdout.strip()}
