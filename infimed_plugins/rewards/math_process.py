"""math_verify in a process of its own, so that time and memory are really bounded.

math_verify's own limit is ``signal.alarm``: it works in the main thread only, cancels the caller's timers, and does
not stop C code. Here the caller only waits on a pipe, so any thread, event loop, daemonic process or Ray actor may
call. Pipes are unbuffered: a process that is forked while another thread asks has no half of a question, and no lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

from infimed_plugins.errors import InfimedError, MissingExtraError

MEMORY_MB = 2048  # address space of the process
START_SECONDS = 180.0  # importing sympy on a busy machine
WAIT_SECONDS = 3.0  # for a reply, beside ten times the CPU time that it may take: else it is frozen

RIGHT, WRONG = "right", "wrong"
OUT_OF_TIME = "out of time"
OUT_OF_MEMORY = "out of memory"
NOT_REACHED = "not reached: the process was ended or held up from outside"
_REPLIES = {"right": RIGHT, "wrong": WRONG, "time": OUT_OF_TIME, "memory": OUT_OF_MEMORY}
_CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE}  # C code without memory


class MathProcessError(InfimedError, RuntimeError):
    """The process does not start: a broken installation, not a wrong answer."""


class MathProcess:
    """One process, started when first needed. One thread at a time may ask it."""

    def __init__(self, memory_mb: int = MEMORY_MB) -> None:
        self._memory_mb = memory_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0

    @property
    def pid(self) -> int | None:
        """The process, if one was started and is alive."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def ask(self, gold: str, answer: str, seconds: float) -> str:
        """RIGHT, WRONG, which limit of ``seconds`` of CPU time or of memory was hit, or NOT_REACHED.

        Raises MissingExtraError without math_verify, MathProcessError when no process can be started.
        """
        crashed = False
        for _ in range(2):  # a process that others ended, or held up, has judged nothing
            if self.pid is None:
                self.close()
                self._process = self._start()
            assert self._process is not None
            self._number += 1
            question = json.dumps([self._number, gold, answer, seconds])
            said = _exchange(self._process, question, WAIT_SECONDS + 10 * seconds, str(self._number))
            first, _, word = said.partition(" ")
            if first == "died":
                if int(word) == signal.SIGVTALRM:
                    return OUT_OF_TIME
                if crashed:
                    return OUT_OF_MEMORY
                crashed = int(word) in _CRASHES
            elif word in _REPLIES:
                return _REPLIES[word]
            else:
                self.close()
        return NOT_REACHED

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
            bufsize=0,
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


def _exchange(process: subprocess.Popen[bytes], line: str, seconds: float, number: str = "") -> str:
    """Write one line and read its reply, or "" when none comes within ``seconds``; earlier lines are passed over."""
    assert process.stdin is not None
    assert process.stdout is not None
    read, end = b"", time.monotonic() + seconds
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while selector.select(0):  # of a process that died between two questions
                if not os.read(process.stdout.fileno(), 4096):
                    return ""
            left = line.encode() + b"\n"
            while left:
                left = left[os.write(process.stdin.fileno(), left) :]
            while selector.select(max(0.0, end - time.monotonic())):
                part = os.read(process.stdout.fileno(), 4096)
                read += part
                while b"\n" in read:
                    said, _, read = read.partition(b"\n")
                    if not number or said.split(b" ")[0] in (number.encode(), b"died"):
                        return said.decode(errors="replace").strip()
                if not part:
                    break
    except (OSError, ValueError):  # it ended, or was closed by another thread
        pass
    return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # a session of its own, with the process that judges
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    _close_pipes(process)
    process.wait()


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
