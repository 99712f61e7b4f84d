"""Run the processes that prepare a build's images: on this machine, or on a Ray cluster through Ray Data.

Either runs the same function on the same bytes, so the files are the same. For Ray work is gathered until a result is
asked for and then goes out as one data set. Every machine must see the output folder under the same path. Ray connects
where RAY_ADDRESS says, or starts on this machine.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from infimed_plugins.errors import ConfigError, DataError, optional_module

AHEAD = {"local": 64, "ray": 2048}  # samples whose images are being prepared, or gathered for one data set
SAFE_PATH = "PYTHONSAFEPATH"


@contextmanager
def image_workers(count: int, on: str = "local") -> Iterator[Executor | None]:
    """Yield an executor that prepares images, None if one process is enough. It spawns: a fork beside a model's
    threads may hang."""
    if on == "ray":
        yield RayDataExecutor()
        return
    if on != "local":
        raise ConfigError(f"--executor is {on!r}; one of local, ray")
    if count <= 1:
        yield None
        return
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"  # a worker would import a multiprocessing.py of the working folder
    quiet = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: this process ends the workers
    executor = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), signal.signal, quiet)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
        os.environ.pop(SAFE_PATH)
        os.environ.update({SAFE_PATH: before} if before else {})


class RayDataExecutor(Executor):
    """An executor whose tasks run in Ray Data. ``submit`` only notes the work."""

    def __init__(self) -> None:
        self._data = optional_module("ray.data", "building on Ray", "ray")
        import ray

        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        self._data.DataContext.get_current().enable_progress_bars = False
        self._waiting: list[tuple[bytes, _RayFuture]] = []

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> _RayFuture:
        """Note the work; the first ``result()`` runs all that is noted."""
        future = _RayFuture(self)
        self._waiting.append((pickle.dumps((work, arguments, named)), future))
        return future

    def run(self) -> None:
        """Submit the noted work and fulfill its futures."""
        waiting, self._waiting = self._waiting, []
        rows = [{"index": index, "work": work} for index, (work, _) in enumerate(waiting)]
        for row in self._data.from_items(rows).map(_do).iter_rows():
            said, future = pickle.loads(row["said"]), waiting[row["index"]][1]
            if isinstance(said, BaseException):
                future.set_exception(said)
            else:
                future.set_result(said)


class _RayFuture(Future[Any]):
    def __init__(self, executor: RayDataExecutor) -> None:
        super().__init__()
        self._executor = executor

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self._executor.run()
        return super().result(timeout)


def _do(row: dict[str, Any]) -> dict[str, Any]:
    work, arguments, named = pickle.loads(row["work"])
    try:
        said: Any = work(*arguments, **named)
    except (DataError, OSError) as error:
        said = error
    return {"index": row["index"], "said": pickle.dumps(said)}
