"""What ``infimed eval`` and ``infimed score`` share: judging run folders, and how far verdicts agree with others."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.cli.judge_options import JudgeOptions
from infimed_plugins.errors import DataError

if TYPE_CHECKING:
    from infimed_plugins.benchmarks.judged import Run
    from infimed_plugins.benchmarks.run_folder import RunFolder

Modes = Annotated[
    list[str] | None,
    typer.Option(
        "--mode",
        help="robust, medevalkit, paper, vlmevalkit (vlmevalkit-2025-05: of the earlier paper's time) or "
        "multimedeval, or one that a plugin adds; may be given several times.",
    ),
]
Labels = Annotated[
    Path | None, typer.Option("--labels", help='People\'s verdicts, JSON lines of {"id", "right"}: Cohen\'s kappa.')
]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A run's rows are a million objects in no cycles; going through them over and over took a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def judge_folders(
    root: Path,
    folders: Sequence[RunFolder],
    modes: Sequence[str],
    judge: JudgeOptions,
    show: Callable[[str, int, int | None], None],
) -> list[Run]:
    """The runs of the folders below a root, judged in each mode."""
    from infimed_plugins.benchmarks.judging import judge_folder
    from infimed_plugins.benchmarks.robustness.variants import folded
    from infimed_plugins.plugins import registry

    runs: list[Run] = []
    identity = judge.identity()
    resting = _collector_paused() if identity is None else nullcontext()  # a judge's clients leave cycles
    with resting, judge.started(root, show) as started:
        for number, folder in enumerate(folders, start=1):
            show("judging", number, len(folders))
            benchmark = registry().get("benchmark", folder.settings().get("benchmark", "?"))
            judged = judge_folder(folder, benchmark, modes, started, identity)
            runs += [shown for run in judged for shown in folded(run)]
    return runs


def refuse_unscored(runs: Sequence[Run]) -> None:
    """Raise DataError, with the first reason, where not one reply is scored: once all else is written and told."""
    rows = [row for run in runs for row in run.rows]
    if all(row.accuracy is None for row in rows):
        raise DataError(f"no reply of {len(rows):,} is scored{''.join(f': {row.reason}' for row in rows[:1])}")


def read_people(labels: Path | None) -> dict[str, bool]:
    """People's verdicts by question; none without a file. Raises what ``read_labels`` raises."""
    from infimed_plugins.benchmarks.judges.agreement import read_labels

    return read_labels(labels) if labels else {}


def agreement(runs: Sequence[Run], people: Mapping[str, bool]) -> list[dict[str, Any]]:
    """How far a judge's verdicts agree with the rules' and with people's labels, and the rules' with people's."""
    from infimed_plugins.benchmarks.judges.agreement import agreement as compare

    found = []
    for run in runs:
        rules = {row.id: row.by_rule == 1.0 for row in run.rows if row.by_rule is not None}
        if not rules and not people:
            continue
        head = {"model": run.model, "benchmark": run.benchmark, "prompt_style": run.prompt_style, "mode": run.mode}
        scored = [row for row in run.rows if row.accuracy is not None]
        judged = {row.id: row.accuracy == 1.0 for row in scored if row.by_rule is not None}
        by_rule = {row.id: row.accuracy == 1.0 for row in scored if row.by_rule is None}
        pairs = (
            (run.judge, judged, "rules", rules),
            (run.judge, judged, "people", people),
            ("", by_rule, "people", people),
        )
        for judge, verdicts, name, other in pairs:
            if verdicts.keys() & other.keys():
                found.append({**head, "judge": judge, "with": name, **asdict(compare(verdicts, other))})
    return found
