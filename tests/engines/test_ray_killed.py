"""A run through Ray that is killed goes on: by the response cache around the engine, or by its checkpoint."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faulty_server import FaultyServer

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
COUNT, LANES = 96, 8
RUN = """
import sys
from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.ray import RayEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.engines.cached_engine import CachedEngine

url, how, folder, out = sys.argv[1:]
requests = [ChatRequest(f"id{number}", f"q{number}") for number in range(96)]
sampling = Sampling(n=2, temperature=1, seed=7)
ways = {"store": {}, "checkpoint": {"checkpoint": folder, "block": 4}}
engine = RayEngine("m", base_url=url, actors=1, concurrency=8, **ways[how])
if how == "store":
    with ResponseCache(folder + "/replies.sqlite") as store:
        replies = list(CachedEngine(engine, store).generate(requests, sampling))
else:
    replies = list(engine.generate(requests, sampling))
with open(out, "w") as file:
    for reply in sorted(replies, key=lambda reply: reply.id):
        print(reply.id, reply.texts, reply.error, reply.cut, reply.usage, file=file)
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """One small node on loopback, which outlives the runs."""
    context = ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    yield context.address_info["gcs_address"]
    ray.shutdown()


def start(address: str, server: FaultyServer, how: str, folder: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN, server.url, how, str(folder), str(out)]
    return subprocess.Popen(command, env=dict(os.environ, RAY_ADDRESS=address), stderr=subprocess.DEVNULL)


def kill_when(process: subprocess.Popen[bytes], is_time: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 200
    while not is_time():
        assert process.poll() is None, "the run ended too soon"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL


def quiet(server: FaultyServer) -> None:
    """Return when the killed run's actors have ended, too."""
    before = -1
    while server.under_way or sum(server.asked.values()) != before:
        before = sum(server.asked.values())
        time.sleep(2)


def undisturbed(address: str, tmp_path: Path) -> bytes:
    with FaultyServer() as server:
        assert start(address, server, "store", tmp_path, tmp_path / "calm").wait(300) == 0
        assert set(server.asked.values()) == {1}
    return (tmp_path / "calm").read_bytes()


def test_the_store_and_blocks_of_one_lose_no_more_than_was_under_way(address: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with FaultyServer(delay=0.3) as server:
        run = start(address, server, "store", tmp_path / "run", tmp_path / "out")
        kill_when(run, lambda: sum(server.asked.values()) > 40)
        quiet(server)
        assert start(address, server, "store", tmp_path / "run", tmp_path / "out").wait(300) == 0
        again = sum(server.asked.values()) - COUNT
    assert set(server.asked) == {f"q{number}" for number in range(COUNT)}
    assert again <= 3 * LANES, "under way, on their way through Ray, and not yet committed in the store"
    assert (tmp_path / "out").read_bytes() == undisturbed(address, tmp_path)


def test_what_is_committed_is_not_asked_again(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with FaultyServer({"q5": [400]}, delay=0.3) as server:
        run = start(address, server, "checkpoint", folder, tmp_path / "out")
        kill_when(run, lambda: len(committed(folder)) > 24)
        quiet(server)
        done = committed(folder)
        before = server.asked.copy()
        assert start(address, server, "checkpoint", folder, tmp_path / "out").wait(300) == 0
        asked = server.asked - before
        assert 24 < len(done) < COUNT
        assert set(asked) == {f"q{number}" for number in range(COUNT)} - done, "just what is not committed"
        assert (tmp_path / "out").read_bytes() == undisturbed(address, tmp_path)
        before = server.asked.copy()
        assert start(address, server, "checkpoint", folder, tmp_path / "out").wait(300) == 0
        assert not server.asked - before
    assert (tmp_path / "out").read_bytes() == (tmp_path / "calm").read_bytes()


def committed(folder: Path) -> set[str]:
    """The texts of the requests whose ids the checkpoint has; a failed one has none."""
    import pyarrow.parquet as parquet

    texts: set[str] = set()
    for ids in folder.glob("ids/*.parquet"):
        if ids.name.endswith(".pending.parquet"):
            continue
        for file in folder.glob(f"replies/{ids.stem}-*.parquet"):
            for row in parquet.read_table(file).to_pylist():
                if " " not in row["key"]:
                    texts.add("q" + pickle.loads(row["result"]).id.removeprefix("id"))
    return texts
