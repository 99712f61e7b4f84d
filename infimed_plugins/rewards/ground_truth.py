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
import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, cast, get_args

from infimed_plugins.errors import DataError
from infimed_plugins.parsing.boxes import parse_boxes
from infimed_plugins.parsing.quantities import clean_math, parse_quantity
from infimed_plugins.parsing.response import extract_answer
from infimed_plugins.records import Frame, GroundTruth, Json, Size, Task

_LETTER = re.compile(r"\(?[A-Z]\)?\.?")
_LABELLED = re.compile(r"\(?([A-Z])[).:]+\s*(.+)", re.DOTALL)
_OBJECT = re.compile(r"""\{\s*["'}]""")
_MISSING_TEXTS = frozenset({"nan", "NaN", "None", "<NA>", "NaT", "null", "NULL"})  # what str() makes of a missing value


def parse_truth(value: Any, task: str | None = None) -> GroundTruth:
    """The ground truth of one row. ``task`` is used where the value does not name one.

    Raises DataError when there is no answer in it. Whether a reward exists for the task is not checked here.
    """
    if isinstance(value, GroundTruth):
        return value
    if isinstance(value, str):
        return _from_string(value, task) if len(value) <= 10_000 else _from_string.__wrapped__(value, task)
    return _from_mapping(value if isinstance(value, Mapping) else {"answer": value}, task)


@lru_cache(maxsize=8192)
def _from_string(text: str, task: str | None) -> GroundTruth:
    stripped = text.removeprefix("\ufeff").strip()
    if stripped.startswith(("{", '"')):
        try:
            value = json.loads(stripped)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and ("answer" in value or not _holds_boxes(stripped)):
            return _from_mapping(value, task)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return _from_string(value, task)
        if value is None and _OBJECT.match(stripped):
            raise DataError(f"the ground truth {_short(stripped)} is no valid JSON; write it with json.dumps")
    return _from_mapping({"answer": stripped}, task)


def _from_mapping(row: Mapping[Any, Any], task: str | None) -> GroundTruth:
    answer = _json_value(row.get("answer"))
    if isinstance(answer, str) and _OBJECT.match(answer.strip()) and not _holds_boxes(answer):
        return _from_string(answer, row.get("task") or task)
    options, synonyms = _texts(row, "options"), _texts(row, "synonyms") or ()
    answer = _one_answer(answer, options)
    if answer is None or answer == "":
        raise DataError(f"the ground truth {_short(row)} has no answer; {_meant(row)}")
    if isinstance(answer, list) and answer and all(isinstance(text, str) and not parse_boxes(text) for text in answer):
        if all(_LETTER.fullmatch(str(text).strip()) for text in answer):
            answer = "".join(str(text).strip(" ().") for text in answer)
            task = task or "multiple_choice"
        else:
            synonyms = (*(str(text) for text in answer[1:]), *synonyms)
            answer = answer[0]
    named = _json_value(row.get("task")) or task or _task_among(answer, options)
    if not isinstance(named, str):
        raise DataError(f"the ground truth {_short(row)} has a task that is not a name")
    _check_payable(row, named, answer, options)
    return GroundTruth(
        cast(Task, named), answer, options, synonyms, _frame(row), _size(row, "size"), _size(row, "resized")
    )


def _one_answer(answer: Json, options: tuple[str, ...] | None) -> Json:
    """The answer without its frame; None where it is the trace of a missing value."""
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, float) and answer.is_integer():
        return int(answer)
    if isinstance(answer, str):
        answer = extract_answer(answer) or answer.strip()
        return None if answer in _MISSING_TEXTS and answer not in (options or ()) else answer
    return answer


def _texts(row: Mapping[Any, Any], key: str) -> tuple[str, ...] | None:
    value = _json_value(row.get(key))
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(text, (str, int, float)) for text in value):
        raise DataError(f"the ground truth {_short(row)} has {key} that are not a list of texts")
    return tuple(str(text) for text in value) or None


def _task_among(answer: Json, options: tuple[str, ...] | None) -> Task:
    labelled = _LABELLED.fullmatch(answer) if options and isinstance(answer, str) else None
    own = (
        options[place].casefold() if options and labelled and (place := ord(labelled[1]) - 65) < len(options) else None
    )
    if labelled and own and labelled[2].strip().casefold() == own.strip():
        return "multiple_choice"
    return task_of(answer)


def _holds_boxes(text: str) -> bool:
    boxes = parse_boxes(text)
    return boxes is not None and bool(boxes.boxes)


def _check_payable(row: Mapping[Any, Any], task: str, answer: Json, options: tuple[str, ...] | None) -> None:
    """Raise DataError for an answer that no reply to its task can earn."""
    if task in ("grounding", "iou", "detection"):
        boxes = parse_boxes(answer)
        if boxes is None or boxes.invalid:
            raise DataError(f"the ground truth {_short(row)} is no box [x1, y1, x2, y2], nor a list of them")
    if task == "multiple_choice" and options:
        letters = _LETTER.fullmatch(answer.strip()) if isinstance(answer, str) else None
        beyond = letters and ord(letters[0].strip("().")) - ord("A") >= len(options)
        if beyond or not isinstance(answer, str):
            raise DataError(f"the ground truth {_short(row)} names none of its {len(options)} options by letter")
    if isinstance(answer, int) and answer.bit_length() > 14_000:
        raise DataError("the ground truth is an integer too long to compare; write it as a text or a power")


def _meant(row: Mapping[Any, Any]) -> str:
    """The mend of a row without an answer: the key that was probably meant."""
    close = get_close_matches("answer", [str(key) for key in row], n=1, cutoff=0.6)
    return (
        f"did you mean {close[0]!r} to be 'answer'?" if close and close[0] != "answer" else "give every row an answer"
    )


def _frame(row: Mapping[Any, Any]) -> Frame:
    frame = _json_value(row.get("frame")) or "truth"
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
    words = isinstance(answer, str) and "[" not in answer and answer.strip(" .").casefold() != "no objects"
    if boxes is not None and not (words and not boxes.count) and not (boxes.invalid and not boxes.boxes):
        return "grounding" if boxes.count == 1 and not text.lstrip().startswith("[[") else "detection"
    if "\\" in text or parse_quantity(clean_math(text[:4096])) is not None:
        return "math"
    return "text"


def _json_value(value: Any) -> Json:
    """numpy arrays and scalars as lists and numbers, a missing value of any library as None; the rest as it is."""
    to_list = getattr(value, "tolist", None)
    if to_list is not None:
        value = to_list()
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def is_missing(value: Any) -> bool:
    """Whether a cell holds no value: None, or NaN, NaT or NA of any library."""
    return _json_value(value) is None


def _short(value: object, length: int = 120) -> str:
    try:
        return repr(value)[:length]
    except (ValueError, RecursionError):
        return f"(a {type(value).__name__} too large to show)"
