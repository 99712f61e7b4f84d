"""OmniMedVQA, the open-access part: multiple choice about 42 classification data sets (Hu et al. 2024).

    {"dataset": "ACRIMA", "question_id": "ACRIMA_0000", "question_type": "Modality Recognition",
     "question": "What imaging technique was used here?", "gt_answer": "Fundus photography",
     "image_path": "Images/ACRIMA/Im553_g_ACRIMA.png", "option_A": "X-ray", "option_B": "Fundus photography",
     "option_C": "MRI", "option_D": "CT", "modality_type": "Fundus Photography"}

All of it is one archive of 10.7 GB, read in place; an unpacked folder serves too. The answer is a text, about a tenth
of the rows have two or three options, one row says ``modality`` for ``modality_type``, and some names of modalities
are misspelt (a broken word, a bracket left open). hub: foreverbeliever/OmniMedVQA
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.files import Archive, Files, check_columns, image_file, json_rows
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean, letter_of_text

LISTS = ("QA_information/Open-access/*.json", "*/QA_information/Open-access/*.json")
COLUMNS = ("dataset", "question_id", "question_type", "question", "gt_answer", "image_path", "option_A", "option_B")

Picture = Callable[[str], ImageRef]


class OmniMedVqa(PublicSource):
    """The open-access rows of all data sets."""

    name = "omnimedvqa"
    splits = ("test",)

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """The lists of a folder, or of the archive."""
        for path, rows, picture in _unpacked(files) or _packed(files.archive("OmniMedVQA.zip", "*/OmniMedVQA.zip")):
            for row in rows():
                check_columns(path, COLUMNS, list(row))
                yield Row(str(row["question_id"]), {**row, "image": partial(picture, str(row["image_path"]))})

    def sample(self, row: Row, split: str) -> Sample:
        """A multiple choice; the letter is that of the option with the answer's text."""
        fields = row.fields
        options = tuple(clean(fields[f"option_{letter}"]) for letter in "ABCD" if fields.get(f"option_{letter}"))
        if not clean(fields["gt_answer"] or ""):
            raise UnusableRow("no answer")
        answer = letter_of_text(fields["gt_answer"], options)
        meta = {"kind": fields["question_type"], "dataset": fields["dataset"]}
        modality = fields.get("modality_type") or fields.get("modality")
        if modality:
            meta["modality"] = _well_spelt(str(modality))
        images = (fields["image"](),)
        return self.make(
            row, split, fields["question"], "multiple_choice", answer, options=options, images=images, meta=meta
        )


def _unpacked(files: Files) -> list[tuple[Path, Callable[[], Iterator[dict[str, Any]]], Picture]]:
    """The lists of an unpacked folder, how to read each, and what opens a picture; none where there are none."""
    if files.folder is None:
        return []
    try:
        paths = files.all(*LISTS)
    except MissingFileError:
        return []
    return [(path, partial(json_rows, path), partial(image_file, path.parents[2])) for path in paths]


def _packed(archive: Archive) -> Iterator[tuple[Path, Callable[[], Iterator[dict[str, Any]]], Picture]]:
    """The same of the archive, a list at a time."""
    try:
        with zipfile.ZipFile(archive.path) as file:
            names = sorted(name for name in file.namelist() if any(fnmatchcase(name, list_) for list_ in LISTS))
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive.path} is no whole zip archive ({error}); download it again") from error
    if not names:
        raise DataError(f"{archive.path} holds no {LISTS[0]}; download it again")
    for name in names:
        if not name.startswith("__MACOSX/"):
            yield archive.path / name, partial(_packed_rows, archive, name), archive.image


def _packed_rows(archive: Archive, name: str) -> Iterator[dict[str, Any]]:
    try:
        yield from json.loads(archive.image(name).read())
    except ValueError as error:
        raise DataError(f"{archive.path.name}/{name} is no JSON ({error}); download the archive again") from error


def _well_spelt(modality: str) -> str:
    text = clean(modality).replace("Mag-netic", "Magnetic")
    return text + ")" if text.count("(") > text.count(")") else text


OMNIMEDVQA = OmniMedVqa()
