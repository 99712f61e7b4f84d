r"""Math answers: the same number or expression as the truth, by math_verify (first paper, A.3).

    truth "0.5"       \frac{1}{2}, 1/2, 0.50, 50\%     1.0
    truth "12"        12.0, 12 mg, x = 12, 24/2        1.0
    truth "12"        12 or 13, 12, 13, 13 = 12, < 12  0.0

Numbers are compared exactly, here; only what is not a plain number goes to math_verify, in a process of its own.
Where math_verify would pay an answer that states more than one value (``12 \mid 13`` is 13 to it, ``13 = 12`` is 12),
this reward does not: it gives 0 to any answer with a relation, list or word that the truth does not have. A
missing unit or percent sign is forgiven, another unit is not, and units are not converted.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from infimed_plugins.parsing.latex import balanced
from infimed_plugins.parsing.quantities import Quantity, clean_math, is_unit, parse_quantity, trailing_words
from infimed_plugins.records import GroundTruth, Verdict
from infimed_plugins.rewards.math_pool import MATH
from infimed_plugins.rewards.math_process import RIGHT, WRONG
from infimed_plugins.rewards.math_values import Compared, compare

MAX_LENGTH = 512  # characters of an expression; longer ones are right only when they equal the truth
MAX_RAW_LENGTH = 4096  # before wrappers are taken away
MAX_NESTING = 20
_NEAR = Fraction(1, 10**5)  # math_verify compares floats to 6 decimals; what is further apart cannot be equal

_COMMAND = re.compile(r"\\([A-Za-z]+)")
_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{2,}")
_COMMAND_NAMES = (
    "frac dfrac tfrac cfrac sqrt cdot times div left right pi alpha beta gamma delta theta lambda mu sigma phi omega "
    "epsilon rho tau sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp lg max min gcd lcm binom "
    "dbinom tbinom infty circ degree sum prod int lim pm mp"
)
_COMMANDS = frozenset(_COMMAND_NAMES.split())
_WORD_NAMES = "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp sqrt pi frac max min dx dy dt"
_WORDS = frozenset(_WORD_NAMES.split())
_LIST_WORDS = frozenset(["and", "or"])
_SIDE_BY_SIDE = re.compile(r"[0-9}]\s+[0-9]|[0-9]\s*\(\s*[-+]?[0-9.]+\s*\)|\)\s*[0-9]|\.\.")
_INDEXED_NUMBER = re.compile(r"[0-9}]\s*_")
_INDEX = re.compile(r"_(?:\{\w{1,20}\}|\w)")
_FOREIGN = frozenset("<>~;|&?:#@")
_ORDER = frozenset("<>")
_GREEK = frozenset("π∞°√αβγδεθλμσφω")
_INDEX_OR_ARGUMENT = re.compile(r"_\{?\w{1,20}\}?|\([^()]{0,40}\)")
_REASONS = {RIGHT: "equivalent", WRONG: "not equivalent"}
_LISTED = re.compile(r",|;|(?<![a-z])(?:and|or)(?![a-z])|\\pm|±|\\\{")


def math_equivalence(answer: str, truth: GroundTruth) -> Verdict:
    """1.0 when the answer equals the truth, else 0.0. Raises MissingExtraError without math_verify."""
    gold = _clean_gold(_text(truth.answer))
    if not gold:
        return Verdict(0.0, None, "the ground truth is empty")
    if len(answer) > MAX_RAW_LENGTH:
        return Verdict(0.0, None, f"longer than {MAX_RAW_LENGTH} characters")
    given = clean_math(answer)
    if not given:
        return Verdict(0.0, None, "no math in the answer")
    if given == gold:
        return Verdict(1.0, given, "the same text")
    same = _compare_numbers(gold, given)
    if same is not None:
        return Verdict(float(same), given, "the same number" if same else "another number")
    unfit = _unfit(gold, given)
    if unfit:
        return Verdict(0.0, given, unfit)
    return _through_equations(gold, given)


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return str(value)


_clean_gold = lru_cache(maxsize=4096)(clean_math)


@lru_cache(maxsize=4096)
def _gold_number(gold: str) -> tuple[Quantity | None, str]:
    """The truth as a number, and what it counts."""
    unit = trailing_words(gold)
    return parse_quantity(gold, unit), unit


def _compare_numbers(gold: str, given: str) -> bool | None:
    """Whether two plain numbers are equal; None when they are not both plain, or too near for an exact answer."""
    a, unit = _gold_number(gold)
    b = parse_quantity(given, unit) if a else None
    if a is None or b is None:
        return None
    if a.unit and b.unit and a.unit != b.unit:
        return False
    if a.percent != b.percent:
        return _same_but_percent(a, b)
    if a.value == b.value:
        return True
    return None if abs(a.value - b.value) <= _NEAR * max(Fraction(1), abs(a.value)) else False


def _same_but_percent(a: Quantity, b: Quantity) -> bool:
    """50% is 0.5; it is 50 too where the sign was left out, or where both are whole, as math_verify has it."""
    percent, bare = (a, b) if a.percent else (b, a)
    whole = percent.value.denominator == 1
    return percent.value / 100 == bare.value or (percent.value == bare.value and (a.percent or whole))


def _unfit(gold: str, given: str) -> str:
    """Why an answer is not worth asking math_verify about, or ""."""
    if max(len(gold), len(given)) > MAX_LENGTH:
        return f"longer than {MAX_LENGTH} characters"
    if max(given.count("{"), given.count("(")) > MAX_NESTING:
        return "too many brackets"
    if not balanced(given):
        return "braces that do not pair"
    commands = set(_COMMAND.findall(given)) - _COMMANDS - set(_COMMAND.findall(gold))
    if commands:
        return f"not one value: \\{min(commands)}"
    words = _words(given) - _words(gold)
    if words & _LIST_WORDS and not _LISTED.search(gold):
        return "several values"
    if "=" not in given and words - _WORDS - _LIST_WORDS:
        return f"not one value: {min(words - _WORDS - _LIST_WORDS)}"
    foreign = {mark for mark in given if mark in _FOREIGN or not (mark.isascii() or mark in _GREEK)}
    if foreign & _ORDER and _ORDER & set(gold):
        foreign -= _ORDER
    if foreign - set(gold) or ("\\\\" in given and "\\\\" not in gold):
        return "not one value"
    return "several numbers side by side" if _side_by_side(given) and not _side_by_side(gold) else ""


def _side_by_side(text: str) -> bool:
    """``12 13``, ``12(13)``, ``12_{13}``, ``12..13``: math_verify adds them up or takes one."""
    return bool(_INDEXED_NUMBER.search(text) or _SIDE_BY_SIDE.search(_INDEX.sub("", text)))


def _through_equations(gold: str, given: str) -> Verdict:
    """``x = 12`` and ``24/2 = 12`` state 12; ``13 = 12`` states nothing. Every side that is a value must be right."""
    if "=" not in given or "=" in gold:
        return _verified(gold, given)
    sides = [side.strip() for side in given.split("=")]
    if "," in given or not sides[-1]:
        return _verified(gold, given)
    values = [side for side in sides[:-1] if not _is_name(side)] + sides[-1:]
    if any(not side or _unfit(gold, side) for side in values):
        return Verdict(0.0, given, "not one value")
    for side in values:
        same = _compare_numbers(gold, side)
        verdict = _verified(gold, side) if same is None else Verdict(float(same), given, "an equation")
        if verdict.value == 0.0:
            return Verdict(0.0, given, verdict.reason)
    return Verdict(1.0, given, "an equation")


def _is_name(side: str) -> bool:
    """``x``, ``x_1``, ``f(2)``, ``Area``: letters, and digits only as an index or argument."""
    bare = _INDEX_OR_ARGUMENT.sub("", side)
    return any(mark.isalpha() for mark in bare) and not any(mark.isdigit() for mark in bare)


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text) if not is_unit(word)}


def _verified(gold: str, given: str) -> Verdict:
    found = compare(gold, given)
    if found is Compared.TOO_LARGE:
        return Verdict(0.0, given, "out of range: too large to evaluate")
    if found is not Compared.UNDECIDED:
        return Verdict(float(found is Compared.EQUAL), given, _REASONS[RIGHT if found is Compared.EQUAL else WRONG])
    said = MATH.verdict(gold, given)
    return Verdict(float(said == RIGHT), given, _REASONS.get(said, said))
