"""The robust scorer reads what is there, abstains instead of guessing, and never counts a failure as wrong."""

from __future__ import annotations

from typing import Any

import pytest

from infimed_plugins.records import Response, Sample
from infimed_plugins.scoring.robust import score, score_response

CHOICE: dict[str, Any] = {"task": "multiple_choice", "answer": "B", "options": ("cyst", "stone", "band")}
TEXT: dict[str, Any] = {"task": "text", "answer": "upper left"}
MATH: dict[str, Any] = {"task": "math", "answer": "12"}
BOX: dict[str, Any] = {"task": "grounding", "answer": [10, 10, 30, 30]}
BOXES: dict[str, Any] = {"task": "detection", "answer": [[10, 10, 30, 30], [50, 50, 70, 70]]}
NONE: dict[str, Any] = {"task": "detection", "answer": []}
TAGGED = "<think> One stone. </think>\n<answer> {} </answer>"

CASES = [
    # truth, style, reply, accuracy, invalid
    (CHOICE, "direct", "B", 1, False),
    (CHOICE, "direct", "B. stone", 1, False),
    (CHOICE, "direct", "stone", 1, False),
    (CHOICE, "direct", "A", 0, False),
    (CHOICE, "direct", "A or B", 0, True),
    (CHOICE, "direct", "", 0, True),
    (CHOICE, "direct", TAGGED.format("B"), 1, False),
    (CHOICE, "reasoning", TAGGED.format("B"), 1, False),
    (CHOICE, "reasoning", "B", 0, True),
    (CHOICE, "reasoning", "<think> it is B", 0, True),
    (CHOICE, "reasoning", "So \\boxed{B}", 1, False),
    (TEXT, "direct", "Upper  left.", 1, False),
    (TEXT, "direct", "left upper", 1, False),
    (TEXT, "direct", "upper", 0, False),
    (MATH, "direct", "12.0", 1, False),
    (MATH, "direct", "13", 0, False),
    (BOX, "direct", "[10, 10, 30, 30]", 1, False),
    (BOX, "direct", "[12, 10, 30, 30]", 1, False),
    (BOX, "direct", "[25, 10, 45, 30]", 0, False),
    (BOX, "direct", "the left", 0, True),
    (BOXES, "direct", "[[10, 10, 30, 30], [50, 50, 70, 70]]", 1, False),
    (BOXES, "direct", "[[80, 80, 90, 90]]", 0, False),
    (NONE, "direct", "No Objects", 1, False),
    (NONE, "direct", "[[80, 80, 90, 90]]", 0, False),
]


def sample(truth: dict[str, Any]) -> Sample:
    return Sample(id="s", source="t", split="test", question="?", **truth)


@pytest.mark.parametrize(("truth", "style", "reply", "accuracy", "invalid"), CASES)
def test_replies_are_judged(truth: dict[str, Any], style: str, reply: str, accuracy: int, invalid: bool) -> None:
    judged = score(reply, sample(truth), style)
    assert (judged.accuracy, judged.invalid) == (accuracy, invalid), judged.reason


def test_a_failed_engine_is_unscored_not_wrong() -> None:
    judged = score_response(Response("s", "", "direct", "m", error="connection refused"), sample(TEXT))
    assert judged.accuracy is None
    assert not judged.invalid
    assert "connection refused" in judged.reason
