"""The engine that a recipe's steps draw from: found, identified by content, and started only when it is needed."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path

from infimed_plugins.engines import Engine
from infimed_plugins.errors import ConfigError, MissingFileError
from infimed_plugins.paths import shipped
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.recipe import EngineChoice

_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}
_EDGE = 1 << 20  # bytes read at each end of a file


def start_engine(choice: EngineChoice) -> Engine:
    """The engine a recipe names. Raises EngineError when its model cannot be loaded, ConfigError for a bad setting."""
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
    """A folder as it is, a shipped folder by its full path, anything else (a hub id) unchanged."""
    if Path(model).exists():
        return model
    try:
        return str(shipped(model))
    except MissingFileError:
        return model


def model_identity(model: str) -> str:
    """What tells two models apart: a hash over a folder's files, wherever it lies; a hub id as it is.

    Of each file the name, the size and the two ends are hashed: new weights differ there, and 7 GB take no time.
    """
    folder = Path(model_path(model))
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            digest.update(file.read(_EDGE))
    return f"sha256:{digest.hexdigest()}"
