"""Bounding boxes in an answer: ``[x1, y1, x2, y2]``, one or many, in the forms models write them.

    [10, 20, 110, 220]   (10, 20, 110, 220)   10, 20, 110, 220
    [[…], […]]   {"bbox_2d": […], "label": "lesion"}   [{'Position': […], 'Confidence': 0.9}, …]
    ```json …```   (10,20),(110,220) (Qwen's corner pairs)   The lesion is at [10, 20, 110, 220].
    No Objects   []

``strict``, for rewards, takes only boxes alone, labelled ("lesion: […]") or announced ("The lesion is at […].") in
forms that are known. Otherwise any sentence may stand around them, but for words that deny the box they stand at.

A box has four finite numbers with x2 > x1 and y2 > y1. Whatever else stands where a box should (three numbers,
NaN, swapped corners, ``x, y, w, h``, numbers in quotes) is invalid: never repaired, but counted, so that it lowers a
detection score. Coordinates are taken as they are: nothing is rescaled or clipped.

Text is never evaluated. One pass of one regular expression cuts it into at most ``MAX_PARTS`` parts, in which a whole
flat list is one part, so long integers and deep brackets cost nothing.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from infimed_plugins.parsing.normalize import nfkc, tokens
from infimed_plugins.records import Json

Box = tuple[float, float, float, float]

MAX_LENGTH = 40_000  # characters
MAX_PARTS = 10_000
_MAX_DEPTH = 6
BOX_KEYS = frozenset(["bbox_2d", "bbox", "box", "position"])  # Qwen2.5-VL, common, common, Visual-RFT
CONFIDENCE_KEY = "confidence"  # Visual-RFT
NO_OBJECTS = frozenset(
    ["no objects", "no object", "no objects detected", "no objects found", "no objects present", "no lesion", "none"]
)

_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,15}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?")
_N = r"\s*[-+]?[0-9]{1,15}(?:\.[0-9]{0,20})?\s*"
_CORNERS = re.compile(rf"\(({_N},{_N})\)\s*,\s*\(({_N},{_N})\)")
_FLAT = r"[\[(][^\[\](){}\"']*[\])]"
_FLAT_LIST = re.compile(_FLAT)
_PART = re.compile(
    rf"{_FLAT}|\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^'\\]*(?:\\.[^'\\]*)*'|[\[\](){{}},:]|[^\s\[\](){{}},:\"']+|[\"']",
    re.DOTALL,
)
_LIST_BODY = re.compile(r"[-+0-9.eE,\s]+")
_WRAPPER = re.compile(r"\\(?:left|right|text|mathrm|[,;! ()\[\]])|\$|\*\*|```(?:json)?|`")
_QWEN_TOKENS = re.compile(r"(<\|object_ref_end\|>|</ref>)|<\|?/?(?:box|ref|quad|object_ref)(?:_start|_end)?\|?>")

_MAX_BESIDE = 120  # characters of words at a box
_AFTER = " \t\r\n.,;!。，；！\"'})]"
_NOUN = r"(?:bounding\s+box(?:es)?|bbox(?:es)?|box(?:es)?|coordinates?|position|location|region|area|answer|objects?)"
_ANNOUNCED = re.compile(  # nothing, a bullet, "and", "the bounding box is", "lesion:" or "the lesion is located at"
    r"[\s,;.\"'“{(\[]*(?:(?:[-*•]|\(?[0-9]{1,2}[.):])\s+)?(?:(?:and|&|so|thus|therefore|hence)[\s,]+)?"
    rf"(?:(?:(?:here|there|it|this)\s+(?:is|are)\s+)?(?:(?:the|its?|my|final|predicted)\s+)*{_NOUN}(?:\s+(?:is|are))?"
    r"|[a-z][\w'’/-]*(?:\s+[a-z0-9][\w'’/-]*){0,9}?\s*(?:\([a-z][\w\s-]{0,40}\)\s*)?(?:[:=]|(?:(?:is|are)\s+)?(?:"
    r"(?:(?:clearly\s+)?(?:located|situated|found|visible|seen|shown|detected)\s+)?(?:at|in|within|by)(?:\s+the)?"
    rf"(?:\s+{_NOUN})?|is|are))|[\u4e00-\u9fff]{{1,16}})?[\s:=\"'“{{(\[]*",
    re.IGNORECASE,
)
_NO_LABEL = re.compile(
    r"(?<![a-z])(?:not|no|non|never|neither|nor|none|nothing|nowhere|without|except|excluding|outside|beyond|unlike|but|"
    r"wrong|incorrect|false|untrue|or|either|maybe|perhaps|possibly|possible|probably|may|might|could|would|should|if|unless|"
    r"instead|rather|than|another|other|exclud\w+|rul\w+|reject\w*|unsure|uncertain|doubt\w*|cannot|hardly|far|opposite|"
    r"mis\w+|ignore|avoid|deny|denied|absent|negative|used|was|were|previously|formerly|once|near|around|about|approximately|roughly)(?![a-z])|n['’]t(?![a-z])|"
    r"[不非没无未错否或若]|可能|以外|之外",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:(?<![a-z])(?:not|never|neither|nor|no|except|excluding|outside|instead of|rather than|"
    r"anything but|nowhere near|wrong|doubt it is)(?![a-z])|n['’]t(?![a-z])|[~≠¬❌✗✘✖非]|不[是在]?)"
    r"[\s*\"'“(:{\[]*(?:(?:be|in|at|within|located|found|the|an?|box|bounding|lesion|bbox(?:_2d)?)[\s*\"'“(:{\[]*)*$",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"[\s*\"'”’),:;.}\]-]*(?:(?:is|are|was|were|seems?|would|could|can|does|do)\s+(?:be\s+)?)?(?:(?:not|never|wrong|incorrect|false|untrue|"
    r"unlikely)(?![a-z])|(?:is|are|was|does|do|ca)?n['’]t(?![a-z])|or\s+(?:nothing|none|not|no|nowhere|elsewhere)(?![a-z])|"
    r"[~❌✗✘✖✕不错])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ParsedBoxes:
    """The valid boxes, in order, and how many invalid ones stood among them. Neither means: nothing is there."""

    boxes: tuple[Box, ...]
    invalid: int = 0
    confidences: tuple[float | None, ...] = ()  # one for each box where a literal says so, held within [0, 1]

    @property
    def count(self) -> int:
        """How many boxes were given, valid or not."""
        return len(self.boxes) + self.invalid


def parse_boxes(answer: Json, strict: bool = False) -> ParsedBoxes | None:
    """The boxes of an answer (a string, or a JSON value of a ground truth), or None when it states none.

    ``strict``: none as well where something stands beside a box that is not understood.
    """
    written = answer if isinstance(answer, str) else boxes_as_text(answer)
    if written is None or len(written) > MAX_LENGTH:
        return None
    text = _QWEN_TOKENS.sub(lambda found: ": " if found[1] else " ", _WRAPPER.sub(" ", nfkc(written))).strip()
    if len(text) < 64 and " ".join(tokens(text)) in NO_OBJECTS:
        return ParsedBoxes(())
    text = _CORNERS.sub(r"[\1,\2]", text)
    return _structured(text) or _plain_numbers(text) or _in_prose(text, strict)


def boxes_as_text(value: Json) -> str | None:
    """A JSON value as text, None when it is none."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return None


def _structured(text: str) -> ParsedBoxes | None:
    """Read a JSON or Python literal, or several with commas between; None when it is neither."""
    parts: list[str] = []
    for found in _PART.finditer(text):
        parts.append(found[0])
        if len(parts) > MAX_PARTS or found[0] in ("'", '"'):  # a quote that never closes
            return None
    reader = _Reader(parts)
    try:
        reader.items(end="")
    except _NotALiteral:
        return None
    if not reader.seen:
        return None
    return ParsedBoxes(tuple(reader.boxes), reader.invalid, tuple(reader.confidences))


class _NotALiteral(Exception):
    pass


class _Reader:
    """Walks the parts of a literal and collects the boxes; recursion is bounded by _MAX_DEPTH."""

    def __init__(self, parts: list[str]) -> None:
        self._parts = parts
        self._next = 0
        self.boxes: list[Box] = []
        self.confidences: list[float | None] = []
        self.invalid = 0
        self.seen = False  # a list or dict at all

    def items(self, end: str, depth: int = 0) -> None:
        """Values with commas between, up to ``end``."""
        while True:
            part = self._take()
            if part == end:
                return
            self._value(part, depth)
            after = self._take()
            if after == end:
                return
            if after != ",":
                raise _NotALiteral

    def _value(self, part: str, depth: int) -> None:
        if depth > _MAX_DEPTH or part in ("", ",", ":", "]", ")", "}"):
            raise _NotALiteral
        if part in ("[", "("):
            self.items("]" if part == "[" else ")", depth + 1)
        elif part == "{":
            self._dict(depth + 1)
        elif part[0] in "[(":
            self._add(part)
        elif depth:  # a bare word or number where a box should be
            self.invalid += 1
        else:
            raise _NotALiteral
        self.seen = True

    def _dict(self, depth: int) -> None:
        found: list[str] = []
        confidence: float | None = None
        while True:
            key = self._take()
            if key == "}":
                break
            if key in ("", ",", ":") or self._take() != ":":
                raise _NotALiteral
            value = self._take()
            if key[0] in "\"'" and key[1:-1].lower() in BOX_KEYS:
                found.append(value)
            if key[0] in "\"'" and key[1:-1].lower() == CONFIDENCE_KEY:
                confidence = _confidence(value)
            if value in ("[", "(", "{"):
                self._skip(value, depth + 1)
            after = self._take()
            if after == "}":
                break
            if after != ",":
                raise _NotALiteral
        if len(found) == 1 and found[0][0] in "[(" and len(found[0]) > 2:
            self._add(found[0], confidence)
        else:
            self.invalid += 1

    def _skip(self, opening: str, depth: int) -> None:
        """Pass over a nested value that is no box."""
        closing = {"[": "]", "(": ")", "{": "}"}[opening]
        while depth <= _MAX_DEPTH:
            part = self._take()
            if part == closing:
                return
            if part == "":
                break
            if part in ("[", "(", "{"):
                self._skip(part, depth + 1)
        raise _NotALiteral

    def _add(self, flat: str, confidence: float | None = None) -> None:
        body = flat[1:-1].strip()
        if not body:
            return
        box = _box(body)
        if box is None:
            self.invalid += 1
        else:
            self.boxes.append(box)
            self.confidences.append(confidence)

    def _take(self) -> str:
        self._next += 1
        return self._parts[self._next - 1] if self._next <= len(self._parts) else ""


def _plain_numbers(text: str) -> ParsedBoxes | None:
    """Four numbers and nothing else."""
    if len(text) > 256 or not _is_list(text):
        return None
    box = _box(text)
    return ParsedBoxes((box,)) if box else ParsedBoxes((), 1)


def _in_prose(text: str, strict: bool) -> ParsedBoxes | None:
    """The number lists in a sentence; brackets that do not pair (a list cut off) make it unreadable."""
    if any(text.count(opening) != text.count(closing) for opening, closing in ("[]", "()", "{}")):
        return None
    starts = min((text.find(mark) for mark in "[{" if mark in text), default=0)
    if strict and "{" in text:
        ends = max(text.rfind("]"), text.rfind("}")) + 1
        return _structured(text[starts:ends]) if _announced([text[:starts]], text[ends:]) else None
    lists: list[Box | None] = []
    beside, end = [], 0
    for found in _FLAT_LIST.finditer(text):
        body = found[0][1:-1]
        if "," in body and _is_list(body):
            lists.append(_box(body))
            beside.append(text[end : found.start()])
            end = found.end()
    if not lists or not (_announced if strict else _not_denied)(beside, text[end:]):
        return None
    boxes = tuple(box for box in lists if box is not None)
    return ParsedBoxes(boxes, len(lists) - len(boxes))


def _announced(before: list[str], after: str) -> bool:
    """Whether only known forms of labels and announcements stand around the boxes."""
    if after.strip(_AFTER) or max(map(len, before)) > _MAX_BESIDE:
        return False
    return all(_ANNOUNCED.fullmatch(words) and not _NO_LABEL.search(words) for words in before)


def _not_denied(before: list[str], after: str) -> bool:
    """Whether no word at a box denies it."""
    return not any(_DENIED.search(words[-_MAX_BESIDE:]) for words in before) and not any(
        _DENIES.match(words[:_MAX_BESIDE]) for words in (*before[1:], after)
    )


def _is_list(body: str) -> bool:
    return _LIST_BODY.fullmatch(body) is not None and any(digit in body for digit in "0123456789")


def _confidence(text: str) -> float | None:
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
