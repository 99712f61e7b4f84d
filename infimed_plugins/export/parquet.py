"""Write rows as parquet, a file for each set, with the images in the rows and one row group in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from infimed_plugins.errors import optional_module
from infimed_plugins.export import ExportRow
from infimed_plugins.storage import whole_file

ROW_GROUP_BYTES = 32 * 1024 * 1024  # held in memory before a row group is written
NO_IMAGE = {"bytes": b""}
_TEXT_BYTES = 1024  # what a row counts for beside its images
ToRow = Callable[[ExportRow, Path, int], dict[str, Any]]  # of a sample, the root of its images, its number in the file


def embedded(row: ExportRow, store_root: Path) -> list[dict[str, bytes]]:
    """Return the images of a row as ``{"bytes": …}``, read from the store."""
    return [{"bytes": (store_root / path).read_bytes()} for path in row.images]


def write_parquet(
    rows: Iterable[ExportRow],
    folder: Path,
    store_root: Path,
    _: str = "",
    *,
    to_row: ToRow,
    image: dict[str, Any] = NO_IMAGE,
    metadata: dict[str, str] | None = None,
) -> dict[str, int]:
    """Write ``train.parquet`` (and ``val.parquet``) into ``folder``; return the rows of each file.

    ``to_row`` gives texts, numbers, lists and dicts of them, never None, and ``images`` as ``embedded`` does: the first
    row and an example of an ``image`` make the schema, with ``metadata``.
    """
    parquet = optional_module("pyarrow.parquet", "writing parquet", "data")
    from pyarrow import Table

    writers: dict[str, Any] = {}
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        for into, group in _row_groups(rows, store_root, to_row):
            if into not in writers:
                partial = stack.enter_context(whole_file(folder / f"{into}.parquet"))
                example = Table.from_pylist([{**group[0], "images": [image]}])
                writer = parquet.ParquetWriter(partial, example.schema.with_metadata(metadata))
                writers[into] = stack.enter_context(writer)
            writers[into].write_table(Table.from_pylist(group, schema=writers[into].schema))
            counts[into] += len(group)
    return {f"{into}.parquet": count for into, count in sorted(counts.items())}


def _row_groups(rows: Iterable[ExportRow], store_root: Path, to_row: ToRow) -> Iterator[tuple[str, list[Any]]]:
    """Yield neighboring rows of one set, as many as are held in memory."""
    numbers: Counter[str] = Counter()
    group: list[Any] = []
    into, size = "", 0
    for row in rows:
        if group and (row.into != into or size >= ROW_GROUP_BYTES):
            yield into, group
            group, size = [], 0
        into = row.into
        group.append(to_row(row, store_root, numbers[into]))
        numbers[into] += 1
        size += sum(len(image["bytes"]) for image in group[-1]["images"]) + _TEXT_BYTES
    if group:
        yield into, group
