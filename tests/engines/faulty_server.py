"""A loopback server with OpenAI's interface whose faults a test chooses.

Example::

    with FaultyServer({"q1": [500, "hang"], "q2": [*["empty"] * 9]}) as server:  # by the request's text: try by try
        OpenAIEngine("m", base_url=server.url)

Faults: a status; ``hang`` (no answer), ``trickle`` (headers, then nothing more), ``drop`` (the connection ends),
``cut`` (the body ends early), ``not json``, ``empty``, ``no choices``, ``odd`` (JSON of another form), ``length``,
``told CODE`` (an error with status 200), a tuple of status, body and content type, or all bytes of an answer.
A body with a field that the server ``refuses`` gets a 400. Requests without a schedule of their own find ``always``.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = int | str | bytes | tuple[int, bytes, str]


class FaultyServer:
    """Answers ``<text> <seed>`` to a text; ``ignores_n`` gives one choice whatever is asked, as some servers do."""

    def __init__(
        self,
        faults: Mapping[str, Sequence[Fault]] | None = None,
        *,
        always: Fault | None = None,
        delay: float = 0.0,
        ignores_n: bool = False,
        headers: Mapping[str, str] | None = None,
        says: str = "no",
        logprobs: Sequence[tuple[str, float]] | None = None,
        prompt_tokens: int = 3,
        refuses: str = "",
        port: int = 0,
    ) -> None:
        self.faults, self.always, self.delay, self.ignores_n = dict(faults or {}), always, delay, ignores_n
        self.refuses = refuses
        self.headers, self.says, self.logprobs, self.prompt_tokens = dict(headers or {}), says, logprobs, prompt_tokens
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.released = threading.Event()  # ends every hang
        self.http = _Http(("127.0.0.1", port), _Handler)
        self.http.faulty = self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def __enter__(self) -> FaultyServer:
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """Stop listening and break off every connection."""
        self.released.set()
        self.http.shutdown()
        self.http.server_close()
        for connection in list(self.http.connections):
            shut_down(connection)

    def fault(self, text: str) -> Fault | None:
        """Count a request and say what goes wrong with it."""
        with self.lock:
            attempt = self.asked[text]
            self.asked[text] += 1
        planned = self.faults.get(text, ())
        return planned[attempt] if attempt < len(planned) else self.always


def shut_down(connection: socket.socket) -> None:
    """End a connection that may have ended."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    faulty: FaultyServer

    def __init__(self, *args: Any) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(*args)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        faulty = self.server.faulty
        if faulty.always in (401, 403):
            self.reply(int(faulty.always), {"error": {"message": faulty.says}})
        elif faulty.always == "hang":
            faulty.released.wait(5)
            self.close_connection = True
        else:
            self.reply(200, {"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        faulty = self.server.faulty
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        faulty.keys.add(str(self.headers["Authorization"]))
        text = text_of(body)
        fault = faulty.fault(text)
        with faulty.lock:
            faulty.bodies.append(body)
            faulty.under_way += 1
            faulty.most_under_way = max(faulty.most_under_way, faulty.under_way)
        try:
            time.sleep(faulty.delay)
            self.fail_or_answer(400 if faulty.refuses in body else fault, body, text)
        finally:
            with faulty.lock:
                faulty.under_way -= 1

    def fail_or_answer(self, fault: Fault | None, body: dict[str, Any], text: str) -> None:
        faulty = self.server.faulty
        if isinstance(fault, int):
            return self.reply(fault, {"error": {"message": faulty.says}}, faulty.headers)
        if isinstance(fault, tuple):
            status, content, kind = fault
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return None
        if isinstance(fault, bytes):
            self.wfile.write(fault)
            self.close_connection = True
            return None
        if fault in ("hang", "drop"):
            faulty.released.wait(5 if fault == "hang" else 0)
            self.close_connection = True
            return None
        good = json.dumps(self.answer(body, text, fault)).encode()
        if fault == "not json":
            good = b"<html>" + good
        if fault == "odd":
            good = b'{"choices": [{"message": "hello"}]}'
        if isinstance(fault, str) and fault.startswith("told"):
            good = json.dumps({"error": {"message": faulty.says, "code": fault.removeprefix("told ")}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(good)))
        self.end_headers()
        if fault == "trickle":
            faulty.released.wait(5)
        if fault in ("cut", "trickle"):
            good = good[: len(good) // 2]
            self.close_connection = True
        self.wfile.write(good)
        return None

    def answer(self, body: dict[str, Any], text: str, fault: Fault | None) -> dict[str, Any]:
        faulty = self.server.faulty
        if self.path.endswith("/embeddings"):
            return {"data": [{"embedding": [3.0, 4.0, float(len(text) * 0)]}]}
        count = 0 if fault == "no choices" else 1 if faulty.ignores_n else body.get("n", 1)
        choices = [
            {
                "index": index,
                "message": {"content": None if fault == "empty" else f"{text} {body.get('seed', 0) + index}"},
                "finish_reason": "length" if fault == "length" else "stop",
            }
            for index in reversed(range(count))
        ]
        reply = {"choices": choices, "usage": {"prompt_tokens": faulty.prompt_tokens, "completion_tokens": 5 * count}}
        if faulty.logprobs is not None and "prompt_logprobs" in body:
            tokens = [{str(i): {"logprob": p, "decoded_token": t}} for i, (t, p) in enumerate(faulty.logprobs)]
            reply["prompt_logprobs"] = [None, *tokens]
        return reply

    def reply(self, status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def text_of(body: dict[str, Any]) -> str:
    """The text of the user's turn, without images."""
    content = next(turn["content"] for turn in body["messages"] if turn["role"] == "user")
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
