"""ScienceQA: multiple choice of school science, half of it with a picture (Lu et al. 2022). hub: derek-thomas/ScienceQA

    {"image": … or None, "question": "Which of these states is farthest north?", "choices": ["West Virginia", …],
     "answer": 0, "hint": "", "task": "closed choice", "grade": "grade2", "subject": "social science",
     "topic": "geography", "category": "Geography", "skill": "Read a map", "lecture": "Maps have …",
     "solution": "To find the answer, look at the compass rose. …"}

The authors' ``problems.json`` is an object by id, its rows with ``split`` and the name of a picture in
``images/<split>/<id>/`` beside it (or without ``images``).

``answer`` is a 0-based index. A hint is context that the question needs and goes in front of it. The solution becomes
the rationale; the lecture, which is not about the question, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.archives import embedded_image, image_file
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean, letter_of_index
from infimed_plugins.sources.tables import json_rows, parquet_rows
from infimed_plugins.sources.texts import reasoning

COLUMNS = ("image", "question", "choices", "answer", "hint", "grade", "subject", "topic", "solution")
OWN_FILES = ("problems.json", "data/scienceqa/problems.json", "data/problems.json")


class ScienceQa(PublicSource):
    """Multiple choice; rows without a picture are text."""

    name = "scienceqa"
    splits = ("train", "validation", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """The parquet files of a split, or the authors' one JSON file."""
        paths = files.all(f"data/{split}-*.parquet", f"{split}*.parquet", *OWN_FILES)
        if paths[0].suffix == ".json":
            yield from _own_rows(paths[0], split)
            return
        for index, row in enumerate(parquet_rows(paths, COLUMNS)):
            yield Row(f"{index:05d}", row)

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice with the solution as its rationale; ``meta["kind"]`` is the subject."""
        fields = row.fields
        options = tuple(clean(choice) for choice in fields["choices"])
        letter = letter_of_index(fields["answer"], options)
        hint, question = clean(fields["hint"]), clean(fields["question"])
        if not question:
            raise UnusableRow("no question")
        meta = {"kind": fields["subject"], "topic": fields["topic"], "grade": fields["grade"]}
        return self.make(
            row,
            split,
            f"{hint}\n{question}" if hint else question,
            "multiple_choice",
            letter,
            options=options,
            images=_images(fields["image"]),
            rationale=reasoning(fields["solution"]),
            meta={key: value for key, value in meta.items() if value},
        )


def _own_rows(path: Path, split: str) -> Iterator[Row]:
    """The rows of a split, with what finds the picture for one."""
    part = "val" if split == "validation" else split
    for row in json_rows(path, (*COLUMNS, "split")):
        if row.get("split") == part:
            name = f"{part}/{row['row_id']}/{row['image']}" if row.get("image") else ""
            image = partial(image_file, path.parent, f"images/{name}", name) if name else None
            yield Row(row["row_id"], {**row, "image": image})


def _images(value: Any) -> tuple[ImageRef, ...]:
    """The picture, or nothing: a missing one is null, in older exports a struct of nulls."""
    if value is None or (isinstance(value, dict) and value.get("bytes") is None):
        return ()
    if callable(value):
        return (value(),)
    return (embedded_image(value, "the row"),)


SCIENCEQA = ScienceQa()
