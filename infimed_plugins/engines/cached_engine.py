"""Answer from a response cache and ask the engine within only for what is missing.

Example::

    with ResponseCache("runs/cot/replies.sqlite") as cache:
        for reply in CachedEngine(OpenAIEngine("m"), cache).generate(requests, sampling):
            ...  # reply.asked is False for one out of the cache

After a kill, a rerun asks for nothing that was finished. Requests and replies are streamed, not held in memory.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

from infimed_plugins.engines import (
    AnswerScore,
    ChatRequest,
    Embedder,
    Embedding,
    Engine,
    Item,
    Reply,
    Sampling,
    Scorer,
    request_of,
)
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.errors import ConfigError, DataError, EngineError
from infimed_plugins.records import Json

MOST_KNOWN = 10_000  # answers found in a row before they are handed out; each waits as an id and a key
R = TypeVar("R", bound=Reply | AnswerScore | Embedding)


def request_key(kind: str, model: str, revision: str, item: Item, **shaping: Json) -> str:
    """Return the sha256 of everything that shapes a reply, so not of the request's id.

    Raises DataError for an unreadable image.
    """
    request = request_of(item)
    whole = {
        "kind": kind,
        "model": model,
        "revision": revision,
        "system": request.system,
        "text": request.text,
        "images": [image.sha256() for image in request.images],
        **({"answer": item[1]} if isinstance(item, tuple) else {}),
        **shaping,
    }
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).hexdigest()


class CachedEngine:
    """Engine, and Scorer and Embedder where the engine within is, over a ResponseCache.

    Samples of an engine with ``own_seeds`` are cached one by one, for any n: raising n from 5 to 10 asks for five, and
    samples drawn before a request failed are kept.

    Args:
        engine: asked for what the cache lacks; its ``model`` and, if it has them, ``revision`` and ``shaping`` go into
            the key.
        cache: where replies are kept; it stays the caller's to close.
        settings: whatever else shapes the engine's replies, such as ``{"max_pixels": 262144}``; into the key too.
    """

    def __init__(self, engine: Engine, cache: ResponseCache, *, settings: Mapping[str, Json] | None = None) -> None:
        self.model = engine.model
        self.revision = str(getattr(engine, "revision", ""))
        self._engine: Any = engine
        self._cache = cache
        self._settings = {**getattr(engine, "shaping", {}), **(settings or {})}
        # set here, not defined below, so that isinstance tells what the engine within can do
        if isinstance(engine, Scorer):
            self.score_answers = partial(self._without_samples, "score", AnswerScore, engine.score_answers)
        if isinstance(engine, Embedder):
            self.embed = partial(self._without_samples, "embed", Embedding, engine.embed)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield cached replies as they are met, the others as they finish."""
        drawn = dict(vars(sampling))
        samples = drawn.pop("n") if getattr(self._engine, "own_seeds", False) else None
        key = partial(self._key, "chat", sampling=drawn)
        lookup = _Lookup[Reply](iter(requests), self._cache, Reply, key, samples)
        return self._through(lookup, lambda missing: self._engine.generate(missing, sampling))

    def _without_samples(
        self, kind: str, result: type[R], ask: Callable[[Iterator[Any]], Iterator[R]], items: Iterable[Any]
    ) -> Iterator[R]:
        """Yield scores or vectors as ``generate`` gives replies."""
        return self._through(_Lookup[R](iter(items), self._cache, result, partial(self._key, kind)), ask)

    def _key(self, kind: str, item: Item, **shaping: Json) -> str:
        return request_key(kind, self.model, self.revision, item, settings=self._settings, **shaping)

    def _through(self, lookup: _Lookup[R], ask: Callable[[Iterator[Any]], Iterator[R]]) -> Iterator[R]:
        while not lookup.ended:
            self._engine.on_result = lookup.keep
            for result in ask(lookup.missing()):
                yield from lookup.answered(result)
                yield from lookup.take_known()
            lookup.check_answered()
            yield from lookup.take_known()


@dataclass
class _Pending:
    """A request under way, with what was ``cached`` of its samples before, and the ids that wait for it."""

    key: str
    cached: Reply | None
    waiting: list[str] = field(default_factory=list)
    kept: Any = None


@dataclass
class _Lookup(Generic[R]):
    """Requests on their way to the engine, results on their way back.

    Missing requests go through; equal requests wait for the first of them. ``samples`` is how many a whole reply has
    where they have seeds of their own, else None.
    """

    items: Iterator[Item]
    cache: ResponseCache
    result: Any  # the class of the results
    key: Callable[[Item], str]
    samples: int | None = None
    ended: bool = False
    _known: deque[Callable[[], Any]] = field(default_factory=deque)
    _asked: dict[str, _Pending] = field(default_factory=dict)  # by id
    _under_way: dict[str, _Pending] = field(default_factory=dict)  # by key
    _waiters: set[str] = field(default_factory=set)

    def missing(self) -> Iterator[Item]:
        """Yield what the engine is to be asked. Stops early when much is known or waits: the engine is asked anew."""
        for item in self.items:
            request_id = request_of(item).id
            if request_id in self._asked or request_id in self._waiters:
                raise ConfigError(f"two requests with the id {request_id!r} at once; give each its own")
            try:
                key = self.key(item)
            except DataError as error:
                self._known.append(partial(self.result, request_id, error=str(error)))
                continue
            known = self.cache.samples(key)
            if known >= (self.samples or 1):
                self._known.append(partial(self._load, request_id, key))
            elif key in self._under_way:
                self._under_way[key].waiting.append(request_id)
                self._waiters.add(request_id)
            else:
                value = self.cache.get(key) if known else None
                cached = None if value is None else Reply.from_json(request_id, value)
                self._asked[request_id] = self._under_way[key] = _Pending(key, cached)
                yield replace(item, known=known) if cached and isinstance(item, ChatRequest) else item
            if len(self._known) + len(self._waiters) >= MOST_KNOWN:
                return
        self.ended = True

    def keep(self, result: R) -> R:
        """Cache a result, once, and return it with the samples that were known. Called from any thread as it comes."""
        asked = self._asked.get(result.id)
        if asked is None:
            raise EngineError(f"the engine answered {result.id!r}, which it was not asked")
        if asked.kept is None:
            whole: Any = asked.cached.joined(result) if asked.cached and isinstance(result, Reply) else result
            samples = int(result.error is None) if self.samples is None else len(whole.texts)
            before = len(asked.cached.texts) if asked.cached else 0
            if samples > before or not samples:
                value = whole.to_json() if samples else {"error": whole.error}
                self.cache.put(asked.key, value, samples=samples)
            asked.kept = whole
        kept: R = asked.kept
        return kept

    def answered(self, result: R) -> Iterator[R]:
        """Cache a result; yield what is handed out for it: itself, whole, and one for each that waited for it."""
        whole: Any = self.keep(result)
        asked = self._asked.pop(result.id)
        del self._under_way[asked.key]
        self._waiters.difference_update(asked.waiting)
        if isinstance(whole, Reply) and whole.error is not None:
            whole = replace(whole, texts=(), cut=())
        yield whole
        shared = {"asked": False} if isinstance(whole, Reply) else {}
        yield from (replace(whole, id=other, **shared) for other in asked.waiting)

    def take_known(self) -> Iterator[R]:
        """Yield the results that needed no asking, so far."""
        while self._known:
            yield self._known.popleft()()

    def check_answered(self) -> None:
        """Raise EngineError when the engine, which has ended, left requests without a reply."""
        if self._asked:
            raise EngineError(f"the engine left {len(self._asked)} requests without a reply; run again to ask them")

    def _load(self, request_id: str, key: str) -> Any:
        value = self.cache.get(key)
        if value is None:
            return self.result(request_id, error="its reply in the response cache was damaged; run again to ask for it")
        found = self.result.from_json(request_id, value)
        n = self.samples  # None: all
        return replace(found, texts=found.texts[:n], cut=found.cut[:n]) if isinstance(found, Reply) else found
