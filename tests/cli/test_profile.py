"""``infimed profile``: rollouts of a model or of a trainer's log, in groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infimed_plugins import recipes
from infimed_plugins.cli.main import app
from infimed_plugins.engines import ChatRequest, Reply, Sampling

RUNNER = CliRunner()
ASKED: list[str] = []


@dataclass
class Yes:
    """Says yes in the right form, and every second time without it."""

    model: str
    own_seeds: bool = False

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            ASKED.append(request.text)
            said = ("<think> I look. </think><answer> yes </answer>", "yes")
            yield Reply(request.id, tuple(said[number % 2] for number in range(sampling.n)), cut=(False,) * sampling.n)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tmp_path_factory.mktemp("recipe") / "r.yaml"
    recipe.write_text(
        "name: r\nformat: easyr1\nparts:\n  - {name: p, source: phantom, split: rlvr, limit: 60, style: reasoning}\n"
    )
    recipes.build(str(recipe), recipe.parent / "out")
    return recipe.parent / "out"


def test_a_model_is_asked_with_the_grpo_prompt_and_never_twice(
    build: Path, tmp_path: Path, plug_in: Callable[..., None]
) -> None:
    plug_in(engines={"yes": Yes})
    command = ["profile", str(build), "--model", "m", "--engine", "yes", "-k", "4", "--limit", "40", "--json"]
    command += ["--out", str(tmp_path), "--html", str(tmp_path / "p.html")]
    ASKED.clear()
    done = RUNNER.invoke(app, command)
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert (made["slices"][0]["groups"], made["rollouts"]) == (40, 160)
    assert made["slices"][0]["format"] == 0.5
    assert any(one["name"].startswith("task: ") for one in made["slices"])
    assert len(ASKED) == 40
    assert all("First think inside <think> </think>" in text for text in ASKED)
    assert json.loads(RUNNER.invoke(app, command).stdout) == made
    assert len(ASKED) == 40


def rows(path: Path, *lines: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def saved(answer: str, **more: object) -> dict[str, object]:
    truth = '{"task": "multiple_choice", "answer": "B"}'
    return {"prompt": "q", "response": f"<think> x </think><answer> {answer} </answer>", "ground_truth": truth, **more}


def test_saved_rollouts_are_grouped_by_uid_else_as_they_stand_together(tmp_path: Path) -> None:
    named = rows(tmp_path / "a.jsonl", *(saved("B", uid=f"{n // 4}") for n in range(8)), saved("C", uid="1"))
    made = json.loads(RUNNER.invoke(app, ["profile", str(named), "--json"]).stdout)
    assert [one["groups"] for one in made["slices"]] == [2]
    assert made["slices"][0]["all_right"]["value"] == 0.5
    plain = rows(tmp_path / "b.jsonl", *(saved("BC"[n // 4]) for n in range(8)))
    made = json.loads(RUNNER.invoke(app, ["profile", str(plain), "-k", "4", "--json"]).stdout)
    assert (made["slices"][0]["groups"], made["slices"][0]["all_wrong"]["value"]) == (2, 0.5)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["none.jsonl"], "no file at"),
        (["none.parquet", "--model", "m"], "there is no none.parquet; build it"),
        (["a", "b", "--model", "m"], "name one training set with --model"),
    ],
)
def test_bad_input_is_one_line(more: list[str], said: str) -> None:
    done = RUNNER.invoke(app, ["profile", *more])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
