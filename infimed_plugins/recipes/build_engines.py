"""The engines of one build, over a response cache of its own: what was answered before an interruption is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from infimed_plugins.curation.step_settings import words_of
from infimed_plugins.engines import Engine, shaping_settings
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.recipes.recipe import Recipe
from infimed_plugins.recipes.recipe_file import parse_engine
from infimed_plugins.recipes.step_engine import start_engine
from infimed_plugins.records import Json


class BuildEngines:
    """Engines started when a step first needs them; the parts of a recipe share them.

    ``given`` serves in the place of every engine that the recipe names. ``replies`` is the file of the store.
    """

    def __init__(self, recipe: Recipe, replies: Path, given: Engine | None) -> None:
        self._recipe, self._replies, self._given = recipe, replies, given
        self._store: ResponseCache | None = None
        self._main: Engine | None = None
        self._others: dict[str, Engine] = {}

    def drawn_from(self) -> Engine | None:
        """What steps draw from; None where the recipe names none."""
        if self._main is None:
            choice = self._recipe.engine
            engine = self._given or (start_engine(choice) if choice else None)
            self._main = self._stored(engine, choice.settings if choice else {}) if engine else None
        return self._main

    def other(self, choice: Mapping[str, Json]) -> Engine:
        """Another engine that a step names, such as a judge."""
        if self._given is not None:
            return self._stored(self._given, {})
        chosen = parse_engine(choice, f"{self._recipe.name}: a step's engine")
        name = json.dumps(asdict(chosen), sort_keys=True, default=str)
        if name not in self._others:
            self._others[name] = self._stored(start_engine(chosen), chosen.settings)
        return self._others[name]

    def flush(self) -> None:
        """Return when every reply so far is in the cache's file. Raises DataError when one could not be written."""
        if self._store is not None:
            self._store.flush()

    def close(self) -> None:
        """Close the store; one that holds nothing is removed."""
        store, self._store, self._main = self._store, None, None
        self._others.clear()
        if store is not None:
            try:
                empty = store.count() == 0
            finally:
                store.close()
            if empty:
                self._replies.unlink()

    def _stored(self, engine: Engine, settings: Mapping[str, Json]) -> Engine:
        if self._store is None:
            self._store = ResponseCache(self._replies)
        return CachedEngine(engine, self._store, settings=shaping_settings(settings))


def shaping(value: Json) -> Json:
    """Settings of a recipe, those of the engines in it, at any depth, without what changes no reply."""
    if isinstance(value, list | tuple):
        return [shaping(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    is_engine = {"name", "model", "settings"} <= value.keys() and isinstance(value["settings"], Mapping)
    kept = {**value, "settings": shaping_settings(value["settings"])} if is_engine else value
    return {key: _words(key, shaping(one)) for key, one in kept.items()}


def _words(key: str, value: Json) -> Json:
    """Of a prompt that is named by its file, the words: when these change, another set is built."""
    return words_of(value) if "prompt" in key and isinstance(value, str) else value
