"""Figures of scored questions: an accuracy with its intervals, of all of them or of each value of a grouping.

What is counted is taken from the rows once, as arrays: a run of OmniMedVQA has 89,000, and a grouping's every value
counts its share of them anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.pages import MOST_NAME, shortened
from infimed_plugins.records import Json
from infimed_plugins.reports.statistics import Estimate, Rate, clustered, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOT_GIVEN = "(not given)"
_FIELDS = ("group", "task", "language")  # groupings that are fields of Judged, where meta has no such key


@dataclass(frozen=True)
class Figure:
    """An accuracy over scored questions. ``accuracy`` has the Wilson interval, ``interval`` the one clustered by
    ``images``. ``invalid`` replies could not be read: they count as wrong, but in modes (medevalkit, paper) whose
    rules then guess an answer, which may be right. Of these ``abstained`` said something."""

    accuracy: Rate
    interval: Estimate
    images: int
    invalid: Rate
    abstained: Rate

    @property
    def shared(self) -> bool:
        """True if questions share images: then Wilson's interval is too narrow."""
        return self.images < self.accuracy.total

    @property
    def estimate(self) -> Estimate:
        """The interval to show: the clustered one where questions share images, else Wilson's."""
        return self.interval if self.shared else self.accuracy


class Columns(NamedTuple):
    """Arrays over questions: 1.0 for a right reply, the image as a number, the rest true or false."""

    right: NDArray[np.float64]
    image: NDArray[np.intp]
    invalid: NDArray[np.bool_]
    abstained: NDArray[np.bool_]

    def at(self, places: Sequence[int]) -> Columns:
        """Select a subset of the questions."""
        right, image, invalid, abstained = self
        return Columns(right[places], image[places], invalid[places], abstained[places])


def columns_of(scored: Sequence[Judged]) -> Columns:
    """The columns of scored questions."""
    import numpy as np

    numbers: dict[str, int] = {}
    return Columns(
        np.array([row.accuracy == 1.0 for row in scored], dtype=np.float64),
        np.array([numbers.setdefault(row.image, len(numbers)) for row in scored], dtype=np.intp),
        np.array([row.invalid for row in scored], dtype=np.bool_),
        np.array([row.invalid and row.text != "" and not row.text.isspace() for row in scored], dtype=np.bool_),
    )


def figure(columns: Columns, seed: Sequence[int]) -> Figure:
    """Count some questions."""
    total = len(columns.right)
    return Figure(
        wilson(int(columns.right.sum()), total),
        clustered(columns.right, columns.image, seed=seed),
        len(set(columns.image.tolist())),
        wilson(int(columns.invalid.sum()), total),
        wilson(int(columns.abstained.sum()), total),
    )


def breakdown(scored: Sequence[Judged], columns: Columns, key: str, seed: Sequence[int]) -> dict[str, Figure]:
    """A figure for each value of one grouping; a question with a list of values counts under each of them."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(scored):
        for value in _values(row, key) or (NOT_GIVEN,):
            groups[value].append(place)
    if set(groups) <= {NOT_GIVEN}:
        return {}
    named = sorted(groups, key=lambda value: (value == NOT_GIVEN, value))
    return {value: figure(columns.at(groups[value]), seed) for value in named}


def _values(row: Judged, key: str) -> Sequence[str]:
    value: Json = row.meta.get(key, getattr(row, key) if key in _FIELDS else None)
    values = value if isinstance(value, (list, tuple)) else (value,)
    return list(dict.fromkeys(shortened(one, MOST_NAME) for one in values if one not in (None, "")))
