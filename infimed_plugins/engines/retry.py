"""Classify a server's answers (reply, retry, refuse, stop) and choose the server to ask next.

    200                            the reply
    408, 425, 429, 500 and above   asked again, of another server at once, or after the pause that Retry-After names
    401, 402, 403, 404, 405, 3xx   the server is left out; the run stops when it was the last
    other 4xx (400, 413, 422 …)    this request fails, the run goes on

A failing server is set aside, for longer each time, and taken back when it answers a GET; then it gets one request at a
time until it has answered one. A server that refuses the key or the model is left out for the rest of the run.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import math
import time
from collections.abc import Awaitable, Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass

from infimed_plugins.engines import replace_surrogates
from infimed_plugins.errors import EngineError
from infimed_plugins.limits import parse_json
from infimed_plugins.records import Json

RETRIED = (408, 425, 429)
LONGEST_MESSAGE = 300
FAILURES_BEFORE_ASIDE = 3  # a server that answers 500 at once would otherwise always be the least loaded
_log = logging.getLogger(__name__)


class RequestFailed(Exception):
    """One request that will not be answered; the text is the error of its reply."""


class Refused(RequestFailed):
    """A request that the server finds wrong (4xx)."""


class Retryable(Exception):
    """A request that is worth another try, after ``wait`` seconds at least, ``most_retries`` times at most."""

    def __init__(self, text: str, *, wait: float = 0.0, most_retries: int = 1000) -> None:
        super().__init__(text)
        self.wait, self.most_retries = wait, most_retries


class Unreachable(Retryable):
    """No connection."""


class EmptyReply(Retryable):
    """A reply with nothing in it, which another server would hardly better; after some tries ``read_as`` is taken."""

    def __init__(self, text: str, *, most_retries: int, read_as: object = None) -> None:
        super().__init__(text, most_retries=most_retries)
        self.read_as = read_as


def raise_for_status(
    status: int,
    headers: Mapping[str, str],
    text: str,
    url: str,
    key_name: str = "",
    mask: Callable[[str], str] = str,
) -> None:
    """Return for a good status; raise Retryable, Refused or EngineError as the table says.

    ``mask`` takes the key out of the server's words, after they are parsed: JSON can spell it in many ways.
    """
    if 200 <= status < 300:
        return
    said = f"{url} answers {status}: {_message(text, mask)}"
    if status == 429 and "insufficient_quota" in text:
        raise EngineError(f"{said}; the account has no quota left")
    if status in RETRIED or status >= 500:
        raise Retryable(said, wait=_retry_after(headers.get("retry-after", "")))
    if status in (401, 403):
        raise EngineError(f"{said}; put a key that is valid there into the environment variable {key_name or 'named'}")
    if status == 402:
        raise EngineError(f"{said}; the account must be paid first")
    if status in (404, 405) or status < 400:
        raise EngineError(f"{said}; check the model's name ({url}/models lists them) and base_url (it ends in /v1)")
    raise Refused(said)


def status_in_body(error: Json) -> int:
    """Return the status that an error in a body with status 200 names as its code; 400 if it names none."""
    code = str(error.get("code")) if isinstance(error, dict) else ""
    return int(code) if len(code) == 3 and code.isascii() and code.isdigit() and code >= "300" else 400


def shortened(text: str, mask: Callable[[str], str]) -> str:
    """Return the beginning of a server's words on one line; the key is masked first, which the cut might halve."""
    text = replace_surrogates(" ".join(mask(text[:100_000]).split()))
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "…"


def _message(text: str, mask: Callable[[str], str]) -> str:
    """Return the words of an error body: OpenAI's, vLLM's or FastAPI's form, else its beginning."""
    with suppress(ValueError):
        body = parse_json(text)
        if isinstance(body, dict):
            inner = body.get("error", body)
            text = str(inner.get("message") or inner.get("detail") or inner) if isinstance(inner, dict) else str(inner)
    return shortened(text, mask)


def _retry_after(value: str) -> float:
    """Return seconds from a number or a date; 0 for neither."""
    with suppress(ValueError):
        seconds = float(value)
        return seconds if 0 < seconds < math.inf else 0.0
    with suppress(ValueError, OverflowError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return 0.0


@dataclass(eq=False)
class Server:
    """One server of a pool: how many requests it has, how often in a row it failed, and if it is asked."""

    url: str
    load: int = 0
    failures: int = 0
    is_aside: bool = False
    on_trial: bool = False

    def is_open(self) -> bool:
        """True if it may be given a request."""
        return not self.is_aside and not (self.on_trial and self.load)


class ServerPool:
    """The servers of a run; the least loaded of those that live is asked next.

    Args:
        urls: one or several.
        answers: True if a server that was set aside is there again; asked after ``pause(failures in a row)`` seconds.
    """

    def __init__(
        self, urls: tuple[str, ...], answers: Callable[[Server], Awaitable[bool]], pause: Callable[[int], float]
    ) -> None:
        self.servers = [Server(url) for url in urls]
        self._answers, self._pause = answers, pause
        self._tasks: set[asyncio.Task[None]] = set()

    def lives(self, but: Container[Server] = ()) -> bool:
        """True if a server may be asked, ``but`` those."""
        return any(server.is_open() and server not in but for server in self.servers)

    def pick(self, but: Container[Server] = ()) -> Server:
        """Return the least loaded server that lives, ``but`` those if others do; else the one that failed least."""

        def rank(server: Server) -> tuple[int, int, bool, int]:
            trouble = (0, 0) if server.is_open() else (1 + server.is_aside, server.failures)
            return *trouble, server in but, server.load

        return min(self.servers, key=rank)

    def answered(self, server: Server) -> None:
        """Take note of a request that was answered."""
        server.failures, server.is_aside, server.on_trial = 0, False, False

    def failed(self, server: Server, reason: str, *, at_once: bool = False) -> None:
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
