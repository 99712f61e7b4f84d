"""Select the samples worth training on with a model: ``difficulty`` and ``perplexity``.

``difficulty`` keeps the hardest questions: those that a model gets right least often of ten (first paper, appendix
A.5). With ``least: 1`` questions that no candidate answers are left out: GRPO learns nothing from a group without a
right reply. ``perplexity`` keeps the image–caption pairs that a model finds likely. The second paper (section 3.1)
takes the perplexity of each pair under Qwen2.5-VL-3B-Instruct as its measure of how well image and caption agree, and
keeps "only pairs demonstrating high semantic consistency"; it gives no threshold, so DEFAULT_SHARE is ours. Here it is
the perplexity of the caption after the image and the question as they are trained on. A pair that could not be scored
is dropped and counted, never taken for a good or a bad one::

    steps: [{difficulty: {keep: 3000}}]     the hardest 3,000
    steps: [{perplexity: {share: 0.5}}]     the lower half
    steps: [{perplexity: {most: 12.0}}]     perplexity 12 or less

Ties are ordered by the hash of seed and id.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.captions import is_caption
from infimed_plugins.curation.settings import (
    NAMES,
    SHARE,
    DrawSettings,
    Rule,
    StepSettings,
    is_number,
    one_of,
    optional,
    setting,
    whole,
)
from infimed_plugins.engines import AnswerScore, ChatRequest, Scorer
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Sample
from infimed_plugins.scoring.robust import score

DEFAULT_SHARE = 0.8  # ours: the fifth that agrees least is left out
LIKELY = Rule(lambda value: is_number(value, 1), "give a number from 1, the lowest perplexity there is")
NOT_SCORED = "perplexity could not be had"
Ranked = tuple[float, str, Sample]  # rank, hash that breaks ties, sample


@dataclass(frozen=True)
class DifficultySettings(DrawSettings):
    """The paper draws ten candidates; the rest is ours."""

    keep: int | None = setting(None, optional(whole()))
    candidates: int = setting(10, whole())
    least: int = setting(0, whole(0))  # right candidates that a question must have
    style: str = setting("reasoning", one_of(prompts.PROMPT_STYLES))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least > self.candidates:
            raise ConfigError(f"least is {self.least} of {self.candidates} candidates; give at most {self.candidates}")


def difficulty(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield the hardest samples, hardest first, with the count in ``meta["difficulty"]``.

    Raises ConfigError without an engine or for a setting. Failed requests are dropped and counted.
    """
    engine = context.need_engine("difficulty", "to draw candidates from")
    settings = DifficultySettings.read("difficulty", context.settings)
    asked = {sample.id: sample for sample in samples}
    judged: list[Ranked] = []
    for sample, reply in settings.ask(engine, asked, lambda one: prompts.render(one, settings.style), context):
        right = sum(score(text, sample).accuracy == 1.0 for text in reply.texts)
        context.count_right(right, len(reply.texts))
        if right < settings.least:
            context.dropped["too few right candidates"] += 1
            continue
        evidence = {"right": right, "of": len(reply.texts)}
        judged.append((right, _tie(sample, context), sample.with_meta(difficulty=evidence)))
    judged.sort(key=lambda one: one[:2])
    kept = judged if settings.keep is None else judged[: settings.keep]
    yield from _best(judged, kept, "easier than those kept", context)


@dataclass(frozen=True)
class PerplexitySettings(StepSettings):
    """Either ``share`` or ``most``; all ours."""

    share: float | None = setting(None, optional(SHARE))  # of the scored pairs; DEFAULT_SHARE without ``most``
    most: float | None = setting(None, optional(LIKELY))  # the highest perplexity that is kept
    kinds: Sequence[str] = setting(("caption",), NAMES)  # values of meta["kind"]; [] for every text answer

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.share is not None and self.most is not None:
            raise ConfigError("share and most are both given; keep one of them")


def perplexity(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield the pairs that agree best, lowest perplexity first, with it in ``meta["perplexity"]``.

    Other samples pass untouched and are counted. Raises ConfigError for a setting, without an
    engine, or with one that cannot score answers.
    """
    engine = context.need_engine("perplexity", "to score captions with")
    if not isinstance(engine, Scorer):
        raise ConfigError(
            f"perplexity needs an engine that scores given answers, and {type(engine).__name__} only draws replies; "
            "name one that has score_answers in the recipe"
        )
    settings = PerplexitySettings.read("perplexity", context.settings)
    pairs: dict[str, Sample] = {}
    for sample in samples:
        if sample.images and is_caption(sample, settings.kinds):
            pairs[sample.id] = sample
        else:
            context.counted["no image-caption pair"] += 1
            yield sample
    scored = sorted(_scored(engine, pairs, context), key=lambda one: one[:2])
    context.counted["pairs scored"] += len(scored)
    yield from _best(scored, _likely(scored, settings), "perplexity too high", context)


def _scored(engine: Scorer, pairs: dict[str, Sample], context: StepContext) -> Iterator[Ranked]:
    """Yield the pairs that have a perplexity; the others are counted."""
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
            sample, evidence = pairs[answer.id], {"value": round(value, 6), "tokens": answer.tokens}
            yield value, _tie(sample, context), sample.with_meta(perplexity=evidence)
    if came < len(pairs):
        context.dropped[NOT_SCORED] += len(pairs) - came


def _likely(scored: Sequence[Ranked], settings: PerplexitySettings) -> Sequence[Ranked]:
    """Return the pairs of lowest perplexity; a share is rounded to at least one pair."""
    if settings.most is not None:
        return [one for one in scored if one[0] <= settings.most]
    share = DEFAULT_SHARE if settings.share is None else settings.share
    return scored[: max(1, round(share * len(scored)))]


def finite_perplexity(answer: AnswerScore) -> float | None:
    """Return the perplexity, or None where it is not finite (no tokens, NaN, overflow)."""
    if answer.error is not None:
        return None
    try:
        value = answer.perplexity
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _best(ranked: Sequence[Ranked], kept: Sequence[Ranked], reason: str, context: StepContext) -> Iterator[Sample]:
    """Yield the samples that are kept; the others are counted."""
    if len(kept) < len(ranked):
        context.dropped[reason] += len(ranked) - len(kept)
    yield from (sample for _, _, sample in kept)


def _tie(sample: Sample, context: StepContext) -> str:
    return hashlib.sha256(f"{context.seed}/{sample.id}".encode()).hexdigest()
