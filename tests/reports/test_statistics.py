"""Intervals, tests and power agree with published values, with scipy's and with each other."""

from __future__ import annotations

import math
import random
import tracemalloc

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from infimed_plugins.reports.statistics import (
    SHARED_IMAGES,
    Paired,
    bootstrap_means,
    clustered,
    detectable_difference,
    holm,
    macro_average,
    middle,
    paired,
    power_note,
    questions_needed,
    wilson,
)


def test_wilson_is_the_textbook_interval() -> None:
    rate = wilson(8, 10)  # Wilson 1927: (0.4902, 0.9433)
    assert (rate.low, rate.high) == (pytest.approx(0.4902, abs=1e-3), pytest.approx(0.9433, abs=1e-3))


def test_nothing_counted_says_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def test_mcnemar_counts_only_what_differs() -> None:
    a = {str(i): float(i < 50) for i in range(100)}
    b = {str(i): float(i < 60) for i in range(100)}
    result = paired(a, b, {key: key for key in a})
    assert (result.only_a, result.only_b) == (0, 10)
    assert result.p_value == pytest.approx(2 * 0.5**10)
    assert result.difference == pytest.approx(0.1)
    assert result.low < 0.1 < result.high


def test_equal_runs_do_not_differ() -> None:
    a = {str(i): float(i % 2) for i in range(20)}
    result = paired(a, a, dict.fromkeys(a, "one image"))
    assert (result.difference, result.p_value) == (0.0, 1.0)


def test_questions_of_one_image_widen_the_interval() -> None:
    a = {str(i): 0.0 for i in range(100)}
    b = {str(i): float((i // 10) % 2) for i in range(100)}
    alone = paired(a, b, {key: key for key in a})
    together = paired(a, b, {key: str(int(key) // 10) for key in a})
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert (alone.images, alone.total, together.images, together.total) == (100, 100, 10, 100)


def test_only_images_of_compared_questions_count() -> None:
    a, b = {"1": 1.0, "2": 0.0, "3": 1.0}, {"1": 1.0, "2": 1.0, "4": 0.0}
    result = paired(a, b, {"1": "x", "2": "y", "3": "x", "4": "x"})
    assert (result.total, result.images) == (2, 2)


def verdicts(questions: int, an_image: int, seed: int = 0) -> tuple[list[float], list[str]]:
    """Made-up verdicts that hang together within an image."""
    rng = random.Random(seed)
    ease = [rng.choice((0.2, 0.9)) for _ in range(questions)]
    return (
        [float(rng.random() < ease[number // an_image]) for number in range(questions)],
        [str(number // an_image) for number in range(questions)],
    )


def test_the_interval_is_that_of_scipys_bootstrap_over_images() -> None:
    values, images = verdicts(400, 4)
    sums = np.bincount(np.array(images, dtype=int), weights=values)
    counts = np.bincount(np.array(images, dtype=int))
    theirs = bootstrap(
        (sums, counts),
        lambda s, c, axis: s.sum(axis=axis) / c.sum(axis=axis),
        paired=True,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    ours = clustered(values, images)
    assert ours.value == pytest.approx(sum(values) / 400)
    assert (ours.low, ours.high) == (pytest.approx(theirs.low, abs=0.01), pytest.approx(theirs.high, abs=0.01))


def test_questions_that_share_images_have_the_wider_interval() -> None:
    values, images = verdicts(400, 8)
    shared, alone = clustered(values, images), wilson(int(sum(values)), 400)
    assert shared.high - shared.low > 1.3 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("values", "images", "low", "high"),
    [
        pytest.param([], [], 0.0, 1.0, id="nothing-counted"),
        pytest.param([1.0, 0.0, 1.0], ["a"] * 3, 0.0, 1.0, id="one-image-says-nothing"),
        pytest.param([1.0] * 20, [str(i // 2) for i in range(20)], wilson(10, 10).low, 1.0, id="all-right-is-not-sure"),
        pytest.param([0.0] * 20, [str(i // 2) for i in range(20)], 0.0, wilson(0, 10).high, id="all-wrong"),
    ],
)
def test_where_a_bootstrap_says_nothing_the_interval_says_so(
    values: list[float], images: list[str], low: float, high: float
) -> None:
    found = clustered(values, images)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_a_seed_gives_the_same_interval_again() -> None:
    values, images = verdicts(100, 2)
    assert clustered(values, images, seed=3) == clustered(values, images, seed=3)
    assert clustered(values, images, seed=3) != clustered(values, images, seed=4)


def test_a_pair_without_shared_questions_leaves_the_difference_open() -> None:
    result = paired({"a": 1.0}, {"b": 0.0}, {"a": "1", "b": "2"})
    assert (result.total, result.low, result.high, result.p_value) == (0, -1.0, 1.0, 1.0)


def test_the_macro_average_weighs_benchmarks_alike_and_adds_their_variances() -> None:
    sets = [verdicts(size, 1, seed) for seed, size in enumerate((200, 800, 50))]
    means = [sum(values) / len(values) for values, _ in sets]
    found = macro_average([clustered(*one, seed=(0, number)) for number, one in enumerate(sets)])
    assert found.value == pytest.approx(sum(means) / 3)
    error = math.sqrt(sum(mean * (1 - mean) / len(v) for mean, (v, _) in zip(means, sets, strict=True))) / 3
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    drawn = middle(sum(bootstrap_means(*one, seed=(0, number)) for number, one in enumerate(sets)) / 3)
    assert (found.low, found.high) == pytest.approx(drawn, abs=0.005)


def test_a_set_that_is_all_wrong_does_not_make_an_average_certain() -> None:
    alone = macro_average([clustered([0.0] * 20, range(20))])
    assert (alone.value, alone.low, alone.high) == (0.0, 0.0, pytest.approx(wilson(0, 20).high))
    other = clustered(*verdicts(200, 1))
    both = macro_average([other, clustered([0.0] * 20, range(20))])
    assert both.high - both.value > (other.high - other.value) / 2


EQUAL_SHARES = ([1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("turns", EQUAL_SHARES, ids=["quarter", "half", "three-quarters"])
def test_images_that_are_all_alike_do_not_make_a_share_certain(turns: list[float]) -> None:
    widths = []
    for images in (3, 30, 300):
        found = clustered(turns * images, [number // 4 for number in range(4 * images)])
        assert 0 < found.low < found.value < found.high < 1
        widths.append(found.high - found.low)
    assert widths == pytest.approx([wilson(0, images).high for images in (3, 30, 300)])


@pytest.mark.parametrize("unlike", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("questions", [5, 6, 100])
def test_a_pair_that_is_alike_in_every_question_has_the_exact_tests_interval(questions: int, unlike: float) -> None:
    a = {str(number): float(unlike < 0) for number in range(questions)}
    b = {name: value + unlike for name, value in a.items()}
    found = paired(a, b, {name: name for name in a})
    assert found.low < found.high
    assert found.low <= found.difference == unlike <= found.high
    assert (found.low <= 0 <= found.high) == (found.p_value > 0.05)


def test_a_bootstrap_over_89000_questions_stays_small_in_memory() -> None:
    values, images = verdicts(89_000, 1)
    tracemalloc.start()
    found = clustered(values, images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6
    assert found.high - found.low < 0.01


def test_graded_values_are_drawn_in_blocks_within_the_same_memory() -> None:
    rng = random.Random(0)
    values = [rng.random() for _ in range(20_000)]  # every cluster is of a kind of its own
    tracemalloc.start()
    low, high = middle(bootstrap_means(values, range(20_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6
    assert low < sum(values) / 20_000 < high


def result(total: int, only_a: int, only_b: int, images: int | None = None) -> Paired:
    p_value = float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0
    difference = (only_b - only_a) / max(1, total)
    return Paired(total, total if images is None else images, only_a, only_b, difference, -1.0, 1.0, p_value)


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    # 4 x 0.01, 3 x 0.013, 2 x 0.04, 1 x 0.03 in the order of the p-values
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})


def test_one_comparison_needs_no_correction_and_no_more_than_one_comes_out() -> None:
    assert holm({"a": 0.04}) == {"a": 0.04}
    assert holm({}) == {}
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}  # 2 x 0.8 is above 1, and 0.9 not below it


@pytest.mark.parametrize(("total", "discordant"), [(150, 40), (1000, 90), (300, 150)])
def test_the_detectable_difference_is_shown_in_four_of_five_draws(total: int, discordant: int) -> None:
    difference = detectable_difference(total, discordant)
    assert difference is not None
    share = 0.5 + difference * total / discordant / 2
    draws = np.random.default_rng(0).binomial(discordant, share, 4000)
    p_values = {int(k): binomtest(int(k), discordant).pvalue for k in set(draws)}
    assert np.mean([p_values[int(k)] <= 0.05 for k in draws]) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("discordant", "can"), [(0, False), (5, False), (6, True)])
def test_five_discordant_answers_can_show_nothing_and_six_can(discordant: int, can: bool) -> None:
    assert bool(discordant and binomtest(0, discordant).pvalue <= 0.05) is can
    assert (detectable_difference(150, discordant) is not None) is can


def test_so_many_questions_as_needed_make_the_difference_detectable() -> None:
    needed = questions_needed(0.04, 0.3)
    least = detectable_difference(needed, round(0.3 * needed))
    assert least == pytest.approx(0.04, rel=0.06)


@pytest.mark.parametrize(
    ("paired", "said"),
    [
        pytest.param(result(150, 15, 21), "too few to show the 4.0 points seen", id="mmmu-is-too-small"),
        pytest.param(result(5000, 500, 700), "80% power, alpha 0.05).", id="large-enough"),
        pytest.param(result(150, 2, 3), "can show no difference at all", id="hardly-discordant"),
        pytest.param(result(150, 20, 20), "none was seen", id="no-difference"),
        pytest.param(result(150, 0, 0), "nothing to test", id="same-answers"),
        pytest.param(result(0, 0, 0), "No question", id="no-question"),
    ],
)
def test_the_note_says_what_the_set_can_show(paired: Paired, said: str) -> None:
    assert said in power_note(paired)
    assert ("too few" in power_note(paired)) == (paired.total == 150 and paired.only_b in (21, 3))


@pytest.mark.parametrize(
    ("paired", "told"),
    [
        pytest.param(result(150, 2, 19, images=149), True, id="two-of-one-image"),
        pytest.param(result(150, 20, 20, images=10), True, id="no-difference-seen"),
        pytest.param(result(150, 2, 19), False, id="an-image-each"),
        pytest.param(result(150, 0, 0, images=10), False, id="no-test-was-made"),
        pytest.param(result(0, 0, 0), False, id="no-question"),
    ],
)
def test_a_warning_says_where_p_takes_questions_of_one_image_as_independent(paired: Paired, told: bool) -> None:
    assert paired.warning == (SHARED_IMAGES if told else "")
