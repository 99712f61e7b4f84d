"""Bounding boxes in an answer: ``[x1, y1, x2, y2]``, one or many, in the forms models write them.

    [10, 20, 110, 220]   (10, 20, 110, 220)   10, 20, 110, 220   No Objects   []
    [[…], […]]   {"bbox_2d": […], "label": "lesion"}   [{'Position': […], 'Confidence': 0.9}, …]
    ```json …```   (10,20),(110,220) (Qwen's corner pairs)   The lesion is at [10, 20, 110, 220].

``strict``, for rewards, takes only boxes alone, labeled ("lesion: […]") or announced ("The lesion is at […].").
Otherwise any sentence may stand around them, but for words that deny the box they stand at.

A box has four finite numbers with x2 > x1 and y2 > y1. Whatever else stands where a box should (three numbers,
NaN, swapped corners, ``x, y, w, h``, numbers in quotes) is invalid: never repaired, but counted, so that it lowers a
detection score. Nothing is rescaled or clipped. Text is never evaluated: a literal, in JSON or Python, is read as JSON
in which a flat list is one number, its place, and any other value a string.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from infimed_plugins.parsing.lexicon import Text, rule
from infimed_plugins.parsing.normalize import nfkc, tokens
from infimed_plugins.parsing.response import DENIED_AFTER, DENIED_BEFORE
from infimed_plugins.records import Json

Box = tuple[float, float, float, float]

MAX_LENGTH = 40_000  # characters
_MAX_DEPTH = 6
_BOX_KEYS = frozenset(["bbox_2d", "bbox", "box", "position"])  # Qwen2.5-VL, common, common, Visual-RFT
_CONFIDENCE_KEY = "confidence"  # Visual-RFT
_NO_OBJECTS = frozenset(
    ["no objects", "no object", "no objects detected", "no objects found", "no objects present", "no lesion", "none"]
)

_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,15}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?")
_N = r"\s*[-+]?[0-9]{1,15}(?:\.[0-9]{0,20})?\s*"
_EDGES = [rf"\s*[\"']?{axis}_?(?:{end})[\"']?\s*[=:]({_N})" for end in ("1|min", "2|max") for axis in "xy"]
_CORNERS = re.compile(  # Qwen's (x1, y1), (x2, y2); top-left (…), bottom-right (…); x1=…, y1=…, and in an object
    rf"\(({_N},{_N})\)\s*,?(?:\s*(?:and|to)?\s*(?:the\s+)?(?:bottom|lower)[- ]right(?:\s+corner)?[\s:=]*(?:is|at)?)?"
    rf"\s*\(({_N},{_N})\)|\{{?{','.join(_EDGES)}\s*\}}?"
)
_FLAT = re.compile(r"[\[(]([^\[\](){}\"']*)[\])]")
_QUOTED = r"\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^'\\]*(?:\\.[^'\\]*)*'"
_PART = re.compile(rf"(?P<flat>{_FLAT.pattern})|{_QUOTED}|[\[\](){{}},:]|[^\s\[\](){{}},:\"']+|[\"']", re.DOTALL)
_LIST_BODY = re.compile(r"[-+.eE,\s]*[0-9][-+0-9.eE,\s]*")
_WRAPPER = re.compile(r"\\(?:left|right|text|mathrm|[,;! ()\[\]])|\$|\*\*|```(?:json)?|`")
_QWEN_TOKENS = re.compile(r"(<\|object_ref_end\|>|</ref>)|<\|?/?(?:box|ref|quad|object_ref)(?:_start|_end)?\|?>")

_MAX_BESIDE = 120  # characters of words at a box
_AFTER = " \t\r\n.,;!。，；！\"'})]"
_NOUN = r"(?:bounding\s+box(?:es)?|bbox(?:es)?|box(?:es)?|coordinates?|position|location|region|area|answer|objects?)"
_ANNOUNCED = re.compile(  # allowed before a box: nothing, a bullet, "and", and one of these
    r"[\s,;.\"'“{(\[]*(?:(?:[-*•]|\(?[0-9]{1,2}[.):])\s+)?(?:(?:and|&|so|thus|therefore|hence)[\s,]+)?(?:"
    r"(?:(?:here|there|it|this)\s+(?:is|are)\s+)?"
    rf"(?:(?:the|its?|my|final|predicted)\s+)*{_NOUN}(?:\s+(?:in|of|for)(?:\s+the)?(?:\s+\w+){{1,3}})?"  # in JSON
    rf"|(?:the\s+)?[a-z][\w'’/-]*(?:\s+[a-z][\w'’/-]*)?(?:\s+{_NOUN})?\s*(?:\(\w+\)\s*)?[:=]"  # left kidney:
    r"|[a-z][\w'’/-]*(?:\s+[a-z0-9][\w'’/-]*){0,9}?\s*(?:\([a-z][\w\s-]{0,40}\)\s*)?(?:is|are)"  # the lesion is at
    r"(?:\s+(?:clearly\s+)?(?:located|situated|found|visible|seen|shown|detected))?(?:\s+(?:at|in|within|by))?(?:\s+the)?"
    rf"(?:\s+{_NOUN})?|[\u4e00-\u9fff]{{1,16}})?(?:\s+(?:is|are))?[\s:=\"'“{{(\[]*",
    re.IGNORECASE,
)
_DENIES = "[?{negated|no|rejected|possible|hypothetical|than|or|retracts|contrast|others|normal|absent|concedes}]"
_OUTSIDE = re.compile(r"\b(?:outside|doubt it is)(?: at| in)?\W*$", re.IGNORECASE)
_ELSEWHERE = re.compile(r"\b(?:outside|beyond|other|another|opposite|nowhere|used|once|near)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ParsedBoxes:
    """The valid boxes, in order, and how many invalid ones stood among them. Neither means: nothing is there."""

    boxes: tuple[Box, ...]
    invalid: int = 0
    confidences: tuple[float | None, ...] = ()  # one for each box where a literal says so, held within [0, 1]

    @property
    def count(self) -> int:
        """The number of boxes given, valid or not."""
        return len(self.boxes) + self.invalid


def parse_boxes(answer: Json, strict: bool = False) -> ParsedBoxes | None:
    """Return the boxes of an answer (a string, or a JSON value of a ground truth), or None when it states none.

    ``strict``: none as well where something stands beside a box that is not understood.
    """
    written = answer if isinstance(answer, str) else boxes_as_text(answer)
    if written is None or len(written) > MAX_LENGTH:
        return None
    text = _QWEN_TOKENS.sub(lambda found: ": " if found[1] else " ", _WRAPPER.sub(" ", nfkc(written))).strip()
    if len(text) < 64 and " ".join(tokens(text)) in _NO_OBJECTS:
        return ParsedBoxes(())
    text = _CORNERS.sub(lambda found: f"[{','.join(filter(None, found.groups()))}]", text)
    if len(text) <= 256 and _LIST_BODY.fullmatch(text):  # four numbers and nothing else
        box = _box(text)
        return ParsedBoxes((box,)) if box else ParsedBoxes((), 1)
    return _structured(text) or _in_prose(text, strict)


def boxes_as_text(value: Json) -> str | None:
    """Return a JSON value as text, None when it is none."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return None


def _structured(text: str) -> ParsedBoxes | None:
    """Read a JSON or Python literal, or several with commas between; None when it is neither."""
    flats: list[str] = []

    def as_json(part: re.Match[str]) -> str:
        if part["flat"] is not None:
            flats.append(part["flat"][1:-1].strip())
            return str(len(flats) - 1)
        if part[0] in ("[", "(", "]", ")"):
            return "[" if part[0] in "[(" else "]"
        return part[0] if part[0] in ("{", "}", ",", ":") else json.dumps(part[0].strip("\"'"))

    try:
        values = json.loads(f"[{_PART.sub(as_json, text).strip().removesuffix(',')}]", object_pairs_hook=tuple)
        found = [one for value in values for one in _found(value, flats)]
    except (ValueError, RecursionError):
        return None
    valid = [(box, confidence) for box, confidence in found if box]
    boxes, confidences = tuple(box for box, _ in valid), tuple(confidence for _, confidence in valid)
    return ParsedBoxes(boxes, len(found) - len(valid), confidences) if values else None


def _found(value: object, flats: list[str], depth: int = 0) -> Iterator[tuple[Box | None, float | None]]:
    """Yield the boxes of a literal with their confidences, None for an invalid one; alone, a string is no literal.

    A flat list is a number, its place in ``flats``, a dict a tuple of pairs. Raises ValueError for what is no literal.
    """
    if depth > _MAX_DEPTH or (isinstance(value, str) and not depth):
        raise ValueError
    if isinstance(value, list):
        for item in value:
            yield from _found(item, flats, depth + 1)
        return
    confidence = None
    if isinstance(value, tuple):
        named = [(key.lower(), held) for key, held in value]
        given = [held for key, held in named if key in _BOX_KEYS]
        confidence = next((_confidence(held) for key, held in named if key == _CONFIDENCE_KEY), None)
        value = given[0] if len(given) == 1 else None
    elif isinstance(value, int) and not flats[value]:
        return
    yield _box(flats[value]) if isinstance(value, int) else None, confidence


def _in_prose(text: str, strict: bool) -> ParsedBoxes | None:
    """Return the number lists in a sentence; brackets that do not pair (a list cut off) make it unreadable."""
    if any(text.count(opening) != text.count(closing) for opening, closing in ("[]", "()", "{}")) or "~~" in text:
        return None
    may_stand = _announced if strict else _not_denied
    first = re.search(r"[\[{]", text)
    if first and "{" in text:
        end = max(text.rfind("]"), text.rfind("}")) + 1
        literal = _structured(text[first.start() : end])
        if strict or (literal and literal.boxes):
            return literal if may_stand([text[: first.start()]], text[end:]) else None
    lists = [found for found in _FLAT.finditer(text) if "," in found[1] and _LIST_BODY.fullmatch(found[1])]
    ends = [0, *(found.end() for found in lists)]
    before = [text[end : found.start()] for end, found in zip(ends, lists, strict=False)]
    if not lists or not may_stand(before, text[ends[-1] :]):
        return None
    boxes = tuple(box for found in lists if (box := _box(found[1])))
    return ParsedBoxes(boxes, len(lists) - len(boxes))


def _announced(before: list[str], after: str) -> bool:
    """True if only known forms of labels and announcements stand around the boxes."""
    return (
        not after.strip(_AFTER)
        and max(map(len, before)) <= _MAX_BESIDE
        and all(_ANNOUNCED.fullmatch(words) and not _ELSEWHERE.search(words) for words in before)
        and not any(rule(_DENIES).search(Text(words).codes) for words in before)
    )


def _not_denied(before: list[str], after: str) -> bool:
    """True if no word at a box denies it."""
    ahead = [words[-_MAX_BESIDE:] for words in before]
    behind = [words[:_MAX_BESIDE].lstrip("?") for words in (*before[1:], after)]
    return not (
        any(_OUTSIDE.search(words) or rule(DENIED_BEFORE).search(Text(words).codes) for words in ahead)
        or any(rule(DENIED_AFTER).match(Text(words).codes) for words in behind)
    )


def _confidence(held: object) -> float | None:
    text = held if isinstance(held, str) else ""
    return min(1.0, max(0.0, float(text))) if len(text) < 64 and _NUMBER.fullmatch(text) else None


def _box(body: str) -> Box | None:
    if len(body) > 256:
        return None
    parts = [part.strip() for part in body.split(",")] if "," in body else body.split()
    if len(parts) != 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    x1, y1, x2, y2 = (float(part) for part in parts)
    finite = all(math.isfinite(value) for value in (x1, y1, x2, y2))
    return (x1, y1, x2, y2) if finite and x2 > x1 and y2 > y1 else None
