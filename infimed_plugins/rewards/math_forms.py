r"""Read the forms of mathematical answers that are paid, each whole: nothing beside them is passed over.

    12, \frac{1}{2}, 2√3, 50\%           a value
    12 mm, 240π cm², 10米, 3 lesions     with a unit, or what it counts
    about 12 mm, ≈ 12, 12 mm wide        nearly a value, the dimension it has
    10-20 mm, 3 × 4 cm, 1:2, L4-L5       parts, compared one by one
    x = 24/2 = 12, f(2) = 12             a name, and values that must all be right
    the ejection fraction is 35%         a name of known words
    > 3, x \ge 3 mm, 1 < x < 2           an order, compared with its signs
    1, 2   x = 1 or x = 2   (1, 2)   ±2  several, where the truth is several

Truth and answer are read into the same records, once; math_equivalence.py compares them. Names and what is counted are
symbols and words of a small vocabulary: of another word nobody knows whether it denies ("the wrong answer is 12",
"12 perhaps"), and a list of words that deny would never be whole.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infimed_plugins.parsing.lexicon import Text, beside, rule
from infimed_plugins.parsing.quantities import Quantity, parse_quantity, read_number, split_unit
from infimed_plugins.records import Code
from infimed_plugins.rewards.math_syntax import NotRead, parse_expression

MAX_ITEMS = 12
_HAN = "\u4e00-\u9fff"
Part = tuple[Any, str]  # a number or the name of a vertebra, and the unit

_NEARLY = re.compile(
    r"^(?:(?:about|approximately|approx\.?|around|roughly|circa|ca\.|exactly|大约|约)\s*|[≈~](?!~)\s*)", re.IGNORECASE
)
_DIMENSION = re.compile(
    r"(?<=[A-Za-z²³}])\s+(?:wide|long|thick|tall|high|deep|across|in (?:diameter|size|length|width|height|thickness))$"
)
_COUNTED = re.compile(rf"(.*[0-9.}})])\s*([A-Za-z]{{3,20}}(?: [A-Za-z]{{2,20}}){{0,3}}|[{_HAN}]{{1,6}})")

_BETWEEN = re.compile(r"(?:from|between)\s+([-+0-9.]+(?:\s?[A-Za-z%]+)?)\s+(?:to|and)\s+", re.IGNORECASE)
_RANGE = re.compile(r"(?<=[^\s(+*/^-])(?:\s*-\s*|\s+to\s+|\s*[~至到]\s*)(?=[-+]?[0-9.]|[A-Z][0-9])")
_SIZE = re.compile(r"\s*\*\s*|\s+by\s+|(?<=[0-9])\s*[xX]\s*(?=[0-9])|(?<=\S)\s+[xX]\s+(?=\S)")
_JOINTS = (("-", _RANGE), ("x", _SIZE), (":", re.compile(r"\s*:\s*")))
_LABEL = re.compile(r"([A-Z][A-Za-z]?)[0-9]{1,2}")
_PLAIN = re.compile(r"[-+]?[0-9.,]+(?![0-9.,]*\s*[/*^\\])")

_IS = re.compile(r"\s+(?:is equal to|equals|is|are|was)\s+|\s*:\s*|\s*(?=≈)")
_SIDES = re.compile(r"[=<>≤≥]")
_SIGNS = {"greater than": ">", "more than": ">", "less than": "<", "at least": "≥", "at most": "≤"}
_SIGNS |= {">=": "≥", "<=": "≤", "=<": "≤"}
_SIGN = re.compile("|".join(rf"\b{sign}\b" if sign[-1].isalpha() else sign for sign in _SIGNS), re.IGNORECASE)
_FLIPPED = {">": "<", "≥": "≤"}

_ITEMS = re.compile(r",(?![0-9]{3}(?![0-9]))|[;、或和]|(?<![A-Za-z])(?:and|or)(?![A-Za-z])")
_LISTED = re.compile(r"[,;]")  # within brackets
_GROUP = re.compile(r"[\[({][^][(){}]*[\])}]")
_BRACKETED = re.compile(r"(\\\{|[(\[])(.*)(\\\}|[)\]])")

_INDEX = r"(?:_(?:\{(?:[A-Z0-9△∠ ]{1,6}|[a-zα-ωΔΘΣΦΩ]|max|min)\}|[A-Za-z0-9]))?'{0,2}"
_ARGUMENT = r"[-+0-9.,*^| {}π]|\\frac|/(?!=)|[=<>≤≥](?![=<>/])|[A-Za-zα-ω](?![A-Za-z])"
_SYMBOL = re.compile(
    rf"[A-Za-zα-ωΔΘΣΦΩ]{_INDEX}|[A-Za-z]{_INDEX}\s?\((?:{_ARGUMENT}){{1,40}}\)|(?!NO)[A-Z]{{2}}"
    r"|(?:[∠△]|S\s?△|(?:angle|triangle|arc) )\s?[A-Z0-9]{1,4}|\\?(?:sin|cos|tan)\s*∠?\s?(?:[A-Z]{1,3}|[α-ω])"
)
_OF = re.compile(r" (?:of|in|at|for) ")
_HEADS = """answer result value solution area perimeter circumference volume length width height depth radius
    diameter distance thickness size angle slope sum product quotient difference total number count amount mean
    median mode average range ratio rate probability percentage proportion fraction speed velocity force mass
    weight density pressure temperature time duration age dose dosage concentration output index score grade stage
    level frequency interval voltage current power energy cost price it there ef lvef hr bp bmi gfr egfr suv hu
    ctr psa iop fev1 the a an this that its their final correct required measured estimated calculated resulting
    overall maximum minimum max min normal surface lateral base bottom top side cross sectional short long axis
    inner outer left right upper lower anterior posterior ventricular atrial ejection cardiac heart blood
    respiratory systolic diastolic body bone wall vessel tumor cyst nodule lesion stroke peak minor major central
    inscribed shaded"""
_THINGS = """circle triangle rectangle square parallelogram trapezoid rhombus polygon sphere cone cylinder cube
    prism sector arc chord line segment side figure region building flagpole image picture patient person people
    child children ventricle atrium vertebra rib teeth lesion nodule mass tumor cyst fracture polyp lobe lymph node
    stone object"""  # beside the organs that the lexicon lists
_NO_NOUNS = """hundred thousand million billion trillion dozen half halve third quarter percent squared cubed
    time plu minu fold fourth fifth sixth seventh eighth ninth tenth twelfth twentieth hundredth thousandth
    millionth besides always afterwards does sometimes others"""  # without an s
_NAMING, _UNCOUNTED = frozenset(_HEADS.split()), frozenset(_NO_NOUNS.split())
_OBJECTS = beside("kinds")["organ"].union(_THINGS.split())
_DENIES = rule("{negated|rejected|possible|hypothetical|than}")
_HAN_NUMERALS, _HAN_COUNTERS = "十百千万亿", "个处枚颗根例次人只"


@dataclass(frozen=True)
class Value:
    """One value: an expression with its unit, or ``parts`` with theirs joined by ``-``, ``x`` or ``:``.

    ``arithmetic``: joined as they are, the parts may be an expression as well (``25-13``).
    """

    text: str
    unit: str = ""
    letters: Set[str] = frozenset()
    joint: str = ""
    parts: tuple[Part, ...] = ()
    arithmetic: bool = True

    @cached_property
    def number(self) -> Quantity | None:
        """The value as a plain number."""
        value = read_number(self.text)
        return None if value is None else Quantity(value, self.unit == "%", self.unit.replace("%", ""))


@dataclass(frozen=True)
class Item:
    """``x = 24/2 = 12`` or, with signs, an order that ascends: of ``2 > x`` the values are None and 2, the name x."""

    text: str
    name: str
    values: tuple[Value | None, ...]
    signs: str = ""
    relates: bool = False  # an equation that gives nothing a name: ``x^2 + y^2 = 1``


Claim = tuple[tuple[Item, ...], str]  # one item, or several with the brackets around them


@dataclass(frozen=True)
class Reader:
    """Reads a truth, in which any noun or word counts, or an answer, which may repeat the truth's words and unit."""

    words: Set[str] | None = None
    unit: str | None = None
    most: int = MAX_ITEMS

    def claim(self, text: str) -> Claim:
        """Read a claim. Raises NotRead."""
        text = _BETWEEN.sub(r"\1 to ", text)
        brackets, inside = _bracketed(text)
        pieces = _split(_LISTED if brackets else _ITEMS, inside)[0]
        if len(pieces) == 1 and not brackets.startswith("\\"):
            brackets, pieces = "", [text]
        if len(pieces) > self.most:
            raise NotRead("several values", Code.SEVERAL)
        ways = [piece.replace("±", sign) for piece in pieces for sign in ("+-" if piece.count("±") == 1 else "±")]
        return tuple(map(self.item, ways)), brackets

    def item(self, text: str) -> Item:
        """Read an equation, an order or a value."""
        text = _SIGN.sub(lambda found: _SIGNS[found[0].lower()], text)
        is_ = _IS.search(text)
        if is_ and is_name(text[: is_.start()].strip()):
            ordered = text.startswith((*"<>≤≥",), is_.end())
            text = text[: is_.start()] + ("" if ordered else "=") + text[is_.end() :]
        texts, signs = _split(_SIDES, text)
        if not signs.strip("="):
            name = texts[0] if len(texts) > 1 and is_name(texts[0]) else ""
            values = tuple(map(self.value, texts[bool(name) :]))
            return Item(text, name, values, relates=bool(signs and not name and values[0].letters))
        if signs[0] in _FLIPPED:
            texts, signs = texts[::-1], "".join(_FLIPPED.get(sign, "") for sign in signs[::-1])
        names = [side for side in texts if not side or is_name(side)]
        if len(texts) != len(signs) + 1 or len(names) > 1 or not all(texts[1:-1]) or signs.strip("<≤"):
            raise NotRead
        return Item(text, "".join(names), tuple(None if side in names else self.value(side) for side in texts), signs)

    def value(self, text: str) -> Value:
        """Read a value in one of its forms."""
        text = _DIMENSION.sub("", _NEARLY.sub("", text).strip())
        joint, parts = _parts(text)
        if parts:
            # 2 * 3 and 20 - 10; not what has a unit or is written with words, nor, in a truth, what ascends
            plain = re.fullmatch(r"[-+0-9.,* ]+", text) is not None
            arithmetic = plain and ("*" in text or self.words is not None or parts[0][0] >= parts[-1][0])
            return Value(text, parts[-1][1], joint=joint, parts=parts, arithmetic=arithmetic)
        before, unit = split_unit(text, self.words)
        counted = None if unit else _COUNTED.fullmatch(text)
        if counted and _counts(counted[2].lower(), self.unit):
            before, unit = counted[1].strip(), counted[2].lower().removesuffix("s")
        with contextlib.suppress(NotRead):
            if unit and (not self._letters(before) or len(unit) > 1):  # behind letters, h is one more and no hour
                return Value(before, unit)
        letters = self._letters(text)
        number = read_number(text) if "e" in text.lower() else None
        return Value(text if number is None else str(number), letters=letters)

    def _letters(self, text: str) -> Set[str]:
        """Return the letters of an expression in which no word is strange. Raises NotRead."""
        if read_number(text) is not None:
            return frozenset()
        found = parse_expression(text)
        known = self.words
        if known is not None and any(word.lower() not in known and not set(word) <= known for word in found.words):
            raise NotRead
        return found.letters


def _split(pattern: re.Pattern[str], text: str) -> tuple[list[str], str]:
    """Return the pieces outside brackets, and the signs between them."""
    pieces, signs, start = [], "", 0
    for found in pattern.finditer(_masked(text)):
        pieces.append(text[start : found.start()].strip())
        signs, start = signs + found[0], found.end()
    return [*pieces, text[start:].strip()], signs


def _masked(text: str) -> str:
    """Mask the text in brackets, keeping the length; one mark for each outermost pair."""
    while (masked := _GROUP.sub(lambda found: "\1" + "\0" * (len(found[0]) - 1), text)) != text:
        text = masked
    return text


def _bracketed(text: str) -> tuple[str, str]:
    r"""Return the brackets around the whole, such as ``(]`` or ``\{\}``, and their content."""
    found = _BRACKETED.fullmatch(text)
    if not found or (found[1] == "\\{") != (found[3] == "\\}") or not re.fullmatch("\\\\?\1\0*", _masked(text)):
        return "", text
    return found[1] + found[3], found[2]


def _parts(text: str) -> tuple[str, tuple[Part, ...]]:
    """Return the joint and the parts of a range, a size or a ratio; "" where it is none."""
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


def _part(text: str) -> Part | None:
    if _LABEL.fullmatch(text):
        return text, ""
    found = parse_quantity(text) if _PLAIN.match(text) else None
    return (found.value, "%" if found.percent else found.unit) if found else None


def is_name(side: str) -> bool:
    r"""True for ``x_1``, ``f(2)``, ``\sin A``, ``AB``, ``Area``, ``the height of a tube``; not ``-x``, ``unknown``."""
    if _SYMBOL.fullmatch(side):
        return True
    head, *rest = _OF.split(side)
    if not head or not _NAMING.issuperset(head.lower().split()):
        return False
    return all(_is_known(word) or _SYMBOL.fullmatch(word) for part in rest for word in part.split())


def _is_known(word: str) -> bool:
    word = word.lower()
    return word in _NAMING or not _OBJECTS.isdisjoint([word, word.removesuffix("s"), word.removesuffix("es")])


def _counts(noun: str, unit: str | None) -> bool:
    """True if ``3 noun`` counts: a plural or the truth's ``unit``, any in a truth; no number as in ``3 million``."""
    *others, last = noun.split()
    if noun[0] in _HAN_NUMERALS or any({word, word.removesuffix("s")} & _UNCOUNTED for word in (*others, last)):
        return False
    if unit is not None and _DENIES.search(Text(f"{noun} {noun.removesuffix('s')}").codes):
        return False
    plural = last.isascii() and last.endswith("s") and last[-2] not in "aisu"
    known = plural or last in _OBJECTS or last in _HAN_COUNTERS
    return unit in (None, noun.removesuffix("s")) or (known and all(map(_is_known, others)))
