"""How long 4,096 rollouts take one call each: ``python tests/measure/bench_single_calls.py``. It is not a test.

verl (run_in_executor) and AReaL, verifiers and slime (asyncio.to_thread) call a reward for one reply at a time; other
trainers do from threads of their own. The rollouts are those of bench_rewards.py. Each way runs in an interpreter of
its own: cold (math processes not started, nothing remembered), then the same again, warm, the median of five. CPU is
that of the process and its math processes; "idle" is what the caller's own machinery takes for a function that does
nothing, and "× batch" is without that. "Longest" is the longest call, when cold, of a rollout that is no burner.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench_rewards import SETS, rollouts

THREADS = 32
Rows = list[dict[str, Any]]
Call = Callable[[dict[str, Any]], float]


def by_batch(rows: Rows, call: Call) -> None:
    from infimed_plugins.rewards import compute_score

    compute_score(rows)


def by_threads(rows: Rows, call: Call) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(call, rows))


def by_asyncio(rows: Rows, call: Call) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(asyncio.to_thread(call, row) for row in rows))

    asyncio.run(all_of_them())


WAYS = {"batch": by_batch, f"{THREADS} threads": by_threads, "asyncio": by_asyncio}


def cpu_seconds() -> float:
    """Return the CPU time of this process, the math processes, and those they have forked."""
    from infimed_plugins.rewards.math_pool import MATH

    pids = [process.pid for process in MATH.processes if process.pid]
    for pid in list(pids):
        pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())
    stats = [Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for pid in pids]
    ticks = sum(int(number) for stat in stats for number in stat[11:15])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def measure(way: str, name: str) -> dict[str, float]:
    """Return the seconds and CPU seconds of one way in this interpreter, and its longest call."""
    from infimed_plugins.trainers.verl import compute_score

    mix, pathological = SETS[name]
    rows = rollouts(mix, pathological=pathological)
    longest = [0.0]

    def call(row: dict[str, Any]) -> float:
        began = time.perf_counter()
        score = compute_score("d", row["response"], row["ground_truth"], {})["score"]
        if '"41"' not in row["ground_truth"]:  # the truth of every burner
            longest[0] = max(longest[0], time.perf_counter() - began)
        return score

    def once(function: Call = call) -> tuple[float, float]:
        began, used = time.perf_counter(), cpu_seconds()
        WAYS[way](rows, function)
        return time.perf_counter() - began, cpu_seconds() - used

    cold, longest_cold = once(), longest[0]
    got = {"cold": cold[0], "cold_cpu": cold[1], "longest": longest_cold}
    for name, function in (("warm", call), ("idle", lambda row: 0.0)):
        times = [once(function) for _ in range(5)]
        got[name], got[f"{name}_cpu"] = (statistics.median(column) for column in zip(*times, strict=True))
    return got if way != "batch" else got | {"idle": 0.0, "idle_cpu": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=list(SETS), action="append", help="one set only (may be repeated)")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    columns = ("idle s", "CPU s", "cold s", "CPU s", "× batch", "warm s", "CPU s", "× batch", "longest s")
    print(f"{'set':28}{'way':12}{''.join(f'{column:>10}' for column in columns)}   (× batch in CPU)")
    for name in arguments.set or list(SETS)[:2]:
        batch: dict[str, float] = {}
        for way in WAYS:
            command = [sys.executable, __file__, "--one", way, name]
            got = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            batch = batch or got
            cells = [got["idle"], got["idle_cpu"]]
            for kind in ("cold", "warm"):
                cpu = got[f"{kind}_cpu"]
                cells += [got[kind], cpu, (cpu - got["idle_cpu"]) / batch[f"{kind}_cpu"]]
            print(f"{name:28}{way:12}{''.join(f'{cell:10.2f}' for cell in [*cells, got['longest']])}", flush=True)


if __name__ == "__main__":
    main()
