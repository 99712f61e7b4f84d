"""What a paired difference is worth: Holm's correction over benchmarks, and what a set is large enough to show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from infimed_plugins.reports.statistics import Paired

ALPHA = 0.05
POWER = 0.80
SHARED_IMAGES = "Questions share images: p takes them as independent, the interval does not."

K = TypeVar("K")


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """The p-values of one family (a pair of models over several benchmarks), corrected by Holm's method.

    The smallest is multiplied by the number of comparisons, the next by one less, and so on; none is below the one
    before it, nor above 1.
    """
    corrected, least = dict(p_values), 0.0
    for place, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        corrected[name] = least = max(least, min(1.0, (len(p_values) - place) * p_values[name]))
    return corrected


def detectable_difference(total: int, discordant: int) -> float | None:
    """The smallest true difference of accuracies, in [0, 1], that the exact McNemar test would show with 80% power.

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
    """How many questions a paired test needs to show ``difference`` with 80% power.

    Connor's normal approximation (Biometrics 1987, 43:207), for a true ``discordant_share`` >= |difference| > 0.
    """
    from scipy.stats import norm

    size = abs(difference)
    spread = math.sqrt(max(0.0, discordant_share - size**2))
    wanted = norm.isf(ALPHA / 2) * math.sqrt(discordant_share) + norm.isf(1 - POWER) * spread
    return math.ceil(float(wanted / size) ** 2)


def power_note(result: Paired) -> str:
    """What so many questions can show, whether they are too few for the difference seen, and whether p is too small."""
    discordant = result.only_a + result.only_b
    if result.total == 0:
        return "No question was answered by both."
    if discordant == 0:
        return f"Both are right on the same ones of the {result.total:,} questions: nothing to test."
    return f"{_power(result, discordant)} {SHARED_IMAGES}" if result.shared else _power(result, discordant)


def _power(result: Paired, discordant: int) -> str:
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
