"""math_verify in a process of its own, so that time and memory are really bounded.

math_verify's own limit is ``signal.alarm``: it works in the main thread only, cancels the caller's timers, and does
not stop C code. Here the caller only waits on a pipe, so any thread, event loop, daemonic process or Ray actor may
call. A process that does not answer in time is killed and replaced at the next call; after a fork the child starts
its own. Verdicts are remembered, and what ran out of time or memory once is not tried again.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from infimed_plugins.errors import InfimedError, MissingExtraError

SECONDS = 2.0  # for one pair; the kill comes at three times that
MEMORY_MB = 2048  # address space of the process
START_SECONDS = 180.0  # importing sympy on a busy machine
REMEMBERED = 50_000  # verdicts

RIGHT, WRONG = "right", "wrong"
OUT_OF_TIME = "out of time"
OUT_OF_MEMORY = "out of memory"
OUT_OF_BUDGET = "out of the batch's time"
_REPLIES = {"right": RIGHT, "wrong": WRONG, "time": OUT_OF_TIME, "memory": OUT_OF_MEMORY}

_deadline: ContextVar[float | None] = ContextVar("math_deadline", default=None)


class MathProcessError(InfimedError, RuntimeError):
    """The process does not start: a broken installation, not a wrong answer."""


@contextlib.contextmanager
def budget(seconds: float) -> Iterator[None]:
    """Within the block, verdicts that are not known after ``seconds`` are OUT_OF_BUDGET, and not remembered."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


class MathProcess:
    """One process, started when first needed, and what it said before. Safe to share between threads."""

    def __init__(self, seconds: float = SECONDS, memory_mb: int = MEMORY_MB) -> None:
        self._seconds, self._memory_mb = seconds, memory_mb
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._verdicts: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._poisonous: OrderedDict[str, str] = OrderedDict()  # answers, whatever they were compared with

    def verdict(self, gold: str, answer: str) -> str:
        """RIGHT, WRONG, or which limit was hit.

        Raises MissingExtraError without math_verify, MathProcessError when no process can be started.
        """
        with self._lock:
            key = (gold, answer)
            known = self._verdicts.get(key) or self._poisonous.get(answer)
            if known is not None:
                if key in self._verdicts:
                    self._verdicts.move_to_end(key)
                return known
            deadline = _deadline.get()
            if deadline is not None and time.monotonic() > deadline:
                return OUT_OF_BUDGET
            said = self._ask(gold, answer)
            self._remember(self._verdicts, key, said)
            if said in (OUT_OF_TIME, OUT_OF_MEMORY):
                self._remember(self._poisonous, answer, said)
            return said

    def close(self) -> None:
        """Kill the process, if there is one; the next call starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            _close_pipes(process)
            process.wait()

    def forget_after_fork(self) -> None:
        """In a forked child: the process belongs to the parent, the lock may be held by a thread that is not here."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            _close_pipes(process)
            process.returncode = 0  # not ours to wait for

    def _ask(self, gold: str, answer: str) -> str:
        for _ in range(2):  # a process that died early may have been killed by others before it was asked
            if self._process is None or self._process.poll() is not None:
                self.close()
                self._process = self._start()
            asked = time.monotonic()
            said = self._exchange(self._process, json.dumps([gold, answer]), 3 * self._seconds)
            if said in _REPLIES:
                return _REPLIES[said]
            self.close()
            if time.monotonic() - asked > self._seconds:  # silent, or ended by its own watchdog
                return OUT_OF_TIME
        return OUT_OF_MEMORY  # twice at once: the system, or C code that aborts

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("math_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the caller, who then closes it
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        path = [str(entry) for entry in sys.path]
        settings = {"path": path, "seconds": self._seconds, "memory": self._memory_mb}
        said = self._exchange(process, json.dumps(settings), START_SECONDS)
        if said == "ready":
            return process
        process.kill()
        _close_pipes(process)
        process.wait()
        if said.startswith("cannot import"):
            raise MissingExtraError("the math reward", "math_verify", "rewards")
        raise MathProcessError(f"the process of math_verify does not start: {said or 'no answer'}; {sys.executable}")

    def _exchange(self, process: subprocess.Popen[bytes], line: str, seconds: float) -> str:
        """Write one line and read one, or "" when none comes within ``seconds``."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
        except OSError:
            return ""
        reply, end = b"", time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not reply.endswith(b"\n"):
                if not selector.select(max(0.0, end - time.monotonic())):
                    return ""
                part = os.read(process.stdout.fileno(), 4096)
                if not part:
                    return ""
                reply += part
        return reply.decode(errors="replace").strip()

    @staticmethod
    def _remember(store: OrderedDict[Any, str], key: Any, said: str) -> None:
        store[key] = said
        if len(store) > REMEMBERED:
            store.popitem(last=False)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


MATH = MathProcess()
atexit.register(MATH.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=MATH.forget_after_fork)
