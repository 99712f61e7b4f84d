"""An engine that is started at its first request: a finished run, or one whose replies are stored, loads no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling
    from infimed_plugins.engines.response_cache import ResponseCache


@dataclass
class Later:
    """An engine by what the options say; ``option`` names the one that chose it, ``before`` is called at its start."""

    choice: Mapping[str, Any]
    option: str
    before: Callable[[], None] = lambda: None
    _engine: Engine | None = None

    def __post_init__(self) -> None:
        from infimed_plugins.recipes.step_engine import model_path

        self.model = model_path(self.choice["model"])  # both as the engine itself has them
        self.revision = str(self.choice["settings"].get("revision") or "")
        self.on_result: Callable[[Any], None] | None = None

    def start(self) -> Engine:
        """The engine, started once."""
        from infimed_plugins.recipes.recipe_file import parse_engine
        from infimed_plugins.recipes.step_engine import start_engine

        if self._engine is None:
            self.before()
            self._engine = start_engine(parse_engine(self.choice, self.option))
        return self._engine

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """As the engine does; nothing for no requests."""
        waiting = iter(requests)
        first = next(waiting, None)
        if first is not None:
            engine: Any = self.start()
            engine.on_result, self.on_result = self.on_result, None
            yield from engine.generate(chain([first], waiting), sampling)

    def over(self, store: ResponseCache) -> Engine:
        """The engine over a response cache, which knows it by all that shapes its replies."""
        from infimed_plugins.engines import shaping_settings
        from infimed_plugins.engines.cached_engine import CachedEngine

        return CachedEngine(self, store, settings=shaping_settings(self.choice["settings"]))


@dataclass
class StoredLater:
    """The same over a store that is open only while it is asked."""

    engine: Later
    store: Path

    def __post_init__(self) -> None:
        self.model = self.engine.model

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """As the engine does."""
        from infimed_plugins.engines.response_cache import ResponseCache

        with ResponseCache(self.store) as store:
            yield from self.engine.over(store).generate(requests, sampling)
