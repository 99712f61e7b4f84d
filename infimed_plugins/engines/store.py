"""A durable store of replies, so that a rerun asks only for what is missing: one SQLite file, one writer.

Example::

    with RequestStore("runs/cot/replies.sqlite") as store:
        store.put(key, {"texts": ["B"]})  # key: the hash of everything that shapes the reply (stored.py)
        store.get(key)

Puts are committed in groups, a fiftieth of a second after the first at the latest. A kill loses no more than that; what
it tore is mended when the file is opened next.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from infimed_plugins.engines.store_file import mended, open_database
from infimed_plugins.errors import DataError
from infimed_plugins.records import Json

_T = TypeVar("_T")

GROUP_ROWS = 200
GROUP_SECONDS = 0.02
MOST_WAITING = 4 * GROUP_ROWS  # put waits when the disk falls so far behind: memory stays flat


class RequestStore:
    """Replies by key. Thread-safe; a context manager.

    Errors are kept for the record, and never returned: the next run asks again.

    Raises:
        ConfigError: another run has the file open.
        DataError: the file is no request store, or cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._database = open_database(self.path)
        self._using = threading.Lock()  # the connection
        self._changed = threading.Condition()  # all below
        self._waiting: dict[str, tuple[Json, int]] = {}
        self._writing: dict[str, tuple[Json, int]] = {}
        self._hurry = self._closed = self._told = False
        self._failure = ""
        self._writer = threading.Thread(target=self._write, name=f"writer of {self.path.name}", daemon=True)
        self._writer.start()
        atexit.register(self._close_at_exit)

    def get(self, key: str) -> Json | None:
        """The value stored under a key; None when there is none, or only an error."""
        value, samples = self._in_memory(key)
        if value is not None:
            return value if samples else None
        rows = self._rows("SELECT value FROM replies WHERE key = ? AND ok", bytes.fromhex(key))
        try:
            return json.loads(zlib.decompress(rows[0][0])) if rows else None
        except (zlib.error, ValueError):  # a damaged row is one that is missing, from now on
            self._rows("DELETE FROM replies WHERE key = ?", bytes.fromhex(key))
            return None

    def __contains__(self, key: str) -> bool:
        """Whether ``get`` has something to return."""
        return self.samples(key) > 0

    def samples(self, key: str) -> int:
        """How many samples the value under a key holds, as ``put`` was told; 0 for none or an error."""
        value, samples = self._in_memory(key)
        if value is not None:
            return samples
        rows = self._rows("SELECT ok FROM replies WHERE key = ?", bytes.fromhex(key))
        return int(rows[0][0]) if rows else 0

    def put(self, key: str, value: Json, *, samples: int = 1) -> None:
        """Store a JSON value of so many samples; 0: it records an error. Raises DataError if an earlier put failed."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < MOST_WAITING or self._failure)
            self._refuse()
            self._waiting[key] = (value, samples)
            if len(self._waiting) in (1, GROUP_ROWS):
                self._changed.notify_all()

    def flush(self) -> None:
        """Return when every put is in the file. Raises DataError when one failed."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not (self._waiting or self._writing) or self._failure)
            self._hurry = False
            self._refuse()

    def count(self, *, ok: bool = True) -> int:
        """How many replies the file holds, or with ``ok=False`` how many errors that no later run mended."""
        self.flush()
        return int(self._rows("SELECT count(*) FROM replies WHERE (ok > 0) = ?", ok)[0][0])

    def errors(self) -> Iterator[Json]:
        """The errors on record, oldest first."""
        self.flush()
        rows = self._rows("SELECT value FROM replies WHERE NOT ok ORDER BY rowid")
        return (json.loads(zlib.decompress(value)) for (value,) in rows)

    def close(self) -> None:
        """Flush and let the file go. A second call does nothing. Raises DataError when a put failed, once."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._writer.join()
        self._database.close()
        atexit.unregister(self._close_at_exit)
        if self._failure and not self._told:
            raise DataError(self._failure)

    def _close_at_exit(self) -> None:
        with contextlib.suppress(DataError):
            self.close()

    def __enter__(self) -> RequestStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _in_memory(self, key: str) -> tuple[Json | None, int]:
        with self._changed:
            return self._waiting.get(key) or self._writing.get(key) or (None, 0)

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._mending(lambda database: database.execute(query, values).fetchall())
        except sqlite3.Error as error:
            raise DataError(
                f"the request store {self.path} cannot be read: {error}; rename it and run again"
            ) from error

    def _mending(self, use: Callable[[sqlite3.Connection], _T]) -> _T:
        """What a use of the connection gives; the file is rebuilt where a page of it cannot be read."""
        with self._using:
            try:
                return use(self._database)
            except sqlite3.DatabaseError as error:
                self._database = mended(self.path, self._database, error)
                return use(self._database)

    def _refuse(self) -> None:
        if self._failure:
            self._told = True
            raise DataError(self._failure)
        if self._closed:
            raise DataError(f"the request store {self.path} is closed")

    def _write(self) -> None:
        """The writer's thread: take what waits, commit it, until closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._changed.wait_for(self._is_due, timeout=GROUP_SECONDS)
                if not self._waiting:
                    return
                self._writing, self._waiting = self._waiting, {}
            try:
                self._commit(self._writing)
            except (sqlite3.Error, OSError) as error:
                with self._changed:
                    self._failure = f"the request store {self.path} cannot be written: {error}; make room and run again"
                    self._changed.notify_all()
                return
            with self._changed:
                self._writing = {}
                self._changed.notify_all()

    def _is_due(self) -> bool:
        return len(self._waiting) >= GROUP_ROWS or self._hurry or self._closed

    def _commit(self, group: dict[str, tuple[Json, int]]) -> None:
        rows = [
            (bytes.fromhex(key), samples, time.time(), zlib.compress(json.dumps(value).encode(), 1))
            for key, (value, samples) in group.items()
        ]

        def insert(database: sqlite3.Connection) -> None:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR REPLACE INTO replies (key, ok, at, value) VALUES (?, ?, ?, ?)", rows)
            database.execute("COMMIT")

        self._mending(insert)
