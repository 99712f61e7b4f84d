"""The quickstart's report: one HTML file that opens offline, in light and dark, on a phone too."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infimed_plugins import pages
from infimed_plugins.reports.svg import Series, line_chart
from infimed_plugins.reports.table import Comparison, Line, percent, points


@dataclass(frozen=True)
class Example:
    """One question with the image and what each model said: (model, reply, right)."""

    image_png: bytes
    question: str
    gold: str
    replies: Sequence[tuple[str, str, bool]]

    @property
    def data_uri(self) -> str:
        """The image inside the page."""
        return "data:image/png;base64," + base64.b64encode(self.image_png).decode("ascii")


@dataclass(frozen=True)
class ReportData:
    """All the page shows. ``notes`` are the honest remarks; ``facts`` what ran, by name."""

    title: str
    facts: Mapping[str, Any]
    notes: Sequence[str]
    lines: Sequence[Line]
    comparisons: Sequence[Comparison]
    sft_loss: Series
    rewards: Series
    right_of_ten: Mapping[int, int]
    chain: str
    examples: Sequence[Example]


def write_page(data: ReportData, path: Path) -> None:
    """Render the page to ``path``. Raises MissingExtraError without jinja2."""
    pages.write_page(
        path,
        Path(__file__).with_name("page.html.jinja"),
        {"percent": percent, "points": points},
        data=data,
        groups=sorted({group for line in data.lines for group in line.by_group}),
        loss_chart=line_chart(data.sft_loss, "optimiser step", "loss"),
        reward_chart=line_chart(data.rewards, "GRPO step", "mean reward"),
        most=max(data.right_of_ten.values(), default=1),
    )
