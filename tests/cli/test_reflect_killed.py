"""``infimed reflect`` against a server, killed at random moments: it goes on, and ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infimed_plugins.engines.store import RequestStore

QUESTIONS, KILLS = 60, 10
STORE = "replies.sqlite"


class Server(ThreadingHTTPServer):
    """Every question's m is its number modulo 11: of ten replies the first m are right. A tenth of a second each."""

    daemon_threads = True
    asked: Counter[int]


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        number = int(text.split("question ")[1].split(".")[0])
        time.sleep(0.1)
        texts = [
            f"<think> thought {index} of {number} </think>\n<answer> {'B' if index < number % 11 else 'A'} </answer>"
            for index in range(body["n"])
        ]
        choices = [{"index": i, "finish_reason": "stop", "message": {"content": text}} for i, text in enumerate(texts)]
        answer = json.dumps({"choices": choices, "usage": {"prompt_tokens": 5, "completion_tokens": 50}}).encode()
        assert isinstance(self.server, Server)
        self.server.asked[number] += 1
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answers) as made:
        made.asked = Counter()
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def command(pairs: Path, server: Server, out: Path) -> list[str]:
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    made = [str(Path(sys.executable).with_name("infimed")), "reflect", "--input", str(pairs), "--model", "m"]
    return [*made, "--base-url", url, "--set", "judge=rule", "--out", str(out), "--json"]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but the request store, which keeps the replies in the order they came."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != STORE]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def stored(folder: Path) -> int:
    with RequestStore(folder / STORE) as store:
        return store.count()


@pytest.mark.slow
def test_ten_kills_cost_no_finished_request_and_change_no_byte(server: Server, tmp_path: Path) -> None:
    rows = [
        {"id": f"q{n}", "question": f"This is question {n}.", "answer": "B", "options": ["cyst", "stone"]}
        for n in range(QUESTIONS)
    ]
    pairs = tmp_path / "mine.jsonl"
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    environment = dict(os.environ, OPENAI_API_KEY="none")
    settings = ["--set", "group=8"]
    undisturbed = [*command(pairs, server, tmp_path / "whole"), *settings]
    subprocess.run(undisturbed, env=environment, check=True, capture_output=True, timeout=300)
    assert server.asked == dict.fromkeys(range(QUESTIONS), 1)
    server.asked.clear()

    rng = random.Random(0)
    for _ in range(KILLS):
        with subprocess.Popen(
            [*command(pairs, server, tmp_path / "killed"), *settings],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as run:
            time.sleep(rng.uniform(0.6, 1.6))
            run.send_signal(signal.SIGKILL)
    killed = [*command(pairs, server, tmp_path / "killed"), *settings]
    subprocess.run(killed, env=environment, check=True, capture_output=True, timeout=300)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert stored(tmp_path / "killed") == stored(tmp_path / "whole") == QUESTIONS
    again = sum(count - 1 for count in server.asked.values())
    assert set(server.asked) == set(range(QUESTIONS))
    assert again <= KILLS * 8, "only what was under way at a kill may be asked again"
    summary = json.loads((tmp_path / "killed" / "manifest.json").read_text())["parts"][0]["counted"]
    assert summary["3 right of 10"] == sum(n % 11 == 3 for n in range(QUESTIONS))
