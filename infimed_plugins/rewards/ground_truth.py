r"""What an answer is compared with, read from whatever a trainer passes on.

    '{"task": "grounding", "answer": [26, 30, 42, 46]}'        the form to write; "options" may be added
    '{"task": "text", "answer": "kidney", "synonyms": ["ren"]}' texts as good as the answer
    '{"task": "detection", "answer": "[[1, 2, 30, 40]]"}'      an answer may be the string form of its value
    '{"task": "grounding", "answer": [2, 3, 4, 6], "frame": "thousandths", "size": [512, 512]}'    see frames.py
    {"task": "text", "answer": "liver", "options": None}       a parquet struct, padded with None
    "liver"                                                    a plain string

The task of a plain string is the ``task`` keyword; without one it goes by its look:

    one letter A to Z, also with brackets or a full stop          multiple_choice
    "No Objects", or several boxes in a list                      detection
    one box                                                       grounding
    a number (fraction, percent, unit), or text with a \command   math
    anything else                                                 text
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast, get_args

from infimed_plugins.errors import DataError
from infimed_plugins.parsing.boxes import parse_boxes
from infimed_plugins.parsing.quantities import clean_math, parse_quantity
from infimed_plugins.parsing.response import extract_answer
from infimed_plugins.records import Frame, GroundTruth, Json, Size, Task

_LETTER = re.compile(r"\(?[A-Z]\)?\.?")


def parse_truth(value: Any, task: str | None = None) -> GroundTruth:
    """The ground truth of one row. ``task`` is used where the value does not name one.

    Raises DataError when there is no answer in it. Whether a reward exists for the task is not checked here.
    """
    if isinstance(value, GroundTruth):
        return value
    if isinstance(value, str):
        return _from_string(value, task) if len(value) <= 10_000 else _from_string.__wrapped__(value, task)
    if isinstance(value, Mapping):
        return _from_mapping(value, task)
    return _from_mapping({"answer": value}, task)


@lru_cache(maxsize=8192)
def _from_string(text: str, task: str | None) -> GroundTruth:
    stripped = text.strip()
    if stripped.startswith("{"):
        try:
            value = json.loads(stripped)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and "answer" in value:
            return _from_mapping(value, task)
    answer = extract_answer(stripped) or stripped
    if not answer:
        raise DataError("the ground truth is empty; give every row an answer")
    return GroundTruth(cast(Task, task or task_of(answer)), answer)


def _from_mapping(row: Mapping[Any, Any], task: str | None) -> GroundTruth:
    answer = _json_value(row.get("answer"))
    if isinstance(answer, str):
        answer = extract_answer(answer) or answer.strip()
    if answer is None or answer == "":
        raise DataError(f"the ground truth {_short(row)} has no answer; give every row an answer")
    options = _json_value(row.get("options"))
    named = row.get("task") or task or task_of(answer)
    if not isinstance(named, str):
        raise DataError(f"the ground truth {_short(row)} has a task that is not a name")
    synonyms = _json_value(row.get("synonyms"))
    for key, value in (("options", options), ("synonyms", synonyms)):
        if value is not None and not isinstance(value, list):
            raise DataError(f"the ground truth {_short(row)} has {key} that are not a list of texts")
    texts = tuple(str(option) for option in options) if options else None
    return GroundTruth(
        cast(Task, named),
        answer,
        texts,
        tuple(str(text) for text in synonyms or ()),
        _frame(row),
        _size(row, "size"),
        _size(row, "resized"),
    )


def _frame(row: Mapping[Any, Any]) -> Frame:
    frame = row.get("frame") or "truth"
    if frame not in get_args(Frame):
        raise DataError(f"the ground truth {_short(row)} has a frame that is none of {', '.join(get_args(Frame))}")
    return cast(Frame, frame)


def _size(row: Mapping[Any, Any], key: str) -> Size | None:
    value = _json_value(row.get(key))
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(_is_length(side) for side in value):
        raise DataError(f"the ground truth {_short(row)} has a {key} that is not [width, height] in pixels")
    return float(value[0]), float(value[1])


def _is_length(side: Json) -> bool:
    return isinstance(side, (int, float)) and not isinstance(side, bool) and 0 < side < 1e6


def task_of(answer: Json) -> Task:
    """The task an answer without one looks like, by the table above."""
    text = answer if isinstance(answer, str) else _short(answer, 2000)
    if isinstance(answer, str) and _LETTER.fullmatch(answer.strip()):
        return "multiple_choice"
    boxes = parse_boxes(answer)
    if boxes is not None and not (boxes.invalid and not boxes.boxes):
        return "grounding" if boxes.count == 1 and not text.lstrip().startswith("[[") else "detection"
    if "\\" in text or parse_quantity(clean_math(text[:4096])) is not None:
        return "math"
    return "text"


def _json_value(value: Any) -> Json:
    """numpy arrays and scalars as lists and numbers; the rest as it is."""
    to_list = getattr(value, "tolist", None)
    if to_list is not None:
        value = to_list()
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    return value


def _short(value: object, length: int = 120) -> str:
    try:
        return repr(value)[:length]
    except (ValueError, RecursionError):
        return f"(a {type(value).__name__} too large to show)"
