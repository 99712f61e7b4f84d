"""Ground truths in every form a trainer passes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest

from infimed_plugins.errors import DataError
from infimed_plugins.records import GroundTruth
from infimed_plugins.rewards import compute_score, parse_truth

BOX = [10, 20, 110, 220]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"task": "math", "answer": 12}', GroundTruth("math", 12)),
        ('{"task": "math", "answer": "12"}', GroundTruth("math", "12")),
        (' {"task": "grounding", "answer": [10, 20, 110, 220]}\n', GroundTruth("grounding", BOX)),
        ('{"task": "grounding", "answer": "[10, 20, 110, 220]"}', GroundTruth("grounding", "[10, 20, 110, 220]")),
        ('{"task": "detection", "answer": []}', GroundTruth("detection", [])),
        (
            '{"task": "multiple_choice", "answer": "B", "options": ["left", "right"], "note": null}',
            GroundTruth("multiple_choice", "B", ("left", "right")),
        ),
        ({"task": "text", "answer": "liver", "options": None}, GroundTruth("text", "liver")),
        (
            {"task": "multiple_choice", "answer": "B", "options": np.array(["left", "right"], dtype=object)},
            GroundTruth("multiple_choice", "B", ("left", "right")),
        ),
        ({"task": "grounding", "answer": np.array([10.0, 20.0, 110.0, 220.0])}, GroundTruth("grounding", BOX)),
        ({"task": "math", "answer": np.float64(0.5)}, GroundTruth("math", 0.5)),
        (np.array([BOX, BOX]), GroundTruth("detection", [BOX, BOX])),
        (12, GroundTruth("math", 12)),
        (GroundTruth("text", "liver"), GroundTruth("text", "liver")),
        ("<answer>No Objects</answer>", GroundTruth("detection", "No Objects")),
        ("<think>a</think><answer>B</answer>", GroundTruth("multiple_choice", "B")),
        ("\\boxed{12}", GroundTruth("math", "12")),
        ('{"bbox_2d": [10, 20, 110, 220]}', GroundTruth("grounding", '{"bbox_2d": [10, 20, 110, 220]}')),
    ],
)
def test_a_truth_is_read(value: Any, expected: GroundTruth) -> None:
    assert parse_truth(value) == expected


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("B", "multiple_choice"),
        ("(B)", "multiple_choice"),
        ("B.", "multiple_choice"),
        ("b", "text"),
        ("AB", "text"),
        ("yes", "text"),
        ("12", "math"),
        ("-0.5", "math"),
        ("3.5 cm", "math"),
        ("50%", "math"),
        ("\\frac{1}{2}", "math"),
        ("x^2", "text"),
        ("[10, 20, 110, 220]", "grounding"),
        ("[[10, 20, 110, 220]]", "detection"),
        ("[[10, 20, 110, 220], [1, 2, 3, 4]]", "detection"),
        ("[]", "detection"),
        ("No Objects", "detection"),
        ("[10, 20]", "text"),
        ("left lower lobe", "text"),
        ("{broken", "text"),
        ("{" * 5000, "text"),
    ],
)
def test_the_task_of_a_plain_string_goes_by_its_look_unless_it_is_named(text: str, task: str) -> None:
    assert parse_truth(text).task == task
    assert parse_truth(text, "text").task == "text"


def test_the_task_in_the_truth_goes_before_the_keyword() -> None:
    assert parse_truth('{"task": "math", "answer": "12"}', "text").task == "math"
    assert parse_truth('{"answer": "12"}', "text").task == "text"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "  ",
        {},
        {"task": "text"},
        {"task": "text", "answer": None},
        '{"task": "text", "answer": ""}',
        {"task": 3, "answer": "a"},
        {"task": "multiple_choice", "answer": "B", "options": 4},
    ],
)
def test_a_truth_without_an_answer_is_an_error_that_shows_it(value: Any) -> None:
    with pytest.raises(DataError, match=r"ground truth .*(give every row an answer|options|task)"):
        parse_truth(value)


@pytest.mark.parametrize("answer", ["[10, 20, 110, 220]", BOX, tuple(BOX), np.array(BOX), "(10, 20, 110, 220)"])
def test_a_box_scores_alike_in_every_form_of_the_truth(answer: Any) -> None:
    row = {
        "response": "<think>a</think>\\boxed{[10, 20, 110, 220]}",
        "ground_truth": {"task": "grounding", "answer": answer},
    }
    assert compute_score([row])[0]["overall"] == 1.0


@pytest.mark.parametrize(
    "value",
    [
        "{'task': 'text', 'answer': 'liver'}",
        '{"task": "text", "answer": "liver",}',
        '{"task": "text", "ans',
        '{"task": "text", "anwser": "liver"}',
        float("nan"),
        "None",
        {"answer": "C", "task": "multiple_choice", "options": ["left", "right"]},
        {"answer": 1, "task": "multiple_choice", "options": ["left", "right"]},
        {"answer": "liver", "task": "grounding"},
        {"answer": "liver", "synonyms": ["hepatic", None]},
        {"answer": 10**5000},
        str(["liver", "hepatic"]),
        '["liver",]',
        "[1, 2, 3",
        [None, "liver"],
        {"answer": {"a": 1}},
        b"liver",
        "\ud800liver",
        [110, 20, 10, 220],
        {"task": "grounding", "answer": [1, 2, float("inf"), 4]},
        {"answer": "AF", "options": ["x", "y"]},
        {"answer": "B, C", "options": ["x", "y"]},
        {"answer": "liver", "options": ["x", "y"]},
        {"answer": "B. lung", "options": ["liver", "kidney"]},
        {"answer": "B", "options": {"A": "liver", "C": "lung"}},
        {"answer": "B", "options": "liver/lung"},
        {"task": "multiple_choice", "answer": "Z"},
        {"task": "math", "answer": "$$"},
        "<answer> </answer>",
    ],
)
def test_what_is_no_known_form_is_a_bad_row(value: Any) -> None:
    with pytest.raises(DataError, match="ground truth"):
        parse_truth(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("\ufeff" + '{"task": "text", "answer": "liver"}', GroundTruth("text", "liver")),
        ('"{\\"task\\": \\"text\\", \\"answer\\": \\"liver\\"}"', GroundTruth("text", "liver")),
        (["liver", "hepatic"], GroundTruth("text", "liver", synonyms=("hepatic",))),
        (["A", "C"], GroundTruth("multiple_choice", "AC")),
        (True, GroundTruth("text", "yes")),
        (3.0, GroundTruth("math", 3)),
        ("none", GroundTruth("text", "none")),
        ('["liver", "hepatic"]', GroundTruth("text", "liver", synonyms=("hepatic",))),
        ({"task": "Text", "answer": "liver"}, GroundTruth("text", "liver")),
        ({"answer": "None", "options": ["None", "One"]}, GroundTruth("multiple_choice", "A", ("None", "One"))),
        (
            {"answer": "B", "options": {"B": "lung", "A": "liver"}},
            GroundTruth("multiple_choice", "B", ("liver", "lung")),
        ),
        ([3, 4], GroundTruth("math", [3, 4])),
        (GroundTruth("text", "a", ["a", "b"]), GroundTruth("text", "a", ("a", "b"))),  # type: ignore[arg-type]
        ({"answer": "liver", "size": float("nan"), "options": float("nan")}, GroundTruth("text", "liver")),
        (
            {"answer": "B. lung", "options": ["liver", "lung"]},
            GroundTruth("multiple_choice", "B", ("liver", "lung")),
        ),
    ],
)
def test_a_careless_form_with_one_meaning_is_read(value: Any, expected: GroundTruth) -> None:
    assert parse_truth(value) == expected


@pytest.mark.parametrize(
    ("truth", "reply"),
    [
        ("liver", "liver"), (["liver", "hepatic"], "hepatic"), (3.0, "3"), (True, "yes"), (False, "no"),
        (BOX, str(BOX)),
        (["A", "C"], "A, C"), ([3, 4], "3, 4"), ("x^2", "x^2"), ("No lesion", "No lesion"), ("[]", "No Objects"),
        ({"answer": "B. lung", "options": ["liver", "lung"]}, "B. lung"),
        ({"task": "math", "answer": "[0, 1]"}, "[0, 1]"),
        ({"answer": "lung", "options": ["liver", "lung"]}, "B"),
        ({"task": "multiple_choice", "answer": "B) lung"}, "B"),
        ({"task": "detection", "answer": BOX}, str(BOX)), ("yes", "Yes"),
        ("None of these", "none of these"), ("3 mm", "3 mm"),
    ],
)  # fmt: skip
def test_every_truth_that_is_taken_can_be_earned(truth: Any, reply: str) -> None:
    row = {"response": f"<think>a</think><answer>{reply}</answer>", "ground_truth": truth}
    assert compute_score([row])[0]["overall"] == 1.0


def test_a_table_of_rows_is_scored_row_by_row() -> None:
    frame = pandas.DataFrame([{"response": "<think>a</think><answer>B</answer>", "ground_truth": "B"}] * 4)
    assert [score["overall"] for score in compute_score(frame)] == [1.0] * 4
