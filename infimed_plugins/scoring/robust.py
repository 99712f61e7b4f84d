"""The default rules of evaluation: read with the package's own parser, abstain instead of guessing.

``accuracy`` is 1 or 0, so that accuracies have intervals and paired tests:

    multiple_choice  the one option the reply commits to is the right one
    text             yes or no, where the gold is that; else the same set of normalised words as the gold answer
    math             equivalent by math_verify
    grounding        IoU of at least 0.5 (the usual detection threshold; the choice is ours)
    detection        matched IoU over max(n_pred, n_gt) of at least 0.5 (ours)

A reply that cannot be read is ``invalid`` and counts as wrong, with the reason; an engine that failed is unscored
(``accuracy`` None). Whatever the prompt asked for, the answer may stand in tags, in a box, or in what the reply states
after its reasoning, so that prompts are compared by answers and not by forms; ``format`` is what the format gate says.
Reasoning that never ends holds no answer.
"""

from __future__ import annotations

from functools import lru_cache

from infimed_plugins.parsing.options.stated import BY_ITSELF, stated_option
from infimed_plugins.parsing.reply import read_reply
from infimed_plugins.parsing.short_text import says
from infimed_plugins.parsing.statements import announcements, settled
from infimed_plugins.parsing.yes_no import polarity_of_gold, read_yes_no
from infimed_plugins.records import OPTION_LETTERS, GroundTruth, Response, Sample, Score, Verdict
from infimed_plugins.rewards import judge_answer

_MAX_REMEMBERED = 2_000  # characters: 16 MB of replies at most
_BARE = 4  # characters of a letter by itself: ``(B).``
_NO_VALUE = ("not one value", "several ", "too many brackets", "braces that do not pair")  # of the math verifier
RIGHT_FROM = {"multiple_choice": 1.0, "text": 1.0, "math": 1.0, "grounding": 0.5, "detection": 0.5}


def score(text: str, sample: Sample) -> Score:
    """Judge one reply. ``overall`` is the accuracy; the graded reward (Jaccard, IoU) stands in the reason."""
    if sample.task == "multiple_choice":
        return score_choice(text, sample.options or (), str(sample.answer))
    reply = read_reply(text)
    form = float(reply.well_formed)
    if not reply.text:
        return Score(0.0, form, 0.0, None, reply.reason or "no answer", invalid=True)
    said = reply.text if reply.marked or sample.task != "math" else _announced(reply.text)
    verdict = _judge(said, sample.question, sample.ground_truth)
    accuracy = float(verdict.value >= RIGHT_FROM[sample.task])
    reason = f"{verdict.reason} (graded {verdict.value:.3f})" if 0 < verdict.value < 1 else verdict.reason
    invalid = verdict.parsed is None or (sample.task == "math" and verdict.reason.startswith(_NO_VALUE))
    return Score(accuracy, form, accuracy, None if invalid else verdict.parsed, reason, invalid=invalid)


def score_choice(text: str, options: tuple[str, ...], gold: str) -> Score:
    """Judge a reply to a question whose ``options`` are A, B, …; ``gold`` is the right letter.

    Short replies to the same options are remembered: benchmarks ask many questions with the same options, and models
    asked directly answer most of them in few ways.
    """
    short = isinstance(text, str) and len(text) <= _MAX_REMEMBERED
    form, letters, reason = (_remembered if short else _chosen)(text, options)
    return _score_of_choice(form, letters, letters == gold, reason)


def _chosen(text: str, options: tuple[str, ...]) -> tuple[float, str, str]:
    """The format, the letter ("" for none) and the reason."""
    if isinstance(text, str) and len(text) <= _BARE:  # as models asked directly answer most often
        letter = text.lstrip(" \n(").rstrip(" \n).").upper()
        if len(letter) == 1 and letter in OPTION_LETTERS[: len(options)]:
            return 0.0, letter, BY_ITSELF
    reply = read_reply(text)
    form = float(reply.well_formed)
    if not reply.text:
        return form, "", reply.reason or "no answer"
    choice = stated_option(reply.text, options)
    return form, choice.letters, choice.reason


_remembered = lru_cache(maxsize=8192)(_chosen)


def forget() -> None:
    """Empty what is remembered between replies, for a fair measure of speed."""
    _remembered.cache_clear()


@lru_cache(maxsize=1024)
def _score_of_choice(form: float, letters: str, right: bool, reason: str) -> Score:
    """The verdict on an option; a benchmark has few different ones, so they are made once."""
    accuracy = float(right and letters != "")
    return Score(accuracy, form, accuracy, letters or None, reason, invalid=not letters)


def _announced(text: str) -> str:
    """What a reply that shows its steps announces as its answer, to the end of the line; else the reply."""
    said = announcements(text)
    agree = settled([(one.start, one.end, one.text.strip(" .*")) for one in said], text) if said else None
    return agree if agree and not any(one.unsure for one in said) else text


def _judge(text: str, question: str, truth: GroundTruth) -> Verdict:
    if truth.task != "text":
        return judge_answer(text, truth)
    gold = str(truth.answer)
    side = polarity_of_gold(gold)
    if side:
        said = read_yes_no(text, question).side or None
        return Verdict(float(said == side), said, f"it says {said}" if said else "it says neither yes nor no, or both")
    found = says(text, (gold, *truth.synonyms), question)
    if found is not None:
        return Verdict(1.0, found, "the gold is what it says")
    graded = judge_answer(text, truth)
    return Verdict(min(graded.value, 0.999), graded.parsed, graded.reason)  # the tokens of 1.5 are those of 5.1


def score_response(response: Response, sample: Sample) -> Score:
    """Judge what a model said; a failed engine is unscored, never wrong."""
    if response.error is not None:
        return Score(0.0, 0.0, None, None, f"unscored: {response.error}")
    return score(response.text, sample)
