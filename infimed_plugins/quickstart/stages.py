"""Stages that run once: finished ones are recorded, and a rerun goes on behind them.

``state.json`` in the run folder holds the settings and, for each finished stage, its seconds and its result. A stage
starts from an empty folder of its own, so one that was killed half-way leaves nothing that could be taken for done.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from infimed_plugins.console import progress
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Json
from infimed_plugins.storage import write_whole

Tick = Callable[..., None]  # done, total, a short word on how it goes


@dataclass(frozen=True)
class Stage:
    """One step of a run. ``work(tick)`` does it and returns a JSON result; ``folders`` are emptied before it starts."""

    name: str
    title: str
    work: Callable[[Tick], Json]
    folders: tuple[Path, ...] = ()


class RunState:
    """The finished stages of a run folder. Raises ConfigError when the folder was made with other settings."""

    def __init__(self, folder: Path, settings: dict[str, Json]) -> None:
        self._path = folder / "state.json"
        self.stages: dict[str, Any] = {}
        if self._path.exists():
            try:
                known = json.loads(self._path.read_text(encoding="utf-8"))
                made_with, self.stages = known["settings"], known["stages"]
            except (ValueError, TypeError, KeyError) as error:
                raise ConfigError(f"{self._path} cannot be read; start over with --fresh") from error
            changed = sorted(k for k in settings | made_with if settings.get(k) != made_with.get(k))
            if changed:
                raise ConfigError(
                    f"{folder} was made with other settings ({', '.join(changed)}); use --fresh, or another --out"
                )
        self._settings = settings

    def finish(self, name: str, seconds: float, result: Json) -> None:
        """Record a finished stage; a reader sees the old file or the new one, never a torn one."""
        self.stages[name] = {"seconds": round(seconds, 1), "result": result}
        write_whole(self._path, json.dumps({"settings": self._settings, "stages": self.stages}, indent=1))

    def result(self, name: str) -> Json:
        """Return the result of a finished stage."""
        return self.stages[name]["result"]


def run_stage(stage: Stage, state: RunState, console: Console, number: int, of: int) -> None:
    """Run a stage with a progress display, unless it is finished already."""
    head = f"[{number}/{of}] {stage.title}"
    if stage.name in state.stages:
        console.print(f"{head}: done before, in {state.stages[stage.name]['seconds']:.0f} s", highlight=False)
        return
    for folder in stage.folders:
        shutil.rmtree(folder, ignore_errors=True)
    started = time.monotonic()
    with progress(console) as show:
        show(head, 0, None)
        result = stage.work(lambda done, total, word="": show(head, done, total, word))
    state.finish(stage.name, time.monotonic() - started, result)
    console.print(f"{head}: {state.stages[stage.name]['seconds']:.0f} s", highlight=False)
