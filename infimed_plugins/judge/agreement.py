"""Agreement of a judge with the rules or with people: observed agreement and Cohen's kappa.

A file of people's labels is JSON lines, a question each::

    {"id": "vqa-rad-test-00012", "right": true}
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins.errors import DataError, optional_module
from infimed_plugins.tables.rows import values_by_id

_NO_WIDTH = 1e-9


@dataclass(frozen=True)
class Agreement:
    """``n`` questions with both verdicts, the share on which they agree, and kappa with its 95% interval.

    ``kappa`` None: chance would agree on everything, as where both say right throughout. The interval is the normal
    approximation (statsmodels), held within [-1, 1]. Where that has no width, as where all agree or where one of the
    two always says the same, there is none: so few verdicts are not certain.
    """

    n: int
    observed: float
    kappa: float | None
    low: float | None
    high: float | None
    both_right: int = 0
    both_wrong: int = 0
    only_judge: int = 0
    only_other: int = 0


def agreement(judge: Mapping[str, bool], other: Mapping[str, bool]) -> Agreement:
    """Compare verdicts on the questions that have both; unscored ones are left out.

    Raises DataError when there is no such question, and MissingExtraError without statsmodels.
    """
    pairs = [(judge[id], other[id]) for id in judge if id in other]
    if not pairs:
        raise DataError("no question has both verdicts; check that the ids are those of the run")
    counts = Counter(pairs)
    right, only_judge, only_other = counts[True, True], counts[True, False], counts[False, True]
    wrong = counts[False, False]
    kappa, low, high = None, None, None
    if len(pairs) not in (right, wrong):  # else kappa is not defined
        kappa, low, high = _kappa([[right, only_judge], [only_other, wrong]])
    observed = (right + wrong) / len(pairs)
    return Agreement(len(pairs), observed, kappa, low, high, right, wrong, only_judge, only_other)


def read_labels(path: Path) -> dict[str, bool]:
    """Return people's verdicts by question. Raises MissingFileError, or DataError naming the bad line."""
    labels: dict[str, bool] = {}
    needs = '"id", a string, and "right", true or false'
    for place, id, right in values_by_id(path, "right", True, "labels", needs, lambda value: isinstance(value, bool)):
        if labels.setdefault(id, right) != right:
            raise DataError(f"{place}: {id!r} is labeled right and wrong; keep one")
    return labels


def _kappa(table: list[list[int]]) -> tuple[float, float | None, float | None]:
    """Return kappa and its interval, as far as it has one."""
    import numpy as np

    inter_rater = optional_module("statsmodels.stats.inter_rater", "Cohen's kappa", "eval")
    with np.errstate(all="ignore"):  # its standard error divides by nothing where one side says always the same
        result = inter_rater.cohens_kappa(table)
    low, high = float(result.kappa_low), float(result.kappa_upp)
    known = math.isfinite(low) and math.isfinite(high) and high - low > _NO_WIDTH
    return float(result.kappa), max(-1.0, low) if known else None, min(1.0, high) if known else None
