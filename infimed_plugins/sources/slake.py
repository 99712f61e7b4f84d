"""SLAKE: questions in English and Chinese about radiographs, CT and MR (Liu et al. 2021). hub: BoKelvin/SLAKE

    {"img_id": 1, "img_name": "xmlab1/source.jpg", "question": "What modality is used to take this image?",
     "answer": "MRI", "q_lang": "en", "location": "Abdomen", "modality": "MRI", "answer_type": "OPEN",
     "base_type": "vqa", "content_type": "Modality", "triple": ["vhead", "_", "_"], "qid": 0}

A closed answer is not always yes or no: "Lung" or "T2" is closed, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean, closed_or_open, row_id
from infimed_plugins.sources.tables import json_rows

SPLIT_FILES = {"train": ("train.json",), "validation": ("validation.json", "validate.json"), "test": ("test.json",)}
COLUMNS = ("img_name", "question", "answer", "q_lang", "answer_type", "qid")
LANGUAGES = ("en", "zh")


class Slake(PublicSource):
    """Questions of both languages; a recipe takes one with ``languages``."""

    name = "slake"
    splits = tuple(SPLIT_FILES)

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """One JSON list for each split, pictures in ``imgs.zip``."""
        path, images = files.one(*SPLIT_FILES[split]), files.archive("imgs.zip")
        for index, row in enumerate(json_rows(path, COLUMNS)):
            yield Row(row_id(row, "qid", index), {**row, "image": partial(_picture, images.image, row)})

    def sample(self, row: Row, split: str) -> Sample:
        """A text question; ``meta["kind"]`` is upstream's answer type, "open" or "closed"."""
        fields = row.fields
        if fields["q_lang"] not in LANGUAGES:
            raise UnusableRow("another language", str(fields["q_lang"]))
        answer, kind = closed_or_open(fields["answer"])
        meta = {"kind": clean(fields["answer_type"]).lower() or kind}
        meta |= {key: fields[key] for key in ("modality", "location", "content_type", "base_type") if fields.get(key)}
        return self.make(
            row,
            split,
            fields["question"],
            "text",
            answer,
            images=(fields["image"](),),
            language=fields["q_lang"],
            meta=meta,
        )


def _picture(opener: Callable[[str], ImageRef], row: Mapping[str, Any]) -> ImageRef:
    return opener(f"imgs/{row['img_name']}")


SLAKE = Slake()
