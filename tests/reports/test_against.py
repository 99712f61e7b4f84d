"""Our figures beside the published ones: the difference, its interval, and a verdict that so many questions allow."""

from __future__ import annotations

import random
from dataclasses import asdict

import pytest

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.reports.against import compare
from infimed_plugins.reports.published import published_data, published_table
from infimed_plugins.reports.summary import summarize


def run(benchmark: str, right: int, total: int, *, mode: str = "medevalkit", judge: str = "", variant: str = "") -> Run:
    rows = [
        Judged(str(n), "", str(n), "q", "a", "b", "b", float(n < right), 1.0, False, "") for n in range(total)
    ]  # every question has an image of its own
    return Run("mine", benchmark, "direct", mode, rows, variant, judge)


def verdicts(*runs: Run, recipe: str = "infimed") -> dict[tuple[str, str], str]:
    made = compare(summarize(runs), recipe)
    return {(row.benchmark, row.stage): row.verdict for row in made.rows}


def test_the_recipes_agree_with_table_1_and_have_seven_columns() -> None:
    printed = {row.model: row.values for row in published_table().rows}
    for recipe in published_data()["recipes"].values():
        assert list(recipe["stages"]) == ["base", "SFT", "RL"]
        for model, values in recipe["stages"].values():
            assert len(values) == len(published_table().columns)
            if model in printed and not (recipe["source"].startswith("Tables 6") and model == "Qwen2.5VL-7B"):
                assert tuple(values) == printed[model]


def test_medvlthinkers_shares_are_of_its_own_numbers_of_questions() -> None:
    """Each printed percentage of the small sets is a count of questions, or the mean of three passes over them."""
    told = published_data()["recipes"]["medvlthinker"]
    assert sum(filter(None, told["questions"])) == 8220
    columns = list(published_table().columns)
    for _, values in told["stages"].values():
        for name in ("mmmu_health", "vqa_rad", "slake"):
            questions = told["questions"][columns.index(name)]
            value = values[columns.index(name)]
            counted = 3 * questions * value / 100
            assert abs(round(counted) / (3 * questions) - value / 100) < 5.1e-5


def test_many_questions_tell_apart_what_few_do_not() -> None:
    assert verdicts(run("path_vqa", 4166, 6719))["path_vqa", "RL"] == "as published"
    assert verdicts(run("path_vqa", 4400, 6719))["path_vqa", "RL"] == "better"
    assert verdicts(run("path_vqa", 3900, 6719))["path_vqa", "RL"] == "worse"
    few = verdicts(run("mmmu_health", 75, 150))["mmmu_health", "SFT"]
    assert few.startswith("not to be told apart: 150 questions show")


def test_the_interval_covers_the_difference_of_two_runs_of_the_same_skill() -> None:
    """Two independent samples of the same share: the verdict is wrong no more often than 5 of 100 times, or so."""
    rng, wrong = random.Random(0), 0
    for _ in range(200):
        right = sum(rng.random() < 0.605 for _ in range(451))
        wrong += verdicts(run("vqa_rad", right, 451))["vqa_rad", "RL"] in ("better", "worse")
    assert wrong <= 10


def test_what_differs_besides_the_model_is_said() -> None:
    made = compare(summarize([run("vqa_rad", 60, 100, mode="robust")]), "infimed")
    told = "\n".join(made.notes)
    assert "mode robust here, medevalkit or paper there: add --mode medevalkit" in told
    assert "judged by rules only here, by Qwen2.5-72B there" in told
    assert "vqa_rad: 100 questions here, 451 there" in told
    assert "vqa_rad: the printed 58.1 and 60.5 are 262 and 273 of 451" in told
    judged = compare(summarize([run("vqa_rad", 273, 451, judge="Qwen2.5-72B")]), "infimed").notes
    assert not any("here," in note for note in judged)


def test_variants_and_other_benchmarks_are_left_out_and_a_set_that_was_not_reported_has_no_line() -> None:
    assert verdicts(run("phantom", 5, 10), run("vqa_rad", 60, 100, variant="blur:1")) == {}
    assert verdicts(run("omnimedvqa", 60, 100), recipe="medvlthinker") == {}
    told = compare(summarize([run("phantom", 5, 10)]), "infimed").notes[1]
    assert told.startswith("nothing was run here that these figures are on: mmmu_health, vqa_rad, slake,")
    closed = compare(summarize([run("slake", 300, 416)]), "medvlthinker").rows
    assert {row.questions for row in closed} == {416}


@pytest.mark.parametrize("name", list(published_data()["recipes"]))
def test_json_holds_every_verdict(name: str) -> None:
    told = asdict(compare(summarize([run("vqa_rad", 273, 451)]), name))
    assert [row["stage"] for row in told["rows"]] == ["base", "SFT", "RL"]
    assert all(row["verdict"] for row in told["rows"])
