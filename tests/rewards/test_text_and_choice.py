"""Text by shared tokens, choices by letter."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.errors import DataError
from infimed_plugins.parsing.normalize import plain, signed_tokens
from infimed_plugins.records import GroundTruth, Json
from infimed_plugins.rewards import compute_score, judge_answer, parse_truth
from infimed_plugins.scoring.robust import score_choice


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
    ("answer", "truth", "same"),
    [
        ("ER+", "ER+", True), ("ER +", "ER+", True), ("ER−", "ER-", True), ("ER (+)", "ER+", True),
        ("ER-", "ER+", False), ("A-", "A+", False),
        ("ER-, PR+", "ER+, PR-", False), ("grade 3-", "grade 3+", False), ("CRP ↓", "CRP ↑", False),
        ("< 5 mm", "<5 mm", True), ("<= 5 mm", "≤5 mm", True), ("\\leq 5", "≤ 5", True), ("<5 mm", ">5 mm", False),
        ("≤5 mm", "<5 mm", False), ("p<.05", "p < 0.05", True), ("p > 0.05", "p < 0.05", False),
        ("a<5, b>3", "a>5, b<3", False), ("−5", "-5", True), ("-5", "+5", False), ("5", "-5", False),
        ("5.1", "1.5", False),
        ("1.5 cm", "1.5 cm", True), ("10–20 mm", "10-20 mm", True), ("80/120", "120/80", False), ("2:1", "1:2", False),
        ("T2 weighted", "T2-weighted", True), ("COVID 19", "COVID-19", True), ("B cell", "B-cell", True),
        ("pneumonia?", "pneumonia", False), ("pneumonia？", "pneumonia", False), ("pneumonia ✗", "pneumonia", False),
        ("~~pneumonia~~", "pneumonia", False), ("¬pneumonia", "pneumonia", False), ("pneumonia!", "pneumonia", True),
        ("दिल", "दिल", True), ("दाल", "दिल", False), ("ตีบ", "ตับ", False), ("קֶרֶן", "קָרָן", False),
        ("p̶n̶e̶u̶", "pneu", False),
        ("क्\u200dष", "क्\u200dष", True), ("ｶﾞﾝ", "ガン", True), ("Me\u0301nie\u0300re", "Ménière", True),
    ],
)  # fmt: skip
def test_signs_and_marks_are_part_of_a_text(answer: str, truth: str, same: bool) -> None:
    assert (text(answer, truth) == 1.0) == same
    assert (text(truth, answer) == 1.0) == same


@pytest.mark.parametrize("before", range(0, 300, 37))
def test_where_a_long_text_is_cut_for_normalising_changes_no_letter(before: int) -> None:
    written = unicodedata.normalize("NFD", "é" * 300 + " 각막 " * 60)
    assert text("x" * before + " " + written, "x" * before + " " + unicodedata.normalize("NFC", written)) == 1.0


@pytest.mark.parametrize(
    ("answer", "truth", "value"),
    [
        ("Yes.", "yes", 1.0), ("Yes, there is.", "yes", 1.0), ("The answer is yes.", "yes", 1.0), ("true", "yes", 1.0),
        ("No, there is not.", "no", 1.0), ("No, it isn't", "no", 1.0), ("是的", "是", 1.0), ("有。", "有", 1.0),
        ("无", "没有", 1.0), ("不，没有。", "没有", 1.0), ("答案是没有", "没有", 1.0), ("对", "yes", 1.0),
        ("不是", "是", 0.0), ("没有", "有", 0.0), ("有", "没有", 0.0), ("有没有", "有", 0.0), ("是吗", "是", 0.0),
        ("包括", "不包括", 0.0), ("否", "不包括", 1.0), ("正常", "不正常", 0.0), ("异常", "不正常", 1.0),
        ("不是", "不健康", 1.0), ("是", "正常", 1.0), ("健康", "正常", 1.0), ("正常", "有", 0.0),
        ("yes or no", "yes", 0.0), ("yes, no", "yes", 0.0), ("yes?", "yes", 0.0), ("not yes", "yes", 0.0),
        ("~~yes~~", "yes", 0.0), ("Yes, there is not", "yes", 0.0), ("Yes", "no", 0.0), ("", "no", 0.0),
        ("yes " * 9000, "yes", 0.0),
    ],
)  # fmt: skip
def test_yes_and_no_are_compared_as_such_and_only_in_known_forms(answer: str, truth: str, value: float) -> None:
    assert text(answer, truth) == value


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
    said, right = set(signed_tokens(plain(f"{' '.join(gold)} {more}"))), set(gold)  # "left -" is left-, no longer left
    assert text(f"{' '.join(gold)} {more}", " ".join(gold)) == pytest.approx(len(said & right) / len(said | right))


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


@pytest.mark.parametrize(
    ("said", "accuracy"),
    [("\\boxed{B} Pneumonia", 1.0), ("\\boxed{B}. Pneumonia", 1.0), ("\\boxed{B} Asthma", 0.0), ("A \\boxed{B}", 0.0)],
)
def test_the_text_of_an_option_may_stand_behind_its_box(said: str, accuracy: float) -> None:
    truth = {"task": "multiple_choice", "answer": "B", "options": ["Asthma", "Pneumonia"]}
    for response in (f"<think>a</think>{said}", f"<think>a</think><answer>{said}</answer>"):
        (row,) = compute_score([{"response": response, "ground_truth": json.dumps(truth)}])
        assert row["accuracy"] == accuracy


TWINS = ("Lung", "liver", "lung.", "Spleen")


@pytest.mark.parametrize(
    ("reply", "options", "gold", "right"),
    [
        *((reply, TWINS, gold, 1.0) for gold in "AC" for reply in ("A", "C", "(C)", "lung", "C. Lung", "A. Lung")),
        *((reply, TWINS, gold, 0.0) for gold in "AC" for reply in ("B", "D", "liver", "A or B", "Spleen")),
        ("A", TWINS, "B", 0.0),  # twins elsewhere stay wrong
        ("B", TWINS, "B", 1.0),
        *((reply, ("AA", "Aa", "aa"), "B", float(reply == "B")) for reply in "ABC"),  # genotypes are told apart by case
        *((reply, ("T1", "T2", "t1 ", "T1"), "A", float(reply in "ACD")) for reply in "ABCD"),
        ("A", ("mM", "MM"), "B", 0.0),
        ("A, B", ("x", "y", "x", "z"), "BC", 1.0),
    ],
)
def test_a_twin_of_the_right_option_is_as_right(reply: str, options: tuple[str, ...], gold: str, right: float) -> None:
    assert judge_answer(reply, GroundTruth("multiple_choice", gold, options)).value == right
    assert score_choice(reply, options, gold).accuracy == right
