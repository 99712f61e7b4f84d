"""What ``data_registry/sources.yaml`` says of a data set: origin, revision, licence, sizes. Nothing is fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from infimed_plugins.errors import ConfigError
from infimed_plugins.paths import shipped

SOURCES_FILE = "data_registry/sources.yaml"


@dataclass(frozen=True)
class SourceEntry:
    """One data set. ``splits`` gives the rows of each split, ``download_mb`` what fetching all of it takes."""

    title: str
    origin: str
    licence: str
    splits: dict[str, int] = field(default_factory=dict)
    revision: str | None = None
    download_mb: float = 0.0
    languages: tuple[str, ...] = ("en",)
    hub: str | None = None  # the data set's id on the Hugging Face hub
    url: str | None = None  # of the one archive of a set that is not there
    files: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> bytes, sha256, where they are known
    folders: tuple[str, ...] = ()  # where authors and frameworks keep it, below --from or below its own folder
    note: str = ""


@cache
def source_entries() -> dict[str, SourceEntry]:
    """Every entry of the shipped registry, by source name. Raises ConfigError naming a bad entry."""
    raw: dict[str, Any] = yaml.safe_load(shipped(SOURCES_FILE).read_text(encoding="utf-8"))
    entries = {}
    for name, fields in raw.items():
        lists = {"languages": tuple(fields.get("languages", ("en",))), "folders": tuple(fields.get("folders", ()))}
        try:
            entries[name] = SourceEntry(**{**fields, **lists})
        except TypeError as error:
            raise ConfigError(f"{SOURCES_FILE}: {name}: {error}") from error
    return entries
