r"""Ask a few processes for math_verify's verdicts: remembered, and bounded in time for a whole training process.

An ordinary answer takes 1 to 100 ms of CPU time; one may take SECONDS. What runs out of it is charged to a budget of
BUDGET seconds, refilled slowly; while less than SECONDS is left of it, one may take HURRIED seconds, and with a debt
what looks costly (factorials, sums, high powers) is not asked at all: any number of such answers, alone or in a batch,
costs no more, and holds up no other. A batch asks what looks cheap first, and nothing after its own time. What was cut
short or not asked may be judged later; only what ran out of SECONDS or of memory is remembered as such, whatever it is
compared with.

math_verify's own limit is ``signal.alarm``: it works in the main thread only, cancels the caller's timers, and does
not stop C code. Here the caller only waits on a socket, so any thread, event loop, daemonic process or Ray actor may
call.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infimed_plugins.errors import InfimedError, MissingExtraError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SECONDS, HURRIED = 0.5, 0.14  # CPU time of one pair
BUDGET, REFILL = 0.8, 0.05  # seconds, and for each second that passes
DEBT = -0.7  # below it what looks costly is not asked
PROCESSES = min(4, max(2, os.cpu_count() or 1))  # two, so that an answer which takes long holds up no other
PAIRS_FOR_ANOTHER = 16  # a process takes about a second to import sympy
REMEMBERED = 8_192  # verdicts of at most two expressions of 512 characters each
MEMORY_MB = 2048  # address space of a process
START_SECONDS = 180.0  # importing sympy on a busy machine
RETRY_SECONDS = 30.0  # after a process that does not start again
WAIT_SECONDS = 3.0  # for a reply, beside ten times the CPU time that it may take: else the process is frozen

RIGHT, WRONG, OUT_OF_TIME, OUT_OF_MEMORY = "right", "wrong", "out of time", "out of memory"
NOT_REACHED = "not reached: the process was ended or held up from outside"
OUT_OF_BUDGET = "out of the time for such answers; it may be judged later"
_SLOW = "out of HURRIED seconds"
_CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE}  # C code without memory
# costly parts of an expression: factorials, sums, high or stacked powers, great length
_COSTLY = re.compile(r"!|\\(?:sum|prod|int|lim|binom)|\^\s*\{?[^{}^]{0,20}[0-9]{3}|\^[^^]{0,20}\^|[0-9]{13}|.{200}")
Pair = tuple[str, str]  # truth, answer
AskMath = Callable[[str, str], str]  # the verdict on such a pair


class MathProcessError(InfimedError, RuntimeError):
    """No process has ever started: a broken installation, not a wrong answer."""


class MathPool:
    """A few processes, each started when first needed, and their verdicts so far. Safe to share between threads."""

    def __init__(self, processes: int = PROCESSES, seconds: float = SECONDS, memory_mb: int = MEMORY_MB) -> None:
        self._seconds, self._memory_mb, self._count = seconds, memory_mb, processes
        self._said: OrderedDict[tuple[str, ...], str] = OrderedDict()  # by pair; limits that were hit by the answer
        self.budget, self._filled = BUDGET, time.monotonic()
        self._worked, self._down_until = False, 0.0
        self.processes: list[MathProcess] = []
        self._set_up()

    def _set_up(self) -> None:
        self._lock = threading.Lock()
        self.processes = [MathProcess(self._memory_mb) for _ in range(self._count)]
        self._idle: queue.LifoQueue[MathProcess] = queue.LifoQueue()  # the first first, then the one used last
        for process in reversed(self.processes):
            self._idle.put(process)

    def verdict(self, gold: str, answer: str, deadline: float = float("inf")) -> str:
        """Return RIGHT, WRONG, or why there is no verdict; after the ``deadline`` (time.monotonic) only what is known.

        Raises MissingExtraError without math_verify, MathProcessError when no process can be started; where one has
        worked, that is an outage: NOT_REACHED.
        """
        return self._known(gold, answer) or self._ask(gold, answer, deadline)

    def ask_all(self, pairs: Iterable[Pair], deadline: float) -> dict[Pair, str]:
        """Return the ``verdict`` on each of many pairs, asked at once, the cheap ones first; raises as that does."""
        said = {pair: self._known(*pair) or "" for pair in pairs}
        todo = sorted((pair for pair in said if not said[pair]), key=lambda pair: _COSTLY.search(pair[1]) is not None)
        if len(todo) < PAIRS_FOR_ANOTHER:
            return said | {(gold, answer): self._ask(gold, answer, deadline) for gold, answer in todo}
        threads = ThreadPoolExecutor(min(self._count, 1 + len(todo) // PAIRS_FOR_ANOTHER), "infimed-math")
        try:
            answers = threads.map(lambda pair: self._ask(pair[0], pair[1], deadline), todo)
            return said | dict(zip(todo, answers, strict=True))
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # interrupted: they end after the pair they are at

    def close(self) -> None:
        """Kill the processes; the next call starts others."""
        for process in self.processes:
            process.close()

    def forget_after_fork(self) -> None:
        """In a forked child, forget the parent's processes, and a lock that a thread which is not here may hold."""
        for process in self.processes:
            process.leave_to_parent()
        self._set_up()

    def _known(self, gold: str, answer: str) -> str | None:
        with self._lock:
            if said := self._said.get((gold, answer)):
                self._said.move_to_end((gold, answer))
                return said
            limit = self._said.get((answer,))
            return None if limit == _SLOW else limit

    def _ask(self, gold: str, answer: str, deadline: float) -> str:
        process = self._idle.get()
        try:  # looked at when its turn has come: others have asked the same, or used up the budget, meanwhile
            if known := self._known(gold, answer):
                return known
            if self._down_until > time.monotonic() and process.pid is None:
                return self._ask_another(gold, answer, deadline)
            seconds = self._limit(answer) if time.monotonic() <= deadline else 0.0
            if not seconds:
                return OUT_OF_BUDGET
            said = process.ask(gold, answer, seconds=seconds)
            self._worked = True
            self._remember(gold, answer, said, seconds)
            return OUT_OF_BUDGET if said == OUT_OF_TIME and seconds < self._seconds else said
        except MathProcessError:
            if not self._worked:
                raise
            self._down_until = time.monotonic() + RETRY_SECONDS
            return self._ask_another(gold, answer, deadline)
        finally:
            self._idle.put(process)
            for other in self.processes:
                _ = other.pid  # one that was killed while idle is taken notice of

    def _ask_another(self, gold: str, answer: str, deadline: float) -> str:
        """Ask a process that is alive, if there is one, while the caller holds one that does not start."""
        return self._ask(gold, answer, deadline) if any(one.pid for one in self.processes) else NOT_REACHED

    def _limit(self, answer: str) -> float:
        """Return the seconds that an answer may take, by the rest of the budget; 0 for none."""
        with self._lock:
            now = time.monotonic()
            self.budget = min(BUDGET, self.budget + REFILL * (now - self._filled))
            self._filled = now
            if self.budget >= min(self._seconds, SECONDS):
                return self._seconds
            asked = self._said.get((answer,)) != _SLOW and (self.budget > DEBT or not _COSTLY.search(answer))
            return min(HURRIED, self._seconds) if asked else 0.0

    def _remember(self, gold: str, answer: str, said: str, seconds: float) -> None:
        if said == NOT_REACHED:
            return
        with self._lock:
            if said in (RIGHT, WRONG):
                self._said[gold, answer] = said
            else:
                self.budget = max(2 * DEBT, self.budget - seconds)
                self._said[(answer,)] = _SLOW if said == OUT_OF_TIME and seconds < self._seconds else said
            if len(self._said) > REMEMBERED:
                self._said.popitem(last=False)


class MathProcess:
    """One process, started when first needed. One thread at a time may ask it."""

    def __init__(self, memory_mb: int = MEMORY_MB) -> None:
        self._memory_mb = memory_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._number = 0

    @property
    def pid(self) -> int | None:
        """The process, if one was started and is alive."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def ask(self, gold: str, answer: str, seconds: float) -> str:
        """Return RIGHT, WRONG, which limit of ``seconds`` of CPU time or of memory was hit, or NOT_REACHED.

        Raises MissingExtraError without math_verify, MathProcessError when no process can be started.
        """
        crashed = False
        for _ in range(2):  # a process that others ended, or held up, has judged nothing
            if self.pid is None:
                self._start()
            self._number += 1
            replies_to = (self._number, "died")  # a process that was forked amid may have asked something, too
            first, word = self._exchange([self._number, gold, answer, seconds], WAIT_SECONDS + 10 * seconds, replies_to)
            if first == "died":
                if word == signal.SIGVTALRM:
                    return OUT_OF_TIME
                if crashed:
                    return OUT_OF_MEMORY
                crashed = word in _CRASHES
            elif word:
                return str(word)
            else:
                self.close()
        return NOT_REACHED

    def close(self) -> None:
        """Kill the process, if there is one; the next call starts another."""
        if self._process is not None:
            with contextlib.suppress(OSError):  # a session of its own, with the process that judges
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        self._disconnect()

    def leave_to_parent(self) -> None:
        """In a forked child, let go of the parent's process."""
        if self._process is not None:
            self._process.returncode = 0  # not ours to wait for
        self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection, self._process = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def _start(self) -> None:
        from multiprocessing import Pipe

        self.close()
        try:
            self._connection, its_end = Pipe()
            with its_end:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", str(Path(__file__).with_name("math_worker.py"))],
                    stdin=its_end.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for the caller, who then closes it
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
        except OSError as error:  # no memory, no processes or files left
            raise MathProcessError(f"the process of math_verify does not start: {error}") from error
        settings = {"path": [str(entry) for entry in sys.path], "memory": self._memory_mb}
        first, said = self._exchange(settings, START_SECONDS, ("start",))
        if said == "ready":
            return
        self.close()
        if first and said:
            raise MissingExtraError("the math reward", "math_verify", "rewards")
        raise MathProcessError(f"the process of math_verify does not start: no answer; {sys.executable}")

    def _exchange(self, message: Any, seconds: float, replies_to: tuple[Any, ...]) -> tuple[Any, Any]:
        """Send a message and receive its reply, a number and a word, both "" when none comes within ``seconds``."""
        end, connection = time.monotonic() + seconds, self._connection
        if connection is None:
            return "", ""
        try:
            while connection.poll(0):  # left by a process that died between two questions
                connection.recv_bytes()
            connection.send_bytes(json.dumps(message).encode())
            while connection.poll(max(0.0, end - time.monotonic())):
                first, word = json.loads(connection.recv_bytes())
                if first in replies_to:
                    return first, word
        except (OSError, EOFError, ValueError, TypeError):  # it ended, or was closed by another thread
            pass
        return "", ""


MATH = MathPool()
atexit.register(MATH.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: MATH.forget_after_fork())
