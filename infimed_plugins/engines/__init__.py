"""Models behind one small protocol: chat requests with images in, replies out as they finish.

An engine is made by name: ``registry().get("engine", "transformers")(model, **settings)``.
"""

from __future__ import annotations

import base64
import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeVar, runtime_checkable
from urllib.parse import urlsplit

from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.hookspecs import Register, hookimpl
from infimed_plugins.prompts import IMAGE_TAG
from infimed_plugins.records import ImageRef, Json

_T = TypeVar("_T")
NOT_SHAPING = frozenset(
    # the openai and ray engines
    {"base_url", "api_key_env", "concurrency", "timeout", "retries", "actors", "block", "checkpoint"}
    # the transformers and vllm engines
    | {"batch_size", "group", "max_images"}
    # vLLM itself
    | {"tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "distributed_executor_backend"}
    | {"gpu_memory_utilization", "kv_cache_memory_bytes", "swap_space", "cpu_offload_gb", "block_size"}
    | {"max_num_seqs", "max_num_batched_tokens", "enable_prefix_caching", "enable_chunked_prefill", "enforce_eager"}
    | {"download_dir", "max_parallel_loading_workers", "disable_log_stats", "disable_custom_all_reduce"}
)
"""Settings of an engine that change how and where it is asked, not its replies: left out of the cache key."""


def replace_surrogates(text: str) -> str:
    """Replace each half of a surrogate pair, which JSON can spell and no file can hold, by U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def shaping_settings(settings: Mapping[str, Json]) -> dict[str, Json]:
    """Return the settings of an engine that change its replies, and not only how it is asked."""
    return {key: value for key, value in settings.items() if key not in NOT_SHAPING}


def server_hosts(base_url: Json) -> set[str | None]:
    """Return the hosts of an engine's servers, None for an address that cannot be read."""
    urls = base_url.split(",") if isinstance(base_url, str) else base_url
    return set(map(_host, urls if isinstance(urls, (list, tuple)) else [urls]))


def _host(url: Json) -> str | None:
    try:
        return urlsplit(url.strip()).hostname if isinstance(url, str) else None
    except ValueError:  # "http://[::1"
        return None


@dataclass(frozen=True)
class Sampling:
    """Settings for drawing replies. ``temperature`` 0 is greedy; ``n`` replies per request; lengths in tokens.

    ``json_schema`` asks for a JSON object of that schema, from engines that can hold a model to one.
    """

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0
    json_schema: Mapping[str, Json] | None = None

    def refuse_greedy_copies(self) -> None:
        """Raise ConfigError for several replies at temperature 0."""
        if self.n > 1 and self.temperature == 0:
            raise ConfigError(f"{self.n} greedy replies would all be the same; set a temperature above 0 or n to 1")


@dataclass(frozen=True)
class ChatRequest:
    """One user turn; ``text`` carries one ``<image>`` tag for each image, in order. ``system`` stands before it.

    ``known`` of the n samples are in the response cache, which sets it: an engine with ``own_seeds`` draws the others.
    """

    id: str
    text: str
    images: tuple[ImageRef, ...] = ()
    system: str = ""
    known: int = 0

    def messages(self, image_part: Callable[[ImageRef], dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the chat messages, with ``image_part`` of each image where its tag stands.

        Raises DataError unless there is one tag for each image.
        """
        pieces = self.text.split(IMAGE_TAG)
        if len(pieces) - 1 != len(self.images):
            raise DataError(f"request {self.id}: {len(pieces) - 1} {IMAGE_TAG} tags for {len(self.images)} images")
        content: list[dict[str, Any]] = []
        for number, piece in enumerate(pieces):
            content += [image_part(self.images[number - 1])] if number else []
            content += [{"type": "text", "text": piece}] if piece else []
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": content}]


Item = ChatRequest | tuple[ChatRequest, str]  # the second with an answer to be scored


def request_of(item: Item) -> ChatRequest:
    """Return a request, with an answer or alone."""
    return item[0] if isinstance(item, tuple) else item


@dataclass(frozen=True)
class Usage:
    """Tokens that a request took; zeros where an engine does not count."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt + other.prompt, self.completion + other.completion)


@dataclass(frozen=True)
class Reply:
    """The n replies to one request, in sample order. ``error`` set: it failed, and ``texts`` are those before it did.

    ``cut`` tells for each if it ended at the token limit. ``asked`` is False for a reply out of the response cache.
    """

    id: str
    texts: tuple[str, ...] = ()
    error: str | None = None
    cut: tuple[bool, ...] = ()
    usage: Usage = Usage()
    asked: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", tuple(map(replace_surrogates, self.texts)))
        object.__setattr__(self, "error", self.error and replace_surrogates(self.error))

    def joined(self, more: Reply) -> Reply:
        """Return ``more`` with the samples of this reply before its own."""
        usage = self.usage + more.usage
        return replace(more, texts=self.texts + more.texts, cut=self.cut + more.cut, usage=usage)

    def to_json(self) -> Json:
        """Return what the response cache keeps."""
        return {"texts": self.texts, "cut": self.cut, "usage": [self.usage.prompt, self.usage.completion]}

    @classmethod
    def from_json(cls, id: str, value: Json) -> Self:
        """Return the cached reply to the request ``id``."""
        return cls(id, tuple(value["texts"]), cut=tuple(value["cut"]), usage=Usage(*value["usage"]), asked=False)


@dataclass(frozen=True)
class AnswerScore:
    """The log-probability of a given answer to a request: the sum over its tokens (natural logarithm), and how many."""

    id: str
    log_probability: float = 0.0
    tokens: int = 0
    error: str | None = None

    @property
    def perplexity(self) -> float:
        """The exponential of the mean negative log-probability of a token; infinite without tokens."""
        return math.exp(-self.log_probability / self.tokens) if self.tokens else math.inf

    def to_json(self) -> Json:
        """Return what the response cache keeps."""
        return [self.log_probability, self.tokens]

    @classmethod
    def from_json(cls, id: str, value: Json) -> Self:
        """Return the cached score of the request ``id``."""
        return cls(id, value[0], value[1])


@dataclass(frozen=True)
class Embedding:
    """A unit vector, float32 of shape (dimensions,), of the text and images of a request."""

    id: str
    vector: Any = None
    error: str | None = None

    def to_json(self) -> Json:
        """Return what the response cache keeps."""
        return base64.b64encode(self.vector.astype("<f4").tobytes()).decode()

    @classmethod
    def from_json(cls, id: str, value: Json) -> Self:
        """Return the cached vector of the request ``id``, a copy that may be written to."""
        import numpy as np

        return cls(id, np.frombuffer(base64.b64decode(value), dtype="<f4").astype(np.float32))


@runtime_checkable
class Engine(Protocol):
    """A model that answers.

    Optional attributes: ``on_result``, set before a run, is called with each reply as it comes, before it is yielded
    and in any thread; ``revision`` of the model and ``shaping``, a mapping of settings, become part of the cache key;
    ``own_seeds`` is True where sample i of a request is what ``n`` 1 and the seed plus i give (so vLLM draws them),
    and the ``known`` samples of a request are left out.
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


def usage_keys(what: str) -> list[str]:
    """Return the keys that a UsageCounter counts under."""
    return [f"{what}: {kind}" for kind in ("requests", "failed requests", "prompt tokens", "completion tokens")]


@dataclass
class UsageCounter:
    """An engine that adds its requests and tokens to ``counted``; those out of the response cache count, too."""

    engine: Engine
    counted: Counter[str]
    what: str
    model: str = ""

    def __post_init__(self) -> None:
        self.model = self.engine.model

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield the engine's replies, counted."""
        keys = usage_keys(self.what)
        for reply in self.engine.generate(requests, sampling):
            counts = (1, int(reply.error is not None), reply.usage.prompt, reply.usage.completion)
            self.counted.update({key: count for key, count in zip(keys, counts, strict=True) if count})
            yield reply


def is_gme(model: str) -> bool:
    """True if a model is a gme-Qwen2-VL, by its hub id or folder."""
    return "gme-qwen2-vl" in model.lower().replace("_", "-")


def embed_suffix(model: str, given: str | None) -> str | None:
    """Return how a text ends before it is embedded: as was set, else as the model's card says, else None.

    gme-Qwen2-VL takes the state of ``<|endoftext|>`` behind the assistant's opening (its model card)::

        <|im_start|>system
        You are a helpful assistant.<|im_end|>
        <|im_start|>user
        <|vision_start|><|image_pad|><|vision_end|>Which organ is it?<|im_end|>
        <|im_start|>assistant
        <|endoftext|>
    """
    return "<|endoftext|>" if given is None and is_gme(model) else given


def batched(things: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """Yield tuples of ``size`` things, the last perhaps shorter: itertools.batched, which Python 3.11 lacks."""
    iterator = iter(things)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch


@hookimpl
def register_engines(register: Register) -> None:
    """Register the built-in engines by import path."""
    register("transformers", "infimed_plugins.engines.transformers:TransformersEngine")
    register("vllm", "infimed_plugins.engines.vllm:VllmEngine")
    register("openai", "infimed_plugins.engines.openai:OpenAIEngine")
    register("ray", "infimed_plugins.engines.ray:RayEngine")
