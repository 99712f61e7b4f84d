"""The public calls do what the commands do, on the same folders."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import infimed_plugins as infimed
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError, UnknownPluginError

ASKED: list[str] = []
STARTED: list[str] = []


@dataclass
class Yes:
    """It answers every question alike."""

    model: str
    says: str = "yes"

    def __post_init__(self) -> None:
        STARTED.append(self.model)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            ASKED.append(request.id)
            yield Reply(request.id, (self.says,) * sampling.n)


@pytest.fixture(autouse=True)
def engine(plug_in: Any) -> None:
    ASKED.clear()
    plug_in(engines={"yes": Yes})


def test_a_model_is_evaluated_and_its_replies_are_scored_anew_without_it(tmp_path: Path) -> None:
    seen = []
    made = infimed.evaluate(
        "m",
        "phantom",
        engine="yes",
        limit=20,
        prompts=["direct"],
        out=tmp_path / "m",
        progress=lambda title, done, total: seen.append((title, done, total)),
    )
    (result,) = made.summary().results
    assert (result.figure.accuracy.total, len(ASKED)) == (20, 20)
    assert seen[-1] == ("judging", 1, 1)
    again = infimed.score([tmp_path / "m"], ["robust", "medevalkit"])
    robust, medevalkit = again.summary().results
    assert robust == result
    assert (medevalkit.asked.mode, len(ASKED)) == ("medevalkit", 20)
    again.write_page(tmp_path / "page.html")
    assert "phantom" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_judge_is_started_once_for_all_that_it_is_asked(tmp_path: Path) -> None:
    from infimed_plugins.api import EngineChoice, JudgeModel

    roots = [tmp_path / "a", tmp_path / "b"]
    for root in roots:
        infimed.evaluate(root.name, engine="yes", limit=20, prompts=["direct"], out=root)
    STARTED.clear()
    judge = JudgeModel(EngineChoice("yes", "j", {"says": '{"verdict": "right"}'}))
    made = infimed.score(roots, judge=judge)
    assert {row.code for run in made.runs for row in run.rows} >= {"judged_by_model"}
    assert STARTED == ["j"]
    infimed.score(roots, judge=JudgeModel(judge.choice))
    assert STARTED == ["j"]  # all that it said is kept


def test_what_cannot_work_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UnknownPluginError, match="unknown benchmark 'pantom'"):
        infimed.evaluate("m", "pantom", engine="yes", out=tmp_path / "m")
    with pytest.raises(ConfigError, match="unknown mode 'strict'"):
        infimed.score([tmp_path], ["strict"])
    with pytest.raises(ConfigError, match=r"--source slake/train.*or a file"):
        infimed.reflect(tmp_path / "out", model="m", engine="yes")
    assert (ASKED, list(tmp_path.iterdir())) == ([], [])


def test_a_recipe_is_built_in_another_format(tmp_path: Path) -> None:
    made = infimed.build("quickstart_rlvr", tmp_path / "out", form="datasets", workers=1)
    assert (made.format, made.rows) == ("datasets", sum(part.kept for part in made.parts))
    assert infimed.build("quickstart_rlvr", tmp_path / "out", form="datasets", workers=1) == made


def test_reflective_chains_are_written_from_pairs(tmp_path: Path) -> None:
    rows = [{"id": str(n), "question": f"Is {n} a number?", "answer": "yes"} for n in range(3)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = {"candidates": 2, "judge": "rule"}
    given = {"pairs": tmp_path / "pairs.jsonl", "model": "m", "engine": "yes", "settings": settings}
    (part,) = infimed.reflect(tmp_path / "out", **given).parts
    assert (part.read, part.kept, sum(part.dropped.values())) == (3, 0, 3)  # a bare yes has no reasoning
    assert len(ASKED) == 3


def test_the_names_of_the_package_are_all_there() -> None:
    assert [name for name in infimed.__all__ if not hasattr(infimed, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        infimed.scores  # noqa: B018
