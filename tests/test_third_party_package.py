"""A third party's package, really installed, adds one thing of most kinds, and each works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PACKAGE = Path(__file__).parent / "third_party_package"
INFIMED = str(Path(sys.executable).with_name("infimed"))


@pytest.fixture(scope="module")
def with_package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables under which the installed package is found."""
    target = tmp_path_factory.mktemp("installed")
    offline = ["--no-build-isolation", "--no-deps", "--no-index"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", str(target), str(PACKAGE)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])}


def infimed(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([INFIMED, *arguments], capture_output=True, text=True, env=env, timeout=300, check=False)


def test_what_it_adds_is_listed_under_its_name(with_package: dict[str, str]) -> None:
    listed = json.loads(infimed("plugins", "--json", env=with_package).stdout)
    added = {(thing["kind"], thing["name"]) for thing in listed if thing["owner"] == "infimed-example"}
    data = {("source", "sums"), ("curation step", "keep_hard"), ("benchmark", "sums"), ("scorer", "last_word")}
    assert added == {("reward", "dice"), ("model family", "digits-vl"), *data}


def test_without_it_nothing_of_it_is_listed() -> None:
    assert "infimed-example" not in infimed("plugins", "--json", env=dict(os.environ)).stdout


def test_its_source_and_step_work_in_a_recipe(with_package: dict[str, str], tmp_path: Path) -> None:
    part = {"name": "sums", "source": "sums", "split": "train", "limit": 50, "steps": ["keep_hard"]}
    recipe = tmp_path / "sums.yaml"
    recipe.write_text(yaml.safe_dump({"name": "sums", "format": "llamafactory", "parts": [part]}))
    done = infimed("data", "build", str(recipe), "--out", str(tmp_path / "out"), "--json", env=with_package)
    manifest = json.loads(done.stdout)
    dropped = manifest["parts"][0]["dropped"]
    assert manifest["rows"] == 50 - dropped["round number"] > 0
    assert manifest["parts"][0]["licence"] == "CC0-1.0"
    assert manifest["datasets"] == ["sums_text"]


def test_its_family_of_models_is_one_to_build_for(with_package: dict[str, str], tmp_path: Path) -> None:
    command = ["data", "build", "quickstart_rlvr", "--out", str(tmp_path / "out"), "--model-family"]
    built = infimed(*command, "Digits_VL", "--json", env=with_package)
    assert json.loads(built.stdout)["settings"]["model_family"] == "digits-vl"
    unknown = infimed(*command, "digit-vl", env=with_package)
    assert unknown.returncode == 2
    assert "unknown model family 'digit-vl'; one of qwen2.5-vl, qwen3-vl" in unknown.stderr
    assert "did you mean 'digits-vl'?" in unknown.stderr


def test_its_scorer_judges_kept_replies(with_package: dict[str, str], tmp_path: Path) -> None:
    settings = {"benchmark": "sums", "model": "m", "prompt_style": "direct", "variant": "", "limit": None, "seed": 0}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    asked = {"question": "What?", "options": None, "task": "math", "language": "en", "meta": {}, "images": []}
    golds_and_replies = [("2", "It is 2"), ("4", "It is 4."), ("6", "6")]
    rows = [
        {"index": index, "id": f"sum-{index}", "gold": gold, "prompt": "What?", "text": text, **asked}
        for index, (gold, text) in enumerate(golds_and_replies)
    ]
    (tmp_path / "responses.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = infimed("score", str(tmp_path), "--mode", "last_word", "--json", env=with_package)
    assert done.returncode == 0, done.stderr
    verdicts = [json.loads(line) for line in (tmp_path / "verdicts-last_word.jsonl").read_text().splitlines()]
    assert [verdict["accuracy"] for verdict in verdicts] == [1.0, 0.0, 1.0]
    unknown = infimed("score", str(tmp_path), "--mode", "first_word", env=with_package)
    assert "unknown mode 'first_word'; one of robust, medevalkit" in unknown.stderr
    assert "last_word" in unknown.stderr


def test_its_reward_file_stays_under_fifteen_lines() -> None:
    assert len((PACKAGE / "infimed_example" / "dice.py").read_text().splitlines()) < 15
