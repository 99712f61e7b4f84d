r"""Read the ground truth that an answer is compared with from the value that a trainer passes on.

    '{"task": "grounding", "answer": [26, 30, 42, 46]}'        the form to write; "options" may be added
    '{"task": "text", "answer": "kidney", "synonyms": ["ren"]}' texts as good as the answer
    '{"task": "text", "answer": "kidney", "question": "Which organ?"}' for a judge (judge/reward.py)
    '{"task": "detection", "answer": "[[1, 2, 30, 40]]"}'      an answer may be the string form of its value
    '{"task": "grounding", "answer": [2, 3, 4, 6], "frame": "thousandths", "size": [512, 512]}'    see box_iou.py
    {"task": "text", "answer": "liver", "options": None}       a parquet struct, padded with None
    "liver", 3.0, True, ["liver", "hepatic"]                   a plain value; of several texts each is right

Each means what it says; anything else is a bad row: a missing value of any library, what looks like JSON and is none,
an answer that no reply can earn. Keys that are not known are passed over, whatever they hold.

The task of a plain value is the ``task`` keyword; without one it goes by its look:

    options beside it, or one letter A to Z, also with brackets or a full stop    multiple_choice
    "No Objects", or several boxes in a list                                      detection
    one box                                                                       grounding
    numbers (fraction, percent, unit), or text with a \command                   math
    anything else                                                                 text
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, cast, get_args

from infimed_plugins.bounded_cache import cached
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.parsing.boxes import ParsedBoxes, parse_boxes
from infimed_plugins.parsing.option_marks import UNKNOWN
from infimed_plugins.parsing.options import read_option
from infimed_plugins.parsing.quantities import clean_math, parse_quantity
from infimed_plugins.parsing.response import extract_answer
from infimed_plugins.records import OPTION_LETTERS, TASKS, Frame, GroundTruth, Json, Size, Task, is_choice
from infimed_plugins.tables.cells import NO_WORDS, missing

_LETTER = re.compile(r"\(?[A-Z]\)?\.?")
_LETTERS = re.compile(r"[A-Z](?:(?:[\s,;&]|and)+[A-Z])+")
_LIKE_JSON = re.compile(r"""\{\s*["'}]|\[\s*(?:["'{]|None|null|nan|NaN)|\[[^\])]*$|"\s*[{[]""")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|nan|inf", re.IGNORECASE)
_MISSING = NO_WORDS | {"None", "null", "NULL"}  # a missing value after str() or JSON
_ALIASES = {"option": "multiple_choice", "jaccard": "text", "math_verify": "math", "iou": "grounding"}
_MAX_BITS = 14_000  # an integer that Python writes out


def parse_truth(value: Any, task: str | None = None) -> GroundTruth:
    """Return the ground truth of one row. ``task`` is used where the value does not name one.

    Raises DataError for an unknown form. It is not checked here that the task has a reward.
    """
    if isinstance(value, GroundTruth):
        if isinstance(value.options, (tuple, type(None))) and isinstance(value.synonyms, tuple):
            return value
        return replace(value, options=tuple(value.options or ()) or None, synonyms=tuple(value.synonyms or ()))
    if isinstance(value, str):
        return _from_string(value, task)
    return _from_mapping(value if isinstance(value, Mapping) else {"answer": value}, task)


def check_frame(name: str | None) -> Frame | None:
    """Return the frame of that name. Raises ConfigError where there is none."""
    if name is not None and name not in get_args(Frame):
        raise ConfigError(f"answer_frame is {name!r}; one of {', '.join(get_args(Frame))}")
    return cast(Frame | None, name)


def in_frame(truth: GroundTruth, frame: Frame | None) -> GroundTruth:
    """Return the truth with answers to it declared to be in ``frame``, unless it names one itself."""
    return truth if frame is None or truth.frame != "truth" else replace(truth, frame=frame)


@cached(8192)
def _from_string(text: str, task: str | None) -> GroundTruth:
    value = _unpacked(text)
    return _from_mapping(value if isinstance(value, dict) else {"answer": value}, task)


def _unpacked(text: str) -> Json:
    """Parse a text that looks like JSON, also JSON in JSON; any other text stays as it is."""
    text = text.removeprefix("\ufeff").strip()
    if not _LIKE_JSON.match(text) or _holds_boxes(text):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the ground truth {_short(text)} is no valid JSON; write it with json.dumps") from error
    return _unpacked(value) if isinstance(value, str) else value


def _from_mapping(row: Mapping[Any, Any], task: str | None) -> GroundTruth:
    named = _json_value(row.get("task")) or task
    if named is not None and not isinstance(named, str):
        raise _bad(row, "has a task that is not a name")
    if named and named.strip().lower() in TASKS:
        named = named.strip().lower()
    answer, own = _json_value(row.get("answer")), bool(named) and named not in TASKS and named not in _ALIASES
    if isinstance(answer, str) and not own:
        answer = _unpacked(extract_answer(answer) or ("" if "<answer>" in answer else answer))
        if isinstance(answer, dict) and "answer" in answer:
            return _from_mapping({**row, **answer}, named)
    options, synonyms, kind = _texts(row, "options"), _texts(row, "synonyms"), named
    if not own:  # a reward of somebody's own may take anything
        kind, answer, synonyms = _known_form(row, answer, named, options, synonyms)
    if answer is None or answer == "":
        close = get_close_matches("answer", [str(key) for key in row if key != "answer"], n=1, cutoff=0.6)
        mend = f"did you mean {close[0]!r} to be 'answer'?" if close else "give every row an answer"
        raise _bad(row, f"has no answer; {mend}")
    frame = _json_value(row.get("frame")) or "truth"
    if frame not in get_args(Frame):
        raise _bad(row, f"has a frame that is none of {', '.join(get_args(Frame))}")
    sizes = _size(row, "size"), _size(row, "resized")
    question = row.get("question")
    asked = question if isinstance(question, str) else ""
    return GroundTruth(cast(Task, kind), answer, options or None, synonyms, cast(Frame, frame), *sizes, asked)


def _known_form(
    row: Mapping[Any, Any], answer: Json, task: str | None, options: tuple[str, ...], synonyms: tuple[str, ...]
) -> tuple[str, Json, tuple[str, ...]]:
    """Return the task, answer and synonyms of a row for one of our own rewards."""
    texts = isinstance(answer, list) and bool(answer) and all(isinstance(text, str) for text in answer)
    if texts and task != "math" and not _holds_boxes(answer):
        answer = [text.strip() for text in answer]
        if options or task == "multiple_choice" or all(map(_LETTER.fullmatch, answer)):
            answer, task = ", ".join(answer), task or "multiple_choice"
        else:
            answer, synonyms = answer[0], (*answer[1:], *synonyms)
    answer = _plain(row, answer, options)
    kind = task or ("multiple_choice" if options else task_of(answer))
    if answer is not None and answer != "":
        answer = _payable(row, _ALIASES.get(kind, kind), answer, options)
    return kind, answer, synonyms


def _plain(row: Mapping[Any, Any], answer: Json, options: tuple[str, ...]) -> Json:
    """Return the answer in one form of its type; None where it is the trace of a missing value."""
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, float):
        return int(answer) if answer.is_integer() else answer
    if isinstance(answer, int) and answer.bit_length() > _MAX_BITS:
        raise DataError("the ground truth is an integer too long to compare; write it as a power")
    if isinstance(answer, str):
        if not answer.isascii() and any("\ud800" <= mark <= "\udfff" for mark in answer):
            raise _bad(row, "holds half a character (a lone surrogate)")
        return None if answer in _MISSING and answer not in options else answer
    if answer is not None and not isinstance(answer, (int, list)):
        raise _bad(row, f"has an answer of the type {type(answer).__name__}")
    return answer


def _payable(row: Mapping[Any, Any], task: str, answer: Json, options: tuple[str, ...]) -> Json:
    """Return the answer, of a choice its letters. Raises DataError for one that no reply to its task can earn."""
    if task == "multiple_choice":
        count = len(options) or UNKNOWN
        if is_choice(answer, count):
            return answer
        letters = read_option(str(answer), options, strict=True, several=True).answer
        listed = re.findall("[A-Z]", str(answer)) if _LETTERS.fullmatch(str(answer)) else ()
        if not letters or not set(listed) <= set(OPTION_LETTERS[:count]):
            raise _bad(row, "names none of its options" if options else "names no option by its letter")
        return letters
    boxes = _boxes(answer)
    if task in ("grounding", "detection"):
        if boxes is None or boxes.invalid or (task == "grounding" and boxes.count != 1):
            raise _bad(row, "is no box [x1, y1, x2, y2]" + ", nor a list of them" * (task == "detection"))
    elif task == "math":
        numbers = answer if isinstance(answer, list) else [answer]
        if any(isinstance(one, (list, dict, type(None))) or not clean_math(str(one)) for one in numbers):
            raise _bad(row, "is no number, nor a list of numbers")
    elif not isinstance(answer, (str, int, float)):
        raise _bad(row, "is no text")
    return answer


def _texts(row: Mapping[Any, Any], key: str) -> tuple[str, ...]:
    """Return a list of texts, for options also an object by letters, as JSON too; empty where it is missing."""
    value = _json_value(row.get(key))
    value = _unpacked(value) if isinstance(value, str) else value
    if isinstance(value, dict) and key == "options":
        named = {str(name).strip(" ().").upper(): text for name, text in value.items()}
        value = [named[name] for name in sorted(named)] if sorted(named) == [*OPTION_LETTERS[: len(value)]] else 0
    if value is None or value == "":
        return ()
    if not isinstance(value, list) or any(isinstance(text, bool) for text in value):
        raise _bad(row, f"has {key} that are not a list of texts")
    if not all(isinstance(text, (str, int, float)) and str(text).strip() not in ("", *NO_WORDS) for text in value):
        raise _bad(row, f"has {key} of which one is missing or no text")
    return tuple(str(text) for text in value)


def _boxes(answer: Json) -> ParsedBoxes | None:
    """Return the boxes of an answer, also if one is invalid; None for anything without a box's four numbers."""
    try:
        boxes = parse_boxes(answer)
    except (TypeError, ValueError, RecursionError):
        return None
    if boxes is not None and boxes.invalid and not boxes.boxes:
        count = len(_NUMBER.findall(str(answer)[:2000]))
        return boxes if count and count % 4 == 0 else None
    return boxes


def _holds_boxes(text: Json) -> bool:
    boxes = _boxes(text)
    return boxes is not None and bool(boxes.boxes)


def _bad(row: Mapping[Any, Any], what: str) -> DataError:
    return DataError(f"the ground truth {_short(row)} {what}")


def _size(row: Mapping[Any, Any], key: str) -> Size | None:
    value = _json_value(row.get(key))
    if value is None or value == [None, None]:
        return None
    sides = value if isinstance(value, list) and len(value) == 2 else (None,)
    if any(isinstance(side, bool) or not isinstance(side, (int, float)) or not 0 < side < 1e6 for side in sides):
        raise _bad(row, f"has a {key} that is not [width, height] in pixels")
    return float(value[0]), float(value[1])


def task_of(answer: Json) -> Task:
    """Return the task an answer without one looks like, by the table above."""
    text = answer if isinstance(answer, str) else _short(answer, 2000)
    if isinstance(answer, str) and _LETTER.fullmatch(answer.strip()):
        return "multiple_choice"
    boxes = _boxes(answer)
    words = isinstance(answer, str) and "[" not in answer and answer.strip(" .").casefold() != "no objects"
    if boxes is not None and not (words and not boxes.count):
        return "grounding" if boxes.count == 1 and not text.lstrip().startswith("[[") else "detection"
    if isinstance(answer, list) or "\\" in text or parse_quantity(clean_math(text[:4096])) is not None:
        return "math"
    return "text"


def _json_value(value: Any) -> Json:
    """Turn numpy arrays and scalars into lists and numbers, a missing value of any library into None."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    return None if missing(value) or value in (float("inf"), float("-inf")) else value


def _short(value: object, length: int = 120) -> str:
    try:
        return repr(value)[:length]
    except (ValueError, RecursionError):
        return f"(a {type(value).__name__} too large to show)"
