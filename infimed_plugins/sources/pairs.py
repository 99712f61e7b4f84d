"""Question-answer pairs of a user's own: ``DIR/SPLIT.jsonl``, one JSON object a line.

    {"id": "q1", "question": "Which organ is shown?", "answer": "B", "options": ["liver", "lung"], "image": "a.png"}

``question`` and ``answer`` are needed. ``task`` is multiple_choice where there are options, and then the answer is a
letter or the text of one; else text. ``image`` or ``images`` name files beside the JSON lines file; ``language``,
``rationale`` and ``meta`` are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, MissingFileError
from infimed_plugins.records import BadRow, ImageRef, Sample
from infimed_plugins.sources.archives import image_file
from infimed_plugins.sources.entry import SourceEntry
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import (
    PublicSource,
    Row,
    UnusableRow,
    as_text,
    clean,
    letter_among,
    letter_of_text,
    without_image_tags,
)
from infimed_plugins.sources.tables import json_rows

ANY_SPLIT = "*"


class Pairs(PublicSource):
    """A JSON lines file; its name without the ending is the split."""

    name = "pairs"
    splits = (ANY_SPLIT,)

    @property
    def entry(self) -> SourceEntry:
        """Nothing is known of a user's file."""
        return SourceEntry("Your own pairs", "a file of yours", "your own")

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample | BadRow]:
        """Read ``folder/split.jsonl``. Raises ConfigError without a folder, MissingFileError without the file."""
        if folder is None:
            raise ConfigError("pairs are read from a file of yours: name its folder with --from")
        path = folder / f"{split}.jsonl"
        if not path.is_file():
            raise MissingFileError(f"there is no {path}; give a JSON lines file of questions and answers")
        for index, row in enumerate(self.rows(Files(self.name, self.entry, folder), split)):
            if limit is not None and index >= limit:
                return
            yield self.read(row, split)

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """A row for each line."""
        path = files.one(f"{split}.jsonl")
        for index, fields in enumerate(json_rows(path)):
            names = fields.get("images") or ([fields["image"]] if fields.get("image") else [])
            yield Row(as_text(fields.get("id")) or f"{index:06d}", {**fields, "files": (path.parent, names)})

    def sample(self, row: Row, split: str) -> Sample:
        """The sample of a line."""
        fields = row.fields
        for key in ("question", "answer"):
            if not clean(fields.get(key)):
                raise UnusableRow(f"no {key}")
        root, names = fields["files"]
        images: tuple[ImageRef, ...] = tuple(image_file(root, str(name)) for name in names)
        options = tuple(clean(option) for option in fields.get("options") or ()) or None
        task: Any = fields.get("task") or ("multiple_choice" if options else "text")
        answer = fields["answer"]
        if task == "multiple_choice":
            answer = _letter(answer, options or ())
        more: dict[str, Any] = {
            "rationale": as_text(fields.get("rationale")) or None,
            "language": fields.get("language", "en"),
        }
        question = without_image_tags(fields["question"])
        meta = fields.get("meta") or {}
        return self.make(row, split, question, task, answer, images=images, options=options, meta=meta, **more)


def _letter(answer: Any, options: tuple[str, ...]) -> str:
    try:
        return letter_among(answer, options)
    except UnusableRow:
        return letter_of_text(str(answer), options)


PAIRS = Pairs()
