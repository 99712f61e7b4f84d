"""VLMEvalKit's rules at three revisions: hand-made replies whose option each revision reads by its own lights."""

from __future__ import annotations

import pytest

from infimed_plugins.scoring.vlmevalkit import REVISIONS, infer, open_as_choice

CHOICES = {"A": "Cyst", "B": "Stone in the duct", "C": "Band", "D": "No finding"}
LONG = "The duct is wide. " * 10

CASES = [
    # what it shows, reply, then the option by revision
    ("a letter alone", "B", "B", "B", "B"),
    ("punctuation falls away", "**(B).**", "B", "B", "B"),
    ("an early letter counts in May 2025 only", "B is what I see in this picture here", "B", None, None),
    ("the fifth word from the end is too early", "B one two three four", "B", None, None),
    ("the fourth is not", "B one two three", "B", "B", "B"),
    ("the first place of a letter counts", "B one two three four five B", "B", None, None),
    ("the article A is a letter", "A patient", "A", "A", "A"),
    ("two letters are none, unless spoken", "A and C, so the answer is C", None, None, "C"),
    ("the first spoken letter wins", "The answer is A. No, the answer is C.", None, None, "A"),
    ("a spoken letter may stand in stars", "A or C. The correct answer is **C** as said above.", None, None, "C"),
    ("a spoken word starts with a letter", "The answer is clear to see", None, None, "C"),
    ("a letter that is no choice", "E", None, None, None),
    ("Z when no letter is there", "so Z", "Z", "Z", "Z"),
    ("a refusal", "Cannot determine the answer, maybe B", "Z", "Z", "Z"),
    ("a failed call is searched for text", "Failed to obtain answer via API. band", "C", "C", "C"),
    ("the text of one option", "it is a band.", "C", "C", "C"),
    ("the text of two options", "a cyst or a band", None, None, None),
    ("text within a word", "husband", "C", "C", "C"),
    ("no text is looked for in a long reply since September", LONG + "band", "C", None, None),
    ("nothing", "", None, None, None),
]


@pytest.mark.parametrize(("claim", "reply", "may", "september", "head"), CASES)
def test_each_revision_reads(claim: str, reply: str, may: str | None, september: str | None, head: str | None) -> None:
    assert [infer(reply, CHOICES, revision) for revision in REVISIONS] == [may, september, head], claim


def test_a_spoken_letter_must_be_a_choice() -> None:
    assert infer("One or two, I think: the answer is D, I am sure of it", {"A": "x1", "B": "x2"}, REVISIONS[2]) is None


def test_the_choices_are_left_as_they_are() -> None:
    choices = dict(CHOICES)
    infer("a band", choices, REVISIONS[2])
    assert choices == CHOICES


@pytest.mark.parametrize(
    ("answer", "gold"), [("left atrium", "A"), ("24.3", "A"), ("['a', 'b']", "A"), ("C", "C"), ("c", "A")]
)
def test_an_open_question_of_mmmu_becomes_a_choice(answer: str, gold: str) -> None:
    assert open_as_choice(answer) == (gold, {"A": answer, "B": "Other Answers"})
