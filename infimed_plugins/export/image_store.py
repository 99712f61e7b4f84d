"""Write each image once, under the hash of its bytes: ``images/ab/ab3f….png`` below a root folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from infimed_plugins.errors import InfimedError
from infimed_plugins.families import DEFAULT, Family
from infimed_plugins.images import prepare_image
from infimed_plugins.records import ImageRef
from infimed_plugins.storage import sha256_of, whole_file

_NAME = re.compile(r"images/([0-9a-f]{2})/\1[0-9a-f]{62}\.[a-z]+")
_Key = tuple[bytes, bool]  # the hash of the bytes handed in, and whether it was resized by the model's own rule


@dataclass(frozen=True)
class StoredImage:
    """A stored image: its path relative to the root, its size before and after, and what was done to it."""

    path: str
    original: tuple[int, int]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


class ImageStore:
    """A content-addressed folder of images below ``root``, each within ``max_pixels`` where that is given, resized as
    models of the ``family`` resize.

    With an ``executor`` images are prepared in its processes; ``submit`` then returns before they are. A ``log`` keeps
    what was stored under which name, so that a store made anew after a kill prepares none of it again.
    """

    def __init__(
        self,
        root: Path,
        max_pixels: int | None = None,
        executor: Executor | None = None,
        log: Path | None = None,
        family: Family = DEFAULT,
    ) -> None:
        self.root, self.max_pixels, self.family, self._executor = root, max_pixels, family, executor
        self._known: dict[_Key, StoredImage] = {}
        self._pending: dict[_Key, Future[StoredImage]] = {}
        self.opened: dict[str, str] = {}  # files that images were read from, with their sha256
        self._log: TextIO | None = None
        if log is not None:
            self._known.update(logged_images(log, root))
            log.parent.mkdir(parents=True, exist_ok=True)
            self._log = log.open("a", encoding="utf-8", buffering=1)

    def add(self, image: ImageRef) -> str:
        """Store an image and return its path relative to the root. Raises DataError when it cannot be used."""
        return self.submit(image)().path

    def submit(self, image: ImageRef, exact: bool = False) -> Callable[[], StoredImage]:
        """Begin to store an image; the returned call waits for it, and raises DataError when it cannot be used.

        With ``exact`` it is resized by the model's own rule (images.py), for boxes in pixels.
        """
        data = image.read()
        key = (hashlib.sha256(data).digest(), exact)
        if image.is_file:
            self.opened[str(image.path)] = key[0].hex()
        if key not in self._known and key not in self._pending:
            work = (self.root, data, image.path or "in memory", self.max_pixels, exact, self.family)
            if self._executor is None:
                self._keep(key, write_image(*work))
            else:
                self._pending[key] = self._executor.submit(write_image, *work)
        return partial(self._result, key)

    def _keep(self, key: _Key, stored: StoredImage) -> None:
        self._known[key] = stored
        if self._log is not None:
            self._log.write(json.dumps([key[0].hex(), key[1], *astuple(stored)]) + "\n")

    def paths(self) -> list[str]:
        """Return the paths of the stored images, relative to the root."""
        return sorted({stored.path for stored in self._known.values()})

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def _result(self, key: _Key) -> StoredImage:
        if key not in self._known:
            try:
                self._keep(key, self._pending[key].result())
            except BrokenExecutor as error:
                what = "a worker process was killed, perhaps for its memory"
                raise InfimedError(f"{what}; run again with fewer --workers, finished parts are kept") from error
            self._pending.pop(key)
        return self._known[key]


def logged_images(log: Path, root: Path | None = None) -> Iterator[tuple[_Key, StoredImage]]:
    """Yield the images that an earlier store logged, torn lines and (with a root) damaged images left out."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else ():
        try:
            digest, exact, path, original, size, notes = json.loads(line)
            key = (bytes.fromhex(digest), bool(exact))
            stored = StoredImage(str(path), tuple(original), tuple(size), tuple(notes))
        except (ValueError, TypeError):
            continue
        if _NAME.fullmatch(stored.path) and (root is None or is_stored(root, stored.path)):
            yield key, stored


def is_stored(root: Path, path: str) -> bool:
    """True if an image lies below the root with the bytes that its name tells."""
    file = root / path
    return file.is_file() and sha256_of(file) == file.stem


def write_image(root: Path, data: bytes, name: str, max_pixels: int | None, exact: bool, family: Family) -> StoredImage:
    """Prepare an image and write it below ``root``, unless it is there. Raises DataError when it cannot be used."""
    made = prepare_image(data, name, max_pixels, exact, family)
    digest = hashlib.sha256(made.data).hexdigest()
    relative = f"images/{digest[:2]}/{digest}{made.suffix}"
    if not is_stored(root, relative):
        with whole_file(root / relative, sync=False) as unfinished:
            unfinished.write_bytes(made.data)
    return StoredImage(relative, made.original, made.size, made.notes)
