r"""Math answers: the same number or expression as the truth, by math_verify (first paper, A.3).

    truth "0.5"       \frac{1}{2}, 1/2, 0.50, 50\%     1.0
    truth "12"        12.0, 12 mg, x = 12, 24/2        1.0
    truth "12"        12 or 13, 12, 13, 13 = 12, < 12  0.0
    truth "10-20"     10 to 20 mm                      1.0, not 15, 20-30 or -10

math_forms.py says in which forms an answer may come; one in none of them earns 0, as what is passed over may deny it.
Numbers and parts are compared exactly, here; only expressions go to math_verify, in a process of its own. A missing
unit or percent sign is forgiven, another unit is not, and units are not converted.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import NamedTuple, cast

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.quantities import GREEK, Quantity, clean_math, parse_quantity
from infimed_plugins.records import Code, GroundTruth, Json, Verdict
from infimed_plugins.rewards.asking import Asking, Question
from infimed_plugins.rewards.math_forms import MAX_ITEMS, Claim, Item, Reader, Value
from infimed_plugins.rewards.math_pool import MATH, NOT_REACHED, RIGHT, WRONG, AskMath, Pair
from infimed_plugins.rewards.math_syntax import WORDS, NotRead, same

MAX_LENGTH = 512  # characters of an expression; longer ones are right only when they equal the truth
MAX_RAW_LENGTH = 4096  # before wrappers are taken away
BATCH_SECONDS = 60.0  # for one batch; answers not verified by then earn 0 and count as timed out
_NEAR = Fraction(1, 10**5)  # share of the larger; math_verify compares to 6 decimals, so values further apart differ

_WORD = re.compile(r"\\?[A-Za-z]+")
_FUNCTION = re.compile(rf"(?<![\\A-Za-z])({'|'.join(sorted(WORDS, key=len, reverse=True))})(?![A-Za-z])")
_LATEX = str.maketrans({**{mark: f"\\{name} " for mark, name in GREEK.items()}, "*": "\\cdot ", "∞": "\\infty "})
_tight = partial(re.compile(r"(?<![0-9.,]) | (?![0-9.,])").sub, "")  # without blanks that tell no two numbers apart


def math_equivalence(answer: str, truth: GroundTruth, ask: AskMath | None = None) -> Verdict:
    """Return 1.0 when the answer equals the truth, else 0.0. Raises MissingExtraError without math_verify.

    ``ask`` gives math_verify's verdicts where only that can tell; without it the process pool is asked.
    """
    try:
        gold = _text(truth.answer)
    except ValueError as problem:  # an integer of thousands of digits
        return Verdict(0.0, None, f"the ground truth cannot be read: {problem}", code=Code.BAD_TRUTH)
    verdict, pairs = _noted(answer, gold)
    return _judged(answer, gold, ask or MATH.verdict) if pairs else verdict


def pairs_to_verify(answer: str, truth: GroundTruth) -> Sequence[Pair]:
    """Return the pairs that only math_verify can tell apart, for a batch to ask for at once."""
    with contextlib.suppress(ValueError):
        return _noted(answer, _text(truth.answer))[1]
    return ()


class _Math(Asking):
    __call__, questions = staticmethod(math_equivalence), staticmethod(pairs_to_verify)

    def ask_all(self, questions: Iterable[Question]) -> Mapping[Question, str]:
        said = MATH.ask_all([(gold, given) for gold, given in questions], time.monotonic() + BATCH_SECONDS)
        return cast(dict[Question, str], said)


MATH_REWARD = _Math()


def _text(right: Json) -> str:
    return ", ".join(map(str, right)) if isinstance(right, list) else str(right)


@cached(8192)
def _noted(answer: str, gold: str) -> tuple[Verdict, list[Pair]]:
    """Return the pairs that math_verify must be asked of, and the verdict where there are none."""
    pairs: list[Pair] = []

    def note(gold: str, given: str) -> str:
        pairs.append((gold, given))
        return RIGHT  # so that the pairs behind it are found, too

    return _judged(answer, gold, note), pairs


def _judged(answer: str, gold: str, ask: AskMath) -> Verdict:
    gold = _clean_gold(gold)
    if not gold:
        return Verdict(0.0, None, "the ground truth is empty", code=Code.BAD_TRUTH)
    if len(answer) > MAX_RAW_LENGTH:
        return Verdict(0.0, None, f"longer than {MAX_RAW_LENGTH} characters", code=Code.TOO_LONG)
    given = clean_math(answer)
    if not given:
        return Verdict(0.0, None, "no math in the answer", code=Code.NO_ANSWER)
    number = _gold_number(gold)
    equal = _same_number(number, parse_quantity(given)) if number and given != gold else None
    if equal is not None:
        return Verdict(float(equal), given, "the same number" if equal else "another number")
    if _tight(given) == _tight(gold):
        return Verdict(1.0, given, "the same text")
    if max(len(gold), len(given)) > MAX_LENGTH:
        return Verdict(0.0, given, f"longer than {MAX_LENGTH} characters", code=Code.TOO_LONG)
    try:
        equal = _Comparison(ask).claims(gold, given)
    except NotRead as problem:
        return Verdict(0.0, given, problem.reason, code=problem.code)
    return Verdict(float(equal), given, "equivalent" if equal else "not equivalent")


_clean_gold = cached(4096)(clean_math)
_gold_number = cached(4096)(parse_quantity)


@cached(4096)
def _gold_claim(gold: str) -> tuple[Claim, Reader] | None:
    """Return the claim of a truth, and the reader of answers to it."""
    try:
        claim = Reader().claim(gold)
    except NotRead:
        return None
    words = frozenset(word if len(word) == 1 else word.lower() for word in _WORD.findall(gold))
    unit = max(value.unit for value in claim[0][0].values if value)
    return claim, Reader(words, unit, most=1 if len(claim[0]) == 1 else MAX_ITEMS)


class _Comparison(NamedTuple):
    """Compares the claims of a truth and an answer; asks math_verify about anything that is no plain number."""

    ask: AskMath

    def claims(self, gold: str, given: str) -> bool:
        """True if both claim the same. Raises NotRead. A truth in no known form (a matrix) takes only the same text."""
        read = _gold_claim(gold)
        if read is None:
            return _tight(gold).lower() == _tight(given).lower()
        (items, around), reader = read
        said, brackets = reader.claim(given)
        if len(items) > 1:
            return self._items(items, around, said, brackets)
        if len(said) > 1:
            raise NotRead("several values", Code.SEVERAL)
        return self._item(items[0], said[0])

    def _items(self, gold: tuple[Item, ...], around: str, given: tuple[Item, ...], brackets: str) -> bool:
        """Compare items in order within round and square brackets, or where names tell them apart; else as sets."""
        ordered = {around, brackets} - {"", "\\{\\}"}
        if ordered and around and brackets not in ("", around):
            return False
        names = {item.name for item in gold}
        named = len(names) == len(gold) and all(names)
        if ordered or (named and not given[0].name):
            return len(gold) == len(given) and all(map(self._item, gold, given))
        table = [[self._item(one, other, named) for other in given] for one in gold]
        return all(any(row) for row in (*table, *zip(*table, strict=True)))

    def _item(self, gold: Item, given: Item, named: bool = False) -> bool:
        """Compare an order by its signs and sides; of an equation every value, with ``named`` its name too."""
        if gold.signs != given.signs or (named and gold.name != given.name):
            return False
        if gold.signs:  # the name of what is ordered may be missing
            known = not gold.name or not given.name or gold.name == given.name
            return known and all(map(self._value, gold.values, given.values))
        if gold.relates or (given.relates and "=" in gold.text):
            return "=" in given.text and self._expression(gold.text, given.text)
        return all(self._value(gold.values[-1], value) for value in given.values)

    def _value(self, gold: Value | None, given: Value | None) -> bool:
        """Compare part by part, where a unit may be missing on one side; else as numbers or expressions."""
        if gold is None or given is None:
            return gold is given
        if gold.joint == given.joint != "" and len(gold.parts) == len(given.parts):
            pairs = zip(gold.parts, given.parts, strict=True)
            if all(a == b and (unit == other or not (unit and other)) for (a, unit), (b, other) in pairs):
                return True
        if not (gold.arithmetic and given.arithmetic):
            return False
        if gold.unit and given.unit and gold.unit != given.unit:
            return False
        equal = _same_number(gold.number, given.number)
        return self._expression(gold.text, given.text) if equal is None else equal

    def _expression(self, gold: str, given: str) -> bool:
        """Compare two expressions. Raises NotRead where a limit was hit."""
        equal = same(gold, given)
        if equal is not None:
            return equal
        said = self.ask(_latex(gold), _latex(given))
        if said not in (RIGHT, WRONG):
            raise NotRead(said, Code.UNSCORED if said == NOT_REACHED else Code.TIMED_OUT)
        return said == RIGHT


def _same_number(a: Quantity | None, b: Quantity | None) -> bool | None:
    """True if two plain numbers are equal; None when they are not both plain, or too near for an exact answer."""
    if a is None or b is None:
        return None
    if a.unit and b.unit and a.unit != b.unit:
        return False
    if a.percent != b.percent:
        percent, bare = (a, b) if a.percent else (b, a)
        # 50% is 0.5; it is 50 too where the sign was left out, or where both are whole, as math_verify has it
        forgiven = percent.value == bare.value and (a.percent or percent.value.denominator == 1)
        return not bare.unit and (percent.value / 100 == bare.value or forgiven)
    if a.value == b.value:
        return True
    near = abs(a.value - b.value) <= _NEAR * max(abs(a.value), abs(b.value))
    return None if near and not a.value.denominator == b.value.denominator == 1 else False


def _latex(text: str) -> str:
    """Return the spelling that math_verify reads."""
    return _FUNCTION.sub(r"\\\1", text.replace("**", "^").translate(_LATEX))
