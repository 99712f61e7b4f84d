"""Predicted boxes are converted from the frame that was declared, with sizes that were given, and never otherwise."""

from __future__ import annotations

import json

import pytest

from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Json
from infimed_plugins.rewards import compute_score, parse_truth
from infimed_plugins.rewards.box_iou import gold_answer

GOLD = [100, 50, 200, 100]  # in a picture of 500 x 250
SIZES: dict[str, Json] = {"size": [500, 250], "resized": [252, 140]}


def _row(boxes: Json, truth: dict[str, Json], **settings: object) -> dict[str, float]:
    response = f"<think> there </think><answer> {json.dumps(boxes)} </answer>"
    (row,) = compute_score([{"response": response, "ground_truth": json.dumps(truth)}], **settings)  # type: ignore[arg-type]
    return row


CASES = [
    (None, GOLD),
    ("truth", GOLD),
    ("original", GOLD),
    ("thousandths", [200, 200, 400, 400]),
    ("resized", [50.4, 28, 100.8, 56]),
]


@pytest.mark.parametrize(("frame", "box"), CASES)
@pytest.mark.parametrize("declared", ["keyword", "truth"])
def test_the_same_box_in_every_frame_earns_all(frame: str | None, box: list[float], declared: str) -> None:
    for task, answer, predicted in (("grounding", GOLD, box), ("detection", [GOLD], [box])):
        truth: dict[str, Json] = {"task": task, "answer": answer, **SIZES}
        if declared == "keyword":
            row = _row(predicted, truth, answer_frame=frame)
        else:
            row = _row(predicted, truth | ({"frame": frame} if frame else {}))
        assert row["accuracy"] == pytest.approx(1.0), (task, row)


def test_nothing_is_converted_unless_it_was_declared() -> None:
    row = _row([200, 200, 400, 400], {"task": "grounding", "answer": GOLD, **SIZES})
    assert row["accuracy"] == 0.0
    assert row["bad_row"] == 0.0


@pytest.mark.parametrize(("frame", "sizes"), [("thousandths", {}), ("resized", {"size": [500, 250]}), ("resized", {})])
def test_a_size_that_is_not_given_makes_the_row_bad_and_is_not_guessed(frame: str, sizes: dict[str, Json]) -> None:
    row = _row(GOLD, {"task": "grounding", "answer": GOLD, **sizes}, answer_frame=frame)
    assert (row["overall"], row["bad_row"]) == (0.0, 1.0)


@pytest.mark.parametrize("size", [[0, 5], [5], "500x250", [True, 5], [float("inf"), 2], {"w": 5}])
def test_a_size_or_frame_that_cannot_be_makes_the_row_bad(size: Json) -> None:
    assert _row(GOLD, {"task": "grounding", "answer": GOLD, "size": size})["bad_row"] == 1.0
    assert _row(GOLD, {"task": "grounding", "answer": GOLD, "frame": "percent"})["bad_row"] == 1.0


def test_an_unknown_frame_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="one of truth, thousandths, original, resized"):
        compute_score([], answer_frame="percent")  # type: ignore[arg-type]


@pytest.mark.parametrize("frame", ["truth", "thousandths", "original", "resized"])
def test_what_a_right_answer_says_earns_all(frame: str) -> None:
    for task, answer in (("grounding", GOLD), ("detection", [GOLD, [1, 2, 30, 40]]), ("detection", [])):
        truth: dict[str, Json] = {"task": task, "answer": answer, "frame": frame, **SIZES}
        said = gold_answer(parse_truth(truth))
        assert _row(said or "No Objects", truth)["accuracy"] == pytest.approx(1.0)


def test_a_truth_with_its_frame_goes_through_json() -> None:
    truth = parse_truth({"task": "grounding", "answer": GOLD, "frame": "resized", **SIZES})
    assert parse_truth(truth.to_json()) == truth
