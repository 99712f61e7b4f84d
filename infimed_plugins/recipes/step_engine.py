"""The engine that a recipe's steps draw from: found, identified by content, and started only when it is needed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from infimed_plugins.engines import Engine
from infimed_plugins.errors import ConfigError, MissingFileError
from infimed_plugins.paths import shipped
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.recipe import EngineChoice

_EDGE = 1 << 20  # bytes read at each end of a file


def start_engine(choice: EngineChoice) -> Engine:
    """The engine a recipe names. Raises EngineError when its model cannot be loaded, ConfigError for a bad setting."""
    factory = registry().get("engine", choice.name)
    try:
        engine: Engine = factory(model_path(choice.model), **choice.settings)
    except TypeError as error:
        raise ConfigError(f"engine {choice.name!r} does not take these settings: {error}") from error
    return engine


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
