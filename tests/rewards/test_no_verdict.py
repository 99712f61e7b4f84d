"""What judges may be out: that is no verdict, counted and said, and never a wrong answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from infimed_plugins.errors import NoVerdictError
from infimed_plugins.records import Code, GroundTruth, Sample, Verdict
from infimed_plugins.rewards import compute_score, judge_answer, math_pool, scorer
from infimed_plugins.rewards.math_pool import NOT_REACHED, RIGHT, MathPool, MathProcessError
from infimed_plugins.scoring import robust
from infimed_plugins.trainers import openrlhf, single_calls, verl
from infimed_plugins.trainers.trl import infimed_reward

TRUTH = '{"task": "math", "answer": "5"}'
CHOICE = '{"task": "multiple_choice", "answer": "B"}'


def reply(answer: str) -> str:
    return f"<think> t </think><answer>{answer}</answer>"


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[MathPool]:
    """A pool of one process in the place of the shared one, which has worked."""
    made = MathPool(processes=1)
    monkeypatch.setattr("infimed_plugins.rewards.math_equivalence.MATH", made)
    monkeypatch.setitem(scorer._lost, "next", 0.0)
    assert made.verdict("2", "\\sqrt{4}") == RIGHT
    yield made
    made.close()


@contextlib.contextmanager
def killed(pool: MathPool) -> Iterator[None]:
    """Kill the pool's process, with the one that judges, and each that is started in its place."""
    going = True

    def kill() -> None:
        if pid := pool.processes[0].pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def go_on() -> None:
        while going:
            kill()
            time.sleep(0.005)

    kill()
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        going = False
        thread.join()


def test_a_pool_that_is_killed_gives_no_verdict_and_other_rows_theirs(
    pool: MathPool, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {"response": reply(answer), "ground_truth": truth}
        for answer, truth in [("\\log_2(32)", TRUTH), ("\\sqrt{4}", '{"task": "math", "answer": "2"}'), ("B", CHOICE)]
    ]
    with killed(pool), caplog.at_level(logging.ERROR, "infimed_plugins"):
        first, known, choice = compute_score(rows)
    assert (first["no_verdict"], first["accuracy"], first["overall"], first["timed_out"]) == (1.0, 0.0, 0.1, 0.0)
    assert [(row["no_verdict"], row["overall"]) for row in (known, choice)] == [(0.0, 1.0), (0.0, 1.0)]
    assert "no verdict on 1 of 3 replies" in caplog.text
    assert "not reached" in caplog.text


def test_a_pool_that_is_down_is_not_asked_again_at_once_and_recovers(
    pool: MathPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed(pool):
        assert pool.verdict("5", "\\log_2(32)") == NOT_REACHED
    assert pool.verdict("5", "\\log_2(32)") == NOT_REACHED
    assert pool.processes[0].pid is None, "it was started again before its time"
    monkeypatch.setattr(pool, "_down_until", 0.0)
    assert pool.verdict("5", "\\log_2(32)") == RIGHT


def test_while_one_process_does_not_start_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    two = MathPool(processes=2)
    try:
        two.ask_all([(str(number), f"\\log_2({2**number})") for number in range(1, 40)], time.monotonic() + 60)
        first, second = (process.pid for process in two.processes)
        assert first
        assert second
        os.killpg(second, signal.SIGKILL)
        monkeypatch.setattr(sys, "executable", "/bin/false")
        asked = [two.verdict("3", f"\\log_3({number})") for number in range(20, 30)]
        assert asked.count(RIGHT) == 1
        assert NOT_REACHED not in asked
        assert [process.pid for process in two.processes] == [first, None]
    finally:
        two.close()


def test_a_process_that_has_never_started_ends_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    never = MathPool(processes=1)
    for executable in ("/bin/false", "/no/such/python"):
        monkeypatch.setattr(sys, "executable", executable)
        with pytest.raises(MathProcessError, match="does not start"):
            never.verdict("2", "\\sqrt{4}")


def test_every_adapter_says_that_there_is_no_verdict(pool: MathPool) -> None:
    pytest.importorskip("torch")
    text = reply("\\log_2(32)")
    sample: Any = SimpleNamespace(response=text, label=TRUTH, remove_sample=False)
    logged: dict[str, float] = {}
    with killed(pool):
        assert infimed_reward([text, reply("5")], answer=[TRUTH] * 2, log_metric=logged.__setitem__) == [None, 1.0]
        assert verl.compute_score("", text, TRUTH)["no_verdict"] == 1.0
        assert openrlhf.reward_func([text], [""], [TRUTH])["extra_logs"]["no_verdict"].tolist() == [1.0]
        assert asyncio.run(single_calls.slime(Namespace(reward_key="overall"), sample))["no_verdict"] == 1.0
        with pytest.raises(NoVerdictError):
            single_calls.areal("", text, ground_truth=TRUTH)
    assert logged["infimed/no_verdict"] == 0.5
    assert sample.remove_sample


def test_a_plugins_reward_may_say_so_by_an_error_or_by_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(answer: str, truth: GroundTruth) -> Verdict:
        if answer == "raise":
            raise NoVerdictError("the judge's server is out")
        return Verdict(0.5, answer, "the judge's server is out", code=Code.UNSCORED)

    monkeypatch.setattr(scorer, "find_reward", lambda name: judge)
    for answer, otherwise in (("raise", 0.0), ("return", 0.5)):
        (row,) = compute_score([{"response": reply(answer), "ground_truth": CHOICE}], reward="mine")
        assert (row["overall"], row["accuracy"]) == (0.1 + 0.9 * otherwise, otherwise)
        assert (row["no_verdict"], row["bad_row"]) == (1.0, 0.0)
        verdict = judge_answer(answer, GroundTruth("text", "x"), "mine")
        assert (verdict.code, verdict.reason) == (Code.UNSCORED, "the judge's server is out")
    scorer._scorer.cache_clear()


def test_an_outage_is_said_at_once_then_once_a_minute_with_the_number(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scorer, "_lost", {"rows": 0, "next": 0.0})
    with caplog.at_level(logging.ERROR, "infimed_plugins"):
        for _ in range(5):
            scorer._warn_of_lost(["out"], 1)
        scorer._lost["next"] = 0.0
        scorer._warn_of_lost(["out", "out"], 2)
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        "no verdict on 1 of 1 replies (1 since the last such line)",
        "no verdict on 2 of 2 replies (6 since the last such line)",
    ]


def test_in_an_evaluation_it_is_unscored(pool: MathPool) -> None:
    sample = Sample("1", "mine", "test", "How many?", "math", "5")
    with killed(pool):
        score = robust.score("The answer is \\boxed{\\log_2(32)}.", sample)
    assert (score.accuracy, score.code) == (None, Code.UNSCORED)
    assert math_pool.NOT_REACHED in score.reason
