"""Image–caption pairs of low perplexity stay; a pair that could not be scored is counted, never scored 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.curation import StepContext
from infimed_plugins.curation.selection import finite_perplexity, perplexity
from infimed_plugins.engines import AnswerScore, ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError
from infimed_plugins.recipes import Part, Recipe, Step, build
from infimed_plugins.records import ImageRef, Sample

IMAGES = (ImageRef(data=b""),)
PAIRS = [
    Sample(f"c{n}", "t", "train", "Describe the image.", "text", f"caption {n}", IMAGES, meta={"kind": "caption"})
    for n in range(5)
]
PERPLEXITIES = {"c0": 4.0, "c1": 2.0, "c2": 8.0, "c3": 3.0, "c4": 16.0}


@dataclass
class Scores:
    """Gives each answer its perplexity, over ten tokens; an error to those of ``failing``."""

    perplexities: Mapping[str, float] = field(default_factory=lambda: PERPLEXITIES)
    failing: tuple[str, ...] = ()
    model: str = "fixed"
    asked: list[tuple[ChatRequest, str]] = field(default_factory=list)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        raise AssertionError("nothing is drawn")

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        for request, answer in requests:
            self.asked.append((request, answer))
            if request.id in self.failing:
                yield AnswerScore(request.id, error="down")
            else:
                yield AnswerScore(request.id, -10 * math.log(self.perplexities[request.id]), 10)


@dataclass
class OnlyDraws:
    model: str = "fixed"

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        return iter(())


def kept(engine: Scores, samples: Iterable[Sample] = PAIRS, **settings: Any) -> tuple[list[str], StepContext]:
    context = StepContext(engine=engine, settings=settings)
    return [sample.id for sample in perplexity(samples, context)], context


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({}, ["c1", "c3", "c0", "c2"]),
        ({"share": 0.4}, ["c1", "c3"]),
        ({"share": 1}, ["c1", "c3", "c0", "c2", "c4"]),
        ({"share": 0.01}, ["c1"]),
        ({"most": 3.5}, ["c1", "c3"]),
        ({"most": 1.5}, []),
    ],
)
def test_the_lowest_perplexities_stay(settings: dict[str, Any], left: list[str]) -> None:
    ids, context = kept(Scores(), **settings)
    assert ids == left
    assert context.dropped["perplexity too high"] == 5 - len(left)
    assert context.counted["pairs scored"] == 5


def test_the_caption_is_scored_after_the_image_and_the_question_and_the_evidence_stays() -> None:
    engine = Scores()
    context = StepContext(engine=engine, settings={"share": 0.2})
    (sample,) = perplexity([pair.with_meta(instruction="") for pair in PAIRS], context)
    assert sample.meta["perplexity"] == {"value": pytest.approx(2.0), "tokens": 10}
    assert engine.asked[1] == (ChatRequest("c1", "<image>Describe the image.", IMAGES), "caption 1")


def test_what_could_not_be_scored_is_dropped_by_reason_and_takes_no_place() -> None:
    ids, context = kept(Scores({**PERPLEXITIES, "c3": math.inf}, failing=("c1",)), share=0.67)
    assert ids == ["c0", "c2"]
    assert context.dropped == {"engine error": 1, "perplexity could not be had": 1, "perplexity too high": 1}


def test_a_pair_that_the_engine_passed_over_is_counted() -> None:
    class Forgets(Scores):
        def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
            return super().score_answers(list(requests)[:3])

    ids, context = kept(Forgets(), share=1)
    assert ids == ["c1", "c0", "c2"]
    assert context.dropped == {"perplexity could not be had": 2}


@pytest.mark.parametrize(
    ("log_probability", "tokens", "value"),
    [
        (-math.log(8.0) * 2, 2, 8.0),
        (0.0, 3, 1.0),
        (0.0, 0, None),
        (-1e6, 2, None),
        (-math.inf, 2, None),
        (math.nan, 2, None),
    ],
)
def test_a_perplexity_is_a_finite_number_or_none(log_probability: float, tokens: int, value: float | None) -> None:
    measured = finite_perplexity(AnswerScore("c", log_probability, tokens))
    assert measured == (None if value is None else pytest.approx(value))
    assert finite_perplexity(AnswerScore("c", log_probability, tokens, error="down")) is None


def test_equal_perplexities_are_chosen_by_seed_whatever_their_order() -> None:
    engine = Scores(dict.fromkeys(PERPLEXITIES, 2.0))

    def chosen(samples: Iterable[Sample], seed: int) -> list[str]:
        context = StepContext(seed=seed, engine=engine, settings={"share": 0.4})
        return [sample.id for sample in perplexity(samples, context)]

    assert chosen(PAIRS, 0) == chosen(PAIRS[::-1], 0)
    assert len({tuple(chosen(PAIRS, seed)) for seed in range(10)}) > 1


def test_what_is_no_pair_passes_untouched() -> None:
    blind = replace(PAIRS[0], images=())
    organ = replace(PAIRS[1], meta={"kind": "organ"})
    ids, context = kept(Scores(), [blind, organ, PAIRS[4]])
    assert ids == ["c0", "c1", "c4"]
    assert context.counted == {"no image-caption pair": 2, "pairs scored": 1}
    assert kept(Scores(), [])[0] == []


@pytest.mark.parametrize(
    ("engine", "settings", "said"),
    [
        (None, {}, "perplexity needs an engine to score captions with; name one"),
        (OnlyDraws(), {}, "OnlyDraws only draws replies; name one that has score_answers"),
        (Scores(), {"shares": 1}, "; one of share, most, kinds"),
        (Scores(), {"share": 0.5, "most": 3}, "share and most are both given; keep one"),
        (Scores(), {"share": 80}, "share is 80; give a number above 0, at most 1"),
        (Scores(), {"share": "half"}, "share is 'half'; give a number above 0"),
        (Scores(), {"most": 0.5}, "most is 0.5; give a number from 1"),
    ],
)
def test_what_cannot_be_is_said(engine: Scores | OnlyDraws | None, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list(perplexity(PAIRS, StepContext(engine=engine, settings=settings)))


class ByLength(Scores):
    """The longer an answer, the likelier."""

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        for request, answer in requests:
            yield AnswerScore(request.id, -100.0 / len(answer), 1)


def test_in_a_recipe_the_share_is_built_and_the_rest_counted(plug_in: Callable[..., None], tmp_path: Path) -> None:
    plug_in(curation_steps={"perplexity_tried": perplexity})
    step = Step("perplexity_tried", {"share": 0.5, "kinds": ["organ", "place", "presence"]})
    part = Part("p", "phantom", "train", limit=10, order="first", tasks=("text",), steps=(step,))
    (count,) = build(Recipe("demo", "llamafactory", (part,)), tmp_path, engine=ByLength()).parts
    assert (count.kept, count.dropped["perplexity too high"], count.counted["pairs scored"]) == (5, 5, 10)
