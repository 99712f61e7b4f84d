"""Images written once, under the hash of their bytes: ``images/ab/ab3f….png`` below a root folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from infimed_plugins.errors import InfimedError
from infimed_plugins.export import whole_file
from infimed_plugins.images import prepare_image
from infimed_plugins.records import ImageRef

_Key = tuple[bytes, bool]  # the hash of the bytes handed in, and whether it was resized by the model's own rule


@dataclass(frozen=True)
class StoredImage:
    """Where an image lies relative to the root, its size before and after, and what was done to it."""

    path: str
    original: tuple[int, int]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


class ImageStore:
    """A content-addressed folder of images below ``root``, each within ``max_pixels`` where that is given.

    With an ``executor`` images are prepared in its processes; ``submit`` then returns before they are. A ``log`` keeps
    what was stored under which name, so that a store made anew after a kill prepares none of it again.
    """

    def __init__(
        self, root: Path, max_pixels: int | None = None, executor: Executor | None = None, log: Path | None = None
    ) -> None:
        self.root, self.max_pixels, self._executor = root, max_pixels, executor
        self._known: dict[_Key, StoredImage] = {}
        self._pending: dict[_Key, Future[StoredImage]] = {}
        self._log: TextIO | None = None
        if log is not None:
            self._known.update(_logged(log, root))
            log.parent.mkdir(parents=True, exist_ok=True)
            self._log = log.open("a", encoding="utf-8", buffering=1)

    def add(self, image: ImageRef) -> str:
        """Store an image and give its path relative to the root. Raises DataError when it cannot be used."""
        return self.submit(image)().path

    def submit(self, image: ImageRef, exact: bool = False) -> Callable[[], StoredImage]:
        """Begin to store an image; the result waits for it, and raises DataError when it cannot be used.

        With ``exact`` it is resized by the model's own rule (images.py), for boxes in pixels.
        """
        data = image.read()
        key = (hashlib.sha256(data).digest(), exact)
        if key not in self._known and key not in self._pending:
            work = (self.root, data, image.path or "in memory", self.max_pixels, exact)
            if self._executor is None:
                self._keep(key, write_image(*work))
            else:
                self._pending[key] = self._executor.submit(write_image, *work)
        return partial(self._result, key)

    def _keep(self, key: _Key, stored: StoredImage) -> None:
        self._known[key] = stored
        if self._log is not None:
            self._log.write(json.dumps([key[0].hex(), key[1], *astuple(stored)]) + "\n")

    def close(self) -> None:
        """Let the log go."""
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


def _logged(log: Path, root: Path) -> Iterator[tuple[_Key, StoredImage]]:
    """What an earlier store wrote down, but for a torn line and images that are not there."""
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        try:
            digest, exact, path, original, size, notes = json.loads(line)
        except ValueError:
            continue
        if (root / path).exists():
            yield (bytes.fromhex(digest), exact), StoredImage(path, tuple(original), tuple(size), tuple(notes))


def write_image(root: Path, data: bytes, name: str, max_pixels: int | None, exact: bool) -> StoredImage:
    """Prepare an image and write it below ``root``, unless it is there. Raises DataError when it cannot be used."""
    made = prepare_image(data, name, max_pixels, exact)
    digest = hashlib.sha256(made.data).hexdigest()
    relative = f"images/{digest[:2]}/{digest}{made.suffix}"
    if not (root / relative).exists():
        with whole_file(root / relative) as unfinished:
            unfinished.write_bytes(made.data)
    return StoredImage(relative, made.original, made.size, made.notes)
