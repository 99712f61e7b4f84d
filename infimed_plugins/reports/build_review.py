"""A page of random rows of a build with their images, boxes drawn in: to look at what is trained on."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infimed_plugins import pages
from infimed_plugins.errors import DataError
from infimed_plugins.images import thumbnail
from infimed_plugins.limits import parse_json
from infimed_plugins.parsing.boxes import parse_boxes
from infimed_plugins.paths import below
from infimed_plugins.recipes.manifest import Manifest

THUMBNAIL = 360  # pixels of the longer side
ROWS = 40


@dataclass(frozen=True)
class ShownRow:
    """One row: where it comes from, the turns, and its images as data URIs."""

    file: str
    id: str
    turns: tuple[tuple[str, str], ...]
    images: tuple[str, ...]


def write_page(folder: Path, manifest: Manifest, path: Path, *, rows: int = ROWS, seed: int = 0) -> None:
    """Write the page: one file, offline. Raises MissingExtraError without jinja2, DataError for a broken row."""
    shown = list(random_rows(folder, manifest, rows, seed))
    template = Path(__file__).with_name("build_review.html.jinja")
    pages.write_page(path, template, manifest=manifest, rows=shown, seed=seed)


def random_rows(folder: Path, manifest: Manifest, count: int, seed: int) -> Iterator[ShownRow]:
    """Rows drawn at random over all files of a build, in the order of the files."""
    total = sum(output.rows for output in manifest.outputs)
    wanted = set(random.Random(seed).sample(range(total), min(count, total)))
    first = 0
    for output in manifest.outputs:
        inside = sorted(index - first for index in wanted if first <= index < first + output.rows)
        first += output.rows
        if not inside:
            continue
        path = below(folder, output.file)
        yield from _parquet_rows(path, inside) if path.suffix == ".parquet" else _sharegpt_rows(path, inside)


def _sharegpt_rows(path: Path, wanted: list[int]) -> Iterator[ShownRow]:
    left = set(wanted)
    with path.open(encoding="utf-8") as file:
        for index, line in enumerate(file):
            if index in left:
                row = parse_json(line, path)
                turns = tuple((turn["role"], turn["content"]) for turn in row["messages"])
                images = tuple(_thumbnail(below(path.parent, name).read_bytes(), name) for name in row["images"])
                yield ShownRow(path.name, row["id"], turns, images)


def _parquet_rows(path: Path, wanted: list[int]) -> Iterator[ShownRow]:
    import pyarrow.parquet

    left, first = set(wanted), 0
    with pyarrow.parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if any(first <= index < first + size for index in left):
                for index, row in enumerate(file.read_row_group(group).to_pylist(), start=first):
                    if index in left:
                        yield _parquet_row(path.name, row)
            first += size


def _parquet_row(file: str, row: dict[str, Any]) -> ShownRow:
    truth = json.loads(row["answer"])
    boxes = parse_boxes(truth["answer"]) if truth["task"] in ("grounding", "detection") else None
    drawn = boxes.boxes if boxes else ()
    images = tuple(_thumbnail(image["bytes"], row["id"], drawn) for image in row["images"])
    return ShownRow(file, row["id"], (("user", row["problem"]), ("ground truth", row["answer"])), images)


def _thumbnail(data: bytes, name: str, boxes: tuple[tuple[float, ...], ...] = ()) -> str:
    try:
        return pages.data_uri(thumbnail(data, name, THUMBNAIL, boxes))
    except DataError as error:
        raise DataError(f"{error}; build again with --fresh") from error
