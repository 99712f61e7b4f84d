"""The bootstrap over images is the ordinary cluster bootstrap, says little where little is known, and stays small."""

from __future__ import annotations

import math
import random
import tracemalloc

import numpy as np
import pytest
from scipy.stats import bootstrap

from infimed_plugins.reports.statistics import bootstrap_means, clustered, macro_average, middle, paired, wilson


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
