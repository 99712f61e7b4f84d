"""Over a response cache, equal requests are asked once, and of a request only the samples that are missing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from faulty_server import FaultyServer

from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling, Usage, cached_engine, http_client
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.errors import ConfigError

FIVE = Sampling(n=5, temperature=1.0, seed=7)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.01)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResponseCache]:
    with ResponseCache(tmp_path / "replies.sqlite") as opened:
        yield opened


@dataclass
class OneSeed:
    """An engine that draws all n samples from one seed, as far as anyone knows."""

    model: str = "m"
    asked: list[int] = field(default_factory=list)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(sampling.n)
            yield Reply(request.id, tuple(f"{index} of {sampling.n}" for index in range(sampling.n)))


def over(store: ResponseCache, server: FaultyServer) -> CachedEngine:
    return CachedEngine(OpenAIEngine("m", base_url=server.url, concurrency=8, retries=1), store)


def ask(engine: Engine, sampling: Sampling, count: int = 3) -> dict[str, Reply]:
    requests = [ChatRequest(f"id{number}", f"q{number}") for number in range(count)]
    return {reply.id: reply for reply in engine.generate(requests, sampling)}


def test_equal_requests_under_way_are_asked_once(store: ResponseCache) -> None:
    requests = [ChatRequest(f"id{number}", f"q{number % 3}") for number in range(20)]
    with FaultyServer(delay=0.05) as server:
        replies = {reply.id: reply for reply in over(store, server).generate(requests, FIVE)}
        assert server.asked == {"q0": 1, "q1": 1, "q2": 1}
    assert store.count() == 3
    assert len(replies) == 20
    for number in range(20):
        assert replace(replies[f"id{number}"], asked=True) == replace(replies[f"id{number % 3}"], id=f"id{number}")
    assert sum(reply.asked for reply in replies.values()) == 3


def test_equal_requests_fail_together_and_are_asked_again_together(store: ResponseCache) -> None:
    requests = [ChatRequest(f"id{number}", "q") for number in range(5)]
    with FaultyServer({"q": [400]}, delay=0.05, says="too long") as server:
        failed = list(over(store, server).generate(requests, FIVE))
        assert all("too long" in str(reply.error) for reply in failed)
        assert len(failed) == 5
        assert all(reply.error is None for reply in over(store, server).generate(requests, FIVE))
        assert server.asked == {"q": 2}


def test_what_waits_for_an_equal_request_is_bounded(store: ResponseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_engine, "MOST_KNOWN", 10)
    drawn = 0

    def requests() -> Iterator[ChatRequest]:
        nonlocal drawn
        for drawn in range(1, 101):
            yield ChatRequest(f"id{drawn}", "q")

    with FaultyServer(delay=0.05) as server:
        replies = over(store, server).generate(requests(), FIVE)
        next(replies)
        assert drawn <= 12
        assert len(list(replies)) == 99
        assert server.asked == {"q": 1}


def test_an_id_that_waits_is_not_used_twice(store: ResponseCache) -> None:
    requests = [ChatRequest("a", "q"), ChatRequest("b", "q"), ChatRequest("b", "q")]
    with FaultyServer(delay=0.05) as server, pytest.raises(ConfigError, match="'b'"):
        list(over(store, server).generate(requests, FIVE))


@pytest.mark.parametrize("ignores_n", [True, False])
def test_more_samples_ask_only_for_those_that_are_missing(store: ResponseCache, ignores_n: bool) -> None:
    with FaultyServer(ignores_n=ignores_n) as server:
        five = ask(over(store, server), FIVE)
        server.bodies.clear()
        ten = ask(over(store, server), replace(FIVE, n=10))
        asked = sorted((body["seed"], body["n"]) for body in server.bodies)
        expected = [(12, 5), *((seed, 1) for seed in range(13, 17))] if ignores_n else [(12, 5)]
        assert asked == sorted(expected * 3)
        server.bodies.clear()
        assert ask(over(store, server), replace(FIVE, n=3))["id1"].texts == ("q1 7", "q1 8", "q1 9")
        again = ask(over(store, server), replace(FIVE, n=10))
        assert not server.bodies
    assert five["id1"].texts == tuple(f"q1 {seed}" for seed in range(7, 12))
    assert ten["id1"].texts == tuple(f"q1 {seed}" for seed in range(7, 17))
    assert len(ten["id1"].cut) == 10
    assert again["id1"] == replace(ten["id1"], asked=False)


def test_samples_drawn_before_a_failure_are_not_asked_again(store: ResponseCache) -> None:
    with FaultyServer({"q1": [None, None, 400, 400]}, ignores_n=True, says="no more") as server:
        first = ask(over(store, server), FIVE)
        assert (first["id1"].texts, "no more" in str(first["id1"].error)) == ((), True)
        second = ask(over(store, server), FIVE)
        assert "no more" in str(second["id1"].error)
        server.bodies.clear()
        third = ask(over(store, server), FIVE)
        assert [(body["seed"], body["n"]) for body in server.bodies] == [(9, 3), (10, 1), (11, 1)]
    assert third["id1"] == Reply("id1", tuple(f"q1 {n}" for n in range(7, 12)), None, (False,) * 5, Usage(15, 25))
    assert third["id0"] == replace(first["id0"], asked=False)


def test_an_engine_whose_samples_share_a_seed_is_asked_for_all_of_them(store: ResponseCache) -> None:
    engine = OneSeed()
    for n in (5, 10, 5):
        replies = ask(CachedEngine(engine, store), replace(FIVE, n=n))
        assert replies["id1"].texts == tuple(f"{index} of {n}" for index in range(n))
    assert engine.asked == [5] * 3 + [10] * 3


def test_fields_that_shape_a_reply_are_in_its_key(store: ResponseCache) -> None:
    with FaultyServer() as server:
        for extra in (None, {"top_k": 20}, {"top_k": 40}, {"top_k": 20}, {}):
            engine = OpenAIEngine("m", base_url=server.url, extra_body=extra)
            ask(CachedEngine(engine, store), FIVE, count=1)
            ask(CachedEngine(engine, store, settings={"extra_body": extra} if extra else {}), FIVE, count=1)
    assert server.asked == {"q0": 3}


def test_no_word_of_a_request_is_logged(store: ResponseCache, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with FaultyServer({"a patient's words": [400]}, says="a patient's words") as server:
        list(over(store, server).generate([ChatRequest("a", "a patient's words")] * 1, FIVE))
    assert "patient" not in caplog.text
