"""What an engine's work takes: requests, and tokens where the engine counts them, added to the counts of a step.

A reply out of the request store counts as when it was asked for, so that a run that was ended tells the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling


def keys_of(what: str) -> list[str]:
    """The keys that a Meter counts under."""
    return [f"{what}: {kind}" for kind in ("requests", "failed requests", "prompt tokens", "completion tokens")]


@dataclass
class Meter:
    """An engine that counts what it is asked."""

    engine: Engine
    counted: Counter[str]
    what: str
    model: str = ""

    def __post_init__(self) -> None:
        self.model = self.engine.model

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """The engine's replies, counted."""
        keys = keys_of(self.what)
        for reply in self.engine.generate(requests, sampling):
            counts = (1, int(reply.error is not None), reply.usage.prompt, reply.usage.completion)
            self.counted.update({key: count for key, count in zip(keys, counts, strict=True) if count})
            yield reply
