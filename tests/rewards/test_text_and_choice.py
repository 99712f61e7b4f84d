"""Text by shared tokens, choices by letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.errors import DataError
from infimed_plugins.parsing.normalize import signed_tokens
from infimed_plugins.records import GroundTruth, Json
from infimed_plugins.rewards import judge_answer, parse_truth


def text(answer: str, truth: Json) -> float:
    return judge_answer(answer, GroundTruth("text", truth)).value


@pytest.mark.parametrize(
    ("answer", "truth", "value"),
    [
        ("Pleural   Effusion.", "pleural effusion", 1.0),
        ("effusion, pleural", "pleural effusion", 1.0),
        ("left pleural effusion", "pleural effusion", 2 / 3),
        ("no pneumonia", "pneumonia", 1 / 2),
        ("effus", "effusion", 0.0),
        ("pneumonia pneumonia", "pneumonia", 1.0),
        ("\\text{pleural effusion}", "pleural effusion", 1.0),
        ("**Pleural** _effusion_", "pleural effusion", 1.0),
        ("pleural effusion", "\\text{pleural effusion}", 1.0),
        ("左肺", "右肺", 1 / 3),
        ("胸腔积液", "胸腔积液", 1.0),
        ("3", 3, 1.0),
        ("true", True, 1.0),
        ("+", "+", 1.0),
        ("-", "+", 0.0),
        ("", "pneumonia", 0.0),
        ("?", "pneumonia", 0.0),
        ("pneumonia " * 20_000, "pneumonia", 0.0),
    ],
)
def test_text_is_paid_by_shared_tokens(answer: str, truth: Json, value: float) -> None:
    assert text(answer, truth) == pytest.approx(value)


@pytest.mark.parametrize(
    ("answer", "value"), [("kidney", 1.0), ("renal organ", 1.0), ("left renal organ", 2 / 3), ("liver", 0.0)]
)
def test_a_synonym_counts_as_the_truth_and_the_nearest_one_is_taken(answer: str, value: float) -> None:
    truth = parse_truth('{"task": "text", "answer": "kidney", "synonyms": ["ren", "renal organ"]}')
    assert judge_answer(answer, truth).value == pytest.approx(value)
    assert parse_truth(truth.to_json()) == truth


def test_synonyms_that_are_no_list_are_named() -> None:
    with pytest.raises(DataError, match="synonyms that are not a list of texts"):
        parse_truth({"task": "text", "answer": "kidney", "synonyms": "ren"})


WORDS = st.lists(st.sampled_from(["left", "lung", "mass", "not", "肺", "t2", "er+", "-5"]), min_size=1, max_size=6)


@given(WORDS, WORDS)
def test_text_similarity_is_symmetric_and_one_only_for_the_same_words(a: list[str], b: list[str]) -> None:
    value = text(" ".join(a), " ".join(b))
    assert value == text(" ".join(b), " ".join(a))
    assert (value == 1.0) == (set(a) == set(b))
    assert value == len(set(a) & set(b)) / len(set(a) | set(b))


@given(WORDS, st.text(max_size=20))
def test_stuffing_more_words_never_pays_more(gold: list[str], more: str) -> None:
    added = set(signed_tokens(f"{' '.join(gold)} {more}")) - set(gold)
    assert text(f"{' '.join(gold)} {more}", " ".join(gold)) == pytest.approx(
        len(set(gold)) / (len(set(gold)) + len(added))
    )


@pytest.mark.parametrize(
    ("answer", "truth", "options", "value"),
    [
        ("B", "B", None, 1.0),
        ("B", "b", None, 1.0),
        ("B", "(B)", None, 1.0),
        ("B", "B. Pneumonia", None, 1.0),
        ("A", "B", None, 0.0),
        ("A, C", "AC", None, 1.0),
        ("C and A", ["A", "C"], None, 1.0),
        ("A", "AC", None, 0.0),
        ("A, B, C", "AC", None, 0.0),
        ("A or C", "AC", None, 0.0),
        ("AC", "A", None, 0.0),
        ("right", "B", ("left", "right"), 1.0),
        ("right", "right", ("left", "right"), 1.0),
        ("B", "right", ("left", "right"), 1.0),
        ("left", "B", ("left", "right"), 0.0),
        ("A. right", "B", ("left", "right"), 0.0),
        ("left or right", "B", ("left", "right"), 0.0),
        ("C", "C", ("left", "right"), 0.0),
    ],
)
def test_choice_is_all_or_nothing(answer: str, truth: Json, options: tuple[str, ...] | None, value: float) -> None:
    assert judge_answer(answer, GroundTruth("multiple_choice", truth, options)).value == value


def test_a_truth_that_is_no_letter_says_so() -> None:
    verdict = judge_answer("B", GroundTruth("multiple_choice", "pneumonia"))
    assert (verdict.value, verdict.parsed) == (0.0, None)
    assert "ground truth 'pneumonia' is not an option letter" in verdict.reason
