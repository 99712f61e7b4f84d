"""Where the files of a public data set lie: in a folder a user downloaded, or on the hub at the pinned revision.

Both have the layout of the upstream repository, so ``hf download --repo-type dataset ID --local-dir DIR/NAME`` on one
machine and ``--from DIR`` on another give what a download gives. Archives are never unpacked: members are read where
they lie, so no path can leave a folder and nothing is written twice.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from infimed_plugins.errors import DataError, MissingExtraError, MissingFileError
from infimed_plugins.records import ImageRef
from infimed_plugins.sources.entry import SourceEntry

MAX_MEMBER_BYTES = 256 * 1024 * 1024  # of one file in an archive, unpacked
MAX_FIELD = 1 << 24  # characters of one CSV or TSV field; a base64 image has millions
_CHUNK = 1 << 20
_BETWEEN = re.compile(r"[\s,]*")
BATCH_ROWS = 64  # of a parquet file at a time


class DamagedFileError(DataError):
    """A file that is cut off, changed, or of another schema: not one row but the whole set cannot be used."""


class MissingImageError(DataError):
    """A row's image is not where the row says."""


@dataclass(frozen=True)
class Files:
    """The files of one data set. ``folder`` holds downloads; without it they come from the hub when first needed."""

    name: str
    entry: SourceEntry
    folder: Path | None = None

    def one(self, *patterns: str) -> Path:
        """The one file that matches any of the patterns, the first that has one. Raises MissingFileError."""
        return self.all(*patterns)[0]

    def all(self, *patterns: str) -> list[Path]:
        """All files that match the first pattern that has any, sorted. Raises MissingFileError when none has."""
        roots = self._roots(patterns)
        for root, pattern in itertools.product(roots, patterns):
            found = sorted(path for path in root.glob(pattern) if path.is_file())
            if found:
                for path in found:
                    self._check(path)
                return found
        raise self._missing(patterns, "are not there")

    def archive(self, *patterns: str) -> Archive:
        """A zip archive, its members read in place."""
        return Archive(self.one(*patterns))

    def root(self, *patterns: str) -> Path:
        """The folder that holds what matches the patterns."""
        roots = self._roots(patterns)
        return next((root for root in roots if any(any(root.glob(pattern)) for pattern in patterns)), roots[0])

    def _roots(self, patterns: Sequence[str]) -> list[Path]:
        """Where to look: the folder of the set's name in the user's folder and that itself, or the hub's snapshot."""
        if self.folder is None:
            return [self._download(patterns)]
        if not self.folder.is_dir():
            raise MissingFileError(f"there is no folder {self.folder}; name the one with your downloads")
        return [root for root in (self.folder / self.name, self.folder) if root.is_dir()]

    def _download(self, patterns: Sequence[str]) -> Path:
        if self.entry.hub is None:
            raise self._missing(patterns, "are not on the hub")
        try:
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
        except ImportError as error:
            raise MissingExtraError(f"fetching {self.name}", "huggingface_hub", "data") from error
        try:
            where = snapshot_download(
                self.entry.hub, repo_type="dataset", revision=self.entry.revision, allow_patterns=list(patterns)
            )
        except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError, ValueError) as error:
            raise self._missing(patterns, f"cannot be fetched ({type(error).__name__})") from error
        return Path(where)

    def _missing(self, patterns: Sequence[str], what: str) -> MissingFileError:
        where = f"{self.folder / self.name} or {self.folder}" if self.folder else f"DIR/{self.name}"
        mend = f"download {' or '.join(patterns[:2])} from {self.entry.origin}, put it into {where}"
        return MissingFileError(f"{self.name}: its files {what}; {mend}{'' if self.folder else ', and add --from DIR'}")

    def _check(self, path: Path) -> None:
        """Raise DataError for a file that the registry knows otherwise: half-downloaded, or another revision."""
        known = self.entry.files.get(path.name)
        if not known:
            return
        size = path.stat().st_size
        if "bytes" in known and size != known["bytes"]:
            raise DamagedFileError(f"{path} has {size:,} bytes, not {known['bytes']:,}: download it again")
        if "sha256" in known and _sha256(path, size) != known["sha256"]:
            raise DamagedFileError(f"{path} is not the file the registry knows (sha256 differs): download it again")


def hub_commit(entry: SourceEntry) -> str | None:
    """The commit that the cache holds for the entry's revision, None when there is none."""
    if entry.hub is None or entry.revision is None:
        return None
    from huggingface_hub import constants, file_download

    folder = file_download.repo_folder_name(repo_id=entry.hub, repo_type="dataset")
    ref = Path(constants.HF_HUB_CACHE) / folder / "refs" / entry.revision
    return ref.read_text(encoding="ascii").strip() if ref.is_file() else None


@cache
def _sha256(path: Path, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Archive:
    """A zip archive. Raises DataError, naming it, when it is cut off."""

    path: Path
    _names: dict[str, str] = field(default_factory=dict)
    _open: list[zipfile.ZipFile] = field(default_factory=list)

    def image(self, *names: str) -> ImageRef:
        """The first of these members, read when it is needed. Raises MissingImageError when none is there."""
        for name in names:
            found = self._find(name)
            if found is not None:
                return ImageRef(path=f"{self.path.name}/{found}", reader=partial(self._read, found))
        raise MissingImageError(f"{self.path.name} holds no {names[0]}")

    def _find(self, name: str) -> str | None:
        """A member by its path or, where archives nest folders differently, by its last parts."""
        if not self._names:
            for member in self._zip().namelist():
                parts = PurePosixPath(member).parts
                for start in range(len(parts)):
                    self._names.setdefault("/".join(parts[start:]), member)
        return self._names.get(name.strip("/"))

    def _read(self, member: str) -> bytes:
        info = self._zip().getinfo(member)
        if info.file_size > MAX_MEMBER_BYTES:
            raise DataError(f"{self.path.name}/{member} unpacks to {info.file_size >> 20} MiB: refused")
        try:
            return self._zip().read(info)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise DataError(f"{self.path.name}/{member} is damaged ({error}); download the archive again") from error

    def _zip(self) -> zipfile.ZipFile:
        if not self._open:
            try:
                self._open.append(zipfile.ZipFile(self.path))
            except zipfile.BadZipFile as error:
                raise DamagedFileError(f"{self.path} is no whole zip archive ({error}); download it again") from error
        return self._open[0]


def image_file(root: Path, *names: str) -> ImageRef:
    """The first of these files below a folder. Raises DataError when none is there, or it would lie outside."""
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:  # not resolved: the hub's are links
            raise MissingImageError(f"{name} lies outside of {root}")
        path = root / name
        if path.is_file():
            return ImageRef(path=str(path))
    raise MissingImageError(f"there is no {names[0]}")


def json_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON list, of JSON lines, or of an object id -> row (the id becomes ``row_id``), one at a time."""
    with path.open(encoding="utf-8-sig") as file:
        start = file.read(1024).lstrip()[:1]
        file.seek(0)
        try:
            for row in _list_items(file) if start == "[" else _lines_or_object(file):
                if not isinstance(row, dict):
                    raise DataError(f"{path} holds a {type(row).__name__} where a row should be")
                yield row
        except json.JSONDecodeError as error:
            raise DamagedFileError(f"{path} is no JSON ({error}); download it again") from error


def _list_items(file: TextIO) -> Iterator[Any]:
    """The items of a JSON list that may be larger than memory."""
    decoder, buffer, at = json.JSONDecoder(), file.read(_CHUNK), 0
    at = buffer.index("[") + 1
    while True:
        at = _BETWEEN.match(buffer, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if buffer.startswith("]", at):
            return
        try:
            item, at = decoder.raw_decode(buffer, at)
        except json.JSONDecodeError:
            more = file.read(_CHUNK)
            if not more:
                raise
            buffer, at = buffer[at:] + more, 0
            continue
        yield item


def _lines_or_object(file: TextIO) -> Iterator[Any]:
    first = file.readline()
    try:
        row = json.loads(first)
        rest = file.readline()
    except json.JSONDecodeError:  # an object over several lines
        row, rest = json.loads(first + file.read()), ""
    if not rest and isinstance(row, dict) and row and all(isinstance(value, dict) for value in row.values()):
        yield from ({**value, "row_id": key} for key, value in row.items())
        return
    yield row
    for line in itertools.chain([rest], file):
        if line.strip():
            yield json.loads(line)


def delimited_rows(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """The rows of a CSV or TSV file, every field text, none taken for missing."""
    csv.field_size_limit(MAX_FIELD * 4)
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        for row in csv.DictReader(file, delimiter=delimiter, restval=""):
            yield {key: value for key, value in row.items() if key is not None}


def parquet_rows(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of parquet files, a few at a time, only these columns. Raises DataError when one is not there."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading parquet", "pyarrow", "data") from error
    for path in paths:
        try:
            file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise DamagedFileError(f"{path} is no whole parquet file ({error}); download it again") from error
        with file:
            check_columns(path, columns, file.schema_arrow.names)
            for group in range(file.num_row_groups):  # over all of them it would keep what it has read
                for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group], columns=list(columns)):
                    yield from batch.to_pylist()


def check_columns(path: Path, expected: Sequence[str], found: Sequence[str]) -> None:
    """Raise DataError naming the columns expected and found: the upstream schema has changed."""
    missing = [column for column in expected if column not in found]
    if missing:
        raise DamagedFileError(
            f"{path} has no column {missing[0]!r}: expected {', '.join(expected)}; found {', '.join(found)}. "
            "The data set has changed upstream; use the pinned revision"
        )


def embedded_image(value: Any, name: str) -> ImageRef:
    """An image of a parquet row: ``{"bytes": …, "path": …}``. Raises DataError when it is empty."""
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, (bytes, bytearray)) or not data:
        raise MissingImageError(f"{name} has no image bytes")
    return ImageRef(data=bytes(data))
