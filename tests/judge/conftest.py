"""The tests of the judge ask the engines' faulty server, and the one beside it that says what a test chooses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infimed_plugins.judge import reward
from infimed_plugins.rewards import scorer

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / room) for room in ("judge", "benchmarks", "engines")]


@pytest.fixture(autouse=True)
def _as_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds what another one's judge has said, or that it was out."""
    monkeypatch.setattr("infimed_plugins.judge.reward._caches", {})
    monkeypatch.setitem(scorer._lost, "next", 0.0)
    reward._warn_of_no_question.cache_clear()
    scorer.find_reward.cache_clear()
    scorer._scorer.cache_clear()
