"""What a file of saved generations earned: a table by task, the reasons for zeros, a page to look through."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from infimed_plugins import pages
from infimed_plugins.records import Json
from infimed_plugins.rewards.saved import Scored

PAGE_ROWS = 2000  # a browser shows no more of them with ease
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.,]*")


@dataclass
class TaskTotals:
    """Sums over the rows of one task."""

    rows: int = 0
    overall: float = 0.0
    format: float = 0.0
    accuracy: float = 0.0
    invalid: int = 0

    def add(self, scored: Scored) -> None:
        """Count one row."""
        self.rows += 1
        self.overall += scored.score.overall
        self.format += scored.score.format
        self.accuracy += scored.score.accuracy or 0.0
        self.invalid += scored.score.invalid

    def means(self) -> dict[str, Json]:
        """Rows, mean rewards, and the share that could not be read."""
        return {
            "rows": self.rows,
            "overall": self.overall / self.rows,
            "format": self.format / self.rows,
            "accuracy": self.accuracy / self.rows,
            "invalid": self.invalid / self.rows,
        }


@dataclass
class Review:
    """The summary of a file, filled row by row; ``kept`` are the rows that the page shows, zeros first to come."""

    tasks: dict[str, TaskTotals] = field(default_factory=dict)
    zeros: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_seen: dict[tuple[str, str], int] = field(default_factory=dict)
    kept: list[Scored] = field(default_factory=list)
    rows: int = 0

    def add(self, scored: Scored) -> None:
        """Count one row."""
        self.rows += 1
        self.tasks.setdefault(scored.task, TaskTotals()).add(scored)
        if not scored.score.accuracy:
            key = scored.task, general(scored.score.reason)
            self.zeros[key] += 1
            self.first_seen.setdefault(key, scored.generation.number)
        if len(self.kept) < PAGE_ROWS:
            self.kept.append(scored)

    def to_json(self) -> dict[str, Json]:
        """``rows``, ``tasks`` by name, and ``zeros``: why accuracy is 0, how often, and the first such line."""
        return {
            "rows": self.rows,
            "tasks": {name: totals.means() for name, totals in sorted(self.tasks.items())},
            "zeros": [
                {"task": task, "reason": reason, "rows": count, "first_line": self.first_seen[task, reason]}
                for (task, reason), count in self.zeros.most_common()
            ],
        }


def general(reason: str) -> str:
    """A reason without the particulars of its row, so that like ones are counted together."""
    return _PARTICULAR.sub("…", reason)[:120] or "no reason given"


def write_page(review: Review, title: str, path: Path) -> None:
    """Write the page: one file, offline. Raises MissingExtraError without jinja2."""
    template = Path(__file__).with_name("reward_review.html.jinja")
    pages.write_page(path, template, title=title, summary=review.to_json(), rows=review.kept, general=general)
