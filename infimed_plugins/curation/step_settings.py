"""The settings of a step as its frozen dataclass, and messages that say what to write instead.

``read_settings(CaptionSettings, "captions", {"repeats": "kepe"})`` raises::

    ConfigError: captions: repeats is 'kepe'; one of drop, keep
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from infimed_plugins.curation import StepContext
from infimed_plugins.engines import Engine
from infimed_plugins.errors import ConfigError

S = TypeVar("S")


def read_settings(kind: type[S], step: str, given: Mapping[str, Any]) -> S:
    """The settings of a step. Raises ConfigError for a name that the dataclass lacks or a value it refuses."""
    try:
        return kind(**given)
    except TypeError as error:
        raise ConfigError(f"{step}: {error}; settings are {', '.join(inspect.signature(kind).parameters)}") from error
    except ConfigError as error:
        raise ConfigError(f"{step}: {error}") from error


def need_engine(context: StepContext, step: str, purpose: str) -> Engine:
    """The engine of a step that cannot do without. Raises ConfigError when the recipe names none."""
    if context.engine is None:
        raise ConfigError(f"{step} needs an engine {purpose}; name one in the recipe")
    return context.engine


def check_one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raise ConfigError unless the value is one of those allowed."""
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; one of {', '.join(allowed)}")


def check_whole(name: str, value: object, least: int = 1) -> None:
    """Raise ConfigError unless the value is a whole number, ``least`` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}; give a whole number from {least}")


def check_flag(name: str, value: object) -> None:
    """Raise ConfigError unless the value is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}; give true or false")


def check_names(name: str, value: object) -> None:
    """Raise ConfigError unless the value is a list of strings."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{name} is {value!r}; give a list such as [caption], or [] for all")
