"""``infimed reward FILE --with A --with B``: rewards side by side on the same rollouts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infimed_plugins.cli.main import app

RUNNER = CliRunner()
TRUTH = '{"task": "multiple_choice", "answer": "B", "options": ["CT", "MRI"]}'
REPLIES = ("B", "B. MRI", "A", "The answer is MRI")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "g.jsonl"
    lines = [{"response": f"<think> x </think><answer> {said} </answer>", "ground_truth": TRUTH} for said in REPLIES]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def compare(path: Path, *names: str) -> dict[str, dict[str, object]]:
    command = ["reward", str(path), "--json"]
    for name in names:
        command += ["--with", name]
    done = RUNNER.invoke(app, command)
    assert done.exit_code == 0, done.output
    return {one["name"]: one for one in json.loads(done.stdout)}


def test_a_file_as_easyr1_loads_it_gets_the_gold_as_text(saved: Path) -> None:
    other = saved.with_name("exact.py")
    other.write_text(
        "def score(rows):\n"
        "    said = [f\"<answer> {row['ground_truth']} </answer>\" in row['response'] for row in rows]\n"
        "    return [{'overall': float(one)} for one in said]\n"
    )
    made = compare(saved, "infimed", f"{other}:score")
    assert (made["infimed"]["paid"], made[f"{other}:score"]["paid"]) == (0.75, 0.25)
    assert made[f"{other}:score"]["alone"] == [2, 4]
    same = made[f"{other}:score"]["with_first"]
    assert isinstance(same, dict)
    assert (same["observed"], same["only_other"]) == (0.5, 2)


def test_trls_accuracy_and_easyr1s_r1v_run_on_the_same_rollouts(saved: Path) -> None:
    pytest.importorskip("trl")
    names = ["infimed", "trl:accuracy"]
    if (root := os.environ.get("EASYR1")) and Path(root).is_dir():
        names.append("easyr1:r1v")
    made = compare(saved, *names)
    assert list(made) == names
    assert all(0 <= one["paid"] <= 1 and one["cost"] > 0 for one in made.values())  # type: ignore[operator]
    if "easyr1:r1v" in made:
        assert made["easyr1:r1v"]["paid"] == 0.25  # the bare letter only


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("r1v", "'r1v' is no reward; write infimed, trl:NAME, easyr1:NAME or FILE.py:FUNCTION"),
        ("none.py:f", "there is no file none.py"),
        ("trl:acuracy", "unknown reward of TRL 'acuracy'"),
    ],
)
def test_an_unknown_reward_is_one_line(name: str, said: str, saved: Path) -> None:
    done = RUNNER.invoke(app, ["reward", str(saved), "--with", "infimed", "--with", name])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
