"""95% intervals (Wilson, a bootstrap clustered by image), exact McNemar, Holm's correction, power, a macro average.

Questions that share an image are no independent evidence: the bootstrap draws whole images. Where no draw differs, as
where every image says the same, it would claim certainty: there a bound on what unseen images may say takes its place.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    _Values = Sequence[float] | NDArray[np.float64]
    _Clusters = Sequence[Hashable] | NDArray[np.intp]

LEVEL = 0.95
RESAMPLES = 2000
_CELLS = 4_000_000  # one block of draws: 32 MB
_NO_SPREAD = 1e-9  # draws that differ by no more differ by rounding
ALPHA = 0.05
POWER = 0.80
OVER_IMAGES = "clustered by image"  # the kind of interval; else Wilson's
SHARED_IMAGES = "Questions share images: p takes them as independent, the interval does not."

K = TypeVar("K")


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval: an accuracy in [0, 1] or a difference of accuracies in [-1, 1]."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Rate(Estimate):
    """A share of questions with its 95% Wilson interval; all in [0, 1]."""

    right: int
    total: int


@dataclass(frozen=True)
class Paired:
    """``b`` against ``a`` on the same questions: the difference of accuracies (b - a) with its 95% interval, whole
    images being drawn, and the exact McNemar p-value from the questions on which they differ."""

    total: int
    images: int
    only_a: int
    only_b: int
    difference: float
    low: float
    high: float
    p_value: float

    @property
    def warning(self) -> str:
        """What makes p too small: questions that share images, where a test was made."""
        return SHARED_IMAGES if self.images < self.total and self.only_a + self.only_b else ""

    @property
    def estimate(self) -> Estimate:
        """The difference with its interval."""
        return Estimate(self.difference, self.low, self.high)


def interval(estimate: Estimate) -> str:
    """Return ``61.2 [57.0, 65.3]``, in percent."""
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def wilson(right: int, total: int) -> Rate:
    """Return the share ``right / total``; (0, 1) as its interval when there is nothing to count."""
    from scipy.stats import binomtest

    if total == 0:
        return Rate(0.0, 0.0, 1.0, 0, 0)
    # the interval is the same for every p; for this one no p-value, which is the slow part, has to be looked for
    interval = binomtest(right, total, right / total).proportion_ci(LEVEL, method="wilson")
    return Rate(right / total, float(interval.low), float(interval.high), right, total)


def clustered(values: _Values, clusters: _Clusters, *, seed: int | Sequence[int] = 0) -> Estimate:
    """Return the mean of ``values`` (verdicts, 0 or 1), whose ``clusters`` (images) are drawn whole.

    Where all clusters have the same share right a bootstrap has nothing to vary: then Wilson's bound on the number of
    clusters says how many of another kind there may be. Nothing to count, or one cluster of mixed verdicts, says
    nothing: (0, 1). With fewer than some 20 clusters the interval is too narrow.
    """
    import numpy as np

    if not len(values):
        return Estimate(0.0, 0.0, 1.0)
    right, image = np.asarray(values, dtype=np.float64), _numbered(clusters)
    mean, images = float(right.mean()), int(image.max()) + 1
    if images == 1 and right.min() < right.max():
        return Estimate(mean, 0.0, 1.0)
    low, high = middle(bootstrap_means(right, image, seed=seed))
    if high - low <= _NO_SPREAD:
        low, high = _with_unseen(mean, wilson(0, images).high, least=0.0)
    return Estimate(mean, low, high)


def share(values: Sequence[bool], clusters: Sequence[Hashable], *, seed: int | Sequence[int] = 0) -> Estimate:
    """Return a share with the interval to show: clustered where values share clusters, else Wilson's."""
    alone = len(set(clusters)) == len(values)
    return wilson(sum(values), len(values)) if alone else clustered([*map(float, values)], clusters, seed=seed)


def paired(a: Mapping[str, float], b: Mapping[str, float], cluster: Mapping[str, str], *, seed: int = 0) -> Paired:
    """Compare two runs question by question; ``cluster`` maps a question to its image. Only shared ids count.

    No shared question, or all of one image, leaves the difference open: (-1, 1). Where every image says the same, the
    interval is exact (Clopper and Pearson, on the number of images), as the test is: five of five leave 0 possible.
    """
    from scipy.stats import binomtest

    ids = [question for question in a if question in b]
    only_a = sum(a[question] > b[question] for question in ids)
    only_b = sum(b[question] > a[question] for question in ids)
    p_value = float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0
    differences, images = [b[question] - a[question] for question in ids], [cluster[question] for question in ids]
    difference, count = sum(differences) / max(1, len(ids)), len(set(images))
    low, high = middle(bootstrap_means(differences, images, seed=seed)) if count > 1 else (-1.0, 1.0)
    if high - low <= _NO_SPREAD:
        unseen = float(binomtest(0, count).proportion_ci(LEVEL, method="exact").high)
        low, high = _with_unseen(difference, unseen, least=-1.0)
    return Paired(len(ids), count, only_a, only_b, difference, low, high, p_value)


def bootstrap_means(values: _Values, clusters: _Clusters, *, seed: int | Sequence[int] = 0) -> NDArray[np.float64]:
    """Draw ``RESAMPLES`` means of ``values``, each over as many clusters as there are, drawn whole with replacement.

    Clusters with the same sum and size are alike, so a draw is a multinomial count of the few kinds there are: the same
    distribution as drawing one by one, in a thousandth of the time. Raises ValueError when there is nothing to draw.
    """
    import numpy as np

    if not len(values):
        raise ValueError("a bootstrap needs at least one value")
    index = _numbered(clusters)
    images = int(index.max()) + 1
    pairs = np.bincount(index, weights=values) + 1j * np.bincount(index)  # complex numbers sort faster than rows
    found, times = np.unique(pairs, return_counts=True)
    kinds = np.stack([found.real, found.imag], axis=1)  # sum and size
    rng, block = np.random.default_rng(seed), max(1, _CELLS // len(kinds))
    means = []
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        drawn = rng.multinomial(images, times / images, size=size) @ kinds
        means.append(drawn[:, 0] / drawn[:, 1])
    return np.concatenate(means)


def _numbered(clusters: _Clusters) -> NDArray[np.intp]:
    """Return the clusters as numbers from 0 on, none left out."""
    import numpy as np

    if isinstance(clusters, np.ndarray):
        return np.unique(clusters, return_inverse=True)[1]
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in clusters], dtype=np.intp)


def stream(seed: int, benchmark: str) -> tuple[int, int]:
    """Return the seed of a benchmark: draws of two benchmarks must not move together."""
    return seed, zlib.crc32(benchmark.encode("utf-8", "replace"))


def macro_average(figures: Sequence[Estimate]) -> Estimate:
    """Return the mean of benchmark figures, each benchmark weighing the same (the first paper's Table 1, "Avg.").

    Benchmarks are independent: the distances to their bounds add in squares (Zou, Huang and Zhang, Computational
    Statistics & Data Analysis 2009, 53:1080), so that a set which is all wrong is not taken to be certain.
    """
    if not figures:
        return Estimate(0.0, 0.0, 1.0)
    count, value = len(figures), sum(figure.value for figure in figures) / len(figures)
    below = math.hypot(*(figure.value - figure.low for figure in figures)) / count
    above = math.hypot(*(figure.high - figure.value for figure in figures)) / count
    return Estimate(value, value - below, value + above)


def middle(draws: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95% percentile interval of bootstrap draws."""
    import numpy as np

    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _with_unseen(value: float, unseen: float, *, least: float) -> tuple[float, float]:
    """Widen the interval for a share of images unlike all that were seen: from ``least`` up to 1 in them."""
    seen = (1 - unseen) * value
    return seen + unseen * least, seen + unseen


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """Return the p-values of one family (a pair of models over several benchmarks), corrected by Holm's method.

    The smallest is multiplied by the number of comparisons, the next by one less, and so on; none is below the one
    before it, nor above 1.
    """
    corrected, least = dict(p_values), 0.0
    for place, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        corrected[name] = least = max(least, min(1.0, (len(p_values) - place) * p_values[name]))
    return corrected


def detectable_difference(total: int, discordant: int) -> float | None:
    """Return the least true difference of accuracies, in [0, 1], that the exact McNemar test shows with 80% power.

    It is for ``total`` questions of which ``discordant`` are answered right by one model only, that number taken as
    given, and questions taken as independent (shared images make it larger). None when no split of so few discordant
    answers reaches p <= 0.05: the test needs at least six.
    """
    from scipy.optimize import brentq
    from scipy.stats import binom

    rejects = int(binom.ppf(ALPHA / 2, discordant, 0.5))  # the largest count of the rarer side that is significant
    while rejects >= 0 and 2 * binom.cdf(rejects, discordant, 0.5) > ALPHA:
        rejects -= 1
    if discordant == 0 or rejects < 0:
        return None

    def missing(share: float) -> float:
        upper = binom.sf(discordant - rejects - 1, discordant, share)
        return float(upper + binom.cdf(rejects, discordant, share)) - POWER

    share = brentq(missing, 0.5, 1.0)
    return float((2 * share - 1) * discordant / total)


def questions_needed(difference: float, discordant_share: float) -> int:
    """Return the number of questions that a paired test needs to show ``difference`` with 80% power.

    Connor's normal approximation (Biometrics 1987, 43:207), for a true ``discordant_share`` >= |difference| > 0.
    """
    from scipy.stats import norm

    size = abs(difference)
    spread = math.sqrt(max(0.0, discordant_share - size**2))
    wanted = norm.isf(ALPHA / 2) * math.sqrt(discordant_share) + norm.isf(1 - POWER) * spread
    return math.ceil(float(wanted / size) ** 2)


def power_note(result: Paired) -> str:
    """Return the power of so many questions, and if they are too few for the difference seen."""
    discordant = result.only_a + result.only_b
    if result.total == 0:
        return "No question was answered by both."
    if discordant == 0:
        return f"Both are right on the same ones of the {result.total:,} questions: nothing to test."
    least, seen = detectable_difference(result.total, discordant), abs(result.difference)
    shown = f"{result.total:,} questions, {discordant:,} of them ({100 * discordant / result.total:.1f}%) discordant"
    can = "can show no difference at all" if least is None else f"can show {100 * least:.1f} points or more"
    note = f"{shown}, {can} (80% power, alpha 0.05)"
    if result.p_value <= ALPHA or (least is not None and seen >= least):
        return f"{note}."
    if seen == 0:
        return f"{note}; none was seen."
    needed = questions_needed(seen, discordant / result.total)
    return f"{note}; too few to show the {100 * seen:.1f} points seen, which need some {needed:,} questions."
