r"""A small grammar for the mathematics that answers are made of, which is evaluated as it is read.

    2\sqrt{2}        \sqrt{8}          the same
    (x+1)^2          x^2 + 2x + 1      the same
    \frac{1}{x+1}    \frac{x}{x+1}     not the same
    9^{9^{9^{9}}}    12                out of range: nobody can evaluate it; it would cost a process its time limit
    0.3333           \frac{1}{3}       undecided: nearly equal, and rounding is math_verify's business
    2^10, 1/2x, xy, e, f(x), \log_2 8  undecided: their reading is open, or they have no value here

It reads LaTeX and plain notation where both, and math_verify, agree on the meaning; anything else is Unreadable, or
read and marked ``open``. Both sides are evaluated at the same points. The same are equal values at each, to the last
digits of a float; not the same are values further apart than math_verify's rounding, by their own size. What is
undecided goes to math_verify.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property, lru_cache

from infimed_plugins.rewards.math_values import (
    FUNCTIONS,
    MAX_TERMS,
    POINTS,
    Number,
    TooLarge,
    apart,
    apply,
    binomial,
    factorial,
    power,
)

WORDS = {*FUNCTIONS, "cot", "sec", "csc", "log", "lg", "max", "min", "gcd", "lcm"}  # with a backslash or without

_MAX_LENGTH = 512
_MAX_DEPTH = 40
_MAX_TOKENS = 120
_FAR = 1e-4  # relative, absolute below 1; math_verify rounds to 6 decimals
_NEAR = 1e-12  # likewise
_NUMBER = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_TOKEN = re.compile(rf"\s*(\\[A-Za-z]+|{_NUMBER}|[A-Za-z]+|\*\*|[α-ωΔΘΣΦΩ∞(){{}}\[\]|,=+*/^_!°-])")
_BRACKETED_NUMBER = re.compile(r"\(-?[0-9.,]+\)")
_SPECIAL = frozenset("eEiIjJdOSNQC∞")  # what sympy or LaTeX readers take for something else


class Unreadable(Exception):
    """Not in the grammar, or not with one meaning."""


class SideBySide(Unreadable):
    """``12 13``, ``12 (13)``: math_verify adds them up or takes one."""


def same(gold: str, given: str) -> bool | None:
    """Whether two expressions, as ``clean_math`` leaves them, are equal; None where that is undecided.

    Raises TooLarge where only the second is out of range.
    """
    try:
        a, b = parse_expression(gold), parse_expression(given)
    except Unreadable:
        return None
    if b.too_large and not a.too_large:
        raise TooLarge
    in_two_cases = a.letters != b.letters and {*map(str.lower, a.letters)} == {*map(str.lower, b.letters)}
    if a.value is None or b.value is None or in_two_cases:  # two cases may be one to math_verify
        return None
    if [x is None for x in a.values] != [y is None for y in b.values]:
        return None
    pairs = [(x, y) for x, y in zip(a.values, b.values, strict=True) if x is not None and y is not None]
    least = 0.0 if a.is_product and b.is_product else 1.0  # a sum of floats may leave a small difference
    distance = max(apart(x, y, least) for x, y in pairs)
    exact = not (a.decimal or b.decimal) or all(x == y for x, y in pairs)
    if distance > _FAR and (not (a.open or b.open) or bool(a.letters) != bool(b.letters)):
        return False
    return True if distance <= _NEAR and exact and not (a.open or b.open) else None


@lru_cache(maxsize=8192)
def parse_expression(text: str) -> Expression:
    """Read one expression, the whole of it, as ``clean_math`` leaves it. Raises Unreadable."""
    if len(text) > _MAX_LENGTH:
        raise Unreadable
    tokens: list[str] = []
    words: set[str] = set()
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if not found or len(tokens) > _MAX_TOKENS:
            raise Unreadable
        token, position = found[1], found.end()
        if token in WORDS:
            tokens.append("\\" + token)
        elif token[0].isalpha():
            tokens.extend(token)
            words.update([token] if token[1:] else [])
        else:
            tokens.append(token)
    return Expression(tokens, frozenset(words))


class Expression:
    """Reads tokens at a point, from the loosest to the closest: sum, product, factor, base. Raises Unreadable."""

    def __init__(self, tokens: list[str], words: frozenset[str], point: dict[str, Number] = POINTS[0]) -> None:
        self.written, self.tokens, self.words, self.point = tokens, [*tokens], words, point
        self.position = self.depth = 0
        self.letters: set[str] = set()
        self.decimal = self.too_large = False
        self.open = bool(words)  # letters without a blank between them; or more than one reading is possible
        self.is_product = True  # neither a sum nor a function: no small difference of large numbers
        self.value = self.sum()
        if self.peek():
            raise Unreadable

    @cached_property
    def values(self) -> list[Number | None]:
        """Its values at the points; without letters they are all one."""
        if not self.letters:
            return [self.value] * len(POINTS)
        return [self.value, *(Expression(self.written, self.words, point).value for point in POINTS[1:])]

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def accept(self, *wanted: str) -> str:
        token = self.peek()
        if token not in wanted:
            return ""
        self.position += 1
        return token

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if not token or not self.accept(*(wanted or (token,))):
            raise Unreadable
        return token

    def apply(self, function: Callable[..., object], *values: Number | None) -> Number | None:
        try:
            return apply(function, *values)
        except TooLarge:
            self.too_large = True
            return None

    def unknown(self) -> Number | None:
        """What is read, but has no value here."""
        self.open = True
        return None

    def sum(self) -> Number | None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unreadable
        sign = self.accept("+", "-")
        value = self.product()
        if sign == "-":
            value = self.apply(operator.neg, value)
        while sign := self.accept("+", "-"):
            self.is_product = False
            value = self.apply(operator.add if sign == "+" else operator.sub, value, self.product())
        self.depth -= 1
        return value

    def product(self) -> Number | None:
        r"""``1/2x`` and ``\sin(x)y`` are open: where the quotient or the argument ends is a matter of taste."""
        value, kind = self.factor()
        divided = False
        while True:
            sign, token, before = self.accept("*", "/"), self.peek(), (kind, self.position)
            if not sign and not (token and (token[0].isalnum() or token[0] in "({\\")):
                return value
            right, kind = self.factor()
            if sign:
                divided = sign == "/"
            elif token[0].isdigit() or (before[0] == "number" and self.is_bracketed_number(before[1])):
                raise SideBySide
            else:
                taste = (before[0], token) in (("number", "\\frac"), ("letter", "("))
                self.open |= divided or taste or "function" in (before[0], kind)
            value = self.apply(operator.truediv if sign == "/" else operator.mul, value, right)

    def is_bracketed_number(self, start: int) -> bool:
        return _BRACKETED_NUMBER.fullmatch("".join(self.tokens[start : self.position])) is not None

    def factor(self) -> tuple[Number | None, str]:
        """A base with its factorial or exponent, and what kind it is."""
        value, kind = self.base()
        while self.accept("!"):
            value, kind = self.apply(factorial, value), "factorial"
        if self.accept("°"):
            value, kind = self.unknown(), "degrees"
        if sign := self.accept("^", "**"):
            self.open |= kind == "function"
            value, kind = self.apply(power, value, self.exponent(sign)), "power"
        return value, kind

    def exponent(self, sign: str) -> Number | None:
        """A group or one mark: ``2^10`` is 2^{10} to some readers only, and so is where ``2^-x`` or ``9^9^9`` ends."""
        negative, start = self.accept("-"), self.peek()
        value, kind = self.factor()
        one_mark = kind in ("letter", "group") or (kind == "number" and len(start) == 1)
        self.open |= bool(negative) or (sign == "^" and not one_mark)
        return self.apply(operator.neg, value) if negative else value

    def base(self) -> tuple[Number | None, str]:
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            self.decimal |= "." in token
            return Fraction(token.removesuffix(".").replace(",", "")), "number"
        if token in ("(", "{", "|"):
            value = self.until({"(": ")", "{": "}"}.get(token, token))
            return self.apply(abs, value) if token == "|" else value, "group"
        if token.isalpha() or token == "∞":
            return self.letter(token), "letter"
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unreadable
        value = self.command(token)
        self.depth -= 1
        return value, "fraction" if token == "\\frac" else "function" if token[1:] in WORDS else "group"

    def letter(self, letter: str) -> Number | None:
        if letter in _SPECIAL:
            return self.unknown()
        self.letters |= {letter} - {"π"}
        if self.accept("_"):
            self.argument()
            return self.unknown()
        return self.point.get(letter)

    def command(self, token: str) -> Number | None:
        if token in ("\\frac", "\\binom"):
            return self.apply(operator.truediv if token == "\\frac" else binomial, self.argument(), self.argument())
        if token == "\\sqrt":
            degree = self.until("]") if self.accept("[") else Fraction(2)
            return self.apply(lambda value, n: power(value, 1 / n), self.argument(), degree)
        self.is_product = False
        if token[1:] in FUNCTIONS and self.peek() in ("(", "{"):
            return self.apply(FUNCTIONS[token[1:]], self.base()[0])
        if token[1:] in WORDS:
            return self.function()
        if token in ("\\sum", "\\prod", "\\int", "\\lim") and self.peek() == "_":
            return self.large(token)
        raise Unreadable

    def function(self) -> Number | None:
        r"""What only math_verify evaluates: ``\sin^2 x``, ``\log_2 8``, ``\max(1, 2)``."""
        while self.accept("_", "^"):
            self.argument()
        if self.accept("("):
            self.sum()
            while self.take(",", ")") == ",":
                self.sum()
        else:
            self.factor()
        return self.unknown()

    def large(self, token: str) -> Number | None:
        r"""``\sum_{k=1}^{n} k``, ``\lim_{x \to 0} x``, ``\int_0^1 x dx``."""
        while self.accept("_", "^"):
            if self.accept("{"):
                end = self.sum()
                end = self.sum() if self.accept("=", "\\to") else end
                self.take("}")
            else:
                end = self.argument()
            self.too_large |= token in ("\\sum", "\\prod") and end is not None and abs(end) > MAX_TERMS
        (self.sum if token == "\\int" else self.product)()
        if token == "\\int" and self.tokens[self.position - 2] != "d":
            raise Unreadable
        return self.unknown()

    def argument(self) -> Number | None:
        r"""A group in braces, or one mark: ``\frac12`` is one half."""
        token = self.peek()
        if token.isdigit() and len(token) > 1:
            self.tokens[self.position] = token[1:]
            return Fraction(token[0])
        return self.base()[0]

    def until(self, end: str) -> Number | None:
        value = self.sum()
        self.take(end)
        return value
