"""The quickstart's report: its accuracies, paired differences and one HTML file that opens offline, on a phone too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infimed_plugins import pages
from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.reports.evaluation_tables import difference, rate_text
from infimed_plugins.reports.statistics import Paired, Rate, paired, wilson
from infimed_plugins.reports.svg import Series, line_chart

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


@dataclass(frozen=True)
class Example:
    """One question with the image and each model's reply: (model, reply, right)."""

    image_png: bytes
    question: str
    gold: str
    replies: Sequence[tuple[str, str, bool]]

    @property
    def data_uri(self) -> str:
        """The image inside the page."""
        return pages.data_uri(self.image_png, "png")


@dataclass(frozen=True)
class ReportData:
    """The content of the page. ``notes`` are the honest remarks; ``metadata`` is by name."""

    title: str
    metadata: Mapping[str, Any]
    notes: Sequence[str]
    lines: Sequence[Line]
    comparisons: Sequence[Comparison]
    sft_loss: Series
    rewards: Series
    right_of_ten: Mapping[int, int]
    chain: str
    examples: Sequence[Example]


def line(model: str, prompt_style: str, judged: Sequence[Judged]) -> Line:
    """Count one run."""
    scored = [row for row in judged if row.accuracy is not None]
    groups = {name: [row for row in scored if row.group == name] for name in sorted({row.group for row in scored})}
    invalid = wilson(sum(row.invalid for row in scored), len(scored))
    by_group = {name: _rate(rows) for name, rows in groups.items()}
    return Line(model, prompt_style, _rate(scored), by_group, invalid, len(judged) - len(scored))


def compare(a: str, b: str, prompt_style: str, runs: Mapping[str, Sequence[Judged]]) -> Comparison:
    """Compare two runs on the questions both have a score for."""
    one, other = ({row.id: row.accuracy for row in runs[name] if row.accuracy is not None} for name in (a, b))
    return Comparison(a, b, prompt_style, paired(one, other, {row.id: row.image for row in runs[a]}))


def points(result: Paired) -> str:
    """Return ``+12.4 [+9.0, +15.7], p = 1e-09``, in percentage points."""
    return f"{difference(result)}, p = {result.p_value:.2g}"


def rich_table(lines: Iterable[Line]) -> Table:
    """Return the table for a terminal."""
    from rich.table import Table

    table = Table("model", "prompt", title="accuracy in percent [95% interval]")
    for name in ("questions", "accuracy", "invalid"):
        table.add_column(name, justify="right")
    for row in lines:
        counts = str(row.overall.total), rate_text(row.overall), rate_text(row.invalid)
        table.add_row(row.model, row.prompt_style, *counts)
    return table


def write_page(data: ReportData, path: Path) -> None:
    """Render the page to ``path``. Raises MissingExtraError without jinja2."""
    pages.write_page(
        path,
        Path(__file__).with_name("quickstart.html.jinja"),
        {"percent": rate_text, "points": points},
        data=data,
        groups=sorted({group for line in data.lines for group in line.by_group}),
        loss_chart=line_chart(data.sft_loss, "optimizer step", "loss"),
        reward_chart=line_chart(data.rewards, "GRPO step", "mean reward"),
        most=max(data.right_of_ten.values(), default=1),
    )


def _rate(rows: Sequence[Judged]) -> Rate:
    return wilson(sum(row.accuracy == 1.0 for row in rows), len(rows))
