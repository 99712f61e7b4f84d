r"""The forms in which an answer of maths is paid, each read whole; what stands beside them is never passed over.

    12, \frac{1}{2}, 2√3, 50\%           a value
    12 mm, 240π cm², 10米, 3 lesions     with a unit, or what it counts
    about 12 mm, ≈ 12, 12 mm wide        nearly a value, the dimension it has
    10-20 mm, 3 × 4 cm, 1:2, L4-L5       parts, compared one by one
    x = 24/2 = 12, f(2) = 12             a name, and values that must all be right
    the ejection fraction is 35%         a name of known words
    > 3, x \ge 3 mm, 1 < x < 2           an order, compared with its signs
    1, 2   x = 1 or x = 2   (1, 2)   ±2  several, where the truth is several

Names and nouns are those of math_names.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from infimed_plugins.parsing.quantities import Quantity, parse_quantity, read_number, split_unit
from infimed_plugins.records import Code
from infimed_plugins.rewards.math_names import counts, is_name
from infimed_plugins.rewards.math_syntax import Expression, SideBySide, Unreadable, parse_expression

MAX_ITEMS = 12
MAX_NESTING = 20
_HAN = "\u4e00-\u9fff"

_NEARLY = re.compile(
    r"(?:about|approximately|approx\.?|around|roughly|circa|ca\.|exactly|大约|约)\s*|[≈~](?!~)\s*", re.I
)
_DIMENSION = re.compile(
    r"(?<=[A-Za-z²³}])\s+(?:wide|long|thick|tall|high|deep|across|in (?:diameter|size|length|width|height|thickness))$"
)
_RANGE = re.compile(r"(?<=[^\s(+*/^-])(?:\s*-\s*|\s+to\s+|\s*[~至到]\s*)(?=[-+]?[0-9.]|[A-Z][0-9])")
_SIZE = re.compile(r"\s*\*\s*|\s+by\s+|(?<=[0-9])\s*[xX]\s*(?=[0-9])|(?<=\S)\s+[xX]\s+(?=\S)")
_JOINTS = (("-", _RANGE), ("x", _SIZE), (":", re.compile(r"\s*:\s*")))
_JOINED = re.compile(r".(?:[-~:*xX至到]|to|by)")
_LABEL = re.compile(r"([A-Z][A-Za-z]?)[0-9]{1,2}")
_BETWEEN = re.compile(r"(?:from|between)\s+([-+0-9.]+(?:\s?[A-Za-z%]+)?)\s+(?:to|and)\s+", re.IGNORECASE)
_PLAIN = re.compile(r"[-+]?[0-9.,]+(?![0-9.,]*\s*[/*^\\])")
_COUNTED = re.compile(rf"(.*[0-9.}})]) ?((?<= )[A-Za-z]{{3,20}}(?: [A-Za-z]{{2,20}}){{0,3}}|[{_HAN}]{{1,6}})")
_THEREFORE = re.compile(r"(?:so|thus|therefore|hence),?\s+(?=\S)", re.IGNORECASE)
_IS = re.compile(r"\s+(?:is equal to|equals|is|are|was)\s+|\s*:\s*|\s*(?=≈)")
_SIDES = re.compile(r"<=|>=|=<|[=<>≤≥]")
_SIGNS = {"<=": "≤", "=<": "≤", ">=": "≥"}
_FLIPPED = {">": "<", "≥": "≤"}
_ORDER_WORDS = {"greater than": ">", "more than": ">", "less than": "<", "at least": "≥", "at most": "≤"}
_ORDERED = re.compile(rf"\b({'|'.join(_ORDER_WORDS)})\b", re.IGNORECASE)
_ITEMS = re.compile(r",(?![0-9]{3}(?![0-9]))|[;、或和]|(?<![A-Za-z])(?:and|or)(?![A-Za-z])")
_BRACKETS = re.compile(r"[][(){}]")
_LISTED = re.compile(r"[,;]")  # within brackets


class NotRead(Exception):
    """None of the forms."""

    def __init__(self, reason: str, code: Code = Code.UNREADABLE) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


@dataclass(frozen=True)
class Value:
    """One value: an expression with its unit, or ``parts`` joined by ``-``, ``x`` or ``:`` that are no arithmetic.

    ``arithmetic``: joined as they are, they may be an expression as well (``25-13``).
    """

    text: str
    unit: str = ""
    joint: str = ""
    parts: tuple[tuple[Any, str], ...] = ()
    arithmetic: bool = True

    @cached_property
    def number(self) -> Quantity | None:
        """The value as a plain number."""
        value = read_number(self.text)
        return None if value is None else Quantity(value, self.unit == "%", "" if self.unit == "%" else self.unit)


@dataclass(frozen=True)
class Item:
    """``x = 24/2 = 12`` or, with signs, an order that ascends: ``x > 3`` is ``3 < x``. A side is a Value or a name."""

    sides: tuple[Value | str, ...]
    signs: str = ""
    equation: str = ""  # the text, where it is one with letters on its first side

    @property
    def name(self) -> str:
        """The name on the left of an equation, or ""."""
        return self.sides[0] if isinstance(self.sides[0], str) and not self.signs else ""

    @property
    def unit(self) -> str:
        """The unit of its last value."""
        return (self.values[-1].unit or (self.values[-1].parts or (("", ""),))[-1][1]) if self.values else ""

    @property
    def values(self) -> list[Value]:
        """The sides that are no name."""
        return [side for side in self.sides if isinstance(side, Value)]


@dataclass(frozen=True)
class Claim:
    """What is claimed: one item, or several with the brackets around them."""

    items: tuple[Item, ...]
    brackets: str = ""


@dataclass
class Reader:
    """Reads one side. In a truth (``gold``) any noun counts; an answer may repeat the truth's unit and words."""

    gold: bool = False
    most: int = MAX_ITEMS
    unit: str = ""
    letters: frozenset[str] = field(default_factory=frozenset)
    words: frozenset[str] = field(default_factory=frozenset)

    def claim(self, text: str) -> Claim:
        """Raises NotRead."""
        text = text[therefore.end() :] if (therefore := _THEREFORE.match(text)) else text
        text = _BETWEEN.sub(r"\1 to ", text)
        _check_brackets(text)
        brackets, inside = _bracketed(text)
        pieces = _split(_LISTED if brackets else _ITEMS, inside)[0]
        if len(pieces) == 1 and not brackets.startswith("\\"):
            brackets, pieces = "", [text]
        if len(pieces) > self.most:
            raise NotRead("several values", Code.SEVERAL)
        items: list[Item] = []
        for piece in pieces:
            items += [self.item(way) for way in _both_signs(piece.strip())]
        return Claim(tuple(items), brackets)

    def item(self, text: str) -> Item:
        """An equation, an order or a value."""
        text = _ORDERED.sub(lambda found: _ORDER_WORDS[found[1].lower()], text)
        is_ = _IS.search(text)
        if is_ and is_name(text[: is_.start()]):
            equals = "" if text.startswith(("<", ">", "≤", "≥"), is_.end()) else "="
            text = text[: is_.start()] + equals + text[is_.end() :]
        texts, signs = _split(_SIDES, text)
        order = "".join(_SIGNS.get(sign, sign) for sign in signs).replace("=", "") if signs else ""
        texts = [side.strip() for side in texts]
        if not order:
            return self.equation(text, texts)
        if len(order) != len(signs) or len({_FLIPPED.get(sign, sign) == sign for sign in order}) > 1:
            raise NotRead("not one value")
        sides: list[Value | str] = [side if not side or is_name(side) else self.value(side) for side in texts]
        if order[0] in _FLIPPED:
            sides, order = sides[::-1], "".join(_FLIPPED[sign] for sign in order[::-1])
        if not any(isinstance(side, Value) for side in sides) or not all(sides[1:-1]):
            raise NotRead("not one value")
        return Item(tuple(sides), order)

    def equation(self, text: str, texts: list[str]) -> Item:
        """``x = 24/2 = 12``: the first side may be a name."""
        if len(texts) == 1:
            return Item((self.value(text),))
        named = is_name(texts[0])
        values = [self.value(side) for side in texts[named:]]
        return Item((*texts[:named], *values), equation=text if named or self._has_letters(texts[0]) else "")

    def value(self, text: str) -> Value:
        """A value in one of its forms."""
        nearly = _NEARLY.match(text)
        text = _DIMENSION.sub("", text[nearly.end() if nearly else 0 :].strip())
        if not text:
            raise NotRead("not one value")
        joint, parts = _parts(text)
        if parts:
            return Value(text, "", joint, parts, _arithmetic(text, parts, self.gold))
        before, unit = split_unit(text, None if self.gold else self.letters)
        counted = None if unit else _COUNTED.fullmatch(text)
        if counted and counts(counted[2].lower(), self.unit, known_only=not self.gold):
            before, unit = counted[1].strip(), counted[2].lower().removesuffix("s")
        if unit and self._fits(before, len(unit) > 1):
            return Value(before, unit)
        self._read(text)
        number = read_number(text) if "e" in text.lower() else None
        return Value(text if number is None else str(number))

    def _fits(self, text: str, letters: bool) -> bool:
        """Whether it is an expression; behind ``letters``, h is one more of them and no hour."""
        try:
            found = self._read(text)
        except NotRead:
            return False
        return letters or not found or not found.letters

    def _read(self, text: str) -> Expression | None:
        if read_number(text) is not None:
            return None
        try:
            found = parse_expression(text)
        except SideBySide as error:
            raise NotRead("several numbers side by side", Code.SEVERAL) from error
        except Unreadable as error:
            raise NotRead("not one value") from error
        strange = [word for word in found.words if word.lower() not in self.words and not set(word) <= self.letters]
        if strange and not self.gold and not ("\\int" in text and set(strange) <= {"dx", "dy", "dt"}):
            raise NotRead(f"not one value: {min(strange)}")
        return found

    def _has_letters(self, text: str) -> bool:
        try:
            return bool(parse_expression(text).letters)
        except Unreadable:
            return False


def _split(pattern: re.Pattern[str], text: str) -> tuple[list[str], list[str]]:
    """The pieces outside brackets, and what stood between them."""
    pieces, marks, start, depth, at = [], [], 0, 0, 0
    for found in pattern.finditer(text):
        depth += _depths(text[at : found.start()])[2]
        at = found.start()
        if depth == 0:
            pieces.append(text[start : found.start()])
            marks.append(found[0].strip())
            start = found.end()
    return [*pieces, text[start:]], marks


def _check_brackets(text: str) -> None:
    least, most, end = _depths(text)
    if least < 0 or end:
        raise NotRead("braces that do not pair")
    if most > MAX_NESTING:
        raise NotRead("too many brackets")


def _bracketed(text: str) -> tuple[str, str]:
    r"""The brackets around the whole, such as ``(]`` or ``\{\}``, and what they hold."""
    if not text.startswith(("\\{", "(", "[")):
        return "", text
    for start, end in (("\\{", "\\}"), ("(", ")"), ("[", "]"), ("(", "]"), ("[", ")")):
        inside = text[len(start) : -len(end)]
        if text.startswith(start) and text.endswith(end) and _depths(inside)[0] == 0:
            return start + end, inside
    return "", text


def _depths(text: str) -> tuple[int, int, int]:
    """How deep in brackets a text is at the least, at the most and at its end."""
    depth = least = most = 0
    for mark in _BRACKETS.findall(text):
        depth += (mark in "([{") - (mark in ")]}")
        least, most = min(least, depth), max(most, depth)
    return least, most, depth


def _both_signs(text: str) -> list[str]:
    return [text.replace("±", sign) for sign in "+-"] if text.count("±") == 1 else [text]


def _parts(text: str) -> tuple[str, tuple[tuple[Any, str], ...]]:
    """The joint and the parts of a range, a size or a ratio; "" where it is none."""
    if not _JOINED.search(text):
        return "", ()
    for joint, pattern in _JOINTS:
        pieces = pattern.split(text)
        if len(pieces) > 1:
            label = _LABEL.fullmatch(pieces[0].strip())
            pieces = [label[1] + piece if label and piece.isdigit() else piece for piece in pieces]  # L4-5
            parts = [_part(piece.strip()) for piece in pieces]
            unit = parts[-1][1] if parts[-1] else ""
            if all(parts):
                return joint, tuple((part[0], part[1] or unit) for part in parts if part)
    return "", ()


def _part(text: str) -> tuple[Any, str] | None:
    if _LABEL.fullmatch(text):
        return text, ""
    found = parse_quantity(text) if _PLAIN.match(text) else None
    return (found.value, "%" if found.percent else found.unit) if found else None


def _arithmetic(text: str, parts: tuple[tuple[Any, str], ...], gold: bool) -> bool:
    """``2 * 3`` and ``20 - 10``; not what has a unit or is written with words, nor, in a truth, what ascends."""
    if parts[-1][1] or not re.fullmatch(r"[-+0-9.,* ]+", text):
        return False
    return "*" in text or not gold or parts[0][0] >= parts[-1][0]
