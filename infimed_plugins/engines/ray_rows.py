"""Rows in memory as a source that Ray Data's checkpoint can filter, and the ids that are done, read without Ray.

Ray filters behind a read, so the rows pose as one; its own loader of ids starts a task for every file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import ray
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata
from ray.data.checkpoint.checkpoint_filter import CheckpointManager


class Rows(Datasource):
    """Tables, each a block."""

    def __init__(self, tables: list[pyarrow.Table]) -> None:
        self._blocks = [(ray.put(table), table.num_rows, table.nbytes) for table in tables]

    def estimate_inmemory_data_size(self) -> int:
        """Bytes."""
        return sum(size for _, _, size in self._blocks)

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        """A task for each table."""
        return [
            ReadTask(_reader(block), BlockMetadata(num_rows=rows, size_bytes=size, input_files=None, exec_stats=None))
            for block, rows, size in self._blocks
        ]


def _reader(block: Any) -> Callable[[], list[Any]]:
    return lambda: [ray.get(block)]


class StoredIds(CheckpointManager):
    """The committed ids of a checkpoint in a folder."""

    def load_checkpoint(self, data_file_dir: str | None = None, data_file_filesystem: Any = None) -> tuple[Any, int]:
        """A reference to the ids, sorted, and their size; before that, what a kill left half written is removed."""
        self._clean_pending_checkpoints(data_file_dir, data_file_filesystem)
        files = sorted(Path(self.checkpoint_path_unwrapped).glob("*.parquet"))
        found = [parquet.read_table(file, columns=[self.id_column])[self.id_column] for file in files]
        ids = np.sort(np.array([key for column in found for key in column.to_pylist()], dtype=object))
        return (ray.put(ids), int(sum(map(len, ids)))) if len(ids) else (None, 0)
