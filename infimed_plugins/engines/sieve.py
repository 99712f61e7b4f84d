"""Which requests a request store cannot answer: a sieve between whoever asks and the engine (stored.py).

It lets through what is missing, sets aside what is known, and lets equal requests wait for the first of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from infimed_plugins.engines.store import RequestStore
from infimed_plugins.errors import ConfigError, DataError, EngineError
from infimed_plugins.records import Json

MOST_KNOWN = 10_000  # answers found in a row before they are handed out; each waits as an id and a key


class Result(Protocol):
    """What an engine gives for an item."""

    @property
    def id(self) -> str: ...
    @property
    def error(self) -> str | None: ...


Item = TypeVar("Item")
R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Kind(Generic[Item, R]):
    """One method of an engine: how its items are told apart, and its results made JSON and back.

    ``wanted`` samples make a result whole. Of an item that has some, ``rest`` makes one that asks for the others, and
    ``joined`` puts what was stored before what came; ``samples`` counts those of a result, and ``bare`` takes them
    away from one that failed.
    """

    id: Callable[[Item], str]
    key: Callable[[Item], str]
    dump: Callable[[R], Json]
    load: Callable[[str, Json], R]
    failed: Callable[[str, str], R]
    wanted: int = 1
    rest: Callable[[Item, int], Item] = lambda item, known: item
    joined: Callable[[Json, R], R] = lambda stored, result: result
    samples: Callable[[R], int] = lambda result: int(result.error is None)
    bare: Callable[[R], R] = lambda result: result


@dataclass
class _Asked:
    key: str
    known: int
    stored: Json | None
    kept: bool = False


class Sieve(Generic[Item, R]):
    """Items on their way to the engine, results on their way back."""

    def __init__(self, items: Iterator[Item], kind: Kind[Item, R], store: RequestStore) -> None:
        self._items, self._kind, self._store = items, kind, store
        self._known: deque[Callable[[], R]] = deque()
        self._asked: dict[str, _Asked] = {}  # by id
        self._waiting: dict[str, list[str]] = {}  # the ids that wait for each key under way
        self._waiters: set[str] = set()
        self.ended = False

    def missing(self) -> Iterator[Item]:
        """What the engine is to be asked. Stops early when much is known or waits: the engine is then asked anew."""
        for item in self._items:
            request_id = self._kind.id(item)
            if request_id in self._asked or request_id in self._waiters:
                raise ConfigError(f"two requests with the id {request_id!r} at once; give each its own")
            try:
                key = self._kind.key(item)
            except DataError as error:
                self._known.append(partial(self._kind.failed, request_id, str(error)))
                continue
            known = self._store.samples(key)
            if known >= self._kind.wanted:
                self._known.append(partial(self._load, request_id, key))
            elif key in self._waiting:
                self._waiting[key].append(request_id)
                self._waiters.add(request_id)
            else:
                yield self._begin(item, request_id, key, known)
            if len(self._known) + len(self._waiters) >= MOST_KNOWN:
                return
        self.ended = True

    def keep(self, result: R) -> tuple[R, Json]:
        """Store a result, once; the whole of it and its value. May be called from another thread as it comes."""
        kind, asked = self._kind, self._asked.get(result.id)
        if asked is None:
            raise EngineError(f"the engine answered {result.id!r}, which it was not asked")
        whole = result if asked.stored is None else kind.joined(asked.stored, result)
        samples = kind.samples(whole)
        value = kind.dump(whole) if samples else {"error": whole.error}
        if not asked.kept and (samples > asked.known or not samples):
            self._store.put(asked.key, value, samples=samples)
        asked.kept = True
        return whole, value

    def answered(self, result: R) -> Iterable[R]:
        """Store a result; what is to be handed out for it: itself, whole, and one for each that waited for it."""
        kind = self._kind
        whole, value = self.keep(result)
        asked = self._asked.pop(result.id)
        waited = self._waiting.pop(asked.key)
        self._waiters.difference_update(waited)
        if whole.error is not None:
            return [kind.bare(whole), *(kind.failed(other, whole.error) for other in waited)]
        return [whole, *(kind.load(other, value) for other in waited)]

    def take_known(self) -> Iterator[R]:
        """The results that needed no asking, so far."""
        while self._known:
            yield self._known.popleft()()

    def check_answered(self) -> None:
        """Raise EngineError when the engine, which has ended, left requests without a reply."""
        if self._asked:
            raise EngineError(f"the engine left {len(self._asked)} requests without a reply; run again to ask them")

    def _begin(self, item: Item, request_id: str, key: str, known: int) -> Item:
        stored = self._store.get(key) if known else None
        known = known if stored is not None else 0
        self._asked[request_id] = _Asked(key, known, stored)
        self._waiting[key] = []
        return self._kind.rest(item, known) if known else item

    def _load(self, request_id: str, key: str) -> R:
        value = self._store.get(key)
        if value is None:
            return self._kind.failed(request_id, "its reply in the request store was damaged; run again to ask for it")
        return self._kind.load(request_id, value)
