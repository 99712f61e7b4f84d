"""The robust scorer reads what is there, abstains instead of guessing, and never counts a failure as wrong."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.scorers import scores
from infimed_plugins.records import Response, Sample
from infimed_plugins.scoring.robust import score, score_choice

CHOICE: dict[str, Any] = {"task": "multiple_choice", "answer": "B", "options": ("cyst", "stone", "band")}
TEXT: dict[str, Any] = {"task": "text", "answer": "upper left"}
YES: dict[str, Any] = {"task": "text", "answer": "Yes"}
ZH_NO: dict[str, Any] = {"task": "text", "answer": "没有", "language": "zh"}
SYNONYM: dict[str, Any] = {"task": "text", "answer": "kidney", "meta": {"synonyms": ["ren"]}}
MATH: dict[str, Any] = {"task": "math", "answer": "12"}
BOX: dict[str, Any] = {"task": "grounding", "answer": [10, 10, 30, 30]}
BOXES: dict[str, Any] = {"task": "detection", "answer": [[10, 10, 30, 30], [50, 50, 70, 70]]}
NONE: dict[str, Any] = {"task": "detection", "answer": []}
TAGGED = "<think> One stone. </think>\n<answer> {} </answer>"

CASES = [
    # truth, reply, accuracy, invalid
    (CHOICE, "B", 1, False),
    (CHOICE, "B. stone", 1, False),
    (CHOICE, "stone", 1, False),
    (CHOICE, "A", 0, False),
    (CHOICE, "A or B", 0, True),
    (CHOICE, "", 0, True),
    (CHOICE, TAGGED.format("B"), 1, False),
    (CHOICE, "<think> it is B", 0, True),
    (CHOICE, "So \\boxed{B}", 1, False),
    (CHOICE, "It is bright.\n\nAnswer: B", 1, False),
    (CHOICE, "A and B", 0, True),
    (CHOICE, "<answer>B", 1, False),
    (CHOICE, "<answer>A or B</answer>", 0, True),
    (CHOICE, "<answer>A</answer><answer>B</answer>", 0, True),
    (CHOICE, "答案：B", 1, False),
    (CHOICE, "It is bright. The answer is B.", 1, False),
    (CHOICE, "It is bright. The answer is A or B.", 0, True),
    (CHOICE, "<think> It is bright. The answer is B.", 0, True),
    (CHOICE, "<think> Bright. </think> The answer is B.", 1, False),
    (CHOICE, "<thinking>One stone.</thinking><answer>B</answer>", 1, False),
    (YES, "Yes, there is no other finding.", 1, False),
    (YES, "There is no fracture.", 0, False),
    (YES, "I do not know.", 0, True),
    (YES, "是的", 1, False),
    (ZH_NO, "No.", 1, False),
    (ZH_NO, "有", 0, False),
    (TEXT, "It is located in the upper left.", 1, False),
    (TEXT, "upper left or lower left", 0, True),
    (TEXT, "not the upper left", 0, True),
    (SYNONYM, "ren", 1, False),
    (TEXT, "Upper  left.", 1, False),
    (TEXT, "left upper", 1, False),
    (TEXT, "upper", 0, False),
    (MATH, "12.0", 1, False),
    (MATH, "13", 0, False),
    (MATH, "I cannot tell", 0, True),
    (MATH, "12 or 13", 0, True),
    (MATH, "3 and 9 are seen. The answer is 12.", 1, False),
    (MATH, "3 and 12 are seen. The answer is 15.", 0, False),
    (MATH, "The answer may be 12.", 0, True),
    (TEXT, "It is bright. The answer is upper left.", 1, False),
    (BOX, "[10, 10, 30, 30]", 1, False),
    (BOX, "[12, 10, 30, 30]", 1, False),
    (BOX, "[25, 10, 45, 30]", 0, False),
    (BOX, "the left", 0, True),
    (BOXES, "[[10, 10, 30, 30], [50, 50, 70, 70]]", 1, False),
    (BOXES, "[[80, 80, 90, 90]]", 0, False),
    (NONE, "No Objects", 1, False),
    (NONE, "[[80, 80, 90, 90]]", 0, False),
]


def sample(truth: dict[str, Any]) -> Sample:
    return Sample(id="s", source="t", split="test", question="?", **truth)


@pytest.mark.parametrize(("truth", "reply", "accuracy", "invalid"), CASES)
def test_replies_are_judged(truth: dict[str, Any], reply: str, accuracy: int, invalid: bool) -> None:
    judged = score(reply, sample(truth))
    assert (judged.accuracy, judged.invalid) == (accuracy, invalid), judged.reason


@pytest.mark.parametrize(
    ("reply", "form"), [("The answer is B.", 0.0), ("<answer>B</answer>", 0.0), (TAGGED.format("B"), 1.0)]
)
def test_the_form_is_reported_apart_from_the_answer(reply: str, form: float) -> None:
    judged = score(reply, sample(CHOICE))
    assert (judged.accuracy, judged.format) == (1.0, form)


@pytest.mark.parametrize("truth", [CHOICE, TEXT, YES, MATH, BOX, BOXES])
@pytest.mark.parametrize("reply", [None, "", " ", "\ud800", 7, b"B", "\0", "<|im_end|>"])
def test_a_reply_without_text_is_invalid_not_a_crash(truth: dict[str, Any], reply: Any) -> None:
    judged = score(reply, sample(truth))
    assert judged.accuracy == 0.0
    assert judged.invalid or reply == "\ud800"


def test_a_reply_that_is_remembered_is_read_anew_for_other_options() -> None:
    forms = ["stone", TAGGED.format("stone"), "It is a stone. " * 100 + "The answer is: stone"]  # the last is too long
    for reply in [*forms, *forms]:
        assert score_choice(reply, ("cyst", "stone"), "B").accuracy == 1.0
        assert score_choice(reply, ("stone", "cyst"), "B").parsed == "A"
        assert score_choice(reply, ("cyst", "stone"), "A").accuracy == 0.0
        assert score_choice(reply, ("cyst", "band"), "A").invalid


LONG = [
    "A ",
    "yes ",
    "answer is A. ",
    "<answer>A</answer>",
    "<answer>",
    "\\boxed{A}",
    "\\boxed{",
    "{",
    " ",
    "\n",
    "\\",
    "(",
    "the ",
    "\u0301",
]


@pytest.mark.parametrize("piece", LONG)
def test_a_megabyte_has_a_verdict(piece: str) -> None:
    for truth in (CHOICE, TEXT, YES, MATH, BOX, BOXES):
        for length in (4_000, 1_000_000):
            assert score((piece * length)[:length], sample(truth)).accuracy in (0.0, 1.0)


def test_a_megabyte_of_reasoning_before_a_tag_does_not_hide_the_answer() -> None:
    reply = "<think>" + "It is bright. " * 70_000 + "</think><answer>B</answer>"
    assert score(reply, sample(CHOICE)).accuracy == 1.0


def test_a_failed_engine_is_unscored_not_wrong() -> None:
    failed = Response(0, "s", "?", None, "text", "yes", "en", {}, [], "?", error="connection refused")
    (judged,) = scores("robust", Benchmark("b", "b", "test"), [failed], "direct")
    assert judged.accuracy is None
    assert not judged.invalid
    assert "connection refused" in judged.reason


@pytest.mark.parametrize("options", [("Cyst", "Stone", "Band"), ("a", "b"), ("1", "2"), ()])
def test_a_letter_by_itself_is_what_the_reader_says(options: tuple[str, ...]) -> None:
    for characters in itertools.product(" \n.()AbDı*?", repeat=3):
        reply = "".join(characters)
        padded = score_choice(reply + " " * 5, options, "A")  # too long for the quick look
        assert score_choice(reply, options, "A").parsed == padded.parsed, reply
