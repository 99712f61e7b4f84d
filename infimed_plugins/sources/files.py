"""Find the files of a public data set: in a folder a user downloaded, or on the hub at the pinned revision.

Both have the layout of the upstream repository, so ``hf download --repo-type dataset ID --local-dir DIR/NAME`` on one
machine and ``--from DIR`` on another give what a download gives. Archives are never unpacked: members are read where
they lie, so no path can leave a folder, and nothing is written twice.
"""

from __future__ import annotations

import contextlib
import itertools
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from infimed_plugins.errors import (
    DamagedFileError,
    DataError,
    MissingFileError,
    MissingImageError,
    UnreachableFileError,
)
from infimed_plugins.limits import check, limit
from infimed_plugins.paths import below, lies_in
from infimed_plugins.records import ImageRef
from infimed_plugins.sources import SourceEntry, source_entries
from infimed_plugins.sources.download import NotFetchedError, archive_name, cache_folder, fetch_archive, hub_snapshot
from infimed_plugins.storage import sha256_of

CONTAINERS = ("datas", "data", "datasets")  # of MedEvalKit and others, one folder for each data set
MAX_PARTS = 12  # of a member's path that are enough to find it by; the deepest layout has six


@dataclass(frozen=True)
class Files:
    """The files of one data set. ``folder`` holds downloads; what it lacks is fetched when first needed."""

    name: str
    entry: SourceEntry
    folder: Path | None = None
    opened: dict[Path, None] = field(default_factory=dict, repr=False, compare=False)  # files asked for and found

    def one(self, *patterns: str) -> Path:
        """Return one file, the first of ``all``. Raises MissingFileError."""
        return self.all(*patterns)[0]

    def all(self, *patterns: str) -> list[Path]:
        """Return the files of the first pattern that matches any, sorted. Raises MissingFileError when none does."""
        roots = self._roots(patterns)
        for root, pattern in itertools.product(roots, patterns):
            found = sorted(path for path in root.glob(pattern) if path.is_file())
            if found:
                for path in found:
                    self._check(below(root, path.relative_to(root)))
                self.opened.update(dict.fromkeys(found))
                return found
        raise self._missing(patterns, "are not there")

    def archive(self, *patterns: str) -> Archive:
        """Return a zip archive, its members read in place, or the folder that a user has unpacked it into."""
        try:
            return Archive(self.one(*patterns))
        except MissingFileError:
            stems = [Path(pattern).stem for pattern in patterns]
            for root, stem in itertools.product(self._roots(patterns) if self.is_local else (), stems):
                if (root / stem).is_dir():
                    return Unpacked(below(root, stem))
            raise

    def root(self, *patterns: str) -> Path:
        """Return the folder that holds files of these patterns."""
        roots = self._roots(patterns)
        return next((root for root in roots if any(any(root.glob(pattern)) for pattern in patterns)), roots[0])

    @property
    def is_local(self) -> bool:
        """True if files are looked for in the user's folder, not on the network.

        A folder of several data sets says nothing of those that it lacks.
        """
        if self.folder is None:
            return False
        if not self.folder.is_dir():
            raise MissingFileError(f"there is no folder {self.folder}; name the one with your downloads")
        holds_others = any((self.folder / name).is_dir() for name in source_entries())
        return bool(self._own_folders()) or not holds_others

    def _own_folders(self) -> list[Path]:
        """Return the folders of the set's name, of sets in the same repository, and of its other names."""
        same = [
            name
            for name, entry in source_entries().items()
            if name != self.name and self.entry.hub is not None and entry.hub == self.entry.hub
        ]
        names = (self.name, *same, *self._other_names())
        top = Path(str(self.folder))
        return [root for place in (top, *_below(top, CONTAINERS)) for root in _below(place, names)]

    def _other_names(self) -> tuple[str, ...]:
        """Return other names of its folder: its repository's, and those in the registry."""
        return (*([self.entry.hub.rpartition("/")[2]] if self.entry.hub else []), *self.entry.folders)

    def _roots(self, patterns: Sequence[str]) -> list[Path]:
        """Return the folders to search: the set's own in the user's folder and that itself, or what was fetched."""
        if self.is_local:
            tops = (*self._own_folders(), Path(str(self.folder)))
            return list(dict.fromkeys(root for top in tops for root in (top, *_below(top, self._other_names()))))
        return [self._fetched(patterns)]

    def _fetched(self, patterns: Sequence[str]) -> Path:
        try:
            if self.entry.hub is not None:
                return hub_snapshot(self.entry, patterns)
            if self.entry.url is None:
                raise self._missing(patterns, "are not on the hub")
            cache, name = cache_folder(self.name), archive_name(self.entry.url)
            if any(fnmatch(name, pattern) for pattern in patterns):
                fetch_archive(self.entry.url, cache, self.entry.files.get(name, {}).get("sha256"))
            return cache
        except NotFetchedError as error:
            passing = not (error.offline or error.absent)
            raise self._missing(patterns, f"cannot be fetched ({error})", passing=passing) from error

    def _missing(self, patterns: Sequence[str], what: str, *, passing: bool = False) -> MissingFileError:
        where = f"{self.folder / self.name} or {self.folder}" if self.folder else f"DIR/{self.name}"
        fix = f"download {' or '.join(patterns[:2])} from {self.entry.origin}, put it into {where}"
        text = f"{self.name}: its files {what}; {'run again, or ' * passing}{fix}"
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


def _below(top: Path, paths: Sequence[str]) -> list[Path]:
    """Return the folders with these paths, in their order; ``VQA-RAD`` and ``vqa_rad`` are one name."""
    found = []
    for path in paths:
        places = [top]
        for part in path.split("/"):
            children = [child for place in places if place.is_dir() for child in sorted(place.iterdir())]
            places = [child for child in children if _plain(child.name) == _plain(part) and child.is_dir()]
        found += [below(top, place.relative_to(top)) for place in places]
    return found


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


def hub_commit(entry: SourceEntry) -> str | None:
    """Return the commit that the cache holds for the entry's revision, None when there is none."""
    if entry.hub is None or entry.revision is None:
        return None
    from huggingface_hub import constants, file_download

    folder = file_download.repo_folder_name(repo_id=entry.hub, repo_type="dataset")
    ref = Path(constants.HF_HUB_CACHE) / folder / "refs" / entry.revision
    return ref.read_text(encoding="ascii").strip() if ref.is_file() else None


@cache
def _sha256(path: Path, size: int) -> str:
    return sha256_of(path)


@dataclass(frozen=True)
class Archive:
    """A zip archive. Raises DataError, naming it, when it is cut off."""

    path: Path
    _names: dict[str, str] = field(default_factory=dict)
    _open: list[zipfile.ZipFile] = field(default_factory=list)

    def image(self, *names: str) -> ImageRef:
        """Return the first of these members, read when it is needed. Raises MissingImageError when none is there."""
        for name in names:
            found = self._find(name)
            if found is not None:
                return ImageRef(path=f"{self.path.name}/{found}", reader=partial(self._read, found))
        raise MissingImageError(f"{self.path.name} holds no {names[0]}")

    def _find(self, name: str) -> str | None:
        """Return a member by its path or, where archives nest folders differently, by its last parts."""
        if not self._names:
            for member in self.members():
                parts = PurePosixPath(member).parts
                self._names.setdefault(member.strip("/"), member)
                for start in range(1, min(len(parts), MAX_PARTS)):
                    self._names.setdefault("/".join(parts[-start:]), member)
        return self._names.get(name.strip("/"))

    def _read(self, member: str) -> bytes:
        info = self._zip().getinfo(member)
        check("picture", info.file_size, f"{self.path.name}/{member}")
        try:
            return self._zip().read(info)
        except RuntimeError as error:  # encrypted, or compressed by a method that Python does not have
            raise DataError(f"{self.path.name}/{member} cannot be unpacked ({error}); pack it anew") from error
        except Exception as error:  # each method of compression has errors of its own
            raise DataError(f"{self.path.name}/{member} is damaged ({error}); download the archive again") from error

    def members(self) -> list[str]:
        """Return the paths of all members. Raises DamagedFileError, as reading one does."""
        return self._zip().namelist()

    def _zip(self) -> zipfile.ZipFile:
        if not self._open:
            try:
                with self.path.open("rb") as file:
                    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # ZipFile reads the directory whole
                if not end or end[5] <= limit("directory"):
                    self._open.append(zipfile.ZipFile(self.path))
            except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
                raise DamagedFileError(f"{self.path} is no whole zip archive ({error}); download it again") from error
            check("directory", end[5] if end else 0, self.path)
        return self._open[0]


class Unpacked(Archive):
    """The folder that an archive unpacks to, which has the archive's name or is what its paths begin with."""

    def image(self, *names: str) -> ImageRef:
        """Return the first of these files. Raises MissingImageError when none is there."""
        return image_file(self.path.parent, *names, *(f"{self.path.name}/{name}" for name in names))

    def members(self) -> list[str]:
        """Return the paths of all files, as the archive names them."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return [path.relative_to(self.path.parent).as_posix() for path in files]


def image_file(root: Path, *names: str) -> ImageRef:
    """Return the first of these files below a folder. Raises DataError when none is there, or it lies outside."""
    for name in names:
        with contextlib.suppress(OSError):  # a name longer than any file's
            if not lies_in(root, root / name):
                raise MissingImageError(f"{name} lies outside of {root}")
            if (root / name).is_file():
                return ImageRef(path=str(root / name))
    raise MissingImageError(f"there is no {names[0]}")


def embedded_image(value: Any, name: str) -> ImageRef:
    """Return an image of a parquet row: ``{"bytes": …, "path": …}``. Raises DataError when it is empty."""
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, (bytes, bytearray)) or not data:
        raise MissingImageError(f"{name} has no image bytes")
    return ImageRef(data=bytes(data))
