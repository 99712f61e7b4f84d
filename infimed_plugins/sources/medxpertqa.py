"""MedXpertQA: board-level questions, MM with one to six pictures, Text without (Zuo et al. 2025).

hub: TsinghuaC3I/MedXpertQA

    {"id": "MM-26", "question": "A 45-year-old man … What is seen?\\nAnswer Choices: (A) Gout (B) Lupus (C) …",
     "options": {"A": "Gout", "B": "Lupus", "C": "…", "D": "…", "E": "…"}, "label": "B", "images": ["MM-26-a.jpeg"],
     "medical_task": "Diagnosis", "body_system": "Skeletal", "question_type": "Reasoning"}

A row of Text has no ``images`` and ten options. The question repeats its options at its end; they are cut off. GitHub's
copy has a list of ``{"letter", "content"}`` for options, a list for the label, and ``{"image_path": "MM-26-a.jpeg"}``
for a picture. Pictures are in ``images.zip``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from infimed_plugins.records import OPTION_LETTERS, ImageRef, Sample
from infimed_plugins.sources.choices import letter_among
from infimed_plugins.sources.files import Archive, Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, as_text, clean
from infimed_plugins.sources.tables import read_files

COLUMNS = ("id", "question", "options", "label", "medical_task", "body_system", "question_type")
REPEATED = "\nAnswer Choices:"


def layouts(part: str) -> dict[str, list[str]]:
    """Return the paths of a part's rows: JSON lines, the hub's parquet conversion; on GitHub the test rows."""
    on_github = f"medxpertqa_{part.lower()}_input.jsonl"
    hub = {
        split: [f"{part}/{split}{end}" for end in (".jsonl", "-*.parquet", "/*.parquet")] for split in ("dev", "test")
    }
    return {**hub, "test": [*hub["test"], f"eval/data/medxpertqa/input/{on_github}", on_github]}


class MedXpertQaMm(PublicSource):
    """The questions with pictures, which are in an archive."""

    name: ClassVar[str] = "medxpertqa_mm"
    splits = ("dev", "test")
    paths: ClassVar[dict[str, list[str]]] = layouts("MM")
    columns: ClassVar[tuple[str, ...]] = (*COLUMNS, "images")
    id_column = "id"

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows, each with a function that opens its pictures."""
        paths, archive = self.find(files, split), files.archive("images.zip")
        for row in self.numbered(read_files(paths, self.columns)):
            yield Row(row.id, {**row.fields, "images": partial(_pictures, archive, row.fields)})

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice with all of its pictures; ``meta["kind"]`` is the type of question."""
        fields = row.fields
        options, label = _options(fields["options"]), fields["label"]
        letter = letter_among(label[0] if isinstance(label, list) and label else label, options)
        text = as_text(fields["question"]).rpartition(REPEATED)[0] or fields["question"]
        meta = {"kind": fields["question_type"]}
        meta |= {key: fields[key] for key in ("medical_task", "body_system") if fields[key]}
        return self.choice(row, split, text, options, letter, images=self.pictures(row), meta=meta)

    def pictures(self, row: Row) -> tuple[ImageRef, ...]:
        """Return the pictures of a row. Raises UnusableRow without one."""
        images: tuple[ImageRef, ...] = row.fields["images"]()
        if not images:
            raise UnusableRow("its image is missing")
        return images


def _pictures(archive: Archive, fields: Mapping[str, Any]) -> tuple[ImageRef, ...]:
    written = [image["image_path"] if isinstance(image, dict) else image for image in fields["images"]]
    names = [str(name).removeprefix("images/") for name in written]
    return tuple(archive.image(f"images/{name}", name) for name in names)


def _options(written: Any) -> tuple[str, ...]:
    """Return the options, of a dict A, B, … or a list of letters and contents. Raises UnusableRow if one is missing."""
    if isinstance(written, list):
        written = {option["letter"]: option["content"] for option in written}
    options = {letter: clean(text) for letter, text in sorted(written.items()) if clean(text)}
    if "".join(options) != OPTION_LETTERS[: len(options)]:
        raise UnusableRow("a choice is empty", f"options {', '.join(options)}")
    return tuple(options.values())


class MedXpertQaText(MedXpertQaMm):
    """The questions without pictures."""

    name = "medxpertqa_text"
    paths = layouts("Text")
    columns = COLUMNS
    rows = PublicSource.rows

    def pictures(self, row: Row) -> tuple[ImageRef, ...]:
        """Return no pictures."""
        return ()


MEDXPERTQA_MM, MEDXPERTQA_TEXT = MedXpertQaMm(), MedXpertQaText()
