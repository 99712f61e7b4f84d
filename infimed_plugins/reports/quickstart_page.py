"""The quickstart's report: its accuracies, paired differences and one HTML file that opens offline, on a phone too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infimed_plugins import pages
from infimed_plugins.reports.evaluation_tables import difference, rate_text
from infimed_plugins.reports.statistics import Paired
from infimed_plugins.reports.summary import Summary
from infimed_plugins.reports.svg import Series, line_chart

if TYPE_CHECKING:
    from rich.table import Table


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
    """The content of the page. ``notes`` are the honest remarks; ``metadata`` is by name; ``summary`` has runs grouped
    by ``group``."""

    title: str
    metadata: Mapping[str, Any]
    notes: Sequence[str]
    summary: Summary
    sft_loss: Series
    rewards: Series
    right_of_ten: Mapping[int, int]
    chain: str
    examples: Sequence[Example]


def points(result: Paired) -> str:
    """Return ``+12.4 [+9.0, +15.7], p = 1e-09``, in percentage points."""
    return f"{difference(result)}, p = {result.p_value:.2g}"


def rich_table(summary: Summary) -> Table:
    """Return the table for a terminal."""
    from rich.table import Table

    table = Table("model", "prompt", title="accuracy in percent [95% interval]")
    for name in ("questions", "accuracy", "invalid"):
        table.add_column(name, justify="right")
    for row in summary.results:
        counts = str(row.figure.accuracy.total), rate_text(row.figure.accuracy), rate_text(row.figure.invalid)
        table.add_row(row.model, row.asked.prompt_style, *counts)
    return table


def write_page(data: ReportData, path: Path) -> None:
    """Render the page to ``path``. Raises MissingExtraError without jinja2."""
    pages.write_page(
        path,
        Path(__file__).with_name("quickstart.html.jinja"),
        {"percent": rate_text, "points": points},
        data=data,
        groups=sorted({group for result in data.summary.results for group in result.groups.get("group", ())}),
        loss_chart=line_chart(data.sft_loss, "optimizer step", "loss"),
        reward_chart=line_chart(data.rewards, "GRPO step", "mean reward"),
        most=max(data.right_of_ten.values(), default=1),
    )
