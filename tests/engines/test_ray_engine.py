"""The ray engine gives what the openai engine gives, through Ray Data on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import FaultyServer

from infimed_plugins.engines import ChatRequest, Embedder, Sampling, Scorer
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.errors import ConfigError, EngineError
from infimed_plugins.records import ImageRef

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
REQUESTS = [ChatRequest(f"q{n}", f"What is {n}?") for n in range(60)]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8) + bytes(8) + b"\x08\x02" + b"a picture"
KEY = "sk-very-secret-0123456789"


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One small node on loopback; its session folder, where Ray keeps its logs."""
    context = ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    yield Path(context.address_info["session_dir"])
    ray.shutdown()


def test_it_asks_every_request_once_and_gives_the_same_replies(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infimed_plugins.engines.ray import RayEngine

    monkeypatch.setenv("SERVER_KEY", KEY)
    sampling = Sampling(n=2, temperature=1.0, seed=3)
    parted = b'{"choices": [{"message": {"content": "B", "reasoning_content": "why"}}]}'
    with FaultyServer(
        {"What is 7?": [500], "What is 8?": [400], "What is 9?": [(200, parted, "application/json")]}
    ) as server:
        expected = OpenAIEngine("m", base_url=server.url).generate(REQUESTS, sampling)
        texts = {reply.id: reply.texts for reply in expected if reply.id != "q8"}
        server.asked.clear()
        server.keys.clear()
        bad = ChatRequest("bad", "<image>What?", (ImageRef(path="/nowhere.png"),))
        twin = ChatRequest("twin", "What is 1?")
        engine = RayEngine("m", base_url=server.url, actors=2, api_key_env="SERVER_KEY")
        replies = {reply.id: reply for reply in engine.generate([*REQUESTS, bad, twin], sampling)}
        assert set(server.asked.values()) == {1, 2}
        assert server.asked["What is 1?"] == 1
        assert server.keys == {f"Bearer {KEY}"}, "the actors have the key"
    assert {id: reply.error is None for id, reply in replies.items() if id in ("bad", "q8")} == {
        "bad": False,
        "q8": False,
    }
    assert {id: reply.texts for id, reply in replies.items() if reply.error is None} == texts | {"twin": texts["q1"]}
    assert texts["q9"][0] == "<think>why</think>B"
    logs = [file for file in cluster.rglob("*") if file.is_file()]
    assert any(file.stat().st_size for file in logs)
    assert not [file for file in logs if KEY.encode() in file.read_bytes()], "the key is in no log"


def test_a_slow_request_keeps_no_other_waiting() -> None:
    from infimed_plugins.engines.ray import RayEngine

    with FaultyServer({"What is 3?": ["hang"]}) as server:
        engine = RayEngine("m", base_url=server.url, actors=1, concurrency=8, timeout=60)
        arrived = []
        for reply in engine.generate(REQUESTS, Sampling()):
            arrived.append(reply.id)
            if len(arrived) == len(REQUESTS) - 1:
                assert "q3" not in arrived
                server.released.set()
    assert arrived[-1] == "q3"


def test_answers_are_scored_and_questions_embedded() -> None:
    from infimed_plugins.engines.ray import RayEngine

    tokens = [("What", -5.0), ("a st", -0.5), ("one", -0.25)]
    with FaultyServer(logprobs=tokens) as server:
        engine = RayEngine("m", base_url=server.url, actors=1)
        assert isinstance(engine, Scorer)
        assert isinstance(engine, Embedder)
        scores = list(engine.score_answers([(REQUESTS[0], "a stone"), (REQUESTS[1], "a stone"), (REQUESTS[2], " ")]))
        picture = ChatRequest("picture", "<image>q", (ImageRef(data=PNG),))
        vectors = {one.id: one.vector.tolist() for one in engine.embed([*REQUESTS[:2], picture])}
    assert {score.id: score.log_probability for score in scores if not score.error} == {"q0": -0.75, "q1": -0.75}
    assert vectors == {id: pytest.approx([0.6, 0.8, 0.0]) for id in ("q0", "q1", "picture")}


@pytest.mark.parametrize("status", [401, None])
def test_what_is_wrong_with_every_request_is_said_as_the_openai_engine_says_it(status: int | None) -> None:
    from infimed_plugins.engines.ray import RayEngine

    with FaultyServer(always=status, says="no such key") as server:
        url = server.url
        if status is None:
            server.die()
        started = time.monotonic()
        with pytest.raises(EngineError, match=f"no such key.*OPENAI_API_KEY|no server answers at {url}"):
            list(RayEngine("m", base_url=url, actors=1).generate(REQUESTS, Sampling()))
        assert time.monotonic() - started < 120
        assert sum(server.asked.values()) == 0


def test_what_cannot_be_is_said_before_anything_is_sent() -> None:
    from infimed_plugins.engines.ray import RayEngine

    with pytest.raises(ConfigError, match="actors is 0"):
        RayEngine("m", actors=0)
    with pytest.raises(ConfigError):
        RayEngine("m", concurrency=0)
    with pytest.raises(ConfigError, match="greedy"):
        RayEngine("m").generate([], Sampling(n=2))
