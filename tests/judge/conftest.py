"""Each test of the judge stands for a process of its own."""

from __future__ import annotations

import pytest

from infimed_plugins.judge import reward
from infimed_plugins.rewards import scorer


@pytest.fixture(autouse=True)
def _as_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds what another one's judge has said, or that it was out."""
    monkeypatch.setattr("infimed_plugins.judge.reward._caches", {})
    monkeypatch.setitem(scorer._lost, "next", 0.0)
    reward._warn_of_no_question.cache_clear()
    scorer.find_reward.cache_clear()
    scorer._scorer.cache_clear()
