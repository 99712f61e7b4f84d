"""Table 1 of the first paper, as it and the model card print it: what a report shows, marked as published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from infimed_plugins.benchmarks import benchmarks


@dataclass(frozen=True)
class Column:
    """One benchmark by its name here and by the paper's word for it."""

    benchmark: str
    header: str


@dataclass(frozen=True)
class PublishedRow:
    """One model's printed row; ``values`` in the order of the columns and ``average`` are percentages."""

    model: str
    size: str
    group: str
    values: tuple[float, ...]
    average: float


@dataclass(frozen=True)
class OtherVersion:
    """The rows that a second printing gives other figures for; ``group`` says whose they are."""

    source: str
    rows: tuple[PublishedRow, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A printed table and where it stands."""

    title: str
    source: str
    table: str
    columns: tuple[Column, ...]
    average: str
    rows: tuple[PublishedRow, ...]
    other_version: OtherVersion


@cache
def published_table() -> PublishedTable:
    """Table 1 from published.yaml, in the paper's order of rows and, as registered, of columns."""
    text = Path(__file__).with_name("published.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    rows = tuple(row for group, listed in data["groups"].items() for row in _rows(group, listed))
    columns = tuple(Column(one.name, one.paper) for one in benchmarks("paper") if one.paper)
    other = OtherVersion(data["other_version"]["source"], _rows("Other version", data["other_version"]["rows"]))
    return PublishedTable(data["title"], data["source"], data["table"], columns, data["average"], rows, other)


def _rows(group: str, listed: Iterable[tuple[str, str, Iterable[float], float]]) -> tuple[PublishedRow, ...]:
    return tuple(PublishedRow(model, size, group, tuple(values), average) for model, size, values, average in listed)


def header(benchmark: str) -> str:
    """The paper's word for a benchmark, its own name where the paper has none."""
    return next((c.header for c in published_table().columns if c.benchmark == benchmark), benchmark)


def in_paper_order(benchmarks: Iterable[str]) -> tuple[str, ...]:
    """The benchmarks once each: the paper's in its order, then the others by name."""
    place = {column.benchmark: number for number, column in enumerate(published_table().columns)}
    return tuple(sorted(set(benchmarks), key=lambda name: (place.get(name, len(place)), name)))
