"""Multiple choice: 1 when the answer states the truth's option and no other (first paper, 3.2.2).

truth "B"     B, (B), B. Pneumonia, The answer is B      1.0
truth "B"     A or B, Not B, B is seen, B and C          0.0
truth "AC"    A, C                                       1.0

An option with the same text as the right one is as right. The reader is parsing/options.py, which in its strict
setting reads whole forms only.
"""

from __future__ import annotations

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.options import Reading, read_option
from infimed_plugins.parsing.twins import read_choice, same_options
from infimed_plugins.records import Code, GroundTruth, Verdict


def multiple_choice(answer: str, truth: GroundTruth) -> Verdict:
    """1.0 for the right letter (or all of several), else 0.0."""
    gold = truth.answer if isinstance(truth.answer, str) else ", ".join(map(str, _several(truth.answer)))
    options = tuple(truth.options or ())
    right = _gold(gold, options).letters
    if not right:
        return Verdict(0.0, None, f"the ground truth {gold[:80]!r} is not an option letter", code=Code.BAD_TRUTH)
    given = read_choice(answer, options, strict=True, several=len(right) > 1)
    if not given.letters:
        return Verdict(0.0, None, "no whole form of an answer", code=given.code)
    same = same_options(given.letters, right, options)
    reason = f"{'the' if same else 'another'} option, read as {', '.join(given.trace)}"
    return Verdict(float(same), given.letters, reason, trace=given.trace)


@cached(4096)  # the 16 rollouts of a question share its truth
def _gold(gold: str, options: tuple[str, ...]) -> Reading:
    return read_option(gold, options, strict=True, several=True)


def _several(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
