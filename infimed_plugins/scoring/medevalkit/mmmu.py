"""MedEvalKit's rules for MMMU, taken from MMMU's own evaluation (utils/MMMU/eval_utils.py, eval_val.py:36).

    >>> options = {"A": "CT", "B": "MRI"}
    >>> read_choice("It is (B).", ("A", "B"), options, random.Random(42))
    ('B', False)
    >>> read_choice("B. MRI", ("A", "B"), options, random.Random(42))
    ('A', True)

A letter counts in brackets or between blanks. Where nothing is found one is drawn: the order of replies matters.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence

from infimed_plugins.errors import DataError
from infimed_plugins.limits import parse_literal
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitSet, lettered
from infimed_plugins.scoring.medevalkit.rules import MedEvalKitVerdict, Row, row_by_row
from infimed_plugins.scoring.medevalkit.text import NO_BOX, boxed, tag

SEED = 42  # eval.py:41, set anew for each data set

_MARKS = ",.!?;:'"


def extracted(reply: str) -> str:
    """Return the text that upstream's caller hands on: the tags, if any, and the box in them (eval_val.py:41)."""
    reply = tag(reply, "answer")
    content = boxed(reply)
    return reply if content == NO_BOX else content


def read_choice(
    response: str | None, letters: Sequence[str], options: Mapping[str, str], draws: random.Random
) -> tuple[str, bool]:
    """Return the letter, and whether it was drawn. Of several said, the last one in the form that was found first.

    Raises IndexError when there is none to draw.
    """
    text = _trimmed(response or "")
    any_letter = "|".join(re.escape(letter) for letter in letters) or "(?!)"
    found = re.findall(rf"\(({any_letter})\)", text) or re.findall(rf" ({any_letter})(?= )", text)
    letter = found[-1] if found else _by_option(text.lower(), options) if len(text.split()) > 5 else None
    return (draws.choice(letters), True) if letter is None else (letter, False)


def _trimmed(text: str) -> str:
    """Return the text in its tags or its box, without marks at its ends, between two blanks."""
    if "<answer>" in text:
        text = tag(text, "answer")
    elif "\\boxed" in text:
        text = boxed(text)
    text = text.strip()
    for mark in _MARKS:  # one kind of mark after the other, each once
        text = text.strip(mark)
    return f" {text} "


def _by_option(text: str, options: Mapping[str, str]) -> str | None:
    """Return the letter of the option that stands last in a text in lower case."""
    ends = {letter: text.rfind(name.lower()) for letter, name in options.items() if name.lower() in text}
    return max(ends, key=ends.__getitem__, default=None)


def mmmu_options(row: Row) -> list[str]:
    """Return the options, which MMMU writes as the text of a Python list. Raises DataError for any other text."""
    options = row["options"]
    if not isinstance(options, str):
        return list(options)
    try:
        return list(parse_literal(options))
    except (ValueError, TypeError) as error:
        raise DataError(f"MMMU's options are no Python list: {options[:80]!r}") from error


def mmmu(of: MedEvalKitSet, rows: Sequence[Row], replies: Sequence[str | None]) -> Iterator[MedEvalKitVerdict]:
    """Return the rule of MMMU: a letter that is not found is drawn, in the order of the rows."""
    draws = random.Random(SEED)

    def judge(of: MedEvalKitSet, row: Row, reply: str | None) -> MedEvalKitVerdict:
        is_choice, answer = row["question_type"] == "multiple-choice", row["answer"]
        if reply is None:
            no_in = "TypeError: argument of type 'NoneType' is not iterable"
            return MedEvalKitVerdict(None, "mcq" if is_choice else "open", None, no_in)
        text = extracted(reply)
        if not is_choice:
            return MedEvalKitVerdict(raw_open_correct(answer, text), "open", text)
        options = row["index2ans"] if "index2ans" in row else lettered(mmmu_options(row))
        letter, drawn = read_choice(text, row.get("all_choices", tuple(options)), options, draws)
        right = letter in answer if type(answer) is list else letter == answer
        return MedEvalKitVerdict(right, "mcq", letter, random=drawn)

    return row_by_row("mcq", judge)(of, rows, replies)


def raw_open_correct(answer: str | Sequence[str], reply: str) -> bool:
    """Return upstream's verdict on an open reply: True for an empty gold answer only.

    Its validation path hands the raw reply to a function that looks for gold answers of at least two characters in each
    of the readings it is given, which are then the single characters of the reply.
    """
    return bool(reply) and "" in [text.strip() for text in ([answer] if isinstance(answer, str) else answer)]
