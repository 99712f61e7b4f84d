"""Read the rows of a user's file, one at a time; its content and not its name tells the format.

    JSON lines    one object a line
    JSON          a list of objects, an object id -> row (the id becomes ``row_id``), or {"data": [row, …]}
    CSV, TSV      a header, then its rows, with , ; | or a tab between cells
    parquet       all columns

Text is UTF-8, or UTF-16 and UTF-32 that say so with a mark. Another encoding is refused before the first row: a wrong
guess would be read without a word. A row that cannot be read, such as the last line of a file cut by a kill, is
yielded with its fault; the others are used.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

from infimed_plugins.errors import DataError, MissingFileError, optional_module
from infimed_plugins.limits import check, check_json, limit, lines, parse_json, repeated
from infimed_plugins.tables.cells import MISSING_WORDS, column_key, missing

WRAPPERS = ("data", "rows", "items", "questions", "samples", "examples", "records", "annotations")
HEAD_ROWS = 100  # of a file: the columns that none of them has are not there
HEAD_SIZE = 64 << 20  # bytes of them
T = TypeVar("T")
BATCH_ROWS = 64  # of a parquet file at a time
MAX_NAMED = 40  # columns in a message
_CHUNK = 1 << 20
_LONGEST_WORD = 16  # of JSON that may be cut: -Infinity, or half an escape
_BETWEEN = re.compile(r"[\s,]*")
_DELIMITERS = ",;\t|"
_SEPARATOR = "sep="  # Excel's own line before the header
_MARKS = {  # UTF-32's begins with UTF-16's
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OTHERS = {
    b"PK\x03\x04": "an Excel file or a zip archive; save the sheet as CSV in UTF-8",
    b"\x1f\x8b": "compressed; unpack it with gunzip",
    b"\x28\xb5\x2f\xfd": "compressed; unpack it with unzstd",
}


@dataclass(frozen=True)
class FileRow:
    """A row and its line, from 1 (in a list or parquet its place). ``fault`` says why ``fields`` could not be read."""

    number: int
    fields: Mapping[str, Any]
    fault: str = ""
    detail: str = ""


def read_rows(path: Path, wanted: Mapping[str, Sequence[str]] | None = None) -> Iterator[FileRow]:
    """Yield the rows of a file. ``wanted`` names what each row needs, and under which column names.

    Raises MissingFileError without the file; DataError when it has no row, when no row can be read, for another
    encoding, and where the first hundred rows have no column of something that is wanted.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no {path}; name a file of rows: JSON lines, JSON, CSV, TSV or parquet")
    rows = _rows(path)
    head = first_rows(rows)
    good = [row for row in head if not row.fault]
    if not head:
        raise DataError(f"{path} is empty: it holds no row")
    if not good and len(head) < HEAD_ROWS:
        raise DataError(f"no row of {path} can be read: {head[0].fault} ({head[0].detail})")
    found = dict.fromkeys(name for row in good for name in row.fields)
    for what, names in wanted.items() if wanted and good else ():
        if not {column_key(name) for name in found} & {column_key(name) for name in names}:
            said = f"name it one of {', '.join(names)}; its columns are {named_columns(found)}"
            raise DataError(f"{path}:{good[0].number} has no {what}; {said}")
    yield from itertools.chain(head, rows)


def first_rows(rows: Iterator[T]) -> list[T]:
    """Return the first hundred rows, or fewer where these are large."""
    head, size = list[T](), 0
    for row in itertools.islice(rows, HEAD_ROWS):
        head.append(row)
        fields = row.fields if isinstance(row, FileRow) else row
        size += sum(map(sys.getsizeof, fields.values() if isinstance(fields, Mapping) else ()))
        if size > HEAD_SIZE:
            break
    return head


def named_columns(columns: Iterable[object]) -> str:
    """Return the names of columns for a message, shortened if there are very many."""
    names = [str(name) for name in columns]
    return ", ".join([*names[:MAX_NAMED], *["…"] * (len(names) > MAX_NAMED)])


def _rows(path: Path) -> Iterator[FileRow]:
    with path.open("rb") as file:
        head = file.read(512)
    other = next((fix for start, fix in _OTHERS.items() if head.startswith(start)), None)
    if other:
        raise DataError(f"{path} is {other}")
    if head.startswith(b"PAR1"):
        yield from (FileRow(place, fields) for place, fields in enumerate(parquet_fields(path), 1))
        return
    with open_text(path) as text:
        start = next((line.strip()[0] for line in lines(text, path) if line.strip()), "")
        text.seek(0)
        if start == "[":
            yield from _listed(path, text)
        elif start == "{":
            yield from _object_or_lines(path, text)
        else:
            yield from _lines(path, text) if path.suffix.startswith((".json", ".ndjson")) else _delimited(path, text)


def open_text(path: Path) -> TextIO:
    """Open a text file in its encoding. Raises DataError if it is not UTF-8 and has no mark of another."""
    with path.open("rb") as file:
        head = file.read(512)
        encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8")
        if encoding == "utf-8" and b"\0" in head[:4]:
            raise DataError(f"{path} is not UTF-8 text (it holds zero bytes); save it as UTF-8")
        decoder = codecs.getincrementaldecoder(encoding)()  # a character that the end cuts is no error
        file.seek(0)
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not UTF-8 text ({error.reason}: byte {error.object[error.start]:#x}); save it as UTF-8, "
                "such as with: iconv -f GB18030 -t UTF-8 FILE > NEW"
            ) from error
    return path.open(encoding=encoding, errors="surrogateescape", newline="")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises ValueError for a name written twice, of which Python would take the last."""
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError(f"{repeated(name for name, _ in pairs)!r:.100} stands twice in an object")
    return read


def _row(number: int, value: Any) -> FileRow:
    if isinstance(value, dict):
        return FileRow(number, value)
    return FileRow(number, {}, "it is no object", f"row {number}: {value!r:.100}")


def _listed(path: Path, file: TextIO) -> Iterator[FileRow]:
    count = 0
    try:
        for count, item in enumerate(list_items(file), 1):
            yield _row(count, item)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is cut off or no JSON behind row {count:,} ({error}); write it again") from error


def list_items(file: TextIO) -> Iterator[Any]:
    """Yield the items of a JSON list that may be larger than memory. Raises ValueError where it is none."""
    decoder, buffer = json.JSONDecoder(object_pairs_hook=_unique), file.read(_CHUNK).lstrip()
    if not buffer.startswith("["):
        raise ValueError("it is no list")
    at = 1
    while True:
        at = _BETWEEN.match(buffer, at).end()  # type: ignore[union-attr]  # it also matches the empty string
        if buffer.startswith("]", at):
            behind = buffer[at + 1 :]
            while not behind.strip() and (more := file.read(_CHUNK)):
                behind = more
            if behind.strip():
                raise json.JSONDecodeError("something behind the list's end", buffer, at + 1)
            return
        try:
            item, at = decoder.raw_decode(buffer, at)
        except json.JSONDecodeError as error:
            is_cut = error.msg.startswith("Unterminated") or error.pos > len(buffer) - _LONGEST_WORD
            more = file.read(max(_CHUNK, len(buffer) - at)) if is_cut else ""
            if not more:
                raise
            buffer, at = buffer[at:] + more, 0
            check_json(buffer, "a row")
            continue
        yield item


def _object_or_lines(path: Path, file: TextIO) -> Iterator[FileRow]:
    whole = one_object(path, file)
    file.seek(0)
    yield from _lines(path, file) if whole is None else itertools.starmap(_row, enumerate(whole, 1))


def one_object(path: Path, file: TextIO, *, some_bad: bool = False) -> Iterable[Any] | None:
    """Return the rows of the one object, or objects over several lines, of a file; None if each line is an object.

    An object id -> row holds rows only, or for the most part with ``some_bad``.
    """
    rest = lines(file, path)
    first = next(line for line in rest if line.strip())
    is_line = not _line(1, first).fault
    if is_line and any(line.strip() for line in rest):
        return None
    if not is_line:
        first += file.read(limit("file"))
        check("file", len(first), path)
    try:
        found = list(list_items(io.StringIO(f"[{first}]")))
    except (ValueError, RecursionError):
        return None
    if len(found) > 1 or not isinstance(found[0], dict):
        return found
    if some_bad and 2 * sum(isinstance(row, dict) for row in found[0].values()) > len(found[0]):
        return named_rows(found[0])
    within = map(_rows_within, (*(found[0].get(name) for name in WRAPPERS), found[0]))
    return next((rows for rows in within if rows), None if is_line else found)


def _rows_within(value: Any) -> list[Any] | None:
    """Return the rows of a list of objects or of an object id -> row, None for anything else."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return value
    if isinstance(value, dict) and all(isinstance(row, dict) or missing(row) for row in value.values()):
        return list(named_rows(value))
    return None


def named_rows(whole: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the rows of an object id -> row, each with its id as ``row_id``."""
    yield from ({**row, "row_id": key} if isinstance(row, dict) else row for key, row in whole.items())


def _lines(path: Path, file: TextIO) -> Iterator[FileRow]:
    yield from (_line(number, line) for number, line in enumerate(lines(file, path), 1) if line.strip())


def _line(number: int, text: str) -> FileRow:
    try:
        return _row(number, parse_json(text.lstrip("\ufeff"), object_pairs_hook=_unique))
    except ValueError as error:
        return FileRow(number, {}, "the line is no JSON", f"line {number}: {error}")


def _delimited(path: Path, file: TextIO) -> Iterator[FileRow]:
    """Yield the rows of CSV; strictly, or a quote that is never closed would silently swallow the rest."""
    csv.field_size_limit(limit("field"))
    header = next((line for line in lines(file, path) if line.strip() and not line.startswith(_SEPARATOR)), "")
    delimiter = max(_DELIMITERS, key=lambda one: len(next(csv.reader([header], delimiter=one), ())))
    file.seek(0)
    table, names = csv.reader(lines(file, path), delimiter=delimiter, strict=True), list[str]()
    while True:
        number, cells = table.line_num + 1, list[str]()
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield FileRow(number, {}, "the row is no CSV", f"lines {number} to {table.line_num}: {error}")
        if not any(cell.strip() for cell in cells) or (not names and cells[0].startswith(_SEPARATOR)):
            continue
        if not names:
            names = _header(path, cells)
        elif len(cells) != len(names):
            said = f"line {number}: {len(cells)} cells, where the header has {len(names)}"
            yield FileRow(number, {}, "a row of another number of cells than the header", said)
        else:
            named = zip(names, cells, strict=True)
            yield FileRow(
                number, {name: None if text.strip() in MISSING_WORDS else text for name, text in named if name}
            )


def _header(path: Path, cells: Iterable[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    _refuse_repeated(path, names)
    return names


def _refuse_repeated(path: Path, columns: Iterable[str]) -> None:
    if twice := repeated(filter(None, columns)):
        raise DataError(f"{path} has two columns called {twice!r}; give each a name of its own")


def _batch_sizes(path: Path, metadata: Any) -> list[int]:
    """Return the rows to read at a time in each group; values can be shared, so any row may be as large as its group.

    Raises DataError where a small file holds very many values.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    held = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    check("inflation", max(0, held - limit("values")) // path.stat().st_size, path)
    return [max(1, min(BATCH_ROWS, limit("batch") // max(1, group.total_byte_size))) for group in groups]


def parquet_fields(
    path: Path, columns: Sequence[str] | None = None, check: Callable[[Sequence[str]], None] = lambda names: None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a parquet file, a few at a time; ``check`` gets all column names. Raises DataError."""
    parquet = optional_module("pyarrow.parquet", "reading parquet", "data")
    import pyarrow

    wanted = None if columns is None else list(columns)
    try:
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_CHUNK) as file:
            check(file.schema_arrow.names)
            _refuse_repeated(path, file.schema_arrow.names)
            for number, size in enumerate(_batch_sizes(path, file.metadata)):  # over all it would keep what it has read
                for batch in file.iter_batches(batch_size=size, row_groups=[number], columns=wanted):
                    yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())  # arrow's errors have several lines
        raise DataError(f"{path} is no whole parquet file ({said})") from error


def values_by_id(
    path: Path, key: str, example: Any, what: str, needs: str, valid: Callable[[Any], bool]
) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the id and the value of each line ``{"id": "…", KEY: …}`` of a JSON lines file.

    Raises MissingFileError, and DataError for a file without lines, or naming a line that is no such object or whose
    value is not ``valid``; ``what`` it holds and what a line ``needs`` are in these messages.
    """
    such = f"lines such as {json.dumps({'id': '…', key: example}, ensure_ascii=False)}"
    if not path.is_file():
        raise MissingFileError(f"there is no {path}; name a file of {such}")
    with path.open("rb") as file:
        numbered = [(n, line) for n, line in enumerate(file, start=1) if line.strip(b"\xef\xbb\xbf \t\r\n")]
    if not numbered:
        raise DataError(f"{path} holds no {what}; write {such}")
    for number, line in numbered:
        place = f"{path}, line {number}"
        try:
            row = parse_json(line.decode("utf-8-sig"), object_pairs_hook=_unique)
        except ValueError as error:
            raise DataError(f"{place} is no JSON ({error}); write one object a line") from error
        id, value = (row.get("id"), row.get(key)) if isinstance(row, dict) else (None, None)
        if not isinstance(id, str) or not id or not valid(value):
            raise DataError(f"{place} needs {needs}")
        yield place, id, value
