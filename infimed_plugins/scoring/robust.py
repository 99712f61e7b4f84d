"""The default rules of evaluation: read with the package's own parser, abstain instead of guessing.

``accuracy`` is 1 or 0, so that accuracies have intervals and paired tests:

    multiple_choice  the option the reply states is the right one (or, of several right ones, all of them); one with
                     the same text is as right
    text             yes or no, where the gold is that; else the gold is what the reply gives as its answer
    math             the value the reply states is equivalent by math_verify
    grounding        IoU of at least 0.5 (the usual detection threshold; the choice is ours)
    detection        matched IoU over max(n_pred, n_gt) of at least 0.5 (ours)

A reply that states no answer is ``invalid`` and counts as wrong; ``code`` and ``trace`` say why. An engine that failed
is unscored (``accuracy`` None). Whatever the prompt asked for, the answer may stand in tags, in a box, or in what the
reply states after its reasoning, so that prompts are compared by answers and not by forms; ``format`` is what the
format gate says. Reasoning that never ends holds no answer.
"""

from __future__ import annotations

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.numbers import read_value
from infimed_plugins.parsing.options import read_option, same_options
from infimed_plugins.parsing.response import parse_response
from infimed_plugins.parsing.short_answer import read_short_answer
from infimed_plugins.parsing.yes_no import polarity_of_gold, read_yes_no
from infimed_plugins.records import OPTION_LETTERS, Code, GroundTruth, Sample, Score, Verdict
from infimed_plugins.rewards import judge_answer
from infimed_plugins.rewards.box_iou import detection, grounding

_MAX_REMEMBERED = 2_000  # characters: 16 MB of replies at most
_BOXES = {"grounding": grounding, "detection": detection}
RIGHT_FROM = {"multiple_choice": 1.0, "text": 1.0, "math": 1.0, "grounding": 0.5, "detection": 0.5}


def score(text: str, sample: Sample) -> Score:
    """Judge one reply. ``overall`` is the accuracy; the graded reward (Jaccard, IoU) stands in the reason."""
    if sample.task == "multiple_choice":
        return score_choice(text, sample.options or (), str(sample.answer), sample.question)
    reply = parse_response(text, strict=False)
    form = float(reply.format_ok)
    if not reply.answer:
        return Score(0.0, form, 0.0, None, reply.reason or "no answer", invalid=True, code=reply.code)
    verdict = _judge(reply.answer, reply.marked, sample.question, sample.ground_truth)
    if verdict.code is Code.UNSCORED:
        return Score(0.0, form, None, None, verdict.reason, invalid=True, code=verdict.code)
    accuracy = float(verdict.value >= RIGHT_FROM[sample.task])
    reason = f"{verdict.reason} (graded {verdict.value:.3f})" if 0 < verdict.value < 1 else verdict.reason
    invalid = verdict.parsed is None or verdict.code not in (Code.JUDGED, Code.TIMED_OUT)
    parsed = None if invalid else verdict.parsed
    return Score(accuracy, form, accuracy, parsed, reason, invalid, code=verdict.code, trace=verdict.trace)


def score_choice(text: str, options: tuple[str, ...], gold: str, question: str = "") -> Score:
    """Judge a reply to a question whose ``options`` are A, B, …; ``gold`` is the right letter, or several in order.

    Short replies to the same question are remembered: models asked directly answer in few ways.
    """
    short = isinstance(text, str) and len(text) <= _MAX_REMEMBERED
    return _score_of_choice(*(_remembered if short else _chosen)(text, options, question, len(gold) > 1), gold, options)


def _chosen(
    text: str, options: tuple[str, ...], question: str, several: bool
) -> tuple[float, str, Code, tuple[str, ...], str]:
    """Return the format, the letters ("" for none), why not, the rules that led there, and a reason in words."""
    reply = parse_response(text, strict=False)
    form = float(reply.format_ok)
    if not reply.answer:
        return form, "", reply.code, (), reply.reason or "no answer"
    sides = _sides(options)
    if sides and not (choice := read_option(reply.answer, ("",) * len(options))).answer:  # by its letter
        said = read_yes_no(reply.answer, question)
        if said.answer or len(options) == len(sides):
            reason = f"it says {said.answer}" if said.answer else said.code.replace("_", " ")
            return form, sides.get(said.answer, ""), said.code, said.trace, reason
    elif sides:
        return form, choice.answer, choice.code, choice.trace, ", ".join(choice.trace)
    choice = read_option(reply.answer, options, question, several=several)
    return form, choice.answer, choice.code, choice.trace, ", ".join(choice.trace) or choice.code.replace("_", " ")


_remembered = cached(8192)(_chosen)


@cached(1024)
def _sides(options: tuple[str, ...]) -> dict[str, str]:
    """Return the letters of yes and no, where two options are that."""
    sides = {side: letter for letter, text in zip(OPTION_LETTERS, options, strict=False)
             if (side := polarity_of_gold(text)) is not None}  # fmt: skip
    return sides if len(sides) == 2 and len(options) <= 3 else {}


@cached(4096)
def _score_of_choice(
    form: float, letters: str, code: Code, trace: tuple[str, ...], reason: str, gold: str, options: tuple[str, ...]
) -> Score:
    """Return the verdict on an option; a benchmark has few different ones, so they are made once."""
    accuracy = float(same_options(letters, gold, options))
    return Score(accuracy, form, accuracy, letters or None, reason, not letters, code=code, trace=trace)


def _judge(text: str, marked: bool, question: str, truth: GroundTruth) -> Verdict:
    if truth.task in _BOXES:
        return _BOXES[truth.task](text, truth, strict=False)
    if truth.task == "math":
        return _judge_value(text, marked, question, truth)
    if truth.task != "text":
        return judge_answer(text, truth)
    gold = str(truth.answer)
    side = polarity_of_gold(gold)
    if side:
        said = read_yes_no(text, question)
        reason = f"it says {said.answer}" if said.answer else "it says neither yes nor no, or both"
        return Verdict(float(said.answer == side), said.answer or None, reason, code=said.code, trace=said.trace)
    read = read_short_answer(text, (gold, *truth.synonyms), question)
    if read.answer:
        return Verdict(1.0, read.answer, "the gold is what it says", trace=read.trace)
    if read.code is not Code.JUDGED:
        return Verdict(0.0, None, f"it gives no one answer ({read.code})", code=read.code, trace=read.trace)
    graded = judge_answer(text, truth)
    return Verdict(min(graded.value, 0.999), graded.parsed, graded.reason, code=graded.code, trace=read.trace)


def _judge_value(text: str, marked: bool, question: str, truth: GroundTruth) -> Verdict:
    stated = read_value(text, question)
    if not stated.answer and not marked:
        return Verdict(0.0, None, f"it states no one value ({stated.code})", code=stated.code, trace=stated.trace)
    return judge_answer(stated.answer or text, truth)
