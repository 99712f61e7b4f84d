r"""The process that runs math_verify: a JSON message ``[number, gold, answer, seconds]`` in, ``[number, word]`` out.

Started by math_pool.py. It imports nothing of this package and runs as a plain file. What it has imported it keeps,
and forks a process that judges; one that ends is replaced in milliseconds, and ``["died", signal]`` says so. Limits are
of CPU time, so that a busy machine changes no verdict: a timer that Python code hears of, and a later one that ends the
process even inside a C call that holds the interpreter (a huge factorial); and of memory, by the address space. Without
a parent it ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

QUESTIONS = 5_000  # to one process: sympy remembers much
BEGIN_ANEW = 3  # the exit code of one that is to be replaced without a word


class OutOfTime(BaseException):
    """Not an Exception: sympy and math_verify catch those."""


def main() -> None:
    """Receive the settings, import, say "ready", then have questions judged until no more come."""
    caller: Connection[Any, Any] = Connection(os.dup(0))
    settings = json.loads(caller.recv_bytes())
    sys.path[:] = settings["path"]
    logging.disable(logging.CRITICAL)
    try:
        verify = load()
    except ImportError as error:
        say(caller, "start", f"cannot import: {error}")
        return
    with contextlib.suppress(ImportError, OSError, ValueError):  # if the system can
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (settings["memory"] << 20, settings["memory"] << 20))
    say(caller, "start", "ready")
    parent, code = os.getppid(), BEGIN_ANEW
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while code:
        judge = os.fork()
        if not judge:
            os._exit(serve(verify, caller))
        code = os.waitstatus_to_exitcode(end_of(judge, parent))
        if code < 0:
            say(caller, "died", -code)


def end_of(judge: int, parent: int) -> int:
    """Return the status that a process ended with. It is killed, and so is this one, when the parent is gone."""
    while True:
        ended, status = os.waitpid(judge, os.WNOHANG)
        if ended:
            return status
        if os.getppid() != parent:
            os.kill(judge, signal.SIGKILL)
            os._exit(0)
        if hasattr(signal, "sigtimedwait"):
            signal.sigtimedwait([signal.SIGCHLD], 5.0)
        else:
            time.sleep(0.01)


def serve(verify: Callable[[str, str], bool], caller: Connection[Any, Any]) -> int:
    """Answer questions; the exit code says whether there may be more."""

    def on_alarm(*_: object) -> None:
        raise OutOfTime

    signal.signal(signal.SIGPROF, on_alarm)
    for _ in range(QUESTIONS):
        try:
            number, *question = json.loads(caller.recv_bytes())
        except EOFError:
            return 0
        said = judged(verify, *question)
        say(caller, number, said)
        if said not in ("right", "wrong"):
            break
    return BEGIN_ANEW


def say(caller: Connection[Any, Any], number: int | str, word: int | str) -> None:
    caller.send_bytes(json.dumps([number, word]).encode())


def load() -> Callable[[str, str], bool]:
    r"""Return (gold, answer) -> bool around math_verify, warmed up; it reads both as the content of a \boxed{}."""
    from math_verify import LatexExtractionConfig, parse, verify

    extraction = (LatexExtractionConfig(boxed_match_priority=0),)  # its reader of expressions takes any number

    def run(*sides: str) -> bool:
        gold, answer = (parse(f"\\boxed{{{side}}}", extraction, parsing_timeout=None) for side in sides)
        return bool(gold and answer and verify(gold, answer, timeout_seconds=None))

    for sides in (
        ("1", r"\frac{1}{2}"),
        ("3", r"\log_2(2^3) + 0"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
        ("x", r"\frac{x^2 + x}{x+1}"),
    ):
        run(*sides)  # sympy is slow at its first call
    return run


def judged(verify: Callable[[str, str], bool], gold: str, answer: str, seconds: float) -> str:
    """Return one verdict within the limits; anything math_verify chokes on is wrong."""
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 1.2 * seconds + 0.01)  # its signal ends the process
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            return "right" if verify(gold, answer) else "wrong"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except OutOfTime:
        return "out of time"
    except MemoryError:
        return "out of memory"
    except Exception:  # noqa: BLE001  sympy raises anything
        return "wrong"


if __name__ == "__main__":
    main()
