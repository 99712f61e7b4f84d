"""Tables of accuracies: a row for each model and prompt style, paired rows for each comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.reports.statistics import Paired, Rate, paired, wilson

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Line:
    """Accuracy of one model in one prompt style. ``unscored`` questions are in no count."""

    model: str
    prompt_style: str
    overall: Rate
    by_group: Mapping[str, Rate]
    invalid: Rate
    unscored: int


@dataclass(frozen=True)
class Comparison:
    """``b`` against ``a`` in one prompt style."""

    a: str
    b: str
    prompt_style: str
    paired: Paired


def line(model: str, prompt_style: str, judged: Sequence[Judged]) -> Line:
    """Count one run."""
    scored = [row for row in judged if row.accuracy is not None]
    groups = sorted({row.group for row in scored})
    return Line(
        model,
        prompt_style,
        _rate(scored),
        {group: _rate([row for row in scored if row.group == group]) for group in groups},
        wilson(sum(row.invalid for row in scored), len(scored)),
        len(judged) - len(scored),
    )


def compare(a: str, b: str, prompt_style: str, runs: Mapping[str, Sequence[Judged]]) -> Comparison:
    """Compare two runs on the questions both have a score for."""
    scores = [{row.id: row.accuracy for row in runs[name] if row.accuracy is not None} for name in (a, b)]
    clusters = {row.id: row.image for row in runs[a]}
    return Comparison(a, b, prompt_style, paired(scores[0], scores[1], clusters))


def percent(rate: Rate) -> str:
    """``61.2 [57.0, 65.3]``, in percent; a dash where nothing was counted."""
    if not rate.total:
        return "–"
    return f"{100 * rate.value:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def points(result: Paired) -> str:
    """``+12.4 [9.0, 15.7], p = 1e-09``, in percentage points."""
    return (
        f"{100 * result.difference:+.1f} [{100 * result.low:+.1f}, {100 * result.high:+.1f}], p = {result.p_value:.2g}"
    )


def rich_table(lines: Iterable[Line]) -> Table:
    """The table for a terminal."""
    from rich.table import Table

    table = Table("model", "prompt", title="accuracy in percent [95% interval]")
    for name in ("questions", "accuracy", "invalid"):
        table.add_column(name, justify="right")
    for row in lines:
        table.add_row(row.model, row.prompt_style, str(row.overall.total), percent(row.overall), percent(row.invalid))
    return table


def _rate(rows: Sequence[Judged]) -> Rate:
    return wilson(sum(row.accuracy == 1.0 for row in rows), len(rows))
