"""The folder that an import writes: what may be written there, and what of an earlier run may be removed for it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from infimed_plugins.benchmarks.facts import RUN_FILE, read_run_file
from infimed_plugins.benchmarks.run_folder import SETTINGS, RunFolder
from infimed_plugins.errors import ConfigError, InfimedError
from infimed_plugins.storage import PARTIAL

RUN_FILES = re.compile(
    r"(?:run|settings|finished)\.json|(?:responses|failed|bad_rows)\.jsonl|(?:verdicts|judge)-.*\.jsonl?|judge\.sqlite.*"
    rf"|.*{re.escape(PARTIAL)}"
)


def check_out(out: Path, path: Path, downloads: Path | None, *, fresh: bool) -> None:
    """Raise ConfigError where ``out`` cannot be the run folder of the results at ``path``; nothing is touched.

    That is: it is, holds or lies in the results, or holds the data sets; it is a file or below one; it is not empty,
    unless ``fresh`` is given and what it holds is an earlier run.
    """
    there, results = out.resolve(), path.resolve()
    if there == results or there in results.parents or results in there.parents:
        raise ConfigError(f"--out {out} is, holds or lies in the results at {path}; name a folder apart from them")
    if downloads is not None and (there == downloads.resolve() or there in downloads.resolve().parents):
        raise ConfigError(f"--out {out} is or holds the data sets at {downloads}; name a folder apart from them")
    below = next((place for place in (out, *out.parents) if os.path.lexists(place)), out)
    if os.path.lexists(below) and not below.is_dir():
        raise ConfigError(f"{below} is no folder, so no run can be written to {out}; name another --out")
    if not out.exists() or not any(out.iterdir()):
        return
    if not fresh:
        raise ConfigError(f"{out} is not empty; name a new folder, or use --fresh")
    if not _holds_run(out):
        raise ConfigError(
            f"{out} holds no earlier run (no {RUN_FILE}, no BENCHMARK/STYLE/{SETTINGS}), so --fresh removes nothing "
            "there; name a new folder"
        )
    own = [path for path in sorted(out.rglob("*")) if path.is_file() and not RUN_FILES.fullmatch(path.name)]
    if own:
        raise ConfigError(f"{own[0]} is no file of a run, and --fresh would remove it; move it, or name a new folder")


def _holds_run(out: Path) -> bool:
    """Whether it is an earlier run's: other tools write a settings.json as well, so a look at its keys is taken."""
    return bool(read_run_file(out)) or any(
        _is_run(found.parent) for below in ("", "*/", "*/*/") for found in out.glob(f"{below}{SETTINGS}")
    )


def _is_run(folder: Path) -> bool:
    try:
        return "benchmark" in RunFolder(folder).settings()
    except (InfimedError, OSError):
        return False
