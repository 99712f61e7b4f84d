r"""The process that runs math_verify: a JSON line ``[number, gold, answer, seconds]`` in, ``number word`` out.

Started by math_process.py. It imports nothing of this package and runs as a plain file. What it has imported it keeps,
and forks a process that judges; one that ends is replaced in milliseconds, and ``died SIGNAL`` says so. Limits are of
CPU time, so that a busy machine changes no verdict: a timer that Python code hears of, and a later one that ends the
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
from collections.abc import Iterator
from typing import Any

QUESTIONS = 5_000  # to one process: sympy remembers much
BEGIN_ANEW = 3  # the exit code of one that is to be replaced without a word


class OutOfTime(BaseException):
    """Not an Exception: sympy and math_verify catch those."""


def on_alarm(*_: object) -> None:
    raise OutOfTime


def main() -> None:
    """Read the settings, import, say "ready", then have questions judged until the input ends."""
    replies = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not reach the replies
    settings = json.loads(next(lines()))
    sys.path[:] = settings["path"]
    logging.disable(logging.CRITICAL)
    try:
        verify = load()
    except ImportError as error:
        say(replies, f"cannot import: {error}")
        return
    with contextlib.suppress(ImportError, OSError, ValueError):  # where the system can
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (settings["memory"] << 20, settings["memory"] << 20))
    say(replies, "ready")
    parent, code = os.getppid(), BEGIN_ANEW
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while code:
        judge = os.fork()
        if not judge:
            os._exit(serve(verify, replies))
        code = os.waitstatus_to_exitcode(end_of(judge, parent))
        if code < 0:
            say(replies, f"died {-code}")


def end_of(judge: int, parent: int) -> int:
    """The status that a process ended with. It is killed, and so is this one, when the parent is gone."""
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


def serve(verify: Any, replies: int) -> int:
    """Answer questions; the exit code says whether there may be more."""
    signal.signal(signal.SIGPROF, on_alarm)
    for count, line in enumerate(lines(), start=1):
        number, *question = json.loads(line)
        said = judged(verify, *question)
        say(replies, f"{number} {said}")
        if said in ("time", "memory") or count == QUESTIONS:
            return BEGIN_ANEW
    return 0


def lines() -> Iterator[str]:
    """The lines of the input, none of them read before it is asked for: another process may read the next."""
    read = b""
    while part := os.read(0, 1 if not read else 4096):
        read += part
        while b"\n" in read:
            line, _, read = read.partition(b"\n")
            yield line.decode()


def say(replies: int, line: str) -> None:
    os.write(replies, f"{line}\n".encode())


def load() -> Any:
    r"""A function (gold, answer) -> bool around math_verify, warmed up. Both are read as the content of a \boxed{}."""
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
        run(*sides)  # what sympy does for the first time takes long
    return run


def judged(verify: Any, gold: str, answer: str, seconds: float) -> str:
    """One verdict within the limits; anything math_verify chokes on is wrong."""
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 1.2 * seconds + 0.01)  # its signal ends the process
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            return "right" if verify(gold, answer) else "wrong"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except OutOfTime:
        return "time"
    except MemoryError:
        return "memory"
    except Exception:  # noqa: BLE001  sympy raises anything
        return "wrong"


if __name__ == "__main__":
    main()
