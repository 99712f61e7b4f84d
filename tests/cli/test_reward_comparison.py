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


def test_rollouts_without_a_verdict_count_nowhere_and_are_told(saved: Path) -> None:
    other = saved.with_name("half.py")
    given = "[{'overall': 1.0} | ({'accuracy': None} if '> B <' in row['response'] else {}) for row in rows]"
    other.write_text(f"def score(rows):\n    return {given}\n")
    made = compare(saved, "infimed", f"{other}:score")[f"{other}:score"]
    assert (made["unscored"], made["mean"], made["alone"]) == (1, 1.0, [3])
    done = RUNNER.invoke(app, ["reward", str(saved), "--with", f"{other}:score"])
    assert "no verdict on 1 of 4 rollouts" in " ".join(done.output.split())


def test_rewards_with_a_verdict_on_different_rollouts_agree_on_nothing(saved: Path) -> None:
    other = saved.with_name("parts.py")
    functions = []
    for name, told in (("one", "in"), ("rest", "not in")):
        given = f"[{{'overall': 1.0 if '> B <' {told} row['response'] else None}} for row in rows]"
        functions.append(f"def {name}(rows):\n    return {given}\n")
    other.write_text("".join(functions))
    made = compare(saved, f"{other}:one", f"{other}:rest")[f"{other}:rest"]
    assert (made["unscored"], made["with_first"]) == (1, None)
    saved.write_text(saved.read_text().splitlines()[1])
    done = RUNNER.invoke(app, ["reward", str(saved), "--with", f"{other}:one"])
    assert (done.exit_code, "has a verdict on none of 1 rollouts" in " ".join(done.output.split())) == (2, True)


BROKEN = {
    "short": "[{'overall': 1.0}]",
    "nan": "[{'overall': float('nan')} for _ in rows]",
    "numbers": "[1.0 for _ in rows]",
    "keys": "[{'acc': 1.0} for _ in rows]",
    "never": "[{'overall': 1.0, 'accuracy': None} for _ in rows]",
    "raises": "1 / 0",
}


@pytest.mark.parametrize("name", [*BROKEN, "constant"])
def test_a_reward_that_breaks_its_contract_is_one_line_with_the_mend(name: str, saved: Path) -> None:
    other = saved.with_name("odd.py")
    functions = [f"def {key}(rows):\n    return {value}\n" for key, value in BROKEN.items()]
    other.write_text("".join(functions) + "constant = 3\n")
    done = RUNNER.invoke(app, ["reward", str(saved), "--with", "infimed", "--with", f"{other}:{name}"])
    assert done.exit_code == 2, done.output
    assert "or leave it out" in " ".join(done.output.split())
    other.write_text("raise RuntimeError('x')")
    done = RUNNER.invoke(app, ["reward", str(saved), "--with", f"{other}:{name}"])
    assert "does not load (RuntimeError: x); mend it" in " ".join(done.output.split())


@pytest.mark.parametrize("option", ["--out", "--html", "--reward", "--task", "--answer-frame"])
def test_an_option_for_one_reward_is_refused_beside_others(option: str, saved: Path) -> None:
    done = RUNNER.invoke(app, ["reward", str(saved), "--with", "infimed", option, "text"])
    assert (done.exit_code, f"{option} is for one reward" in " ".join(done.output.split())) == (2, True)


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
