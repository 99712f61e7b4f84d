r"""Whether two expressions are equal, found in microseconds from their values, without sympy, where that is safe.

    2\sqrt{2}        \sqrt{8}          equal
    (x+1)^2          x^2 + 2x + 1      equal
    \frac{1}{x+1}    \frac{x}{x+1}     different
    9^{9^{9^{9}}}    12                too large: nobody can evaluate it; it would cost a process its time limit
    0.3333           \frac{1}{3}       undecided: nearly equal, and rounding is math_verify's business
    2^10, 1/2x, xy, e, f(x), \log_2 8  undecided: their reading is open, or not in the grammar

Both are evaluated at the same points, rational numbers exactly. "Equal" asks for equal values at each, to the last
digits of a float where there are roots; "different" for values further apart than math_verify's rounding, by their own
size. At the last three some letters are negative, and values may be missing (``\\sqrt{x}``), but from both.
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
_FAR = 1e-4  # of the larger; where sums of floats are below 1, absolute
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
    a, left = _evaluated(gold)
    b, right = _evaluated(given)
    if a is None or b is None or left is None or right is None:
        return Compared.TOO_LARGE if b and right is None and left else Compared.UNDECIDED
    one_in_two_cases = a.letters != b.letters and _lower(a.letters) == _lower(b.letters)  # math_verify's business
    if a.open or b.open or one_in_two_cases or left[0] is None or right[0] is None:
        return Compared.UNDECIDED
    pairs = list(zip(left, right, strict=True))[: len(_POINTS) if a.letters or b.letters else 1]
    if any((x is None) != (y is None) for x, y in pairs):
        return Compared.UNDECIDED
    known = [(x, y) for x, y in pairs if x is not None and y is not None]
    least = 0.0 if a.product and b.product else 1.0  # a sum of floats may leave a small difference of large ones
    apart = max(_apart(x, y, least) for x, y in known)
    if apart > _FAR:
        return Compared.DIFFERENT
    exact = not (a.decimal or b.decimal) or all(x == y for x, y in known)
    return Compared.EQUAL if apart <= _NEAR and exact else Compared.UNDECIDED


def _lower(letters: frozenset[str]) -> set[str]:
    return {letter.lower() for letter in letters}


@lru_cache(maxsize=8192)
def _evaluated(text: str) -> tuple[Expression | None, list[Number | None] | None]:
    """An expression and its values at the points, None where it has none, or is too large."""
    try:
        expression = parse_expression(text)
        if expression.letters:
            return expression, [_value_or_none(expression.node, point) for point in _POINTS]
        return expression, [_value_or_none(expression.node, _POINTS[0])] * len(_POINTS)
    except Unreadable:
        return None, None
    except _TooLarge:
        return expression, None


def _value_or_none(node: Node, point: dict[str, Number]) -> Number | None:
    try:
        return _value(node, point)
    except (Unreadable, ArithmeticError, ValueError):
        return None


def _apart(left: Number, right: Number, least: float) -> float:
    """How far apart by the larger of the two; floats by ``least`` where that is more."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return float(abs(left - right) / max(abs(left), abs(right))) if left != right else 0.0
    x, y = (float(side) if -_MAX_FLOAT < side < _MAX_FLOAT else math.inf for side in (left, right))
    return abs(x - y) / (max(least, abs(x), abs(y)) or 1.0) if math.inf not in (x, y) else 1.0


def _point(numerator: int, denominator: int, negative: int = 0) -> dict[str, Number]:
    """A size between 0.5 and 2.5 for each letter; consecutive primes would make products coincide.

    The sign is minus where ``negative`` is a bit of the letter's number, so that any two near each other differ once.
    """
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZαβγδεθλμσφωρτ"
    point: dict[str, Number] = {"π": math.pi}
    for index, letter in enumerate(letters, 3):
        size = Fraction(1, 2) + Fraction(2 * (index * numerator % denominator), denominator)
        point[letter] = -size if (1 + index % 7) & negative else size
    return point


_POINTS = (_point(1237, 6007), _point(3301, 7919, 1), _point(2203, 6841, 2), _point(1811, 5261, 4))
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
    if kind == "opaque":
        raise Unreadable
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
    "absolute": abs,
    "factorial": _factorial,
    "binomial": _binomial,
}
