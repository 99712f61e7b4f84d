"""Intervals and tests agree with published values and with each other."""

from __future__ import annotations

import pytest

from infimed_plugins.reports.statistics import paired, wilson


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
    assert (alone.images, alone.shared, together.images, together.shared) == (100, False, 10, True)


def test_only_images_of_compared_questions_count() -> None:
    a, b = {"1": 1.0, "2": 0.0, "3": 1.0}, {"1": 1.0, "2": 1.0, "4": 0.0}
    result = paired(a, b, {"1": "x", "2": "y", "3": "x", "4": "x"})
    assert (result.total, result.images, result.shared) == (2, 2, False)
