"""The rows of a result file: a JSON list, a table of fields or an xlsx sheet. What is cut off or torn is an error."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from infimed_plugins.errors import DataError, MissingExtraError
from infimed_plugins.limits import limit, parse_json, read_bytes
from infimed_plugins.records import Json


def delimited_rows(path: Path, delimiter: str) -> Iterator[dict[str, Json]]:
    """The rows of a table with a header. Raises DataError for an unclosed quote and a row of other columns."""
    csv.field_size_limit(limit("field"))
    # not strict, a quote that is never closed would take in the rest of the file without a word
    reader = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter, strict=True)
    try:
        names = next(reader, [])
        for cells in reader:
            if cells and len(cells) != len(names):
                raise DataError(
                    f"{path}, line {reader.line_num:,}: a row of {len(cells)} columns, where the header has "
                    f"{len(names)}; the file is cut off or torn: copy it again, or set PRED_FORMAT=json"
                )
            if cells:
                yield dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num:,}: no table of fields, or cut off ({error}); copy it again, or set "
            "PRED_FORMAT=json"
        ) from error


def xlsx_rows(path: Path) -> Iterator[dict[str, Json]]:
    """The rows of the first sheet, as text but for numbers and empty cells."""
    try:
        from openpyxl import load_workbook  # type: ignore[import-untyped]
        from openpyxl.utils.escape import unescape  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("reading .xlsx", "openpyxl", "eval") from error
    try:
        with closing(load_workbook(path, read_only=True, data_only=True)) as book:
            rows = book.worksheets[0].iter_rows(values_only=True)
            names = [str(name) for name in next(rows, ())]
            for row in rows:
                yield {
                    name: unescape(cell) if isinstance(cell, str) else _plain(cell)
                    for name, cell in zip(names, row, strict=False)
                }
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        LookupError,
        SyntaxError,
        ValueError,
        EOFError,
        RuntimeError,
    ) as error:
        said = str(error).partition("\n")[0]
        raise DataError(f"{path} is no whole xlsx file ({type(error).__name__}: {said}); copy it again") from error


def _plain(cell: Any) -> Json:
    return cell if cell is None or isinstance(cell, (str, int, float, bool)) else str(cell)


def json_rows(path: Path) -> list[dict[str, Json]]:
    """A JSON list of objects, NaN read as None. Raises DataError for a file that holds anything else."""
    text = _text(path)
    try:
        rows = parse_json(text, path, parse_constant=lambda _: None)
    except ValueError as error:  # an integer of over 4,300 digits is no JSONDecodeError
        raise DataError(f"{path} is cut off or no JSON ({error}); copy it again, whole") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} holds no list of rows; name the file of replies, not that of metrics")
    return rows


def _text(path: Path) -> str:
    try:
        return read_bytes(path, "picture").decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); name a file that the run wrote") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start:,}); save it as UTF-8") from error
