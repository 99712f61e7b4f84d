"""OmniMedVQA, the open-access part: multiple choice about 42 classification data sets (Hu et al. 2024).

    {"dataset": "ACRIMA", "question_id": "ACRIMA_0000", "question_type": "Modality Recognition",
     "question": "What imaging technique was used here?", "gt_answer": "Fundus photography",
     "image_path": "Images/ACRIMA/Im553_g_ACRIMA.png", "option_A": "X-ray", "option_B": "Fundus photography",
     "option_C": "MRI", "option_D": "CT", "modality_type": "Fundus Photography"}

The whole set is one archive of 10.7 GB, read in place; an unpacked folder serves too. The answer is a text, about a
tenth of the rows have two or three options, one row says ``modality`` for ``modality_type``, and some names of
modalities are misspelled (a broken word, a bracket left open). hub: foreverbeliever/OmniMedVQA
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from infimed_plugins.errors import DamagedFileError, MissingFileError
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.choices import letter_of_text
from infimed_plugins.sources.files import Archive, Files, image_file
from infimed_plugins.sources.public import PublicSource, Row, clean, row_id
from infimed_plugins.sources.tables import NO_OBJECT, check_columns, json_rows
from infimed_plugins.tables.rows import first_rows

LISTS = ("QA_information/Open-access/*.json", "*/QA_information/Open-access/*.json")
COLUMNS = ("dataset", "question_id", "question_type", "question", "gt_answer", "image_path", "option_A", "option_B")
OPTIONAL = ("option_C", "option_D", "modality_type", "modality")  # one or the other, or for some rows only

Picture = Callable[[str], ImageRef]
List = tuple[Path, bytes | None, Picture]  # a list's path, its content in an archive, and what opens its pictures


class OmniMedVqa(PublicSource):
    """The open-access rows of all data sets."""

    name = "omnimedvqa"
    splits = ("test",)

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of the lists, in a folder or in the archive."""
        for path, content, picture in _unpacked(files) or _packed(files.archive("OmniMedVQA.zip", "*/OmniMedVQA.zip")):
            for index, row in enumerate(_checked(path, json_rows(path, COLUMNS, content))):
                name = row_id(row, "question_id", f"{path.stem}-{index}")
                yield Row(name, row).opening(partial(_picture, picture))

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice; the letter is that of the option with the answer's text."""
        fields = row.fields
        written = [clean(fields.get(f"option_{letter}")) for letter in "ABCD"]
        options = tuple(option for option in written if option)
        meta = {"kind": fields["question_type"], "dataset": fields["dataset"]}
        modality = clean(fields.get("modality_type")) or clean(fields.get("modality"))
        if modality:
            meta["modality"] = _corrected(modality)
        letter = letter_of_text(fields["gt_answer"], options)
        return self.choice(row, split, fields["question"], options, letter, images=row.image(), meta=meta)


def _unpacked(files: Files) -> list[List]:
    """Return the lists of an unpacked folder, none where there are none."""
    if files.folder is None:
        return []
    try:
        paths = files.all(*LISTS)
    except MissingFileError:
        return []
    return [(path, None, partial(image_file, path.parents[2])) for path in paths]


def _packed(archive: Archive) -> Iterator[List]:
    """Yield the lists of the archive."""
    names = sorted(name for name in archive.members() if any(fnmatchcase(name, list_) for list_ in LISTS))
    if not names:
        raise DamagedFileError(f"{archive.path} holds no {LISTS[0]}; download it again")
    for name in names:
        if not name.startswith("__MACOSX/"):
            yield archive.path / name, archive.image(name).read(), archive.image


def _checked(path: Path, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return the rows. Raises DamagedFileError if C or D seems to have another name: options would be lost.

    A list may have two options throughout, so a column that is not known must be there in the place of the other.
    """
    head = first_rows(rows)
    found = dict.fromkeys(key for row in head for key in row)
    if not found.keys() <= {*COLUMNS, *OPTIONAL, NO_OBJECT}:
        check_columns(path, (*COLUMNS, *OPTIONAL[:2]), list(found))
    return chain(head, rows)


def _picture(picture: Picture, row: Mapping[str, Any]) -> ImageRef:
    return picture(str(row["image_path"]))


def _corrected(modality: str) -> str:
    text = modality.replace("Mag-netic", "Magnetic")
    return text + ")" if text.count("(") > text.count(")") else text


OMNIMEDVQA = OmniMedVqa()
