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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from infimed_plugins.errors import DataError, MissingExtraError, MissingFileError
from infimed_plugins.records import ImageRef
from infimed_plugins.sources.download import NotFetchedError, archive_name, cache_folder, fetch_archive, hub_snapshot
from infimed_plugins.sources.entry import SourceEntry, source_entries

MAX_MEMBER_BYTES = 256 * 1024 * 1024  # of one file in an archive, unpacked
MAX_FIELD = 1 << 24  # characters of one CSV or TSV field; a base64 image has millions
_CHUNK = 1 << 20
_BETWEEN = re.compile(r"[\s,]*")
BATCH_ROWS = 64  # of a parquet file at a time
HEAD_ROWS = 100  # of a JSON file: the columns that none of them has are not there
MAX_NAMED = 40  # columns in a message
NO_OBJECT = "no object"  # the one field of a row of JSON that is none; it holds what stands there


class DamagedFileError(DataError):
    """A file that is cut off, changed, or of another schema: not one row but the whole set cannot be used."""


class UnreachableFileError(MissingFileError):
    """A file that is there, as far as is known, but could not be fetched now."""


class MissingImageError(DataError):
    """A row's image is not where the row says."""


@dataclass(frozen=True)
class Files:
    """The files of one data set. ``folder`` holds downloads; what it lacks is fetched when first needed."""

    name: str
    entry: SourceEntry
    folder: Path | None = None
    opened: dict[Path, None] = field(default_factory=dict, repr=False, compare=False)  # what was asked for and found

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
                self.opened.update(dict.fromkeys(found))
                return found
        raise self._missing(patterns, "are not there")

    def archive(self, *patterns: str) -> Archive:
        """A zip archive, its members read in place, or the folder that a user has unpacked it into."""
        try:
            return Archive(self.one(*patterns))
        except MissingFileError:
            stems = [Path(pattern).stem for pattern in patterns]
            for root, stem in itertools.product(self._roots(patterns) if self.is_local else (), stems):
                if (root / stem).is_dir():
                    return Unpacked(root / stem)
            raise

    def root(self, *patterns: str) -> Path:
        """The folder that holds what matches the patterns."""
        roots = self._roots(patterns)
        return next((root for root in roots if any(any(root.glob(pattern)) for pattern in patterns)), roots[0])

    @property
    def is_local(self) -> bool:
        """Whether the user's folder is the place to look in, and not the network.

        A folder of several data sets says nothing of those that it lacks.
        """
        if self.folder is None:
            return False
        if not self.folder.is_dir():
            raise MissingFileError(f"there is no folder {self.folder}; name the one with your downloads")
        holds_others = any((self.folder / name).is_dir() for name in source_entries())
        return any(root.is_dir() for root in self._own_folders()) or not holds_others

    def _own_folders(self) -> list[Path]:
        """The folder of the set's name, then those of the sets that the same repository holds."""
        same = [
            name
            for name, entry in source_entries().items()
            if name != self.name and self.entry.hub is not None and entry.hub == self.entry.hub
        ]
        return [Path(str(self.folder)) / name for name in (self.name, *same)]

    def _roots(self, patterns: Sequence[str]) -> list[Path]:
        """Where to look: the folders of the set in the user's folder and that itself, or what was fetched."""
        if self.is_local:
            return [root for root in (*self._own_folders(), Path(str(self.folder))) if root.is_dir()]
        return [self._fetched(patterns)]

    def _fetched(self, patterns: Sequence[str]) -> Path:
        try:
            if self.entry.hub is not None:
                return hub_snapshot(self.entry, patterns)
            if self.entry.url is None:
                raise self._missing(patterns, "are not on the hub")
            cache = cache_folder(self.name)
            if any(fnmatch(archive_name(self.entry.url), pattern) for pattern in patterns):
                fetch_archive(self.entry.url, cache)
            return cache
        except NotFetchedError as error:
            passing = not (error.offline or error.absent)
            raise self._missing(patterns, f"cannot be fetched ({error})", passing=passing) from error

    def _missing(self, patterns: Sequence[str], what: str, *, passing: bool = False) -> MissingFileError:
        where = f"{self.folder / self.name} or {self.folder}" if self.folder else f"DIR/{self.name}"
        mend = f"download {' or '.join(patterns[:2])} from {self.entry.origin}, put it into {where}"
        text = f"{self.name}: its files {what}; {'run again, or ' * passing}{mend}"
        text += "" if self.folder else ", and add --from DIR"
        return UnreachableFileError(text) if passing else MissingFileError(text)

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
            for member in self.members():
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
        except RuntimeError as error:  # encrypted, or compressed by a method that Python does not have
            raise DataError(f"{self.path.name}/{member} cannot be unpacked ({error}); pack it anew") from error
        except Exception as error:  # each method of compression has errors of its own
            raise DataError(f"{self.path.name}/{member} is damaged ({error}); download the archive again") from error

    def members(self) -> list[str]:
        """The paths of all members. Raises DamagedFileError, as reading one does."""
        return self._zip().namelist()

    def _zip(self) -> zipfile.ZipFile:
        if not self._open:
            try:
                self._open.append(zipfile.ZipFile(self.path))
            except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
                raise DamagedFileError(f"{self.path} is no whole zip archive ({error}); download it again") from error
        return self._open[0]


class Unpacked(Archive):
    """The folder that an archive unpacks to, which has the archive's name or is what its paths begin with."""

    def image(self, *names: str) -> ImageRef:
        """The first of these files. Raises MissingImageError when none is there."""
        return image_file(self.path.parent, *names, *(f"{self.path.name}/{name}" for name in names))

    def members(self) -> list[str]:
        """The paths of all files, as the archive names them."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return [path.relative_to(self.path.parent).as_posix() for path in files]


def image_file(root: Path, *names: str) -> ImageRef:
    """The first of these files below a folder. Raises DataError when none is there, or it would lie outside."""
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:  # not resolved: the hub's are links
            raise MissingImageError(f"{name} lies outside of {root}")
        path = root / name
        if path.is_file():
            return ImageRef(path=str(path))
    raise MissingImageError(f"there is no {names[0]}")


def json_rows(path: Path, columns: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The rows of a JSON list, of JSON lines, or of an object id -> row (the id becomes ``row_id``), one at a time.

    Raises DamagedFileError for what is no JSON, and where the first rows lack one of the columns (checked_rows).
    """
    with path.open(encoding="utf-8-sig") as file:
        try:
            start = file.read(1024).lstrip()[:1]
            file.seek(0)
            yield from checked_rows(path, columns, _list_items(file) if start == "[" else _lines_or_object(file))
        except (json.JSONDecodeError, RecursionError) as error:
            raise DamagedFileError(f"{path} is no JSON ({error}); download it again") from error
        except UnicodeDecodeError as error:
            raise DamagedFileError(f"{path} is not in UTF-8 ({error}); download it again") from error


def parsed_rows(path: Path, text: bytes, columns: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The rows of an object id -> row in memory, as a member of an archive has; raises as ``json_rows``."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is no JSON ({error}); download it again") from error
    if not isinstance(whole, dict):
        raise DamagedFileError(f"{path} holds a {type(whole).__name__} where an object should be; download it again")
    yield from checked_rows(path, columns, _named_rows(whole))


def _named_rows(whole: Mapping[str, Any]) -> Iterator[Any]:
    yield from ({**row, "row_id": key} if isinstance(row, dict) else row for key, row in whole.items())


def checked_rows(path: Path, columns: Sequence[str], rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """The rows, what is no object as one with the field NO_OBJECT.

    Upstream leaves a key out of single rows, so columns are looked for in the first hundred rows together. Raises
    DamagedFileError where one of them is in none of these, or none is an object.
    """
    rest = iter(rows)
    head = list(itertools.islice(rest, HEAD_ROWS))
    found = dict.fromkeys(key for row in head if isinstance(row, dict) for key in row)
    if head and not found:
        raise DamagedFileError(f"{path} holds a {type(head[0]).__name__} where a row should be; download it again")
    if head:
        check_columns(path, columns, list(found))
    for row in itertools.chain(head, rest):
        yield row if isinstance(row, dict) else {NO_OBJECT: repr(row)[:100]}


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
    if not rest and isinstance(row, dict) and sum(isinstance(value, dict) for value in row.values()) * 2 > len(row):
        yield from _named_rows(row)
        return
    yield row
    for line in itertools.chain([rest], file):
        if line.strip():
            yield json.loads(line)


def delimited_rows(
    path: Path, columns: Sequence[str], delimiter: str = ",", renamed: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """The rows of a CSV or TSV file, every field text, none taken for missing. ``renamed`` mends names of columns.

    Raises DamagedFileError when a column is not there, and for a field that never ends.
    """
    csv.field_size_limit(MAX_FIELD * 4)
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        table = csv.DictReader(file, delimiter=delimiter, restval="")
        try:
            names = [(renamed or {}).get(name, name) for name in table.fieldnames or ()]
            check_columns(path, columns, names)
            table.fieldnames = names
            for row in table:
                yield {key: value for key, value in row.items() if key is not None}
        except csv.Error as error:
            raise DamagedFileError(f"{path} is no whole CSV file ({error}); download it again") from error


def parquet_rows(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of parquet files, a few at a time, only these columns. Raises DataError when one is not there."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading parquet", "pyarrow", "data") from error
    for path in paths:
        try:
            with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
                check_columns(path, columns, file.schema_arrow.names)
                for group in range(file.num_row_groups):  # over all of them it would keep what it has read
                    for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group], columns=list(columns)):
                        yield from batch.to_pylist()
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())  # arrow's errors have several lines
            raise DamagedFileError(f"{path} is no whole parquet file ({said}); download it again") from error


def check_columns(path: Path, expected: Sequence[str], found: Sequence[str]) -> None:
    """Raise DataError naming the columns expected and found: the upstream schema has changed."""
    missing = [column for column in expected if column not in found]
    if missing:
        some = [*found[:MAX_NAMED], *["…"] * (len(found) > MAX_NAMED)]
        raise DamagedFileError(
            f"{path} has no column {missing[0]!r}: expected {', '.join(expected)}; found {', '.join(some)}. "
            "The data set has changed upstream; use the pinned revision"
        )


def embedded_image(value: Any, name: str) -> ImageRef:
    """An image of a parquet row: ``{"bytes": …, "path": …}``. Raises DataError when it is empty."""
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, (bytes, bytearray)) or not data:
        raise MissingImageError(f"{name} has no image bytes")
    return ImageRef(data=bytes(data))
