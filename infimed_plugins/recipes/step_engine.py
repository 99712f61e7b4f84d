"""Find, identify by content and start (when first needed) the engines that a recipe's steps draw from.

Engines of a build share its response cache, which keeps replies from before an interruption.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from infimed_plugins.curation.settings import prompt_text
from infimed_plugins.engines import Engine, shaping_settings
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.errors import ConfigError, MissingFileError
from infimed_plugins.paths import shipped
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.recipe import EngineChoice, Recipe
from infimed_plugins.recipes.recipe_file import parse_engine
from infimed_plugins.records import Json
from infimed_plugins.storage import ends_of

_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}


def start_engine(choice: EngineChoice) -> Engine:
    """Start the engine a recipe names. Raises EngineError if its model does not load, ConfigError for a bad setting."""
    factory = registry().get("engine", choice.name)
    _check_types(choice, factory)
    try:
        engine: Engine = factory(model_path(choice.model), **choice.settings)
    except TypeError as error:
        raise ConfigError(f"engine {choice.name!r} does not take these settings: {error}") from error
    return engine


def _check_types(choice: EngineChoice, factory: Callable[..., Engine]) -> None:
    """Raise ConfigError for a setting that should be a number and is none: models take them as they come."""
    parameters = inspect.signature(factory).parameters
    for key, value in choice.settings.items():
        wanted = str(parameters[key].annotation) if key in parameters else ""
        kinds = _KINDS.get(wanted.removesuffix(" | None"), ())
        if kinds and type(value) not in kinds and not (value is None and wanted.endswith("None")):
            raise ConfigError(f"engine {choice.name!r}: {key} is {value!r}; it takes {wanted}")


def model_path(model: str) -> str:
    """Return a folder as it is, a shipped folder by its full path, anything else (a hub id) unchanged."""
    if Path(model).exists():
        return model
    try:
        return str(shipped(model))
    except MissingFileError:
        return model


def model_identity(model: str) -> str:
    """Return a string that tells two models apart: a hash over a folder's files, wherever it lies, or a hub id.

    Each file's name, size and two ends are hashed: new weights differ there, and 7 GB take no time.
    """
    folder = Path(model_path(model))
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size, ends = ends_of(path)
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode() + ends)
    return f"sha256:{digest.hexdigest()}"


class BuildEngines:
    """Engines started when a step first needs them and shared by the parts of a recipe.

    ``given`` serves in the place of every engine that the recipe names. ``replies`` is the file of the response cache.
    """

    def __init__(self, recipe: Recipe, replies: Path, given: Engine | None) -> None:
        self._recipe, self._replies, self._given = recipe, replies, given
        self._cache: ResponseCache | None = None
        self._known: dict[str, Engine] = {}

    def main(self) -> Engine | None:
        """Return the engine that steps draw from; None where the recipe names none."""
        choice = self._recipe.engine or (EngineChoice("given", "") if self._given else None)
        return self._shared(choice) if choice else None

    def other(self, choice: Mapping[str, Json]) -> Engine:
        """Return another engine that a step names, such as a judge."""
        if self._given is not None:
            return self._cached(self._given, {})
        return self._shared(parse_engine(choice, f"{self._recipe.name}: a step's engine"))

    def _shared(self, choice: EngineChoice) -> Engine:
        name = json.dumps(asdict(choice), sort_keys=True, default=str)
        if name not in self._known:
            self._known[name] = self._cached(self._given or start_engine(choice), choice.settings)
        return self._known[name]

    def close(self) -> None:
        """Close the response cache; an empty one is removed."""
        store, self._cache = self._cache, None
        self._known.clear()
        if store is not None:
            try:
                empty = store.count() == 0
            finally:
                store.close()
            if empty:
                self._replies.unlink()

    def _cached(self, engine: Engine, settings: Mapping[str, Json]) -> Engine:
        if self._cache is None:
            self._cache = ResponseCache(self._replies)
        return CachedEngine(engine, self._cache, settings=shaping_settings(settings))


def shaping(value: Json) -> Json:
    """Return settings of a recipe, without those of its engines, at any depth, that change no reply."""
    if isinstance(value, list | tuple):
        return [shaping(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    is_engine = {"name", "model", "settings"} <= value.keys() and isinstance(value["settings"], Mapping)
    kept = {**value, "settings": shaping_settings(value["settings"])} if is_engine else value
    return {key: _prompt_value(key, shaping(one)) for key, one in kept.items()}


def _prompt_value(key: str, value: Json) -> Json:
    """Return a prompt's text in place of the name of its file: a change of the text builds another set."""
    return prompt_text(value) if "prompt" in key and isinstance(value, str) else value
