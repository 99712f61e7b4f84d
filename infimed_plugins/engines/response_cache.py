"""Cache replies in one SQLite file, so that a rerun asks only for what is missing.

Example::

    with ResponseCache("runs/cot/replies.sqlite") as cache:
        cache.put(key, {"texts": ["B"]})  # key: the hash of everything that shapes the reply (cached_engine.py)
        cache.get(key)

Every put is committed: a kill loses none, a power cut the last ones. SQLite drops the torn end of its write-ahead log;
a file it cannot read (cut or overwritten) is put aside as ``<name>.damaged-<time>`` and its readable rows are copied
into a new file.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.records import Json

VERSION = 1  # of the table below; ``ok`` is how many samples a value holds, 0 for an error
ALWAYS_CHECKED_BYTES = 64 * 2**20  # larger ones only after a kill: the check reads the whole file
_TABLE = """
CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, ok INTEGER NOT NULL, at REAL NOT NULL, value BLOB NOT NULL)
"""
_INSERT = "INTO replies (key, ok, at, value) VALUES (?, ?, ?, ?)"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_T = TypeVar("_T")
_log = logging.getLogger(__name__)
Row = tuple[bytes, int, float, bytes]


class ResponseCache:
    """Replies by key, in a file that one process holds. Thread-safe; a context manager.

    Errors are kept for the record, and never returned: the next run asks again.

    Raises:
        ConfigError: another run has the file open.
        DataError: the file is no response cache, or cannot be read or written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._database = _open(self.path)
        self._using = threading.Lock()  # the connection
        self._closed = False

    def get(self, key: str) -> Json | None:
        """Return the value stored under a key; None when there is none, or only an error."""
        rows = self._rows("SELECT value FROM replies WHERE key = ? AND ok", bytes.fromhex(key))
        try:
            return json.loads(zlib.decompress(rows[0][0])) if rows else None
        except (zlib.error, ValueError):  # a damaged row is one that is missing, from now on
            self._rows("DELETE FROM replies WHERE key = ?", bytes.fromhex(key))
            return None

    def samples(self, key: str) -> int:
        """Return how many samples the value under a key holds, as ``put`` was told; 0 for none or an error."""
        rows = self._rows("SELECT ok FROM replies WHERE key = ?", bytes.fromhex(key))
        return int(rows[0][0]) if rows else 0

    def put(self, key: str, value: Json, *, samples: int = 1) -> None:
        """Store a JSON value of so many samples; 0: it records an error. Raises DataError where it cannot be written.

        It takes some 60 µs; the log is synced every thousand pages, which may take a disk's tenth of a second.
        """
        row = (bytes.fromhex(key), samples, time.time(), zlib.compress(json.dumps(value).encode(), 1))
        try:
            self._use(lambda database: database.execute(f"INSERT OR REPLACE {_INSERT}", row))
        except (sqlite3.Error, OSError) as error:
            said = f"the response cache {self.path} cannot be written: {error}; make room and run again"
            raise DataError(said) from error

    def count(self) -> int:
        """Return how many replies the file holds, errors apart."""
        return int(self._rows("SELECT count(*) FROM replies WHERE ok")[0][0])

    def close(self) -> None:
        """Let the file go. A second call does nothing."""
        with self._using:
            self._closed = True
            self._database.close()

    def __enter__(self) -> ResponseCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._use(lambda database: database.execute(query, values).fetchall())
        except sqlite3.Error as error:
            raise DataError(
                f"the response cache {self.path} cannot be read: {error}; rename it and run again"
            ) from error

    def _use(self, use: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return what a use of the connection gives; the file is rebuilt where a page of it cannot be read."""
        with self._using:
            if self._closed:
                raise DataError(f"the response cache {self.path} is closed")
            try:
                return use(self._database)
            except sqlite3.DatabaseError as error:
                if _code(error) not in _DAMAGE:
                    raise
            self._database.close()
            _rebuild(self.path)
            self._database = _connect(self.path)
            return use(self._database)


def _open(path: Path) -> sqlite3.Connection:
    """Open the file for this process alone, looked over after a kill and rebuilt where it is damaged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() and _beside(path, ".rebuilt").exists():  # killed between the two renames of a rebuild
        _beside(path, ".rebuilt").replace(path)
    log = _beside(path, "-wal")
    killed = log.exists() and log.stat().st_size > 0
    try:
        return _connect(path, check=killed or not path.exists() or path.stat().st_size <= ALWAYS_CHECKED_BYTES)
    except sqlite3.DatabaseError as error:
        code = _code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise ConfigError(
                f"another run is using the response cache {path}; wait for its end, or give this run a cache of its own"
            ) from error
        if code not in _DAMAGE:
            raise DataError(
                f"the response cache {path} cannot be opened: {error}; check the folder and its space"
            ) from error
    _rebuild(path)
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        raise DataError(f"the response cache {path} cannot be mended: {error}; rename it and run again") from error


def _connect(path: Path, *, check: bool = False) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # the kernel lets go of the lock when a process is killed
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("BEGIN IMMEDIATE")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise DataError(f"the response cache {path} is of version {version}, this package reads {VERSION}")
        if check and (found := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        database.execute(_TABLE)
        database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def _code(error: sqlite3.DatabaseError) -> int:
    """Return SQLite's primary result code; an error without one comes from the check in ``_connect``."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _rebuild(path: Path) -> None:
    """Copy what can be read into a new file, and put the damaged one aside."""
    new = _beside(path, ".rebuilt")
    new.unlink(missing_ok=True)
    _pad(path)
    with closing(_connect(new)) as target:
        target.execute("BEGIN")
        saved = sum(target.execute(f"INSERT OR IGNORE {_INSERT}", row).rowcount for row in _readable(path))
        target.execute("COMMIT")
    damaged = _beside(path, f".damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in ("-wal", "-shm"):  # before the file itself: the old log must not be applied to the new file
        if _beside(path, suffix).exists():
            _beside(path, suffix).replace(_beside(damaged, suffix))
    path.replace(damaged)
    new.replace(path)
    _log.warning("the response cache %s was damaged: %d replies saved, the old file is now %s", path, saved, damaged)


def _pad(path: Path) -> None:
    """Give a cut file the size that its header tells, or SQLite reads none of it."""
    with path.open("r+b") as file:
        header = file.read(100)
        if header.startswith(b"SQLite format 3"):
            page = int.from_bytes(header[16:18], "big")
            size = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
            if path.stat().st_size < size <= path.stat().st_size * 1000:
                file.truncate(size)


def _readable(path: Path) -> Iterator[Row]:
    """Yield the rows before the damage, and those after it, read from the end."""
    for order in ("ASC", "DESC"):
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            try:
                rows = database.execute(f"SELECT key, ok, at, value FROM replies ORDER BY rowid {order}")
                yield from filter(_is_whole, rows)
            except (sqlite3.DatabaseError, OverflowError) as error:
                _log.debug("%s, read %s: %s", path, order, error)


def _is_whole(row: Row) -> bool:
    try:
        zlib.decompress(row[3])
    except (zlib.error, TypeError):
        return False
    return isinstance(row[0], bytes) and len(row[0]) == 32
