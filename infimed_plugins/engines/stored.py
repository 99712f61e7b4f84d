"""An engine that answers from a request store and asks the engine within only for what is missing.

Example::

    with RequestStore("runs/cot/replies.sqlite") as store:
        for reply in Stored(OpenAIEngine("m"), store).generate(requests, sampling):
            ...  # reply.asked is False for one out of the store

Killed and run again, it asks for nothing that was finished. Requests and replies stream: neither is held in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from infimed_plugins.engines import (
    AnswerScore,
    ChatRequest,
    Embedder,
    Embedding,
    Engine,
    Reply,
    Sampling,
    Scorer,
    Usage,
)
from infimed_plugins.engines.store import RequestStore
from infimed_plugins.errors import ConfigError, DataError, EngineError
from infimed_plugins.records import Json

MOST_KNOWN = 10_000  # answers found in a row before they are handed out; each waits as an id and a key


class _Result(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def error(self) -> str | None: ...


_Item = TypeVar("_Item")
_R = TypeVar("_R", bound=_Result)


def request_key(kind: str, model: str, revision: str, request: ChatRequest, **shaping: Json) -> str:
    """sha256 of everything that shapes a reply; the request's id does not. Raises DataError for an unreadable image."""
    whole = {
        "kind": kind,
        "model": model,
        "revision": revision,
        "system": request.system,
        "text": request.text,
        "images": [image.sha256() for image in request.images],
        **shaping,
    }
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class _Kind(Generic[_Item, _R]):
    """One method of an engine: how its items are told apart, and its results made JSON and back."""

    id: Callable[[_Item], str]
    key: Callable[[_Item], str]
    dump: Callable[[_R], Json]
    load: Callable[[str, Json], _R]
    failed: Callable[[str, str], _R]


class Stored:
    """Engine, and Scorer and Embedder where the engine within is, over a RequestStore.

    Args:
        engine: asked for what the store lacks; its ``model`` and, if it has one, ``revision`` go into the key.
        store: where replies are kept; it stays the caller's to close.
        settings: whatever else shapes the engine's replies, such as ``{"max_pixels": 262144}``; into the key too.
    """

    def __init__(self, engine: Engine, store: RequestStore, *, settings: Mapping[str, Json] | None = None) -> None:
        self.model = engine.model
        self.revision = str(getattr(engine, "revision", ""))
        self._engine: Any = engine
        self._store = store
        self._settings = dict(settings or {})
        # set here, not defined below, so that isinstance tells what the engine within can do
        if isinstance(engine, Scorer):
            self.score_answers = self._score_answers
        if isinstance(engine, Embedder):
            self.embed = self._embed

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Stored replies as they are met, the others as they finish."""
        drawn = {field.name: getattr(sampling, field.name) for field in fields(sampling)}
        kind = _Kind[ChatRequest, Reply](
            id=_own_id,
            key=lambda request: self._key("chat", request, sampling=drawn),
            dump=lambda reply: {
                "texts": reply.texts,
                "cut": reply.cut,
                "usage": [reply.usage.prompt, reply.usage.completion],
            },
            load=_load_reply,
            failed=lambda request_id, error: Reply(request_id, (), error, asked=False),
        )
        return self._through(requests, lambda missing: self._engine.generate(missing, sampling), kind)

    def _score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Scores as ``generate`` gives replies."""
        kind = _Kind[tuple[ChatRequest, str], AnswerScore](
            id=lambda pair: pair[0].id,
            key=lambda pair: self._key("score", pair[0], answer=pair[1]),
            dump=lambda score: [score.log_probability, score.tokens],
            load=lambda request_id, value: AnswerScore(request_id, value[0], value[1]),
            failed=lambda request_id, error: AnswerScore(request_id, error=error),
        )
        return self._through(requests, self._engine.score_answers, kind)

    def _embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Vectors as ``generate`` gives replies."""
        kind = _Kind[ChatRequest, Embedding](
            id=_own_id,
            key=lambda request: self._key("embed", request),
            dump=lambda embedding: base64.b64encode(embedding.vector.astype("<f4").tobytes()).decode(),
            load=_load_embedding,
            failed=lambda request_id, error: Embedding(request_id, error=error),
        )
        return self._through(requests, self._engine.embed, kind)

    def _key(self, kind: str, request: ChatRequest, **shaping: Json) -> str:
        return request_key(kind, self.model, self.revision, request, settings=self._settings, **shaping)

    def _through(
        self, items: Iterable[_Item], ask: Callable[[Iterator[_Item]], Iterator[_R]], kind: _Kind[_Item, _R]
    ) -> Iterator[_R]:
        sieve = _Sieve(iter(items), kind, self._store)
        while not sieve.ended:
            for result in ask(sieve.missing()):
                self._store.put(sieve.answered(result.id), _value(kind, result), ok=result.error is None)
                yield result
                yield from sieve.take_known()
            if sieve.asked:
                raise EngineError(f"the engine left {len(sieve.asked)} requests without a reply; run again to ask them")
            yield from sieve.take_known()


class _Sieve(Generic[_Item, _R]):
    """Lets the requests through that the store cannot answer, and sets the others aside until they are taken."""

    def __init__(self, items: Iterator[_Item], kind: _Kind[_Item, _R], store: RequestStore) -> None:
        self._items, self._kind, self._store = items, kind, store
        self._known: deque[Callable[[], _R]] = deque()
        self.asked: dict[str, str] = {}  # the keys of the requests under way, by id
        self.ended = False

    def missing(self) -> Iterator[_Item]:
        """What the engine is to be asked. Stops early when much is known: the engine is then asked anew."""
        for item in self._items:
            request_id = self._kind.id(item)
            try:
                key = self._kind.key(item)
            except DataError as error:
                self._known.append(partial(self._kind.failed, request_id, str(error)))
                continue
            if key in self._store:
                self._known.append(partial(self._load, request_id, key))
            elif request_id in self.asked:
                raise ConfigError(f"two requests with the id {request_id!r} at once; give each its own")
            else:
                self.asked[request_id] = key
                yield item
            if len(self._known) >= MOST_KNOWN:
                return
        self.ended = True

    def answered(self, request_id: str) -> str:
        """The key of a request under way, which it no longer is."""
        key = self.asked.pop(request_id, None)
        if key is None:
            raise EngineError(f"the engine answered {request_id!r}, which it was not asked")
        return key

    def take_known(self) -> Iterator[_R]:
        """The results that needed no asking, so far."""
        while self._known:
            yield self._known.popleft()()

    def _load(self, request_id: str, key: str) -> _R:
        value = self._store.get(key)
        if value is None:
            return self._kind.failed(request_id, "its reply in the request store was damaged; run again to ask for it")
        return self._kind.load(request_id, value)


def _value(kind: _Kind[_Item, _R], result: _R) -> Json:
    return kind.dump(result) if result.error is None else {"error": result.error}


def _own_id(request: ChatRequest) -> str:
    return request.id


def _load_reply(request_id: str, value: Json) -> Reply:
    usage = Usage(*value["usage"])
    return Reply(request_id, tuple(value["texts"]), cut=tuple(value["cut"]), usage=usage, asked=False)


def _load_embedding(request_id: str, value: Json) -> Embedding:
    import numpy as np

    return Embedding(request_id, np.frombuffer(base64.b64decode(value), dtype="<f4").astype(np.float32))
