"""Ask servers from many threads, over connections that stay open while the process lives, each call bounded in time.

Example::

    session = SharedSession(OpenAIEngine("m", base_url="http://node1:8000/v1"))
    for reply in session.within(time.monotonic() + 60).generate(requests, Sampling()):
        ...  # what has no reply by then has one with an error

For callers that ask little and often, such as a reward that a trainer calls for each reply: to connect anew would take
longer than the reply.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, as_completed
from dataclasses import dataclass

from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.engines.background import Job
from infimed_plugins.engines.http_client import Servers
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.errors import EngineError
from infimed_plugins.records import Json

RETRY_SECONDS = 30.0  # from a failure of all servers to the next request
TOO_LATE = "no reply within the time of a batch"


class SharedSession:
    """The servers of an engine. An outage is said at once for RETRY_SECONDS, then they are tried again."""

    def __init__(self, engine: OpenAIEngine) -> None:
        self.engine = engine
        self._servers: Servers | None = None
        self._out, self._out_until = "", 0.0
        self._opening = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="shared session", daemon=True).start()

    def within(self, deadline: float) -> Within:
        """Return an engine that answers until the ``deadline`` (time.monotonic)."""
        return Within(self, deadline, self.engine.model, self.engine.revision, self.engine.shaping)

    def start(self, job: Job[Servers, Reply]) -> Future[Reply]:
        """Start a job; its future has an error where no server answers."""
        return asyncio.run_coroutine_threadsafe(self._run(job), self._loop)

    def rest(self, why: str) -> None:
        """Ask nothing for RETRY_SECONDS."""
        self._out, self._out_until = why, time.monotonic() + RETRY_SECONDS

    async def _run(self, job: Job[Servers, Reply]) -> Reply:
        async with self._opening:
            if time.monotonic() < self._out_until:
                raise EngineError(self._out)
            servers = self._servers or await self._open()
        try:
            return await job(servers)
        except EngineError as error:  # no request can be answered
            self.rest(str(error))
            if self._servers is servers:
                self._servers = None
                await servers.__aexit__()
            raise

    async def _open(self) -> Servers:
        session = self.engine.session()
        self.rest(TOO_LATE)  # where this is cancelled
        try:
            self._servers = await session.__aenter__()
        except EngineError as error:
            self.rest(str(error))
            raise
        self._out_until = 0.0
        return self._servers


@dataclass
class Within:
    """A SharedSession as an Engine, until a deadline; all requests are started at once."""

    session: SharedSession
    deadline: float
    model: str
    revision: str
    shaping: Mapping[str, Json]
    own_seeds = True

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield replies as they finish; whatever goes wrong is the error of a reply."""
        job = self.session.engine.task("draw", sampling)
        asked, replied = {self.session.start(job(request)): request.id for request in requests}, False
        try:
            for future in as_completed(list(asked), timeout=max(0.0, self.deadline - time.monotonic())):
                reply = _reply(future, asked.pop(future))
                replied = replied or reply.error is None
                yield reply
        except TimeoutError:
            if not replied:  # it hangs
                self.session.rest(TOO_LATE)
            yield from [Reply(id, error=TOO_LATE) for id in asked.values()]
        finally:
            for future in asked:
                future.cancel()


def _reply(future: Future[Reply], id: str) -> Reply:
    error = future.exception()
    return Reply(id, error=str(error) or type(error).__name__) if error else future.result()
