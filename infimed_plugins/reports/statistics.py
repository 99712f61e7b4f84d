"""Intervals and paired comparisons: Wilson, exact McNemar, a bootstrap clustered by image (all 95%)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class Rate:
    """A share of questions with its 95% Wilson interval; all in [0, 1]."""

    right: int
    total: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """``b`` against ``a`` on the same questions: the difference of accuracies (b - a) with its 95% interval from a
    bootstrap over images, and the exact McNemar p-value from the questions on which they differ."""

    total: int
    only_a: int
    only_b: int
    difference: float
    low: float
    high: float
    p_value: float


def wilson(right: int, total: int) -> Rate:
    """The share ``right / total``; (0, 1) as its interval when there is nothing to count."""
    from scipy.stats import binomtest

    if total == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    interval = binomtest(right, total).proportion_ci(LEVEL, method="wilson")
    return Rate(right, total, right / total, float(interval.low), float(interval.high))


def paired(a: Mapping[str, float], b: Mapping[str, float], cluster: Mapping[str, str], *, seed: int = 0) -> Paired:
    """Compare two runs question by question; ``cluster`` maps a question to its image. Only shared ids count."""
    from scipy.stats import binomtest

    ids = [question for question in a if question in b]
    only_a = sum(a[question] > b[question] for question in ids)
    only_b = sum(b[question] > a[question] for question in ids)
    p_value = float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0
    low, high = _bootstrap([(cluster[question], b[question] - a[question]) for question in ids], seed)
    difference = sum(b[question] - a[question] for question in ids) / max(1, len(ids))
    return Paired(len(ids), only_a, only_b, difference, low, high, p_value)


def _bootstrap(values: Sequence[tuple[str, float]], seed: int) -> tuple[float, float]:
    """95% percentile interval of a mean, resampling whole clusters."""
    import numpy as np

    groups: dict[str, list[float]] = defaultdict(list)
    for name, value in values:
        groups[name].append(value)
    if not groups:
        return (0.0, 0.0)
    sums = np.array([sum(group) for group in groups.values()])
    counts = np.array([len(group) for group in groups.values()])
    drawn = np.random.default_rng(seed).integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
