"""MedXpertQA MM: board-level questions with one to six pictures (Zuo et al. 2025). hub: TsinghuaC3I/MedXpertQA

    {"id": "MM-26", "question": "A 45-year-old man … What is seen?\\nAnswer Choices: (A) Gout (B) Lupus (C) …",
     "options": {"A": "Gout", "B": "Lupus", "C": "…", "D": "…", "E": "…"}, "label": "B", "images": ["MM-26-a.jpeg"],
     "medical_task": "Diagnosis", "body_system": "Skeletal", "question_type": "Reasoning"}

The question repeats its options at its end; they are cut off. GitHub's copy has a list of ``{"letter", "content"}`` for
options and a list for the label. Pictures are in ``images.zip``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infimed_plugins.records import OPTION_LETTERS, Sample
from infimed_plugins.sources.files import Files, check_columns, json_rows, parquet_rows
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean, letter_among

COLUMNS = ("id", "question", "options", "label", "images", "medical_task", "body_system", "question_type")
REPEATED = "\nAnswer Choices:"


class MedXpertQaMm(PublicSource):
    """The questions with pictures."""

    name = "medxpertqa_mm"
    splits = ("dev", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """JSON lines, or the hub's conversion to parquet; pictures in an archive."""
        paths = files.all(f"MM/{split}.jsonl", f"MM/{split}-*.parquet", f"MM/{split}/*.parquet")
        images = files.archive("images.zip")
        parquet = paths[0].suffix == ".parquet"
        for row in parquet_rows(paths, COLUMNS) if parquet else json_rows(paths[0]):
            check_columns(paths[0], COLUMNS, list(row))
            pictures = [(f"images/{name}", str(name)) for name in row["images"]]
            yield Row(
                str(row["id"]),
                {**row, "images": lambda pictures=pictures: tuple(images.image(*names) for names in pictures)},
            )

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice with all of its pictures."""
        fields = row.fields
        options = _options(fields["options"])
        label = fields["label"]
        images = fields["images"]()
        if not images:
            raise UnusableRow("its image is missing")
        meta = {"kind": fields["question_type"]}
        meta |= {key: fields[key] for key in ("medical_task", "body_system") if fields[key]}
        return self.make(
            row,
            split,
            str(fields["question"]).rpartition(REPEATED)[0] or fields["question"],
            "multiple_choice",
            letter_among(label[0] if isinstance(label, list) and label else label, options),
            options=options,
            images=images,
            meta=meta,
        )


def _options(written: Any) -> tuple[str, ...]:
    """The options of a dict A, B, …, or of a list of letters and contents. Raises UnusableRow when one is missing."""
    if isinstance(written, list):
        written = {option["letter"]: option["content"] for option in written}
    options = {letter: clean(text) for letter, text in sorted(written.items()) if text}
    if "".join(options) != OPTION_LETTERS[: len(options)]:
        raise UnusableRow("a choice is empty", f"options {', '.join(options)}")
    return tuple(options.values())


MEDXPERTQA_MM = MedXpertQaMm()
