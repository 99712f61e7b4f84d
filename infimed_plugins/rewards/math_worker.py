r"""The process that runs math_verify: one JSON line ``[gold, answer, seconds]`` in, one word out.

Started by math_process.py. It imports nothing of this package and runs as a plain file. Three limits, each for what the
one before cannot stop: a timer on CPU time (Python code, and a busy machine changes no verdict), ``faulthandler``'s
watchdog thread, which ends the process even inside a C call that holds the interpreter (a huge factorial), and an
address-space limit (memory). Without a parent its input ends, and so does it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import signal
import sys
from typing import Any


class OutOfTime(BaseException):
    """Not an Exception: sympy and math_verify catch those."""


def on_alarm(*_: object) -> None:
    raise OutOfTime


def main() -> None:
    """Read the settings, import, say "ready", then answer line by line until the input ends."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not reach the replies
    settings = json.loads(sys.stdin.readline())
    sys.path[:] = settings["path"]
    logging.disable(logging.CRITICAL)
    try:
        verify = load()
    except ImportError as error:
        print(f"cannot import: {error}", file=replies)
        return
    with contextlib.suppress(ImportError, OSError, ValueError):  # where the system can
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (settings["memory"] << 20, settings["memory"] << 20))
    signal.signal(signal.SIGPROF, on_alarm)
    print("ready", file=replies)
    for line in sys.stdin:
        print(judged(verify, *json.loads(line)), file=replies)


def load() -> Any:
    r"""A function (gold, answer) -> bool around math_verify, warmed up. Both are read as the content of a \boxed{}."""
    from math_verify import LatexExtractionConfig, parse, verify

    extraction = (LatexExtractionConfig(boxed_match_priority=0),)  # its reader of expressions takes any number

    def run(*sides: str) -> bool:
        gold, answer = (parse(f"\\boxed{{{side}}}", extraction, parsing_timeout=None) for side in sides)
        return bool(gold and answer and verify(gold, answer, timeout_seconds=None))

    run("1", r"\frac{1}{2}")
    return run


def judged(verify: Any, gold: str, answer: str, seconds: float) -> str:
    """One verdict within the limits; anything math_verify chokes on is wrong."""
    faulthandler.dump_traceback_later(seconds * 2 + 0.5, exit=True, file=sys.stderr)
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            return "right" if verify(gold, answer) else "wrong"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except OutOfTime:
        return "time"
    except MemoryError:
        return "memory"
    except Exception:  # noqa: BLE001  sympy raises anything
        return "wrong"
    finally:
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
