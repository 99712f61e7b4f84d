"""Write samples as EasyR1 reads them: one parquet file for each set, ``train.parquet`` and ``val.parquet``.

    problem  string                     the question with its image tags (EasyR1's jinja template adds the instruction)
    answer   string                     {"task": "text", "answer": "liver"}
    images   list<struct<bytes: binary>>  encoded images; [] in a text row
    id       string
    task     string
    style    string                     reasoning, or direct: which of the two templates of easyr1_configs/ to name

The images are in the file itself: on a Ray cluster the reading process has a working directory of its own, so paths
would be lost (verl/utils/dataset.py, process_image, reads ``{"bytes": …}``). Text rows need an empty list: EasyR1
asks every row for its length. A run has one template for
all rows; `infimed check rl` says where a row's style is another.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from infimed_plugins import prompts
from infimed_plugins.errors import optional_module
from infimed_plugins.export import ExportRow
from infimed_plugins.storage import whole_file

ROW_GROUP_BYTES = 32 * 1024 * 1024  # images held in memory before a row group is written


def write(rows: Iterable[ExportRow], folder: Path, store_root: Path) -> dict[str, int]:
    """Write ``train.parquet`` (and ``val.parquet``) into ``folder``; return the rows of each file.

    ``store_root`` is the folder that the rows' image paths are relative to.
    """
    files: dict[str, _Parquet] = {}
    with ExitStack() as stack:
        for row in rows:
            if row.into not in files:
                partial = stack.enter_context(whole_file(folder / f"{row.into}.parquet"))
                files[row.into] = stack.enter_context(_Parquet(partial))
            files[row.into].add(parquet_row(row, store_root))
    return {f"{into}.parquet": file.rows for into, file in sorted(files.items())}


def parquet_row(row: ExportRow, store_root: Path) -> dict[str, Any]:
    """Return a row of the parquet file, its images read from the store."""
    return {
        "problem": prompts.question_text(row.sample),
        "answer": row.sample.ground_truth.to_json(),
        "images": [{"bytes": (store_root / path).read_bytes()} for path in row.images],
        "id": row.sample.id,
        "task": row.sample.task,
        "style": row.style,
    }


class _Parquet:
    """A parquet file written a row group at a time."""

    def __init__(self, path: Path) -> None:
        parquet = optional_module("pyarrow.parquet", "writing parquet", "data")
        import pyarrow

        text = pyarrow.string()
        images = pyarrow.list_(pyarrow.struct([("bytes", pyarrow.binary())]))
        columns = {"problem": text, "answer": text, "images": images, "id": text, "task": text, "style": text}
        self._schema = pyarrow.schema(list(columns.items()))
        self._table = pyarrow.Table
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._waiting: list[dict[str, Any]] = []
        self._bytes = 0
        self.rows = 0

    def add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        self._bytes += sum(len(image["bytes"]) for image in row["images"]) + len(row["problem"])
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
