"""MedEvalKit's rules for the replies to a whole data set; where it would crash, the error is returned, not raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

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


def mcq(choices: Sequence[str], answer: str, response: str) -> MedEvalKitVerdict:
    """Judge a multiple choice (utils/utils.py:91). ``answer`` is the letter or the text of a choice.

    Raises AttributeError for a response that is None, IndexError without choices, as upstream does.

    >>> mcq(("CT", "MRI"), "B", "(B)")
    MedEvalKitVerdict(correct=False, kind='mcq', parsed='A', error=None, metrics=None, random=False, guessed=True)

    "(b)" is no letter and like no option, so that the first one is taken.
    """
    letters = [chr(97 + index) for index in range(len(choices))]
    text = parse(_first_or_last_block(response.lower(), letters)).strip().lower().replace("\n", "")
    key = text.split(".", 1)[0].rsplit(":", 1)[-1]
    answer = answer.strip().lower()
    if key == answer:
        return MedEvalKitVerdict(True, "mcq", key.upper() if key in letters else key)
    choices = [choice.lower() for choice in choices]
    if key in letters:
        return MedEvalKitVerdict(choices[letters.index(key)] == answer, "mcq", key.upper())
    if key in choices:
        right = answer in letters and key == choices[letters.index(answer)]
        return MedEvalKitVerdict(right, "mcq", letters[choices.index(key)].upper())
    index = most_similar(choices, text)
    right = answer in (letters[index], choices[index])
    return MedEvalKitVerdict(right, "mcq", letters[index].upper(), guessed=True)


def _first_or_last_block(text: str, letters: Sequence[str]) -> str:
    """Return the first paragraph if it is a letter, else the last one's letter if a period or nothing follows it."""
    blocks = text.split("\n\n")
    return next((block for block in (blocks[0], blocks[-1].split(".")[0]) if block in letters), text)


def most_similar(options: Sequence[str], text: str) -> int:
    """Return the first of the options with the highest ratio; 0 when none has a character in common with the text."""
    matcher = SequenceMatcher(b=text)
    best, best_index = 0.0, 0
    for index, option in enumerate(options):
        matcher.set_seq1(option)
        if matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
            best, best_index = ratio, index
    return best_index


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
        return mcq(row["choices"], row["answer"], reply)
    asked = of.ask(row)
    return mcq(asked.choices or (), asked.answer, reply)


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
