"""Many coroutines at once behind a plain generator: an event loop in a thread, with bounded look-ahead.

Example::

    for reply in finished(jobs, Servers(...), window=128):  # a job is ``async def job(servers): return reply``
        ...

Jobs are drawn in the caller's thread, only as results are taken: memory stays flat, and a notebook, which has a
running loop of its own, may call it.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

_S = TypeVar("_S")
_R = TypeVar("_R")
Job = Callable[[_S], Coroutine[Any, Any, _R]]


def finished(
    jobs: Iterator[Job[_S, _R]],
    session: AbstractAsyncContextManager[_S],
    window: int,
    keep: Callable[[_R], None] | None = None,
) -> Iterator[_R]:
    """Yield what the jobs return, as they finish; at most ``window`` are drawn and not yet yielded.

    ``keep`` is called with each result as it comes, in the thread of the requests, whatever the caller's thread does.
    The session is opened for the first job and closed at the end. The first error of a job ends all of them.
    """
    drawn = next(jobs, None)
    if drawn is None:
        return
    with _Loop[_S, _R](session, keep) as loop:
        outstanding = 0
        while True:
            while drawn is not None and outstanding < window:
                loop.begin(drawn)
                outstanding += 1
                drawn = next(jobs, None)
            if not outstanding:
                return
            result = loop.take()
            outstanding -= 1
            yield result


class _Loop(Generic[_S, _R]):
    """The thread with the loop, the session in it and the tasks that run."""

    def __init__(self, session: AbstractAsyncContextManager[_S], keep: Callable[[_R], None] | None) -> None:
        self._session, self._keep = session, keep
        self._opened: Future[_S] = Future()
        self._results: queue.SimpleQueue[tuple[_R | None, BaseException | None]] = queue.SimpleQueue()
        self._tasks: set[asyncio.Task[_R]] = set()
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="requests", daemon=True)

    def __enter__(self) -> _Loop[_S, _R]:
        self._thread.start()
        try:
            self._opened.result()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._closing.set)
        if threading.current_thread() is not self._thread:  # an abandoned generator may be collected anywhere
            self._thread.join()

    def begin(self, job: Job[_S, _R]) -> None:
        self._loop.call_soon_threadsafe(self._start, job)

    def take(self) -> _R:
        result, error = self._results.get()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # None only beside an error, or where a job returns it

    def _start(self, job: Job[_S, _R]) -> None:
        task = self._loop.create_task(job(self._opened.result()))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[_R]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None and self._keep is not None:
            try:
                self._keep(task.result())
            except BaseException as failure:  # noqa: BLE001  a full disk: the caller's thread must hear of it
                error = failure
        self._results.put((None, error) if error else (task.result(), None))

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller's thread must hear of it
            if not self._opened.done():
                self._opened.set_exception(error)
            self._results.put((None, error))
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        async with self._session as session:
            self._opened.set_result(session)
            await self._closing.wait()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
