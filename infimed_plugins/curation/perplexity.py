"""Perplexity selection: image–caption pairs that a model finds likely are kept (second paper, section 3.1).

The paper takes the perplexity of each pair under Qwen2.5-VL-3B-Instruct as its measure of how well image and caption
agree, and keeps "only pairs demonstrating high semantic consistency". It gives no threshold: DEFAULT_SHARE is ours.
Here it is the perplexity of the caption after the image and the question as they are trained on::

    steps: [{perplexity: {share: 0.5}}]     the lower half
    steps: [{perplexity: {most: 12.0}}]     those of 12 or less

A pair that could not be scored is dropped and counted, never taken for a good or a bad one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.captions import is_caption
from infimed_plugins.curation.step_settings import check_names, is_number, need_engine, read_settings
from infimed_plugins.engines import AnswerScore, ChatRequest, Scorer
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Sample

DEFAULT_SHARE = 0.8  # ours: the fifth that agrees least is left out
NOT_SCORED = "perplexity could not be had"


@dataclass(frozen=True)
class PerplexitySettings:
    """Either ``share`` or ``most``; all ours."""

    share: float | None = None  # of the scored pairs, those of the lowest perplexity; DEFAULT_SHARE without ``most``
    most: float | None = None  # the highest perplexity that is kept
    kinds: Sequence[str] = ("caption",)  # values of meta["kind"]; [] for every text answer

    def __post_init__(self) -> None:
        check_names("kinds", self.kinds)
        if self.share is not None and self.most is not None:
            raise ConfigError("share and most are both given; keep one of them")
        if self.share is not None and not (is_number(self.share) and 0 < self.share <= 1):
            raise ConfigError(f"share is {self.share!r}; give a number above 0, at most 1")
        if self.most is not None and not (is_number(self.most) and self.most >= 1):
            raise ConfigError(f"most is {self.most!r}; give a number from 1, the lowest perplexity there is")


@dataclass(frozen=True)
class Scored:
    """A pair and its perplexity; ``tie`` orders equal ones, by seed."""

    perplexity: float
    tie: str
    sample: Sample


def perplexity(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield the pairs that agree best, lowest perplexity first, with it in ``meta["perplexity"]``.

    What is no image–caption pair passes untouched and is counted. Raises ConfigError for a setting, without an
    engine, or with one that cannot score answers.
    """
    engine = need_engine(context, "perplexity", "to score captions with")
    if not isinstance(engine, Scorer):
        raise ConfigError(
            f"perplexity needs an engine that scores given answers, and {type(engine).__name__} only draws replies; "
            "name one that has score_answers in the recipe"
        )
    settings = read_settings(PerplexitySettings, "perplexity", context.settings)
    pairs: dict[str, Sample] = {}
    for sample in samples:
        if sample.images and is_caption(sample, settings.kinds):
            pairs[sample.id] = sample
        else:
            context.counted["no image-caption pair"] += 1
            yield sample
    scored = sorted(_scored(engine, pairs, context), key=lambda one: (one.perplexity, one.tie))
    context.counted["pairs scored"] += len(scored)
    kept = select(scored, settings)
    if len(kept) < len(scored):
        context.dropped["perplexity too high"] += len(scored) - len(kept)
    yield from (one.sample for one in kept)


def _scored(engine: Scorer, pairs: dict[str, Sample], context: StepContext) -> Iterator[Scored]:
    """The pairs that have a perplexity; the others are counted."""
    requests = (
        (ChatRequest(s.id, prompts.render(s, "direct"), s.images), prompts.target(s, "direct")) for s in pairs.values()
    )
    came = 0
    for came, answer in enumerate(engine.score_answers(requests), start=1):
        context.progress(came, len(pairs))
        value = finite_perplexity(answer)
        if answer.error is not None:
            context.engine_failed(answer.error)
        elif value is None:
            context.dropped[NOT_SCORED] += 1
        else:
            tie = hashlib.sha256(f"{context.seed}/{answer.id}".encode()).hexdigest()
            evidence = {"value": round(value, 6), "tokens": answer.tokens}
            yield Scored(value, tie, pairs[answer.id].with_meta(perplexity=evidence))
    if came < len(pairs):
        context.dropped[NOT_SCORED] += len(pairs) - came


def select(scored: Sequence[Scored], settings: PerplexitySettings) -> Sequence[Scored]:
    """Those to keep of pairs in the order of their perplexity; a share is rounded, and is one pair at least."""
    if settings.most is not None:
        return [one for one in scored if one.perplexity <= settings.most]
    share = DEFAULT_SHARE if settings.share is None else settings.share
    return scored[: max(1, round(share * len(scored)))]


def finite_perplexity(answer: AnswerScore) -> float | None:
    """The perplexity, or None where there is none: no tokens, not a number, or beyond all numbers."""
    if answer.error is not None:
        return None
    try:
        value = answer.perplexity
    except OverflowError:
        return None
    return value if math.isfinite(value) else None
