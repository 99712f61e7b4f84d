"""What an engine's work takes: requests, and tokens where the engine counts them, added to the counts of a step.

A reply out of the request store counts as when it was asked for, so that a run that was ended tells the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling


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
        for reply in self.engine.generate(requests, sampling):
            self.counted[f"{self.what}: requests"] += 1
            for kind, tokens in (("prompt", reply.usage.prompt), ("completion", reply.usage.completion)):
                if tokens:
                    self.counted[f"{self.what}: {kind} tokens"] += tokens
            if reply.error is not None:
                self.counted[f"{self.what}: failed requests"] += 1
            yield reply
