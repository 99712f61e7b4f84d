"""VQA-RAD: radiologists' questions about 315 radiographs (Lau et al. 2018).

    hub  flaviagiammarino/vqa-rad, parquet:  {"image": …, "question": "is there a fracture?", "answer": "No"}
    OSF  one JSON list:  {"qid": "1", "image_name": "synpic54610.jpg", "question": …, "answer": "Yes",
                          "answer_type": "CLOSED", "phrase_type": "freeform", "image_organ": "HEAD", …}

    MEVF trainset.json and testset.json, each a list of OSF's rows

The hub's copy has no ids and no answer types: ids count rows, and an answer of yes or no is closed. In OSF's the test
rows are those of phrase type ``test_freeform`` and ``test_para``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.files import Files, image_file
from infimed_plugins.sources.public import PARQUET, PublicSource, Row, clean, closed_or_open, row_id
from infimed_plugins.sources.tables import json_rows

OSF_COLUMNS = ("qid", "image_name", "question", "answer", "phrase_type")
OSF_IMAGES = ("VQA_RAD Image Folder", "images", "imgs", ".")
TEST_PHRASES = ("test_freeform", "test_para")


class VqaRad(PublicSource):
    """Open and closed questions about radiographs."""

    name = "vqa_rad"
    splits = ("train", "test")
    paths = (*PARQUET, "*VQA_RAD*Dataset*Public*.json", "{split}set.json", "trainset.json")
    columns = ("image", "question", "answer")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of the hub's parquet files, or of the JSON of OSF or MEVF."""
        path = self.find(files, split)[0]
        return _osf_rows(path, split) if path.suffix == ".json" else super().rows(files, split)

    def sample(self, row: Row, split: str) -> Sample:
        """Return a text question; ``meta`` says whether it is closed, and OSF's organ and question type."""
        answer, kind = closed_or_open(row.fields["answer"])
        meta = {"kind": clean(row.fields.get("answer_type")).lower() or kind}
        meta |= {key: str(row.fields[key]) for key in ("image_organ", "question_type") if clean(row.fields.get(key))}
        return self.make(row, split, row.fields["question"], "text", answer, images=row.image(), meta=meta)


def _osf_rows(path: Path, split: str) -> Iterator[Row]:
    for index, row in enumerate(json_rows(path, OSF_COLUMNS)):
        if path.name == "testset.json" or (row.get("phrase_type") in TEST_PHRASES) == (split == "test"):
            yield Row(f"q{row_id(row, 'qid', index)}", row).opening(partial(_osf_image, path.parent))


def _osf_image(root: Path, row: Mapping[str, Any]) -> ImageRef:
    return image_file(root, *(f"{folder}/{row['image_name']}" for folder in OSF_IMAGES))


VQA_RAD = VqaRad()
