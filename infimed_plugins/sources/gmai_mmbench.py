"""GMAI-MMBench: multiple choice from 284 clinical data sets (Chen et al. 2024). hub: OpenGVLab/GMAI-MMBench

    index 17, image /9j/4AAQSkZJRg…, question "Which structure is marked?", A "Liver", B "Spleen", C "Kidney", D "Lung",
    E "", answer B, category "Organ Recognition - Abdomen", clinical VQA task "Organ Recognition - Abdomen",
    department "General Surgery", perceptual granularity "Mask Level", modality "CT"

Tab-separated, GMAI_mm_bench_VAL.tsv (9.3 GB; another copy is GMAI-MMBench_VAL.tsv) and GMAI_mm_bench_TEST_part_1.tsv
to 11. A row holds its picture as base64, megabytes of it, so a picture is read again from its place in the file when
it is needed. A short number for a picture is the index of an earlier row that has it. Only VAL has answers, E may be
"", "nan" or "None" where there are four options, and some copies write the column names in lower case.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from infimed_plugins.errors import DamagedFileError, DataError
from infimed_plugins.limits import limit, lines
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.choices import letter_among
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, clean, row_id
from infimed_plugins.sources.tables import check_columns

# the first ones leave out the *_local.tsv that VLMEvalKit writes beside a download
SPLIT_FILES = {"val": ("*VAL.tsv", "*VAL*.tsv"), "test": ("*TEST*part_*[0-9].tsv", "*TEST*.tsv")}
COLUMNS = ("index", "image", "question", "a", "b", "c", "d", "e")
META = {
    "category": "category",
    "department": "department",
    "modality": "modality",
    "granularity": "perceptual granularity",
}
MAX_INDEX = 64  # characters; a longer image field is a picture
EMPTY = ("", "nan")
ABSENT = (*EMPTY, "none")
Span = tuple[int, int]


class GmaiMmBench(PublicSource):
    """The rows of VAL, and those of TEST, which have no answers."""

    name = "gmai_mmbench"
    splits = tuple(SPLIT_FILES)

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of each file; ids hold the number of the part where there are parts."""
        for path in files.all(*SPLIT_FILES[split]):
            part = re.search(r"part_?(\d+)", path.stem)
            places: dict[str, Span] = {}
            columns = (*COLUMNS, "answer") if split == "val" else COLUMNS
            for place, (fields, span) in enumerate(tsv_rows(path, columns)):
                index, image = clean(row_id(fields, "index", place)), fields.pop("image").strip()
                if len(image) > MAX_INDEX:
                    places[index] = span
                where = places.get(index if len(image) > MAX_INDEX else image)
                name = f"{part[1]}-{index}" if part else index
                yield Row(name, {**fields, "image": partial(_picture, path, where, image[:MAX_INDEX])})

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice."""
        fields = row.fields
        answer = clean(fields.get("answer", ""))
        if answer.lower() in ABSENT:
            raise UnusableRow("no answer")
        options = _options([clean(fields.get(letter, "")) for letter in "abcde"])
        meta = {"kind": clean(fields.get("clinical vqa task", ""))}
        meta |= {key: clean(fields.get(column, "")) for key, column in META.items()}
        meta = {key: value for key, value in meta.items() if value.lower() not in ABSENT}
        letter = letter_among(answer, options)
        return self.choice(row, split, fields["question"], options, letter, images=row.image(), meta=meta)


def _options(written: list[str]) -> tuple[str, ...]:
    """Return the options up to the last one there is; "None" is one before E. Raises UnusableRow for a gap."""
    if written[-1].lower() in ABSENT:
        written = written[:-1]
    while written and written[-1].lower() in EMPTY:
        written = written[:-1]
    if any(option.lower() in EMPTY for option in written):
        raise UnusableRow("a choice is empty", str(written)[:100])
    return tuple(written)


def tsv_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[dict[str, str], Span]]:
    """Yield the rows of a TSV file, columns named in lower case, and the first and last byte of each.

    Raises DamagedFileError when one of the columns is not there.
    """
    csv.field_size_limit(limit("field"))
    at = 0

    def counted() -> Iterator[str]:
        nonlocal at
        for line in lines(file, path):
            at += len(line)
            yield line.decode("utf-8", "replace")

    with path.open("rb") as file:
        table = csv.reader(counted(), delimiter="\t")
        try:
            names = [clean(name).lstrip("\ufeff").lower() for name in next(table, [])]
            check_columns(path, columns, names)
            start = at
            for row in table:
                if row:
                    yield dict(zip(names, row + [""] * len(names), strict=False)), (start, at)
                start = at
        except csv.Error as error:
            raise DamagedFileError(f"{path} is no whole TSV file ({error}); download it again") from error


def _picture(path: Path, span: Span | None, written: str) -> ImageRef:
    if span is None:
        raise UnusableRow("its image is missing", written)
    if len(written) == MAX_INDEX:
        try:
            base64.b64decode(written, validate=True)
        except ValueError as error:
            raise UnusableRow("its image is no base64", written) from error
    return ImageRef(path=f"{path.name}/{span[0]}", reader=partial(_read, path, span))


def _read(path: Path, span: Span) -> bytes:
    """Return the picture of the row that reaches over these bytes."""
    with path.open("rb") as file:
        names = next(csv.reader([file.readline().decode("utf-8-sig")], delimiter="\t"))
        file.seek(span[0])
        text = file.read(span[1] - span[0]).decode("utf-8", "replace")
    csv.field_size_limit(limit("field"))
    row = next(csv.reader(io.StringIO(text, newline=""), delimiter="\t"))
    try:
        return base64.b64decode(row[[clean(name).lower() for name in names].index("image")], validate=True)
    except ValueError as error:
        raise DataError(f"the image of row {row[0]} of {path.name} is no base64: {error}") from error


GMAI_MMBENCH = GmaiMmBench()
