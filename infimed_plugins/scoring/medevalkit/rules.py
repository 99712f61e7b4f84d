"""MedEvalKit's rules for the replies to a whole data set; where it would crash, the error is returned, not raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infimed_plugins.scoring.medevalkit.choice import mcq
from infimed_plugins.scoring.medevalkit.open_answers import OpenMetrics, bare, overlap
from infimed_plugins.scoring.medevalkit.text import parse, tag, unboxed

if TYPE_CHECKING:
    from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitSet

_ENDS = (AttributeError, IndexError, KeyError, TypeError, ValueError)  # errors that end upstream's run
YES_NO = ("yes", "no")


@dataclass(frozen=True)
class MedEvalKitVerdict:
    """MedEvalKit's verdict on one reply.

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


Row = Mapping[str, Any]
Rule = Callable[["MedEvalKitSet", Sequence[Row], Sequence[str | None]], Iterator[MedEvalKitVerdict]]


def row_by_row(kind: str, judge: Callable[[MedEvalKitSet, Row, str | None], MedEvalKitVerdict]) -> Rule:
    """Return the rule that judges each row alone, and tells the exception where upstream would end."""

    def rule(of: MedEvalKitSet, rows: Sequence[Row], replies: Sequence[str | None]) -> Iterator[MedEvalKitVerdict]:
        for row, reply in zip(rows, replies, strict=True):
            try:
                verdict = judge(of, row, reply)
            except _ENDS as error:
                verdict = MedEvalKitVerdict(None, kind, None, f"{type(error).__name__}: {error}")
            yield verdict

    return rule


def _raw_choice(of: MedEvalKitSet, row: Row, reply: Any) -> MedEvalKitVerdict:
    if isinstance(row, Mapping) and "choices" in row:
        found = mcq(row["choices"], row["answer"], reply)
    else:
        asked = of.ask(row)
        found = mcq(asked.choices or (), asked.answer, reply)
    return MedEvalKitVerdict(found.correct, "mcq", found.parsed, guessed=found.guessed)


def _tagged_choice(of: MedEvalKitSet, row: Row, reply: str | None) -> MedEvalKitVerdict:
    return _raw_choice(of, row, tag(reply, "answer"))


def _vqa(of: MedEvalKitSet, row: Row, reply: Any) -> MedEvalKitVerdict:
    answer, text = row["answer"].lower().strip(), unboxed(reply).lower().strip()
    return judged_yes_no(answer, text) if answer in YES_NO else judged_open(answer, text)


choice = row_by_row("mcq", _raw_choice)
tagged_choice = row_by_row("mcq", _tagged_choice)  # the option stands in <answer> tags, if there are any
vqa = row_by_row("open", _vqa)  # VQA-RAD and PathVQA: the gold answer says whether a question is closed


def judged_yes_no(answer: str, text: str) -> MedEvalKitVerdict:
    """Return the verdict on a closed question: just one of "yes" and "no" anywhere, and the gold answer, too."""
    text = bare(text)
    correct = (("yes" in text) != ("no" in text)) and answer in text
    return MedEvalKitVerdict(correct, "close", text)


def judged_closed(answer: str, text: str) -> MedEvalKitVerdict:
    """Judge another closed question: the bare reply is the gold answer, lower-cased, to the last blank."""
    text = bare(text)
    return MedEvalKitVerdict(text == answer.lower(), "close", text)


def judged_open(answer: str, text: str) -> MedEvalKitVerdict:
    """Return the verdict on an open question: exact match, with the overlap of words beside it."""
    text = parse(text)
    metrics = overlap(answer, text)
    return MedEvalKitVerdict(bool(metrics["em"]), "open", text, metrics=metrics)
