"""An evaluation writes replies as they come, resumes after a kill without asking twice, and refuses mixed settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins import prompts
from infimed_plugins.benchmarks import runner
from infimed_plugins.benchmarks.catalogue.phantom import PHANTOM
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.records import BadRow, ImageRef
from infimed_plugins.sources.phantom import PHANTOM as SOURCE


@dataclass
class KnowsEverything:
    """An engine that looks the answers up, wrong on every third question; it can fail or stop on demand."""

    model: str = "oracle"
    fail_every: int = 0
    mute_every: int = 0
    stop_after: int | None = None
    asked: list[str] = field(default_factory=list)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        golds = {sample.id: prompts.answer_text(sample) for sample in SOURCE.load("test", limit=40)}
        for number, request in enumerate(requests):
            if number == self.stop_after:
                raise KeyboardInterrupt
            self.asked.append(request.id)
            if self.fail_every and number % self.fail_every == 0:
                yield Reply(request.id, (), "server gone")
            elif self.mute_every and number % self.mute_every == 0:
                yield Reply(request.id, ("",))
            else:
                yield Reply(request.id, ("nonsense, truly" if number % 3 == 2 else golds[request.id],))


def test_right_and_wrong_are_counted(tmp_path: Path) -> None:
    judged = runner.run(PHANTOM, KnowsEverything(), tmp_path, limit=30)
    assert [row.accuracy for row in judged] == [0.0 if number % 3 == 2 else 1.0 for number in range(30)]
    assert runner.read_run(tmp_path) == judged


def test_a_stopped_run_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        runner.run(PHANTOM, KnowsEverything(stop_after=10), tmp_path, limit=30)
    log = tmp_path / "responses.jsonl"
    log.write_bytes(log.read_bytes()[:-20])  # what a kill in the middle of a write leaves
    engine = KnowsEverything()
    assert len(runner.run(PHANTOM, engine, tmp_path, limit=30)) == 30
    assert len(engine.asked) == 21
    assert [json.loads(line)["id"] for line in log.read_text().splitlines()][:9] == [
        sample.id for sample in SOURCE.load("test", limit=9)
    ]


def test_a_finished_run_asks_nothing(tmp_path: Path) -> None:
    runner.run(PHANTOM, KnowsEverything(), tmp_path, limit=10)
    engine = KnowsEverything()
    runner.run(PHANTOM, engine, tmp_path, limit=10)
    assert engine.asked == []


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    runner.run(PHANTOM, KnowsEverything(), tmp_path, limit=5)
    with pytest.raises(ConfigError, match="prompt_style"):
        runner.run(PHANTOM, KnowsEverything(), tmp_path, limit=5, prompt_style="reasoning")


def test_one_failed_request_is_unscored_and_asked_again(tmp_path: Path) -> None:
    judged = runner.run(PHANTOM, KnowsEverything(fail_every=40), tmp_path, limit=30)
    assert [row.accuracy is None for row in judged].count(True) == 1
    engine = KnowsEverything()
    runner.run(PHANTOM, engine, tmp_path, limit=30)
    assert engine.asked == [judged[0].id]


def test_many_failed_requests_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="server gone"):
        runner.run(PHANTOM, KnowsEverything(fail_every=3), tmp_path, limit=30)


def test_empty_replies_are_replies_that_count_wrong(tmp_path: Path) -> None:
    judged = runner.run(PHANTOM, KnowsEverything(mute_every=2), tmp_path, limit=30)
    empty = judged[::2]
    assert {(row.text, row.accuracy, row.invalid) for row in empty} == {("", 0.0, True)}
    engine = KnowsEverything()
    assert runner.run(PHANTOM, engine, tmp_path, limit=30) == judged
    assert engine.asked == []


def test_a_run_of_which_every_request_fails_is_an_error_however_short(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 of 2 requests failed, the first: server gone"):
        runner.run(PHANTOM, KnowsEverything(fail_every=1), tmp_path, limit=2)


def test_a_run_without_a_question_that_can_be_asked_is_an_error(tmp_path: Path) -> None:
    def rejected(rows: Iterable[object]) -> Iterator[BadRow]:
        return (BadRow(f"row{number}", "unreadable") for number, _ in enumerate(rows))

    options = runner.RunOptions(limit=3, variant="none", vary=rejected)
    with pytest.raises(DataError, match=r"no question could be asked.*, 3 bad rows: row0: unreadable"):
        runner.ask(PHANTOM, KnowsEverything(), runner.RunFolder(tmp_path), options)


def test_a_picture_that_does_not_decode_is_a_bad_row_and_not_asked(tmp_path: Path) -> None:
    def torn(rows: Iterable[Any]) -> Iterator[Any]:
        for number, row in enumerate(rows):
            image = ImageRef(data=row.sample.images[0].read()[: 60 if number else None])
            yield replace(row, sample=replace(row.sample, images=(image,)))

    engine, folder = KnowsEverything(), runner.RunFolder(tmp_path)
    runner.ask(PHANTOM, engine, folder, runner.RunOptions(limit=3, variant="torn", vary=torn))
    assert (len(engine.asked), folder.bad_rows()) == (1, 2)
