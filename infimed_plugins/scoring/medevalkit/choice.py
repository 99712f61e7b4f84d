"""MedEvalKit's rule for a multiple choice (utils/utils.py:91): PMC-VQA, OmniMedVQA, MedXpertQA and its text sets.

    >>> mcq(("CT", "MRI"), "B", "(B)")
    Choice(correct=False, parsed='A', guessed=True)

That is upstream: "(b)" is no letter and like no option, so that the first one is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from infimed_plugins.scoring.medevalkit.text import parse


class Choice(NamedTuple):
    """True if the reply is right; the letter (or the gold answer's own text) it was read as; True if by likeness."""

    correct: bool
    parsed: str
    guessed: bool = False


def mcq(choices: Sequence[str], answer: str, response: str) -> Choice:
    """Judge a reply. ``answer`` is the letter or the text of a choice.

    Raises AttributeError for a response that is None, IndexError without choices, as upstream does.
    """
    letters = [chr(97 + index) for index in range(len(choices))]
    text = parse(_first_or_last_block(response.lower(), letters)).strip().lower().replace("\n", "")
    key = text.split(".", 1)[0].rsplit(":", 1)[-1]
    answer = answer.strip().lower()
    if key == answer:
        return Choice(True, key.upper() if key in letters else key)
    choices = [choice.lower() for choice in choices]
    if key in letters:
        return Choice(choices[letters.index(key)] == answer, key.upper())
    if key in choices:
        return Choice(answer in letters and key == choices[letters.index(answer)], letters[choices.index(key)].upper())
    index = most_similar(choices, text)
    return Choice(answer in (letters[index], choices[index]), letters[index].upper(), guessed=True)


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
