"""MedEvalKit's rules for MMMU, taken from MMMU's own evaluation (utils/MMMU/eval_utils.py, eval_val.py:36).

    >>> options = {"A": "CT", "B": "MRI"}
    >>> read_choice("It is (B).", ("A", "B"), options, Draws(42))
    ('B', False)
    >>> read_choice("B. MRI", ("A", "B"), options, Draws(42))
    ('A', True)

A letter counts in brackets or between blanks. Where nothing is found one is drawn: the order of replies matters.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from infimed_plugins.bounded_cache import cached
from infimed_plugins.errors import DataError
from infimed_plugins.scoring.medevalkit.rules import MedEvalKitVerdict, Row, row_by_row, shared
from infimed_plugins.scoring.medevalkit.text import NO_BOX, boxed, tag

if TYPE_CHECKING:
    from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitSet

SEED = 42  # eval.py:41, set anew for each data set

_MARKS = ",.!?;:'"
_LEAST = 12  # length of six words between blanks


class Draws:
    """Draw as ``random.seed(seed)`` and then ``random.choice`` do, whatever the version of Python."""

    def __init__(self, seed: int = SEED) -> None:
        self._bits = random.Random(seed).getrandbits

    def choice(self, letters: Sequence[str]) -> str:
        """Return one of the letters. Raises IndexError when there are none."""
        count = len(letters)
        if not count:
            raise IndexError("Cannot choose from an empty sequence")
        bits, width = self._bits, count.bit_length()
        while (drawn := bits(width)) >= count:
            pass
        return letters[drawn]


_FindAll = Callable[[str], list[str]]


@cached(256)
def _finders(letters: tuple[str, ...]) -> tuple[_FindAll, _FindAll]:
    """Return finders of the letters in brackets, and of those between blanks, in the order they stand in a text."""
    any_letter = "|".join(re.escape(letter) for letter in letters) or "(?!)"
    return re.compile(rf"\(({any_letter})\)").findall, re.compile(rf" ({any_letter})(?= )").findall


def extracted(reply: str) -> str:
    """Return the text that upstream's caller hands on: the tags, if any, and the box in them (eval_val.py:41)."""
    if "<" in reply and "<answer>" in reply:
        reply = tag(reply, "answer")
    if "\\" in reply:
        content = boxed(reply)
        if content != NO_BOX:
            return content
    return reply


def read_choice(
    response: str | None, letters: Sequence[str], options: Mapping[str, str], draws: Draws
) -> tuple[str, bool]:
    """Return the letter, and whether it was drawn: ``found_choice``, else one of the letters."""
    letter = found_choice(response or "", letters, options)
    return (draws.choice(letters), True) if letter is None else (letter, False)


def found_choice(text: str, letters: Sequence[str], options: Mapping[str, str]) -> str | None:
    """Return the letter that is said, or None. Of several, the last one in the form that was found first."""
    text = _trimmed(text)
    bracketed, spaced = _finders(tuple(letters))
    found = (bracketed(text) if "(" in text else None) or spaced(text)
    if found:
        return found[-1]
    return _by_option(text.lower(), options) if len(text) > _LEAST and len(text.split(None, 5)) > 5 else None


def _trimmed(text: str) -> str:
    """Return the text in its tags or its box, without marks at its ends, between two blanks."""
    if "<" in text and "<answer>" in text:
        text = tag(text, "answer")
    elif "\\" in text and "\\boxed" in text:
        text = boxed(text)
    text = text.strip()
    bare = text.strip(_MARKS)
    if len(text) - len(bare) > 1:  # upstream strips one kind of mark after the other, each once
        bare = text
        for mark in _MARKS:
            bare = bare.strip(mark)
    return f" {bare} "


def _by_option(text: str, options: Mapping[str, str]) -> str | None:
    """Return the letter of the option that stands last in a text in lower case."""
    found = [(letter, option) for letter, name in options.items() if (option := name.lower()) in text]
    return max(found, key=lambda pair: text.rfind(pair[1]))[0] if found else None


def mmmu_options(row: Row) -> list[str]:
    """Return the options, which MMMU writes as the text of a Python list. Raises DataError for any other text."""
    options = row["options"]
    if not isinstance(options, str):
        return list(options)
    try:
        return list(ast.literal_eval(options))
    except (ValueError, SyntaxError, TypeError) as error:
        raise DataError(f"MMMU's options are no Python list: {options[:80]!r}") from error


def mmmu(of: MedEvalKitSet, rows: Sequence[Row], replies: Sequence[str | None]) -> Iterator[MedEvalKitVerdict]:
    """Return the rule of MMMU: a letter that is not found is drawn, in the order of the rows."""
    draws = Draws()
    read: dict[tuple[str | None, ...], str | None] = {}  # asked directly, models say the same few things again

    def judge(of: MedEvalKitSet, row: Row, reply: str | None) -> MedEvalKitVerdict:
        is_choice, answer = row["question_type"] == "multiple-choice", row["answer"]
        if reply is None:
            no_in = "TypeError: argument of type 'NoneType' is not iterable"
            return shared(None, "mcq" if is_choice else "open", None, no_in)
        if not is_choice:
            text = extracted(reply)
            return MedEvalKitVerdict(raw_open_correct(answer, text), "open", text)
        if "index2ans" in row:
            options = row["index2ans"]
        else:
            options = {chr(65 + place): option for place, option in enumerate(mmmu_options(row))}
        letters = row["all_choices"] if "all_choices" in row else tuple(options)
        said = (reply, *letters, None, *options, *options.values())
        letter = read[said] if said in read else read.setdefault(said, found_choice(extracted(reply), letters, options))
        drawn = letter is None
        if letter is None:
            letter = draws.choice(letters)
        right = letter == answer or (type(answer) is list and letter in answer)
        return shared(right, "mcq", letter, None, None, drawn)

    return row_by_row("mcq", judge)(of, rows, replies)


def raw_open_correct(answer: str | Sequence[str], reply: str) -> bool:
    """Return upstream's verdict on an open reply: True for an empty gold answer only.

    Its validation path hands the raw reply to a function that looks for gold answers of at least two characters in each
    of the readings it is given, which are then the single characters of the reply.
    """
    return bool(reply) and "" in [text.strip() for text in ([answer] if isinstance(answer, str) else answer)]
