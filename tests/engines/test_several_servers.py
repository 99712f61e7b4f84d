"""Several servers: one that dies, hangs, fails or is set up wrong costs no request while another lives."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from faulty_server import Fault, FaultyServer

from infimed_plugins.engines import ChatRequest, Reply, Sampling, http_client
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.errors import EngineError


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.01)


def questions(count: int) -> list[ChatRequest]:
    return [ChatRequest(f"id{number}", f"q{number}") for number in range(count)]


def ask(*servers: FaultyServer, count: int = 60, **settings: Any) -> list[Reply]:
    settings = {"concurrency": 4, "timeout": 5.0, "retries": 3} | settings
    engine = OpenAIEngine("m", base_url=[server.url for server in servers], **settings)
    return list(engine.generate(questions(count), Sampling(seed=7)))


def test_one_server_of_two_dies_and_comes_back() -> None:
    with FaultyServer(delay=0.005) as first:
        second = FaultyServer(delay=0.005).__enter__()
        reborn: list[FaultyServer] = []
        requests = (request for request in questions(5000) if not (reborn and reborn[0].asked))
        engine = OpenAIEngine("m", base_url=[first.url, second.url], concurrency=8, timeout=5, retries=3)
        replies = []
        for number, reply in enumerate(engine.generate(requests, Sampling())):
            replies.append(reply)
            if number == 60:
                second.die()
            if number == 200:
                reborn.append(FaultyServer(port=second.http.server_address[1]).__enter__())
        reborn[0].die()
    assert len({reply.id for reply in replies if reply.error is None}) == len(replies) > 200
    assert sum(second.asked.values()) > 0
    assert sum(reborn[0].asked.values()) > 0


def test_a_server_that_always_fails_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.2)
    with FaultyServer(always=500) as bad, FaultyServer(delay=0.01) as good:
        replies = ask(bad, good, retries=5)
    assert [reply.error for reply in replies] == [None] * 60
    assert sum(bad.asked.values()) < 30


def test_the_least_loaded_server_is_asked_first() -> None:
    with FaultyServer(delay=0.1) as slow, FaultyServer(delay=0.005) as fast:
        ask(slow, fast, count=100, concurrency=8)
    assert slow.most_under_way <= 5
    assert sum(fast.asked.values()) > 2 * sum(slow.asked.values())


def test_the_only_server_dies_and_the_run_stops() -> None:
    server = FaultyServer().__enter__()
    engine = OpenAIEngine("m", base_url=server.url, concurrency=4, retries=2, timeout=5)
    replies = engine.generate(iter(questions(500)), Sampling())
    for _ in range(20):
        assert next(replies).error is None
    server.die()
    with pytest.raises(EngineError, match="found no server; start it and run again"):
        list(replies)


@pytest.mark.parametrize("fault", ["drop", "cut", "not json", "odd", 429, 500, 503])
def test_a_request_that_one_server_fails_is_asked_of_another_at_once(fault: Fault) -> None:
    with FaultyServer({"q3": [fault] * 9}) as bad, FaultyServer({"q3": [None]}) as good:
        replies = ask(bad, good, count=10, retries=0, concurrency=1)
    assert [reply.error for reply in replies] == [None] * 10
    assert bad.asked["q3"] <= 1
    assert good.asked["q3"] == 1


@pytest.mark.parametrize("from_the_start", [True, False])
def test_a_server_that_hangs_beside_a_healthy_one_costs_no_request(from_the_start: bool) -> None:
    schedule = {} if from_the_start else {f"q{number}": ["hang"] * 9 for number in range(200)}
    with FaultyServer(schedule, always="hang" if from_the_start else None) as bad, FaultyServer(delay=0.01) as good:
        replies = ask(bad, good, count=200, timeout=0.3, retries=1)
    assert [reply.error for reply in replies] == [None] * 200
    assert sum(good.asked.values()) == 200
    assert sum(bad.asked.values()) <= (0 if from_the_start else 12), "what was under way, then one at a time"


def test_a_server_that_is_set_aside_comes_back_only_when_it_answers_a_get() -> None:
    with FaultyServer(always="hang") as bad, FaultyServer(delay=0.01) as good:
        engine = OpenAIEngine("m", base_url=[bad.url, good.url], concurrency=4, timeout=0.2, retries=1)
        replies = engine.generate((ChatRequest(str(n), f"q{n}") for n in range(10_000)), Sampling())
        for _ in range(100):
            assert next(replies).error is None
        assert not bad.asked
        bad.always = None
        for _ in range(600):
            assert next(replies).error is None
        replies.close()  # type: ignore[attr-defined]
    assert sum(bad.asked.values()) > 20


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_server_that_is_set_up_wrong_is_left_out(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with FaultyServer(always=status, says="a patient's words") as bad, FaultyServer(delay=0.01) as good:
        replies = ask(bad, good)
    assert [reply.error for reply in replies] == [None] * 60
    assert sum(bad.asked.values()) <= 4
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.getMessage() == f"{bad.url} is left out of this run: it answers {status}"


def test_when_all_servers_are_set_up_wrong_the_run_stops() -> None:
    with (
        FaultyServer(always=404, says="no such model") as one,
        FaultyServer(always=401, says="no such key") as two,
        pytest.raises(EngineError, match=r"no such model|no such key"),
    ):
        ask(one, two)


def test_a_request_that_no_server_answers_ends_after_a_bounded_number_of_tries() -> None:
    with FaultyServer({"q3": [500] * 99}) as one, FaultyServer({"q3": [500] * 99}) as two:
        replies = {reply.id: reply for reply in ask(one, two, count=10, retries=2)}
    assert "given up after 3 attempts" in str(replies.pop("id3").error)
    assert [reply.error for reply in replies.values()] == [None] * 9
    assert one.asked["q3"] + two.asked["q3"] == 3 + 2
