"""Where the shipped YAML, registry and model files lie: in a checkout, or inside the installed wheel."""

from __future__ import annotations

from pathlib import Path

from infimed_plugins.errors import MissingFileError

PACKAGE = Path(__file__).resolve().parent


def shipped(relative: str) -> Path:
    """The path of a shipped file such as ``data_registry/recipes/quickstart_sft.yaml``. Raises MissingFileError."""
    for root in (PACKAGE.parent, PACKAGE / "_shipped"):
        if (root / relative).exists():
            return root / relative
    raise MissingFileError(f"{relative} is not shipped with this installation; reinstall infimed-plugins")
