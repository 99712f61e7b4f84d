"""Write rows as parquet, one file for each set, with the images in the rows and a row group in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from infimed_plugins.errors import optional_module
from infimed_plugins.export import ExportRow
from infimed_plugins.storage import whole_file

ROW_GROUP_BYTES = 32 * 1024 * 1024  # held in memory before a row group is written
_TEXT_BYTES = 1024  # what a row counts for beside its images
ToRow = Callable[[ExportRow, Path, int], dict[str, Any]]  # of a sample, the root of its images, its number in the file


def embedded(row: ExportRow, store_root: Path) -> list[dict[str, bytes]]:
    """Return the images of a row as ``{"bytes": …}``, read from the store."""
    return [{"bytes": (store_root / path).read_bytes()} for path in row.images]


def write_parquet(
    rows: Iterable[ExportRow], folder: Path, store_root: Path, schema: Any, to_row: ToRow
) -> dict[str, int]:
    """Write ``train.parquet`` (and ``val.parquet``) into ``folder``; return the rows of each file.

    ``store_root`` is the folder that the rows' image paths are relative to, ``schema`` that of pyarrow.
    """
    files: dict[str, _Parquet] = {}
    with ExitStack() as stack:
        for row in rows:
            if row.into not in files:
                partial = stack.enter_context(whole_file(folder / f"{row.into}.parquet"))
                files[row.into] = stack.enter_context(_Parquet(partial, schema))
            files[row.into].add(to_row(row, store_root, files[row.into].rows))
    return {f"{into}.parquet": file.rows for into, file in sorted(files.items())}


class _Parquet:
    """A parquet file written a row group at a time."""

    def __init__(self, path: Path, schema: Any) -> None:
        parquet, pyarrow = (optional_module(name, "writing parquet", "data") for name in ("pyarrow.parquet", "pyarrow"))
        self._schema, self._table = schema, pyarrow.Table
        self._writer = parquet.ParquetWriter(path, schema)
        self._waiting: list[dict[str, Any]] = []
        self._bytes = 0
        self.rows = 0

    def add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        self._bytes += sum(len(image["bytes"]) for image in row["images"]) + _TEXT_BYTES
        self.rows += 1
        if self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(self._table.from_pylist(self._waiting, schema=self._schema))
        self._waiting, self._bytes = [], 0

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
