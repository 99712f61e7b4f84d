"""What programs read of a build is data: other words for people change no figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infimed_plugins import curation
from infimed_plugins.cli import data
from infimed_plugins.curation.decontamination import benchmark_items
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.quickstart import findings
from infimed_plugins.recipes import Part, Recipe, Step, build
from infimed_plugins.recipes.manifest import Manifest, PartCount, read_manifest
from infimed_plugins.reports.build_pages import ChainCounts


class Says:
    """Answers nothing right, and fails on every third question."""

    model = "fixed"

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for number, request in enumerate(requests):
            yield Reply(request.id, ("I do not know.",) * sampling.n, error=None if number % 3 else "down")


def built(folder: Path, *steps: Step) -> Manifest:
    part = Part("reflective", "phantom", "train", limit=6, order="first", style="reasoning", steps=steps)
    return build(Recipe("demo", "llamafactory", (part,)), folder, engine=Says(), allow_empty=True)


def test_right_candidates_are_counted_whatever_they_are_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curation, "RIGHT_OF", "{1} drawn, good ones: {0}")
    made = built(tmp_path, Step("difficulty", {"candidates": 4}), Step("reflective_cot", {"judge": "rule"}))
    assert (made.parts[0].right_of, made.parts[0].failed) == (((0, 4, 4), (0, 10, 2)), 4)
    assert made.parts[0].counted["4 drawn, good ones: 0"] == 4
    assert read_manifest(tmp_path) == made
    assert list(ChainCounts.of(made).right.values()) == [4, 2]
    lab = SimpleNamespace(data=lambda name: tmp_path)
    assert findings._chains(cast("Any", lab), made.to_json())[0] == {0: 2} | dict.fromkeys(range(1, 11), 0)


def test_missing_benchmarks_are_warned_of_whatever_they_are_counted_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark_items, "NOT_CHECKED", "never looked at ")
    settings = {"benchmarks": ["slake/test"], "skip_missing": True, "folder": str(tmp_path / "none")}
    made = built(tmp_path / "out", Step("decontamination", settings))
    assert made.parts[0].counted == {"never looked at slake/test": 1}
    data.warn(made)
    assert "warning: not checked against slake/test: its files are missing" in capsys.readouterr().out


def test_an_older_build_that_told_it_in_words_is_read_and_its_cost_is_what_the_step_asked() -> None:
    cost = {"candidates: requests": 4, "candidates: failed requests": 1, "judge: prompt tokens": 7}
    words = {"3 right of 10": 2, "benchmarks not checked, files missing: slake/test": 1, "candidates: accepted": 9}
    part = PartCount("p", "s", "train", None, "MIT", 3, 3, counted=cost | words)
    new = replace(part, right_of=((3, 10, 2),), not_checked=("slake/test",))
    old = {key: value for key, value in asdict(part).items() if key not in ("right_of", "not_checked")}
    assert PartCount.of_json(old) == PartCount.of_json(asdict(new)) == new
    assert PartCount.of_json(asdict(part)) == part
    assert ChainCounts.of(Manifest("r", "", "llamafactory", {}, {}, (new,), ())).cost == cost
