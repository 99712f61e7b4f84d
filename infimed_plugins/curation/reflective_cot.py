"""Reflective chains of thought, as the first paper's appendix A.2 makes them.

For each question the engine draws ten candidates. Of the m that are right, each gets a quality score from 1 to 10:

    m >= 6        the best-scored right candidate, as it is
    1 <= m <= 5   a random wrong candidate, the bridge sentence, the best-scored right candidate
    m = 0         dropped and counted as "no right candidate"

Equal scores are broken at random, by seed. The paper joins whole responses; here the joined reasoning stays in one
``<think>`` and only the right answer in ``<answer>``, so that the chain passes the format gate it is trained for.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from infimed_plugins import prompts
from infimed_plugins.answers import parse_response
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.rule_judge import rule_score
from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Sample
from infimed_plugins.scoring.robust import score

NO_RIGHT_CANDIDATE = "no right candidate"


@dataclass(frozen=True)
class ReflectiveSettings:
    """The paper's figures where it gives them (candidates, keep_from, bridge); the rest is ours."""

    candidates: int = 10
    keep_from: int = 6  # this many right candidates or more: no reflection is added
    bridge: str = prompts.REFLECTION_BRIDGE
    temperature: float = 1.0  # ours
    top_p: float = 1.0  # ours
    max_tokens: int = 2048  # ours


@dataclass(frozen=True)
class Candidate:
    """One drawn response, read and judged. ``score`` is None for a wrong one: only right ones are judged."""

    text: str
    reasoning: str
    answer: str
    right: bool
    score: int | None


def reflective_cot(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield each sample with its chain as ``rationale``; the evidence is in ``meta["reflective"]``.

    Raises ConfigError without an engine or for an unknown setting. Failed requests are dropped and counted.
    """
    if context.engine is None:
        raise ConfigError("reflective_cot needs an engine to draw candidates from; name one in the recipe")
    try:
        settings = ReflectiveSettings(**context.settings)
    except TypeError as error:
        known = ", ".join(ReflectiveSettings.__dataclass_fields__)
        raise ConfigError(f"reflective_cot: {error}; settings are {known}") from error
    asked = {sample.id: sample for sample in samples}
    requests = (ChatRequest(s.id, prompts.render(s, "reasoning"), s.images) for s in asked.values())
    sampling = Sampling(
        settings.candidates, settings.temperature, settings.top_p, settings.max_tokens, seed=context.seed
    )
    for done, reply in enumerate(context.engine.generate(requests, sampling), start=1):
        context.progress(done, len(asked))
        if reply.error is not None:
            context.dropped["engine error"] += 1
            continue
        sample = asked[reply.id]
        candidates = [judge(text, sample) for text in reply.texts]
        context.counted[f"{sum(c.right for c in candidates)} right of {len(candidates)}"] += 1
        chained = synthesise(sample, candidates, settings, random.Random(f"{context.seed}/{sample.id}"))
        if chained is None:
            context.dropped[NO_RIGHT_CANDIDATE] += 1
        else:
            yield chained


def judge(text: str, sample: Sample) -> Candidate:
    """Read one response; it is right when it passes the format gate and the robust scorer."""
    parsed = parse_response(text)
    right = parsed.format_ok and score(text, sample, "reasoning").accuracy == 1.0
    answer = parsed.answer if parsed.format_ok else ""
    reasoning = parsed.reasoning if parsed.format_ok else ""
    return Candidate(text, reasoning, answer, right, rule_score(reasoning, answer, sample) if right else None)


def synthesise(
    sample: Sample, candidates: Sequence[Candidate], settings: ReflectiveSettings, rng: random.Random
) -> Sample | None:
    """The sample with its chain, or None when no candidate is right."""
    right = [candidate for candidate in candidates if candidate.right]
    if not right:
        return None
    best_score = max(candidate.score or 0 for candidate in right)
    best = rng.choice([candidate for candidate in right if candidate.score == best_score])
    # a wrong candidate that broke the format has no attempt to reflect on
    wrong = [candidate for candidate in candidates if not candidate.right and candidate.answer]
    reflects = len(right) < settings.keep_from and bool(wrong)
    rationale = best.reasoning
    if reflects:
        rationale = reflect(rng.choice(wrong), best, settings.bridge)
    evidence = {
        "right": len(right),
        "candidates": [{"text": c.text, "right": c.right, "score": c.score} for c in candidates],
        "reflects": reflects,
        "judge": "rule",
    }
    return replace(sample, rationale=rationale).with_meta(reflective=evidence)


def reflect(wrong: Candidate, right: Candidate, bridge: str = prompts.REFLECTION_BRIDGE) -> str:
    """The joined reasoning: the wrong attempt with the answer it came to, the bridge, the right attempt."""
    return f"{wrong.reasoning.strip()} The answer is {wrong.answer.strip()}. {bridge} {right.reasoning.strip()}"
