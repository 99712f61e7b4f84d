"""Errors of this package: all derive from InfimedError and a builtin; messages say how to fix the problem."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import Any

MAX_FAILED_SHARE = 0.05
MIN_FAILED = 5


class InfimedError(Exception):
    """Root of every error this package raises on purpose; the CLI prints it on one line and exits with its code."""

    exit_code = 2


class UnknownPluginError(InfimedError, KeyError):
    """A name that no plugin registered; the message lists the names that exist."""

    def __init__(self, kind: str, name: str, available: Iterable[str]) -> None:
        self.kind, self.name, self.available = kind, name, sorted(available)
        listed = ", ".join(self.available) or "none"
        super().__init__(_with_closest(f"unknown {kind} {name!r}; available: {listed}", name, self.available))

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0])


class PluginError(InfimedError, RuntimeError):
    """A plugin that cannot be loaded, a duplicate name, or a misspelled hook."""


class ConfigError(InfimedError, ValueError):
    """A setting, recipe or YAML key that cannot be used."""


def known_name(name: str, known: Iterable[str], kind: str) -> str:
    """Return the known spelling of a name that may be written in any case, ``_`` as ``-``.

    Raises ConfigError for another one, with the nearest and all known ones; ``kind`` says what is named ("trainer").
    """
    spellings = {_folded(one): one for one in known}
    if _folded(name) in spellings:
        return spellings[_folded(name)]
    names = spellings.values()
    raise ConfigError(_with_closest(f"unknown {kind} {name!r}; one of {', '.join(names)}", name.lower(), names))


def closest(name: str, known: Iterable[str]) -> str:
    """Return a question for the known name that an unknown one is nearest to, "" where none is near."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def near(word: object, known: Iterable[str]) -> str:
    """Return that question as a parenthesis to append, or ""."""
    found = closest(str(word), known)
    return f" ({found})" if found else ""


def _with_closest(said: str, name: str, known: Iterable[str]) -> str:
    return "; ".join(filter(None, [said, closest(name, known)]))


def _folded(name: str) -> str:
    return name.strip().lower().replace("_", "-")


class DataError(InfimedError, ValueError):
    """A row, image or file that cannot be used."""


class RequestsFailedError(DataError):
    """Too many requests to a model failed; replies are kept, and the same command asks for the others again."""

    exit_code = 3


def refuse_failures(failed: int, asked: int, first: str, what: str = "requests failed") -> None:
    """Raise RequestsFailedError where more than 5% of the requests failed, from five on, or all of them."""
    if failed and (failed == asked or (failed >= MIN_FAILED and failed > MAX_FAILED_SHARE * asked)):
        raise RequestsFailedError(
            f"{failed:,} of {asked:,} {what}, the first: {first}; mend it, and the same command asks for them again"
        )


class MissingFileError(InfimedError, FileNotFoundError):
    """A file or folder the work needs; the message names what to download and where to put it."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DamagedFileError(DataError):
    """A file of a data set that is cut off, changed, or of another schema: the whole set cannot be used."""


class UnreachableFileError(MissingFileError):
    """A file of a data set that exists, as far as is known, but could not be fetched now."""


class MissingImageError(DataError):
    """A row's image is not where the row says."""


class MissingExtraError(InfimedError, ImportError):
    """An optional dependency that is not installed; the message carries the install command."""

    def __init__(self, feature: str, module: str, extra: str) -> None:
        super().__init__(f"{feature} needs {module!r}, which is not installed; run: {install_command(extra)}")


def install_command(extra: str) -> str:
    """Return the line that installs an extra and keeps the torch that is there: pip would take torchvision's newest."""
    kept = [f" {name}=={number.partition('+')[0]}" for name, number in installed_versions("torch").items()]
    return f"pip install 'infimed-plugins[{extra}]'{''.join(kept)}"


def installed_versions(*packages: str) -> dict[str, str]:
    """Return the versions of those of the packages that are installed, by their names."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def optional_module(name: str, feature: str, extra: str) -> Any:
    """Return the module of an optional dependency. Raises MissingExtraError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(feature, name.partition(".")[0], extra) from error


class NoVerdictError(InfimedError, RuntimeError):
    """What judges an answer is out (a server, a process); a reward may raise it: unscored, never wrong."""


class EngineError(InfimedError, RuntimeError):
    """A model or server that did not answer; the request stays unscored, never wrong."""
