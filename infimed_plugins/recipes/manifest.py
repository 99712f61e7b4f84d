"""Read and write ``manifest.json``, the record of a build: inputs, rows kept and dropped with reasons, and outputs.

It names no time and no place, so that the same recipe gives the same manifest on the same versions.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infimed_plugins import __version__
from infimed_plugins.curation import ENGINE_ERROR
from infimed_plugins.errors import ConfigError, MissingFileError, installed_versions, refuse_failures
from infimed_plugins.limits import read_json
from infimed_plugins.records import Json
from infimed_plugins.storage import sha256_of, write_whole

MANIFEST_FILE = "manifest.json"
_OLD_RIGHT_OF = re.compile(r"(\d+) right of (\d+)")  # in parts that were written without ``right_of``
_OLD_NOT_CHECKED = re.compile(r"benchmarks not checked, files missing: (.+)")


@dataclass(frozen=True)
class PartCount:
    """The counts of a part: ``read`` = ``kept`` + dropped and rejected rows, each with its reason.

    ``counted`` is what its steps tell besides, ``inputs`` the files that were read (fingerprints.py). ``right_of`` says
    of how many candidates how many were right, and of how many questions; ``not_checked`` names benchmarks whose files
    were missing. ``asked`` counts the rows that a model was asked about, ``failed`` those without a reply, and
    ``error`` is the first reason.
    """

    part: str
    source: str
    split: str
    revision: str | None
    licence: str
    read: int
    kept: int
    dropped: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, dict[str, Json]] = field(default_factory=dict)
    right_of: tuple[tuple[int, int, int], ...] = ()  # (right, candidates, questions)
    not_checked: tuple[str, ...] = ()
    asked: int = 0
    error: str = ""

    @classmethod
    def of_json(cls, raw: dict[str, Json]) -> PartCount:
        """Return the counts as written; what older versions only wrote in words is parsed from these."""
        told = [(_OLD_RIGHT_OF.fullmatch(words), count) for words, count in raw["counted"].items()]
        right_of = [(int(found[1]), int(found[2]), count) for found, count in told if found]
        not_checked = [found[1] for words in raw["counted"] if (found := _OLD_NOT_CHECKED.fullmatch(words))]
        right_of, not_checked = raw.get("right_of", right_of), raw.get("not_checked", not_checked)
        return cls(**raw | {"right_of": tuple(map(tuple, right_of)), "not_checked": tuple(not_checked)})

    @property
    def failed(self) -> int:
        """Rows dropped because a request to a model failed; the same build asks them again."""
        return self.dropped.get(ENGINE_ERROR, 0)


@dataclass(frozen=True)
class Output:
    """One file of a build, by its path in the folder. ``rows`` counts training rows, so it is 0 for any other file."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The record of a build. ``datasets`` are its sets by name, in the order LLaMA-Factory's YAML must list them;
    ``checked_against`` the benchmarks whose questions were left out, with the revision of each."""

    recipe: str
    description: str
    format: str
    settings: dict[str, Json]
    versions: dict[str, str]
    parts: tuple[PartCount, ...]
    outputs: tuple[Output, ...]
    datasets: tuple[str, ...] = ()
    images: int = 0
    checked_against: dict[str, str | None] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows over all outputs."""
        return sum(output.rows for output in self.outputs)

    def refuse_failures(self) -> None:
        """Raise RequestsFailedError for a part of which too many rows lack a model's reply."""
        for part in self.parts:
            refuse_failures(part.failed, part.asked, part.error, f"rows of {part.part} lack a reply")

    def to_json(self) -> dict[str, Json]:
        """Return the manifest as JSON, with the total of rows."""
        return {**asdict(self), "rows": self.rows}

    def write(self, folder: Path) -> None:
        """Write ``manifest.json``: the last file of a build, so that its presence means the build is whole."""
        write_whole(folder / MANIFEST_FILE, json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n")


def read_manifest(folder: str | Path) -> Manifest:
    """Return the manifest of a build folder. Raises MissingFileError without one, ConfigError if unreadable."""
    path = Path(folder) / MANIFEST_FILE
    if not path.is_file():
        raise MissingFileError(f"{folder} holds no finished build (no {MANIFEST_FILE}); run: infimed data build RECIPE")
    try:
        raw = read_json(path)
        raw.pop("rows")
        for counted in (*raw["parts"], *raw["outputs"]):
            _check_counts(counted)
        raw["parts"] = tuple(PartCount.of_json(part) for part in raw["parts"])
        raw["outputs"] = tuple(Output(**output) for output in raw["outputs"])
        return Manifest(**{**raw, "datasets": tuple(raw["datasets"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a manifest of this version: {error}; build again with --fresh") from error


def _check_counts(part: dict[str, Json]) -> None:
    """Raise ValueError where a count of a part or an output is none."""
    counts = [part[key] for key in ("read", "kept", "asked", "rows", "bytes") if key in part]
    counts += [count for key in ("dropped", "rejected", "counted") for count in part.get(key, {}).values()]
    for count in counts:
        if type(count) is not int or count < 0:
            raise ValueError(f"{count!r:.100} is no count")


def output_of(folder: Path, name: str, rows: int) -> Output:
    """Return the record of a written file."""
    return Output(name, rows, (folder / name).stat().st_size, sha256_of(folder / name))


def versions() -> dict[str, str]:
    """Return the versions of the packages that shape the written bytes."""
    shaping = ("pillow", "pyarrow", "pydicom", "numpy", "datasets", "transformers", "ImageHash", "rensa")
    return {"infimed-plugins": __version__, **installed_versions(*shaping)}
