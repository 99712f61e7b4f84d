"""Read the rows of JSON, CSV, TSV and parquet files, one at a time however large the file is.

A file that is cut off or has lost a column is a DamagedFileError; a row that is no object is left to the source.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from infimed_plugins.errors import DamagedFileError, DataError
from infimed_plugins.limits import limit, lines, parse_json
from infimed_plugins.tables.rows import first_rows, list_items, named_columns, one_object, parquet_fields

NO_OBJECT = "no object"  # the one field of a row of JSON that is none; it holds what stands there


def json_rows(path: Path, columns: Sequence[str] = (), content: bytes | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSON list, of JSON lines, or of an object id -> row (the id becomes ``row_id``).

    ``content`` is that of an archive's member, where ``path`` is its name. Raises DamagedFileError for what is no JSON,
    and where the first rows lack one of the columns (checked_rows).
    """
    binary = path.open("rb") if content is None else io.BytesIO(content)
    with io.TextIOWrapper(binary, encoding="utf-8-sig") as file:
        try:
            start = file.read(1024).lstrip()[:1]
            file.seek(0)
            if not start:
                raise ValueError("it is empty")
            yield from checked_rows(path, columns, list_items(file) if start == "[" else _lines_or_object(path, file))
        except DamagedFileError:
            raise
        except UnicodeDecodeError as error:
            raise DamagedFileError(f"{path} is not in UTF-8 ({error}); download it again") from error
        except (ValueError, RecursionError) as error:
            raise DamagedFileError(f"{path} is no JSON ({error}); download it again") from error


def checked_rows(path: Path, columns: Sequence[str], rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows; one that is no object becomes one with the field NO_OBJECT.

    Upstream leaves a key out of single rows, so columns are looked for in the first hundred rows together. Raises
    DamagedFileError where one of them is in none of these, or none is an object.
    """
    rest = iter(rows)
    head = first_rows(rest)
    found = dict.fromkeys(key for row in head if isinstance(row, dict) for key in row)
    if head and not found:
        raise DamagedFileError(f"{path} holds a {type(head[0]).__name__} where a row should be; download it again")
    if head:
        check_columns(path, columns, list(found))
    for row in itertools.chain(head, rest):
        yield row if isinstance(row, dict) else {NO_OBJECT: repr(row)[:100]}


def _lines_or_object(path: Path, file: TextIO) -> Iterator[Any]:
    whole = one_object(path, file, some_bad=True)
    file.seek(0)
    yield from (parse_json(line) for line in lines(file, path) if line.strip()) if whole is None else whole


def read_files(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Return the rows of parquet files, or of the first file of JSON or CSV."""
    if paths[0].suffix == ".parquet":
        return parquet_rows(paths, columns)
    return (delimited_rows if paths[0].suffix == ".csv" else json_rows)(paths[0], columns)


def delimited_rows(
    path: Path, columns: Sequence[str], renamed: Mapping[str, str] | None = None, header: bool = True
) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file, every field text, none taken for missing. ``renamed`` corrects column names.

    Without a ``header`` the columns are these. Raises DamagedFileError when one is not there, and for a field that
    never ends.
    """
    csv.field_size_limit(limit("field"))
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        table = csv.DictReader(lines(file, path), None if header else columns)
        try:
            names = [(renamed or {}).get(name, name) for name in table.fieldnames or ()]
            check_columns(path, columns, names)
            table.fieldnames = names
            for number, row in enumerate(table):
                if not header and not number and (None in row or None in row.values()):
                    count = sum(value is not None for value in row.values()) + len(row.get(None) or " ") - 1
                    said = f"{path} has {count} columns, not {', '.join(columns)}"
                    raise DamagedFileError(f"{said}; download it again")
                yield {key: value or "" for key, value in row.items() if key is not None}
        except csv.Error as error:
            raise DamagedFileError(f"{path} is no whole CSV file ({error}); download it again") from error


def parquet_rows(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of parquet files, only these columns. Raises DataError when one is not there."""
    for path in paths:
        try:
            yield from parquet_fields(path, columns, partial(check_columns, path, columns))
        except DamagedFileError:
            raise
        except DataError as error:
            raise DamagedFileError(f"{error}; download it again") from error


def check_columns(path: Path, expected: Sequence[str], found: Sequence[str]) -> None:
    """Raise DataError naming the columns expected and found: the upstream schema has changed."""
    missing = [column for column in expected if column not in found]
    if missing:
        raise DamagedFileError(
            f"{path} has no column {missing[0]!r}: expected {', '.join(expected)}; found {named_columns(found)}. "
            "The data set has changed upstream, or the file is another's; use the pinned revision"
        )
