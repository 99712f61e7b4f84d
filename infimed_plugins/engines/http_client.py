"""Ask one or several servers of one model over HTTP.

Example::

    async with Servers(("http://a:8000/v1",), key, concurrency=64, timeout=600, retries=5) as servers:
        text = await servers.ask("/chat/completions", {"model": "m", "messages": [...]}, read_text)

It uses httpx, not the openai package's client, which takes a third more CPU for a request (1.3 ms in place of 1.0 with
an 80 kB image and n = 10), retries one server only, and needs httpx or httpx2 by its version.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from infimed_plugins.engines.retry import (
    EmptyReply,
    RequestFailed,
    Retryable,
    Server,
    ServerPool,
    Unreachable,
    raise_for_status,
    shortened,
    status_in_body,
)
from infimed_plugins.errors import DataError, EngineError
from infimed_plugins.limits import check, parse_json, unpacked
from infimed_plugins.records import Json

if TYPE_CHECKING:
    import httpx

_T = TypeVar("_T")
Answer = tuple[int, Mapping[str, str], bytes]  # status, headers, body
_log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0  # seconds before the second attempt; doubled for each further one
LONGEST_PAUSE = 60.0
CONNECT_SECONDS = 10.0


class Servers:
    """The servers, with ``concurrency`` lanes to them. An async context manager; it checks that one can be reached.

    A lane is an httpx client of its own: one client looks through all of its 64 connections whenever a request starts
    or ends, which took it to 280 requests/s where 64 clients made 1,240 (tests/measure/bench_engine.py).

    Raises:
        EngineError: no server can be reached, or all refuse the key or the model.
    """

    def __init__(
        self, urls: tuple[str, ...], key: str, *, concurrency: int, timeout: float, retries: int, key_name: str = ""
    ) -> None:
        import httpx

        self._httpx = httpx
        self._pool = ServerPool(urls, self._is_back, _doubled)
        self._key, self._key_name = key, key_name
        self._key_pattern = re.compile(
            "".join(rf"(?:\\{{0,4}}{re.escape(c)}|\\{{1,4}}u00(?i:{ord(c):02x}))" for c in key)
        )
        self._concurrency, self._timeout, self._retries = concurrency, timeout, retries
        self._lanes: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        self._clients: list[httpx.AsyncClient] = []
        self.lost = 0  # requests in a row that no server could be reached for
        self._random = random.Random()  # jitter must not move the seeded global generator

    async def __aenter__(self) -> Servers:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        hosts = {self._httpx.URL(server.url).host for server in self._pool.servers}
        local = hosts <= {"127.0.0.1", "localhost", "::1"}
        certificates = self._httpx.create_ssl_context()  # takes 15 ms
        for _ in range(self._concurrency):
            client = self._httpx.AsyncClient(
                headers=headers,
                verify=certificates,
                timeout=self._httpx.Timeout(None, connect=CONNECT_SECONDS),  # asyncio.timeout bounds the whole request
                trust_env=not local,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # kept of nobody, sent to nobody
            )
            self._clients.append(client)
            self._lanes.put_nowait(client)
        try:
            await self._check()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()
        for client in self._clients:
            await client.aclose()

    async def ask(self, path: str, body: Json, read: Callable[[Json], _T]) -> _T:
        """Return what ``read`` makes of the JSON reply; ``read`` raises Retryable for one that is worth another try.

        Raises:
            RequestFailed: this request cannot be answered; others may be.
            EngineError: no request can be answered.
        """
        client = await self._lanes.get()
        try:
            return await self._ask(client, path, _encoded(body), read)
        finally:
            self._lanes.put_nowait(client)

    async def _ask(self, client: httpx.AsyncClient, path: str, body: bytes, read: Callable[[Json], _T]) -> _T:
        attempts = 0
        tried: set[Server] = set()
        moves = len(self._pool.servers)
        while True:
            server = self._pool.pick(but=tried)
            try:
                reply = self._read(server, await self._post(client, server, path, body), read)
                self._pool.answered(server)
                return reply
            except Retryable as failure:
                tried.add(server)
                if moves > 0 and not isinstance(failure, EmptyReply) and self._pool.lives(but=tried):
                    moves -= 1
                    continue  # another server is alive: no attempt is lost and no time
                attempts += 1
                if attempts > min(self._retries, failure.most_retries):
                    empty: _T = self._give_up(failure, attempts)
                    return empty
                tried.clear()
                _log.debug("attempt %d failed: %s", attempts, failure)
                await asyncio.sleep(max(failure.wait, _doubled(attempts)) * self._random.uniform(1.0, 1.5))

    async def _post(self, client: httpx.AsyncClient, server: Server, path: str, body: bytes) -> bytes:
        server.load += 1
        try:
            status, headers, said = await self._send(client, "POST", server, path, self._timeout, body)
        finally:
            server.load -= 1
        self.lost = 0
        if status >= 300:
            self._refuse(status, headers, said, server)
        return said

    async def _send(
        self,
        client: httpx.AsyncClient,
        method: str,
        server: Server,
        path: str,
        seconds: float,
        body: bytes | None = None,
    ) -> Answer:
        """Return the answer, unpacked. Raises RequestFailed for one over the limit, Retryable where none comes."""
        try:
            async with asyncio.timeout(seconds):
                return await _answer(client, method, server.url + path, body)
        except DataError as error:
            raise RequestFailed(self._masked(str(error))) from None
        except TimeoutError:
            failure = Retryable(f"{server.url} gave no answer within {seconds:g} s")
        except (self._httpx.ConnectError, self._httpx.ConnectTimeout) as error:
            failure = Unreachable(f"{server.url} cannot be reached ({self._masked(str(error))})")
        # the last two: a redirect to no address
        except (self._httpx.HTTPError, self._httpx.InvalidURL, UnicodeError) as error:
            said = self._masked(str(error)) or type(error).__name__
            self._pool.failed(server, "the connection broke off", at_once=method == "GET")
            raise Retryable(f"{server.url} broke off ({said})") from None
        self._pool.failed(server, f"it {str(failure).removeprefix(server.url + ' ')}", at_once=True)
        raise failure

    def _read(self, server: Server, content: bytes, read: Callable[[Json], _T]) -> _T:
        try:
            body = parse_json(content)
            if isinstance(body, dict) and (error := body.get("error")):
                self._refuse(status_in_body(error), {}, content, server)
            return read(body)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError, RecursionError) as error:
            self._pool.failed(server, "its replies are not of the expected form")
            said = shortened(content[:100_000].decode("utf-8", "replace"), self._masked)
            raise Retryable(f"the reply is not of the expected form ({type(error).__name__}): {said}") from None

    def _give_up(self, failure: Retryable, attempts: int) -> Any:
        """Return what the reply is read as after all; else raise the error of the request, or of the run."""
        if isinstance(failure, EmptyReply) and failure.read_as is not None:
            return failure.read_as
        self.lost += isinstance(failure, Unreachable)
        if self.lost >= self._concurrency:
            raise EngineError(
                f"{failure}, and {self.lost} requests in a row found no server; start it and run again: "
                "what is in the response cache is not asked twice"
            ) from None
        raise RequestFailed(f"{failure}; given up after {attempts} attempts") from None

    async def _check(self) -> None:
        servers = tuple(self._pool.servers)
        errors = await asyncio.gather(*(self._reach(server) for server in servers))
        if all(errors):
            urls = ", ".join(server.url for server in servers)
            raise EngineError(f"no server answers at {urls} ({errors[0]}); start it or mend base_url")

    async def _reach(self, server: Server) -> str:
        """Return why the server cannot be asked, or nothing. Any answer will do, but for one that refuses the key."""
        try:
            status, headers, said = await self._get_models(server)
        except Retryable as error:
            return str(error).removeprefix(server.url + " ") if isinstance(error, Unreachable) else ""
        if status in (401, 403):
            try:
                self._refuse(status, headers, said, server)
            except Retryable as refused:
                return str(refused)
        return ""

    async def _is_back(self, server: Server) -> bool:
        try:
            return (await self._get_models(server))[0] < 500
        except Retryable:
            return False

    async def _get_models(self, server: Server) -> Answer:
        try:
            return await self._send(self._clients[0], "GET", server, "/models", min(CONNECT_SECONDS, self._timeout))
        except RequestFailed:  # its answer is too long, but the server is there
            return 200, {}, b""

    def _refuse(self, status: int, headers: Mapping[str, str], said: bytes, server: Server) -> NoReturn:
        """Raise what the status means; the server may be set aside for it, or left out of the run."""
        try:
            text = said.decode("utf-8", "replace")
            raise_for_status(status, headers, text, server.url, self._key_name, self._masked)
        except EngineError as error:
            self._pool.drop(server, error, f"it answers {status}")
            raise Retryable(str(error)) from None
        except Retryable as failure:
            self._pool.failed(server, f"it answers {status}")
            failure.wait = min(failure.wait, self._timeout)
            raise
        raise AssertionError("a status of 300 or more is judged bad")

    def masked_reply(self, text: str) -> str:
        """Mask the key in what a model says, unless that is a word for no key, such as EMPTY, which it may say."""
        is_word = len(self._key) < 8 or (len(self._key) < 16 and self._key.isalpha())
        return text if is_word else self._masked(text)

    def _masked(self, text: str) -> str:
        """Mask the key, as it is or as JSON may spell it."""
        return self._key_pattern.sub("***", text) if self._key and (self._key in text or "\\" in text) else text


async def _answer(client: httpx.AsyncClient, method: str, url: str, body: bytes | None) -> Answer:
    """Return the answer, unpacked. Raises DataError for one that is over the limit."""
    said = bytearray()
    async with client.stream(method, url, content=body) as answer:
        check("reply", int(answer.headers.get("content-length", 0)), url)
        async for piece in answer.aiter_raw():  # not unpacked by httpx, which does so whatever comes out
            said += piece
            check("reply", len(said), url)
        packing = answer.headers.get("content-encoding", "")
        return answer.status_code, answer.headers, unpacked(bytes(said), packing, url)


def _doubled(times: int) -> float:
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(times - 1, 30))


def _encoded(body: Json) -> bytes:
    try:
        import orjson

        return orjson.dumps(body)  # ten times as fast: most of a body is an image
    except (ImportError, TypeError):  # TypeError: a lone surrogate, which JSON's escapes can carry
        return json.dumps(body).encode()
