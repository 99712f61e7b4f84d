"""MedEvalKit's rule for a multiple choice (utils/utils.py:91): PMC-VQA, OmniMedVQA, MedXpertQA and its text sets.

    >>> mcq(("CT", "MRI"), "B", "(B)")
    Choice(correct=False, parsed='A', guessed=True)

That is upstream: "(b)" is no letter and like no option, so that the first one is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from infimed_plugins.bounded_cache import cached
from infimed_plugins.scoring.medevalkit.similar import most_similar
from infimed_plugins.scoring.medevalkit.text import parse_lowered

_SHORT = 1_000  # characters of a reply that is remembered: data sets ask the same of many images


class Choice(NamedTuple):
    """Whether the reply is right; the letter (or the gold answer's own text) it was read as; whether by likeness."""

    correct: bool
    parsed: str
    guessed: bool = False


def mcq(choices: Sequence[str], answer: str, response: str) -> Choice:
    """Judge a reply. ``answer`` is the letter or the text of a choice.

    Raises AttributeError for a response that is None, IndexError without choices, as upstream does.
    """
    return (_judge if len(response or "") > _SHORT else _remembered)(tuple(choices), answer, response)


def _judge(choices: tuple[str, ...], answer: str, response: str) -> Choice:
    text = key = response.lower()
    if len(text) != 1 or not text.isalnum():  # the commonest reply says nothing but its letter
        text = _first_or_last_block(text, len(choices))
        text = parse_lowered(text).strip().lower().replace("\n", "")
        key = text.split(".", 1)[0].rsplit(":", 1)[-1]
    answer = answer.strip().lower()
    letter = _letter(key, len(choices))
    if key == answer:
        return Choice(True, key if letter is None else key.upper())
    choices = tuple([choice.lower() for choice in choices])
    if letter is not None:
        return Choice(choices[letter] == answer, key.upper())
    if key in choices:
        gold = _letter(answer, len(choices))
        return Choice(gold is not None and key == choices[gold], _name(choices.index(key)))
    if not choices:
        raise IndexError("list index out of range")
    index = most_similar(choices, text)
    return Choice(chr(97 + index) == answer or choices[index] == answer, _name(index), guessed=True)


_remembered = cached(8192)(_judge)


def _first_or_last_block(text: str, count: int) -> str:
    """The first paragraph if it is a letter, else the last one's letter if a period or nothing follows it."""
    if (len(text) == 1 or text[1:3] == "\n\n") and _letter(text[0], count) is not None:
        return text[0]
    last = text.split("\n\n")[-1] if "\n\n" in text else text
    if last[1:2] in ("", ".") and _letter(last[:1], count) is not None:
        return last[0]
    return text


def _letter(text: str, count: int) -> int | None:
    """The index of a lower-case option letter, or None."""
    if len(text) == 1:
        index = ord(text) - 97
        if 0 <= index < count:
            return index
    return None


def _name(index: int) -> str:
    return chr(65 + index)
