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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from infimed_plugins.engines import AnswerScore, ChatRequest, Embedding, Reply, Sampling
from infimed_plugins.engines import openai_format as form
from infimed_plugins.engines.background import Job, finished
from infimed_plugins.engines.embedding_form import suffix_of
from infimed_plugins.engines.http_client import Servers
from infimed_plugins.engines.http_status import RequestFailed
from infimed_plugins.engines.openai_jobs import Chat, embedded, scored
from infimed_plugins.errors import ConfigError, DataError, MissingExtraError
from infimed_plugins.records import Json

_T = TypeVar("_T")
_R = TypeVar("_R")
Task = Callable[[_T], Job[Servers, _R]]  # of an item: its job, which fails for no reason that is the item's own
OUR_FIELDS = frozenset({"model", "messages", "n", "seed", "stream"})


class OpenAIEngine:
    """A served model behind the Engine, Scorer and Embedder protocols.

    Args:
        model: its name on the server.
        base_url: one URL or several (a list, or one string with commas), each ending in ``/v1``. The least loaded is
            asked first; one that fails is set aside until it answers again, one that refuses the key or the model is
            left out.
        api_key_env: the environment variable with the key; it is read for each run and stored nowhere. Servers
            without keys need none.
        concurrency: requests under way at once, over all servers.
        timeout: seconds a request may take.
        retries: attempts after the first, for what may pass: 408, 429, 5xx, no connection, no answer, a torn reply.
        revision: of the model, where it matters; part of the key under which replies are stored.
        extra_body: fields for every request's body, such as ``{"top_k": 20, "chat_template_kwargs":
            {"enable_thinking": False}}``; None leaves out one that is sent otherwise (``{"top_p": None}``).
        embed_suffix: what ends a text that is embedded (embedding_form.py); gme-Qwen2-VL's is known by its name.
    Raises:
        ConfigError: a setting that cannot be used.
    """

    own_seeds = True

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
        extra_body: Mapping[str, Json] | None = None,
        embed_suffix: str | None = None,
    ) -> None:
        try:
            import httpx  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("the openai engine", "httpx", "openai") from error
        if concurrency < 1 or timeout <= 0 or retries < 0:
            raise ConfigError("concurrency must be 1 or more, timeout more than 0 and retries 0 or more")
        self.model, self.revision = model, revision
        self._urls = _urls(base_url)
        self._key_name = api_key_env
        self._concurrency, self._timeout, self._retries = concurrency, timeout, retries
        self._extra = _extra(extra_body)
        self._suffix = suffix_of(model, embed_suffix)
        self._chat = Chat()
        self.on_result: Callable[[Any], None] | None = None
        shaping = {"extra_body": self._extra or None, "embed_suffix": self._suffix}
        self.shaping = {name: value for name, value in shaping.items() if value is not None}

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Replies as they finish. A request that fails for good is a Reply with an error; see http_status.py."""
        return self._stream(requests, self.to_draw(sampling))

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """How likely the model finds each answer, by vLLM's ``prompt_logprobs``; no other server has them."""
        return self._stream(requests, self.to_score())

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Unit vectors from ``/v1/embeddings``, asked with ``messages``, as vLLM allows; its chat template applies."""
        return self._stream(requests, self.to_embed())

    def to_draw(self, sampling: Sampling) -> Task[ChatRequest, Reply]:
        """What makes a request the job that ``generate`` does for it."""
        if sampling.n > 1 and sampling.temperature == 0:
            raise ConfigError(f"{sampling.n} greedy replies would all be the same; set a temperature above 0 or n to 1")

        def job(request: ChatRequest) -> Job[Servers, Reply]:
            body = self._filled(form.chat_body(self.model, request, sampling))
            return lambda servers: self._chat.drawn(servers, request, body, sampling)

        return _guarded(job, lambda request, error: Reply(request.id, (), error))

    def to_score(self) -> Task[tuple[ChatRequest, str], AnswerScore]:
        """What makes a pair the job that ``score_answers`` does for it."""

        def job(pair: tuple[ChatRequest, str]) -> Job[Servers, AnswerScore]:
            request, answer = pair
            if not answer.strip():
                raise DataError(f"request {request.id}: an empty answer has no probability")
            body = self._filled(form.score_body(self.model, request, answer))
            return lambda servers: scored(servers, request.id, body, answer)

        return _guarded(job, lambda pair, error: AnswerScore(pair[0].id, error=error))

    def to_embed(self) -> Task[ChatRequest, Embedding]:
        """What makes a request the job that ``embed`` does for it."""

        def job(request: ChatRequest) -> Job[Servers, Embedding]:
            body = self._filled(form.embed_body(self.model, request, self._suffix))
            return lambda servers: embedded(servers, request.id, body)

        return _guarded(job, lambda request, error: Embedding(request.id, error=error))

    def session(self) -> Servers:
        """The servers that jobs ask. Raises ConfigError for a key that cannot be one."""
        key = read_key(self._key_name)
        return Servers(
            self._urls,
            key,
            concurrency=self._concurrency,
            timeout=self._timeout,
            retries=self._retries,
            key_name=self._key_name,
        )

    def _filled(self, body: dict[str, Json]) -> dict[str, Json]:
        return {name: value for name, value in (body | self._extra).items() if value is not None}

    def _stream(self, items: Iterable[_T], task: Task[_T, _R]) -> Iterator[_R]:
        keep, self.on_result = self.on_result, None
        return finished(map(task, items), self.session(), 2 * self._concurrency, keep)


def _guarded(job: Task[_T, _R], failed: Callable[[_T, str], _R]) -> Task[_T, _R]:
    """The job of an item, its failure made a result. The images are read here, in the caller's thread."""

    def guarded(item: _T) -> Job[Servers, _R]:
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

    return guarded


def read_key(name: str) -> str:
    """The key in an environment variable, checked: httpx would put one that is no header value into its error."""
    key = os.environ.get(name, "").strip() if name else ""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"the environment variable {name} holds characters that no key has; set it again")
    return key


def _urls(base_url: str | Sequence[str]) -> tuple[str, ...]:
    urls = base_url.split(",") if isinstance(base_url, str) else base_url
    cleaned = tuple(str(url).strip().rstrip("/") for url in urls if str(url).strip())
    for url in cleaned:
        if "@" in url or "?" in url:
            raise ConfigError("base_url has a name, key or query in it; put the key into api_key_env")
        if not _is_address(url):
            raise ConfigError(f"base_url {url[:200]!r} is no web address; write it as http://host:8000/v1")
    if not cleaned:
        raise ConfigError("base_url names no server; write it as http://host:8000/v1")
    return tuple(dict.fromkeys(cleaned))


def _is_address(url: str) -> bool:
    from httpx import URL, InvalidURL

    try:
        parts = urlsplit(url)
        readable = url.isprintable() and " " not in url and parts.port != 0 and URL(url).host
    except (ValueError, InvalidURL):  # a port of 99999, [::1 without its end
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname and readable)


def _extra(extra_body: Mapping[str, Json] | None) -> dict[str, Json]:
    if extra_body is not None and not isinstance(extra_body, Mapping):
        raise ConfigError(f"extra_body is a mapping of field to value, not {extra_body!r}")
    extra = dict(extra_body or {})
    if taken := sorted(OUR_FIELDS & extra.keys()):
        raise ConfigError(f"extra_body sets {', '.join(taken)}, which the engine itself does; leave it out")
    return extra
