r"""Whether two expressions are equal, found in microseconds from their values, without sympy, where that is safe.

    2\sqrt{2}        \sqrt{8}          equal
    (x+1)^2          x^2 + 2x + 1      equal
    \frac{1}{x+1}    \frac{x}{x+1}     different
    9^{9^{9^{9}}}    12                too large: nobody can evaluate it; it would cost a process its time limit
    0.3333           \frac{1}{3}       undecided: nearly equal, and rounding is math_verify's business
    2^10, 1/2x, xy, e, f(x), \log_2 8  undecided: their reading is open, or not in the grammar

Both are evaluated at the same two points, rational numbers exactly. "Equal" asks for equal values at both points, to
the last digits of a float where there are roots; "different" for values further apart than math_verify's rounding.
What is undecided goes to math_verify.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from functools import lru_cache

from infimed_plugins.rewards.math_syntax import Expression, Node, Unreadable, parse_expression

MAX_BITS = 1 << 16  # of a number: about 20,000 digits
_FAR = 1e-4  # relative, absolute below 1; math_verify rounds to 6 decimals
_NEAR = 1e-12  # likewise
_MAX_FLOAT = 1e9  # sums of larger floats may lose what the comparison rests on

Number = Fraction | float


class Compared(Enum):
    """What is known about two expressions."""

    EQUAL = "equal"
    DIFFERENT = "different"
    TOO_LARGE = "too large"
    UNDECIDED = "undecided"


class _TooLarge(Exception):
    """A value of more than MAX_BITS bits."""


def compare(gold: str, given: str) -> Compared:
    """Compare two expressions as ``clean_math`` leaves them. TOO_LARGE is said of the second only."""
    b = _read(given)
    if b is None:
        return Compared.UNDECIDED
    try:
        at = [_value(b.node, point) for point in _POINTS]
    except _TooLarge:
        return Compared.TOO_LARGE if _read(gold) is not None and _fits(gold) else Compared.UNDECIDED
    except (Unreadable, ArithmeticError, ValueError):
        return Compared.UNDECIDED
    a = _read(gold)
    if a is None or a.open or b.open or a.letters != b.letters:
        return Compared.UNDECIDED
    try:
        pairs = list(zip((_value(a.node, point) for point in _POINTS), at, strict=True))
    except (_TooLarge, Unreadable, ArithmeticError, ValueError):
        return Compared.UNDECIDED
    if any(_apart(left, right) > _FAR for left, right in pairs):
        return Compared.DIFFERENT
    same = all(_apart(left, right) <= _NEAR for left, right in pairs)
    exact = not (a.decimal or b.decimal) or all(left == right for left, right in pairs)
    return Compared.EQUAL if same and exact else Compared.UNDECIDED


@lru_cache(maxsize=8192)
def _read(text: str) -> Expression | None:
    try:
        return parse_expression(text)
    except Unreadable:
        return None


def _fits(text: str) -> bool:
    expression = _read(text)
    assert expression is not None
    try:
        _value(expression.node, _POINTS[0])
    except _TooLarge:
        return False
    except (Unreadable, ArithmeticError, ValueError):
        pass
    return True


def _apart(left: Number, right: Number) -> float:
    return abs(float(left - right)) / max(1.0, abs(float(left)), abs(float(right)))


def _point(numerator: int, denominator: int) -> dict[str, Number]:
    """A value between 0.5 and 2.5 for each letter; consecutive primes would make products coincide."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZαβγδεθλμσφωρτ"
    step = {letter: (index * numerator) % denominator for index, letter in enumerate(letters, 3)}
    return {**{letter: Fraction(1, 2) + Fraction(2 * at, denominator) for letter, at in step.items()}, "π": math.pi}


_POINTS = (_point(1237, 6007), _point(3301, 7919))
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "ln": math.log,
    "exp": math.exp,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
}


def _value(node: Node, point: dict[str, Number]) -> Number:
    """Raises _TooLarge, Unreadable for what cannot be judged by floats, or what arithmetic raises."""
    kind, *parts = node
    if kind == "number":
        return Fraction(parts[0])
    if kind == "letter":
        if parts[0] not in point:
            raise Unreadable
        return point[parts[0]]
    if kind == "function":
        return _FUNCTIONS[parts[0]](float(_value(parts[1], point)))
    return _bounded(_EVALUATE[kind](*(_value(part, point) for part in parts)))


def _bounded(value: Number) -> Number:
    if isinstance(value, float):
        if not abs(value) < _MAX_FLOAT:
            raise Unreadable
    elif _bits(value) > MAX_BITS:
        raise _TooLarge
    return value


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        if abs(base) not in (0, 1) and (_bits(base) - 1) * abs(exponent) > MAX_BITS:
            raise _TooLarge
        return Fraction(base**exponent.numerator)
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent == Fraction(1, 2):
        return _root(base)
    value: float | complex = float(base) ** float(exponent)
    if isinstance(value, complex):
        raise Unreadable
    return value


def _root(value: Number) -> Number:
    if isinstance(value, Fraction) and value >= 0:
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if above * above == value.numerator and below * below == value.denominator:
            return Fraction(above, below)
    return math.sqrt(value)


def _factorial(value: Number) -> Fraction:
    number = _whole(value)
    if number > MAX_BITS // 16:
        raise _TooLarge
    return Fraction(math.factorial(number))


def _binomial(n: Number, k: Number) -> Fraction:
    above, below = _whole(n), _whole(k)
    if min(below, above - below) * above.bit_length() > 2 * MAX_BITS:
        raise _TooLarge
    return Fraction(math.comb(above, below))


def _whole(value: Number) -> int:
    if not isinstance(value, Fraction) or value.denominator != 1 or value < 0:
        raise Unreadable
    return value.numerator


_EVALUATE: dict[str, Callable[..., Number]] = {
    "sum": lambda a, b: a + b,
    "negative": lambda a: -a,
    "product": lambda a, b: a * b,
    "quotient": lambda a, b: a / b,
    "power": _power,
    "root": _root,
    "factorial": _factorial,
    "binomial": _binomial,
}
