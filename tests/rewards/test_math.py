"""Math answers: what is equal, what only looks equal, and that nothing takes the process along."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infimed_plugins.errors import MissingExtraError
from infimed_plugins.records import GroundTruth, Json, Verdict
from infimed_plugins.rewards import judge_answer, math_process
from infimed_plugins.rewards.math_process import OUT_OF_BUDGET, OUT_OF_TIME, RIGHT, WRONG, MathProcess

# (answer, truth)
EQUAL: list[tuple[str, Json]] = [
    ("12", "12"),
    ("12.0", "12"),
    ("1,234", "1234"),
    ("1{,}234", "1234"),
    ("\\frac{1}{2}", "0.5"),
    ("1/2", "0.5"),
    ("0.50", "\\frac{1}{2}"),
    ("2\\sqrt{2}", "\\sqrt{8}"),
    ("\\dfrac{3}{4}", "\\frac{3}{4}"),
    ("6/8", "\\frac{3}{4}"),
    ("-5", "-5"),
    ("x=5", "5"),
    ("x = 5", "5"),
    ("(x+1)^2", "x^2+2x+1"),
    ("\\{2,1\\}", "\\{1,2\\}"),
    ("50\\%", "50\\%"),
    ("$7$", "7"),
    ("1.5\\times10^{3}", "1500"),
    ("2^{10}", "1024"),
    ("\\frac{7}{2}", "3.5"),
    ("8", "8.0"),
    ("12 mg", "12"),
    ("12", "12 mg"),
    ("3.5\\text{ mL}", "3.5 mL"),
    ("0.5", "50\\%"),
    ("50", "50\\%"),
    ("50\\%", "0.5"),
    ("1e3", "1000"),
    ("45^\\circ", "45"),
    ("45°", "45"),
    ("x^2+2x+1", "(x+1)^2"),
    ("Area = 12", "12"),
    ("x = 24/2 = 12", "12"),
    ("2+10=12", "12"),
    ("f(2)=12", "12"),
    ("\\text{Area} = 12\\text{ cm}^2", "12"),
    ("x_1 = 12", "12"),
    ("The answer is 12.", "12"),
    ("Answer: 12", "12"),
    ("\\sqrt{144}", "12"),
    ("3\\times4", "12"),
    ("3 * 4", "12"),
    ("12 cm", "12"),
    ("12", "12 cm"),
    ("\\left(12\\right)", "12"),
    ("(12)", "12"),
    ("+12", "12"),
    ("012", "12"),
    ("2\\pi", "2\\pi"),
    ("6.283185307", "2\\pi"),
    ("\\ln(e^2)", "2"),
    ("x+2", "2+x"),
    ("2x+3y", "3y+2x"),
    ("0.3333333", "1/3"),
    ("1,2", "2,1"),
    ("1 or 2", "1, 2"),
    ("2 and 1", "1,2"),
    ("(1,2)", "(1,2)"),
    ("[1,2]", "[1,2]"),
    ("x>3", "x>3"),
    ("3<x", "x>3"),
    ("\\frac{x}{2}", "0.5x"),
    ("\\log_2 8", "3"),
    ("10^{-3}", "0.001"),
    ("5!", "120"),
    ("\\binom{5}{2}", "10"),
    ("\\infty", "\\infty"),
    ("2\\sqrt{2} cm", "2\\sqrt{2}"),
    ("３", "3"),
    ("−5", "-5"),
    ("2½", "2.5"),
    ("3 lesions", "3 lesions"),
    ("3", "3 lesions"),
    ("3 Lesions.", "3 lesions"),
    ("0.5", 0.5),
    ("1", "1.0"),
    ("120/80", "1.5"),
]
NOT_EQUAL: list[tuple[str, Json]] = [
    ("2", "2\\pi"),
    ("2", "2 pi"),
    ("2", "2 x"),
    ("2", "2x"),
    ("2", "2\\sqrt{2}"),
    ("\\int_0^1 x dx", "0.6"),
    ("12_{13} 4", "12"),
    ("x_1 = 12, x_2 = 13", "12"),
    ("13", "12"),
    ("5", "-5"),
    ("(2,1)", "(1,2)"),
    ("0.49", "0.5"),
    ("12, 13", "12"),
    ("12 or 13", "12"),
    ("pneumonia", "12"),
    ("\\frac{2}{1}", "\\frac{1}{2}"),
    ("3x-2", "3x+2"),
    ("121", "12"),
    ("1 2", "12"),
    ("13 or 12", "12"),
    ("12 and 13", "12"),
    ("12/13", "13"),
    ("12 \\vee 13", "13"),
    ("12 \\lor 13", "13"),
    ("12 \\mid 13", "13"),
    ("12|13", "12"),
    ("12;13", "12"),
    ("12 & 13", "13"),
    ("12 \\& 13", "13"),
    ("12 and/or 13", "13"),
    ("12_{13}", "12"),
    ("12_13", "12"),
    ("12 13", "25"),
    ("13 12", "25"),
    ("12 (13)", "25"),
    ("12\\quad 13", "25"),
    ("12\\\\13", "13"),
    ("12 \\to 13", "13"),
    ("12 \\approx 13", "12"),
    ("12 \\neq 13", "12"),
    ("\\neq 12", "12"),
    ("\\le 12", "12"),
    ("<12", "12"),
    ("\\approx 12", "12"),
    ("x<12", "12"),
    ("12 = 13", "13"),
    ("13=12", "12"),
    ("x=13=12", "12"),
    ("x=12=13", "13"),
    ("x = 12 or x = 13", "13"),
    ("x = 12 and x = 13", "13"),
    ("x=12, x=13", "12"),
    ("12 or x = 13", "13"),
    ("12 to 13", "12"),
    ("12-13", "12"),
    ("12~13", "12"),
    ("12 \\pm 1", "12"),
    ("\\pm 12", "12"),
    ("35\\text{ mm}", "3.5 cm"),
    ("35 mm", "35 cm"),
    ("0.33", "\\frac{1}{3}"),
    ("three", "3"),
    ("1<x<2", "(1,2)"),
    ("not 12", "12"),
    ("about 12", "12"),
    ("12?", "12"),
    ("12:13", "12"),
    ("12 vs 13", "12"),
    ("12 oder 13", "12"),
    ("12或13", "12"),
    ("12、13", "12"),
    ("12，13", "12"),
    ("12 \\text{ or } 13", "12"),
    ("\\{12,13\\}", "12"),
    ("\\{12\\} \\cup \\{13\\}", "12"),
    ("either 12 or 13", "12"),
    ("12 (or 13)", "12"),
    ("12} or \\boxed{13", "13"),
    ("12}{13", "12"),
    ("", 12),
    ("?", "12"),
    ("12 x", "12"),
    ("12 million", "12"),
    ("0.5\\%", "0.5"),
    ("5\\%", "0.5"),
    ("500\\%", "5.1"),
    ("1e999", "12"),
    ("nan", "12"),
    ("inf", "12"),
    ("oo", "12"),
    ("12i", "12"),
    ("\\text{12 or 13}", "12"),
    ("$12$ or $13$", "12"),
    ("\\(12\\) or \\(13\\)", "13"),
    ("12 \\ldots 13", "25"),
    ("12...13", "12"),
    ("\\begin{cases}12\\\\13\\end{cases}", "12"),
    ("1,2,3", "1,2"),
    ("(1,2)", "[1,2]"),
    ("x>3", "x<3"),
    ("12;12", "13"),
    ("12, 12", "13"),
    ("lesion 12", "12"),
    ("x \\in \\{12, 13\\}", "12"),
    ("12 → 13", "13"),
    ("12 ± 1", "12"),
    ("12 ≈ 12", "12"),
    ("max(12,13)", "12"),
    ("41, 42, 43", "42"),
    ("3x = 12", "12"),
    ("x + 1 = 12", "12"),
    ("x^2=12", "12"),
]
BURNERS = [
    "100000000!",
    "((9!)!)!",
    "9^{9^{9^{9}}}",
    "9**9**9**9",
    "10^{10^{10}}",
    "\\binom{10^6}{500000}",
    "(x+1)^{1000}(y+1)^{1000}",
    "x+" * 200 + "1",
    "(" * 3000 + "1" + ")" * 3000,
    "1" * 100_000,
    "12 " * 30_000,
    "\\sqrt{" * 400 + "2" + "}" * 400,
    "\\frac{1}{" * 19 + "2" + "}" * 19,
]


def judge(answer: str, truth: Json) -> Verdict:
    return judge_answer(answer, GroundTruth("math", truth))


@pytest.mark.parametrize(("answer", "truth"), EQUAL)
def test_equal_answers_are_right(answer: str, truth: Json) -> None:
    assert judge(answer, truth).value == 1.0


@pytest.mark.parametrize(("answer", "truth"), NOT_EQUAL)
def test_other_answers_and_hedges_are_wrong(answer: str, truth: Json) -> None:
    assert judge(answer, truth).value == 0.0


@pytest.mark.parametrize("answer", BURNERS, ids=lambda answer: answer[:20])
def test_a_burner_is_wrong_and_does_not_hang(answer: str) -> None:
    started = time.monotonic()
    assert judge(answer, "41").value == 0.0
    assert time.monotonic() - started < 60  # a hang guard: 2 s for the pair, at most 6 to the kill


def test_a_burner_equal_to_the_truth_as_text_is_right() -> None:
    assert judge("9^{9^{9^{9}}}", "9^{9^{9^{9}}}").value == 1.0


@pytest.fixture
def process() -> Iterator[MathProcess]:
    made = MathProcess(seconds=1.0)
    yield made
    made.close()


def test_an_answer_that_ran_out_of_time_is_not_tried_again_against_any_truth(process: MathProcess) -> None:
    assert process.verdict("41", "9^{9^{9^{9}}}") == OUT_OF_TIME
    process.close()
    assert process.verdict("42", "9^{9^{9^{9}}}") == OUT_OF_TIME
    assert process._process is None, "it was asked again"


def test_memory_is_bounded_and_the_next_pair_is_judged() -> None:
    small = MathProcess(seconds=20.0, memory_mb=400)
    try:
        assert small.verdict("41", "2^{9^{10}}") != RIGHT  # a number of 436 MB
        assert small.verdict("2", "\\sqrt{4}") == RIGHT
        assert small._process is not None
        status = Path(f"/proc/{small._process.pid}/status").read_text(encoding="ascii")
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmPeak"))
        assert peak <= 400 * 1024
    finally:
        small.close()


def test_a_killed_process_is_replaced(process: MathProcess) -> None:
    assert process.verdict("2", "\\sqrt{4}") == RIGHT
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    assert process.verdict("3", "\\sqrt{9}") == RIGHT
    assert process.verdict("3", "\\sqrt{10}") == WRONG


def test_after_the_budget_only_known_verdicts_are_given(process: MathProcess) -> None:
    assert process.verdict("2", "\\sqrt{4}") == RIGHT
    with math_process.budget(0.0):
        time.sleep(0.01)
        assert process.verdict("2", "\\sqrt{4}") == RIGHT
        assert process.verdict("3", "\\sqrt{9}") == OUT_OF_BUDGET
    assert process.verdict("3", "\\sqrt{9}") == RIGHT


def test_threads_share_it() -> None:
    verdicts: dict[int, float] = {}

    def ask(number: int) -> None:
        verdicts[number] = judge(f"\\sqrt{{{number * number}}}", str(number)).value

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(31, 39)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == dict.fromkeys(range(31, 39), 1.0)


def test_an_event_loop_may_call_it() -> None:
    async def ask() -> float:
        return judge("\\sqrt{1681}", "41").value

    assert asyncio.run(ask()) == 1.0


def test_the_callers_timer_and_handler_stay() -> None:
    def handler(signum: int, frame: object) -> None:
        raise AssertionError("the timer was not meant to fire")

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 500)
    try:
        assert judge("\\sqrt{1764}", "42").value == 1.0
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 300
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


FORK = r"""
import os, sys
from infimed_plugins.rewards.math_process import MATH
assert MATH.verdict("2", r"\sqrt{4}") == "right"
ours = MATH._process.pid
child = os.fork()
if child == 0:
    fine = MATH.verdict("3", r"\sqrt{9}") == "right" and MATH._process.pid != ours
    MATH.close()
    os._exit(0 if fine else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert MATH.verdict("4", r"\sqrt{16}") == "right" and MATH._process.pid == ours
print("fine")
"""
DAEMON = r"""
import multiprocessing
from infimed_plugins.rewards.math_process import MATH
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


@pytest.mark.parametrize("code", [FORK, DAEMON], ids=["fork", "daemon"])
def test_forks_and_daemonic_processes_may_use_it(code: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "fine", done.stderr


BUSY = r"""
import sys, threading, time
from infimed_plugins.rewards.math_process import MATH
assert MATH.verdict("2", r"\sqrt{4}") == "right"
print(MATH._process.pid, flush=True)
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
    bare = MathProcess()
    with pytest.raises(MissingExtraError, match=r"needs 'math_verify'.*pip install 'infimed-plugins\[rewards\]'"):
        bare.verdict("2", "\\sqrt{4}")
