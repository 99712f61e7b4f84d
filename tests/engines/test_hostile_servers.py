"""Whatever one answer of a server holds, it fails its own request at most; the key and cookies go nowhere."""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from faulty_server import Fault, FaultyServer

from infimed_plugins.engines import ChatRequest, Reply, Sampling, http_client
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.engines.retry import Retryable, raise_for_status
from infimed_plugins.errors import EngineError

KEY = "sk-ab/cd"
GOOD = b'{"choices": [{"message": {"content": "B"}}]}'
DIGITS = b"9" * 400


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def engine(server: FaultyServer, retries: int = 1, model: str = "m") -> OpenAIEngine:
    return OpenAIEngine(model, base_url=server.url, concurrency=2, timeout=5.0, retries=retries)


def ask(server: FaultyServer, retries: int = 1) -> dict[str, Reply]:
    requests = [ChatRequest(f"id{number}", f"q{number}") for number in range(4)]
    return {reply.id: reply for reply in engine(server, retries).generate(requests, Sampling(seed=7))}


def raw(body: bytes = GOOD, head: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """An answer as it goes over the line; ``head`` is lines of it."""
    length = b"" if b"ontent-Length" in head or b"chunked" in head else b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + head + length + b"Connection: close\r\n\r\n" + body


def choice(fields: bytes) -> bytes:
    return b'{"choices": [{"message": {"content": "B"}, ' + fields + b"}]}"


def packed(body: bytes, window: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    return packer.compress(body) + packer.flush()


BUSY = b"503 Busy"
READ: dict[str, bytes] = {
    "gzip": raw(packed(GOOD, 31), b"Content-Encoding: gzip\r\n"),
    "GZIP, spelt so": raw(packed(GOOD, 31), b"content-encoding:  GZip \r\n"),
    "deflate": raw(packed(GOOD, 15), b"Content-Encoding: deflate\r\n"),
    "deflate without a head": raw(packed(GOOD, -15), b"Content-Encoding: deflate\r\n"),
    "nothing packed": raw(GOOD, b"Content-Encoding: identity\r\n"),
    "no length": raw(GOOD, b"X-Content-Length: no\r\n"),
    "an odd charset": raw(GOOD, b"Content-Type: application/json; charset=undefined\r\n"),
    "headers in Latin-1": raw(GOOD, b"X-Name: caf\xe9\xff\r\nServer: \xff\xfe\r\n"),
    "cookies": raw(GOOD, b"Set-Cookie: \xff=\xe9; expires=Fri, 99 Foo 99999 99:99:99 GMT\r\nSet-Cookie: a=b\r\n"),
    "UTF-16": raw(GOOD.decode().encode("utf-16")),
    "usage of nothing": raw(GOOD[:-1] + b', "usage": null}'),
    "half a character": raw(b'{"choices": [{"message": {"content": "B\\ud83d"}}]}'),
}
FAILS: dict[str, Fault] = {
    "a gzip bomb": raw(packed(bytes(1 << 29), 31), b"Content-Encoding: gzip\r\n"),
    "a deflate bomb": raw(packed(bytes(1 << 29), -15), b"Content-Encoding: deflate\r\n"),
    "a gzip bomb with status 500": raw(packed(bytes(1 << 29), 31), b"Content-Encoding: gzip\r\n", b"500 Oh"),
    "a bomb packed twice": raw(packed(packed(bytes(1 << 29), 31), 31), b"Content-Encoding: gzip, gzip\r\n"),
    "brotli, not asked for": raw(GOOD, b"Content-Encoding: br\r\n"),
    "gzip that is none": raw(GOOD, b"Content-Encoding: gzip\r\n"),
    "gzip cut off": raw(packed(GOOD * 9, 31)[:-9], b"Content-Encoding: gzip\r\n"),
    "a length over the limit": raw(GOOD, b"Content-Length: 99999999999\r\n"),
    "a length of 5,000 digits": raw(GOOD, b"Content-Length: " + b"9" * 5000 + b"\r\n"),
    "a length below zero": raw(GOOD, b"Content-Length: -5\r\n"),
    "two lengths": raw(GOOD, b"Content-Length: 3\r\nContent-Length: 4\r\n"),
    "a chunk of no size": raw(b"zz\r\n", b"Transfer-Encoding: chunked\r\n"),
    "a chunk cut off": raw(b"fff\r\n" + GOOD, b"Transfer-Encoding: chunked\r\n"),
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000,
    "no HTTP": b"\x00\xff\r\n\r\n",
    "another version": b"HTTP/9.9 200 OK\r\n\r\n",
    "status 101": raw(b"", b"Upgrade: x\r\n", b"101 S"),
    "status 204": raw(b"", status=b"204 N"),
    "status 999": raw(GOOD, status=b"999 X"),
    "Retry-After nan": raw(b"", b"Retry-After: nan\r\n", BUSY),
    "Retry-After inf": raw(b"", b"Retry-After: inf\r\n", BUSY),
    "Retry-After 1e999": raw(b"", b"Retry-After: 1e999\r\n", BUSY),
    "Retry-After -5": raw(b"", b"Retry-After: -5\r\n", BUSY),
    "Retry-After in another year": raw(b"", b"Retry-After: Fri, 31 Dec 99999 23:59:59 GMT\r\n", BUSY),
    "Retry-After in another zone": raw(b"", b"Retry-After: Mon, 1 Jan 2024 0:0:0 +99999999999999\r\n", BUSY),
    "Retry-After in Latin-1": raw(b"", b"Retry-After: \xe9\xff, 5, 7\r\n", BUSY),
    "an endless index": raw(choice(b'"index": 1e999')),
    "an index that is none": raw(choice(b'"index": null')),
    "an index in words": raw(choice(b'"index": "first"')),
    "an index of 5,000 digits": raw(choice(b'"index": ' + b"9" * 5000)),
    "endless usage": raw(GOOD[:-1] + b', "usage": {"prompt_tokens": 1e999}}'),
    "usage of 400 digits": raw(GOOD[:-1] + b', "usage": {"prompt_tokens": ' + DIGITS + b"}}"),
    "usage that is NaN": raw(GOOD[:-1] + b', "usage": {"completion_tokens": NaN}}'),
    "usage below zero": raw(GOOD[:-1] + b', "usage": {"completion_tokens": -3}}'),
    "usage in a list": raw(GOOD[:-1] + b', "usage": [1]}'),
    "usage in words": raw(GOOD[:-1] + b', "usage": {"prompt_tokens": "many"}}'),
    "deep": raw(b"[" * 100_000),
    "deep, with an error": raw(b'{"error": ' + b"[" * 100_000, status=b"400 B"),
    "deep, whole": raw(b'{"error": ' + b"[" * 900 + b"]" * 900 + b"}"),
    "null": raw(b"null"),
    "a text": raw(b'"B"'),
    "no choices": raw(b'{"choices": null}'),
    "choices by name": raw(b'{"choices": {"a": 1}}'),
    "no message": raw(b'{"choices": [{"message": null}]}'),
    "a message in numbers": raw(b'{"choices": [{"message": {"content": 5}}]}'),
    "an error that is a number": raw(b'{"error": 7}'),
    "an error with half a character": raw(b'{"error": {"message": "\\ud83d"}}', status=b"400 B"),
    "no text": (500, bytes(range(256)), "text/html; charset=utf-16"),
}


@pytest.fixture(scope="module")
def answered() -> dict[str, Reply]:
    """One run with every answer: what is asked of it is its request's text."""
    with FaultyServer({name: [fault] * 9 for name, fault in (READ | FAILS).items()}) as server:
        names = [name for pair in zip(READ | FAILS, map("fine {}".format, range(99)), strict=False) for name in pair]
        http_client.FIRST_PAUSE, before = 0.01, http_client.FIRST_PAUSE
        replies = list(engine(server).generate([ChatRequest(name, name) for name in names], Sampling(seed=7)))
        http_client.FIRST_PAUSE = before
    assert len(replies) == len(names)
    return {reply.id: reply for reply in replies}


@pytest.mark.parametrize("name", list(READ))
def test_an_odd_answer_is_read(name: str, answered: dict[str, Reply]) -> None:
    assert answered[name].texts == ("B\ufffd" if name == "half a character" else "B",)


@pytest.mark.parametrize("name", list(FAILS))
def test_a_hostile_answer_fails_its_own_request_only(name: str, answered: dict[str, Reply]) -> None:
    assert answered[name].texts == ()
    said = str(answered[name].error)
    assert "\n" not in said
    assert len(said.encode()) < 1500
    fine = [reply for reply in answered.values() if reply.id.startswith("fine")]
    assert len(fine) == len(READ) + len(FAILS)
    assert all(reply.texts == (f"{reply.id} 7",) for reply in fine)


@pytest.mark.parametrize("location", ["http://[::1", "http://xn--/", "mailto:a@b", "javascript:1", "//", "/\x7f", "?"])
def test_a_redirect_to_no_address_is_one_line(location: str) -> None:
    fault = raw(b"", f"Location: {location}\r\n".encode(), b"302 F")
    with FaultyServer({"q1": [fault] * 9}) as server:
        try:
            said = str(ask(server)["id1"].error)
        except EngineError as error:  # a redirect leaves out the server, and it is the last
            said = str(error)
    assert "answers 302" in said or "broke off" in said


def test_a_reply_over_its_limit_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFIMED_LIMITS", "reply=1000")
    big = b"x" * 1001
    with FaultyServer({"q0": [raw(b"3e9\r\n" + big + b"\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n")] * 9,
                       "q1": [raw(packed(big, 31), b"Content-Encoding: gzip\r\n", b"429 Slow")] * 9,
                       "q2": [raw(big)] * 9}) as server:  # fmt: skip
        replies = ask(server, retries=5)
    for number in range(3):
        assert "1,001 or more bytes of a server's reply" in str(replies[f"id{number}"].error)
        assert "INFIMED_LIMITS=reply=1001" in str(replies[f"id{number}"].error)
        assert server.asked[f"q{number}"] == 1
    assert replies["id3"].texts == ("q3 7",)


class Models(BaseHTTPRequestHandler):
    """Gives what it is told for /models, and counts the cookies that come."""

    answer: ClassVar[bytes] = b""
    cookies: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.wfile.write(self.answer)
        self.close_connection = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Models.cookies.append(self.headers["Cookie"])
        self.wfile.write(raw(GOOD, b"Set-Cookie: who=me; Path=/\r\nSet-Cookie: b=c; Domain=127.0.0.1\r\n"))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    "answer",
    [
        raw(packed(bytes(1 << 29), 31), b"Content-Encoding: gzip\r\nSet-Cookie: first=1\r\n"),
        raw(GOOD, b"Content-Encoding: br\r\n"),
        raw(b"", b"Location: mailto:a@b\r\n", b"302 F"),
        raw(b"[" * 100_000),
        b"\xff\r\n\r\n",
    ],
)
def test_what_models_answers_stops_nothing_and_no_cookie_comes_back(answer: bytes) -> None:
    Models.answer, Models.cookies = answer, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Models) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        asking = OpenAIEngine("m", base_url=f"http://127.0.0.1:{http.server_port}/v1", concurrency=1, retries=0)
        replies = list(asking.generate([ChatRequest(str(n), "q") for n in range(3)], Sampling()))
        http.shutdown()
    assert [reply.texts for reply in replies] == [("B",)] * 3
    assert Models.cookies == [None] * 3


def test_bombs_take_no_memory() -> None:
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 400


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("30", 30, 30), ("inf", 0, 0), ("1e999", 0, 0), ("nan", 0, 0), ("-5", 0, 0), ("soon", 0, 0), ("", 0, 0)],
)
def test_retry_after_is_read_in_any_form(value: str, least: float, most: float) -> None:
    with pytest.raises(Retryable) as raised:
        raise_for_status(503, {"retry-after": value}, "", "u")
    assert least <= raised.value.wait <= most


SPELT = ["sk-ab/cd", "sk-ab\\/cd", "sk\\u002Dab/cd", "sk-ab\\u002fc\\u0064", "".join(f"\\u{ord(c):04x}" for c in KEY)]


@pytest.mark.parametrize("spelt", [*SPELT, "sk-ab\\\\/cd", "\\\\u0073k-ab\\\\u002fcd"])
@pytest.mark.parametrize(
    "status", ["400 B", "401 U", "429 T", "500 I", "200 error", "200 content", "200 broken", "200 cut"]
)
def test_a_key_is_masked_however_it_is_spelt(status: str, spelt: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "infimed_plugins")
    body = {
        "200 content": f'{{"choices": [{{"message": {{"content": "my key is {spelt}."}}}}]}}',
        "200 broken": f'{{"choices": "my key is {spelt}.',
        "200 cut": f'{{"choices": "{"x" * 278}{spelt}.',  # the cut of the message goes through the key
    }.get(status, f'{{"error": {{"message": "my key is {spelt}.", "code": 400}}}}')
    shown = ""
    with FaultyServer({"q1": [raw(body.encode(), status=status.encode())] * 9}) as server:
        try:
            replies = ask(server)
            shown = str(replies.pop("id1"))
            assert all(reply.error is None for reply in replies.values())
        except EngineError as error:
            assert status == "401 U"
            shown = str(error)
    assert "my key is ***." in shown or status == "200 cut"
    for secret in ("sk-ab", "sk\\", "ab/cd", "u002fcd", "0073"):
        assert secret not in shown + caplog.text


@pytest.mark.parametrize("key", ["EMPTY", "none", "placeholder", "x"])
def test_a_word_for_no_key_is_left_in_what_a_model_says(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with FaultyServer() as server:
        (reply,) = engine(server).generate([ChatRequest("a", f"say {key} of \\u0041")], Sampling(seed=7))
    assert reply.texts == (f"say {key} of \\u0041 7",)


def test_many_backslashes_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is looked for in a megabyte of them; tried at each of them to the end it would take an hour."""
    text = "\\" * 1_000_000
    with FaultyServer({"q1": [raw(json.dumps({"choices": [{"message": {"content": text}}]}).encode())]}) as server:
        assert ask(server)["id1"].texts == (text,)


def test_halves_of_characters_are_mended_once_for_the_run_the_store_and_every_rerun(tmp_path: Path) -> None:
    says = raw(b'{"choices": [{"message": {"content": "a\\ud83d\\ude00b\\ude00\\ud83d", "reasoning": "\\udfff"}}]}')
    with FaultyServer({"q": [says], "r": [raw(b'{"error": "\\ud83d"}', status=b"400 B")]}) as server:
        for _ in range(2):
            with ResponseCache(tmp_path / "replies.sqlite") as store:
                asked = CachedEngine(engine(server), store).generate([ChatRequest("a", "q")], Sampling())
                assert [reply.texts for reply in asked] == [("<think>\ufffd</think>a\U0001f600b\ufffd\ufffd",)]
        (failed,) = engine(server).generate([ChatRequest("a", "r")], Sampling())
    assert "400: \ufffd" in str(failed.error)
    assert Reply("a", ("\ud83d",), "\udfff") == Reply("a", ("\ufffd",), "\ufffd")


LOGPROBS = [b"1e999", b"NaN", b"null", b'"much"', DIGITS, b"[]", b"{}"]


@pytest.mark.parametrize("value", LOGPROBS)
def test_a_log_probability_that_is_none_fails_its_request_only(value: bytes) -> None:
    token = b'{"choices": [], "prompt_logprobs": [null, {"1": {"logprob": %s, "decoded_token": "b"}}]}'
    with FaultyServer({"q1": [raw(token % value)] * 9}, logprobs=[("a", -1.0), ("b", -0.5)]) as server:
        pairs = [(ChatRequest(f"id{number}", f"q{number}"), "b") for number in range(3)]
        scores = {score.id: score for score in engine(server).score_answers(pairs)}
    assert scores["id1"].error
    assert [scores[name].log_probability for name in ("id0", "id2")] == [-0.5, -0.5]


VECTORS = [b"[1e999]", b"[NaN]", b"[null, 1]", b'["a"]', b"[%s]" % DIGITS, b"[]", b"[0, 0]", b"[[1], [2]]", b"[[1], 2]",
           b"7", b"null", b'"x"', b"[1e39, 1]", b"{}"]  # fmt: skip


@pytest.mark.parametrize("value", VECTORS)
def test_an_embedding_that_is_none_fails_its_request_only(value: bytes) -> None:
    with FaultyServer({"q1": [raw(b'{"data": [{"embedding": %s}]}' % value)] * 9}) as server:
        requests = [ChatRequest(f"id{number}", f"q{number}") for number in range(3)]
        found = {embedding.id: embedding for embedding in engine(server).embed(requests)}
    assert found["id1"].error
    assert [round(float(found[name].vector[1]), 6) for name in ("id0", "id2")] == [0.8, 0.8]


if __name__ == "__main__":
    bomb = raw(packed(bytes(1 << 29), 31), b"Content-Encoding: gzip\r\n")
    with FaultyServer({"q1": [bomb], "q2": [bomb]}) as there:
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ask(there)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start >> 10)
