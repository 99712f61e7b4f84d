"""Read a user's own question-answer pairs: ``DIR/SPLIT`` with .jsonl, .json, .csv, .tsv or .parquet (tables/rows.py).

    {"id": "q1", "question": "Which organ is shown?", "answer": "B", "options": ["liver", "lung"], "image": "a.png"}

A question and an answer are needed, under one of the names below; of two that a row has, the first counts. Without a
``task`` a row with options is multiple_choice (choices.py says how options and answer may be written), one whose answer
is a box grounding, several boxes detection, and any other text. ``language``, ``rationale``, ``synonyms`` (answers as
good) and ``meta`` are taken as they are. Images are files below the folder of the file, or in it as bytes or base64.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Number
from os.path import relpath
from pathlib import Path
from typing import Any, get_args

from infimed_plugins.errors import ConfigError, MissingFileError, MissingImageError
from infimed_plugins.parsing.boxes import parse_boxes
from infimed_plugins.parsing.response import extract_answer
from infimed_plugins.paths import below
from infimed_plugins.records import BadRow, ImageRef, Json, Sample, Task
from infimed_plugins.sources import SourceEntry
from infimed_plugins.sources.choices import plain, read_choice, read_options
from infimed_plugins.sources.files import image_file
from infimed_plugins.sources.public import IMAGE_TAG, PublicSource, Row, UnusableRow, as_text, without_image_tags
from infimed_plugins.tables.cells import blank, pick, picked, structured
from infimed_plugins.tables.rows import FileRow, named_columns, read_rows

ANY_SPLIT = "*"
ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
QUESTION = ("question", "problem", "query", "prompt")
ANSWER = (
    "answer",
    "gold",
    "gt_answer",
    "ground_truth",
    "correct_answer",
    "correct_option",
    "target",
    "label",
    "answer_idx",
    "answer_index",
    "answer_key",
    "cop",  # MedMCQA
    "solution",  # R1-V and VLM-R1: "<answer> B </answer>"
)
IMAGES = (
    "images",
    "image",
    "image_path",
    "image_paths",
    "image_file",
    "image_name",
    "img",
    "img_path",
    "img_name",
    "figure_path",  # PMC-VQA
    "picture",
)
LANGUAGE = ("language", "lang", "q_lang")
IDS = ("id", "row_id", "qid", "question_id")
_HAN = re.compile("[\u4e00-\u9fff]")
_BASE64 = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "data:image/")  # JPEG, PNG, GIF, WebP


class Pairs(PublicSource):
    """A file of a user's; its name without the ending is the split, or with it where there are several."""

    name = "pairs"
    splits = (ANY_SPLIT,)

    @property
    def entry(self) -> SourceEntry:
        """An entry that says nothing of the user's file."""
        return SourceEntry("Your own pairs", "a file of yours", "your own")

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample | BadRow]:
        """Read ``folder/split.*``.

        Raises ConfigError without a folder or for two such files, MissingFileError without one, and DataError for a
        file of which no row can be read.
        """
        if folder is None:
            raise ConfigError("pairs are read from a file of yours: name its folder with --from")
        path = _file(split, folder)
        self._opened[split, folder] = {path: None}
        for index, found in enumerate(read_rows(path)):
            if limit is not None and index >= limit:
                return
            id = as_text(plain(pick(found.fields, IDS))) or f"{index:06d}"
            yield self.read(Row(id, {"row": found, "folder": path.parent}), path.stem)

    def sample(self, row: Row, split: str) -> Sample:
        """Return the Sample of a row. Raises UnusableRow or MissingImageError."""
        found: FileRow = row.fields["row"]
        if found.fault:
            raise UnusableRow(found.fault, found.detail)
        fields = found.fields
        question, answer = _needed(fields, "question", QUESTION), _needed(fields, "answer", ANSWER)
        if not _is_text(question):
            raise UnusableRow("the question is no text", repr(question)[:100])
        options, answer = read_options(fields), _without_tags(answer)
        task = _task(pick(fields, ("task",)), answer, options)
        images = tuple(_image(row.fields["folder"], image) for image in _images(fields))
        tags = IMAGE_TAG.findall(as_text(question))
        if len(images) < tags.count("<image>") + len({*tags} - {"<image>"}):
            raise UnusableRow("fewer images than image tags", f"{len(images)}; looked for {', '.join(IMAGES)}")
        return self.make(
            row,
            split,
            without_image_tags(question),
            task,
            _gold(task, answer, options),
            images=images,
            options=options,
            rationale=as_text(pick(fields, ("rationale",))) or None,
            language=as_text(pick(fields, LANGUAGE)) or ("zh" if _HAN.search(as_text(question)) else "en"),
            meta=_meta(fields),
        )


def _file(split: str, folder: Path) -> Path:
    for root in (folder, folder / Pairs.name):
        named = [root / split] if (root / split).is_file() else [root / f"{split}{ending}" for ending in ENDINGS]
        found = [path for path in named if path.is_file()]
        if len(found) > 1:
            raise ConfigError(f"{' and '.join(map(str, found))} are both there: name one with its ending")
        if found:
            return below(folder, relpath(found[0], folder))
    ending = "" if split.endswith(ENDINGS) else f"{ENDINGS[0]} (or {', '.join(ENDINGS[1:])})"
    raise MissingFileError(f"there is no {folder / split}{ending}; give a file of questions and answers")


def _needed(fields: Mapping[str, Any], what: str, names: Sequence[str]) -> Any:
    found = pick(fields, names)
    if found is None:
        raise UnusableRow(f"no {what}", f"looked for {', '.join(names)}; the row has {named_columns(fields)}")
    return found


def _is_text(value: Any) -> bool:
    """True for text and for finite numbers, which can be written as text; a date or truth value has several forms."""
    if isinstance(value, (str, int)):  # an int may be too large for a float
        return not isinstance(value, bool)
    return isinstance(value, Number) and math.isfinite(value)  # type: ignore[arg-type]


def _without_tags(answer: Any) -> Any:
    return extract_answer(answer) if isinstance(answer, str) and "<answer>" in answer else answer


def _task(named: Any, answer: Any, options: tuple[str, ...] | None) -> Task:
    """Return the task that a row names, or the one it looks like."""
    if named is not None and named not in get_args(Task):
        raise UnusableRow("unknown task", repr(named)[:100])
    if named is not None:
        task: Task = named
        return task
    if options:
        return "multiple_choice"
    value = structured(answer)
    boxes = parse_boxes(value, strict=True) if isinstance(value, list) and value else None
    if boxes is None or not boxes.boxes or boxes.invalid:
        return "text"
    return "detection" if isinstance(value[0], (list, dict)) else "grounding"


def _gold(task: Task, answer: Any, options: tuple[str, ...] | None) -> Json:
    """Return the right answer in the form of its task."""
    if task == "multiple_choice":
        if options is None:
            raise UnusableRow("no options")
        return read_choice(structured(answer), options)
    if task in ("grounding", "detection"):
        return _boxes(task, answer)
    value = answer if task == "math" and isinstance(answer, str) else structured(answer)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, list) and value:
        raise UnusableRow("several answers: give one, and those as good under synonyms", repr(value)[:100])
    if blank(value) or value == []:
        raise UnusableRow("no answer")
    if not _is_text(value):
        raise UnusableRow("the answer is no text", repr(value)[:100])
    return as_text(plain(value))


def _boxes(task: Task, answer: Any) -> Json:
    found = parse_boxes(structured(answer), strict=True)
    if found is None or found.invalid:
        raise UnusableRow("a box cannot be read" if found else "no box in the answer", repr(answer)[:100])
    boxes = [[plain(value) for value in box] for box in found.boxes]
    if task == "detection":
        return boxes
    if len(boxes) != 1:
        raise UnusableRow("grounding needs one box", repr(answer)[:100])
    return boxes[0]


def _several(value: Any) -> list[Any]:
    """Return a cell's value or values as a list."""
    value = structured(value)
    return value if isinstance(value, list) else [] if blank(value) else [value]


def _images(fields: Mapping[str, Any]) -> list[Any]:
    """Return the images of a row, of the first column that has any."""
    columns = map(_several, picked(fields, IMAGES))
    return next((images for images in columns if not all(map(blank, images))), [])


def _image(folder: Path, value: Any) -> ImageRef:
    """Return an image from a file's name, its bytes, their base64, or ``{"bytes": …, "path": …}``."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("bytes", "path") if not blank(value.get(key))), None)
    if isinstance(value, (bytes, bytearray)) and value:
        return ImageRef(data=bytes(value))
    if not isinstance(value, str) or blank(value):
        raise MissingImageError(f"{value!r:.100} is no image")
    if value.startswith(_BASE64):
        try:
            return ImageRef(data=base64.b64decode(value.rpartition(",")[2], validate=True))
        except binascii.Error as error:
            raise MissingImageError(f"{value[:40]}… is no base64 ({error})") from error
    return image_file(folder, value.strip(), value.strip().replace("\\", "/"))


def _meta(fields: Mapping[str, Any]) -> dict[str, Json]:
    meta = structured(pick(fields, ("meta",))) or {}
    if not isinstance(meta, dict):
        raise UnusableRow("meta is no object", repr(meta)[:100])
    synonyms = _several(pick(fields, ("synonyms",)) or meta.get("synonyms"))
    return {**meta, "synonyms": [as_text(text) for text in synonyms if not blank(text)]} if synonyms else dict(meta)


PAIRS = Pairs()
