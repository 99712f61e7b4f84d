"""The remote engine: any OpenAI-compatible server, or several of them, asked with bounded concurrency.

Example::

    engine = OpenAIEngine("Qwen/Qwen2.5-VL-7B-Instruct", base_url=["http://node1:8000/v1", "http://node2:8000/v1"])
    for reply in engine.generate(requests, Sampling(n=10, temperature=1.0, seed=7)):
        ...

For several machines, start ``vllm serve`` on each. To resume after a kill, wrap the engine in a ``CachedEngine``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from infimed_plugins.engines import AnswerScore, ChatRequest, Embedding, Reply, Sampling, Usage, request_of
from infimed_plugins.engines import embed_suffix as suffix_of
from infimed_plugins.engines import openai_format as form
from infimed_plugins.engines.background import Job, finished
from infimed_plugins.engines.http_client import Servers
from infimed_plugins.engines.retry import Refused, RequestFailed
from infimed_plugins.errors import ConfigError, DataError, optional_module
from infimed_plugins.records import Json

OUR_FIELDS = frozenset({"model", "messages", "n", "seed", "stream"})
CHAT = "/chat/completions"
SCHEMA = "response_format"
GREEDY = Sampling()
_log = logging.getLogger(__name__)


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
        embed_suffix: what ends a text that is embedded (``engines.embed_suffix``); gme-Qwen2-VL's is known by its name.
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
        optional_module("httpx", "the openai engine", "openai")
        if concurrency < 1 or timeout <= 0 or retries < 0:
            raise ConfigError("concurrency must be 1 or more, timeout more than 0 and retries 0 or more")
        self.model, self.revision = model, revision
        self._urls = _urls(base_url)
        self._key_name = api_key_env
        self._concurrency, self._timeout, self._retries = concurrency, timeout, retries
        self._extra = _extra(extra_body)
        self._suffix = suffix_of(model, embed_suffix)
        self._refuses_schema = False
        self.on_result: Callable[[Any], None] | None = None
        shaping = {"extra_body": self._extra or None, "embed_suffix": self._suffix}
        self.shaping = {name: value for name, value in shaping.items() if value is not None}

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield replies as they finish. A request that fails for good is a Reply with an error; see retry.py."""
        sampling.refuse_greedy_copies()
        return self._stream(requests, self.task("draw", sampling))

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Yield how likely the model finds each answer, by vLLM's ``prompt_logprobs``; no other server has them."""
        return self._stream(requests, self.task("score"))

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Yield unit vectors of ``/v1/embeddings``, asked with ``messages``, as vLLM allows, by its chat template."""
        return self._stream(requests, self.task("embed"))

    def task(self, method: str, sampling: Sampling = GREEDY) -> Callable[[Any], Job[Servers, Any]]:
        """Return a function that makes an item a job: ``draw`` samples, ``score`` an answer or ``embed`` a request.

        A failure is a result with an error. The images are read as the job is made, in the caller's thread.
        """
        methods: dict[str, tuple[Any, Any, Any]] = {
            "draw": (Reply, lambda request: form.chat_body(self.model, request, sampling), self._draw),
            "score": (AnswerScore, lambda pair: form.score_body(self.model, *pair), _score),
            "embed": (Embedding, lambda request: form.embed_body(self.model, request, self._suffix), _embed),
        }
        make, to_body, ask = methods[method]

        def job(item: Any) -> Job[Servers, Any]:
            request = request_of(item)
            body, trouble = {}, ""
            try:
                body = {name: value for name, value in (to_body(item) | self._extra).items() if value is not None}
            except DataError as error:
                trouble = str(error)

            async def run(servers: Servers) -> Any:
                try:
                    return make(request.id, error=trouble) if trouble else await ask(servers, item, body, sampling)
                except RequestFailed as error:
                    return make(request.id, error=str(error))

            return run

        return job

    def session(self) -> Servers:
        """Return the servers that jobs ask. Raises ConfigError for a key that cannot be one."""
        return Servers(
            self._urls,
            read_key(self._key_name),
            concurrency=self._concurrency,
            timeout=self._timeout,
            retries=self._retries,
            key_name=self._key_name,
        )

    async def _draw(self, servers: Servers, request: ChatRequest, body: dict[str, Json], sampling: Sampling) -> Reply:
        """Draw the samples that are not known. A server that ignores ``n`` is asked for them one by one.

        Each sample has a seed of its own, so those drawn before one fails are kept.
        """
        missing = sampling.n - request.known
        texts: list[str] = []
        cut: list[bool] = []
        usage, error = Usage(), None
        while len(texts) < missing and error is None:
            count = 1 if texts else missing
            seeds = {"n": count, "seed": sampling.seed + request.known + len(texts)}
            try:
                more, more_cut, used = await self._ask(servers, body | seeds, count)
            except RequestFailed as failed:
                error = str(failed)
                continue
            texts, cut = texts + [servers.masked_reply(text) for text in more], cut + more_cut
            usage += used
        return Reply(request.id, tuple(texts), error, tuple(cut), usage)

    async def _ask(self, servers: Servers, body: dict[str, Json], count: int) -> form.Drawn:
        """Ask for ``count`` samples; without a schema where servers refuse one, which is remembered."""
        plain = {name: value for name, value in body.items() if name != SCHEMA}
        if self._refuses_schema:
            body = plain
        try:
            return await servers.ask(CHAT, body, lambda reply: form.read_chat(reply, count))
        except Refused as refused:
            if SCHEMA not in body:
                raise
            try:
                drawn = await servers.ask(CHAT, plain, lambda reply: form.read_chat(reply, count))
            except RequestFailed:
                raise refused from None
        if not self._refuses_schema:
            _log.warning("the server refuses %s: what should follow a schema is asked for without", SCHEMA)
            self._refuses_schema = True
        return drawn

    def _stream(self, items: Iterable[Any], task: Callable[[Any], Job[Servers, Any]]) -> Iterator[Any]:
        keep, self.on_result = self.on_result, None
        return finished(map(task, items), self.session(), 2 * self._concurrency, keep)


async def _score(servers: Servers, pair: tuple[ChatRequest, str], body: dict[str, Json], _: Sampling) -> AnswerScore:
    """Ask for the log-probability of the answer, which is the end of the prompt."""
    request, answer = pair
    tokens = await servers.ask(CHAT, body, form.read_prompt_logprobs)
    count = form.answer_length(tokens, answer)
    if count is None:  # count the tokens before the answer instead
        asked_otherwise = ("messages", "prompt_logprobs", "add_generation_prompt", "continue_final_message")
        plain = {key: value for key, value in body.items() if key not in asked_otherwise}
        usage = await servers.ask(CHAT, plain | {"messages": body["messages"][:-1]}, form.read_usage)
        count = len(tokens) + 1 - usage.prompt
    if not 0 < count <= len(tokens):
        raise RequestFailed("the server's prompt_logprobs do not fit the answer")
    chosen = [logprob for _, logprob in tokens[-count:]]
    return AnswerScore(request.id, sum(chosen), len(chosen))


async def _embed(servers: Servers, request: ChatRequest, body: dict[str, Json], _: Sampling) -> Embedding:
    return Embedding(request.id, await servers.ask("/embeddings", body, form.read_embedding))


def read_key(name: str) -> str:
    """Return the key in an environment variable, checked: httpx would put a bad header value into its error."""
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
