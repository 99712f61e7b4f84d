"""The hardest questions stay: those with the fewest right candidates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.selection import difficulty
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Sample

SAMPLES = [
    Sample(f"q{n}", "t", "train", "What is it?", "multiple_choice", "B", options=("cyst", "stone")) for n in range(5)
]
RIGHT, WRONG = prompts.tagged("Stone.", "B"), prompts.tagged("Cyst.", "A")
RIGHT_OF_TEN = {"q0": 7, "q1": 0, "q2": 3, "q3": 3, "q4": 10}


@dataclass
class Says:
    model: str = "fixed"
    failing: str = ""

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            right = RIGHT_OF_TEN[request.id]
            error = "down" if request.id == self.failing else None
            yield Reply(request.id, (RIGHT,) * right + (WRONG,) * (sampling.n - right), error=error)


def test_the_fewest_right_come_first_and_the_rest_is_counted() -> None:
    context = StepContext(engine=Says(), settings={"keep": 3})
    kept = list(difficulty(SAMPLES, context))
    assert kept[0].id == "q1"
    assert {sample.id for sample in kept[1:]} == {"q2", "q3"}
    assert [sample.meta["difficulty"]["right"] for sample in kept] == [0, 3, 3]
    assert context.dropped == {"easier than those kept": 2}
    assert context.counted["3 right of 10"] == context.right_of[3, 10] == 2


def test_what_nobody_answers_may_be_left_out_and_failures_are_counted() -> None:
    context = StepContext(engine=Says(failing="q4"), settings={"least": 1})
    assert {sample.id for sample in difficulty(SAMPLES, context)} == {"q0", "q2", "q3"}
    assert context.dropped == {"too few right candidates": 1, "engine error": 1}


@pytest.mark.parametrize(
    ("engine", "settings", "said"),
    [
        (None, {}, "needs an engine"),
        (Says(), {"keeps": 3}, "; one of keep, candidates"),
        (Says(), {"candidates": 0}, "difficulty: candidates is 0; give a whole number from 1"),
        (Says(), {"candidates": "ten"}, "candidates is 'ten'; give a whole number"),
        (Says(), {"keep": -3}, "keep is -3; give a whole number from 1"),
        (Says(), {"least": 11}, "least is 11 of 10 candidates; give at most 10"),
        (Says(), {"temperature": "hot"}, "temperature is 'hot'; give a number"),
        (Says(), {"temperature": 0}, "all 10 candidates would be one; give more than 0"),
        (Says(), {"top_p": 5}, "top_p is 5; give a number above 0, at most 1"),
        (Says(), {"top_p": float("nan")}, "top_p is nan"),
        (Says(), {"max_tokens": 0.5}, "max_tokens is 0.5; give a whole number"),
        (Says(), {"style": "grounding"}, "style is 'grounding'; one of direct, reasoning"),
    ],
)
def test_what_cannot_be_is_said(engine: Says | None, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list(difficulty(SAMPLES, StepContext(engine=engine, settings=settings)))
