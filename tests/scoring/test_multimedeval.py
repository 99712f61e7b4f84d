"""MultiMedEval's recall rule and its cleaning, quirks included, on hand-made answers."""

from __future__ import annotations

from typing import Any

import pytest

from infimed_plugins.scoring.multimedeval import clean, score

CLEANED = [
    ("articles and full stops", "The liver.", "liver"),
    ("number words", "none or two lesions", "0 or 2 lesions"),
    ("a mark beside a space goes, one between words becomes a space", "left-sided, x-ray", "left sided x ray"),
    ("one mark beside a space decides for all of its kind", "x-ray - left", "xray left"),
    ("a comma in a number decides for all marks", "1,024 x-ray", "1024 xray"),
    ("a decimal point stays", "1.5 cm.", "1.5 cm"),
    ("only 32 full stops go", "a." * 32 + " b.", "a" * 32 + " b."),
    ("apostrophes come back", "isnt it", "isn't it"),
    ("Chinese is one word", "左肺", "左肺"),
]

VERDICTS = [
    # what it shows, reply, gold, closed, recall, correct
    ("the gold among other words", "It is in the left lung here", "left lung", False, 1.0, True),
    ("three words of four", "large left mass", "large left lung mass", False, 0.75, True),
    ("two words of three", "left mass", "large left mass", False, 2 / 3, False),
    ("yes", "Yes, it is.", "yes", True, 1.0, True),
    ("not counts for no", "It is not seen", "No ", True, 0.0, True),
    ("not does not count for yes", "It is not seen", "yes", True, 0.0, False),
    ("both", "yes and no", "no", True, 1.0, True),
    ("nothing said", "", "no", True, 0.0, False),
    ("a gold without a word", "liver", "the", False, 0, False),
]


@pytest.mark.parametrize(("claim", "text", "cleaned"), CLEANED)
def test_texts_are_cleaned(claim: str, text: str, cleaned: str) -> None:
    assert clean(text) == cleaned, claim


@pytest.mark.parametrize(("claim", "reply", "gold", "closed", "recall", "correct"), VERDICTS)
def test_replies_are_judged(claim: str, reply: str, gold: str, closed: bool, recall: float, correct: bool) -> None:
    verdict = score(reply, gold)
    assert (verdict.closed, verdict.recall, verdict.correct) == (closed, recall, correct), claim


def test_f1_is_kept_just_below_one() -> None:
    assert score("no", "no").f1 == 2 / (2 + 1e-8)


@pytest.mark.parametrize(("reply", "gold", "kind"), [(None, "no", "NoneType"), ("no", 3, "int")])
def test_what_is_not_text_gets_the_error_of_upstream(reply: Any, gold: Any, kind: str) -> None:
    with pytest.raises(AttributeError, match=f"'{kind}' object has no attribute 'lower'"):
        score(reply, gold)
