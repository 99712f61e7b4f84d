"""The hardest questions first: those that a model gets right least often of ten attempts (first paper, appendix A.5).

``keep`` questions with the fewest right candidates stay; of equally hard ones those with the lowest hash, by seed. With
``least: 1`` questions that no candidate answers are left out: GRPO learns nothing from a group without a right reply.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.step_settings import check_one_of, check_sampling, check_whole, need_engine, read_settings
from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Sample
from infimed_plugins.scoring.robust import score


@dataclass(frozen=True)
class DifficultySettings:
    """The paper draws ten candidates; the rest is ours."""

    keep: int | None = None
    candidates: int = 10
    least: int = 0  # right candidates that a question must have
    style: str = "reasoning"
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 2048

    def __post_init__(self) -> None:
        check_sampling(self.temperature, self.top_p, self.max_tokens, self.candidates)
        check_one_of("style", self.style, prompts.PROMPT_STYLES)
        check_whole("least", self.least, least=0)
        if self.least > self.candidates:
            raise ConfigError(f"least is {self.least} of {self.candidates} candidates; give at most {self.candidates}")
        if self.keep is not None:
            check_whole("keep", self.keep)


def difficulty(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield the hardest samples, hardest first, with the count in ``meta["difficulty"]``.

    Raises ConfigError without an engine or for a setting. Failed requests are dropped and counted.
    """
    engine = need_engine(context, "difficulty", "to draw candidates from")
    settings = read_settings(DifficultySettings, "difficulty", context.settings)
    asked = {sample.id: sample for sample in samples}
    requests = (ChatRequest(s.id, prompts.render(s, settings.style), s.images) for s in asked.values())
    sampling = Sampling(
        settings.candidates, settings.temperature, settings.top_p, settings.max_tokens, seed=context.seed
    )
    judged: list[tuple[int, str, Sample]] = []
    for done, reply in enumerate(engine.generate(requests, sampling), start=1):
        context.progress(done, len(asked))
        if reply.error is not None:
            context.engine_failed(reply.error)
            continue
        sample = asked[reply.id]
        right = sum(score(text, sample).accuracy == 1.0 for text in reply.texts)
        context.count_right(right, len(reply.texts))
        if right < settings.least:
            context.dropped["too few right candidates"] += 1
            continue
        tie = hashlib.sha256(f"{context.seed}/{sample.id}".encode()).hexdigest()
        judged.append((right, tie, sample.with_meta(difficulty={"right": right, "of": len(reply.texts)})))
    judged.sort(key=lambda one: one[:2])
    kept = judged if settings.keep is None else judged[: settings.keep]
    if len(kept) < len(judged):
        context.dropped["easier than those kept"] += len(judged) - len(kept)
    yield from (sample for _, _, sample in kept)
