"""What a benchmark asks is left out of every part of a recipe that says so, with a report and without a model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from infimed_plugins.recipes import Recipe, build, load_recipe
from infimed_plugins.recipes.recipe import EngineChoice, Part

DOWNLOADS = Path(__file__).parents[1] / "data" / "sources"
NO_SUCH_MODEL = EngineChoice("transformers", "no-such-model")  # starting it would fail
RECIPE = Recipe(
    "checked",
    "llamafactory",
    (Part("slake", "slake", "train"), Part("vqa_rad", "vqa_rad", "train")),
    max_rejects=0.9,
    engine=NO_SUCH_MODEL,
    decontaminate={"benchmarks": ["slake/test", "gmai_mmbench/val"], "skip_missing": True},
)


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """SLAKE, whose test set asks the first two questions of its training set, and VQA-RAD; no GMAI-MMBench."""
    folder = tmp_path / "downloads"
    for name in ("slake", "vqa_rad"):
        shutil.copytree(DOWNLOADS / name, folder / name)
    rows = json.loads((folder / "slake" / "test.json").read_text(encoding="utf-8"))
    (folder / "slake" / "test.json").write_text(json.dumps(rows[:2]), encoding="utf-8")
    return folder


def test_every_part_is_checked_the_report_names_the_rows_and_no_model_is_started(
    downloads: Path, tmp_path: Path
) -> None:
    made = build(RECIPE, tmp_path / "out", folder=downloads)
    slake, vqa_rad = made.parts
    assert slake.dropped == {"in slake/test: image and question": 2}
    assert vqa_rad.dropped == {}
    assert slake.not_checked == vqa_rad.not_checked == ("gmai_mmbench/val",)
    report = tmp_path / "out" / "decontamination" / "slake.jsonl"
    found = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert [(row["sample"], row["item"]) for row in found] == [
        ("slake-train-100", "slake-test-100"),
        ("slake-train-101", "slake-test-101"),
    ]
    assert "decontamination/slake.jsonl" in {output.file for output in made.outputs}


def test_two_builds_give_the_same_bytes(downloads: Path, tmp_path: Path) -> None:
    first, second = (build(RECIPE, tmp_path / name, folder=downloads) for name in ("a", "b"))
    assert first.outputs == second.outputs


def test_a_recipe_without_it_keeps_the_rows(downloads: Path, tmp_path: Path) -> None:
    made = build(RECIPE.changed(decontaminate=False), tmp_path / "out", folder=downloads)
    assert made.parts[0].dropped == {}
    assert not (tmp_path / "out" / "decontamination").exists()


@pytest.mark.parametrize("name", ["infimed_sft", "infimed_rlvr", "infi_med_sft", "infimed_sft_without_text"])
def test_the_public_recipes_are_checked_against_the_papers_seven_benchmarks(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.decontaminate is not None
    assert len(recipe.decontaminate["benchmarks"]) == 7
    assert all(recipe.steps_of(part)[0].name == "decontamination" for part in recipe.parts)


def test_images_of_a_part_with_steps_wait_on_disk_and_leave_nothing(downloads: Path, tmp_path: Path) -> None:
    only = replace(RECIPE, parts=(Part("vqa_rad", "vqa_rad", "train"),))  # its images come as bytes, from parquet
    checked = build(only, tmp_path / "checked", folder=downloads)
    plain = build(only.changed(decontaminate=False), tmp_path / "plain", folder=downloads)
    names = [{path.name for path in (tmp_path / out / "images").rglob("*.*")} for out in ("checked", "plain")]
    assert names[0] == names[1]
    assert checked.rows == plain.rows
    assert not list((tmp_path / "checked").rglob("*.images"))
