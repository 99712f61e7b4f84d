"""Models behind one small protocol: chat requests with images in, replies out as they finish.

An engine is made by name: ``registry().get("engine", "transformers")(model, **settings)``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

from infimed_plugins.hookspecs import Register, hookimpl
from infimed_plugins.records import ImageRef, Json

NOT_SHAPING = frozenset(
    # of the openai and ray engines
    {"base_url", "api_key_env", "concurrency", "timeout", "retries", "actors", "block", "checkpoint"}
    # of the transformers and vllm engines
    | {"batch_size", "group", "max_images"}
    # of vLLM itself
    | {"tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "distributed_executor_backend"}
    | {"gpu_memory_utilization", "kv_cache_memory_bytes", "swap_space", "cpu_offload_gb", "block_size"}
    | {"max_num_seqs", "max_num_batched_tokens", "enable_prefix_caching", "enable_chunked_prefill", "enforce_eager"}
    | {"download_dir", "max_parallel_loading_workers", "disable_log_stats", "disable_custom_all_reduce"}
)
"""Settings of an engine that change how and where it is asked, not what it says: no part of a reply's key."""


def whole_characters(text: str) -> str:
    """The text with U+FFFD for half a surrogate pair, which JSON can spell and no file can hold."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def shaping_settings(settings: Mapping[str, Json]) -> dict[str, Json]:
    """The settings of an engine that change what it says, and not only how it is asked."""
    return {key: value for key, value in settings.items() if key not in NOT_SHAPING}


def server_hosts(base_url: Json) -> set[str | None]:
    """The hosts of an engine's servers, None for an address that cannot be read."""
    urls = base_url.split(",") if isinstance(base_url, str) else base_url
    return set(map(_host, urls if isinstance(urls, (list, tuple)) else [urls]))


def _host(url: Json) -> str | None:
    try:
        return urlsplit(url.strip()).hostname if isinstance(url, str) else None
    except ValueError:  # "http://[::1"
        return None


@dataclass(frozen=True)
class Sampling:
    """How replies are drawn. ``temperature`` 0 is greedy; ``n`` replies a request; lengths in tokens.

    ``json_schema`` asks for a JSON object of that schema, from engines that can hold a model to one.
    """

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0
    json_schema: Mapping[str, Json] | None = None


@dataclass(frozen=True)
class ChatRequest:
    """One user turn; ``text`` carries one ``<image>`` tag for each image, in order. ``system`` stands before it.

    ``known`` of the n samples are in the request store, which sets it: an engine with ``own_seeds`` draws the others.
    """

    id: str
    text: str
    images: tuple[ImageRef, ...] = ()
    system: str = ""
    known: int = 0


@dataclass(frozen=True)
class Usage:
    """Tokens that a request took; zeros where an engine does not count."""

    prompt: int = 0
    completion: int = 0


@dataclass(frozen=True)
class Reply:
    """The n replies to one request, in sample order. ``error`` set: it failed, and ``texts`` are those before it did.

    ``cut`` says of each whether it ended at the token limit. ``asked`` is False for a reply out of the request store.
    """

    id: str
    texts: tuple[str, ...]
    error: str | None = None
    cut: tuple[bool, ...] = ()
    usage: Usage = Usage()
    asked: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", tuple(map(whole_characters, self.texts)))
        object.__setattr__(self, "error", self.error and whole_characters(self.error))


@dataclass(frozen=True)
class AnswerScore:
    """The log-probability of a given answer to a request: the sum over its tokens (natural logarithm), and how many."""

    id: str
    log_probability: float = 0.0
    tokens: int = 0
    error: str | None = None

    @property
    def perplexity(self) -> float:
        """exp of the mean negative log-probability of a token; infinite without tokens."""
        return math.exp(-self.log_probability / self.tokens) if self.tokens else math.inf


@dataclass(frozen=True)
class Embedding:
    """A unit vector, float32 of shape (dimensions,), of the text and images of a request."""

    id: str
    vector: Any = None
    error: str | None = None


@runtime_checkable
class Engine(Protocol):
    """A model that answers.

    It may have more attributes, which the request store minds: ``on_result``, set before a run: called with each
    reply as it comes, before it is yielded and in any thread; ``revision``, of the model; ``shaping``, a mapping of
    settings that shape its replies; ``own_seeds``, True where sample i of a request is what ``n`` 1 and the seed plus i
    give (so vLLM draws them), and the ``known`` samples of a request are left out.
    """

    model: str

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield a Reply for each request as it finishes. Raises EngineError when the model cannot be reached."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """An engine that can tell how likely a model finds an answer."""

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Yield the score of each (request, answer) pair as it is known. Raises EngineError as ``generate`` does."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """An engine whose model embeds text and images jointly."""

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Yield the embedding of each request as it is known. Raises EngineError as ``generate`` does."""
        ...


@hookimpl
def register_engines(register: Register) -> None:
    """The built-in engines, by import path."""
    register("transformers", "infimed_plugins.engines.transformers:TransformersEngine")
    register("vllm", "infimed_plugins.engines.vllm:VllmEngine")
    register("openai", "infimed_plugins.engines.openai:OpenAIEngine")
    register("ray", "infimed_plugins.engines.ray:RayEngine")
