"""The ray engine gives what the openai engine gives, through Ray Data on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faulty_server import FaultyServer

from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import ImageRef

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = pytest.mark.slow
REQUESTS = [ChatRequest(f"q{n}", f"What is {n}?") for n in range(150)]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One small node on loopback."""
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    yield
    ray.shutdown()


def test_it_asks_every_request_once_and_gives_the_same_replies() -> None:
    from infimed_plugins.engines.ray import RayEngine

    sampling = Sampling(n=2, temperature=1.0, seed=3)
    with FaultyServer() as server:
        expected = {
            reply.id: reply.texts for reply in OpenAIEngine("m", base_url=server.url).generate(REQUESTS, sampling)
        }
        server.asked.clear()
        bad = ChatRequest("bad", "<image>What?", (ImageRef(path="/nowhere.png"),))
        replies = list(RayEngine("m", base_url=server.url, actors=2).generate([*REQUESTS, bad], sampling))
        assert set(server.asked.values()) == {1}
    errors = {reply.id: reply.error for reply in replies if reply.error}
    assert list(errors) == ["bad"]
    assert {reply.id: reply.texts for reply in replies if not reply.error} == expected


def test_what_cannot_be_is_said_before_anything_is_sent() -> None:
    from infimed_plugins.engines.ray import RayEngine

    with pytest.raises(ConfigError, match="actors is 0"):
        RayEngine("m", actors=0)
    with pytest.raises(ConfigError):
        RayEngine("m", concurrency=0)
