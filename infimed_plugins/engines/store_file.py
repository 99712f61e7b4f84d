"""The file behind a RequestStore: opened for one writer, looked over after a kill, rebuilt when it is damaged.

Example::

    database = open_database(Path("replies.sqlite"))
    database.execute("SELECT count(*) FROM replies WHERE ok")

A kill leaves a half-written write-ahead log: SQLite itself drops the torn end. What SQLite cannot read (a cut or
overwritten file) is put aside as ``<name>.damaged-<time>`` and its readable rows are copied into a new file.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from infimed_plugins.errors import ConfigError, DataError

VERSION = 1  # of the table below; ``ok`` is how many samples a value holds, 0 for an error
ALWAYS_CHECKED_BYTES = 64 * 2**20  # larger ones only after a kill: the check reads the whole file
_TABLE = """
CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, ok INTEGER NOT NULL, at REAL NOT NULL, value BLOB NOT NULL)
"""
_log = logging.getLogger(__name__)
Row = tuple[bytes, int, float, bytes]


def open_database(path: Path) -> sqlite3.Connection:
    """The connection, held by this process alone. Raises ConfigError when another has it, DataError as said above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() and _rebuilt(path).exists():  # killed between the two renames of a rebuild
        _rebuilt(path).replace(path)
    log = path.with_name(path.name + "-wal")
    killed = log.exists() and log.stat().st_size > 0
    small = not path.exists() or path.stat().st_size <= ALWAYS_CHECKED_BYTES
    try:
        return _opened(path, check=killed or small)
    except sqlite3.DatabaseError as error:
        _explain(path, error)
        _rebuild(path)
    try:
        return _opened(path, check=False)
    except sqlite3.DatabaseError as error:
        raise DataError(f"the request store {path} cannot be mended: {error}; rename it and run again") from error


def mended(path: Path, database: sqlite3.Connection, error: sqlite3.DatabaseError) -> sqlite3.Connection:
    """The file rebuilt, after a page that cannot be read was met in use. Raises DataError where that does not help."""
    if (getattr(error, "sqlite_errorcode", 0) & 0xFF) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        raise error
    database.close()
    _rebuild(path)
    return _opened(path, check=False)


def _opened(path: Path, *, check: bool) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # the kernel lets go of the lock when a process is killed
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("BEGIN IMMEDIATE")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise DataError(f"the request store {path} is of version {version}, this package reads {VERSION}")
        if check and (found := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        database.execute(_TABLE)
        database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def _explain(path: Path, error: sqlite3.DatabaseError) -> None:
    """Return for a damaged file; raise what the user should read for anything else."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise ConfigError(
            f"another run is using the request store {path}; wait for its end, or give this run a store of its own"
        ) from error
    if code not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        raise DataError(
            f"the request store {path} cannot be opened: {error}; check the folder and its space"
        ) from error


def _rebuild(path: Path) -> None:
    new = _rebuilt(path)
    new.unlink(missing_ok=True)
    _pad(path)
    saved = 0
    target = _opened(new, check=False)
    target.execute("BEGIN")
    for row in _readable(path):
        target.execute("INSERT OR IGNORE INTO replies (key, ok, at, value) VALUES (?, ?, ?, ?)", row)
        saved += 1
    target.execute("COMMIT")
    target.close()
    damaged = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in ("-wal", "-shm"):  # before the file itself: the old log must not be applied to the new file
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.replace(damaged.with_name(damaged.name + suffix))
    path.replace(damaged)
    new.replace(path)
    _log.warning("the request store %s was damaged: %d replies saved, the old file is now %s", path, saved, damaged)


def _rebuilt(path: Path) -> Path:
    return path.with_name(path.name + ".rebuilt")


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
    """The rows before the damage, and those after it, read from the end."""
    for order in ("ASC", "DESC"):
        database = sqlite3.connect(path, isolation_level=None)
        try:
            for row in database.execute(f"SELECT key, ok, at, value FROM replies ORDER BY rowid {order}"):
                if _is_whole(row):
                    yield row
        except (sqlite3.DatabaseError, OverflowError) as error:
            _log.debug("%s, read %s: %s", path, order, error)
        finally:
            database.close()


def _is_whole(row: Row) -> bool:
    try:
        zlib.decompress(row[3])
    except (zlib.error, TypeError):
        return False
    return isinstance(row[0], bytes) and len(row[0]) == 32
