r"""Math answers: the same number or expression as the truth, by math_verify (first paper, A.3).

    truth "0.5"       \frac{1}{2}, 1/2, 0.50, 50\%     1.0
    truth "12"        12.0, 12 mg, x = 12, 24/2        1.0
    truth "12"        12 or 13, 12, 13, 13 = 12, < 12  0.0
    truth "10-20"     10 to 20 mm                      1.0, not 15, 20-30 or -10

math_forms.py says in which forms an answer may come; one in none of them earns 0, as what is passed over may deny it.
Numbers and parts are compared exactly, here; only expressions go to math_verify, in a process of its own. A missing
unit or percent sign is forgiven, another unit is not, and units are not converted. Of a truth that has none of the
forms (a matrix), the answer may hold only what the truth does.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from infimed_plugins.parsing.latex import balanced
from infimed_plugins.parsing.quantities import GREEK, Quantity, clean_math, parse_quantity
from infimed_plugins.records import Code, GroundTruth, Verdict
from infimed_plugins.rewards.math_forms import MAX_ITEMS, Claim, Item, NotRead, Reader, Value
from infimed_plugins.rewards.math_pool import MATH
from infimed_plugins.rewards.math_process import RIGHT, WRONG
from infimed_plugins.rewards.math_syntax import WORDS
from infimed_plugins.rewards.math_values import Compared, compare

MAX_LENGTH = 512  # characters of an expression; longer ones are right only when they equal the truth
MAX_RAW_LENGTH = 4096  # before wrappers are taken away
_NEAR = Fraction(1, 10**5)  # of the larger; math_verify compares to 6 decimals, and what is further apart is not equal

_WORD = re.compile(r"\\?[A-Za-z]+")
_MARK = re.compile(r"[^\sA-Za-z0-9.]")
_FUNCTION = re.compile(rf"(?<![\\A-Za-z])({'|'.join(sorted(WORDS, key=len, reverse=True))})(?![A-Za-z])")
_LATEX = str.maketrans({**{mark: f"\\{name} " for mark, name in GREEK.items()}, "*": "\\cdot ", "∞": "\\infty "})
_ARITHMETIC = re.compile(r"[0-9+*/^]")
_LOOSE_SPACE = re.compile(r"(?<![0-9.,]) | (?![0-9.,])")
_EQUAL, _UNEQUAL = Verdict(1.0, None, "equivalent"), Verdict(0.0, None, "not equivalent")


def math_equivalence(answer: str, truth: GroundTruth) -> Verdict:
    """1.0 when the answer equals the truth, else 0.0. Raises MissingExtraError without math_verify."""
    gold = _clean_gold(_text(truth.answer))
    if not gold:
        return Verdict(0.0, None, "the ground truth is empty", code=Code.BAD_TRUTH)
    if len(answer) > MAX_RAW_LENGTH:
        return Verdict(0.0, None, f"longer than {MAX_RAW_LENGTH} characters", code=Code.TOO_LONG)
    given = clean_math(answer)
    if not given:
        return Verdict(0.0, None, "no math in the answer", code=Code.NO_ANSWER)
    if given == gold:
        return Verdict(1.0, given, "the same text")
    number = _gold_number(gold)
    same = _compare_numbers(number, parse_quantity(given)) if number else None
    if same is not None:
        return Verdict(float(same), given, "the same number" if same else "another number")
    if given.replace(" ", "") == gold.replace(" ", "") and _tight(given) == _tight(gold):
        return Verdict(1.0, given, "the same text")
    if max(len(gold), len(given)) > MAX_LENGTH:
        return Verdict(0.0, given, f"longer than {MAX_LENGTH} characters", code=Code.TOO_LONG)
    try:
        verdict = _judge(gold, given)
    except NotRead as problem:
        verdict = Verdict(0.0, None, problem.reason, code=problem.code)
    return Verdict(verdict.value, given, verdict.reason, code=verdict.code)


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    try:
        return str(value)
    except ValueError:  # an int of thousands of digits
        return ""


def _tight(text: str) -> str:
    """Without the blanks that tell no two numbers apart."""
    return _LOOSE_SPACE.sub("", text)


_clean_gold = lru_cache(maxsize=4096)(clean_math)
_gold_number = lru_cache(maxsize=4096)(parse_quantity)


@lru_cache(maxsize=4096)
def _gold_claim(gold: str) -> tuple[Claim | None, Reader]:
    """What the truth claims, and how answers to it are read."""
    try:
        claim = Reader(gold=True).claim(gold)
    except NotRead:
        return None, Reader()
    words, unit = frozenset(_WORD.findall(gold)), claim.items[0].unit
    products = 3 if _ARITHMETIC.search(gold) else 1  # the letters of 2ab, not of CT
    letters = frozenset("".join(word for word in words if len(word) <= products))
    words = frozenset(word.lower() for word in words)
    return claim, Reader(most=1 if len(claim.items) == 1 else MAX_ITEMS, unit=unit, words=words, letters=letters)


def _judge(gold: str, given: str) -> Verdict:
    """Raises NotRead."""
    claim, reader = _gold_claim(gold)
    if claim is None:
        return _in_its_marks(gold, given)
    said = reader.claim(given)
    if len(said.items) > 1 and len(claim.items) == 1:
        raise NotRead("several values", Code.SEVERAL)
    if len(said.items) == len(claim.items) == 1:
        return _same_item(claim.items[0], said.items[0])
    return _same_items(claim, said)


def _same_items(gold: Claim, given: Claim) -> Verdict:
    """In order within round and square brackets, or where names tell the items apart; else as sets."""
    if (gold.brackets + given.brackets).strip("\\{}") and gold.brackets and given.brackets not in ("", gold.brackets):
        return Verdict(0.0, None, "other brackets")
    names = [item.name for item in gold.items]
    tell = len(set(names)) == len(names) and all(names)
    if gold.brackets[:1] in ("(", "[") or given.brackets[:1] in ("(", "[") or (tell and not given.items[0].name):
        if len(gold.items) != len(given.items):
            return _UNEQUAL
        verdicts = [_same_item(one, other) for one, other in zip(gold.items, given.items, strict=True)]
        return min(verdicts, key=_worth)
    table = [[_same_item(one, other, tell) for other in given.items] for one in gold.items]
    rows: list[Verdict] = [max(row, key=_worth) for row in (*table, *zip(*table, strict=True))]
    return min(rows, key=_worth)


def _worth(verdict: Verdict) -> float:
    return verdict.value


def _same_item(gold: Item, given: Item, named: bool = False) -> Verdict:
    """An order by its signs and sides; of an equation every value, with ``named`` its name too."""
    if gold.signs != given.signs or (named and gold.name != given.name):
        return Verdict(0.0, None, "another form")
    if gold.signs:
        return _same_sides(gold, given)
    if gold.equation and given.equation and not (gold.name and given.name):
        return _verified(gold.equation, given.equation)
    if not gold.name and gold.equation:
        return _UNEQUAL
    for value in given.values[:-1]:
        verdict = _same_value(gold.values[-1], value)
        if not verdict.value:
            return verdict
    return _same_value(gold.values[-1], given.values[-1])


def _same_sides(gold: Item, given: Item) -> Verdict:
    for one, other in zip(gold.sides, given.sides, strict=True):
        if isinstance(one, Value) and isinstance(other, Value):
            verdict = _same_value(one, other)
            if not verdict.value:
                return verdict
        elif isinstance(one, Value) or isinstance(other, Value) or (one and other and one != other):
            return Verdict(0.0, None, "another order")
    return _EQUAL


def _same_value(gold: Value, given: Value) -> Verdict:
    if gold.parts or given.parts:
        if gold.joint == given.joint and _same_parts(gold, given):
            return _EQUAL
        if (gold.parts and not gold.arithmetic) or (given.parts and not given.arithmetic):
            return _UNEQUAL
    if gold.unit and given.unit and gold.unit != given.unit:
        return Verdict(0.0, None, "another unit")
    same = _compare_numbers(gold.number, given.number)
    if same is None:
        return _verified(gold.text, given.text)
    return _EQUAL if same else _UNEQUAL


def _same_parts(gold: Value, given: Value) -> bool:
    """Part by part; a unit may be missing on one side."""
    if len(gold.parts) != len(given.parts):
        return False
    pairs = zip(gold.parts, given.parts, strict=True)
    return all(a == b and (unit == other or not (unit and other)) for (a, unit), (b, other) in pairs)


def _compare_numbers(a: Quantity | None, b: Quantity | None) -> bool | None:
    """Whether two plain numbers are equal; None when they are not both plain, or too near for an exact answer."""
    if a is None or b is None:
        return None
    if a.unit and b.unit and a.unit != b.unit:
        return False
    if a.percent != b.percent:
        return not (a.unit or b.unit) and _same_but_percent(a, b)
    if a.value == b.value:
        return True
    if a.value.denominator == b.value.denominator == 1:
        return False
    return None if abs(a.value - b.value) <= _NEAR * max(abs(a.value), abs(b.value)) else False


def _same_but_percent(a: Quantity, b: Quantity) -> bool:
    """50% is 0.5; it is 50 too where the sign was left out, or where both are whole, as math_verify has it."""
    percent, bare = (a, b) if a.percent else (b, a)
    whole = percent.value.denominator == 1
    return percent.value / 100 == bare.value or (percent.value == bare.value and (a.percent or whole))


def _in_its_marks(gold: str, given: str) -> Verdict:
    """Of a truth in no known form: math_verify's word on its own marks; of plain words, the same ones."""
    if _tight(gold).lower() == _tight(given).lower():
        return _EQUAL
    words = [sorted(word.lower() for word in _WORD.findall(text)) for text in (gold, given)]
    if not set(words[1]) <= set(words[0]) or not set(_MARK.findall(given)) <= set(_MARK.findall(gold)):
        raise NotRead("not one value")
    if any(len(word) > 1 and word[0] != "\\" for word in words[0]):
        plain = not re.search(r"[^A-Za-z\s]", gold)
        return _EQUAL if plain and words[0] == words[1] else _UNEQUAL
    if not balanced(given):
        raise NotRead("braces that do not pair")
    return _verified(gold, given)


def _verified(gold: str, given: str) -> Verdict:
    found = compare(gold, given)
    if found is Compared.TOO_LARGE:
        return Verdict(0.0, None, "out of range: too large to evaluate", code=Code.TIMED_OUT)
    if found is not Compared.UNDECIDED:
        return _EQUAL if found is Compared.EQUAL else _UNEQUAL
    said = MATH.verdict(_latex(gold), _latex(given))
    if said in (RIGHT, WRONG):
        return _EQUAL if said == RIGHT else _UNEQUAL
    return Verdict(0.0, None, said, code=Code.TIMED_OUT)


def _latex(text: str) -> str:
    """The spelling that math_verify reads."""
    return _FUNCTION.sub(r"\\\1", text.replace("**", "^").replace("°", "^\\circ ").translate(_LATEX))
