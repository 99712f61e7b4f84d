"""Nothing of a request stays behind: what Python holds does not grow with their number."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.engines.response_cache import ResponseCache

SERVE = """
from faulty_server import FaultyServer

class Forgetful(FaultyServer):
    def fault(self, text):
        self.bodies.clear()
        return super().fault(text)

with Forgetful({f"q{number} " + "x" * 2000: [500] for number in range(0, 4000, 50)}) as server:
    print(server.url, flush=True)
    input()
"""


@pytest.fixture
def url() -> Iterator[str]:
    """A server in a process of its own, which fails every fiftieth request once."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("\n")


@pytest.mark.slow
def test_what_is_held_after_many_requests_is_what_was_held_after_few(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infimed_plugins.engines import http_client

    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.01)
    requests = (ChatRequest(f"id{number}", f"q{number} " + "x" * 2000) for number in range(4000))
    held: list[int] = []
    tracemalloc.start()
    try:
        with ResponseCache(tmp_path / "replies.sqlite") as store:
            engine = CachedEngine(OpenAIEngine("m", base_url=url, concurrency=8), store)
            for number, reply in enumerate(engine.generate(requests, Sampling(n=2, temperature=1.0)), start=1):
                assert reply.error is None
                if number in (1000, 4000):
                    gc.collect()
                    held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[1] - held[0] < 100_000, "3,000 requests more, of 2 kB each"
