"""The remote engine: any OpenAI-compatible server, or several of them, asked with bounded concurrency.

Example::

    engine = OpenAIEngine("Qwen/Qwen2.5-VL-7B-Instruct", base_url=["http://node1:8000/v1", "http://node2:8000/v1"])
    for reply in engine.generate(requests, Sampling(n=10, temperature=1.0, seed=7)):
        ...

Several machines need no more than that: start ``vllm serve`` on each. For a kill to cost nothing, wrap the engine in
a ``Stored`` (stored.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from infimed_plugins.engines import AnswerScore, ChatRequest, Embedding, Reply, Sampling, Usage
from infimed_plugins.engines import openai_format as form
from infimed_plugins.engines.background import Job, finished
from infimed_plugins.engines.http_client import Servers
from infimed_plugins.engines.http_status import RequestFailed
from infimed_plugins.errors import ConfigError, DataError, MissingExtraError
from infimed_plugins.records import Json

_T = TypeVar("_T")
_R = TypeVar("_R")
CHAT = "/chat/completions"


class OpenAIEngine:
    """A served model behind the Engine, Scorer and Embedder protocols.

    Args:
        model: its name on the server.
        base_url: one URL or several (a list, or one string with commas), each ending in ``/v1``. The least loaded is
            asked first; one that fails is set aside and tried again later.
        api_key_env: the environment variable with the key; it is read for each run and stored nowhere. Servers
            without keys need none.
        concurrency: requests under way at once, over all servers.
        timeout: seconds a request may take.
        retries: attempts after the first, for what may pass: 408, 429, 5xx, no connection, no answer, a torn reply.
        revision: of the model, where it matters; part of the key under which replies are stored.
    Raises:
        ConfigError: a setting that cannot be used.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | Sequence[str] = ("http://127.0.0.1:8000/v1",),
        api_key_env: str = "OPENAI_API_KEY",
        concurrency: int = 64,
        timeout: float = 600.0,
        retries: int = 5,
        revision: str = "",
    ) -> None:
        try:
            import httpx  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("the openai engine", "httpx", "openai") from error
        if concurrency < 1 or timeout <= 0 or retries < 0:
            raise ConfigError("concurrency must be 1 or more, timeout more than 0 and retries 0 or more")
        self.model = model
        self.revision = revision
        self._urls = _urls(base_url)
        self._key_name = api_key_env
        self._concurrency, self._timeout, self._retries = concurrency, timeout, retries

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Replies as they finish. A request that fails for good is a Reply with an error; see http_status.py."""
        if sampling.n > 1 and sampling.temperature == 0:
            raise ConfigError(f"{sampling.n} greedy replies would all be the same; set a temperature above 0 or n to 1")

        def job(request: ChatRequest) -> Job[Servers, Reply]:
            body = form.chat_body(self.model, request, sampling)
            return lambda servers: _drawn(servers, request.id, body, sampling)

        return self._stream(requests, job, lambda request, error: Reply(request.id, (), error))

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """How likely the model finds each answer, by vLLM's ``prompt_logprobs``; no other server has them."""

        def job(pair: tuple[ChatRequest, str]) -> Job[Servers, AnswerScore]:
            request, answer = pair
            if not answer.strip():
                raise DataError(f"request {request.id}: an empty answer has no probability")
            body = form.score_body(self.model, request, answer)
            return lambda servers: _scored(servers, request.id, body, answer)

        return self._stream(requests, job, lambda pair, error: AnswerScore(pair[0].id, error=error))

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Unit vectors from ``/v1/embeddings``, asked with ``messages``, as vLLM allows; its chat template applies."""

        def job(request: ChatRequest) -> Job[Servers, Embedding]:
            body = {"model": self.model, "messages": form.messages(request), "encoding_format": "float"}
            return lambda servers: _embedded(servers, request.id, body)

        return self._stream(requests, job, lambda request, error: Embedding(request.id, error=error))

    def _stream(
        self, items: Iterable[_T], job: Callable[[_T], Job[Servers, _R]], failed: Callable[[_T, str], _R]
    ) -> Iterator[_R]:
        def jobs() -> Iterator[Job[Servers, _R]]:
            for item in items:
                yield _guarded(item, job, failed)

        key = _key(self._key_name)
        servers = Servers(
            self._urls,
            key,
            concurrency=self._concurrency,
            timeout=self._timeout,
            retries=self._retries,
            key_name=self._key_name,
        )
        return finished(jobs(), servers, window=2 * self._concurrency)


def _guarded(item: _T, job: Callable[[_T], Job[Servers, _R]], failed: Callable[[_T, str], _R]) -> Job[Servers, _R]:
    """The job of an item, its failure made a result. The images are read here, in the caller's thread."""
    ready: Job[Servers, _R] | None = None
    trouble = ""
    try:
        ready = job(item)
    except DataError as error:
        trouble = str(error)

    async def run(servers: Servers) -> _R:
        if ready is None:
            return failed(item, trouble)
        try:
            return await ready(servers)
        except RequestFailed as error:
            return failed(item, str(error))

    return run


async def _drawn(servers: Servers, request_id: str, body: dict[str, Json], sampling: Sampling) -> Reply:
    """All n replies. A server that ignores ``n`` is asked for the rest one by one, each with a seed of its own."""
    texts, cut, usage = await servers.ask(CHAT, body, lambda reply: form.read_chat(reply, sampling.n))
    while len(texts) < sampling.n:
        one = body | {"n": 1, "seed": sampling.seed + len(texts)}
        more, cut_too, used = await servers.ask(CHAT, one, lambda reply: form.read_chat(reply, 1))
        texts, cut = texts + more, cut + cut_too
        usage = Usage(usage.prompt + used.prompt, usage.completion + used.completion)
    return Reply(request_id, tuple(texts), cut=tuple(cut), usage=usage)


async def _scored(servers: Servers, request_id: str, body: dict[str, Json], answer: str) -> AnswerScore:
    tokens = await servers.ask(CHAT, body, form.read_prompt_logprobs)
    count = form.answer_length(tokens, answer)
    if count is None:  # count the tokens before the answer instead
        plain = {key: body[key] for key in ("model", "max_tokens", "temperature")}
        usage = await servers.ask(CHAT, plain | {"messages": body["messages"][:-1]}, form.read_usage)
        count = len(tokens) + 1 - usage.prompt
    if not 0 < count <= len(tokens):
        raise RequestFailed("the server's prompt_logprobs do not fit the answer")
    chosen = [logprob for _, logprob in tokens[-count:]]
    return AnswerScore(request_id, sum(chosen), len(chosen))


async def _embedded(servers: Servers, request_id: str, body: dict[str, Json]) -> Embedding:
    return Embedding(request_id, await servers.ask("/embeddings", body, form.read_embedding))


def _urls(base_url: str | Sequence[str]) -> tuple[str, ...]:
    urls = base_url.split(",") if isinstance(base_url, str) else base_url
    cleaned = tuple(url.strip().rstrip("/") for url in urls if url.strip())
    for url in cleaned:
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query:
            raise ConfigError(
                f"base_url {parts.hostname}: no names, keys or queries in it; put the key into api_key_env"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"base_url {url!r} is no web address; write it as http://host:8000/v1")
    if not cleaned:
        raise ConfigError("base_url names no server; write it as http://host:8000/v1")
    return tuple(dict.fromkeys(cleaned))


def _key(name: str) -> str:
    """The key, checked: httpx would put one that is no header value into its error."""
    key = os.environ.get(name, "").strip() if name else ""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"the environment variable {name} holds characters that no key has; set it again")
    return key
