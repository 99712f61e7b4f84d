"""Choose an engine and a judge by name, and start them at their first request.

A finished run, or one whose replies are in the response cache, then loads no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling, server_hosts, shaping_settings
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.judge.open_judge import JudgeIdentity, JudgeSettings, settings_from_template
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.recipe import EngineChoice
from infimed_plugins.recipes.recipe_file import parse_engine
from infimed_plugins.recipes.step_engine import model_identity, model_path, start_engine
from infimed_plugins.records import Json

JUDGE_KEY = "JUDGE_API_KEY"
JUDGE_CACHE = "judge.sqlite"


def choose_engine(
    name: str,
    model: str,
    base_url: Sequence[str] = (),
    settings: Mapping[str, Json] | None = None,
    option: str = "engine_settings",
) -> EngineChoice:
    """Return the engine as a recipe would name it; servers (``base_url``) are asked by the ``openai`` engine.

    Raises UnknownPluginError for another name, and ConfigError, naming ``option``, for an address or a setting that
    cannot be used.
    """
    served = "openai" if base_url and name == "transformers" else name
    registry().find("engine", served)
    given = dict(settings or {}) | ({"base_url": list(base_url)} if base_url else {})
    choice = parse_engine({"name": served, "model": model, "settings": given}, option)
    if served == "openai":
        start_engine(choice)  # asks nothing, and refuses settings that cannot be used
    return choice


def choose_judge(answering: EngineChoice, model: str, base_url: Sequence[str] = ()) -> EngineChoice:
    """Return the engine that answers with another model, on servers of its own where they are named."""
    settings = answering.settings | ({"base_url": list(base_url)} if base_url else {})
    keyed = settings | own_key(settings, answering.settings)
    return choose_engine(answering.name, model, settings=keyed, option="--judge-url")


def own_key(judge: Mapping[str, Any], answering: Mapping[str, Any]) -> dict[str, Json]:
    """Return the setting of a judge's own API key, where its servers are on other hosts than those that answer."""
    asked, others = judge.get("base_url"), answering.get("base_url")
    apart = asked and others and not server_hosts(asked) <= server_hosts(others)
    return {"api_key_env": JUDGE_KEY} if apart else {}


@dataclass
class LazyEngine:
    """An engine that is started at its first request; ``before`` is called then."""

    choice: EngineChoice
    before: Callable[[], None] = lambda: None
    on_result: Callable[[Any], None] | None = field(default=None, init=False)
    _engine: Engine | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.model = model_path(self.choice.model)  # both as the engine itself has them
        self.revision = str(self.choice.settings.get("revision") or "")

    def start(self) -> Engine:
        """Start the engine, once."""
        if self._engine is None:
            self.before()
            self._engine = start_engine(self.choice)
        return self._engine

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Answer as the engine does; without a request it is not started."""
        waiting = iter(requests)
        first = next(waiting, None)
        if first is not None:
            engine: Any = self.start()
            engine.on_result, self.on_result = self.on_result, None
            yield from engine.generate(chain([first], waiting), sampling)


@dataclass(frozen=True)
class JudgeModel:
    """A model that judges open answers: its engine with settings, and a file with its prompt, if not ours.

    Its replies are kept in ``judge.sqlite`` in ``folder``, which is open only while it is asked.
    """

    choice: EngineChoice
    template: Path | None = None

    @cached_property
    def settings(self) -> JudgeSettings:
        """The judge's prompt. Raises ConfigError for a template that cannot be used."""
        return JudgeSettings() if self.template is None else settings_from_template(self.template)

    @cached_property
    def identity(self) -> JudgeIdentity:
        """The judge as reports and run folders name it."""
        choice = self.choice
        shaping = shaping_settings(choice.settings)
        return JudgeIdentity(choice.model, model_identity(choice.model), choice.name, shaping, self.settings)

    @cached_property
    def _started_once(self) -> LazyEngine:
        """Return the engine that judges, rephrases and grades: a model in this process is loaded once."""
        return LazyEngine(self.choice)

    def engine(self, folder: Path) -> Engine:
        """Return its engine, over the replies that are kept in the folder."""
        return _OverCache(self._started_once, folder / JUDGE_CACHE)


@dataclass
class _OverCache:
    engine: LazyEngine
    cache: Path

    def __post_init__(self) -> None:
        self.model = self.engine.model

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        with ResponseCache(self.cache) as store:
            cached = CachedEngine(self.engine, store, settings=shaping_settings(self.engine.choice.settings))
            yield from cached.generate(requests, sampling)
