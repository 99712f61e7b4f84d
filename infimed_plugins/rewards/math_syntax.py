r"""A small grammar for the mathematics that answers are made of, which is evaluated as it is read.

    2\sqrt{2}        \sqrt{8}          the same: their values are, at every point, to the last digits of a float
    \frac{1}{x+1}    \frac{x}{x+1}     not the same: further apart than math_verify's rounding, by their own size
    9^{9^{9^{9}}}    12                out of range: nobody can evaluate it; it would cost a process its time limit
    0.3333           \frac{1}{3}       undecided, as what is nearly equal is; math_verify is asked
    2^10, 1/2x, xy, e, f(x), \log_2 8  undecided: their reading is open, or they have no value here

It reads LaTeX and plain notation where both, and math_verify, agree on the meaning; anything else is not read.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property, partial
from string import ascii_letters

from infimed_plugins.bounded_cache import cached
from infimed_plugins.records import Code

Number = Fraction | float
FUNCTIONS: dict[str, Callable[[Number], Number]] = {
    name: getattr(math, name.replace("arc", "a").replace("ln", "log"))
    for name in ("sin", "cos", "tan", "ln", "exp", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")
}
WORDS = {*FUNCTIONS, "cot", "sec", "csc", "log", "lg", "max", "min", "gcd", "lcm"}  # with a backslash or without

_MAX_DEPTH, _MAX_TOKENS = 40, 120  # most in an expression
_MAX_TERMS = 4096  # most in a sum, a product, a factorial
_MAX_BITS = 1 << 16  # most in a number: about 20,000 digits
_MAX_FLOAT = 1e9  # sums of larger floats may lose what a comparison rests on
_FAR, _NEAR = 1e-4, 1e-12  # relative, absolute below 1; math_verify rounds to 6 decimals
_NUMBER = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_TOKEN = re.compile(rf"\s*(\\[A-Za-z]+|{_NUMBER}|[A-Za-z]+|\*\*|[α-ωΔΘΣΦΩ∞(){{}}\[\]|,=+*/^_!-])")
_BRACKETED_NUMBER = re.compile(r"\(-?[0-9.,]+\)(?!\^|!|\*\*)")
_CONSTANTS = frozenset("eEiIjJdOSNQC∞π")  # letters that sympy or LaTeX readers may take for a constant


class NotRead(Exception):
    """Raised for a text that has none of the forms, is not in the grammar, or cannot be judged."""

    def __init__(self, reason: str = "not one value", code: Code = Code.UNREADABLE) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class TooLarge(Exception):
    """Raised for a value of more bits or terms than allowed."""


def same(gold: str, given: str) -> bool | None:
    """True if two expressions, as ``clean_math`` leaves them, are equal; None where that is undecided.

    Raises NotRead where only the second is out of range.
    """
    try:
        a, b = parse_expression(gold), parse_expression(given)
    except NotRead:
        return None
    if b.too_large and not a.too_large:
        raise NotRead("out of range: too large to evaluate", Code.TIMED_OUT)
    points = len(_POINTS) if a.letters or b.letters else 1
    pairs = [(x, y) for x, y in zip(a.values[:points], b.values, strict=False) if x is not None or y is not None]
    if a.value is None or any(x is None or y is None for x, y in pairs):
        return None
    least = 0.0 if a.is_product and b.is_product else 1.0  # a sum of floats may leave a small difference
    distance = max(_apart(x, y, least) for x, y in pairs if x is not None and y is not None)
    if a.open or b.open:
        return False if distance > _FAR and bool(a.letters) != bool(b.letters) else None
    return False if distance > _FAR else True if distance <= _NEAR else None


def _apart(left: Number, right: Number, least: float) -> float:
    """Return the distance of two numbers, relative to the larger; floats to ``least`` where that is more."""
    if left == right:
        return 0.0
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return float(abs(left - right) / max(abs(left), abs(right)))
    if not max(left, -left, right, -right) < _MAX_FLOAT:
        return 1.0
    return abs(float(left) - float(right)) / max(least, abs(float(left)), abs(float(right)))


@cached(8192, each=4000)
def parse_expression(text: str) -> Expression:
    """Read one expression, the whole of it, as ``clean_math`` leaves it. Raises NotRead."""
    written = _TOKEN.findall(text)
    if len(written) > _MAX_TOKENS or "".join(written) != "".join(text.split()):
        raise NotRead
    tokens = ["\\" + token if token in WORDS else token for token in written]
    words = frozenset(token for token in tokens if token[0].isalpha() and len(token) > 1)
    return Expression([one for token in tokens for one in (token if token in words else [token])], words)


def _point(step: int, negative: int) -> dict[str, Number]:
    """Return a size between 0.5 and 2.2 for each letter; minus where ``negative`` is a bit of the letter's number."""
    letters = [letter for letter in ascii_letters + "αβγδεθλμσφωρτ" if letter not in _CONSTANTS]
    sizes = {letter: Fraction(3001 + index * step % 9973, 6007) for index, letter in enumerate(letters, 3)}
    minus = {letter for index, letter in enumerate(letters) if (1 + index % 7) & negative}
    return {"π": math.pi} | {letter: -size if letter in minus else size for letter, size in sizes.items()}


_POINTS = (_point(1237, 0), _point(3301, 1), _point(2203, 2), _point(1811, 4))  # near letters differ in sign at one


class Expression:
    """Reads tokens at a point, from the loosest to the closest: sum, product, factor, base. Raises NotRead."""

    def __init__(self, tokens: list[str], words: frozenset[str], point: dict[str, Number] = _POINTS[0]) -> None:
        self._written, self._tokens, self.words, self._point = tokens, [*tokens], words, point
        self._position = self._depth = 0
        self.letters: set[str] = set()
        self.too_large = False
        self.open = bool(words)  # letters without a blank between them; or more than one reading is possible
        self.is_product = True  # neither a sum nor a function: no small difference of large numbers
        self.value = self._sum()
        if self._next():
            raise NotRead

    @cached_property
    def values(self) -> list[Number | None]:
        """Its values at the points; without letters they are all one."""
        if not self.letters:
            return [self.value] * len(_POINTS)
        return [self.value, *(Expression(self._written, self.words, point).value for point in _POINTS[1:])]

    def _next(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _accept(self, *wanted: str) -> str:
        token = self._next()
        self._position += token in wanted
        return token if token in wanted else ""

    def _take(self, *wanted: str) -> str:
        if token := self._accept(*wanted):
            return token
        raise NotRead

    def _apply(self, function: Callable[..., object], *values: Number | None) -> Number | None:
        """Return the function's value, None if one is missing or it is no real number of a fair size."""
        if None in values:
            return None
        try:
            value = function(*values)
        except TooLarge:
            self.too_large = True
            return None
        except (ArithmeticError, ValueError):
            return None
        if isinstance(value, Fraction):
            self.too_large |= _bits(value) > _MAX_BITS
            return None if _bits(value) > _MAX_BITS else value
        return value if isinstance(value, float) and abs(value) < _MAX_FLOAT else None

    def _sum(self) -> Number | None:
        sign = self._accept("+", "-")
        value = self._product()
        if sign == "-":
            value = self._apply(operator.neg, value)
        while sign := self._accept("+", "-"):
            self.is_product = False
            value = self._apply(operator.add if sign == "+" else operator.sub, value, self._product())
        return value

    def _product(self) -> Number | None:
        r"""Read a product; ``1/2x`` and ``\sin(x)y`` are open: where quotient or argument ends is a matter of taste."""
        value, kind = self._factor()
        divided = False
        while True:
            sign, token, before, start = self._accept("*", "/"), self._next(), kind, self._position
            if not sign and not (token and (token[0].isalnum() or token[0] in "({\\")):
                return value
            right, kind = self._factor()
            if sign:
                divided = sign == "/"
            elif token[0].isdigit() or (before == "number" and _BRACKETED_NUMBER.match("".join(self._tokens[start:]))):
                raise NotRead("several numbers side by side", Code.SEVERAL)
            else:
                taste = (before, token) in (("number", "\\frac"), ("letter", "("))
                self.open |= divided or taste or "function" in (before, kind)
            value = self._apply(operator.truediv if sign == "/" else operator.mul, value, right)

    def _factor(self) -> tuple[Number | None, str]:
        """Return a base with its factorial or exponent, and its kind."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotRead
        value, kind = self._base()
        self._depth -= 1
        while self._accept("!"):
            value, kind = self._apply(partial(_counting, math.factorial), value), "factorial"
        if sign := self._accept("^", "**"):
            self.open |= kind == "function"
            value, kind = self._apply(_power, value, self._exponent(sign)), "power"
        return value, kind

    def _exponent(self, sign: str) -> Number | None:
        """Read a group or a mark: ``2^10`` is 2^{10} to some readers only; where ``2^-x``, ``9^9^9`` end is open."""
        negative, start = self._accept("-"), self._next()
        value, kind = self._factor()
        one_mark = kind in ("letter", "group") or (kind == "number" and len(start) == 1)
        self.open |= bool(negative) or (sign == "^" and not one_mark)
        return self._apply(operator.neg, value) if negative else value

    def _base(self) -> tuple[Number | None, str]:
        token = self._take(self._next())
        if token[0].isdigit() or token[0] == ".":
            return Fraction(token.removesuffix(".").replace(",", "")), "number"
        if token in ("(", "{", "|"):
            value = self._until({"(": ")", "{": "}"}.get(token, token))
            return self._apply(abs, value) if token == "|" else value, "group"
        if token.isalpha() or token == "∞":
            self.letters |= {token} - _CONSTANTS
            if self._accept("_"):
                self._argument()
                return None, "letter"
            return self._point.get(token), "letter"
        value = self._command(token)
        return value, "fraction" if token == "\\frac" else "function" if token[1:] in WORDS else "group"

    def _command(self, token: str) -> Number | None:
        if token in ("\\frac", "\\binom"):
            function = operator.truediv if token == "\\frac" else partial(_counting, math.comb)
            return self._apply(function, self._argument(), self._argument())
        if token == "\\sqrt":
            degree = self._until("]") if self._accept("[") else Fraction(2)
            return self._apply(lambda value, n: _power(value, 1 / n), self._argument(), degree)
        self.is_product = False
        if token[1:] in FUNCTIONS and self._next() in ("(", "{"):
            return self._apply(FUNCTIONS[token[1:]], self._base()[0])
        if token[1:] in WORDS:  # only math_verify evaluates ``\sin^2 x``, ``\log_2 8``, ``\max(1, 2)``
            while self._accept("_", "^"):
                self._argument()
            if self._accept("("):
                self._sum()
                while self._take(",", ")") == ",":
                    self._sum()
            else:
                self._factor()
        elif token in ("\\sum", "\\prod"):  # _{k=1}^{n} k; many terms take math_verify about the time it has
            self._take("_")
            self._take("{")
            self._until("=")
            self._until("}")
            self._take("^")
            self._apply(partial(_counting, int), self._argument())
            self._product()
        else:
            raise NotRead
        return None

    def _argument(self) -> Number | None:
        r"""Return a group in braces, or one mark: ``\frac12`` is one half."""
        token = self._next()
        if token.isdigit() and len(token) > 1:
            self._tokens[self._position] = token[1:]
            return Fraction(token[0])
        return self._base()[0]

    def _until(self, end: str) -> Number | None:
        value = self._sum()
        self._take(end)
        return value


def _power(base: Number, exponent: Number) -> object:
    """Return the power, exactly if both are rational and the exponent whole; complex if it is no real number."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        if abs(base) not in (0, 1) and (_bits(base) - 1) * abs(exponent) > _MAX_BITS:
            raise TooLarge
        return base**exponent.numerator
    return float(base) ** float(exponent)


def _counting(function: Callable[..., int], *numbers: Number) -> Fraction:
    """Return a factorial or a binomial, of whole numbers."""
    if max(numbers) > _MAX_TERMS:
        raise TooLarge
    if not all(isinstance(number, Fraction) and number.denominator == 1 for number in numbers):
        raise ValueError
    return Fraction(function(*map(int, numbers)))


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())
