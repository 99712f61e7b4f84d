"""Build reflective chains of thought (first paper, appendix A.2).

For each question the engine draws ten candidates; each of the m right ones is judged from 1 to 10:

    m >= 6        the best right candidate, as it is
    1 <= m <= 5   a random wrong candidate, the bridge sentence, the best right candidate
    m = 0         dropped, counted as "no right candidate", and put aside as hard

Equal scores are broken at random, by seed. The judge is a model with the paper's prompt (judge.py), not necessarily the
one that answers; an unscored right candidate is chosen only where none has a score. The paper joins whole responses;
here the joined reasoning stays in one ``<think>`` and only the right answer in ``<answer>``, so that the chain passes
the format gate it is trained for.

The paper sorts responses by their answers and says nothing of their form. So m counts every right answer, as the robust
scorer reads it, and every right candidate is judged; but a chain is made of well-formed candidates only: in
others the reasoning cannot be told apart. Where that changes the outcome of a question, it is counted::

    candidates without the format         right or wrong: never part of a chain
    no right candidate in the format      m >= 1, yet no chain can be made: dropped and put aside, with its m
    no wrong candidate to reflect on      1 <= m <= 5, the wrong ones all malformed: the best right one, as it is
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from infimed_plugins import prompts
from infimed_plugins.curation import StepContext
from infimed_plugins.curation.judge import (
    JUDGE_PROMPT,
    QUESTION_PLACE,
    RESPONSE_PLACE,
    JudgeItem,
    judge_all,
    rule_score,
)
from infimed_plugins.curation.settings import ENGINE, DrawSettings, Rule, one_of, prompt_setting, setting, whole
from infimed_plugins.engines import Engine, UsageCounter, batched
from infimed_plugins.parsing import ResponseForm, parse_response
from infimed_plugins.quoting import fill
from infimed_plugins.records import Json, Sample
from infimed_plugins.scoring.robust import score

NO_RIGHT_CANDIDATE = "no right candidate"
NO_USABLE_CANDIDATE = "no right candidate in the format"
WITHOUT_FORMAT = "candidates without the format"
NO_WRONG_CANDIDATE = "no wrong candidate to reflect on"
UNSCORED = "candidates left unscored by the judge"
REFLECTS, AS_IT_IS = "chains that reflect", "chains kept as they are"
CANDIDATES, JUDGE = "candidates", "judge"  # kinds of request, for UsageCounter
JUDGES = ("model", "rule")
QUESTION = "{QUESTION}"
PROMPT = f"{QUESTION}\n{prompts.REASONING_INSTRUCTION}"  # as trained on and evaluated with; the paper prints none

_FORM = ResponseForm(think_prefilled=True)  # a template may open the tag: then a reply only closes it
_TAG = re.compile(r"</?(?:think|answer|image|video|audio)\b", re.IGNORECASE)
BRIDGE = Rule(
    lambda value: isinstance(value, str) and bool(value.strip()) and not _TAG.search(value),
    "give a sentence, without tags: it stands inside <think>",
)


@dataclass(frozen=True)
class ReflectiveSettings(DrawSettings):
    """The paper's where it gives them (candidates, keep_from, bridge, judge, judge_prompt); the rest is ours."""

    candidates: int = setting(10, whole())
    keep_from: int = setting(6, whole())  # this many right candidates or more: no reflection is added
    bridge: str = setting(prompts.REFLECTION_BRIDGE, BRIDGE)
    prompt: str = prompt_setting(PROMPT, QUESTION)  # it must lead to <think> and <answer>
    judge: str = setting("model", one_of(JUDGES))  # or "rule" (judge.py), for models too small to judge
    judge_prompt: str = prompt_setting(JUDGE_PROMPT, QUESTION_PLACE, RESPONSE_PLACE)
    judge_engine: Mapping[str, Json] | None = setting(None, ENGINE)  # the engine that answers without it
    judge_tries: int = setting(3, whole())
    group: int = setting(1024, whole())  # questions answered, then judged together


@dataclass(frozen=True)
class Candidate:
    """One drawn response, read and judged. ``score`` is None for a wrong one, and where the judge gave none.

    Without ``well_formed`` it has neither ``reasoning`` nor ``answer``, and no chain is made of it.
    """

    text: str
    reasoning: str
    answer: str
    right: bool
    score: int | None = None
    justification: str = ""
    well_formed: bool = True


def reflective_cot(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Yield each sample with its chain as ``rationale``; the evidence is in ``meta["reflective"]``.

    Raises ConfigError without an engine or for an unknown setting. Failed requests are dropped and counted.
    """
    settings = ReflectiveSettings.read("reflective_cot", context.settings)
    engine = UsageCounter(context.need_engine("reflective_cot", "to draw candidates from"), context.counted, CANDIDATES)
    judging: Engine | None = None
    if settings.judge == "model":
        other = context.start_engine(settings.judge_engine) if settings.judge_engine else engine.engine
        judging = UsageCounter(other, context.counted, JUDGE)
    done = 0
    for group in batched(samples, settings.group):
        asked = {sample.id: sample for sample in group}
        replies = settings.ask(engine, asked, lambda s: candidate_prompt(s, settings.prompt), context, done)
        drawn = {one.id: [read_candidate(text, one, judging is None) for text in reply.texts] for one, reply in replies}
        if judging is not None:
            drawn = _judged(group, drawn, judging, settings, context)
        for sample in group:
            if sample.id in drawn:
                yield from _chain(sample, drawn[sample.id], settings, context)
        done += len(group)


def candidate_prompt(sample: Sample, prompt: str = PROMPT) -> str:
    """Return the user turn: the user's own prompt as it is, ours in the language of the sample."""
    if prompt == PROMPT:
        return prompts.render(sample, "reasoning")
    return fill(prompt, {QUESTION: prompts.question_text(sample)})


def read_candidate(text: str, sample: Sample, by_rule: bool = True) -> Candidate:
    """Read one response; it is right when the robust scorer says so, whatever the format gate says."""
    parsed = parse_response(text, _FORM)
    right = score(text, sample).accuracy == 1.0
    value = rule_score(parsed.reasoning, parsed.answer, sample) if right and by_rule and parsed.format_ok else None
    return Candidate(text, parsed.reasoning, parsed.answer, right, value, well_formed=parsed.format_ok)


def _judged(
    group: Sequence[Sample],
    drawn: Mapping[str, list[Candidate]],
    judge: Engine,
    settings: ReflectiveSettings,
    context: StepContext,
) -> dict[str, list[Candidate]]:
    """Return the candidates with the judge's scores of the right ones."""
    items = [
        JudgeItem.of(sample, candidate.text, f"{sample.id}#{index}")
        for sample in group
        for index, candidate in enumerate(drawn.get(sample.id, ()))
        if candidate.right
    ]
    verdicts = judge_all(judge, items, settings.judge_tries, seed=context.seed, prompt=settings.judge_prompt)
    context.counted[UNSCORED] += sum(v.score is None for v in verdicts.values())
    scored = {}
    for sample_id, candidates in drawn.items():
        scored[sample_id] = [
            replace(candidate, score=verdict.score, justification=verdict.justification)
            if (verdict := verdicts.get(f"{sample_id}#{index}")) is not None
            else candidate
            for index, candidate in enumerate(candidates)
        ]
    return scored


def _chain(
    sample: Sample, candidates: Sequence[Candidate], settings: ReflectiveSettings, context: StepContext
) -> Iterator[Sample]:
    right = sum(candidate.right for candidate in candidates)
    malformed = sum(not candidate.well_formed for candidate in candidates)
    context.count_right(right, len(candidates))
    context.counted.update({WITHOUT_FORMAT: malformed} if malformed else {})
    chained = synthesize(sample, candidates, settings, random.Random(f"{context.seed}/{sample.id}"), context.seed)
    if chained is None:
        context.dropped[NO_USABLE_CANDIDATE if right else NO_RIGHT_CANDIDATE] += 1
        context.aside(sample.with_meta(reflective=_evidence(candidates, False, settings, context.seed)))
        return
    reflects = chained.meta["reflective"]["reflects"]
    context.counted[REFLECTS if reflects else AS_IT_IS] += 1
    if not reflects and right < settings.keep_from:
        context.counted[NO_WRONG_CANDIDATE] += 1
    yield chained


def synthesize(
    sample: Sample,
    candidates: Sequence[Candidate],
    settings: ReflectiveSettings,
    rng: random.Random,
    seed: int = 0,
) -> Sample | None:
    """Return the sample with its chain, or None when no right candidate is well-formed."""
    m = sum(candidate.right for candidate in candidates)
    right = [candidate for candidate in candidates if candidate.right and candidate.well_formed]
    if not right:
        return None
    best_score = max((candidate.score for candidate in right if candidate.score is not None), default=None)
    best = rng.choice([candidate for candidate in right if candidate.score == best_score])
    wrong = [candidate for candidate in candidates if not candidate.right and candidate.answer]
    reflects = m < settings.keep_from and bool(wrong)
    rationale = best.reasoning
    if reflects:
        rationale = reflect(rng.choice(wrong), best, settings.bridge, prompts.in_chinese(sample.language))
    return replace(sample, rationale=rationale).with_meta(reflective=_evidence(candidates, reflects, settings, seed))


def _evidence(candidates: Sequence[Candidate], reflects: bool, settings: ReflectiveSettings, seed: int) -> Json:
    return {
        "right": sum(candidate.right for candidate in candidates),
        "candidates": [
            {"text": c.text, "right": c.right, "score": c.score}
            | ({"justification": c.justification} if c.justification else {})
            | ({} if c.well_formed else {"well_formed": False})
            for c in candidates
        ],
        "reflects": reflects,
        "judge": settings.judge,
        "seed": seed,
    }


def reflect(wrong: Candidate, right: Candidate, bridge: str = prompts.REFLECTION_BRIDGE, chinese: bool = False) -> str:
    """Return the joined reasoning: the wrong attempt with the answer it came to, the bridge, the right attempt.

    ``chinese`` rows are joined in Chinese; a bridge of the user's own stays.
    """
    said = f"答案是{wrong.answer.strip()}。" if chinese else f"The answer is {wrong.answer.strip()}."
    if chinese and bridge == prompts.REFLECTION_BRIDGE:
        bridge = prompts.CHINESE_REFLECTION_BRIDGE
    return f"{wrong.reasoning.strip()} {said} {bridge} {right.reasoning.strip()}"
