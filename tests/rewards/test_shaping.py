"""Penalties on length and repetition: off by default, exact at their bounds, subtracted from the reward."""

from __future__ import annotations

from typing import Any

import pytest

from infimed_plugins.errors import ConfigError
from infimed_plugins.rewards import compute_score
from infimed_plugins.rewards.shaping import Shaping, repeated_share
from infimed_plugins.trainers.trl import infimed_reward

TRUTH = '{"task": "multiple_choice", "answer": "B"}'
RIGHT = "<think> round </think><answer> B </answer>"


def row(length: Any = 10, response: str = RIGHT) -> dict[str, Any]:
    return {"response": response, "response_length": length, "ground_truth": TRUTH}


def test_without_settings_nothing_is_subtracted_and_no_key_is_added() -> None:
    (score,) = compute_score([row(100_000)])
    assert score["overall"] == 1.0
    assert not {"overlong", "repetition"} & set(score)


@pytest.mark.parametrize(
    ("length", "penalty"),
    [(0, 0), (1536, 0), (1537, 1 / 512), (1792, 0.5), (2047, 511 / 512), (2048, 1), (2049, 1), (10**6, 1)],
)
def test_the_overlong_penalty_at_its_bounds(length: int, penalty: float) -> None:
    """DAPO, equation 13, of L_max 2048 and L_cache 512."""
    (score,) = compute_score([row(length)], overlong_tokens=2048, overlong_buffer=512)
    assert score["overlong"] == pytest.approx(penalty)
    assert score["overall"] == pytest.approx(1.0 - penalty)
    assert score["accuracy"] == 1.0


@pytest.mark.parametrize(("tokens", "buffer"), [(96, 96), (96, 1), (7, 3), (100, 0)])
def test_the_overlong_penalty_is_trls_at_every_length(tokens: int, buffer: int) -> None:
    rewards = pytest.importorskip("trl.rewards")
    lengths = range(tokens + 3)
    theirs = rewards.get_soft_overlong_punishment(tokens, buffer)(completion_ids=[[1] * n for n in lengths])
    shaping = Shaping(overlong_tokens=tokens, overlong_buffer=buffer)
    assert [shaping.penalties(row(n))["overlong"] for n in lengths] == [-value for value in theirs]


def test_without_a_buffer_the_overlong_penalty_is_a_step() -> None:
    scores = compute_score([row(n) for n in (100, 101)], overlong_tokens=100, overlong_penalty=0.25)
    assert [score["overall"] for score in scores] == [1.0, 0.75]


@pytest.mark.parametrize(
    ("text", "n", "share"),
    [
        *(("", 3, 0.0), ("a b", 3, 0.0), ("a b c", 3, 0.0), ("a b c a b c", 3, 0.25), ("x x x x", 1, 0.75)),
        *(("Yes yes YES", 1, 2 / 3), ("没有没有没有", 2, 0.6), (None, 3, 0.0)),
    ],
)
def test_the_share_of_repeated_n_grams(text: str | None, n: int, share: float) -> None:
    assert repeated_share(text, n) == pytest.approx(share)


def test_repetition_is_subtracted_and_its_weight_is_the_most() -> None:
    babble = "<think> " + "no lesion here " * 2000 + "</think><answer> B </answer>"
    plain, said = compute_score([row(), row(response=babble)], repetition_penalty=0.5)
    assert plain["repetition"] == 0
    assert 0.49 < said["repetition"] <= 0.5
    assert said["overall"] == pytest.approx(1 - said["repetition"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"overlong_tokens": 10, "overlong_buffer": 11}, "overlong_buffer is 11"),
        ({"overlong_tokens": 10.5}, "overlong_tokens is 10.5; it must be a whole number"),
        ({"repetition_penalty": -0.1}, "repetition_penalty is -0.1"),
        ({"repetition_penalty": float("nan")}, "repetition_penalty is nan"),
        ({"repetition_ngram": 0}, "repetition_ngram is 0"),
        ({"overlong_tokens": True}, "overlong_tokens is True"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compute_score([], **settings)


def test_rows_without_a_length_are_refused_where_it_is_needed() -> None:
    with pytest.raises(ConfigError, match="needs response_length"):
        compute_score([{"response": RIGHT, "ground_truth": TRUTH}], overlong_tokens=10)


def test_trl_hands_over_the_tokens() -> None:
    given: dict[str, Any] = {"ground_truth": [TRUTH] * 2, "completion_ids": [[1] * 5, [1] * 15]}
    assert infimed_reward([RIGHT, RIGHT], overlong_tokens=10, overlong_penalty=1.0, **given) == [1.0, 0.0]
    assert Shaping(overlong_tokens=10).penalties(row(11)) == {"overlong": 1.0}
