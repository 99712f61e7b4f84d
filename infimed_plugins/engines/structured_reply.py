"""Query a model until its reply parses: first greedy, then sampled with new seeds, then give up.

Example::

    for reply in ask_until_parsed(judge, requests, lambda request, text: read_verdict(text), RetryPolicy(again=2)):
        ...  # reply.value is None where nothing could be read, and reply.reason says why

Replies are streamed: only requests under way and those to ask again are in memory. To resume after a kill, wrap the
engine in a ``CachedEngine`` (engines/cached_engine.py).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Generic, TypeVar

from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.quoting import repeated
from infimed_plugins.records import Json

T = TypeVar("T")
Read = Callable[[ChatRequest, str], T]
AGAIN_TEMPERATURE = 0.7  # a greedy model would say the same again
NO_REPLY = "the engine gave no reply"
EMPTY_REPLY = "the reply is empty"
REPEATED = "the judge may only repeat a verdict that stands in the quoted text"
_CODE_BLOCK = re.compile(r"```[a-z]*[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)


@dataclass(frozen=True)
class RetryPolicy:
    """Sampling of a reply, and how often to ask ``again`` after one that cannot be parsed. ``max_tokens`` per reply."""

    again: int = 2
    seed: int = 0
    max_tokens: int = 2048
    temperature: float = 0.0
    json_schema: Mapping[str, Json] | None = None

    def __post_init__(self) -> None:
        for name, least in (("again", 0), ("seed", 0), ("max_tokens", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} is {value!r}; give a whole number from {least}")

    def sampling(self, turn: int) -> Sampling:
        """Return the sampling of a turn, from 0."""
        return Sampling(
            temperature=AGAIN_TEMPERATURE if turn else self.temperature,
            max_tokens=self.max_tokens,
            seed=self.seed + turn,
            json_schema=self.json_schema,
        )


@dataclass(frozen=True)
class ParsedReply(Generic[T]):
    """The parsed ``value`` of a request; None, with the ``reason``, if none was parsed. ``raw`` is the last reply,
    ``attempts`` how often it was asked, ``replies`` every reply in turn."""

    id: str
    value: T | None
    raw: str = ""
    attempts: int = 0
    reason: str = ""
    replies: tuple[str, ...] = field(default=(), compare=False)


def ask_until_parsed(
    engine: Engine, requests: Iterable[ChatRequest | ParsedReply[T]], read: Read[T], policy: RetryPolicy
) -> Iterator[ParsedReply[T]]:
    """Yield a ParsedReply for each request, as it is settled; a ParsedReply among the requests is passed through.

    ``read(request, text)`` makes a value of a reply and raises DataError, saying why, where it cannot. A request that
    fails in the engine, which has tried it again by itself, is settled without a value. An unread reply out of the
    response cache is no attempt of this run: what an earlier run could not read is asked anew. Raises DataError for two
    requests of one id, and what ``engine.generate`` raises.
    """
    settled: list[ParsedReply[T]] = []
    unread: dict[str, ParsedReply[T]] = {}
    waiting: dict[str, ChatRequest] = {}
    turn_requests: Iterable[ChatRequest | ParsedReply[T]] = requests
    fresh: Counter[str] = Counter()  # how often each was asked in this run
    for turn in count():
        again: list[ChatRequest] = []
        for reply in _replies(engine, _asked(turn_requests, waiting, settled), waiting, policy.sampling(turn)):
            request = waiting.pop(reply.id, None)
            if request is None:
                continue
            parsed, failed = _settle(reply, request, read, turn + 1)
            if parsed.id in unread:
                parsed = replace(parsed, replies=(*unread[parsed.id].replies, *parsed.replies))
            fresh[parsed.id] += reply.asked
            if parsed.value is not None or failed or fresh[parsed.id] > policy.again:
                del fresh[parsed.id]
                settled.append(parsed)
            else:
                unread[parsed.id] = parsed
                again.append(request)
            yield from settled
            settled.clear()
        yield from settled
        settled.clear()
        if not again:
            return
        turn_requests = again


def _replies(
    engine: Engine, asked: Iterator[ChatRequest], waiting: dict[str, ChatRequest], sampling: Sampling
) -> Iterator[Reply]:
    """Yield the engine's replies, and an error for each request that it left; without one it need not be running."""
    first = next(asked, None)
    if first is not None:
        yield from engine.generate(chain([first], asked), sampling)
        yield from [Reply(id, error=NO_REPLY) for id in waiting]


def _asked(
    requests: Iterable[ChatRequest | ParsedReply[T]], waiting: dict[str, ChatRequest], settled: list[ParsedReply[T]]
) -> Iterator[ChatRequest]:
    """Yield the requests to ask, which then wait; those that are settled already need no asking."""
    seen: set[str] = set()
    for request in requests:
        if isinstance(request, ParsedReply):
            settled.append(request)
            continue
        if request.id in seen:
            raise DataError(f"two requests have the id {request.id!r}; give each its own")
        seen.add(request.id)
        waiting[request.id] = request
        yield request


def answer_part(text: str) -> str:
    """Return a reply without its one block of thinking, in which a quoted verdict is none, and without a code block.

    Raises DataError for thinking that never ends, or comes twice.
    """
    text = _after_thinking(text)
    block = _CODE_BLOCK.fullmatch(text)
    return block[1].strip() if block else text


def json_entries(text: str) -> list[tuple[str, Json]]:
    """Return the entries of the JSON object that a text is, keys given twice too; none where it is anything else.

    Its strings may hold bare line ends: held to a schema, vLLM writes such.
    """
    try:
        entries = json.loads(text, strict=False, object_pairs_hook=list) if text.startswith("{") else None
    except (ValueError, RecursionError):
        entries = None
    return entries if isinstance(entries, list) else []


def check_own_words(request: ChatRequest, text: str, *values: str) -> None:
    """Raise DataError for a verdict, or all ``values`` of it, that stands in the quoted texts of its prompt."""
    if repeated(request.text, _after_thinking(text), *values):
        raise DataError(REPEATED)


def _after_thinking(text: str) -> str:
    text = text.strip()
    opened, closed = text.count("<think>"), text.count("</think>")
    if not opened and not closed:
        return text
    if closed != 1 or opened > 1 or (opened and not text.startswith("<think>")):
        raise DataError("the judge's thinking never ends, or comes twice")
    return text.partition("</think>")[2].strip()


def _settle(reply: Reply, request: ChatRequest, read: Read[T], attempts: int) -> tuple[ParsedReply[T], bool]:
    """Return the parsed reply, and True if the engine failed."""
    if reply.error is not None or not reply.texts:
        return ParsedReply(reply.id, None, "", attempts, reply.error or NO_REPLY), True
    text = reply.texts[0]
    try:
        return ParsedReply(reply.id, read(request, text), text, attempts, replies=(text,)), False
    except DataError as error:
        cut = " (cut off at max_tokens)" if any(reply.cut) else ""
        why = str(error) if text.strip() else EMPTY_REPLY
        return ParsedReply(reply.id, None, text, attempts, f"{why}{cut}", (text,)), False
