"""Reflective chains are made as A.2 says: keep from six, reflect from one to five, drop none right."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.reflective_cot import ReflectiveSettings, judge, reflective_cot, synthesise
from infimed_plugins.curation.rule_judge import rule_score
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Sample
from infimed_plugins.rewards import compute_score

SAMPLE = Sample("q", "t", "train", "What is it?", "multiple_choice", "B", options=("cyst", "stone"))
RIGHT = prompts.tagged("One stone. Option B is stone.", "B")
POOR = prompts.tagged("Hm. Hm.", "B")
WRONG = prompts.tagged("One cyst. Option A is cyst.", "A")
BROKEN = "<think> a cyst"


@dataclass
class Says:
    texts: tuple[str, ...]
    model: str = "fixed"
    sampling: Sampling | None = None

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        self.sampling = sampling
        for request in requests:
            yield Reply(request.id, self.texts)


def chains(right: int, wrong: str = WRONG) -> tuple[list[Sample], StepContext]:
    context = StepContext(engine=Says((RIGHT,) * right + (wrong,) * (10 - right)))
    return list(reflective_cot([SAMPLE], context)), context


@pytest.mark.parametrize("right", [1, 3, 5])
def test_one_to_five_right_reflect(right: int) -> None:
    (chain,), _ = chains(right)
    assert chain.rationale == (
        "One cyst. Option A is cyst. The answer is A. " + prompts.REFLECTION_BRIDGE + " One stone. Option B is stone."
    )
    (score,) = compute_score(
        [{"response": prompts.target(chain, "reasoning"), "ground_truth": chain.ground_truth.to_json()}]
    )
    assert score["overall"] == pytest.approx(1.0)


@pytest.mark.parametrize("right", [6, 10])
def test_six_or_more_right_are_kept_as_they_are(right: int) -> None:
    (chain,), _ = chains(right)
    assert chain.rationale == "One stone. Option B is stone."
    assert chain.meta["reflective"]["right"] == right


def test_none_right_is_dropped_and_counted() -> None:
    left, context = chains(0)
    assert left == []
    assert context.dropped == {"no right candidate": 1}
    assert context.counted == {"0 right of 10": 1}


def test_a_candidate_that_broke_the_format_is_no_attempt_to_reflect_on() -> None:
    (chain,), _ = chains(3, wrong=BROKEN)
    assert prompts.REFLECTION_BRIDGE not in str(chain.rationale)


def test_the_best_scored_right_candidate_is_chosen() -> None:
    candidates = [judge(text, SAMPLE) for text in (POOR, RIGHT, POOR, WRONG)]
    for seed in range(10):
        chain = synthesise(SAMPLE, candidates, ReflectiveSettings(), random.Random(seed))
        assert chain is not None
        assert str(chain.rationale).endswith("Option B is stone.")


def test_scores_lie_on_the_papers_scale_and_order_good_before_poor() -> None:
    scores = [rule_score(reasoning, "B", SAMPLE) for reasoning in ("One stone. Option B is stone.", "Hm. Hm.", "")]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 10
    assert scores[-1] == 1


def test_the_defaults_are_the_papers() -> None:
    engine = Says((RIGHT,) * 10)
    list(reflective_cot([SAMPLE], StepContext(engine=engine)))
    assert engine.sampling is not None
    assert engine.sampling.n == 10
    assert ReflectiveSettings().keep_from == 6


def test_it_needs_an_engine_and_knows_its_settings() -> None:
    with pytest.raises(ConfigError, match="engine"):
        list(reflective_cot([SAMPLE], StepContext()))
    with pytest.raises(ConfigError, match="candidates"):
        list(reflective_cot([SAMPLE], StepContext(engine=Says(()), settings={"samples": 3})))
