"""Fingerprint the files that a part was read from, so that a changed file is noticed.

The manifest lists them by their paths below the user's folder, or below what was fetched::

    "inputs": {"slake/train.json": {"bytes": 3104216, "sha256_of_ends": "9b1f…"}, …}

``sha256_of_ends`` is of the size and the first and last MiB: an archive has gigabytes. Pictures that are files of the
user's folder are listed with their sha256 in a file of its own, ``inputs.sha256``, as ``sha256sum --check`` reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.manifest import PartCount
from infimed_plugins.recipes.recipe import DECONTAMINATION, Step
from infimed_plugins.records import Json, Sample
from infimed_plugins.storage import ends_of, sha256_of


def inputs_of(source: Any, split: str, folder: Path | None) -> dict[str, dict[str, Json]]:
    """Return the files that a source opened for a split with their fingerprints, if it tells."""
    paths: list[Path] = _told(source, "opened", split, folder) or []
    return {_name(path, folder): fingerprint(path) for path in sorted(paths)}


def benchmark_inputs(steps: Iterable[Step], folder: Path | None) -> dict[str, dict[str, Json]]:
    """Return the files of the benchmarks that a part's rows were checked against, with their fingerprints."""
    from infimed_plugins.curation.decontamination.benchmark_items import default_benchmarks

    inputs: dict[str, dict[str, Json]] = {}
    for step in steps:
        if step.name == DECONTAMINATION:
            own = step.settings.get("folder")
            for name, split in (one.split("/") for one in step.settings.get("benchmarks") or default_benchmarks()):
                found = inputs_of(registry().get("source", name), split, Path(own) if own else folder)
                inputs |= found if own is None else {str(Path(own) / file): known for file, known in found.items()}
    return inputs


def record_pictures(samples: Iterable[Sample], opened: dict[str, str]) -> Iterator[Sample]:
    """Yield the samples; put the sha256 of each picture that is a file into ``opened``."""
    for sample in samples:
        for image in sample.images:
            if image.is_file:
                with contextlib.suppress(DataError):  # the row is rejected where it is used
                    opened[str(image.path)] = image.sha256()
        yield sample


def pictures_in(folder: Path | None, opened: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield name and sha256 of the pictures that are files of the user's folder."""
    for path, sha in ((Path(name), sha) for name, sha in opened.items() if folder is not None):
        if path.is_relative_to(str(folder)):
            yield path.relative_to(str(folder)).as_posix(), sha


def check_inputs(part: PartCount, folder: Path | None) -> None:
    """Raise ConfigError where the user's folder holds other files than a finished part was read from."""
    for name, known in part.inputs.items() if folder is not None else ():
        path = Path(str(folder)) / name
        if path.is_file() and fingerprint(path) != known:
            raise ConfigError(f"part {part.part} was built from another {name}; use --fresh to build it anew")


def check_pictures(listed: Path, folder: Path | None) -> None:
    """Raise ConfigError where a picture of the user's folder is another than the one that a list names."""
    for line in listed.read_text(encoding="utf-8").splitlines() if folder is not None and listed.exists() else ():
        path = Path(str(folder)) / line[66:]
        if path.is_file() and sha256_of(path) != line[:64]:
            raise ConfigError(f"the build was made from another {line[66:]}; use --fresh to build it anew")


def is_local(source: Any, folder: Path | None) -> bool:
    """True if a source reads the user's folder, or cannot tell and there is one."""
    told = _told(source, "is_local", folder)
    return folder is not None if told is None else bool(told)


def revision_of(name: str, folder: Path | None) -> str | None:
    """Return the commit of a source that is read, or "local files"; None where it cannot tell."""
    revision: str | None = _told(registry().get("source", name), "revision", folder)
    return revision


def _told(source: Any, what: str, *about: Any) -> Any:
    """Return a source's own answer; None where it has no such method."""
    tell = getattr(source, what, None)
    return tell(*about) if callable(tell) else None


def fingerprint(path: Path) -> dict[str, Json]:
    """Return a file's size and the hash of its ends."""
    size, ends = ends_of(path)
    return {"bytes": size, "sha256_of_ends": hashlib.sha256(str(size).encode() + ends).hexdigest()}


def _name(path: Path, folder: Path | None) -> str:
    """Return a path below the user's folder or the hub's snapshot; else the bare name."""
    if folder is not None and path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    parts = path.parts
    at = parts.index("snapshots") + 2 if "snapshots" in parts else len(parts) - 1
    return "/".join(parts[at:])
