r"""Arithmetic within bounds: rational numbers exactly, floats where there are roots, and points to try letters at.

A value is None where it cannot be had. What would take too long to find raises TooLarge: 9^{9^{9^{9}}}, 1000000!.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from string import ascii_letters

MAX_TERMS = 4096  # of a sum, a product, a factorial
_MAX_BITS = 1 << 16  # of a number: about 20,000 digits
_MAX_FLOAT = 1e9  # sums of larger floats may lose what a comparison rests on

Number = Fraction | float
FUNCTIONS: dict[str, Callable[[Number], Number]] = {
    name: getattr(math, name.replace("arc", "a").replace("ln", "log"))
    for name in ("sin", "cos", "tan", "ln", "exp", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")
}


class TooLarge(Exception):
    """A value of more bits, or terms, than can be."""


def apply(function: Callable[..., object], *values: Number | None) -> Number | None:
    """The function's value, None where one is missing or what it gives is no real number of a fair size."""
    if None in values:
        return None
    try:
        value = function(*values)
    except (ArithmeticError, ValueError):
        return None
    if isinstance(value, Fraction):
        if _bits(value) > _MAX_BITS:
            raise TooLarge
        return value
    return value if isinstance(value, float) and abs(value) < _MAX_FLOAT else None


def power(base: Number, exponent: Number) -> object:
    """A root, exactly where it is rational, or a power; complex where it is no real number."""
    if isinstance(base, Fraction) and exponent == Fraction(1, 2) and base >= 0:
        exact = Fraction(math.isqrt(base.numerator), math.isqrt(base.denominator))
        return exact if exact * exact == base else math.sqrt(base)
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        if abs(base) not in (0, 1) and (_bits(base) - 1) * abs(exponent) > _MAX_BITS:
            raise TooLarge
        return base**exponent.numerator
    return float(base) ** float(exponent)


def counting(function: Callable[..., int], *numbers: Number) -> Fraction:
    """A factorial or a binomial, of whole numbers."""
    if max(numbers) > MAX_TERMS:
        raise TooLarge
    if not all(isinstance(number, Fraction) and number.denominator == 1 for number in numbers):
        raise ValueError
    return Fraction(function(*map(int, numbers)))


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def apart(left: Number, right: Number, least: float) -> float:
    """How far apart by the larger of the two; floats by ``least`` where that is more."""
    if left == right:
        return 0.0
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return float(abs(left - right) / max(abs(left), abs(right)))
    if not max(left, -left, right, -right) < _MAX_FLOAT:
        return 1.0
    return abs(float(left) - float(right)) / max(least, abs(float(left)), abs(float(right)))


def _point(step: int, negative: int) -> dict[str, Number]:
    """A size between 0.5 and 2.2 for each letter; minus where ``negative`` is a bit of the letter's number."""
    letters = ascii_letters + "αβγδεθλμσφωρτ"
    sizes = {letter: Fraction(3001 + index * step % 9973, 6007) for index, letter in enumerate(letters, 3)}
    minus = {letter for index, letter in enumerate(letters) if (1 + index % 7) & negative}
    return {"π": math.pi} | {letter: -size if letter in minus else size for letter, size in sizes.items()}


POINTS = (_point(1237, 0), _point(3301, 1), _point(2203, 2), _point(1811, 4))  # near letters differ in sign at one
