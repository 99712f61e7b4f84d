"""What was answered is never asked again, whatever killed the run; what is torn is mended when the store is opened."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_server import FaultyServer

from infimed_plugins.engines import (
    AnswerScore,
    ChatRequest,
    Embedder,
    Embedding,
    Engine,
    Reply,
    Sampling,
    Scorer,
    Usage,
    cached_engine,
    http_client,
)
from infimed_plugins.engines.cached_engine import CachedEngine, request_key
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.errors import ConfigError, DataError, EngineError
from infimed_plugins.records import ImageRef

KEY = "sk-very-secret-0123456789"


def name(number: int) -> str:
    return f"{number:064x}"


def errors_in(opened: ResponseCache) -> list[Any]:
    """The errors on record, oldest first."""
    rows = opened._database.execute("SELECT value FROM replies WHERE NOT ok ORDER BY rowid")
    return [json.loads(zlib.decompress(value)) for (value,) in rows]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "replies.sqlite"


@dataclass
class Says:
    """An engine that repeats the request, and remembers what it was asked; texts in ``broken`` fail."""

    model: str = "m"
    asked: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request.id)
            if request.text in self.broken:
                yield Reply(request.id, (), "it broke")
            else:
                yield Reply(request.id, (request.text, "ü\ud800"), cut=(False, True), usage=Usage(3, 4))


class SaysAll(Says):
    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        for request, answer in requests:
            self.asked.append(request.id)
            yield AnswerScore(request.id, -0.1 * len(answer), len(answer))

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        for request in requests:
            self.asked.append(request.id)
            yield Embedding(request.id, np.asarray([0.6, 0.8], dtype=np.float32))


def questions(count: int, start: int = 0) -> list[ChatRequest]:
    return [ChatRequest(f"id{number}", f"q{number}") for number in range(start, start + count)]


def test_what_is_put_is_got_now_and_after_opening_again(path: Path) -> None:
    value = {"texts": ["ü", "\ud800"], "number": 0.1}
    with ResponseCache(path) as opened:
        opened.put(name(1), value)
        assert opened.get(name(1)) == value
        assert opened.get(name(2)) is None
    with ResponseCache(path) as opened:
        assert opened.get(name(1)) == value
        assert (opened.samples(name(1)), opened.samples(name(2))) == (1, 0)
        assert opened.count() == 1


def test_errors_are_on_record_and_never_returned(path: Path) -> None:
    with ResponseCache(path) as opened:
        opened.put(name(1), {"error": "it broke"}, samples=0)
        assert opened.get(name(1)) is None
        assert opened.samples(name(1)) == 0
        assert opened.count() == 0
        assert errors_in(opened) == [{"error": "it broke"}]
        opened.put(name(1), "mended")
        assert (opened.count(), errors_in(opened)) == (1, [])


def test_a_second_writer_is_told_what_to_do(path: Path) -> None:
    with ResponseCache(path), pytest.raises(ConfigError, match=r"another run is using .*; wait"):
        ResponseCache(path)
    script = (
        f"import sys; from infimed_plugins.engines.response_cache import ResponseCache; ResponseCache({str(path)!r})"
    )
    with ResponseCache(path):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "another run is using" in done.stderr
    ResponseCache(path).close()


def test_a_closed_store_says_so(path: Path) -> None:
    opened = ResponseCache(path)
    opened.close()
    opened.close()
    with pytest.raises(DataError, match="closed"):
        opened.put(name(1), 1)


def test_a_disk_that_is_full_ends_the_run(path: Path) -> None:
    opened = ResponseCache(path)
    pages = opened._database.execute("PRAGMA page_count").fetchone()[0]
    opened._database.execute(f"PRAGMA max_page_count = {pages + 2}")
    opened.put(name(0), "x")
    with pytest.raises(DataError, match=r"cannot be written: .*full.*; make room"):
        opened.put(name(1), os.urandom(90_000).hex())
    assert opened.get(name(0)) == "x"
    opened.close()
    ResponseCache(path).close()


def copied_while_open(path: Path, folder: Path, rows: int) -> Path:
    """What a SIGKILL would leave: the file and its log, copied while a writer has them open."""
    with ResponseCache(path) as opened:
        for number in range(rows):
            opened.put(name(number), f"reply {number} " + "x" * 500)
        folder.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", folder)
    return folder / path.name


@pytest.mark.parametrize("left", [1.0, 0.9, 0.5, 0.1, 0.0])
@pytest.mark.parametrize("garbage", [b"", b"\x00torn\xff" * 300])
def test_a_torn_log_loses_its_end_only(path: Path, tmp_path: Path, left: float, garbage: bytes) -> None:
    killed = copied_while_open(path, tmp_path / "killed", 60)
    log = Path(f"{killed}-wal")
    whole = log.read_bytes()
    log.write_bytes(whole[: int(len(whole) * left)] + garbage)
    with ResponseCache(killed) as opened:
        kept = [opened.get(name(number)) for number in range(60)]
        opened.put(name(99), "more")
    there = [value is not None for value in kept]
    assert there == sorted(there, reverse=True)  # the first ones
    assert sum(there) >= 60 * left - 3
    assert all(value is None or value.startswith(f"reply {number} ") for number, value in enumerate(kept))
    with ResponseCache(killed) as opened:
        assert opened.count() == sum(there) + 1


@pytest.mark.parametrize("damage", ["cut", "zeroes", "text"])
def test_a_damaged_file_is_rebuilt_from_what_can_be_read(
    path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ResponseCache(path) as opened:
        for number in range(300):
            opened.put(name(number), random.Random(number).randbytes(700).hex())
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2 // 4096 * 4096
    if damage == "cut":
        del whole[middle:]
    elif damage == "zeroes":
        whole[middle : middle + 8192] = bytes(8192)
    else:
        whole[:] = b"no database at all\n" * 100
    path.write_bytes(whole)
    with ResponseCache(path) as opened:
        saved = opened.count()
        opened.put(name(999), "more")
    assert "was damaged" in caplog.text
    assert len(list(path.parent.glob("*.damaged-*"))) == 1
    assert saved == 0 if damage == "text" else 100 < saved < 300
    caplog.clear()
    with ResponseCache(path) as opened:
        assert opened.count() == saved + 1
    assert caplog.text == ""


def test_a_kill_in_the_middle_of_a_rebuild_loses_nothing(path: Path) -> None:
    with ResponseCache(path) as opened:
        opened.put(name(1), "x")
    path.rename(f"{path}.rebuilt")
    with ResponseCache(path) as opened:
        assert opened.count() == 1


def test_a_damaged_row_is_asked_again(path: Path) -> None:
    with ResponseCache(path) as opened:
        list(CachedEngine(Says(), opened).generate(questions(2), Sampling()))
    with sqlite3.connect(path) as database:
        database.execute("UPDATE replies SET value = x'00' WHERE rowid = 1")
    database.close()
    engine = Says()
    with ResponseCache(path) as opened:
        (first, second) = CachedEngine(engine, opened).generate(questions(2), Sampling())
        assert "damaged" in str(first.error)
        assert second.error is None
        assert [reply.error for reply in CachedEngine(engine, opened).generate(questions(2), Sampling())] == [
            None,
            None,
        ]
    assert engine.asked == ["id0"]


def test_a_folder_or_a_later_version_is_refused(path: Path) -> None:
    ResponseCache(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(DataError, match="version 7"):
        ResponseCache(path)
    with pytest.raises(DataError, match="cannot be opened"):
        ResponseCache(path.parent)


IMAGE = ImageRef(data=b"one")
REQUEST = ChatRequest("a", "<image>q", (IMAGE,), system="s")


def test_everything_that_shapes_a_reply_is_in_the_key(tmp_path: Path) -> None:
    def key(
        kind: str = "chat", model: str = "m", revision: str = "", request: ChatRequest = REQUEST, **more: Any
    ) -> str:
        return request_key(kind, model, revision, request, **({"sampling": asdict(Sampling())} | more))

    keys = [
        key(),
        key(kind="embed"),
        key(model="n"),
        key(revision="r"),
        key(request=replace(REQUEST, text="q<image>")),
        key(request=replace(REQUEST, system="")),
        key(request=replace(REQUEST, images=(ImageRef(data=b"two"),))),
        key(request=replace(REQUEST, images=(IMAGE, IMAGE))),
        key(settings={"max_pixels": 9}),
        *(
            key(sampling=asdict(replace(Sampling(), **{changed: value})))
            for changed, value in {
                "n": 2,
                "temperature": 0.5,
                "top_p": 0.5,
                "max_tokens": 9,
                "seed": 1,
                "json_schema": {"type": "object"},
            }.items()
        ),
    ]
    assert len(set(keys)) == len(keys)
    (tmp_path / "one.png").write_bytes(b"one")
    assert key(request=replace(REQUEST, id="b", images=(ImageRef(path=str(tmp_path / "one.png")),))) == key()


def test_only_what_is_missing_is_asked(path: Path) -> None:
    engine = Says(broken={"q2"})
    with ResponseCache(path) as opened:
        first = list(CachedEngine(engine, opened).generate(questions(5), Sampling()))
    assert [reply.asked for reply in first] == [True] * 5
    engine = Says()
    with ResponseCache(path) as opened:
        again = {reply.id: reply for reply in CachedEngine(engine, opened).generate(questions(7), Sampling())}
        assert errors_in(opened) == []
    assert engine.asked == ["id2", "id5", "id6"]
    assert [again[f"id{number}"].asked for number in range(7)] == [False, False, True, False, False, True, True]
    assert all(again[reply.id] == replace(reply, asked=False) for reply in first if reply.error is None)


def test_other_sampling_is_another_request(path: Path) -> None:
    engine = Says()
    with ResponseCache(path) as opened:
        for seed in (0, 1, 0):
            list(CachedEngine(engine, opened).generate(questions(2), Sampling(seed=seed)))
    assert len(engine.asked) == 4


def test_scores_and_embeddings_are_stored_too(path: Path) -> None:
    engine = SaysAll()
    pairs = [(request, "stone") for request in questions(3)]
    with ResponseCache(path) as opened:
        wrapped = CachedEngine(engine, opened)
        scores, vectors = list(wrapped.score_answers(pairs)), list(wrapped.embed(questions(3)))
        assert list(wrapped.score_answers(pairs)) == scores
        again = list(wrapped.embed(questions(3)))
        assert [vector.vector.tolist() for vector in again] == [vector.vector.tolist() for vector in vectors]
        assert again[0].vector.dtype == np.float32
        again[0].vector[0] = 1  # a copy, to be written to
        assert [score.log_probability for score in wrapped.score_answers([(pairs[0][0], "no")])] == [-0.2]
    assert len(engine.asked) == 7


def test_it_can_do_what_the_engine_within_can(path: Path) -> None:
    with ResponseCache(path) as opened:
        assert isinstance(CachedEngine(Says(), opened), Engine)
        assert not isinstance(CachedEngine(Says(), opened), Scorer)
        assert isinstance(CachedEngine(SaysAll(), opened), Scorer)
        assert isinstance(CachedEngine(SaysAll(), opened), Embedder)
        assert CachedEngine(OpenAIEngine("m", revision="abc"), opened).revision == "abc"


def test_requests_stream(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_engine, "MOST_KNOWN", 10)
    drawn = 0

    def endless() -> Iterator[ChatRequest]:
        nonlocal drawn
        for request in questions(10_000):
            drawn += 1
            yield request

    with ResponseCache(path) as opened:
        replies = CachedEngine(Says(), opened).generate(endless(), Sampling())
        for _ in range(500):
            next(replies)
        assert drawn <= 501
        drawn = 0
        engine = Says()
        replies = CachedEngine(engine, opened).generate(endless(), Sampling())
        for number in range(600):
            next(replies)
            assert drawn <= number + 11
    assert len(engine.asked) <= 101


def test_an_image_that_cannot_be_read_is_an_error_of_its_request(path: Path) -> None:
    engine = Says()
    with ResponseCache(path) as opened:
        lost = ChatRequest("lost", "<image>", (ImageRef(path="/none.png"),))
        replies = {
            reply.id: reply for reply in CachedEngine(engine, opened).generate([lost, *questions(1)], Sampling())
        }
    assert "none.png" in str(replies["lost"].error)
    assert replies["id0"].error is None
    assert engine.asked == ["id0"]


def test_an_engine_that_breaks_its_word_is_found_out(path: Path) -> None:
    class Lazy(Says):
        def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
            yield from list(super().generate(requests, sampling))[1:]

    class Odd(Says):
        def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
            return (replace(reply, id="else") for reply in super().generate(requests, sampling))

    with ResponseCache(path) as opened:
        with pytest.raises(EngineError, match="1 requests without a reply"):
            list(CachedEngine(Lazy(), opened).generate(questions(3), Sampling()))
        with pytest.raises(EngineError, match="'else'"):
            list(CachedEngine(Odd(), opened).generate(questions(1, start=9), Sampling()))
        twins = [ChatRequest("a", "x"), ChatRequest("a", "y")]
        with pytest.raises(ConfigError, match="'a'"):
            list(CachedEngine(Lazy(), opened).generate(twins, Sampling()))


def test_the_key_is_not_in_the_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.01)
    with FaultyServer({"q1": [400]}, says=f"wrong: {KEY}") as server, ResponseCache(path) as opened:
        list(CachedEngine(OpenAIEngine("m", base_url=server.url), opened).generate(questions(3), Sampling()))
        (error,) = errors_in(opened)
        assert "***" in error["error"]
        assert opened.count() == 2
        assert KEY not in json.dumps(errors_in(opened))
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY.encode() not in b"".join(file.read_bytes() for file in path.parent.iterdir())


RUN = """
import sys
from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.engines.cached_engine import CachedEngine

url, path, out = sys.argv[1:]
requests = (ChatRequest(f"id{number}", f"q{number}") for number in range(300))
with ResponseCache(path) as store:
    engine = CachedEngine(OpenAIEngine("m", base_url=url, concurrency=8), store)
    replies = sorted(engine.generate(requests, Sampling(n=2, temperature=1, seed=7)), key=lambda reply: reply.id)
with open(out, "w") as file:
    for reply in replies:
        print(reply.id, reply.texts, reply.error, reply.cut, reply.usage, file=file)
"""


def run_until(server: FaultyServer, arguments: list[str], seconds: float | None) -> int:
    """Start the run; with ``seconds``, SIGKILL it so long after its first request. Its return code."""
    before = sum(server.asked.values())
    process = subprocess.Popen([sys.executable, "-c", RUN, server.url, *arguments])
    if seconds is not None:
        while process.poll() is None and sum(server.asked.values()) == before:
            time.sleep(0.005)
        time.sleep(seconds)
        process.kill()
    return process.wait(timeout=60)


def test_kill_9_at_ten_random_moments(path: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    drawn = asdict(Sampling(temperature=1, seed=7))
    del drawn["n"]  # samples are kept one by one
    keys = {
        request.text: request_key("chat", "m", "", request, settings={}, sampling=drawn) for request in questions(300)
    }
    with FaultyServer(delay=0.15) as server:
        assert run_until(server, [str(tmp_path / "calm.sqlite"), str(tmp_path / "calm")], None) == 0
        assert set(server.asked.values()) == {1}
        server.asked.clear()
        finished: set[str] = set()
        for _ in range(10):
            before = server.asked.copy()
            code = run_until(server, [str(path), str(tmp_path / "killed")], rng.uniform(0.05, 1.0))
            assert code == -signal.SIGKILL
            assert not finished & set(server.asked - before)
            with ResponseCache(path) as opened:
                finished = {text for text, key in keys.items() if opened.samples(key)}
        before = server.asked.copy()
        assert 50 < len(finished) < 300
        assert run_until(server, [str(path), str(tmp_path / "killed")], None) == 0
        assert set(server.asked - before) == set(keys) - finished
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "calm").read_bytes()
    assert sum(server.asked.values()) - 300 <= 10 * (8 + 8)  # in flight, and not yet committed


def test_a_large_store_with_a_bad_page_is_rebuilt_when_it_is_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infimed_plugins.engines.response_cache.ALWAYS_CHECKED_BYTES", 0)
    path = tmp_path / "replies.sqlite"
    with ResponseCache(path) as store:
        for number in range(3000):
            store.put(name(number), {"texts": [f"{number}" * 20]})
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)
    with ResponseCache(path) as store:
        kept = sum(store.get(name(number)) == {"texts": [f"{number}" * 20]} for number in range(3000))
        assert 2900 < kept < 3000
        store.put(name(1), {"texts": ["new"]})
    with ResponseCache(path) as store:
        assert store.get(name(1)) == {"texts": ["new"]}
        assert kept - 1 <= store.count() <= 3000
    assert len(list(tmp_path.glob("replies.sqlite.damaged-*"))) == 1
