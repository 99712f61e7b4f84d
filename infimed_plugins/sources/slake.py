"""SLAKE: questions in English and Chinese about radiographs, CT and MR (Liu et al. 2021). hub: BoKelvin/SLAKE

    {"img_id": 1, "img_name": "xmlab1/source.jpg", "question": "What modality is used to take this image?",
     "answer": "MRI", "q_lang": "en", "location": "Abdomen", "modality": "MRI", "answer_type": "OPEN",
     "base_type": "vqa", "content_type": "Modality", "triple": ["vhead", "_", "_"], "qid": 0}

A closed answer is not always yes or no: "Lung" or "T2" is closed, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from infimed_plugins.records import Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import Paths, PublicSource, Row, UnusableRow, clean, closed_or_open
from infimed_plugins.sources.tables import read_files

LANGUAGES = ("en", "zh")


class Slake(PublicSource):
    """Questions of both languages; a recipe takes one with ``languages``."""

    name = "slake"
    splits = ("train", "validation", "test")
    paths: ClassVar[Paths] = {
        "train": ["train.json"],
        "validation": ["validation.json", "validate.json"],
        "test": ["test.json"],
    }
    columns = ("img_name", "question", "answer", "q_lang", "answer_type", "qid")
    id_column = "qid"

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of a split's JSON list, with their pictures in ``imgs.zip``."""
        paths, images = self.find(files, split), files.archive("imgs.zip")
        for row in self.numbered(read_files(paths, self.columns)):
            yield row.opening(lambda fields: images.image(f"imgs/{fields['img_name']}"))

    def sample(self, row: Row, split: str) -> Sample:
        """Return a text question; ``meta["kind"]`` is upstream's answer type, "open" or "closed"."""
        fields, language = row.fields, row.fields["q_lang"]
        if language not in LANGUAGES:
            raise UnusableRow("another language", str(language))
        answer, kind = closed_or_open(fields["answer"])
        meta = {"kind": clean(fields["answer_type"]).lower() or kind}
        meta |= row.some("modality", "location", "content_type", "base_type")
        more = {"images": row.image(), "language": language, "meta": meta}
        return self.make(row, split, fields["question"], "text", answer, **more)


SLAKE = Slake()
