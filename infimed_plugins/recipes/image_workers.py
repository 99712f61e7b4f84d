"""The processes that prepare a build's images."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

from infimed_plugins.errors import ConfigError
from infimed_plugins.export import ray_executor

SAFE_PATH = "PYTHONSAFEPATH"


@contextmanager
def image_workers(count: int, on: str = "local") -> Iterator[Executor | None]:
    """Processes that prepare images; none where one is enough. Spawned: a fork beside a model's threads may hang."""
    if on == "ray":
        yield ray_executor.RayDataExecutor()
        return
    if on != "local":
        raise ConfigError(f"--engine is {on!r}; one of local, ray")
    if count <= 1:
        yield None
        return
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"  # a worker would import a multiprocessing.py of the working folder
    executor = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
        os.environ.pop(SAFE_PATH)
        os.environ.update({SAFE_PATH: before} if before else {})
