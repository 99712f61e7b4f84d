"""The settings of compute_score as trainers pass them on: typed, and known by name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from infimed_plugins.errors import ConfigError

SETTINGS: dict[str, type] = {
    "w_format": float,
    "w_acc": float,
    "task": str,
    "reward": str,
    "think_prefilled": bool,
    "think_tag": str,
    "answer_tag": str,
    "answer_frame": str,
    "confidence": bool,
}
VARIABLE = "INFIMED_REWARD"  # settings as JSON, for trainers that pass a reward no arguments


def read_settings(passed: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among what a trainer passes, which may be anything else; lists are columns of the data set.

    Raises ConfigError for a value of another type, and for a single value whose name is nearly a setting's.
    """
    settings = {}
    for name, value in passed.items():
        if isinstance(value, (list, tuple)) or value is None:
            continue
        if name in SETTINGS:
            settings[name] = typed(name, value)
        elif close := get_close_matches(name, SETTINGS, n=1, cutoff=0.75):
            raise ConfigError(f"{name} is no setting of the reward; did you mean {close[0]!r}?")
    return settings


def typed(name: str, value: Any) -> Any:
    """The value of a setting; scalars of numpy and torch are taken, and "true" and "false". Raises ConfigError."""
    value = value.item() if hasattr(value, "item") and getattr(value, "shape", None) in ((), (1,)) else value
    kind = SETTINGS[name]
    if kind is bool and isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind):
        wanted = {bool: "true or false", float: "a number of at least 0", str: "a text"}[kind]
        raise ConfigError(f"{name} is {value!r}; it must be {wanted}")
    return value


def settings_of_environment() -> dict[str, Any]:
    """The settings in the environment variable INFIMED_REWARD, a JSON object such as {"think_prefilled": true}."""
    try:
        value = json.loads(os.environ.get(VARIABLE) or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConfigError(f'{VARIABLE} is no JSON object of settings, such as {{"think_prefilled": true}}')
    if unknown := sorted(set(value) - set(SETTINGS)):
        raise ConfigError(f"{VARIABLE} names {unknown[0]!r}, which is no setting; one of {', '.join(SETTINGS)}")
    return read_settings(value)
