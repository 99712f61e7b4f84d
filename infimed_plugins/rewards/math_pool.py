"""math_verify's verdicts for a batch: asked of a few processes at once, remembered, and bounded in time.

Within ``batch()`` three bounds hold. A pair may take SECONDS of CPU time. Once answers that ran out of time have cost
PATIENCE_SECONDS, every further pair may take only HURRIED_SECONDS, which an ordinary one (1 to 30 ms) does not need.
And nothing is asked after ``seconds`` of the batch. What ran out of time or memory once is not tried again; what was
cut short by the batch is.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from infimed_plugins.rewards.math_process import MEMORY_MB, OUT_OF_MEMORY, OUT_OF_TIME, MathProcess

SECONDS = 1.0  # CPU time of one pair
HURRIED_SECONDS = 0.1
PATIENCE_SECONDS = 10.0  # of a batch, summed over the processes
PROCESSES = min(4, os.cpu_count() or 1)
PAIRS_FOR_ANOTHER = 16  # a process takes about a second to import sympy
REMEMBERED = 50_000  # verdicts
OUT_OF_BUDGET = "out of the batch's time"

Pair = tuple[str, str]  # truth, answer


class Pending(BaseException):
    """The pair was noted to be asked later, with others. Not an Exception: a reward must not take it for its own."""


@dataclass
class Batch:
    """What is left of a batch's time. ``wanted`` collects pairs while they are only noted."""

    deadline: float
    patience: float = PATIENCE_SECONDS
    wanted: dict[Pair, None] = field(default_factory=dict)
    noted: int = 0  # how often
    noting: bool = False

    def limit(self, seconds: float) -> float:
        """Seconds that the next pair may take; 0 when the batch's time is over."""
        if time.monotonic() > self.deadline:
            return 0.0
        return seconds if self.patience > 0 else min(seconds, HURRIED_SECONDS)


_batch: ContextVar[Batch | None] = ContextVar("math_batch", default=None)


@contextlib.contextmanager
def batch(seconds: float) -> Iterator[Batch]:
    """Verdicts within the block share one time budget."""
    made = Batch(time.monotonic() + seconds)
    token = _batch.set(made)
    try:
        yield made
    finally:
        _batch.reset(token)


class MathPool:
    """A few processes, each started when first needed, and what they said before. Safe to share between threads."""

    def __init__(self, processes: int = PROCESSES, seconds: float = SECONDS, memory_mb: int = MEMORY_MB) -> None:
        self._seconds, self._memory_mb, self._count = seconds, memory_mb, processes
        self._verdicts: OrderedDict[Pair, str] = OrderedDict()
        self._poisonous: OrderedDict[str, str] = OrderedDict()  # answers, whatever they were compared with
        self.processes: list[MathProcess] = []
        self._set_up()

    def _set_up(self) -> None:
        self._lock = threading.Lock()
        self.processes = [MathProcess(self._memory_mb) for _ in range(self._count)]
        self._idle: queue.LifoQueue[MathProcess] = queue.LifoQueue()  # the first first, then the one used last
        for process in reversed(self.processes):
            self._idle.put(process)

    def verdict(self, gold: str, answer: str) -> str:
        """RIGHT, WRONG, or which limit was hit.

        Raises Pending in a batch that is only noting pairs, MissingExtraError without math_verify, MathProcessError
        when no process can be started.
        """
        pair, current = (gold, answer), _batch.get()
        known = self._known(pair)
        if known:
            return known
        if current is not None and current.noting:
            current.wanted[pair] = None
            current.noted += 1
            raise Pending
        return self._ask(pair, current or Batch(float("inf")))

    def ask_all(self, pairs: Iterable[Pair], current: Batch) -> None:
        """Ask for many pairs at once and remember what was said. Raises what ``verdict`` does."""
        todo = deque(pairs)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                while True:
                    pair = todo.popleft()
                    if not self._known(pair):
                        self._ask(pair, current)
            except IndexError:
                pass
            except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
                failures.append(error)
                todo.clear()

        threads = [
            threading.Thread(target=work, name="infimed-math", daemon=True)
            for _ in range(min(self._count, 1 + len(todo) // PAIRS_FOR_ANOTHER))
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            todo.clear()  # interrupted: the threads end after the pair they are at
        if failures:
            raise failures[0]

    def close(self) -> None:
        """Kill the processes; the next call starts others."""
        for process in self.processes:
            process.close()

    def forget_after_fork(self) -> None:
        """In a forked child: the processes are the parent's, and a lock may be held by a thread that is not here."""
        for process in self.processes:
            process.leave_to_parent()
        self._set_up()

    def _known(self, pair: Pair) -> str | None:
        with self._lock:
            if pair in self._verdicts:
                self._verdicts.move_to_end(pair)
                return self._verdicts[pair]
            return self._poisonous.get(pair[1])

    def _ask(self, pair: Pair, current: Batch) -> str:
        process = self._idle.get()
        try:
            limit = current.limit(self._seconds)
            if not limit:
                return OUT_OF_BUDGET
            started = time.monotonic()
            said = process.ask(*pair, seconds=limit)
        finally:
            self._idle.put(process)
        if said in (OUT_OF_TIME, OUT_OF_MEMORY):
            current.patience -= time.monotonic() - started
            if limit < self._seconds:
                return OUT_OF_BUDGET
        with self._lock:
            self._remember(self._verdicts, pair, said)
            if said in (OUT_OF_TIME, OUT_OF_MEMORY):
                self._remember(self._poisonous, pair[1], said)
        return said

    @staticmethod
    def _remember(store: OrderedDict[Any, str], key: Any, said: str) -> None:
        store[key] = said
        if len(store) > REMEMBERED:
            store.popitem(last=False)


MATH = MathPool()
atexit.register(MATH.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: MATH.forget_after_fork())
