"""A recipe file is read strictly: what cannot be used is named with its mend before any work starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infimed_plugins.errors import ConfigError, InfimedError, MissingFileError, UnknownPluginError
from infimed_plugins.recipes import load_recipe, plan, shipped_recipes
from infimed_plugins.recipes.recipe import EngineChoice

GOOD = {
    "name": "demo",
    "format": "llamafactory",
    "parts": [{"name": "one", "source": "phantom", "split": "train", "limit": 5}],
}


def written(folder: Path, **changes: object) -> Path:
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}), encoding="utf-8")
    return path


def part(**changes: object) -> list[dict[str, object]]:
    return [{**GOOD["parts"][0], **changes}]  # type: ignore[dict-item]


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_can_be_planned_and_is_named_as_its_file(name: str) -> None:
    assert load_recipe(name).name == name
    assert plan(name).total > 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"for_judge": "yes"}, "for_judge is 'yes'; give true or false"),
        ({"model_family": "qwen4"}, r"model_family: unknown model family 'qwen4'; one of qwen2.5-vl, qwen3-vl, .*mean"),
        ({"sead": 1}, r"unknown key 'sead' \(did you mean 'seed'\?\); keys are name, format"),
        (
            {"format": "llama-factory"},
            r"format: unknown format 'llama-factory'; one of llamafactory, .*did you mean 'llamafactory'",
        ),
        ({"format": None}, "'format' is missing"),
        ({"name": "a,b"}, "name 'a,b' may hold letters"),
        ({"name": 7}, "name must be text, not 7"),
        ({"seed": "one"}, "seed is 'one'; give a whole number"),
        ({"seed": True}, "seed is True; give a whole number"),
        ({"max_rejects": 5}, "max_rejects is 5; give a share from 0 to 1"),
        ({"engine": {"name": "transformers"}}, "engine: 'model' is missing"),
        ({"engine": "transformers"}, "engine must be 'key: value' lines"),
        ({"parts": []}, "parts' is missing|parts must be a list"),
        ({"parts": {"one": 1}}, "parts must be a list"),
        ({"parts": part() + part()}, "several parts are named 'one'"),
        ({"parts": part(limt=3)}, r"part 1: unknown key 'limt' \(did you mean 'limit'\?\)"),
        ({"parts": part(limit=0)}, r"part 1 \(one\): limit is 0; give a whole number from 1"),
        ({"parts": part(skip=-1)}, "skip is -1; give a whole number from 0"),
        ({"parts": part(order="random")}, "order is 'random'; one of hash, first"),
        ({"parts": part(style="resoning")}, r"style is 'resoning'; one of direct, reasoning \(did you mean"),
        ({"parts": part(into="test")}, "into is 'test'; one of train, val"),
        ({"parts": part(tasks=["maths"])}, r"tasks is \('maths',\); each is one of .* \(did you mean 'math'\?\)"),
        ({"parts": part(tasks="math")}, "tasks must be a list of names, not 'math'"),
        ({"parts": part(steps="reflective_cot")}, "steps must be a list of names"),
        ({"parts": part(steps=[{"a": 1, "b": 2}])}, "a step is a name or one 'name: {settings}'"),
        ({"parts": part(steps=[{"a": 1}])}, "step a must be 'key: value' lines, not 1"),
    ],
)
def test_a_bad_key_or_value_is_named(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_recipe(written(tmp_path, **changes))
    assert "demo.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["parts: [", "\t- x", "just a sentence", "", "- a\n- b", "a: b: c"])
def test_a_file_that_is_no_recipe_is_one_clear_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml") as caught:
        load_recipe(tmp_path / "bad.yaml")
    assert "\n" not in str(caught.value)


def test_a_binary_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(ConfigError, match=r"bad\.yaml is not valid YAML"):
        load_recipe(tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "quickstart_stf",
            r"no recipe 'quickstart_stf' \(did you mean 'quickstart_sft'\?\); shipped: .*quickstart_rlvr",
        ),
        ("gone/demo.yaml", "no recipe file gone/demo.yaml"),
    ],
)
def test_a_recipe_that_is_not_there_names_those_that_are(name: str, said: str) -> None:
    with pytest.raises(MissingFileError, match=said):
        load_recipe(name)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"parts": part(source="phantm")}, UnknownPluginError, "unknown source 'phantm'; available: .*phantom"),
        ({"parts": part(split="tets")}, ConfigError, "source 'phantom' has no split 'tets'; one of pretrain, train"),
        (
            {"parts": part(steps=["reflect"])},
            UnknownPluginError,
            "unknown curation step 'reflect'; available: .*reflective",
        ),
        (
            {"engine": {"name": "vlm", "model": "x"}},
            UnknownPluginError,
            "unknown engine 'vlm'; available: .*transformers",
        ),
    ],
)
def test_a_plan_names_what_is_not_registered(
    changes: dict[str, object], error: type[InfimedError], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        plan(written(tmp_path, **changes))


def test_a_plan_counts_what_each_part_can_give(tmp_path: Path) -> None:
    parts = [*part(), *part(name="rest", limit=None, skip=19_990), *part(name="some", kinds=["organ"], limit=7)]
    made = plan(written(tmp_path, parts=parts))
    assert [row.rows for row in made.parts] == [5, 10, 7]
    assert made.total == 22
    assert made.to_json()["total"] == 22
    assert {row.licence for row in made.parts} == {"Apache-2.0"}


def test_another_model_judges_itself_unless_a_judge_is_named_too() -> None:
    made = load_recipe("infimed_sft")
    (step,) = next(part for part in made.parts if part.name == "reflective").steps
    assert step.settings["judge_engine"]["model"] == "Qwen/Qwen2.5-VL-72B-Instruct"
    served = EngineChoice("openai", "m", {"base_url": ["http://a/v1"]})
    (alone,) = next(part for part in made.changed(engine=served).parts if part.name == "reflective").steps
    assert alone.settings == {"candidates": 10}
    (both,) = next(
        p for p in made.changed(engine=served, judge=EngineChoice("openai", "j")).parts if p.name == "reflective"
    ).steps
    assert both.settings == {"candidates": 10, "judge_engine": {"name": "openai", "model": "j", "settings": {}}}
    assert made.changed(engine=served).engine == served
    with pytest.raises(ConfigError, match="names no engine"):
        load_recipe("infimed_rlvr").changed(engine=served)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--base-url", "http://a/v1"], "--engine and --base-url need a --model"),
        (["--judge-model", "j"], "--judge-model and --judge-url need a --model that answers"),
        (["--model", "m", "--judge-url", "http://a/v1"], "--judge-url needs a --judge-model"),
    ],
)
def test_options_for_models_that_say_nothing_alone_are_refused(options: list[str], said: str, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from infimed_plugins.cli.main import app

    ran = CliRunner().invoke(app, ["data", "build", "infimed_sft", "--out", str(tmp_path / "x"), *options])
    assert ran.exit_code == 2
    assert said in ran.output
    assert not (tmp_path / "x").exists()
