r"""A small grammar for the mathematics that answers are made of, as a tree of tuples.

``\frac{x}{2}`` gives ``("quotient", ("letter", "x"), ("number", Fraction(2)))``. It reads LaTeX and plain notation
where both, and math_verify, agree on the meaning; anything else is Unreadable, or read and marked ``open`` so that its
size at least is known (``9**9**9**9``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Node = tuple[Any, ...]
_FUNCTION_NAMES = "sin cos tan ln exp arcsin arccos arctan sinh cosh tanh"
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())

_MAX_LENGTH = 512
_MAX_DEPTH = 40
_MAX_TOKENS = 120  # a sum of n terms makes a tree n deep
_TOKEN = re.compile(r"\s*(\\[A-Za-z]+|[0-9]+(?:\.[0-9]*)?|\.[0-9]+|[A-Za-z]{2,}|\*\*|[A-Za-zπ(){}\[\]+*/^!-])")
_SAME = {
    "\\cdot": "*",
    "\\times": "*",
    "\\div": "/",
    "**": "^^",
    "\\pi": "π",
    "\\dfrac": "\\frac",
    "\\tfrac": "\\frac",
    "\\cfrac": "\\frac",
    "\\dbinom": "\\binom",
    "\\tbinom": "\\binom",
}
_GREEK_NAMES = "alpha beta gamma delta epsilon theta lambda mu sigma phi omega rho tau"
_GREEK = dict(zip((f"\\{name}" for name in _GREEK_NAMES.split()), "αβγδεθλμσφωρτ", strict=True))
_SPECIAL = frozenset("eEiIjJdOSNQC")  # letters that sympy or LaTeX readers take for something else
_PLAIN_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")


class Unreadable(Exception):
    """Not in the grammar, or not with one meaning."""


@dataclass
class Expression:
    """What was read. ``open``: more than one reading is possible."""

    node: Node
    letters: frozenset[str]
    decimal: bool
    open: bool


def parse_expression(text: str) -> Expression:
    """Read one expression. Raises Unreadable."""
    if len(text) > _MAX_LENGTH:
        raise Unreadable
    tokens = _tokens(text)
    if len(tokens) > _MAX_TOKENS:
        raise Unreadable
    reader = _Reader(tokens)
    node = reader.sum()
    if reader.position != len(reader.tokens):
        raise Unreadable
    return Expression(node, frozenset(reader.letters - {"π"}), reader.decimal, reader.open)


def _tokens(text: str) -> list[str]:
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if not found:
            raise Unreadable
        token = _SAME.get(found[1], found[1])
        if token[0].isalpha() and len(token) > 1:
            raise Unreadable  # a word, or a product of letters: math_verify tries both
        tokens.append(_GREEK.get(token, token))
        position = found.end()
    return tokens


@dataclass
class _Reader:
    tokens: list[str]
    position: int = 0
    depth: int = 0
    letters: set[str] = field(default_factory=set)
    decimal: bool = False
    open: bool = False

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise Unreadable
        self.position += 1
        return token

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unreadable
        sign = self.take() if self.peek() in ("+", "-") else "+"
        node = self.product()
        if sign == "-":
            node = ("negative", node)
        while self.peek() in ("+", "-"):
            negative = self.take() == "-"
            term = self.product()
            node = ("sum", node, ("negative", term) if negative else term)
        self.depth -= 1
        return node

    def product(self) -> Node:
        r"""``1/2x`` and ``\sin(x)y`` are open: where the quotient or the argument ends is a matter of taste."""
        node, kind = self.factor()
        divided = False
        while True:
            token = self.peek()
            if token in ("*", "/"):
                self.take()
                divided = token == "/"
                right, kind = self.factor()
                node = ("quotient" if divided else "product", node, right)
            elif self._starts_factor(token):
                right, right_kind = self.factor()
                mixed = kind == "number" and right_kind == "fraction"
                called = kind == "letter" and token == "("
                if divided or mixed or called or right_kind == "number" or "function" in (kind, right_kind):
                    self.open = True
                node, kind = ("product", node, right), right_kind
            else:
                return node

    def factor(self) -> tuple[Node, str]:
        """A base with its factorial or exponent, and what kind it is."""
        node, kind = self.base()
        while self.peek() == "!":
            self.take()
            node, kind = ("factorial", node), "factorial"
        if self.peek() in ("^", "^^"):
            braced = self.take() == "^"
            node = ("power", node, self.exponent(braced))
            if kind == "function" or self.peek() in ("^", "!"):
                self.open = True
            if self.peek() == "^":
                raise Unreadable
            kind = "power"
        return node, kind

    def exponent(self, latex: bool) -> Node:
        """After ``^``, a group or one mark; ``2^10`` is 2^{10} to some readers only. After ``**``, right to left."""
        if not latex:
            return self.factor()[0]
        if self.peek() == "-":
            self.take()
            self.open = True
            return ("negative", self.base()[0])
        node, kind = self.base()
        one_mark = kind in ("letter", "group") or (kind == "number" and len(self.tokens[self.position - 1]) == 1)
        self.open |= not one_mark
        if self.peek() == "^":  # 9^9^9
            self.take()
            self.open = True
            return ("power", node, self.exponent(latex))
        return node

    def base(self) -> tuple[Node, str]:
        token = self.take()
        if _PLAIN_NUMBER.fullmatch(token):
            self.decimal |= "." in token
            return ("number", Fraction(token.removesuffix("."))), "number"
        if token in ("(", "{"):
            node = self.sum()
            self.take(")" if token == "(" else "}")
            return node, "group"
        if len(token) == 1 and token.isalpha():
            if token in _SPECIAL:
                raise Unreadable
            self.letters.add(token)
            return ("letter", token), "letter"
        return self.command(token)

    def command(self, token: str) -> tuple[Node, str]:
        if token == "\\frac":
            return ("quotient", self.group(), self.group()), "fraction"
        if token == "\\binom":
            return ("binomial", self.group(), self.group()), "group"
        if token == "\\sqrt":
            return ("root", self.group()), "group"
        if token[1:] in FUNCTIONS and self.peek() in ("(", "{"):
            return ("function", token[1:], self.base()[0]), "function"
        raise Unreadable

    def group(self) -> Node:
        self.take("{")
        node = self.sum()
        self.take("}")
        return node

    @staticmethod
    def _starts_factor(token: str) -> bool:
        return bool(token) and (token[0].isalnum() or token in ("(", "{", "π") or token[0] == "\\")
