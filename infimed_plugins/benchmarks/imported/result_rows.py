"""Read the rows of a result file: a JSON list, a table of fields or an xlsx sheet. A file cut off or torn is an error.

Nothing is ever unpickled.
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from infimed_plugins.errors import ConfigError, DataError, optional_module
from infimed_plugins.limits import limit, parse_json, read_bytes
from infimed_plugins.records import Json

SUFFIXES = (".xlsx", ".tsv", ".json", ".csv")
SUFFIXES_TEXT = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
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
