"""Read the rows of result files: a JSON list, a table of fields, an xlsx sheet; MedEvalKit's with their places among
upstream's rows, chunks put in order.

A file cut off or torn is an error. Nothing is ever unpickled.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from infimed_plugins.errors import ConfigError, DataError, optional_module
from infimed_plugins.limits import limit, parse_json, read_bytes
from infimed_plugins.records import Json

Rows = Iterator[tuple[int, dict[str, Json]]]  # with their places
SUFFIXES = (".xlsx", ".tsv", ".json", ".csv")
SUFFIXES_TEXT = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
FILE_NAME = re.compile(r"results(?:_\d+)?\.json|parsed_output\.json|output_sample\.json")  # MedEvalKit's
_SHAPES = {"choices": list, "all_choices": list, "index2ans": dict}  # types of its fields
_MMMU_FILES = ("*/parsed_output.json", "*/output_sample.json")
_XLSX_ERRORS = (zipfile.BadZipFile, zlib.error, OSError, LookupError, SyntaxError, ValueError, EOFError, RuntimeError)


def table_rows(path: Path) -> Iterator[dict[str, Json]]:
    """Yield the rows of a file by its suffix. Raises ConfigError for one that is not in ``SUFFIXES``, and DataError."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: a file of predictions ends in {SUFFIXES_TEXT}")
    if path.suffix == ".xlsx":
        return _xlsx_rows(path)
    return iter(json_rows(path)) if path.suffix == ".json" else _delimited_rows(path)


def json_rows(path: Path) -> list[dict[str, Json]]:
    """Return a JSON list of objects, NaN read as None. Raises DataError for a file that holds anything else."""
    text = _text(path)
    try:
        rows = parse_json(text, path, parse_constant=lambda _: None)
    except ValueError as error:  # an integer of over 4,300 digits is no JSONDecodeError
        raise DataError(f"{path} is cut off or no JSON ({error}); copy it again, whole") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} holds no list of rows; name the file of replies, not that of metrics")
    return rows


def _delimited_rows(path: Path) -> Iterator[dict[str, Json]]:
    csv.field_size_limit(limit("field"))
    text, delimiter = io.StringIO(_text(path), newline=""), "\t" if path.suffix == ".tsv" else ","
    # not strict, a quote that is never closed would take in the rest of the file without a word
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        names = next(reader, [])
        for cells in filter(None, reader):
            if len(cells) != len(names):
                raise DataError(
                    f"{path}, line {reader.line_num:,}: a row of {len(cells)} columns, where the header has "
                    f"{len(names)}; the file is cut off or torn: copy it again, or set PRED_FORMAT=json"
                )
            yield dict(zip(names, cells, strict=True))
    except csv.Error as error:
        place = f"{path}, line {reader.line_num:,}: no table of fields, or cut off ({error})"
        raise DataError(f"{place}; copy it again, or set PRED_FORMAT=json") from error


def _xlsx_rows(path: Path) -> Iterator[dict[str, Json]]:
    """Yield the rows of the first sheet, as text but for numbers and empty cells."""
    openpyxl = optional_module("openpyxl", "reading .xlsx", "eval")
    unescape = optional_module("openpyxl.utils.escape", "reading .xlsx", "eval").unescape
    try:
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            rows = book.worksheets[0].iter_rows(values_only=True)
            names = [str(name) for name in next(rows, ())]
            for row in rows:
                cells = (
                    cell if cell is None or isinstance(cell, (int, float)) else unescape(str(cell)) for cell in row
                )
                yield dict(zip(names, cells, strict=False))
    except _XLSX_ERRORS as error:
        said = str(error).partition("\n")[0]
        raise DataError(f"{path} is no whole xlsx file ({type(error).__name__}: {said}); copy it again") from error


def _text(path: Path) -> str:
    try:
        return read_bytes(path, "picture").decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); name a file that the run wrote") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start:,}); save it as UTF-8") from error


def result_files(folder: Path) -> Iterator[Path]:
    """Yield the result files of a data set's folder."""
    for pattern in ("results.json", "results_*.json", *_MMMU_FILES):
        yield from folder.glob(pattern)


def set_name(part: Path) -> str:
    """Return the name of the data set's folder, which is that of a file or lies above it."""
    folder = part if part.is_dir() else part.parent
    deeper = part.is_file() and not part.name.startswith("results")  # MMMU's files
    return folder.parent.name if deeper else folder.name


def shaped_rows(part: Path) -> Rows:
    """Yield the rows of MedEvalKit, whose options its rules can judge."""
    for position, row in _rows(part):
        for name, kind in _SHAPES.items():
            if row.get(name) is not None and not isinstance(row[name], kind):
                wanted = "a list" if kind is list else "an object of letters"
                raise DataError(f"{part}: a row's {name!r} is not {wanted}; name the file that the run itself wrote")
        yield position, row


def _rows(path: Path) -> Rows:
    """Yield the rows of a data set's folder or file with their places among upstream's rows."""
    if path.is_file():
        if path.name.startswith("results_"):
            raise DataError(
                f"{path} is one chunk of a run, whose rows lie apart in the set; name its folder {path.parent}"
            )
        yield from _in_order(path) if path.name == "results.json" else enumerate(json_rows(path))
        return
    subjects = [files for pattern in _MMMU_FILES if (files := sorted(path.glob(pattern)))]
    if subjects:
        yield from enumerate(row for file in subjects[0] for row in json_rows(file))
    elif (path / "results.json").exists():
        yield from _in_order(path / "results.json")
    else:
        chunks = _chunks(path)
        for offset, (number, rows) in enumerate(chunks):
            if number != offset:
                raise DataError(f"{path} has no results_{offset}.json: a chunk is missing; run or copy it")
            yield from ((offset + index * len(chunks), row) for index, row in enumerate(rows))


def _in_order(path: Path) -> Rows:
    """Yield the rows of ``results.json``: chunks stand in it one behind the other, in the order of a folder listing."""
    rows, chunks = json_rows(path), _chunks(path.parent)
    if not chunks or sum(len(part) for _, part in chunks) != len(rows):  # none, or left by an earlier run
        yield from enumerate(rows)
        return
    at, count = 0, len(chunks)
    while at < len(rows):
        found = next((chunk for chunk in chunks if chunk[1] and _holds(rows[at:], chunk[1])), None)
        if found is None:
            raise DataError(f"{path} is not its results_*.json put together; remove those that are of another run")
        number, part = found
        yield from ((number + index * count, rows[at + index]) for index in range(len(part)))
        chunks.remove(found)
        at += len(part)


def _holds(rows: list[dict[str, Json]], part: list[dict[str, Json]]) -> bool:
    """True if rows begin with those of a chunk; scoring has added fields to them."""
    whole = len(part) <= len(rows)
    return whole and all(row.get(key) == one[key] for row, one in zip(rows, part, strict=False) for key in one)


def _chunks(folder: Path) -> list[tuple[int, list[dict[str, Json]]]]:
    """Return the chunks of a run by their numbers."""
    numbered = {file.stem.removeprefix("results_"): file for file in folder.glob("results_*.json")}
    return sorted((int(number), json_rows(file)) for number, file in numbered.items() if number.isdecimal())
