"""Models behind one small protocol: chat requests with images in, replies out as they finish.

An engine is made by name: ``registry().get("engine", "transformers")(model, **settings)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from infimed_plugins.hookspecs import Register, hookimpl
from infimed_plugins.records import ImageRef


@dataclass(frozen=True)
class Sampling:
    """How replies are drawn. ``temperature`` 0 is greedy; ``n`` replies a request; lengths in tokens."""

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0


@dataclass(frozen=True)
class ChatRequest:
    """One user turn; ``text`` carries one ``<image>`` tag for each image, in order."""

    id: str
    text: str
    images: tuple[ImageRef, ...] = ()


@dataclass(frozen=True)
class Reply:
    """The n replies to one request, in sample order; ``error`` set means there are none."""

    id: str
    texts: tuple[str, ...]
    error: str | None = None


@runtime_checkable
class Engine(Protocol):
    """A model that answers."""

    model: str

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield a Reply for each request as it finishes. Raises EngineError when the model cannot be reached."""
        ...


@hookimpl
def register_engines(register: Register) -> None:
    """The built-in engines, by import path."""
    register("transformers", "infimed_plugins.engines.transformers:TransformersEngine")
