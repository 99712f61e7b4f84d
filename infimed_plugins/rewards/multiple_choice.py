"""Multiple choice: 1 when the answer commits to the truth's letter and to no other (first paper, 3.2.2).

truth "B"     B, (B), B. Pneumonia, The answer is B      1.0
truth "B"     A or B, Not B, Because …, B and C          0.0
truth "AC"    A, C                                       1.0
"""

from __future__ import annotations

from functools import lru_cache

from infimed_plugins.parsing.options.choices import option_letters
from infimed_plugins.records import GroundTruth, Verdict


def multiple_choice(answer: str, truth: GroundTruth) -> Verdict:
    """1.0 for the right letter (or all of several), else 0.0; the reading is parsing/options/choices.py's."""
    gold = (
        truth.answer if isinstance(truth.answer, str) else ", ".join(str(letter) for letter in _several(truth.answer))
    )
    right = _gold_letters(gold, truth.options)
    if not right.letters:
        return Verdict(0.0, None, f"the ground truth {gold[:80]!r} is not an option letter")
    given = option_letters(answer, truth.options)
    if not given.letters:
        return Verdict(0.0, None, given.reason)
    if given.letters != right.letters:
        return Verdict(0.0, given.letters, f"another option, read as {given.reason}")
    return Verdict(1.0, given.letters, given.reason)


_gold_letters = lru_cache(maxsize=4096)(option_letters)  # the 16 rollouts of a question share its truth


def _several(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
