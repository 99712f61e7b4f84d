"""Holm's correction is the textbook's, and the power note claims no more than the exact test can do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from infimed_plugins.reports.statistics import (
    SHARED_IMAGES,
    Paired,
    detectable_difference,
    holm,
    power_note,
    questions_needed,
)


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
def test_the_note_says_where_p_takes_questions_of_one_image_as_independent(paired: Paired, told: bool) -> None:
    assert power_note(paired).endswith(f" {SHARED_IMAGES}") is told
    assert (SHARED_IMAGES in power_note(paired)) is told
