"""``infimed reflect`` against a server, killed at random moments: it goes on, and ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Body, ChatServer, serving

from infimed_plugins.engines.response_cache import ResponseCache

QUESTIONS, KILLS = 150, 10
STORE = "replies.sqlite"


class Server(ChatServer):
    """Every question's m is its number modulo 11: of ten replies the first m are right. A tenth of a second each."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def answer(self, body: Body, text: str) -> list[str]:
        number = int(text.split("question ")[1].split(".")[0])
        self.asked.append(number)
        time.sleep(0.1)
        return [
            f"<think> thought {index} of {number} </think>\n<answer> {'B' if index < number % 11 else 'A'} </answer>"
            for index in range(body["n"])
        ]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as made:
        yield made


def command(pairs: Path, server: Server, out: Path) -> list[str]:
    made = [str(Path(sys.executable).with_name("infimed")), "reflect", "--input", str(pairs), "--model", "m"]
    return [*made, "--base-url", server.url, "--set", "judge=rule", "--out", str(out), "--json"]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but those of the response cache: replies in the order they came, and its log where a kill was last."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(STORE)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def stored(folder: Path) -> int:
    if not (folder / STORE).exists():
        return 0
    with ResponseCache(folder / STORE) as store:
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
    assert sorted(server.asked) == list(range(QUESTIONS))
    server.asked.clear()

    rng = random.Random(0)
    for _ in range(KILLS):
        known, before = stored(tmp_path / "killed"), len(server.asked)
        with subprocess.Popen(
            [*command(pairs, server, tmp_path / "killed"), *settings],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as run:
            while run.poll() is None and len(server.asked) == before:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.5))
            run.send_signal(signal.SIGKILL)
        time.sleep(0.2)  # what was sent before the kill has come
        assert len(server.asked) - before <= QUESTIONS - known, "a finished request was asked again"
    killed = [*command(pairs, server, tmp_path / "killed"), *settings]
    subprocess.run(killed, env=environment, check=True, capture_output=True, timeout=300)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert stored(tmp_path / "killed") == stored(tmp_path / "whole") == QUESTIONS
    assert set(server.asked) == set(range(QUESTIONS))
    assert len(server.asked) - QUESTIONS <= KILLS * (8 + 8), "only what was under way at a kill, or just answered"
    summary = json.loads((tmp_path / "killed" / "manifest.json").read_text())["parts"][0]
    assert [3, 10, sum(n % 11 == 3 for n in range(QUESTIONS))] in summary["right_of"]
