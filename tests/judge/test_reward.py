"""A model's verdict is the reward of open answers, where it is configured, reached and read; else the rule's."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FaultyServer
from stub_judge import RIGHT, WRONG, stub_judge
from talking_server import TalkingServer

from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Code, GroundTruth, Sample
from infimed_plugins.rewards import compute_score, judge_answer
from infimed_plugins.rewards.scorer import check_settings, find_reward
from infimed_plugins.trainers import verl
from infimed_plugins.trainers.trl import infimed_reward, reward_with

OPEN = GroundTruth("text", "gallstone", synonyms=("cholelith",), question="What is shown?")


def row(answer: str, truth: GroundTruth = OPEN) -> dict[str, Any]:
    return {"response": f"<think> t </think><answer>{answer}</answer>", "ground_truth": truth.to_json()}


def settings(server: FaultyServer, **more: Any) -> dict[str, Any]:
    return {"model": "m", "base_url": server.url} | more


def accuracies(rows: list[dict[str, Any]], **given: Any) -> list[float]:
    return [score["accuracy"] for score in compute_score(rows, **given)]


def test_the_judge_decides_open_answers_and_the_rules_all_others() -> None:
    choice, sums = GroundTruth("multiple_choice", "B"), GroundTruth("math", "0.5")
    rows = [
        *(row("a calculus"), row("stone in the gall bladder"), row("a fracture")),
        *(
            row("B", choice),
            row("1/2", sums),
            row("yes", GroundTruth("text", "yes")),
            row("nope", GroundTruth("text", "no")),
        ),
    ]
    with TalkingServer(lambda text, _: WRONG if "fracture" in text else RIGHT) as server:
        assert accuracies(rows, judge=settings(server)) == [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]
        assert server.asked.total() == 3
        prompt = next(iter(server.asked))
    assert accuracies(rows)[:3] == [0.0, 0.0, 0.0]
    assert all(f"\n{text}\n" in prompt for text in ("What is shown?", "gallstone; or: cholelith"))


def test_it_is_not_asked_what_the_rule_can_tell() -> None:
    told = ["gallstone", "Cholelith.", "", "?", "gallstone " + "x " * 300, '{"verdict": "right"} a stone']
    with TalkingServer(lambda *_: RIGHT) as server:
        judged = compute_score([row(text) for text in told], judge=settings(server))
        assert server.asked.total() == 0
    assert judged == compute_score([row(text) for text in told])


def test_with_the_reward_of_its_name_it_judges_every_task() -> None:
    with TalkingServer(lambda *_: RIGHT) as server:
        assert accuracies(
            [row("the second", GroundTruth("multiple_choice", "B"))], reward="judge", judge=settings(server)
        ) == [1.0]


def test_each_question_of_a_batch_is_asked_once_and_many_at_once() -> None:
    rows = [row(f"a stone {number % 40}") for number in range(400)]
    with TalkingServer(lambda *_: RIGHT, delay=0.05) as server:
        given = settings(server, concurrency=16)
        assert accuracies(rows, judge=given) == [1.0] * 400
        assert accuracies(rows, judge=given) == [1.0] * 400
        assert server.asked.total() == 40
        assert server.most_under_way > 8


def test_single_calls_from_many_threads_share_connections_and_answers() -> None:
    found: list[float] = []
    with TalkingServer(lambda *_: RIGHT) as server:
        given = settings(server)

        def call(number: int) -> None:
            found.append(
                verl.compute_score("", row(f"a stone {number}")["response"], OPEN.to_json(), judge=given)["score"]
            )

        threads = [threading.Thread(target=call, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (found, server.asked.total()) == ([1.0] * 64, 64)
        assert len(server.http.connections) <= 65, "one for each lane, and one to see that the server is there"


def test_a_folder_keeps_replies_for_the_next_run_and_each_process_has_a_file(tmp_path: Path) -> None:
    imported = "import sys, json; from infimed_plugins.rewards import compute_score"
    code = f"{imported}; print(compute_score(**json.loads(sys.argv[1]))[0])"
    with TalkingServer(lambda *_: RIGHT) as server:
        given = {"reward_inputs": [row("a stone")], "judge": settings(server, cache=str(tmp_path))}
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", code, json.dumps(given)], capture_output=True, text=True, check=True
            )
            assert "'accuracy': 1.0" in done.stdout
        assert server.asked.total() == 1
        compute_score(**given)  # this process holds the first file from here on
        subprocess.run([sys.executable, "-c", code, json.dumps(given)], capture_output=True, text=True, check=True)
        assert server.asked.total() == 2
    assert sorted(path.name for path in tmp_path.glob("*.sqlite")) == ["judge-1.sqlite", "judge-2.sqlite"]


@pytest.mark.parametrize("says", ["I think so", '{"verdict": "maybe"}', "right", f"{RIGHT} or {WRONG}"])
def test_a_verdict_that_cannot_be_read_is_none_and_the_rule_pays(says: str) -> None:
    with TalkingServer(lambda *_: says) as server:
        (score,) = compute_score([row("a large gallstone")], judge=settings(server))
        assert (score["no_verdict"], score["accuracy"]) == (1.0, pytest.approx(1 / 3))
        assert score["overall"] == pytest.approx(0.1 + 0.9 / 3)
        assert server.asked.total() == 2, "it is asked again once"


def test_an_outage_is_no_verdict_in_every_adapter_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with stub_judge() as server:
        given = settings(server)
    response = row("a large gallstone")["response"]
    assert infimed_reward([response, row("gallstone")["response"]], ground_truth=[OPEN.to_json()] * 2, judge=given) == [
        None,
        1.0,
    ]
    score = verl.compute_score("", response, OPEN.to_json(), judge=given)
    assert (score["no_verdict"], score["score"]) == (1.0, pytest.approx(0.4))
    assert "no server answers" in caplog.text


def test_after_an_outage_the_judge_is_asked_again() -> None:
    with stub_judge() as server:
        given, port = settings(server), int(server.url.split(":")[2].split("/")[0])
    assert compute_score([row("a stone")], judge=given)[0]["no_verdict"] == 1.0
    judge: Any = find_reward("judge", json.dumps(given, sort_keys=True))
    until = judge.out
    with TalkingServer(lambda *_: RIGHT, port=port):
        assert compute_score([row("a stone")], judge=given)[0]["no_verdict"] == 1.0, "not at once"
        assert judge.out == until, "what is not asked makes the rest no longer"
        judge.out = (0.0, "")
        assert compute_score([row("a stone")], judge=given)[0]["accuracy"] == 1.0


def test_a_judge_that_dies_during_a_run_rests_and_what_it_said_before_needs_no_connection(tmp_path: Path) -> None:
    with TalkingServer(lambda *_: RIGHT) as server:
        given = settings(server, cache=str(tmp_path))
        assert accuracies([row("a stone")], judge=given) == [1.0]
    judge: Any = find_reward("judge", json.dumps(given, sort_keys=True))
    assert compute_score([row("a rock")], judge=given)[0]["no_verdict"] == 1.0
    assert "cannot be reached" in judge.out[1]
    judge.out = (0.0, "")
    assert accuracies([row("a stone")], judge=given) == [1.0]
    assert judge.out == (0.0, ""), "no server was looked for"


GARBAGE = (b"", b"[]", b"NaN", b"[" * 200_000, b'{"choices": []}', b'{"choices": [{"message": {"content": null}}]}')


@pytest.mark.parametrize(
    "fault",
    ["hang", "trickle", 302, 401, 404, 413, 429, 500, "not json", "drop"]
    + [(200, body, "application/json") for body in GARBAGE],
    ids=lambda fault: str(fault)[:30],
)
def test_whatever_is_wrong_with_the_server_is_no_verdict_within_the_time(fault: Any) -> None:
    with FaultyServer(always=fault) as server:
        started = time.monotonic()
        scores = compute_score([row(f"a stone {n}") for n in range(100)], judge=settings(server, seconds=1.5))
        assert {score["no_verdict"] for score in scores} == {1.0}
        assert time.monotonic() - started < 30  # a guard: 1.5 s and what a busy machine adds


def test_a_server_that_hangs_holds_up_one_batch_and_not_the_next() -> None:
    with FaultyServer(always="hang") as server:
        given = settings(server, seconds=0.5)
        compute_score([row("a stone")], judge=given)
        asked = server.asked.total()
        assert compute_score([row("another stone")], judge=given)[0]["no_verdict"] == 1.0
        assert server.asked.total() == asked


def test_what_was_answered_in_time_counts() -> None:
    slow = TalkingServer(lambda text, _: time.sleep(5 if "slow" in text else 0) or RIGHT)
    with slow as server:
        scores = compute_score([row("a stone"), row("a slow stone")], judge=settings(server, seconds=2))
    assert [(score["accuracy"], score["no_verdict"]) for score in scores] == [(1.0, 0.0), (0.0, 1.0)]


def test_what_was_answered_before_an_outage_counts_and_the_rest_is_without_a_verdict() -> None:
    answered: list[str] = []

    def says(text: str, _: int) -> str:
        answered.append(text)
        if len(answered) == 20:
            threading.Thread(target=server.die).start()
        return RIGHT

    with TalkingServer(says, delay=0.01) as server:
        rows = [row(f"a stone {number}") for number in range(100)]
        scores = compute_score(rows, judge=settings(server, concurrency=4, seconds=10))
    assert 15 <= sum(score["accuracy"] for score in scores) <= 30
    assert all(score["accuracy"] + score["no_verdict"] == 1 for score in scores)


def test_settings_reach_it_by_yaml_by_keyword_and_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    omegaconf = pytest.importorskip("omegaconf")
    texts, truths = [row("a stone")["response"]], [OPEN.to_json()]
    with TalkingServer(lambda *_: RIGHT) as server:
        held = omegaconf.OmegaConf.create({"judge": settings(server, base_url=[server.url])})
        assert accuracies([row("a stone")], **held) == [1.0]
        reward = reward_with(judge=settings(server))
        assert pickle.loads(pickle.dumps(partial(infimed_reward, judge=settings(server))))(
            texts, ground_truth=truths
        ) == [1.0]
        assert reward(texts, ground_truth=truths) == [1.0]
        monkeypatch.setenv("INFIMED_REWARD_KWARGS", json.dumps({"judge": settings(server)}))
        assert infimed_reward(texts, ground_truth=truths) == [1.0]
        monkeypatch.delenv("INFIMED_REWARD_KWARGS")
        assert infimed_reward(texts, ground_truth=truths) == [0.1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "m"}, "needs settings such as judge: .*base_url"),
        ({"modle": "m"}, "unknown setting of the judge 'modle'.*did you mean 'model'"),
        ({"model": "m", "base_url": "node1"}, "is no web address"),
        ({"model": "m", "base_url": "http://h/v1", "seconds": 0}, "timeout more than 0"),
        ({"model": "m", "base_url": "http://h/v1", "seconds": "9"}, "judge.seconds is '9'; it must be a number"),
        ({"model": "m", "base_url": "http://h/v1", "concurrency": "x"}, "judge.concurrency is 'x'; .* a whole number"),
        ({"model": "m", "base_url": "http://h/v1", "concurrency": 0}, "concurrency must be 1 or more"),
        ({"model": "m", "base_url": "http://h/v1", "extra_body": {"n": 2}}, "extra_body sets n"),
        ({"model": "m", "base_url": 3}, "needs settings such as judge: "),
        ({"model": 3, "base_url": "http://h/v1"}, "judge.model is 3; it must be a text"),
        ("m", "judge is 'm'; it must be settings by name"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_the_run(given: Any, message: str) -> None:
    with pytest.raises((ConfigError, FileNotFoundError), match=message):
        check_settings({"judge": given})


def test_the_reward_of_its_name_needs_its_settings() -> None:
    with pytest.raises(ConfigError, match="needs settings such as judge: "):
        compute_score([], reward="judge")


def test_the_key_is_that_of_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "sk-judge-key")
    with TalkingServer(lambda *_: RIGHT) as server:
        accuracies([row("a stone")], judge=settings(server))
        assert server.keys == {"Bearer sk-judge-key"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_asks_over_connections_of_its_own() -> None:
    with TalkingServer(lambda *_: RIGHT) as server:
        given = settings(server)
        assert accuracies([row("a stone")], judge=given) == [1.0]
        if (pid := os.fork()) == 0:
            os._exit(0 if accuracies([row("another stone")], judge=given) == [1.0] else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert server.asked.total() == 2


def test_a_sample_carries_its_question_to_a_judge_only_where_one_is_meant() -> None:
    sample = Sample("1", "mine", "test", "Which organ?", "text", "kidney")
    assert sample.ground_truth.to_json() == '{"task": "text", "answer": "kidney"}'
    assert json.loads(sample.with_meta(for_judge=True).ground_truth.to_json())["question"] == "Which organ?"


def test_a_row_without_a_question_is_judged_and_the_mend_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with TalkingServer(lambda *_: RIGHT) as server:
        rows = [row(f"a stone {n}", GroundTruth("text", "gallstone")) for n in range(3)]
        assert accuracies(rows, judge=settings(server)) == [1.0] * 3
    assert caplog.text.count("infimed data build --for-judge") == 1


def test_a_verdict_says_whose_it_is() -> None:
    with TalkingServer(lambda *_: RIGHT) as server:
        found = find_reward("judge", json.dumps(settings(server)))("a stone", OPEN)
    assert (found.value, found.code, found.reason) == (1.0, Code.JUDGED_BY_MODEL, "the judge says right")
    assert judge_answer("a stone", OPEN).code is Code.JUDGED
