"""MedXpertQA MM: board-level questions with one to six pictures (Zuo et al. 2025). hub: TsinghuaC3I/MedXpertQA

    {"id": "MM-26", "question": "A 45-year-old man … What is seen?\\nAnswer Choices: (A) Gout (B) Lupus (C) …",
     "options": {"A": "Gout", "B": "Lupus", "C": "…", "D": "…", "E": "…"}, "label": "B", "images": ["MM-26-a.jpeg"],
     "medical_task": "Diagnosis", "body_system": "Skeletal", "question_type": "Reasoning"}

The question repeats its options at its end; they are cut off. GitHub's copy has a list of ``{"letter", "content"}`` for
options, a list for the label, and ``{"image_path": "MM-26-a.jpeg"}`` for a picture. Pictures are in ``images.zip``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from infimed_plugins.records import OPTION_LETTERS, ImageRef, Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, as_text, clean, letter_among, row_id
from infimed_plugins.sources.tables import json_rows, parquet_rows

COLUMNS = ("id", "question", "options", "label", "images", "medical_task", "body_system", "question_type")
REPEATED = "\nAnswer Choices:"


class MedXpertQaMm(PublicSource):
    """The questions with pictures."""

    name = "medxpertqa_mm"
    splits = ("dev", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """JSON lines, or the hub's conversion to parquet; pictures in an archive."""
        paths = files.all(*layouts("MM", split))
        images = files.archive("images.zip")
        found = parquet_rows(paths, COLUMNS) if paths[0].suffix == ".parquet" else json_rows(paths[0], COLUMNS)
        for index, row in enumerate(found):
            yield Row(row_id(row, "id", index), {**row, "images": partial(_pictures, images.image, row)})

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice with all of its pictures."""
        asked, images = question_of(row.fields), row.fields["images"]()
        if not images:
            raise UnusableRow("its image is missing")
        more: dict[str, Any] = {"options": asked.options, "images": images, "meta": asked.meta}
        return self.make(row, split, asked.text, "multiple_choice", asked.letter, **more)


def layouts(part: str, split: str) -> list[str]:
    """Where the rows of a part lie: JSON lines, the hub's conversion to parquet; on GitHub the test rows."""
    on_github = f"medxpertqa_{part.lower()}_input.jsonl"
    more = [f"eval/data/medxpertqa/input/{on_github}", on_github] if split == "test" else []
    return [f"{part}/{split}.jsonl", f"{part}/{split}-*.parquet", f"{part}/{split}/*.parquet", *more]


class Asked(NamedTuple):
    """What both parts of MedXpertQA have in a row."""

    text: str
    letter: str
    options: tuple[str, ...]
    meta: dict[str, Any]


def question_of(fields: Mapping[str, Any]) -> Asked:
    """The question without its options, the right letter, the options. Raises UnusableRow when one is missing."""
    options, label = _options(fields["options"]), fields["label"]
    text = as_text(fields["question"]).rpartition(REPEATED)[0] or fields["question"]
    meta = {"kind": fields["question_type"]}
    meta |= {key: fields[key] for key in ("medical_task", "body_system") if fields[key]}
    return Asked(text, letter_among(label[0] if isinstance(label, list) and label else label, options), options, meta)


def _pictures(opener: Callable[[str, str], ImageRef], row: Mapping[str, Any]) -> tuple[ImageRef, ...]:
    written = [image["image_path"] if isinstance(image, dict) else image for image in row["images"]]
    names = [str(name).removeprefix("images/") for name in written]
    return tuple(opener(f"images/{name}", name) for name in names)


def _options(written: Any) -> tuple[str, ...]:
    """The options of a dict A, B, …, or of a list of letters and contents. Raises UnusableRow when one is missing."""
    if isinstance(written, list):
        written = {option["letter"]: option["content"] for option in written}
    options = {letter: clean(text) for letter, text in sorted(written.items()) if clean(text)}
    if "".join(options) != OPTION_LETTERS[: len(options)]:
        raise UnusableRow("a choice is empty", f"options {', '.join(options)}")
    return tuple(options.values())


MEDXPERTQA_MM = MedXpertQaMm()
