"""Table 1 of the first paper, as it and the model card print it: shown in a report, marked as published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from infimed_plugins.benchmarks import benchmarks


@dataclass(frozen=True)
class PublishedRow:
    """One model's printed row; ``values`` in the order of the columns and ``average`` are percentages."""

    model: str
    size: str
    group: str
    values: tuple[float, ...]
    average: float


@dataclass(frozen=True)
class PublishedTable:
    """A printed table and where it stands. ``columns``: the paper's header of each benchmark. ``other_rows`` are those
    that a second printing (``other_source``) gives other figures for."""

    title: str
    source: str
    table: str
    columns: Mapping[str, str]
    average: str
    rows: tuple[PublishedRow, ...]
    other_source: str
    other_rows: tuple[PublishedRow, ...]


@cache
def published_data() -> dict[str, Any]:
    """Return published.yaml."""
    return dict(yaml.safe_load(Path(__file__).with_name("published.yaml").read_text(encoding="utf-8")))


@cache
def published_table() -> PublishedTable:
    """Return Table 1 from published.yaml, in the paper's order of rows and columns."""
    data = published_data()
    rows = tuple(row for group, listed in data["groups"].items() for row in _rows(group, listed))
    columns = {one.name: one.paper for one in benchmarks("paper") if one.paper}
    other = data["other_version"]
    others = _rows("Other version", other["rows"])
    return PublishedTable(
        data["title"], data["source"], data["table"], columns, data["average"], rows, other["source"], others
    )


def _rows(group: str, listed: Iterable[tuple[str, str, Iterable[float], float]]) -> tuple[PublishedRow, ...]:
    return tuple(PublishedRow(model, size, group, tuple(values), average) for model, size, values, average in listed)


def header(benchmark: str) -> str:
    """Return the paper's word for a benchmark, or its own name where the paper has none."""
    return published_table().columns.get(benchmark, benchmark)


def in_paper_order(benchmarks: Iterable[str]) -> tuple[str, ...]:
    """Return the benchmarks once each: the paper's in its order, then the others by name."""
    place = {name: number for number, name in enumerate(published_table().columns)}
    return tuple(sorted(set(benchmarks), key=lambda name: (place.get(name, len(place)), name)))
