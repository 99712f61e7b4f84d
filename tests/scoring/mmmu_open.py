"""MMMU's reading of open replies, which MedEvalKit has and its validation path does not call.

What that path calls instead (scoring/medevalkit/mmmu.py, raw_open_correct) is ``open_correct`` of a raw reply.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),  # with commas
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),  # scientific
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),  # the rest
)
_SENTENCE_END = re.compile(r"\.\s(?=[A-Z])|\n")  # the text is lower-cased by then: only line ends part it
_LEADS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_TRIVIAL = frozenset({":", ",", ".", "!", "?", ";", "'"})


def read_open(response: str) -> list[str | float]:
    """What an open reply may mean: the tails after "is", "so" … and the numbers in them, in no order."""
    tails = _tails(response)
    numbers = [number for tail in tails for form in _NUMBERS for number in form.findall(tail)]
    return list({value for text in [*tails, *numbers] for value in _normalised(text)})


def _tails(response: str) -> list[str]:
    text = response.strip().strip(".").lower()
    lines = _SENTENCE_END.split(text)
    tails = []
    for place, line in enumerate(lines):
        leads = (*_LEADS, "=") if place == len(lines) - 1 else _LEADS
        shortest = ""
        for lead in leads:
            if lead in line:
                tail = line.split(lead)[-1].strip()
                if not shortest or len(tail) < len(shortest):
                    shortest = tail
        if shortest and shortest not in _TRIVIAL:
            tails.append(shortest)
    return tails or [text]


def _normalised(text: str) -> list[str | float]:
    """A number to two decimals, or the text lower-cased; a single character needs a blank beside it."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
        return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def open_correct(answer: str | Sequence[str], parsed: Sequence[str | float]) -> bool:
    """Whether one of the readings is a gold number or contains a gold text.

    MedEvalKit's validation path hands in the raw reply, so that its single characters are the readings; then only an
    empty gold answer can be found.
    """
    golds = [gold for text in ([answer] if isinstance(answer, str) else answer) for gold in _normalised(text)]
    texts = [gold for gold in golds if isinstance(gold, str)]
    return any(any(text in value for text in texts) if isinstance(value, str) else value in golds for value in parsed)
