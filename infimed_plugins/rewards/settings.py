"""The settings of the rewards: their names and types, and what of a trainer's keyword arguments they are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from infimed_plugins.errors import ConfigError

SETTINGS: dict[str, type] = {
    **{"w_format": float, "w_acc": float, "task": str, "reward": str, "think_prefilled": bool},
    **{"think_tag": str, "answer_tag": str, "answer_frame": str, "confidence": bool, "judge": dict},
    **{"overlong_tokens": int, "overlong_buffer": int, "overlong_penalty": float},
    **{"repetition_penalty": float, "repetition_ngram": int},
}


def read_settings(passed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among a trainer's keyword arguments; lists are columns of the data set.

    Raises ConfigError for a value of another type, and for a single value whose name is nearly a setting's.
    """
    settings = {}
    for name, value in passed.items():
        if isinstance(value, (list, tuple)) or value is None:
            continue
        if name in SETTINGS:
            settings[name] = typed(name, value)
        elif close := _near(name):
            raise ConfigError(f"{name} is no setting of the reward; did you mean {close!r}?")
    return settings


@cache  # some trainers pass the same names with every reply
def _near(name: str) -> str:
    return next(iter(get_close_matches(name, SETTINGS, n=1, cutoff=0.75)), "")


def typed(name: str, value: Any, kind: type | None = None) -> Any:
    """Return a setting's value; scalars of numpy and torch are taken, and "true" and "false". Raises ConfigError."""
    value = value.item() if hasattr(value, "item") and getattr(value, "shape", None) in ((), (1,)) else value
    kind = kind or SETTINGS[name]
    if kind is dict and isinstance(value, Mapping):  # OmegaConf's, too
        return json.loads(json.dumps(value, default=lambda one: dict(one) if isinstance(one, Mapping) else list(one)))
    if kind is bool and isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        wanted = {float: "a number of at least 0", int: "a whole number", dict: "settings by name"}
        said = wanted.get(kind, "true or false" if kind is bool else "a text")
        raise ConfigError(f"{name} is {value!r}; it must be {said}")
    return value


def check_weights(w_format: float, w_acc: float) -> None:
    """Raise ConfigError unless both weights are finite, not negative, and sum to 1."""
    for name, weight in (("w_format", w_format), ("w_acc", w_acc)):
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight) or weight < 0:
            raise ConfigError(f"{name} is {weight!r}; it must be a number of at least 0")
    if abs(w_format + w_acc - 1) > 1e-6:
        raise ConfigError(f"w_format + w_acc is {w_format + w_acc:g}; they must sum to 1, such as 0.1 and 0.9")
