"""The rows of JSON, CSV, TSV and parquet files, one at a time however large the file is.

A file that is cut off or has lost a column is a DamagedFileError; a row that is none is left to the source.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from infimed_plugins.errors import MissingExtraError
from infimed_plugins.sources.faults import DamagedFileError

MAX_FIELD = 1 << 24  # characters of one CSV or TSV field; a base64 image has millions
_CHUNK = 1 << 20
_BETWEEN = re.compile(r"[\s,]*")
BATCH_ROWS = 64  # of a parquet file at a time
HEAD_ROWS = 100  # of a JSON file: the columns that none of them has are not there
MAX_NAMED = 40  # columns in a message
NO_OBJECT = "no object"  # the one field of a row of JSON that is none; it holds what stands there


def json_rows(path: Path, columns: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The rows of a JSON list, of JSON lines, or of an object id -> row (the id becomes ``row_id``), one at a time.

    Raises DamagedFileError for what is no JSON, and where the first rows lack one of the columns (checked_rows).
    """
    with path.open(encoding="utf-8-sig") as file:
        try:
            start = file.read(1024).lstrip()[:1]
            file.seek(0)
            yield from checked_rows(path, columns, _list_items(file) if start == "[" else _lines_or_object(file))
        except (json.JSONDecodeError, RecursionError) as error:
            raise DamagedFileError(f"{path} is no JSON ({error}); download it again") from error
        except UnicodeDecodeError as error:
            raise DamagedFileError(f"{path} is not in UTF-8 ({error}); download it again") from error


def parsed_rows(path: Path, text: bytes, columns: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The rows of an object id -> row in memory, as a member of an archive has; raises as ``json_rows``."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is no JSON ({error}); download it again") from error
    if not isinstance(whole, dict):
        raise DamagedFileError(f"{path} holds a {type(whole).__name__} where an object should be; download it again")
    yield from checked_rows(path, columns, _named_rows(whole))


def _named_rows(whole: Mapping[str, Any]) -> Iterator[Any]:
    yield from ({**row, "row_id": key} if isinstance(row, dict) else row for key, row in whole.items())


def checked_rows(path: Path, columns: Sequence[str], rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """The rows, what is no object as one with the field NO_OBJECT.

    Upstream leaves a key out of single rows, so columns are looked for in the first hundred rows together. Raises
    DamagedFileError where one of them is in none of these, or none is an object.
    """
    rest = iter(rows)
    head = list(itertools.islice(rest, HEAD_ROWS))
    found = dict.fromkeys(key for row in head if isinstance(row, dict) for key in row)
    if head and not found:
        raise DamagedFileError(f"{path} holds a {type(head[0]).__name__} where a row should be; download it again")
    if head:
        check_columns(path, columns, list(found))
    for row in itertools.chain(head, rest):
        yield row if isinstance(row, dict) else {NO_OBJECT: repr(row)[:100]}


def _list_items(file: TextIO) -> Iterator[Any]:
    """The items of a JSON list that may be larger than memory."""
    decoder, buffer, at = json.JSONDecoder(), file.read(_CHUNK), 0
    at = buffer.index("[") + 1
    while True:
        at = _BETWEEN.match(buffer, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if buffer.startswith("]", at):
            return
        try:
            item, at = decoder.raw_decode(buffer, at)
        except json.JSONDecodeError:
            more = file.read(_CHUNK)
            if not more:
                raise
            buffer, at = buffer[at:] + more, 0
            continue
        yield item


def _lines_or_object(file: TextIO) -> Iterator[Any]:
    first = file.readline()
    try:
        row = json.loads(first)
        rest = file.readline()
    except json.JSONDecodeError:  # an object over several lines
        row, rest = json.loads(first + file.read()), ""
    if not rest and isinstance(row, dict) and sum(isinstance(value, dict) for value in row.values()) * 2 > len(row):
        yield from _named_rows(row)
        return
    yield row
    for line in itertools.chain([rest], file):
        if line.strip():
            yield json.loads(line)


def delimited_rows(
    path: Path, columns: Sequence[str], delimiter: str = ",", renamed: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """The rows of a CSV or TSV file, every field text, none taken for missing. ``renamed`` mends names of columns.

    Raises DamagedFileError when a column is not there, and for a field that never ends.
    """
    csv.field_size_limit(MAX_FIELD * 4)
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        table = csv.DictReader(file, delimiter=delimiter, restval="")
        try:
            names = [(renamed or {}).get(name, name) for name in table.fieldnames or ()]
            check_columns(path, columns, names)
            table.fieldnames = names
            for row in table:
                yield {key: value for key, value in row.items() if key is not None}
        except csv.Error as error:
            raise DamagedFileError(f"{path} is no whole CSV file ({error}); download it again") from error


def headless_rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file without a header; raises DamagedFileError where the first has not as many fields."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        try:
            for number, row in enumerate(csv.reader(file)):
                if number == 0 and len(row) != len(columns):
                    raise DamagedFileError(
                        f"{path} has {len(row)} columns, not {', '.join(columns)}; download it again"
                    )
                yield dict(itertools.zip_longest(columns, row[: len(columns)], fillvalue=""))
        except csv.Error as error:
            raise DamagedFileError(f"{path} is no whole CSV file ({error}); download it again") from error


def parquet_rows(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of parquet files, a few at a time, only these columns. Raises DataError when one is not there."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading parquet", "pyarrow", "data") from error
    for path in paths:
        try:
            with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
                check_columns(path, columns, file.schema_arrow.names)
                for group in range(file.num_row_groups):  # over all of them it would keep what it has read
                    for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group], columns=list(columns)):
                        yield from batch.to_pylist()
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())  # arrow's errors have several lines
            raise DamagedFileError(f"{path} is no whole parquet file ({said}); download it again") from error


def check_columns(path: Path, expected: Sequence[str], found: Sequence[str]) -> None:
    """Raise DataError naming the columns expected and found: the upstream schema has changed."""
    missing = [column for column in expected if column not in found]
    if missing:
        some = [*found[:MAX_NAMED], *["…"] * (len(found) > MAX_NAMED)]
        raise DamagedFileError(
            f"{path} has no column {missing[0]!r}: expected {', '.join(expected)}; found {', '.join(some)}. "
            "The data set has changed upstream, or the file is another's; use the pinned revision"
        )
