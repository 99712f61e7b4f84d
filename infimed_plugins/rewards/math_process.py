"""math_verify in a process of its own, so that time and memory are really bounded.

math_verify's own limit is ``signal.alarm``: it works in the main thread only, cancels the caller's timers, and does
not stop C code. Here the caller only waits on a pipe, so any thread, event loop, daemonic process or Ray actor may
call. A process that does not answer in time is killed and replaced at the next call.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path

from infimed_plugins.errors import InfimedError, MissingExtraError

MEMORY_MB = 2048  # address space of the process
START_SECONDS = 180.0  # importing sympy on a busy machine

RIGHT, WRONG = "right", "wrong"
OUT_OF_TIME = "out of time"
OUT_OF_MEMORY = "out of memory"
_REPLIES = {"right": RIGHT, "wrong": WRONG, "time": OUT_OF_TIME, "memory": OUT_OF_MEMORY}


class MathProcessError(InfimedError, RuntimeError):
    """The process does not start: a broken installation, not a wrong answer."""


class MathProcess:
    """One process, started when first needed. One thread at a time may ask it."""

    def __init__(self, memory_mb: int = MEMORY_MB) -> None:
        self._memory_mb = memory_mb
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process, if one was started."""
        return self._process.pid if self._process else None

    def ask(self, gold: str, answer: str, seconds: float) -> str:
        """RIGHT, WRONG, or which limit was hit; ``seconds`` of CPU time, after about three times that the kill.

        Raises MissingExtraError without math_verify, MathProcessError when no process can be started.
        """
        for _ in range(2):  # a process that died early may have been killed by others before it was asked
            process = self._process
            if process is None or process.poll() is not None:
                self.close()
                process = self._process = self._start()
            asked = time.monotonic()
            said = _exchange(process, json.dumps([gold, answer, seconds]), 3 * seconds + 2)
            if said in _REPLIES:
                return _REPLIES[said]
            self.close()
            if time.monotonic() - asked > seconds:  # silent, or ended by its own watchdog
                return OUT_OF_TIME
        return OUT_OF_MEMORY  # twice at once: the system, or C code that aborts

    def close(self) -> None:
        """Kill the process, if there is one; the next call starts another."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def leave_to_parent(self) -> None:
        """In a forked child: let go of the parent's process."""
        process, self._process = self._process, None
        if process is not None:
            _close_pipes(process)
            process.returncode = 0  # not ours to wait for

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("math_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the caller, who then closes it
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        settings = {"path": [str(entry) for entry in sys.path], "memory": self._memory_mb}
        said = _exchange(process, json.dumps(settings), START_SECONDS)
        if said == "ready":
            return process
        _end(process)
        if said.startswith("cannot import"):
            raise MissingExtraError("the math reward", "math_verify", "rewards")
        raise MathProcessError(f"the process of math_verify does not start: {said or 'no answer'}; {sys.executable}")


def _exchange(process: subprocess.Popen[bytes], line: str, seconds: float) -> str:
    """Write one line and read one, or "" when none comes within ``seconds``."""
    assert process.stdin is not None
    assert process.stdout is not None
    reply, end = b"", time.monotonic() + seconds
    try:
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not reply.endswith(b"\n"):
                if not selector.select(max(0.0, end - time.monotonic())):
                    return ""
                part = os.read(process.stdout.fileno(), 4096)
                if not part:
                    return ""
                reply += part
    except (OSError, ValueError):  # it ended, or was closed by another thread
        return ""
    return reply.decode(errors="replace").strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    _close_pipes(process)
    process.wait()


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
