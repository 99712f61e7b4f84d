"""EasyR1's batch function: never raises, always the same finite keys, whatever the rows hold."""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infimed_plugins.errors import ConfigError
from infimed_plugins.records import TASKS
from infimed_plugins.rewards import compute_score, scorer

KEYS = ["overall", "format", "accuracy", "parsed", "timed_out", "bad_row", "no_verdict"]
TRUTHS: dict[str, Any] = {
    "multiple_choice": "B",
    "text": "pleural effusion",
    "math": "12",
    "grounding": [10, 20, 110, 220],
    "detection": [[10, 10, 110, 110], [200, 200, 300, 300]],
}
GOLD = {**TRUTHS, "grounding": "[10, 20, 110, 220]", "detection": "[[10, 10, 110, 110], [200, 200, 300, 300]]"}


def row(answer: str, task: str) -> dict[str, Any]:
    truth = json.dumps({"task": task, "answer": TRUTHS[task]})
    return {"response": f"<think>a</think><answer>{answer}</answer>", "response_length": 9, "ground_truth": truth}


def assert_sound(scores: list[dict[str, float]], count: int) -> None:
    assert len(scores) == count
    for score in scores:
        assert list(score) == KEYS
        assert all(type(value) is float and math.isfinite(value) and 0 <= value <= 1 for value in score.values())
        if not score["format"]:
            assert score["overall"] == score["accuracy"] == 0.0


@pytest.mark.parametrize("task", TASKS)
def test_the_gold_answer_of_every_task_scores_one(task: str) -> None:
    expected = dict.fromkeys(KEYS[:4], 1.0) | dict.fromkeys(KEYS[4:], 0.0)
    assert compute_score([row(GOLD[task], task)]) == [expected]


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text of me")

    __repr__ = __str__

    def tolist(self) -> object:
        raise RuntimeError("no list of me")


BAD_ROWS: list[Any] = [
    None,
    3,
    "text",
    b"bytes",
    [],
    {},
    {"response": "<think>a</think><answer>B</answer>"},
    {"ground_truth": "B"},
    {"response": None, "ground_truth": "B"},
    {"response": b"<think>a</think><answer>B</answer>", "ground_truth": "B"},
    {"response": float("nan"), "ground_truth": "B"},
    {"response": ["<think>a</think><answer>B</answer>"], "ground_truth": "B"},
    {"response": "<think>a</think><answer>B</answer>", "ground_truth": None},
    {"response": "<think>a</think><answer>B</answer>", "ground_truth": ""},
    {"response": "<think>a</think><answer>B</answer>", "ground_truth": '{"task": "tetx", "answer": "B"}'},
    {"response": "<think>a</think><answer>B</answer>", "ground_truth": {"task": "text"}},
    {"response": "<think>a</think><answer>B</answer>", "ground_truth": Hostile()},
    {"response": Hostile(), "ground_truth": "B"},
    {"response": "B", "ground_truth": {"task": Hostile(), "answer": "B"}},
    Hostile(),
]


@pytest.mark.parametrize("bad", BAD_ROWS, ids=lambda value: type(value).__name__)
def test_a_bad_row_scores_zero_is_counted_and_leaves_its_neighbours_alone(bad: Any) -> None:
    good = row("B", "multiple_choice")
    scores = compute_score([good, bad, good])
    assert_sound(scores, 3)
    assert [score["overall"] for score in scores] == [1.0, 0.0, 1.0]
    assert [score["bad_row"] for score in scores] == [0.0, 1.0, 0.0]


def test_a_bad_row_is_logged_once_with_its_content(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer, "_said", set())
    with caplog.at_level(logging.WARNING, logger="infimed_plugins.rewards"):
        compute_score([{"response": "x", "ground_truth": {"task": "text", "marker": 4711}}] * 3)
    assert len(caplog.records) == 1
    assert "4711" in caplog.text


@pytest.mark.parametrize(
    "truth",
    [
        10**5000,
        float("nan"),
        float("inf"),
        [[[[[]]]]],
        np.array([np.nan] * 4),
        np.array([], dtype=object),
        {"task": "math", "answer": 10**5000},
        {"task": "grounding", "answer": [None] * 4},
        {"task": "grounding", "answer": np.array([[1, 2], [3, 4]])},
        {"task": "detection", "answer": {"a": object()}},
        {"task": "multiple_choice", "answer": ["A", None]},
        {"task": "multiple_choice", "answer": "Z", "options": ["a"]},
        {"task": "text", "answer": 5, "options": [None]},
        "{" * 100_000,
        "[" * 100_000,
        '{"answer": ' + "[" * 100_000,
        '{"task": "math", "answer": ' + "1" * 10_000 + "}",
        "\ud800",
        "\0",
        "x" * 1_000_000,
        b"B",
        np.str_("B"),
        True,
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_no_ground_truth_makes_it_raise(truth: Any) -> None:
    answers = ["B", "12", "[1, 2, 3, 4]", "", "\ud800", "\\boxed{1}"]
    rows = [{"response": f"<think>a</think><answer>{answer}</answer>", "ground_truth": truth} for answer in answers]
    for task in (None, *TASKS):
        assert_sound(compute_score(rows, task=task), len(rows))


_TAGS = ["<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "}", "{", "[", "]", "(", ")", ",", "'", '"', ":"]
_SAID = [
    "A",
    "B",
    "A or B",
    "The answer is B",
    "Not ",
    "12",
    "\\frac{1}{2}",
    "1/0",
    "x=",
    "%",
    "$",
    "\\",
    "nan",
    "-",
    "1e999",
]
_MORE = [
    "[1,2,3,4]",
    "{'Position': [1, 1, 2, 2]}",
    "No Objects",
    "pleural effusion",
    "\ud800",
    "\0",
    "\u200b",
    "½",
    "²",
    "ﷺ",
    "左",
]
PIECES = st.sampled_from([*_TAGS, *_SAID, *_MORE, "\n", " "])
INSIDE = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=12).map("".join)
RESPONSES = st.one_of(
    INSIDE, INSIDE.map("<think>a</think><answer>{}</answer>".format), INSIDE.map("<think>a</think>\\boxed{{{}}}".format)
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(RESPONSES, st.sampled_from(TASKS)), max_size=5))
@example([("<think>a</think><answer>\\boxed{</answer>", "math")])
def test_any_response_gets_a_sound_score_alone_as_in_a_batch_in_any_order(said: list[tuple[str, str]]) -> None:
    rows = [
        {"response": text, "ground_truth": json.dumps({"task": task, "answer": TRUTHS[task]})} for text, task in said
    ]
    scores = compute_score(rows)
    assert_sound(scores, len(rows))
    assert all(score["bad_row"] == 0.0 for score in scores)
    assert compute_score(rows[::-1]) == scores[::-1]
    assert [compute_score([one])[0] for one in rows] == scores


NOISE = st.sampled_from(
    ["?", " or A", " not", " A", ", C", " and 13", "; 14", " [5, 5, 9, 9]", " or none", " x9", " \\boxed{7}"]
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TASKS), NOISE, st.booleans())
def test_noise_beside_the_right_answer_never_pays_more_than_the_right_answer(
    task: str, noise: str, first: bool
) -> None:
    noisy = noise + " " + GOLD[task] if first else GOLD[task] + noise
    clean, more = compute_score([row(GOLD[task], task), row(noisy, task)])
    assert clean["accuracy"] == 1.0
    assert more["overall"] <= clean["overall"]


@given(RESPONSES.filter(lambda text: not text.strip().startswith("<think>")), st.sampled_from(TASKS))
def test_without_the_opening_tag_nothing_is_paid(text: str, task: str) -> None:
    truth = json.dumps({"task": task, "answer": TRUTHS[task]})
    assert compute_score([{"response": text, "ground_truth": truth}])[0]["overall"] == 0.0


BLOW_UPS = [
    "<think>",
    "</think>\\boxed{",
    "<answer></think>",
    "<answer>",
    "a ",
    " ",
    "\\boxed{",
    "\\boxed{}",
    "{}",
    "}",
    "[",
    "[],",
    "[1,2,3,4],",
    "(1,2),",
    "(1",
    "1",
    "12 ",
    "'",
    '\\"',
    "'\\",
    "A. ",
    "option A ",
    "the answer is ",
    "\u0315\u0300",
    "ﷺ",
    "½",
    "²",
    "\\text{",
    "\\frac{",
    "9!",
    "-",
    "\0",
    "\ud800",
    "<|box_start|>",
    "```",
]


@pytest.mark.parametrize("unit", BLOW_UPS, ids=repr)
def test_no_megabyte_of_anything_hangs(unit: str) -> None:
    for size in (1_000_000, 49_000, 19_000, 4_000):
        body = (unit * (size // len(unit) + 1))[:size]
        texts = [body, f"<think>{body}", f"<think>{body}</think><answer>B</answer>", f"<think>a</think>{body}"]
        texts += [f"<think>a</think><answer>{body}</answer>", f"<think>a</think>\\boxed{{{body}}}"]
        for task in TASKS:
            rows = [
                {"response": text, "ground_truth": json.dumps({"task": task, "answer": TRUTHS[task]})} for text in texts
            ]
            started = time.monotonic()
            assert_sound(compute_score(rows), len(rows))
            assert time.monotonic() - started < 20  # a hang guard; the worst row measured took 0.03 s


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(INSIDE, st.text(min_size=1, max_size=12)).filter(bool), st.sampled_from(TASKS), st.booleans())
def test_no_megabyte_of_a_generated_piece_hangs(unit: str, task: str, in_answer: bool) -> None:
    body = (unit * (1_000_000 // len(unit) + 1))[:1_000_000]
    text = f"<think>a</think><answer>{body}</answer>" if in_answer else f"<think>{body}"
    one = {"response": text, "ground_truth": json.dumps({"task": task, "answer": TRUTHS[task]})}
    started = time.monotonic()
    assert_sound(compute_score([one]), 1)
    assert time.monotonic() - started < 20  # a hang guard, as above


def test_a_single_row_is_told_from_a_batch() -> None:
    with pytest.raises(ConfigError, match="takes a list of rows; in EasyR1 set REWARD_TYPE = 'batch'"):
        compute_score(row("B", "multiple_choice"))  # type: ignore[arg-type]


def test_an_empty_batch_is_empty_and_any_iterable_of_rows_will_do() -> None:
    assert compute_score([]) == []
    assert len(compute_score(row("B", "multiple_choice") for _ in range(3))) == 3


def test_a_timed_out_answer_is_counted() -> None:
    score = compute_score([row("9^{9^{9^{9}}}", "math")])[0]
    assert (score["accuracy"], score["timed_out"], score["bad_row"]) == (0.0, 1.0, 0.0)


def test_the_shim_beside_the_yaml_re_exports_the_function_as_easyr1_loads_it() -> None:
    path = Path(__file__).parents[2] / "easyr1_configs" / "infimed_reward.py"
    spec = importlib.util.spec_from_file_location("custom_reward_fn", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.compute_score is compute_score
    assert (module.REWARD_NAME, module.REWARD_TYPE) == ("infimed", "batch")


@pytest.mark.easyr1
def test_easyr1s_own_manager_loads_the_shim_and_scores_a_batch() -> None:
    import torch
    from verl.protocol import DataProto
    from verl.workers.reward.config import RewardConfig
    from verl.workers.reward.function import AutoRewardManager

    class Words:  # the manager only decodes
        def __init__(self, texts: list[str]) -> None:
            self.texts = texts

        def decode(self, ids: torch.Tensor, skip_special_tokens: bool) -> str:
            return self.texts[int(ids[0])]

    texts = ["<think>a</think><answer>B</answer>", "<think>a</think><answer>A</answer>", "B"]
    shim = Path(__file__).parents[2] / "easyr1_configs" / "infimed_reward.py"
    config = RewardConfig(
        reward_function=f"{shim}:compute_score", reward_function_kwargs={"w_format": 0.2, "w_acc": 0.8}
    )
    config.post_init()
    manager = AutoRewardManager(config, Words(texts))
    ids = torch.tensor([[0, 0, 0], [1, 1, 1], [2, 2, 2]])
    truths = np.array([json.dumps({"task": "multiple_choice", "answer": "B"})] * 3, dtype=object)
    data = DataProto.from_dict(
        tensors={"responses": ids, "response_mask": torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0]])},
        non_tensors={"ground_truth": truths},
    )
    rewards, metrics = manager.compute_reward(data)
    expected = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.2], [0.0, 0.0, 0.0]])
    assert torch.allclose(rewards, expected)
    assert metrics["format"] == [1.0, 1.0, 0.0]
    assert list(metrics) == KEYS
