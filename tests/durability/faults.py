"""A command in a forked process that is killed, or whose disk is full, at its k-th change of a file below a folder.

Audit hooks see every file that Python code opens to write, renames or removes; what SQLite and Arrow write by
themselves they do not see.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHANGES = {
    "os.rename": 1,
    "os.remove": 0,
    "os.mkdir": 0,
    "os.rmdir": 0,
    "os.truncate": 0,
}  # the argument that is watched
KILLED, FAILED, DONE = -signal.SIGKILL, 2, 0


def run(command: Callable[[], Any], folder: Path, fault: str = "", at: int = 0) -> tuple[int, int]:
    """The exit code (negative: the signal) and how many changes were made; ``fault`` is "kill" or "full"."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        code = _watched(command, folder, fault, at, write)
        os._exit(code)
    os.close(write)
    with os.fdopen(read) as told:
        count = sum(1 for _ in told.read())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), count


def _watched(command: Callable[[], Any], folder: Path, fault: str, at: int, told: int) -> int:
    count, below = 0, str(folder.resolve())

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        if event == "open":
            changes = isinstance(args[2], int) and bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            path = args[0]
        else:
            changes, path = event in _CHANGES, args[_CHANGES[event]] if event in _CHANGES else None
        if not changes or not isinstance(path, (str, os.PathLike)) or not str(path).startswith(below):
            return
        count += 1
        os.write(told, b".")
        if count == at and fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if at and count >= at and fault == "full" and event not in ("os.remove", "os.rmdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(hook)
    try:
        command()
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException as error:  # noqa: BLE001  its kind is what is asked
        from infimed_plugins.errors import InfimedError

        return FAILED if isinstance(error, (InfimedError, OSError)) else 70
    return DONE
