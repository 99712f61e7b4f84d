"""Write files that are whole or absent, synced to disk before they get their name; and lock folders.

A file is written beside its place under a name of this process's own, brought to the disk (fsync), renamed, and the
folder's entry brought to the disk: after a kill, a full disk or a power cut the earlier file stands, or the new one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from secrets import token_hex

from infimed_plugins.errors import ConfigError

PARTIAL = ".partial"  # the end of an unfinished file's or folder's name
LOCK = ".lock"
_END = 1 << 20
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_locked: set[Path] = set()
without_locks = False  # set by --no-lock: the user says that nobody else writes there


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in an OSError of the block that names none, as a failed write does."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def whole_file(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` when the block ends well, and is removed otherwise.

    Without ``sync`` it may be lost by a power cut until ``sync_all`` is called.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _beside(path)
        try:
            yield partial
            if sync:
                settle(partial, path)
            else:
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def settle(partial: Path, path: Path) -> None:
    """Give a finished file or folder its name, when it is on the disk."""
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of ``path`` when the block ends well."""
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{escape(path.name[:200])}.*{PARTIAL}"):  # by a kill: whoever writes has a lock
            shutil.rmtree(left, ignore_errors=True)
        partial = _beside(path)
        partial.mkdir()
        try:
            yield partial
            for below in partial.rglob("*"):
                _sync(below)
            remove_folder(path)
            settle(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, whole or not at all; a lone surrogate, which no file can hold, becomes its escape."""
    with whole_file(path) as partial:
        partial.write_bytes(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


def remove_folder(path: Path) -> None:
    """Remove a folder so that a kill leaves all of it under its name, or none."""
    if path.is_dir():
        gone = _beside(path)
        path.replace(gone)
        shutil.rmtree(gone)


def remove_partial(folder: Path) -> None:
    """Remove the unfinished files and folders that a kill left below a folder that this process has locked."""
    for path in sorted(folder.rglob(f".*{PARTIAL}")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sync_all(folder: Path) -> None:
    """Sync everything written to the disk of a folder; for many files far quicker than one by one."""
    if sys.platform == "linux":
        place = os.open(folder, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(place) == 0:
                return
        finally:
            os.close(place)
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def sha256_of(path: Path) -> str:
    """Return the hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ends_of(path: Path) -> tuple[int, bytes]:
    """Return a file's size and its first and last MiB, enough to tell large files apart quickly."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_END)
        file.seek(max(0, size - _END))
        return size, start + file.read(_END)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:200]}.{os.getpid()}-{token_hex(4)}{PARTIAL}")


def _sync(path: Path) -> None:
    place = os.open(path, os.O_RDONLY)
    try:
        os.fsync(place)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):  # a file system that syncs no folders
            raise
    finally:
        os.close(place)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, there or not yet, for this process alone; the system lets go of it however the process ends.

    Raises ConfigError, naming who holds it, for a folder that another has, and where the file system has no locks.
    """
    folder = folder.resolve()
    if without_locks:
        yield
        return
    if folder in _locked:
        raise ConfigError(f"{folder} is being written by this very process; choose another folder")
    with naming(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = os.access(folder.parent, os.W_OK)
        path = folder.parent / f".{folder.name[:200]}{LOCK}" if beside else folder / LOCK
        place = _lock_file(path, folder)
    _locked.add(folder)
    try:
        yield
    finally:
        _locked.discard(folder)
        path.unlink(missing_ok=True)
        os.close(place)


def _lock_file(path: Path, folder: Path) -> int:
    """Return the descriptor of the locked file; made anew if a finishing process removed it meanwhile."""
    while True:
        place = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(place, folder)
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(place).st_ino:
                    os.ftruncate(place, 0)
                    os.pwrite(place, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
                    return place
        except BaseException:
            os.close(place)
            raise
        os.close(place)


def _lock(place: int, folder: Path) -> None:
    """Take a POSIX lock, which a forked child does not share. Raises ConfigError naming who holds it."""
    try:
        import fcntl

        fcntl.lockf(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError as error:
        raise ConfigError(_no_locks(folder)) from error
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise ConfigError(_no_locks(folder)) from error
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        try:
            holder = json.loads(os.pread(place, 1000, 0))
            who = f"process {int(holder['pid'])} on {str(holder['host'])[:100]}"
        except (ValueError, KeyError, TypeError):
            who = "another process"
        raise ConfigError(f"{folder} is in use by {who}; wait for it, or choose another folder") from error


def _no_locks(folder: Path) -> str:
    return f"the file system of {folder} has no locks; if no other process writes there: infimed --no-lock …"
