"""Other tags, and reasoning that the chat template opens."""

from __future__ import annotations

import logging

import pytest

from infimed_plugins.errors import ConfigError
from infimed_plugins.parsing import ResponseForm, extract_answer, parse_response
from infimed_plugins.rewards import compute_score, scorer

TRUTH = '{"task": "multiple_choice", "answer": "B"}'
PREFILLED = "It is round. </think>\n<answer> B </answer>"


def _overall(response: str, **settings: object) -> float:
    (row,) = compute_score([{"response": response, "ground_truth": TRUTH}], **settings)  # type: ignore[arg-type]
    return row["overall"]


@pytest.mark.parametrize(
    ("response", "prefilled", "overall"),
    [
        (PREFILLED, True, 1.0),
        (PREFILLED, False, 0.0),
        (f"<think> {PREFILLED}", True, 1.0),  # a template that did not open it after all
        (f"<think> {PREFILLED}", False, 1.0),
        ("It is round. </think> \\boxed{B}", True, 1.0),
        ("It is round. <think> Round. </think><answer> B </answer>", True, 0.0),
        ("It is round. </think></think><answer> B </answer>", True, 0.0),
        ("<answer> B </answer>", True, 0.0),
        ("", True, 0.0),
    ],
)
def test_reasoning_that_the_chat_template_opens(response: str, prefilled: bool, overall: float) -> None:
    assert _overall(response, think_prefilled=prefilled) == overall


def test_tags_of_other_names_count_and_the_usual_ones_do_not() -> None:
    settings = {"think_tag": "reasoning", "answer_tag": "final-answer"}
    assert _overall("<reasoning> r </reasoning><final-answer> B </final-answer>", **settings) == 1.0
    assert _overall("<think> r </think><answer> B </answer>", **settings) == 0.0
    form = ResponseForm("reasoning", "final-answer")
    assert extract_answer("<final-answer> B </final-answer>", form) == "B"
    assert parse_response("<answer>", form).reason == "it does not start with <reasoning>"


@pytest.mark.parametrize(
    "settings", [{"think_tag": ""}, {"think_tag": "<think>"}, {"answer_tag": "two words"}, {"answer_tag": "think"}]
)
def test_names_that_cannot_be_tags_are_refused_at_once(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="_tag"):
        compute_score([], **settings)  # type: ignore[arg-type]


def test_a_batch_of_zeros_for_that_reason_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer, "_said", set())
    rows = [{"response": PREFILLED, "ground_truth": TRUTH}] * 4
    with caplog.at_level(logging.WARNING, "infimed_plugins.rewards"):
        compute_score(rows, think_prefilled=True)
        compute_score([{"response": "no", "ground_truth": TRUTH}] * 4)
        assert caplog.messages == []
        compute_score(rows)
        compute_score(rows)
    assert len(caplog.messages) == 1
    assert "4 of 4 responses close <think> without opening it" in caplog.messages[0]
    assert "set think_prefilled to true: in reward_function_kwargs (EasyR1)" in caplog.messages[0]
