"""Where the files of a public data set lie: in a folder a user downloaded, or on the hub at the pinned revision.

Both have the layout of the upstream repository, so ``hf download --repo-type dataset ID --local-dir DIR/NAME`` on one
machine and ``--from DIR`` on another give what a download gives.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from infimed_plugins.errors import DamagedFileError, MissingFileError, UnreachableFileError
from infimed_plugins.paths import below
from infimed_plugins.sources.archives import Archive, Unpacked
from infimed_plugins.sources.download import NotFetchedError, archive_name, cache_folder, fetch_archive, hub_snapshot
from infimed_plugins.sources.entry import SourceEntry, source_entries
from infimed_plugins.storage import sha256_of

CONTAINERS = ("datas", "data", "datasets")  # of MedEvalKit and others, one folder for each data set


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
                    self._check(below(root, path.relative_to(root)))
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
                    return Unpacked(below(root, stem))
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
        return bool(self._own_folders()) or not holds_others

    def _own_folders(self) -> list[Path]:
        """The folders of the set's name, of the sets that the same repository holds, and of its other names."""
        same = [
            name
            for name, entry in source_entries().items()
            if name != self.name and self.entry.hub is not None and entry.hub == self.entry.hub
        ]
        names = (self.name, *same, *self._other_names())
        top = Path(str(self.folder))
        return [root for place in (top, *_below(top, CONTAINERS)) for root in _below(place, names)]

    def _other_names(self) -> tuple[str, ...]:
        """What its folder is called elsewhere: as its repository, or as the registry says."""
        return (*([self.entry.hub.rpartition("/")[2]] if self.entry.hub else []), *self.entry.folders)

    def _roots(self, patterns: Sequence[str]) -> list[Path]:
        """Where to look: the folders of the set in the user's folder and that itself, or what was fetched."""
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


def _below(top: Path, paths: Sequence[str]) -> list[Path]:
    """The folders with these paths, in their order; ``VQA-RAD`` and ``vqa_rad`` are one name."""
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
    """The commit that the cache holds for the entry's revision, None when there is none."""
    if entry.hub is None or entry.revision is None:
        return None
    from huggingface_hub import constants, file_download

    folder = file_download.repo_folder_name(repo_id=entry.hub, repo_type="dataset")
    ref = Path(constants.HF_HUB_CACHE) / folder / "refs" / entry.revision
    return ref.read_text(encoding="ascii").strip() if ref.is_file() else None


@cache
def _sha256(path: Path, size: int) -> str:
    return sha256_of(path)
