r"""A small grammar for the mathematics that answers are made of, as a tree of tuples.

``\frac{x}{2}`` gives ``("quotient", ("letter", "x"), ("number", Fraction(2)))``. It reads LaTeX and plain notation
where both, and math_verify, agree on the meaning; anything else is Unreadable, or read and marked ``open`` so that its
size at least is known (``9**9**9**9``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

Node = tuple[Any, ...]
_FUNCTION_NAMES = "sin cos tan ln exp arcsin arccos arctan sinh cosh tanh"
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
WORDS = FUNCTIONS | frozenset(["cot", "sec", "csc", "log", "lg", "max", "min", "gcd", "lcm"])  # \ or none before them

_MAX_LENGTH = 512
_MAX_DEPTH = 40
_MAX_TOKENS = 120  # a sum of n terms makes a tree n deep
_NUMBER = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_TOKEN = re.compile(rf"\s*(\\[A-Za-z]+|{_NUMBER}|[A-Za-z]+|\*\*|[α-ωΔΘΣΦΩ∞(){{}}\[\]|,=+*/^_!°-])")
_PLAIN_NUMBER = re.compile(_NUMBER)
_SPECIAL = frozenset("eEiIjJdOSNQC")  # letters that sympy or LaTeX readers take for something else
_OPAQUE: Node = ("opaque",)  # read, but left to math_verify


class Unreadable(Exception):
    """Not in the grammar, or not with one meaning."""


class SideBySide(Unreadable):
    """``12 13``, ``12 (13)``: math_verify adds them up or takes one."""


@dataclass
class Expression:
    """What was read. ``open``: more than one reading is possible. ``words``: letters without a blank between them."""

    node: Node
    letters: frozenset[str]
    words: frozenset[str]
    decimal: bool
    open: bool
    product: bool  # neither a sum nor a function: no small difference of large numbers


@lru_cache(maxsize=8192)
def parse_expression(text: str) -> Expression:
    """Read one expression, the whole of it, as ``clean_math`` leaves it. Raises Unreadable."""
    if len(text) > _MAX_LENGTH:
        raise Unreadable
    words: set[str] = set()
    reader = _Reader(_tokens(text, words))
    node = reader.sum()
    if reader.peek():
        raise Unreadable
    letters = frozenset(reader.letters - {"π"})
    return Expression(node, letters, frozenset(words), reader.decimal, reader.open, reader.product_only)


def _tokens(text: str, words: set[str]) -> list[str]:
    tokens: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if not found or len(tokens) > _MAX_TOKENS:
            raise Unreadable
        token, position = found[1], found.end()
        if token in WORDS:
            tokens.append("\\" + token)
        elif token[0].isalpha() and len(token) > 1:
            words.add(token)
            tokens.extend(token)
        else:
            tokens.append(token)
    return tokens


@dataclass
class _Reader:
    tokens: list[str]
    position: int = 0
    depth: int = 0
    letters: set[str] = field(default_factory=set)
    decimal: bool = False
    open: bool = False
    product_only: bool = True

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
            self.product_only = False
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
                if token[0].isdigit() or (kind == "number" and token == "(" and _is_number(right)):
                    raise SideBySide
                mixed = kind == "number" and right_kind == "fraction"
                called = kind == "letter" and token == "("
                if divided or mixed or called or "function" in (kind, right_kind):
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
        if self.peek() == "°":
            self.take()
            node, kind = self.unknown(), "degrees"
        if self.peek() in ("^", "**"):
            latex = self.take() == "^"
            node = ("power", node, self.exponent(latex))
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
            return ("number", Fraction(token.removesuffix(".").replace(",", ""))), "number"
        if token == "|":
            node = self.sum()
            self.take("|")
            return ("absolute", node), "group"
        if token in ("(", "{"):
            self.position -= 1
            return self.between(token, ")" if token == "(" else "}"), "group"
        if token == "∞" or token in _SPECIAL:
            return self.unknown(), "letter"
        if len(token) == 1 and token.isalpha():
            self.letters.add(token)
            if self.peek() != "_":
                return ("letter", token), "letter"
            self.take()
            self.argument()
            return self.unknown(), "letter"
        self.depth += 1
        node = self.command(token)
        self.depth -= 1
        return node, "fraction" if token == "\\frac" else "function" if token[1:] in WORDS else "group"

    def command(self, token: str) -> Node:
        if self.depth > _MAX_DEPTH:
            raise Unreadable
        if token == "\\frac":
            return ("quotient", self.argument(), self.argument())
        if token == "\\binom":
            return ("binomial", self.argument(), self.argument())
        if token == "\\sqrt":
            degree = self.between("[", "]") if self.peek() == "[" else None
            argument = self.argument()
            return ("power", argument, ("quotient", ("number", Fraction(1)), degree)) if degree else ("root", argument)
        if token[1:] in WORDS:
            return self.function(token[1:])
        if token in ("\\sum", "\\prod", "\\int", "\\lim") and self.peek() == "_":
            self.limits()
            (self.sum if token == "\\int" else self.product)()
            if token == "\\int" and self.tokens[self.position - 2] != "d":
                raise Unreadable
            return self.unknown()
        raise Unreadable

    def function(self, name: str) -> Node:
        r"""``\sin(x)``, and what only math_verify evaluates: ``\sin^2 x``, ``\log_2 8``, ``\max(1, 2)``."""
        self.product_only = False
        if self.peek() in ("(", "{") and name in FUNCTIONS:
            return ("function", name, self.base()[0])
        while self.peek() in ("_", "^"):
            self.take()
            self.argument()
        if self.peek() == "(":
            self.take()
            self.sum()
            while self.peek() == ",":
                self.take()
                self.sum()
            self.take(")")
        else:
            self.factor()
        return self.unknown()

    def limits(self) -> None:
        """``_{k=1}^{n}``, ``_{x \\to 0}``."""
        while self.peek() in ("_", "^"):
            self.take()
            if self.peek() != "{":
                self.base()
                continue
            self.take()
            self.sum()
            if self.peek() in ("=", "\\to"):
                self.take()
                self.sum()
            self.take("}")

    def unknown(self) -> Node:
        """What is read, but has no value here."""
        self.open = True
        return _OPAQUE

    def argument(self) -> Node:
        r"""A group in braces, or one mark: ``\frac12`` is one half."""
        token = self.peek()
        if token == "{":
            return self.between("{", "}")
        if token.isdigit() and len(token) > 1:
            self.tokens[self.position] = token[1:]
            return ("number", Fraction(token[0]))
        return self.base()[0]

    def between(self, start: str, end: str) -> Node:
        self.take(start)
        node = self.sum()
        self.take(end)
        return node

    @staticmethod
    def _starts_factor(token: str) -> bool:
        return bool(token) and (token[0].isalnum() or token in ("(", "{", "π") or token[0] == "\\")


def _is_number(node: Node) -> bool:
    return node[0] == "number" or (node[0] == "negative" and _is_number(node[1]))
