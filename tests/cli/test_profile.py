"""``infimed profile``: rollouts of a model or of a trainer's log, in groups."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from infimed_plugins import recipes
from infimed_plugins.cli.main import app
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.trainers.trl import infimed_reward

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
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same rows for three trainers."""
    folder = tmp_path_factory.mktemp("recipe")
    for form in ("easyr1", "verl", "trl"):
        recipe = folder / f"{form}.yaml"
        part = "{name: p, source: phantom, split: rlvr, order: first, limit: 60, style: reasoning}"
        recipe.write_text(f"name: r\nformat: {form}\nparts:\n  - {part}\n")
        recipes.build(str(recipe), folder / form)
    return {form: folder / form for form in ("easyr1", "verl", "trl")}


def test_a_model_is_asked_with_the_grpo_prompt_and_never_twice(
    builds: dict[str, Path], tmp_path: Path, plug_in: Callable[..., None]
) -> None:
    plug_in(engines={"yes": Yes})
    command = [
        "profile",
        str(builds["easyr1"]),
        "--model",
        "m",
        "--engine",
        "yes",
        "-k",
        "4",
        "--limit",
        "40",
        "--json",
    ]
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


def test_rows_for_other_trainers_ask_the_same(
    builds: dict[str, Path], tmp_path: Path, plug_in: Callable[..., None]
) -> None:
    plug_in(engines={"yes": Yes})
    made = []
    for form, folder in builds.items():
        command = ["profile", str(folder), "--model", "m", "--engine", "yes", "-k", "2", "--json"]
        ASKED.clear()
        done = RUNNER.invoke(app, [*command, "--out", str(tmp_path / form)])
        made.append((json.loads(done.stdout)["slices"], sorted(ASKED)))
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Is it?", ["Is it?"]),
        ([{"role": "user", "content": [{"type": "text", "text": "Is it?"}]}], ["Is it?"]),
        (None, "a row has no prompt or no answer"),
    ],
)
def test_rows_of_other_hands_have_a_text_or_turns_and_maybe_no_picture(
    prompt: object, said: object, tmp_path: Path, plug_in: Callable[..., None]
) -> None:
    plug_in(engines={"yes": Yes})
    row = {"prompt": prompt, "ground_truth": '{"task": "text", "answer": "yes"}', "images": None}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "rows.parquet")
    command = ["profile", str(tmp_path / "rows.parquet"), "--model", "m", "--engine", "yes", "--out", str(tmp_path)]
    ASKED.clear()
    done = RUNNER.invoke(app, command)
    if isinstance(said, list):
        assert (done.exit_code, ASKED) == (0, said)
    else:
        assert (done.exit_code, str(said) in " ".join(done.output.split())) == (2, True)


def rows(path: Path, *lines: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def saved(answer: str, **more: object) -> dict[str, object]:
    truth = '{"task": "multiple_choice", "answer": "B"}'
    return {"prompt": "q", "response": f"<think> x </think><answer> {answer} </answer>", "ground_truth": truth, **more}


def question(n: int) -> list[dict[str, object]]:
    """Four rollouts of a question with n right ones."""
    return [saved("BC"[one >= n], prompt=f"q{n}") for one in range(4)]


def shuffled(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    return random.Random(1).sample(lines, len(lines))


FOUR = [row for n in (0, 1, 3, 4) for row in question(n)]
SAME_WORDS = [row | {"prompt": "q" if n < 8 else row["prompt"]} for n, row in enumerate(FOUR)]
COLUMNS = {"prompt": "prompt", "response": "completion", "ground_truth": "solution"}


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(SAME_WORDS, id="they stand together"),
        pytest.param(shuffled(FOUR), id="told apart by prompt, as in verl's dumps"),
        pytest.param([row | {"index": n} for n, row in enumerate(FOUR)], id="a column that numbers rows"),
        pytest.param(shuffled([row | {"uid": n // 4} for n, row in enumerate(SAME_WORDS)]), id="told apart by uid"),
        pytest.param([{new: [row[old] for row in FOUR] for old, new in COLUMNS.items()}], id="ms-swift's columns"),
        pytest.param([row for step in (1, 2) for row in shuffled([one | {"step": step} for one in FOUR])], id="steps"),
    ],
)
def test_saved_rollouts_of_a_question_are_one_group(lines: list[dict[str, object]], tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["profile", str(rows(tmp_path / "a.jsonl", *lines)), "--json"])
    made = json.loads(done.stdout)["slices"][0]
    assert made["groups"] in (4, 8)
    assert (made["no_advantage"]["value"], made["all_right"]["value"], made["all_wrong"]["value"]) == (0.5, 0.25, 0.25)
    assert (made["accuracy"]["value"], made["cut"]) == (0.5, None)


def test_rollouts_that_are_of_no_known_question_or_have_no_truth_are_left_out_with_a_note(tmp_path: Path) -> None:
    twice = [*question(1), *question(3), *question(3), saved("B", ground_truth=None)]
    done = RUNNER.invoke(app, ["profile", str(rows(tmp_path / "a.jsonl", *shuffled(twice))), "-k", "4", "--json"])
    made = json.loads(done.stdout)
    assert made["slices"][0]["groups"] == 1
    assert made["notes"][0].startswith("1 of 13 rollouts could not be read or scored")
    assert made["notes"][2].startswith("8 rollouts are left out: several questions have their words and answer")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["none.jsonl"], "no file at"),
        (["none.parquet", "--model", "m"], "there is no none.parquet; build it"),
        (["a", "b", "--model", "m"], "name one training set with --model"),
        (["unnamed.jsonl"], "its rows have no prompt, so that a question's cannot be found; add a column uid"),
        (["no_truth.jsonl"], "no row of no_truth.jsonl can be scored; see why with: infimed reward no_truth.jsonl"),
    ],
)
def test_bad_input_is_one_line(more: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    truths = [{"response": "a", "ground_truth": f"{n % 2}"} for n in range(4)]
    rows(tmp_path / "unnamed.jsonl", *truths)
    rows(tmp_path / "no_truth.jsonl", *(row | {"ground_truth": "{}"} for row in truths))
    done = RUNNER.invoke(app, ["profile", *more])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_the_log_of_trl_with_our_reward_tells_truths_and_questions(tmp_path: Path) -> None:
    """TRL writes prompts, completions, rewards and what the reward logs (trl/trainer/grpo_trainer.py, 3341)."""
    turns = [[{"role": "assistant", "content": str(row["response"])}] for row in SAME_WORDS]
    logged: dict[str, Any] = {"prompt": [[{"role": "user", "content": "q"}]] * 16, "completion": turns}
    truths, ids = [row["ground_truth"] for row in FOUR], [f"q{n // 4}" for n in range(16)]
    logged["infimed_reward"] = infimed_reward(turns, ground_truth=truths, id=ids, log_extra=logged.__setitem__)
    pyarrow.parquet.write_table(pyarrow.table(logged), tmp_path / "completions_00001.parquet")
    done = RUNNER.invoke(app, ["profile", str(tmp_path / "completions_00001.parquet"), "--json"])
    made = json.loads(done.stdout)["slices"][0]
    assert (made["groups"], made["no_advantage"]["value"]) == (4, 0.5)
