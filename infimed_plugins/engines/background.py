"""Run many coroutines at once behind a plain generator: an event loop in a thread, with bounded look-ahead.

Example::

    for reply in finished(jobs, Servers(...), window=128):  # a job is ``async def job(servers): return reply``
        ...
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any, TypeVar

_S = TypeVar("_S")
_T = TypeVar("_T")
Job = Callable[[_S], Coroutine[Any, Any, _T]]


def finished(
    jobs: Iterator[Job[_S, _T]],
    session: AbstractAsyncContextManager[_S],
    window: int,
    keep: Callable[[_T], None] | None = None,
) -> Iterator[_T]:
    """Yield what the jobs return, as they finish; at most ``window`` are drawn and not yet yielded.

    They run on an event loop in a thread: a notebook, which has a running loop of its own, may call this. Jobs are
    drawn in the caller's thread, only as results are taken: memory stays flat. ``keep`` is called with each result as
    it comes, in the thread of the requests, whatever the caller's thread does. The session is opened for the first job
    and closed at the end. The first error of a job ends all of them.
    """
    drawn = next(jobs, None)
    if drawn is None:
        return
    results: queue.SimpleQueue[Future[_T]] = queue.SimpleQueue()
    with _in_thread(session, results) as (loop, servers):

        async def work(job: Job[_S, _T]) -> _T:
            result = await job(servers)
            if keep is not None:
                keep(result)
            return result

        outstanding: set[Future[_T]] = set()
        while True:
            while drawn is not None and len(outstanding) < window:
                started = asyncio.run_coroutine_threadsafe(work(drawn), loop)
                outstanding.add(started)
                started.add_done_callback(results.put)
                drawn = next(jobs, None)
            if not outstanding:
                return
            ended = results.get()
            outstanding.discard(ended)
            yield ended.result()


@contextmanager
def _in_thread(
    session: AbstractAsyncContextManager[_S], results: queue.SimpleQueue[Future[Any]]
) -> Iterator[tuple[asyncio.AbstractEventLoop, _S]]:
    """Run an event loop in a thread, with the session open in it; at the end, cancel what still runs."""
    opened: Future[tuple[asyncio.AbstractEventLoop, _S]] = Future()
    closing = asyncio.Event()

    async def serve() -> None:
        async with session as servers:
            opened.set_result((asyncio.get_running_loop(), servers))
            await closing.wait()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001  whatever it is, the caller's thread must hear of it
            failed: Future[Any] = Future() if opened.done() else opened
            failed.set_exception(error)
            results.put(failed)

    thread = threading.Thread(target=run, name="requests", daemon=True)
    thread.start()
    loop, servers = opened.result()
    try:
        yield loop, servers
    finally:
        with suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(closing.set)
        if threading.current_thread() is not thread:  # an abandoned generator may be collected anywhere
            thread.join()
