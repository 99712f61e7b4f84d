"""A whole data set's replies, judged as MedEvalKit judges them; a reply on which it would end is told, not raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from infimed_plugins.bounded_cache import cached
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.scoring.medevalkit.choice import mcq
from infimed_plugins.scoring.medevalkit.messages import construct, lettered, mmmu_options
from infimed_plugins.scoring.medevalkit.mmmu import Draws, extracted, found_choice, raw_open_correct
from infimed_plugins.scoring.medevalkit.text import parse, tag, unboxed
from infimed_plugins.scoring.medevalkit.vqa import OpenMetrics, bare, parsed_metrics

_ENDS = (AttributeError, IndexError, KeyError, TypeError, ValueError)  # what ends upstream's run
_YES_NO = ("yes", "no")
_NO_LOWER = "AttributeError: 'NoneType' object has no attribute 'lower'"
_NO_RFIND = "AttributeError: 'NoneType' object has no attribute 'rfind'"
_NO_IN = "TypeError: argument of type 'NoneType' is not iterable"


@dataclass(frozen=True)
class MedEvalKitVerdict:
    """What MedEvalKit makes of one reply.

    ``kind``: mcq, close or open. ``parsed``: the letter or the text that was compared. ``error``: the exception with
    which upstream's whole run would end here ("ValueError: …"); then ``correct`` is None. ``metrics``: of an open
    answer of a VQA set. ``random``: the letter was drawn (MMMU). ``guessed``: it was taken by likeness (other sets).
    """

    correct: bool | None
    kind: str
    parsed: str | None
    error: str | None = None
    metrics: OpenMetrics | None = None
    random: bool = False
    guessed: bool = False


_shared = cached(4096)(MedEvalKitVerdict)  # verdicts on choices are few and frozen
_Rule = Callable[[Sequence[Mapping[str, Any]], Sequence[str | None]], Iterator[MedEvalKitVerdict]]


def score_rows(
    benchmark: str, rows: Sequence[Mapping[str, Any]], replies: Sequence[str | None]
) -> list[MedEvalKitVerdict]:
    """Judge one data set's replies in the order of its rows (MMMU's draws follow it, subject after subject).

    Rows as the data set's files give them or as MedEvalKit writes them to results.json ("choices", "answer" …). Raises
    ConfigError for an unknown benchmark, DataError when the rows and replies are not as many.
    """
    rule = _RULES.get(benchmark)
    if rule is None:
        raise ConfigError(f"MedEvalKit's rules are here for {', '.join(_RULES)}, not for {benchmark!r}")
    if len(rows) != len(replies):
        raise DataError(f"{len(rows)} rows of {benchmark} and {len(replies)} replies: give one reply to each row")
    return list(rule(rows, replies))


def _failed(kind: str, error: Exception) -> MedEvalKitVerdict:
    return _shared(None, kind, None, f"{type(error).__name__}: {error}")


def _told(kind: str, judge: Callable[[Mapping[str, Any], str | None], MedEvalKitVerdict]) -> _Rule:
    """The rule that judges row by row, and tells the exception where upstream would end."""

    def rule(rows: Sequence[Mapping[str, Any]], replies: Sequence[str | None]) -> Iterator[MedEvalKitVerdict]:
        for row, reply in zip(rows, replies, strict=True):
            try:
                verdict = judge(row, reply)
            except _ENDS as error:
                verdict = _failed(kind, error)
            yield verdict

    return rule


def _raw_choice(benchmark: str, row: Mapping[str, Any], reply: str | None) -> MedEvalKitVerdict:
    if reply is None:
        return _shared(None, "mcq", None, _NO_LOWER)
    choices, answer = _choices(benchmark, row)
    correct, parsed, guessed = mcq(choices, answer, reply)
    return _shared(correct, "mcq", parsed, None, None, False, guessed)


def _tagged_choice(benchmark: str, row: Mapping[str, Any], reply: str | None) -> MedEvalKitVerdict:
    text = tag(reply, "answer") if not reply or "<answer>" in reply else reply
    return _raw_choice(benchmark, row, text)


def _choices(benchmark: str, row: Mapping[str, Any]) -> tuple[Sequence[str], Any]:
    if (type(row) is dict or isinstance(row, Mapping)) and "choices" in row:
        return row["choices"], row["answer"]
    asked = construct(benchmark, row, reasoning=False)
    return asked.choices or (), asked.answer


def _vqa(row: Mapping[str, Any], reply: str | None) -> MedEvalKitVerdict:
    """VQA-RAD and PathVQA: the gold answer says whether a question is closed."""
    answer = row["answer"].lower().strip()
    kind = "close" if answer in _YES_NO else "open"
    if reply is None:
        return _shared(None, kind, None, _NO_RFIND)
    text = unboxed(reply).lower().strip()
    return _judged_yesno(answer, text) if kind == "close" else _judged_open(answer, text)


def _slake(row: Mapping[str, Any], reply: str | None) -> MedEvalKitVerdict:
    """SLAKE says itself which question is closed; "Yes" is no yes-no answer."""
    answer, is_open = row["answer"], row["answer_type"] == "OPEN"
    if reply is None:
        return _shared(None, "open" if is_open else "close", None, _NO_RFIND)
    text = unboxed(reply)
    if is_open:
        return _judged_open(answer, text)
    if answer in _YES_NO:
        return _judged_yesno(answer, text)
    text = bare(text)
    return MedEvalKitVerdict(text == answer.lower(), "close", text)


def _judged_yesno(answer: str, text: str) -> MedEvalKitVerdict:
    text = bare(text)
    correct = (("yes" in text) != ("no" in text)) and answer in text
    return MedEvalKitVerdict(correct, "close", text)


def _judged_open(answer: str, text: str) -> MedEvalKitVerdict:
    text = parse(text)
    metrics = parsed_metrics(answer, text)
    return MedEvalKitVerdict(metrics["em"], "open", text, None, metrics)


def _mmmu(rows: Sequence[Mapping[str, Any]], replies: Sequence[str | None]) -> Iterator[MedEvalKitVerdict]:
    """A letter that is not found is drawn, in the order of the rows."""
    draws = Draws()
    read: dict[
        tuple[str | None, ...], str | None
    ] = {}  # asked directly, models say the same few things again and again

    def judge(row: Mapping[str, Any], reply: str | None) -> MedEvalKitVerdict:
        is_choice, answer = row["question_type"] == "multiple-choice", row["answer"]
        if reply is None:
            return _shared(None, "mcq" if is_choice else "open", None, _NO_IN)
        if not is_choice:
            text = extracted(reply)
            return MedEvalKitVerdict(raw_open_correct(answer, text), "open", text)
        options = row["index2ans"] if "index2ans" in row else lettered(mmmu_options(row))
        letters = row["all_choices"] if "all_choices" in row else tuple(options)
        said = (reply, *letters, None, *options, *options.values())
        letter = read[said] if said in read else read.setdefault(said, found_choice(extracted(reply), letters, options))
        drawn = letter is None
        if letter is None:
            letter = draws.choice(letters)
        return _shared(
            letter == answer or (type(answer) is list and letter in answer), "mcq", letter, None, None, drawn
        )

    return iter(_told("mcq", judge)(rows, replies))


_RULES: Mapping[str, _Rule] = {
    "MMMU-Medical-val": _mmmu,
    "VQA_RAD": _told("open", _vqa),
    "PATH_VQA": _told("open", _vqa),
    "SLAKE": _told("open", _slake),
    **{name: _told("mcq", partial(_raw_choice, name)) for name in ("PMC_VQA", "MedFrameQA")},
    **{
        name: _told("mcq", partial(_tagged_choice, name))
        for name in (
            *("OmniMedVQA", "MedXpertQA-MM", "MedXpertQA-Text", "MedXpertQA"),
            *("MedQA_USMLE", "MedMCQA", "PubMedQA"),
        )
    },
}
