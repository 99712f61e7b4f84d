r"""math_verify's verdicts: asked of a few processes, remembered, and bounded in time for a whole training process.

An ordinary answer takes 1 to 100 ms of CPU time; one may take SECONDS. What runs out of it is charged to a patience of
PATIENCE seconds, refilled slowly; while less than SECONDS is left of it, one may take HURRIED seconds, and with a debt
what looks costly (factorials, sums, high powers) is not asked at all: any number of such answers, alone or in a batch,
costs no more, and holds up no other. A batch asks what looks cheap first, and nothing after its own time. What was cut
short or not asked may be judged later; only what ran out of SECONDS or of memory is remembered as such, whatever it is
compared with.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from infimed_plugins.rewards.math_process import MEMORY_MB, OUT_OF_MEMORY, OUT_OF_TIME, RIGHT, WRONG, MathProcess

SECONDS, HURRIED = 0.5, 0.14  # CPU time of one pair
PATIENCE, REFILL = 0.8, 0.05  # seconds, and for each second that passes
DEBT = -0.7  # below it what looks costly is not asked
PROCESSES = min(4, os.cpu_count() or 1)
PAIRS_FOR_ANOTHER = 16  # a process takes about a second to import sympy
REMEMBERED = 4_096  # verdicts of at most two expressions of 512 characters each
OUT_OF_BUDGET = "out of the time for such answers; it may be judged later"

_COSTLY = re.compile(r"!|\\(?:sum|prod|int|lim|binom)|\^\s*\{?[^{}^]{0,20}[0-9]{3}|\^[^^]{0,20}\^|[0-9]{13}|.{200}")
Pair = tuple[str, str]  # truth, answer


class Pending(BaseException):
    """The pair was noted to be asked later, with others. Not an Exception: a reward must not take it for its own."""


@dataclass
class Batch:
    """What is left of a batch's time. ``wanted`` collects pairs while they are only noted."""

    deadline: float
    wanted: dict[Pair, None] = field(default_factory=dict)
    noted: int = 0  # how often
    noting: bool = False


_batch: ContextVar[Batch | None] = ContextVar("math_batch", default=None)


@contextlib.contextmanager
def batch(seconds: float) -> Iterator[Batch]:
    """Verdicts within the block are asked for within ``seconds``."""
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
        self._slow: OrderedDict[str, str] = OrderedDict()  # answers that ran out of HURRIED
        self.patience, self._filled = PATIENCE, time.monotonic()
        self.processes: list[MathProcess] = []
        self._set_up()

    def _set_up(self) -> None:
        self._lock = threading.Lock()
        self.processes = [MathProcess(self._memory_mb) for _ in range(self._count)]
        self._idle: queue.LifoQueue[MathProcess] = queue.LifoQueue()  # the first first, then the one used last
        for process in reversed(self.processes):
            self._idle.put(process)

    def verdict(self, gold: str, answer: str) -> str:
        """RIGHT, WRONG, or why there is no verdict.

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
        """Ask for many pairs at once, the cheap ones first, and remember what was said; raises as ``verdict`` does."""
        todo = deque(sorted(pairs, key=lambda pair: is_costly(pair[1])))
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
        try:  # patience is looked at when its turn has come: others have used it up meanwhile
            seconds = self._limit(pair[1]) if time.monotonic() <= current.deadline else 0.0
            if not seconds:
                return self._known(pair) or OUT_OF_BUDGET
            said = process.ask(*pair, seconds=seconds)
            self._keep(pair, said, seconds)
            return OUT_OF_BUDGET if said == OUT_OF_TIME and seconds < self._seconds else said
        finally:
            self._idle.put(process)
            for other in self.processes:
                _ = other.pid  # one that was killed while idle is taken notice of

    def _limit(self, answer: str) -> float:
        """The seconds that an answer may take, by what is left of the patience; 0 for none."""
        with self._lock:
            now = time.monotonic()
            self.patience = min(PATIENCE, self.patience + REFILL * (now - self._filled))
            self._filled = now
            if self.patience >= min(self._seconds, SECONDS):
                return self._seconds
            asked = answer not in self._slow and (self.patience > DEBT or not is_costly(answer))
            return min(HURRIED, self._seconds) if asked else 0.0

    def _keep(self, pair: Pair, said: str, seconds: float) -> None:
        with self._lock:
            if said in (OUT_OF_TIME, OUT_OF_MEMORY):
                self.patience = max(2 * DEBT, self.patience - seconds)
            if said in (RIGHT, WRONG):
                _remember(self._verdicts, pair, said)
            elif said == OUT_OF_MEMORY or (said == OUT_OF_TIME and seconds >= self._seconds):
                _remember(self._poisonous, pair[1], said)
            elif said == OUT_OF_TIME:
                _remember(self._slow, pair[1], said)


def is_costly(answer: str) -> bool:
    """Whether an expression has what can make it cost much: factorials, sums, high or stacked powers, great length."""
    return _COSTLY.search(answer) is not None


def _remember(store: OrderedDict[Any, str], key: Any, said: str) -> None:
    store[key] = said
    if len(store) > REMEMBERED:
        store.popitem(last=False)


MATH = MathPool()
atexit.register(MATH.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: MATH.forget_after_fork())
