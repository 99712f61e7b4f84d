"""A model asked until its reply can be read: greedily first, then drawn with other seeds, then given up.

Example::

    for asked in ask_until_read(judge, requests, lambda request, text: read_verdict(text), Patience(again=2)):
        ...  # asked.value is None where nothing could be read, and asked.reason says why

Replies stream: held are only the requests under way and those to be asked again. For a kill to cost nothing, wrap the
engine in a ``CachedEngine`` (engines/cached_engine.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Generic, TypeVar

from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.records import Json

T = TypeVar("T")
AGAIN_TEMPERATURE = 0.7  # a greedy model would say the same again
NO_REPLY = "the engine gave no reply"
EMPTY_REPLY = "the reply is empty"
REPEATED = "the judge may only repeat a verdict that stands in the quoted text"


@dataclass(frozen=True)
class Patience:
    """How a reply is drawn, and how often ``again`` after one that cannot be read. ``max_tokens`` of a reply."""

    again: int = 2
    seed: int = 0
    max_tokens: int = 2048
    temperature: float = 0.0
    json_schema: Mapping[str, Json] | None = None

    def __post_init__(self) -> None:
        for name, value, least in (
            ("again", self.again, 0),
            ("seed", self.seed, 0),
            ("max_tokens", self.max_tokens, 1),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} is {value!r}; give a whole number from {least}")

    def sampling(self, turn: int) -> Sampling:
        """How the reply of a turn (from 0) is drawn."""
        return Sampling(
            temperature=AGAIN_TEMPERATURE if turn else self.temperature,
            max_tokens=self.max_tokens,
            seed=self.seed + turn,
            json_schema=self.json_schema,
        )


@dataclass(frozen=True)
class Asked(Generic[T]):
    """What was read of one request; ``value`` None: nothing. ``raw`` is the last reply, ``attempts`` how often it was
    asked, ``replies`` every reply in turn."""

    id: str
    value: T | None
    raw: str = ""
    attempts: int = 0
    reason: str = ""
    replies: tuple[str, ...] = field(default=(), compare=False)


def ask_until_read(
    engine: Engine, requests: Iterable[ChatRequest], read: Callable[[ChatRequest, str], T], patience: Patience
) -> Iterator[Asked[T]]:
    """One Asked for each request, as they are settled.

    ``read(request, text)`` makes a value of a reply and raises DataError, saying why, where it cannot. A request that
    fails in the engine, which has tried it again by itself, is settled without a value. An unread reply out of the
    response cache is no attempt of this run: what an earlier run could not read is asked anew. Raises DataError for two
    requests of one id, and what ``engine.generate`` raises.
    """
    seen: set[str] = set()
    unread: dict[str, Asked[T]] = {}
    turn_requests = _unless_empty(requests)
    fresh: Counter[str] = Counter()  # how often each was asked in this run
    for turn in count():
        if turn_requests is None:
            return
        waiting: dict[str, ChatRequest] = {}
        again: list[ChatRequest] = []
        for reply in engine.generate(_noted(turn_requests, waiting, seen), patience.sampling(turn)):
            request = waiting.pop(reply.id, None)
            if request is None:
                continue
            asked, failed = _settle(reply, request, read, turn + 1)
            if asked.id in unread:
                asked = replace(asked, replies=(*unread[asked.id].replies, *asked.replies))
            fresh[asked.id] += reply.asked
            if asked.value is not None or failed or fresh[asked.id] > patience.again:
                del fresh[asked.id]
                yield asked
            else:
                unread[asked.id] = asked
                again.append(request)
        for id in waiting:
            before = unread.get(id, Asked(id, None))
            yield Asked(id, None, before.raw, turn + 1, NO_REPLY, before.replies)
        seen.clear()
        turn_requests = again or None


def _settle(
    reply: Reply, request: ChatRequest, read: Callable[[ChatRequest, str], T], attempts: int
) -> tuple[Asked[T], bool]:
    """What a reply says, and whether the engine failed."""
    if reply.error is not None or not reply.texts:
        return Asked(reply.id, None, "", attempts, reply.error or NO_REPLY), True
    text = reply.texts[0]
    try:
        return Asked(reply.id, read(request, text), text, attempts, replies=(text,)), False
    except DataError as error:
        cut = " (cut off at max_tokens)" if any(reply.cut) else ""
        why = str(error) if text.strip() else EMPTY_REPLY
        return Asked(reply.id, None, text, attempts, f"{why}{cut}", (text,)), False


def _noted(requests: Iterable[ChatRequest], waiting: dict[str, ChatRequest], seen: set[str]) -> Iterator[ChatRequest]:
    for request in requests:
        if request.id in seen:
            raise DataError(f"two requests have the id {request.id!r}; give each its own")
        seen.add(request.id)
        waiting[request.id] = request
        yield request


def _unless_empty(requests: Iterable[ChatRequest]) -> Iterable[ChatRequest] | None:
    """The requests, or None when there are none: an engine need not even be up for that."""
    waiting = iter(requests)
    first = next(waiting, None)
    return None if first is None else chain([first], waiting)
