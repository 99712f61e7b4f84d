r"""Arithmetic within bounds: rational numbers exactly, floats where there are roots, and points to try letters at.

A value is None where it cannot be had. What would take too long to find raises TooLarge: 9^{9^{9^{9}}}, 1000000!.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

MAX_BITS = 1 << 16  # of a number: about 20,000 digits
MAX_TERMS = 10_000  # of a sum or product
_MAX_FLOAT = 1e9  # sums of larger floats may lose what a comparison rests on

Number = Fraction | float
FUNCTIONS: dict[str, Callable[[Number], Number]] = {
    name: getattr(math, name.replace("arc", "a"))
    for name in "sin cos tan exp arcsin arccos arctan sinh cosh tanh".split()
} | {"ln": math.log}


class TooLarge(Exception):
    """A value of more than MAX_BITS bits, or so many terms."""


def apply(function: Callable[..., object], *values: Number | None) -> Number | None:
    """The function's value, None where one is missing or what it gives is no real number of a fair size."""
    if None in values:
        return None
    try:
        value = function(*values)
    except (ArithmeticError, ValueError):
        return None
    if isinstance(value, Fraction):
        if _bits(value) > MAX_BITS:
            raise TooLarge
        return value
    return value if isinstance(value, float) and abs(value) < _MAX_FLOAT else None


def power(base: Number, exponent: Number) -> Number:
    """A root or a power; complex where it is no real number."""
    if exponent == Fraction(1, 2):
        return root(base)
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        if abs(base) not in (0, 1) and (_bits(base) - 1) * abs(exponent) > MAX_BITS:
            raise TooLarge
        return Fraction(base**exponent.numerator)
    return float(base) ** float(exponent)


def root(value: Number) -> Number:
    """The square root, exactly where it is rational."""
    if isinstance(value, Fraction) and value >= 0:
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if above * above == value.numerator and below * below == value.denominator:
            return Fraction(above, below)
    return math.sqrt(value)


def factorial(value: Number) -> Fraction:
    """Of a whole number."""
    if value > MAX_BITS // 16:
        raise TooLarge
    return Fraction(math.factorial(_whole(value)))


def binomial(n: Number, k: Number) -> Fraction:
    """Of whole numbers."""
    above, below = _whole(n), _whole(k)
    if min(below, above - below) * above.bit_length() > 2 * MAX_BITS:
        raise TooLarge
    return Fraction(math.comb(above, below))


def apart(left: Number, right: Number, least: float) -> float:
    """How far apart by the larger of the two; floats by ``least`` where that is more."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return float(abs(left - right) / max(abs(left), abs(right))) if left != right else 0.0
    if max(abs(left), abs(right)) >= _MAX_FLOAT:
        return 1.0
    return abs(float(left) - float(right)) / (max(least, abs(left), abs(right)) or 1.0)


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _whole(value: Number) -> int:
    if not isinstance(value, Fraction) or value.denominator != 1 or value < 0:
        raise ValueError
    return value.numerator


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


POINTS = (_point(1237, 6007), _point(3301, 7919, 1), _point(2203, 6841, 2), _point(1811, 5261, 4))
