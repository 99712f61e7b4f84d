"""Asking one or several servers of one model over HTTP: what is worth it is asked again, the rest given up at once.

Example::

    async with Servers(("http://a:8000/v1",), key, concurrency=64, timeout=600, retries=5) as servers:
        text = await servers.ask("/chat/completions", {"model": "m", "messages": [...]}, read_text)
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from infimed_plugins.engines.http_status import (
    Again,
    EmptyReply,
    RequestFailed,
    Unreachable,
    judge_status,
    shown,
    told_status,
)
from infimed_plugins.engines.server_pool import Server, ServerPool
from infimed_plugins.errors import DataError, EngineError, MissingExtraError
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

    A lane is an httpx client of its own. One client with a pool of 64 connections looks through all of them, for each
    of them, whenever a request starts or ends: with an 80 kB image and n = 10 it made 280 requests/s on one core, 64
    clients 1,240, aiohttp with orjson 2,380 (tests/benchmarks/bench_engine.py, no latency, the best of three, two
    shared cores, load 2). Models are slower than any: at a latency of 0.25 s all three make 224 to 238.

    Raises:
        EngineError: no server can be reached, or all refuse the key or the model.
    """

    def __init__(
        self, urls: tuple[str, ...], key: str, *, concurrency: int, timeout: float, retries: int, key_name: str = ""
    ) -> None:
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError("the openai engine", "httpx", "openai") from error
        self._httpx = httpx
        self._pool = ServerPool(urls, self._is_back, _doubled)
        self._key, self._key_name = key, key_name
        self._spelt = re.compile("".join(rf"(?:\\{{0,4}}{re.escape(c)}|\\{{1,4}}u00(?i:{ord(c):02x}))" for c in key))
        self._broken = (httpx.HTTPError, httpx.InvalidURL, UnicodeError)  # the last two: a redirect to no address
        self._concurrency, self._timeout, self._retries = concurrency, timeout, retries
        self._lanes: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        self._clients: list[httpx.AsyncClient] = []
        self._lost = 0  # requests in a row that no server could be reached for
        self._random = random.Random()  # jitter must not move the seeded global generator

    async def __aenter__(self) -> Servers:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        hosts = {self._httpx.URL(server.url).host for server in self._pool.servers}
        local = hosts <= {"127.0.0.1", "localhost", "::1"}
        certificates = self._httpx.create_ssl_context()  # shared: each takes 15 ms to make
        limit = self._httpx.Timeout(None, connect=CONNECT_SECONDS)  # asyncio.timeout bounds the whole request
        for _ in range(self._concurrency):
            client = self._httpx.AsyncClient(
                headers=headers,
                verify=certificates,
                timeout=limit,
                trust_env=not local,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # kept of nobody, sent to nobody
            )
            self._clients.append(client)
            self._lanes.put_nowait(client)
        try:
            await self._check()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()
        for client in self._clients:
            await client.aclose()

    async def ask(self, path: str, body: Json, read: Callable[[Json], _T]) -> _T:
        """What ``read`` makes of the JSON reply to ``body``; ``read`` raises Again for one that is worth another try.

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
            except Again as again:
                tried.add(server)
                if moves > 0 and not isinstance(again, EmptyReply) and self._pool.lives(but=tried):
                    moves -= 1
                    continue  # another server is alive: no attempt is lost and no time
                attempts += 1
                if attempts > min(self._retries, again.most_retries):
                    empty: _T = self._give_up(again, attempts)
                    return empty
                tried.clear()
                _log.debug("attempt %d failed: %s", attempts, again)
                await asyncio.sleep(self._pause(attempts, again.wait))

    async def _post(self, client: httpx.AsyncClient, server: Server, path: str, body: bytes) -> bytes:
        server.load += 1
        try:
            async with asyncio.timeout(self._timeout):
                status, headers, said = await self._send(client, "POST", server.url + path, body)
        except TimeoutError:
            self._pool.failed(server, "no answer in time", at_once=True)
            raise Again(f"{server.url} gave no answer within {self._timeout:g} s") from None
        except (self._httpx.ConnectError, self._httpx.ConnectTimeout) as error:
            self._pool.failed(server, "it cannot be reached", at_once=True)
            raise Unreachable(f"{server.url} cannot be reached ({self._masked(str(error))})") from None
        except self._broken as error:  # ended in the middle, for one
            self._pool.failed(server, "the connection broke off", at_once=False)
            raise Again(f"{server.url} broke off ({self._masked(str(error)) or type(error).__name__})") from None
        finally:
            server.load -= 1
        self._lost = 0
        if status >= 300:
            self._refuse(status, headers, said.decode("utf-8", "replace"), server)
        return said

    async def _send(self, client: httpx.AsyncClient, method: str, url: str, body: bytes | None = None) -> Answer:
        """The answer, unpacked. Raises RequestFailed for one that is over the limit."""
        said = bytearray()
        try:
            async with client.stream(method, url, content=body) as answer:
                check("reply", int(answer.headers.get("content-length", 0)), url)
                async for piece in answer.aiter_raw():  # not unpacked by httpx, which does so whatever comes out
                    said += piece
                    check("reply", len(said), url)
                packing = answer.headers.get("content-encoding", "")
                return answer.status_code, answer.headers, unpacked(bytes(said), packing, url)
        except DataError as error:
            raise RequestFailed(self._masked(str(error))) from None

    def _read(self, server: Server, content: bytes, read: Callable[[Json], _T]) -> _T:
        try:
            body = parse_json(content)
            if isinstance(body, dict) and (error := body.get("error")):
                self._refuse(told_status(error), {}, json.dumps(body, ensure_ascii=False), server)
            return read(body)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError, RecursionError) as error:
            self._pool.failed(server, "its replies are not of the expected form", at_once=False)
            said = shown(content[:100_000].decode("utf-8", "replace"), self._masked)
            raise Again(f"the reply is not of the expected form ({type(error).__name__}): {said}") from None

    def _pause(self, attempt: int, least: float) -> float:
        return max(least, _doubled(attempt)) * self._random.uniform(1.0, 1.5)

    def _give_up(self, again: Again, attempts: int) -> Any:
        """What the reply is read as after all; else raise the error of the request, or of the run."""
        if isinstance(again, EmptyReply) and again.read_as is not None:
            return again.read_as
        self._lost += isinstance(again, Unreachable)
        if self._lost >= self._concurrency:
            raise EngineError(
                f"{again}, and {self._lost} requests in a row found no server; start it and run again: "
                "what is in the request store is not asked twice"
            ) from None
        raise RequestFailed(f"{again}; given up after {attempts} attempts") from None

    async def _check(self) -> None:
        servers = tuple(self._pool.servers)
        errors = await asyncio.gather(*(self._reach(server) for server in servers))
        if all(errors):
            urls = ", ".join(server.url for server in servers)
            raise EngineError(f"no server answers at {urls} ({errors[0]}); start it or mend base_url")

    async def _reach(self, server: Server) -> str:
        """Why the server cannot be asked, or nothing. Any answer will do, but for one that refuses the key."""
        try:
            status, headers, said = await self._get_models(server)
        except (self._httpx.ConnectError, self._httpx.ConnectTimeout) as error:
            self._pool.failed(server, "it cannot be reached", at_once=True)
            return self._masked(str(error)) or type(error).__name__
        except (TimeoutError, *self._broken):
            self._pool.failed(server, "no answer in time", at_once=True)
            return ""
        if status in (401, 403):
            try:
                self._refuse(status, headers, said.decode("utf-8", "replace"), server)
            except Again as again:
                return str(again)
        return ""

    async def _is_back(self, server: Server) -> bool:
        try:
            return (await self._get_models(server))[0] < 500
        except (TimeoutError, *self._broken):
            return False

    async def _get_models(self, server: Server) -> Answer:
        async with asyncio.timeout(min(CONNECT_SECONDS, self._timeout)):
            try:
                return await self._send(self._clients[0], "GET", server.url + "/models")
            except RequestFailed:  # it says too much, but it is there
                return 200, {}, b""

    def _refuse(self, status: int, headers: Mapping[str, str], text: str, server: Server) -> NoReturn:
        """Raise what the status means; the server may be set aside for it, or left out of the run."""
        reason = f"it answers {status}"
        try:
            judge_status(status, headers, text, server.url, self._key_name, self._masked)
        except EngineError as error:
            self._pool.drop(server, error, reason)
            raise Again(str(error)) from None
        except Again as again:
            self._pool.failed(server, reason, at_once=False)
            again.wait = min(again.wait, self._timeout)
            raise
        raise AssertionError("a status of 300 or more is judged bad")

    def masked_reply(self, text: str) -> str:
        """What a model says without the key, unless that is a word for no key, such as EMPTY, which it may say."""
        is_word = len(self._key) < 8 or (len(self._key) < 16 and self._key.isalpha())
        return text if is_word else self._masked(text)

    def _masked(self, text: str) -> str:
        """The text without the key, as it is or as JSON may spell it."""
        return self._spelt.sub("***", text) if self._key and (self._key in text or "\\" in text) else text


def _doubled(times: int) -> float:
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(times - 1, 30))


def _encoded(body: Json) -> bytes:
    try:
        import orjson

        return orjson.dumps(body)  # ten times as fast: most of a body is an image
    except (ImportError, TypeError):  # TypeError: a lone surrogate, which JSON's escapes can carry
        return json.dumps(body).encode()
