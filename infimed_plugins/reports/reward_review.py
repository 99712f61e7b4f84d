"""Summarize the rewards of saved generations: a table by task, the reasons for zeros, a page to look through."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from infimed_plugins import pages
from infimed_plugins.records import Json
from infimed_plugins.rewards.generations import Scored

PAGE_ROWS = 2000  # a browser shows no more of them with ease
_MEANS = ("overall", "format", "accuracy", "invalid")  # fields of a Score
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.,]*")


@dataclass
class Review:
    """The summary of a file, filled row by row; ``kept`` are the first rows, which the page shows."""

    tasks: dict[str, dict[str, float]] = field(default_factory=dict)  # sums
    zeros: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_seen: dict[tuple[str, str], int] = field(default_factory=dict)
    kept: list[Scored] = field(default_factory=list)
    rows: int = 0

    def add(self, scored: Scored) -> None:
        """Count one row."""
        self.rows += 1
        sums = self.tasks.setdefault(scored.task, {"rows": 0, **dict.fromkeys(_MEANS, 0.0)})
        sums["rows"] += 1
        for name in _MEANS:
            sums[name] += getattr(scored.score, name) or 0.0
        if not scored.score.accuracy:
            key = scored.task, general(scored.score.reason)
            self.zeros[key] += 1
            self.first_seen.setdefault(key, scored.generation.number)
        if len(self.kept) < PAGE_ROWS:
            self.kept.append(scored)

    def to_json(self) -> dict[str, Json]:
        """Return ``rows``, the means of ``tasks`` by name, and ``zeros``: why accuracy is 0, how often, and the first
        such line."""
        return {
            "rows": self.rows,
            "tasks": {
                name: {"rows": sums["rows"], **{mean: sums[mean] / sums["rows"] for mean in _MEANS}}
                for name, sums in sorted(self.tasks.items())
            },
            "zeros": [
                {"task": task, "reason": reason, "rows": count, "first_line": self.first_seen[task, reason]}
                for (task, reason), count in self.zeros.most_common()
            ],
        }


def general(reason: str) -> str:
    """Return a reason without the particulars of its row, so that like ones are counted together."""
    return _PARTICULAR.sub("…", reason)[:120] or "no reason given"


def write_page(review: Review, title: str, path: Path) -> None:
    """Write the page: one file, offline. Raises MissingExtraError without jinja2."""
    template = Path(__file__).with_name("reward_review.html.jinja")
    pages.write_page(path, template, title=title, summary=review.to_json(), rows=review.kept, general=general)
