"""Ray Data's checkpoint for the ray engine: a run that was killed asks only for the rows that are not committed.

In the folder, ``ids/`` is Ray's record of what is done and ``replies/`` the rows that it wrote, a file for each block.
Results are read from there as they are committed. A request that failed is not committed under its own id.

Example::

    for key, result in Checkpoint(Path("/shared/run"), block=32).rows({"k1": b"..."}, mapped):
        ...
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, EngineError

POLL_SECONDS = 0.2
FILTER_BYTES = 64 * 2**20  # reserved for the process that leaves out what is done; Ray's default is 1 GiB
PENDING = ".pending.parquet"


class Checkpoint:
    """A folder with what is done. Raises ConfigError for a Ray without checkpoints."""

    def __init__(self, folder: Path, block: int) -> None:
        try:
            import ray.data.checkpoint  # noqa: F401
        except ImportError as error:
            raise ConfigError("this Ray has no checkpoints; install ray[data] 2.60 or leave checkpoint out") from error
        self._ids, self._replies = folder.absolute() / "ids", folder.absolute() / "replies"
        self._block = block
        self._seen: set[str] = set()
        self._where: dict[str, str] = {}  # of what an earlier run committed: the block's name by key

    def rows(self, asked: Mapping[str, bytes], mapped: Callable[[Any], Any]) -> Iterator[tuple[str, bytes]]:
        """Key and result of every row, those done before first. Raises EngineError when one does not come."""
        missing = set(asked)
        for block in self._committed():
            self._where |= {key: block for key, _, done in self._read(block) if done}
        for block in sorted({self._where[key] for key in missing & self._where.keys()}):
            yield from self._take(block, missing, failed=False)
        if not missing:
            return
        run = _Writing(mapped(self._dataset(asked)), self._replies)
        going = True
        while going:
            going = not run.ended()
            for block in self._committed():
                yield from self._take(block, missing, failed=True)
        run.check()
        if missing:
            raise EngineError(f"{len(missing)} replies are missing in {self._replies}; delete the folder and run again")

    def _committed(self) -> Iterator[str]:
        """The names of the blocks committed since last time."""
        for file in sorted(self._ids.glob("*.parquet")):
            if file.stem not in self._seen and not file.name.endswith(PENDING):
                self._seen.add(file.stem)
                yield file.stem

    def _take(self, block: str, missing: set[str], *, failed: bool) -> Iterator[tuple[str, bytes]]:
        for key, result, done in self._read(block):
            if done:
                self._where[key] = block
            if key in missing and (done or failed):
                missing.remove(key)
                yield key, result

    def _read(self, block: str) -> Iterator[tuple[str, bytes, bool]]:
        """Key, result and whether it is done, of each row; one that failed has more than the key in its id."""
        import pyarrow.parquet as parquet

        for file in sorted(self._replies.glob(f"{block}-*.parquet")):
            for row in parquet.read_table(file, columns=["key", "result"]).to_pylist():
                key, _, failure = row["key"].partition(" ")
                yield key, row["result"], not failure

    def _dataset(self, asked: Mapping[str, bytes]) -> Any:
        import pyarrow
        import ray.data
        from ray.data.checkpoint import CheckpointConfig

        from infimed_plugins.engines.ray_rows import Rows, StoredIds

        items = iter(asked.items())
        blocks: list[Any] = []
        while some := list(islice(items, self._block)):
            blocks.append(pyarrow.table({"key": [key for key, _ in some], "item": [packed for _, packed in some]}))
        # no CPU is reserved, so that it goes on beside a busy model; one or two processes, then, or Ray starts hundreds
        dataset = ray.data.read_datasource(Rows(blocks), override_num_blocks=len(blocks), num_cpus=0, concurrency=1)
        config = CheckpointConfig(
            "key", str(self._ids), delete_checkpoint_on_success=False, checkpoint_manager_cls=StoredIds
        )
        config.checkpoint_actor_memory_bytes = FILTER_BYTES
        dataset.context.checkpoint_config = config
        return dataset


class _Writing:
    """A data set that is written to parquet files by a thread."""

    def __init__(self, dataset: Any, folder: Path) -> None:
        self._dataset, self._folder = dataset, folder
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._write, name="checkpoint", daemon=True)
        self._thread.start()

    def ended(self) -> bool:
        """Whether it is, after a short wait."""
        self._thread.join(POLL_SECONDS)
        return not self._thread.is_alive()

    def check(self) -> None:
        """Raise what went wrong."""
        if self._error is not None:
            raise self._error

    def _write(self) -> None:
        try:
            self._dataset.write_parquet(str(self._folder), ray_remote_args={"num_cpus": 0}, concurrency=2)
        except Exception as error:  # noqa: BLE001 - raised where results are taken
            self._error = error
