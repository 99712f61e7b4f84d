"""The total reward, its weights, and rewards that plugins bring."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from infimed_plugins import GroundTruth, Verdict, plugins
from infimed_plugins.errors import ConfigError, UnknownPluginError
from infimed_plugins.parsing.response import parse_response
from infimed_plugins.records import TASKS
from infimed_plugins.rewards import compute_score, find_reward, judge_answer, score_response

TRUTH = GroundTruth("text", "left lung")


def response(answer: str) -> str:
    return f"<think>a</think><answer>{answer}</answer>"


@pytest.mark.parametrize(
    ("text", "overall", "format_", "accuracy", "invalid"),
    [
        (response("left lung"), 1.0, 1.0, 1.0, False),
        (response("lung"), 0.55, 1.0, 0.5, False),
        (response("liver"), 0.1, 1.0, 0.0, False),
        (response("?"), 0.1, 1.0, 0.0, True),
        ("left lung", 0.0, 0.0, 0.0, True),
        ("<answer>left lung</answer>", 0.0, 0.0, 0.0, True),
    ],
)
def test_accuracy_is_paid_only_behind_the_gate(
    text: str, overall: float, format_: float, accuracy: float, invalid: bool
) -> None:
    score = score_response(text, TRUTH)
    assert (score.overall, score.format, score.accuracy) == pytest.approx((overall, format_, accuracy))
    assert score.invalid == invalid
    assert score.reason
    assert float(parse_response(text).format_ok) == format_


def test_the_weights_may_be_chosen() -> None:
    assert score_response(response("lung"), TRUTH, w_format=0.5, w_acc=0.5).overall == pytest.approx(0.75)
    assert score_response(response("lung"), TRUTH, w_format=1, w_acc=0).overall == pytest.approx(1.0)
    assert score_response(response("lung"), TRUTH, w_format=0, w_acc=1).overall == pytest.approx(0.5)


BAD_WEIGHTS: list[tuple[Any, Any]] = [
    (0.5, 0.6),
    (0.1, 0.1),
    (-0.1, 1.1),
    (1.1, -0.1),
    (math.nan, 0.9),
    (0.1, math.nan),
    (math.inf, -math.inf),
    (math.inf, 0.9),
    ("0.1", 0.9),
    (None, 0.9),
    (True, False),
]


@pytest.mark.parametrize(("w_format", "w_acc"), BAD_WEIGHTS)
def test_weights_that_cannot_be_are_a_clear_error_at_once(w_format: Any, w_acc: Any) -> None:
    for call in (
        lambda: compute_score([], w_format=w_format, w_acc=w_acc),
        lambda: score_response("", TRUTH, w_format=w_format, w_acc=w_acc),
    ):
        with pytest.raises(ConfigError, match=r"^w_(format|acc) .*(must be a number of at least 0|must sum to 1)"):
            call()


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_reward(task: str) -> None:
    assert callable(find_reward(task))


@pytest.mark.parametrize(
    ("name", "task"), [("jaccard", "text"), ("math_verify", "math"), ("iou", "grounding"), ("multiple_choice",) * 2]
)
def test_a_reward_answers_to_the_name_of_its_measure_too(name: str, task: str) -> None:
    assert find_reward(name) is find_reward(task)
    assert plugins.registry().get("reward", name) is find_reward(task)


def test_the_format_alone_may_be_the_reward() -> None:
    rows = [{"response": said, "ground_truth": "liver"} for said in (response("lung"), "lung")]
    assert [row["overall"] for row in compute_score(rows, reward="format")] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (response("lung"), "judged"),
        (response("..."), "no_answer"),
        (response("lung " * 20_000), "too_long"),
        (response("\\boxed{left} or \\boxed{right}"), "several"),
        ("lung", "malformed"),
    ],
)
def test_a_score_carries_the_code_of_what_decided_it(text: str, code: str) -> None:
    assert score_response(text, TRUTH).code == code


def test_an_unknown_task_or_reward_lists_what_there_is() -> None:
    for call in (
        lambda: compute_score([], task="tetx"),
        lambda: compute_score([], reward="tetx"),
        lambda: find_reward("tetx"),
    ):
        with pytest.raises(UnknownPluginError, match=r"unknown reward 'tetx'; available: .*multiple_choice.*text"):
            call()


def _changes(answer: str, truth: GroundTruth) -> Verdict:
    gold = list(truth.answer)
    truth.answer.append(answer)
    return Verdict(float(answer not in gold), answer)


def _catches_all(answer: str, truth: GroundTruth) -> Verdict:
    try:
        return judge_answer(answer, GroundTruth("math", "\\log_2(1024)"))
    except BaseException:  # noqa: BLE001  as a plugin may
        return Verdict(0.0, answer, "something failed")


@pytest.fixture
def plugged(plug_in: Callable[..., None]) -> None:
    find_reward.cache_clear()
    plug_in(
        rewards={
            "length": lambda answer, truth: Verdict(min(1.0, len(answer) / 10), parsed=answer),
            "beyond": lambda answer, truth: Verdict(7.0, parsed=answer),
            "not_a_number": lambda answer, truth: Verdict(math.nan, parsed=answer),
            "raises": lambda answer, truth: Verdict(1 / 0),
            "no_reason": lambda answer, truth: Verdict(1.0, 3, None, confidence="high"),  # type: ignore[arg-type]
            "words": lambda answer, truth: Verdict(0.5, answer, "out of range"),
            "changes": _changes,
            "catches_all": _catches_all,
        }
    )


@pytest.mark.usefixtures("plugged")
def test_a_plugins_reward_is_used_by_task_or_by_keyword() -> None:
    row = {"response": response("12345"), "ground_truth": '{"task": "length", "answer": "any"}'}
    assert compute_score([row])[0]["accuracy"] == 0.5
    assert compute_score([{**row, "ground_truth": "any"}], reward="length")[0]["accuracy"] == 0.5
    assert judge_answer("12345", TRUTH, reward="length").value == 0.5
    find_reward.cache_clear()


@pytest.mark.usefixtures("plugged")
def test_a_plugins_careless_reward_is_taken_for_what_it_says() -> None:
    def scored(name: str, answer: str, truth: Any = "any", n: int = 1) -> list[dict[str, float]]:
        rows = [{"response": response(answer), "ground_truth": truth}] * n
        return compute_score(rows, reward=name, confidence=True)

    ones, zeros = ("format", "accuracy", "parsed"), ("overall", "timed_out", "bad_row", "no_verdict", "confidence")
    assert scored("no_reason", "1")[0] | {"overall": 0} == dict.fromkeys(ones, 1.0) | dict.fromkeys(zeros, 0.0)
    assert scored("words", "1")[0]["timed_out"] == 0.0
    golds = {"task": "changes", "answer": ["2"]}
    assert [score["accuracy"] for score in scored("changes", "1", golds, n=3)] == [1.0, 1.0, 1.0]
    assert [score["accuracy"] for score in scored("catches_all", "10", n=2)] == [1.0, 1.0]
    find_reward.cache_clear()


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize(("name", "bad_row"), [("beyond", 1.0), ("not_a_number", 1.0), ("raises", 1.0)])
def test_a_plugins_reward_that_misbehaves_earns_nothing(name: str, bad_row: float) -> None:
    score = compute_score([{"response": response("1"), "ground_truth": "any"}], reward=name)[0]
    assert score["accuracy"] == 0.0
    assert score["bad_row"] == bad_row
    find_reward.cache_clear()
