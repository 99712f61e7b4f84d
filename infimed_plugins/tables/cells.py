"""Read one cell of a row, whichever library wrote it: which values are missing, which column names are equal.

Missing are None, NaN of any library, NaT and pandas.NA; in a CSV file, where all is text, the words that pandas takes
for missing too (``MISSING_WORDS``: "None", "NA", "null" …). Elsewhere "None" is an answer like any other, and only
``NO_WORDS`` are not: no one writes them, str() of a missing value does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infimed_plugins.bounded_cache import cached
from infimed_plugins.limits import parse_json, parse_literal

NO_WORDS = frozenset(["nan", "NaN", "NaT", "<NA>"])
MISSING_WORDS = NO_WORDS | {
    "None",
    "null",
    "NULL",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "#NA",
    "-nan",
    "-NaN",
}  # pandas.read_csv


def missing(value: Any) -> bool:
    """True if a value is None, or one that equals nothing, as NaN and NaT of every library."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA has no truth value, an array has several
        return type(value).__name__ == "NAType"


def blank(value: Any) -> bool:
    """True if a cell is empty: a missing value, or text without a word."""
    return missing(value) or (isinstance(value, str) and (not value.strip() or value.strip() in NO_WORDS))


def structured(value: Any) -> Any:
    """Return a list or object from its text (JSON, or Python as pandas writes it), an array as list; else the value."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if not isinstance(value, str) or value.strip()[:1] not in ("[", "{"):
        return value
    for read in (parse_json, parse_literal):
        try:
            found = read(value.strip())
        except ValueError:
            continue
        return found if isinstance(found, (list, dict)) else value
    return value


@cached(4096)
def column_key(name: object) -> str:
    """Return a column's name for comparison: ``Option A``, ``option_a`` and ``optionA`` are one."""
    return re.sub(r"[\s_.-]+", "", str(name)).casefold()


@cached(4096)  # the rows of a table have the same
def _columns(keys: tuple[Any, ...]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for key in keys:
        columns.setdefault(column_key(key), []).append(key)
    return columns


def picked(fields: Mapping[str, Any], names: Iterable[str]) -> Iterator[Any]:
    """Yield a row's values under these names of columns, in their order, without blanks."""
    columns = _columns(tuple(fields))
    for name in names:
        yield from (fields[key] for key in columns.get(column_key(name), ()) if not blank(fields[key]))


def pick(fields: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first value that ``picked`` yields, None without any."""
    return next(picked(fields, names), None)
