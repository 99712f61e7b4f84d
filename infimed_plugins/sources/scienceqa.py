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

from infimed_plugins.records import Sample
from infimed_plugins.sources.choices import letter_of_index
from infimed_plugins.sources.files import Files, image_file
from infimed_plugins.sources.public import PARQUET, PublicSource, Row, UnusableRow, clean, reasoning
from infimed_plugins.sources.tables import json_rows


class ScienceQa(PublicSource):
    """Multiple choice; rows without a picture are text."""

    name = "scienceqa"
    splits = ("train", "validation", "test")
    paths = (*PARQUET, "problems.json", "data/scienceqa/problems.json", "data/problems.json")
    columns = ("image", "question", "choices", "answer", "hint", "grade", "subject", "topic", "solution")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of a split, of its parquet files or the authors' one JSON file."""
        path = self.find(files, split)[0]
        return _own_rows(path, self.columns, split) if path.suffix == ".json" else super().rows(files, split)

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice with the solution as its rationale; ``meta["kind"]`` is the subject."""
        fields, image = row.fields, row.fields["image"]
        options = [clean(choice) for choice in fields["choices"]]
        letter = letter_of_index(fields["answer"], options)
        hint, question = clean(fields["hint"]), clean(fields["question"])
        if not question:
            raise UnusableRow("no question")
        meta = {"kind": fields["subject"], "topic": fields["topic"], "grade": fields["grade"]}
        is_text = image is None or (isinstance(image, dict) and image.get("bytes") is None)  # in older exports
        return self.choice(
            row,
            split,
            f"{hint}\n{question}" if hint else question,
            options,
            letter,
            images=() if is_text else row.image(),
            rationale=reasoning(fields["solution"]),
            meta={key: value for key, value in meta.items() if value},
        )


def _own_rows(path: Path, columns: tuple[str, ...], split: str) -> Iterator[Row]:
    """Yield the rows of a split, each with a function that finds its picture."""
    part = "val" if split == "validation" else split
    for row in json_rows(path, (*columns, "split")):
        if row.get("split") == part:
            name = f"{part}/{row['row_id']}/{row['image']}" if row.get("image") else ""
            image = partial(image_file, path.parent, f"images/{name}", name) if name else None
            yield Row(row["row_id"], {**row, "image": image})


SCIENCEQA = ScienceQa()
