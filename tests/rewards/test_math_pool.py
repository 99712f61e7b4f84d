"""math_verify from anywhere: any thread, loop, process or actor, within its limits, and no process is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from infimed_plugins.errors import MissingExtraError
from infimed_plugins.records import GroundTruth, Json, Verdict
from infimed_plugins.rewards import compute_score, judge_answer, math_pool
from infimed_plugins.rewards.math_pool import NOT_REACHED, OUT_OF_BUDGET, OUT_OF_TIME, RIGHT, WRONG, MathPool


def judge(answer: str, truth: Json) -> Verdict:
    return judge_answer(answer, GroundTruth("math", truth))


@pytest.fixture
def pool() -> Iterator[MathPool]:
    made = MathPool(processes=1)
    yield made
    made.close()


def test_an_answer_that_ran_out_of_time_is_not_tried_again_against_any_truth(pool: MathPool) -> None:
    assert pool.verdict("41", "9^{9^{9^{9}}}") == OUT_OF_TIME
    pool.close()
    assert pool.verdict("42", "9^{9^{9^{9}}}") == OUT_OF_TIME
    assert pool.processes[0].pid is None, "it was asked again"


def test_memory_is_bounded_and_the_next_pair_is_judged() -> None:
    small = MathPool(processes=1, seconds=20.0, memory_mb=400)
    try:
        assert small.verdict("41", "2^{9^{10}}") != RIGHT  # a number of 436 MB
        assert small.verdict("2", "\\sqrt{4}") == RIGHT
        status = Path(f"/proc/{small.processes[0].pid}/status").read_text(encoding="ascii")
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmPeak"))
        assert peak <= 400 * 1024
    finally:
        small.close()


def test_a_killed_process_is_replaced(pool: MathPool) -> None:
    assert pool.verdict("2", "\\sqrt{4}") == RIGHT
    assert pool.processes[0].pid is not None
    os.kill(pool.processes[0].pid, signal.SIGKILL)
    assert pool.verdict("3", "\\sqrt{9}") == RIGHT
    assert pool.verdict("3", "\\sqrt{10}") == WRONG


def test_after_the_batchs_time_only_known_verdicts_are_given(pool: MathPool) -> None:
    assert pool.verdict("2", "\\sqrt{4}") == RIGHT
    over = time.monotonic() - 0.01
    assert pool.verdict("2", "\\sqrt{4}", over) == RIGHT
    assert pool.verdict("3", "\\sqrt{9}", over) == OUT_OF_BUDGET
    assert pool.ask_all([("2", "\\sqrt{4}"), ("3", "\\sqrt{9}")], over) == {
        ("2", "\\sqrt{4}"): RIGHT,
        ("3", "\\sqrt{9}"): OUT_OF_BUDGET,
    }
    assert pool.verdict("3", "\\sqrt{9}") == RIGHT


def test_when_burners_have_used_up_the_budget_ordinary_pairs_are_still_judged(pool: MathPool) -> None:
    slow = "(x+1)^{1000}(y+1)^{1000}"
    pool.budget = 2 * math_pool.DEBT
    assert pool.verdict("41", slow) == OUT_OF_BUDGET
    assert pool.processes[0].pid is None, "it was asked"
    assert pool.verdict("2", "\\sqrt{4}") == RIGHT
    assert pool.verdict("12", "\\log_2(2^{12})") == RIGHT
    pool.budget = math_pool.BUDGET
    assert pool.verdict("41", slow) == OUT_OF_TIME, "it was never asked, and must be"


BURNERS = [f"e+{100500000 + number}!" for number in range(5)] + [
    f"(x+{number})^{{1000}}(y+1)^{{900}}" for number in range(5)
]


@pytest.mark.parametrize("together", [False, True])
def test_ten_answers_that_never_end_cost_little_and_hold_up_no_other(pool: MathPool, together: bool) -> None:
    assert pool.verdict("2", "\\sqrt{4}") == RIGHT  # started
    spent = _cpu_seconds(pool)
    if together:
        pairs = [("41", burner) for burner in BURNERS] + [("5", f"\\log_2(2^{number})") for number in range(5)]
        pool.ask_all(pairs, time.monotonic() + 600)
    else:
        for burner in BURNERS:
            assert pool.verdict("41", burner) in (OUT_OF_TIME, OUT_OF_BUDGET)
    assert _cpu_seconds(pool) - spent < 4.0  # 1.6 to 1.8 as measured; without bounds 7 and more
    assert pool.verdict("5", "\\log_2(32)") == RIGHT


def test_of_any_number_of_burners_that_wait_together_few_are_asked(
    pool: MathPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pool.verdict("2", "\\sqrt{4}") == RIGHT
    asked: list[str] = []
    ask = pool.processes[0].ask
    monkeypatch.setattr(
        pool.processes[0], "ask", lambda gold, answer, seconds: (asked.append(answer), ask(gold, answer, seconds))[1]
    )
    threads = [threading.Thread(target=pool.verdict, args=("41", f"(x+{n})^{{1000}}(y+1)^{{900}}")) for n in range(60)]
    for thread in threads:
        thread.start()
    assert pool.verdict("10", "\\log_2(1024)") == RIGHT
    for thread in threads:
        thread.join()
    assert len(asked) < 30  # 12 of 61 but for what is refilled meanwhile


def test_an_expression_that_hangs_holds_up_no_other_call() -> None:
    assert math_pool.PROCESSES >= 2
    pool = MathPool()
    try:
        pairs = [(str(number), f"\\log_2({2**number})") for number in range(1, 40)]
        pool.ask_all(pairs, time.monotonic() + 60)  # several processes are started
        frozen = pool._idle.queue[-1]  # the one that is asked next
        assert frozen.pid is not None
        os.killpg(frozen.pid, signal.SIGSTOP)
        hanging = threading.Thread(target=pool.verdict, args=("41", "\\log_3(9)"))
        hanging.start()
        others = [threading.Thread(target=pool.verdict, args=("3", f"\\log_2({number})")) for number in range(9, 30)]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join()
        assert hanging.is_alive(), "it was not the frozen process that was asked"
        os.killpg(frozen.pid, signal.SIGCONT)
        hanging.join()
    finally:
        pool.close()


def _cpu_seconds(pool: MathPool) -> float:
    """Of the process and those it has forked, the ended ones among them."""
    pid = pool.processes[0].pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    stats = [
        Path(f"/proc/{one}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for one in (pid, *children)
    ]
    return sum(int(ticks) for stat in stats for ticks in stat[11:15]) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV])
def test_what_was_not_reached_is_asked_again_and_never_remembered(
    pool: MathPool, signum: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infimed_plugins.rewards.math_pool.WAIT_SECONDS", 0.0)
    assert pool.verdict("2", "\\sqrt{4}") == RIGHT
    process = pool.processes[0]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    os.kill(int(children.read_text(encoding="ascii")), signum)  # the process that judges
    assert pool.verdict("10", "\\log_2(1024)") == RIGHT
    os.kill(process.pid or 0, signum)
    said = pool.verdict("11", "\\log_2(2048)")
    assert said in (RIGHT, NOT_REACHED)
    assert pool.verdict("11", "\\log_2(2048)") == RIGHT


def test_a_reply_to_another_question_is_nobodys(pool: MathPool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pool.verdict("2", "\\sqrt{4}") == RIGHT
    connection = pool.processes[0]._connection
    assert connection is not None
    connection.send_bytes(b'[99, "2", "3", 0.5]')  # as a process that was forked in between might
    assert pool.verdict("3", "\\sqrt{9}") == RIGHT
    assert pool.verdict("3", "\\sqrt{10}") == WRONG


def test_a_batch_asks_for_all_its_pairs_at_once_and_for_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    class Noting(MathPool):
        def ask_all(self, pairs: Iterable[tuple[str, str]], deadline: float) -> dict[tuple[str, str], str]:
            asked.extend(pairs)
            return super().ask_all(pairs, deadline)

    noting = Noting(processes=2)
    monkeypatch.setattr("infimed_plugins.rewards.math_equivalence.MATH", noting)
    answers = [f"\\log_{{2}}({2**power})" for power in range(1, 21)]
    rows = [
        {
            "response": f"<think>t</think><answer>{answer}</answer>",
            "ground_truth": json.dumps({"task": "math", "answer": truth}),
        }
        for answer in answers
        for truth in ("3", "7")
        for _ in range(3)
    ]
    try:
        scores = compute_score(rows)
        assert [score["accuracy"] for score in scores] == [
            float(truth == power) for power in range(1, 21) for truth in (3, 7) for _ in range(3)
        ]
        assert len(asked) == len(set(asked)) == 40
        assert all(process.pid for process in noting.processes), "forty pairs are worth two processes"
    finally:
        noting.close()


def test_threads_share_it() -> None:
    verdicts: dict[int, float] = {}

    def ask(number: int) -> None:
        verdicts[number] = judge(f"\\log_2({2**number})", str(number)).value

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(31, 39)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == dict.fromkeys(range(31, 39), 1.0)


def test_an_event_loop_may_call_it() -> None:
    async def ask() -> float:
        return judge("\\log_2(16)", "4").value

    assert asyncio.run(ask()) == 1.0


def test_the_callers_timer_and_handler_stay() -> None:
    def handler(signum: int, frame: object) -> None:
        raise AssertionError("the timer was not meant to fire")

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 500)
    try:
        assert judge("\\log_2(32)", "5").value == 1.0
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 300
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


FORK = r"""
import os, sys
from infimed_plugins.rewards.math_pool import MATH
assert MATH.verdict("2", r"\sqrt{4}") == "right"
ours = MATH.processes[0].pid
child = os.fork()
if child == 0:
    fine = MATH.verdict("3", r"\sqrt{9}") == "right" and MATH.processes[0].pid != ours
    MATH.close()
    os._exit(0 if fine else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert MATH.verdict("4", r"\sqrt{16}") == "right" and MATH.processes[0].pid == ours
print("fine")
"""
FORK_AMID = r"""
import os, threading, time
from infimed_plugins.rewards.math_pool import MATH
going, wrong = True, []
def ask(number):
    while going:
        number += 8
        if MATH.verdict(str(number % 50 + 5), rf"\log_2({2 ** (number % 50 + 5)}) + {number} - {number}") != "right":
            wrong.append(number)
threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
[thread.start() for thread in threads]
codes = []
for number in range(12):
    time.sleep(0.03)
    child = os.fork()
    if child == 0:
        said = [MATH.verdict(str(number + 5), rf"\log_2({2 ** (number + 5 + more)})") for more in (0, 1)]
        MATH.close()
        os._exit(said != ["right", "wrong"])
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
going = False
[thread.join() for thread in threads]
assert not wrong and not any(codes), (wrong, codes)
print("fine")
"""
DAEMON = r"""
import multiprocessing
from infimed_plugins.rewards.math_pool import MATH
def ask(queue):
    queue.put(MATH.verdict("2", r"\sqrt{4}"))
if __name__ == "__main__":
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=ask, args=(queue,), daemon=True)
    process.start()
    assert queue.get(timeout=120) == "right"
    process.join()
    print("fine")
"""


@pytest.mark.parametrize("code", [FORK, FORK_AMID, DAEMON], ids=["fork", "fork-amid", "daemon"])
def test_forks_and_daemonic_processes_may_use_it(code: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "fine", done.stderr


BUSY = r"""
import sys, threading, time
from infimed_plugins.rewards.math_pool import MATH
assert MATH.verdict("2", r"\sqrt{4}") == "right"
print(MATH.processes[0].pid, flush=True)
threading.Thread(target=MATH.verdict, args=("41", "100000000!"), daemon=True).start()
time.sleep(0.5)
if sys.argv[1] == "wait":
    time.sleep(600)
"""


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_no_process_is_left_behind_even_in_the_middle_of_a_burner(end: str) -> None:
    argument = "wait" if end == "kill" else "go"
    with subprocess.Popen([sys.executable, "-c", BUSY, argument], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        pid = int(caller.stdout.readline())
        if end == "kill":
            time.sleep(1)
            caller.kill()
        caller.wait(timeout=60)
    deadline = time.monotonic() + 60
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_without_math_verify_the_install_command_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    bare = MathPool()
    with pytest.raises(MissingExtraError, match=r"needs 'math_verify'.*pip install 'infimed-plugins\[rewards\]'"):
        bare.verdict("2", "\\sqrt{4}")
