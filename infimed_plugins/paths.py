"""Paths of the shipped files, in a checkout or the installed wheel, and checks that a path stays in its folder."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from infimed_plugins.errors import DataError, MissingFileError

PACKAGE = Path(__file__).resolve().parent


def shipped(relative: str) -> Path:
    """Return a shipped file's path, such as ``data_registry/recipes/quickstart_sft.yaml``. Raises MissingFileError."""
    for root in (PACKAGE.parent, PACKAGE / "_shipped"):
        if (root / relative).exists():
            return root / relative
    raise MissingFileError(f"{relative} is not shipped with this installation; reinstall infimed-plugins")


def lies_in(folder: Path, path: Path) -> bool:
    """True if a path, its links followed, is below a folder.

    So is a file of the hub's cache, where ``snapshots/REVISION/NAME`` is a link to ``blobs/HASH`` beside ``snapshots``.
    """
    try:
        root = _real(str(folder.absolute()))
        if os.path.realpath(path).startswith(f"{root.rstrip(os.sep)}{os.sep}"):
            return True
        real, place = path.resolve(), path.parent.resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL
        return False
    is_blob = real.parent.name == "blobs" and place.is_relative_to(real.parent.parent / "snapshots")
    return real == Path(root) or (is_blob and place.is_relative_to(root))


@lru_cache(maxsize=64)  # a folder is named for the picture of each row
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def below(folder: Path, name: str | Path) -> Path:
    """Return the path in a folder that other people's data name. Raises DataError where it leads out of it."""
    if not lies_in(folder, folder / name):
        raise DataError(
            f"{str(name)[:200]!r} leads out of {folder}, and only what lies below it is read: copy it there, or name "
            "the folder that holds it"
        )
    return folder / name
