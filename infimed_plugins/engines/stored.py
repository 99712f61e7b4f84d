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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

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
from infimed_plugins.engines.sieve import Item, Kind, R, Sieve
from infimed_plugins.engines.store import RequestStore
from infimed_plugins.records import Json


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


class Stored:
    """Engine, and Scorer and Embedder where the engine within is, over a RequestStore.

    Of an engine with ``own_seeds``, samples are kept one by one, whatever n they were drawn for: n raised from 5 to 10
    asks for five, and what was drawn before a request failed is kept.

    Args:
        engine: asked for what the store lacks; its ``model`` and, if it has them, ``revision`` and ``shaping`` go into
            the key.
        store: where replies are kept; it stays the caller's to close.
        settings: whatever else shapes the engine's replies, such as ``{"max_pixels": 262144}``; into the key too.
    """

    def __init__(self, engine: Engine, store: RequestStore, *, settings: Mapping[str, Json] | None = None) -> None:
        self.model = engine.model
        self.revision = str(getattr(engine, "revision", ""))
        self._engine: Any = engine
        self._store = store
        self._settings = {**getattr(engine, "shaping", {}), **(settings or {})}
        # set here, not defined below, so that isinstance tells what the engine within can do
        if isinstance(engine, Scorer):
            self.score_answers = self._score_answers
        if isinstance(engine, Embedder):
            self.embed = self._embed

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Stored replies as they are met, the others as they finish."""
        drawn = {field.name: getattr(sampling, field.name) for field in fields(sampling)}
        kind = Kind[ChatRequest, Reply](
            id=_own_id,
            key=lambda request: self._key("chat", request, sampling=drawn),
            dump=_dump_reply,
            load=_load_reply,
            failed=lambda request_id, error: Reply(request_id, (), error, asked=False),
            bare=_bare_reply,
        )
        if getattr(self._engine, "own_seeds", False):
            del drawn["n"]
            kind = replace(
                kind,
                load=lambda request_id, value: _first(_load_reply(request_id, value), sampling.n),
                wanted=sampling.n,
                rest=lambda request, known: replace(request, known=known),
                joined=_joined_reply,
                samples=lambda reply: len(reply.texts),
            )
        return self._through(requests, lambda missing: self._engine.generate(missing, sampling), kind)

    def _score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Scores as ``generate`` gives replies."""
        kind = Kind[tuple[ChatRequest, str], AnswerScore](
            id=lambda pair: pair[0].id,
            key=lambda pair: self._key("score", pair[0], answer=pair[1]),
            dump=lambda score: [score.log_probability, score.tokens],
            load=lambda request_id, value: AnswerScore(request_id, value[0], value[1]),
            failed=lambda request_id, error: AnswerScore(request_id, error=error),
        )
        return self._through(requests, self._engine.score_answers, kind)

    def _embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Vectors as ``generate`` gives replies."""
        kind = Kind[ChatRequest, Embedding](
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
        self, items: Iterable[Item], ask: Callable[[Iterator[Item]], Iterator[R]], kind: Kind[Item, R]
    ) -> Iterator[R]:
        sieve = Sieve(iter(items), kind, self._store)
        while not sieve.ended:
            self._engine.on_result = sieve.keep
            for result in ask(sieve.missing()):
                yield from sieve.answered(result)
                yield from sieve.take_known()
            sieve.check_answered()
            yield from sieve.take_known()


def _own_id(request: ChatRequest) -> str:
    return request.id


def _dump_reply(reply: Reply) -> Json:
    return {"texts": reply.texts, "cut": reply.cut, "usage": [reply.usage.prompt, reply.usage.completion]}


def _load_reply(request_id: str, value: Json) -> Reply:
    usage = Usage(*value["usage"])
    return Reply(request_id, tuple(value["texts"]), cut=tuple(value["cut"]), usage=usage, asked=False)


def _first(reply: Reply, n: int) -> Reply:
    return reply if len(reply.texts) == n else replace(reply, texts=reply.texts[:n], cut=reply.cut[:n])


def _joined_reply(stored: Json, reply: Reply) -> Reply:
    before = _load_reply(reply.id, stored)
    usage = Usage(before.usage.prompt + reply.usage.prompt, before.usage.completion + reply.usage.completion)
    return replace(reply, texts=before.texts + reply.texts, cut=before.cut + reply.cut, usage=usage)


def _bare_reply(reply: Reply) -> Reply:
    return replace(reply, texts=(), cut=())


def _load_embedding(request_id: str, value: Json) -> Embedding:
    import numpy as np

    return Embedding(request_id, np.frombuffer(base64.b64decode(value), dtype="<f4").astype(np.float32))
