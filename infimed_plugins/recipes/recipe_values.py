"""Checks of the values in a recipe file. Each raises ConfigError naming where the value stands and what it may be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from infimed_plugins.errors import ConfigError


def fields_of(kind: type[Any], raw: Any, where: str) -> dict[str, Any]:
    """The mapping's entries, after checking that they are fields of the dataclass and that none is missing."""
    known = [name for name, one in kind.__dataclass_fields__.items() if one.metadata.get("in file", True)]
    for key in (entries := mapping(raw, where)):
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r:.100}{near(str(key), known)}; keys are {', '.join(known)}")
    required = {"name", "source", "split", "format", "parts", "model", "tokens"} & set(known)
    if missing := [key for key in known if key in required and entries.get(key) in (None, "")]:
        raise ConfigError(f"{where}: {missing[0]!r} is missing")
    for key in required - {"format", "parts", "tokens"}:
        if not isinstance(entries[key], str):
            raise ConfigError(f"{where}: {key} must be text, not {entries[key]!r:.100}")
    if "name" in known and not re.fullmatch(
        r"[\w-]+", entries["name"]
    ):  # it becomes a file name, and LLaMA-Factory splits at commas
        raise ConfigError(f"{where}: name {entries['name']!r:.100} may hold letters, digits, _ and - only")
    return dict(entries)


def mapping(raw: Any, where: str) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{where} must be 'key: value' lines, not {raw!r:.100}")
    return raw


def names_in(raw: Any, where: str) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
        raise ConfigError(f"{where} must be a list of names, not {raw!r:.100}")
    return tuple(raw)


def one_of(value: Any, allowed: Iterable[str], where: str) -> None:
    if value not in allowed:
        raise ConfigError(f"{where}: {value!r:.100} is not one of {', '.join(allowed)}{near(str(value), allowed)}")


def whole_number(value: Any, where: str, *, least: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise ConfigError(f"{where} must be a whole number{bound}, not {value!r:.100}")


def share_of_one(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigError(f"{where} must be a share from 0 to 1, not {value!r:.100}")
    return float(value)


def near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
