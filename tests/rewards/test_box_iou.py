"""Boxes: overlap and one-to-one matching."""

from __future__ import annotations

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.parsing import Box
from infimed_plugins.records import GroundTruth, Json
from infimed_plugins.rewards import compute_score, judge_answer
from infimed_plugins.rewards.box_iou import iou, matching

TRUE = [[10, 10, 110, 110], [200, 200, 300, 300]]


def grounding(answer: str, truth: Json) -> float:
    return judge_answer(answer, GroundTruth("grounding", truth)).value


def detection(answer: str, truth: Json) -> float:
    return judge_answer(answer, GroundTruth("detection", truth)).value


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("[0, 0, 10, 10]", 1.0),
        ("[0, 0, 10, 5]", 0.5),
        ("[5, 0, 15, 10]", 1 / 3),
        ("[10, 0, 20, 10]", 0.0),
        ("[-10, 0, 10, 10]", 0.5),
        ("[0, 0, 0.01, 0.01]", 1e-6),
        ("[-1e9, -1e9, 1e9, 1e9]", 0.0),
        ("[-1e300, -1e300, 1e300, 1e300]", 0.0),
        ("[10, 10, 0, 0]", 0.0),
        ("[[0, 0, 10, 10], [0, 0, 10, 10]]", 0.0),
        ("[[0, 0, 10, 10], [1, 2]]", 0.0),
        ("No Objects", 0.0),
        ("upper left", 0.0),
    ],
)
def test_grounding_pays_the_overlap_of_exactly_one_box(answer: str, value: float) -> None:
    assert grounding(answer, [0, 0, 10, 10]) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("[0, 0, 10, 10]", "judged"),
        ("The lesion is at [0, 0, 10, 10].", "judged"),
        ("not [0, 0, 10, 10]", "unreadable"),
        ("[0, 0, 10, 10] is wrong", "unreadable"),
        ("[0, 0, 10, 10] or nothing", "unreadable"),
        ("[0, 0, 10, 10]?", "unreadable"),
        ("[0, 0, 10]", "unreadable"),
        ("[[0, 0, 10, 10], [0, 0, 9, 9]]", "several"),
        ("upper left", "no_answer"),
        ("[0, 0, 10, 10] " * 9_000, "too_long"),
    ],
)
def test_only_a_box_alone_or_in_a_known_form_is_paid(answer: str, code: str) -> None:
    verdict = judge_answer(answer, GroundTruth("grounding", [0, 0, 10, 10]))
    assert (verdict.value, verdict.code) == (float(code == "judged"), code)
    assert detection(answer, [[0, 0, 10, 10]]) == pytest.approx({"judged": 1.0, "several": 0.5}.get(code, 0.0))


@pytest.mark.parametrize("truth", [[1, 2, 3], [[0, 0, 10, 10], [5, 5, 9, 9]], "left", [10, 10, 0, 0], [], True])
def test_a_truth_that_is_not_one_box_pays_nothing(truth: Json) -> None:
    verdict = judge_answer("[0, 0, 10, 10]", GroundTruth("grounding", truth))
    assert (verdict.value, verdict.parsed) == (0.0, None)
    assert "ground truth" in verdict.reason


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (str(TRUE), 1.0),
        (str(TRUE[::-1]), 1.0),
        (str(TRUE[:1]), 0.5),
        (str([*TRUE, [500, 500, 600, 600]]), 2 / 3),
        (str([*TRUE, TRUE[0]]), 2 / 3),
        (str([*TRUE, [1, 2]]), 2 / 3),
        (str([*TRUE, [float("nan")] * 4]), 2 / 3),
        ("[{'Position': [10, 10, 110, 110], 'Confidence': -50}, {'Position': [0, 0, 1, 1], 'Confidence': 1e9}]", 0.5),
        ("No Objects", 0.0),
        ("[]", 0.0),
        ("nothing here", 0.0),
    ],
)
def test_detection_divides_by_the_larger_count(answer: str, value: float) -> None:
    assert detection(answer, TRUE) == pytest.approx(value)


@pytest.mark.parametrize(("answer", "value"), [("No Objects", 1.0), ("[]", 1.0), ("[1, 1, 2, 2]", 0.0), ("?", 0.0)])
def test_no_objects_is_right_only_when_there_are_none(answer: str, value: float) -> None:
    for truth in ([], "[]", "No Objects"):
        assert detection(answer, truth) == value


def said(*boxes: tuple[list[int], Json]) -> str:
    return str([{"Position": box, "Confidence": confidence} for box, confidence in boxes])


@pytest.mark.parametrize(
    ("answer", "confidence"),
    [
        (said((TRUE[0], 0.9), (TRUE[1], 0.5)), 0.7),
        (said((TRUE[0], 0.9), ([500, 500, 600, 600], 0.2)), (0.9 + 0.8) / 2),
        (said(([500, 500, 600, 600], -50)), 1.0),  # held at 0; upstream pays 51
        (said((TRUE[0], 1e9)), 1.0),
        (said((TRUE[0], float("nan"))), 0.0),
        (said((TRUE[0], "high"), (TRUE[1], 1)), 0.5),
        (said((TRUE[0], 1), ([1, 2], 1)), 0.5),
        (str(TRUE), 0.0),
        ("No Objects", 0.0),
    ],
)
def test_confidence_is_a_metric_of_its_own_within_0_and_1(answer: str, confidence: float) -> None:
    row = {
        "response": f"<think>t</think><answer>{answer}</answer>",
        "ground_truth": json.dumps({"task": "detection", "answer": TRUE}),
    }
    (plain,), (scored,) = compute_score([row]), compute_score([row], confidence=True)
    assert scored.pop("confidence") == pytest.approx(confidence)
    assert scored == plain


def test_beyond_the_matching_cap_all_boxes_still_count_as_predicted() -> None:
    far = [[10_000 + i, 10_000, 10_001 + i, 10_001] for i in range(998)]
    assert detection(str(TRUE + far), TRUE) == pytest.approx(2 / 1000)
    assert detection(str(far + TRUE), TRUE) == 0.0


COORDINATE = st.integers(0, 40).map(float)
BOX = st.tuples(COORDINATE, COORDINATE, COORDINATE, COORDINATE).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]) + 1.0, max(c[1], c[3]) + 1.0)
)
BOXES = st.lists(BOX, min_size=1, max_size=4)


@given(BOX, BOX)
def test_overlap_is_symmetric_and_one_only_for_the_same_box(a: Box, b: Box) -> None:
    value = iou(a, b)
    assert value == pytest.approx(iou(b, a))
    assert 0.0 <= value <= 1.0
    assert (value == 1.0) == (a == b)


@given(BOXES, BOXES)
def test_matching_is_the_best_of_all(given_boxes: list[Box], true_boxes: list[Box]) -> None:
    few, many = sorted((given_boxes, true_boxes), key=len)
    best = max(
        math.fsum(iou(a, b) for a, b in zip(few, chosen, strict=True))
        for chosen in itertools.permutations(many, len(few))
    )
    assert math.fsum(matching(given_boxes, true_boxes).values()) == pytest.approx(best)


@given(BOXES, BOXES, BOX)
def test_order_never_matters_and_only_all_boxes_and_no_more_score_one(
    said: list[Box], true: list[Box], extra: Box
) -> None:
    truth = [list(box) for box in true]
    clean = detection(str([list(box) for box in said]), truth)
    assert detection(str([list(box) for box in reversed(said)]), truth) == pytest.approx(clean)
    assert 0.0 <= clean <= 1.0
    assert detection(str([list(box) for box in true]), truth) == pytest.approx(1.0)
    assert detection(str([list(box) for box in [*true, extra]]), truth) < 1.0
