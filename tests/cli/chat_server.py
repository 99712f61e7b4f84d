"""A real OpenAI-compatible server on loopback whose replies a test writes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Body = dict[str, Any]
S = TypeVar("S", bound="ChatServer")


class ChatServer(ThreadingHTTPServer):
    """A test's own server says what it answers."""

    daemon_threads = True
    request_queue_size = 128  # connections at once

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.keys: set[str | None] = set()
        self.refuses = ""  # requests that hold this word get status 400

    def answer(self, body: Body, text: str) -> Sequence[str]:
        """The replies to a request's body; ``text`` is that of its last message."""
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        assert isinstance(self.server, ChatServer)
        self.server.keys.add(self.headers["Authorization"])
        refused = self.server.refuses and self.server.refuses in text
        texts = () if refused else self.server.answer(body, text)
        choices = [{"index": i, "finish_reason": "stop", "message": {"content": said}} for i, said in enumerate(texts)]
        answer = json.dumps({"choices": choices, "usage": {"prompt_tokens": 5, "completion_tokens": 50}}).encode()
        self.send_response(400 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(server: S) -> Iterator[S]:
    """The server, answering while the block lasts."""
    with server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
