"""Images where a row says they are: members of an archive, files of a folder, bytes of a parquet row.

Archives are never unpacked: members are read where they lie, so no path can leave a folder, and nothing is written
twice.
"""

from __future__ import annotations

import contextlib
import zipfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from infimed_plugins.errors import DamagedFileError, DataError, MissingImageError
from infimed_plugins.limits import check, limit
from infimed_plugins.paths import lies_in
from infimed_plugins.records import ImageRef

MAX_PARTS = 12  # of a member's path that are enough to find it by; the deepest layout has six


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
        """The paths of all members. Raises DamagedFileError, as reading one does."""
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
        """The first of these files. Raises MissingImageError when none is there."""
        return image_file(self.path.parent, *names, *(f"{self.path.name}/{name}" for name in names))

    def members(self) -> list[str]:
        """The paths of all files, as the archive names them."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return [path.relative_to(self.path.parent).as_posix() for path in files]


def image_file(root: Path, *names: str) -> ImageRef:
    """The first of these files below a folder. Raises DataError when none is there, or it would lie outside."""
    for name in names:
        with contextlib.suppress(OSError):  # a name longer than any file's
            if not lies_in(root, root / name):
                raise MissingImageError(f"{name} lies outside of {root}")
            if (root / name).is_file():
                return ImageRef(path=str(root / name))
    raise MissingImageError(f"there is no {names[0]}")


def embedded_image(value: Any, name: str) -> ImageRef:
    """An image of a parquet row: ``{"bytes": …, "path": …}``. Raises DataError when it is empty."""
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, (bytes, bytearray)) or not data:
        raise MissingImageError(f"{name} has no image bytes")
    return ImageRef(data=bytes(data))
