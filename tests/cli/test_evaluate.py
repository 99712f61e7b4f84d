"""``infimed eval``: counts with intervals, every reply kept, bad names said before a model is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infimed_plugins.cli.main import app
from infimed_plugins.engines import ChatRequest, Reply, Sampling

RUNNER = CliRunner()


@dataclass
class AlwaysYes:
    """An engine with one answer."""

    model: str

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            yield Reply(request.id, ("yes",))


@pytest.fixture(autouse=True)
def engine(plug_in: Callable[..., None]) -> None:
    plug_in(engines={"always_yes": AlwaysYes})


def evaluate(out: Path, *more: str) -> list[str]:
    return ["eval", "--model", "m", "--engine", "always_yes", "--limit", "40", "--out", str(out), *more]


def test_it_counts_each_style_and_keeps_every_reply(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, evaluate(tmp_path, "--json"))
    assert done.exit_code == 0, done.output
    direct, reasoning = json.loads(done.stdout)["results"]
    assert (direct["asked"]["prompt_style"], reasoning["asked"]["prompt_style"]) == ("direct", "reasoning")
    assert {result["asked"]["mode"] for result in (direct, reasoning)} == {"robust"}
    replies = [json.loads(line) for line in (tmp_path / "phantom/direct/responses.jsonl").read_text().splitlines()]
    right = sum(reply["gold"] == "yes" for reply in replies)
    accuracy = direct["figure"]["accuracy"]
    assert 0 < right == accuracy["right"]
    assert len(replies) == accuracy["total"] == 40
    assert accuracy["low"] < right / 40 < accuracy["high"]
    assert reasoning["figure"]["accuracy"]["right"] == 0  # it never wrote the tags
    assert reasoning["figure"]["invalid"]["right"] == 40


def test_one_style_as_a_table(tmp_path: Path) -> None:
    shown = RUNNER.invoke(app, evaluate(tmp_path, "--prompt", "direct")).stdout
    assert "direct" in shown
    assert not (tmp_path / "phantom" / "reasoning").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--benchmarks", "phantom,pantom"], "unknown benchmark 'pantom'; available: gmai_mmbench, .*phantom"),
        (["--engine", "vlm"], "unknown engine 'vlm'; available: always_yes, openai, ray, transformers, vllm"),
        (["--max-pixels", "100"], "engine 'always_yes' does not take these settings: .*max_pixels"),
    ],
)
def test_a_bad_name_or_setting_is_one_line(more: list[str], said: str, tmp_path: Path) -> None:

    done = RUNNER.invoke(app, evaluate(tmp_path, *more))
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.search(said, done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    RUNNER.invoke(app, evaluate(tmp_path))
    refused = RUNNER.invoke(
        app, ["eval", "--model", "other", "--engine", "always_yes", "--limit", "40", "--out", str(tmp_path)]
    )
    assert refused.exit_code == 2
    assert "another model" in refused.stderr
