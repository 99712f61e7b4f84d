"""Which of several servers is asked next: the least loaded of those that live.

A server that fails is set aside, for longer each time, and taken back when it answers a GET; until it has then answered
a request it is given one at a time. One that refuses the key or the model is left out for the rest of the run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass

from infimed_plugins.errors import EngineError

FAILURES_BEFORE_ASIDE = 3  # a server that answers 500 at once would otherwise always be the least loaded
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Server:
    """One server of a pool: how many requests it has, how often in a row it failed, and whether it is asked."""

    url: str
    load: int = 0
    failures: int = 0
    is_aside: bool = False
    on_trial: bool = False

    def is_open(self) -> bool:
        """Whether it may be given a request."""
        return not self.is_aside and not (self.on_trial and self.load)


class ServerPool:
    """The servers of a run.

    Args:
        urls: one or several.
        answers: whether a server that was set aside is there again; asked after ``pause(failures in a row)`` seconds.
    """

    def __init__(
        self, urls: tuple[str, ...], answers: Callable[[Server], Awaitable[bool]], pause: Callable[[int], float]
    ) -> None:
        self.servers = [Server(url) for url in urls]
        self._answers, self._pause = answers, pause
        self._tasks: set[asyncio.Task[None]] = set()

    def lives(self, but: Container[Server] = ()) -> bool:
        """Whether a server may be asked, ``but`` those."""
        return any(server.is_open() and server not in but for server in self.servers)

    def pick(self, but: Container[Server] = ()) -> Server:
        """The least loaded server that lives, ``but`` those if others do; with none, the one that failed least."""

        def rank(server: Server) -> tuple[int, int, bool, int]:
            trouble = (0, 0) if server.is_open() else (1 + server.is_aside, server.failures)
            return *trouble, server in but, server.load

        return min(self.servers, key=rank)

    def answered(self, server: Server) -> None:
        """A request was answered."""
        server.failures, server.is_aside, server.on_trial = 0, False, False

    def failed(self, server: Server, reason: str, *, at_once: bool) -> None:
        """Count a failure in a row; set the server aside for a while after some, or after this one."""
        if server.is_aside or server not in self.servers:  # requests that were under way tell of the same failure
            return
        server.failures += 1
        if not (at_once or server.on_trial or server.failures >= FAILURES_BEFORE_ASIDE):
            return
        _log.warning("%s is set aside for %g s: %s", server.url, self._pause(server.failures), reason)
        server.is_aside = True
        task = asyncio.get_running_loop().create_task(self._take_back(server))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop(self, server: Server, error: EngineError, reason: str) -> None:
        """Leave a server out for the rest of the run. Raises the error when no other is left."""
        if server in self.servers and len(self.servers) > 1:
            self.servers.remove(server)
            _log.warning("%s is left out of this run: %s", server.url, reason)
        elif server in self.servers:
            raise error

    async def close(self) -> None:
        """Stop looking after the servers that are set aside."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take_back(self, server: Server) -> None:
        await asyncio.sleep(self._pause(server.failures))
        while server.is_aside and not await self._answers(server):
            server.failures += 1
            await asyncio.sleep(self._pause(server.failures))
        if server.is_aside:
            server.is_aside, server.on_trial = False, True
