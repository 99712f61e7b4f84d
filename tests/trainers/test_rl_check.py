"""`infimed check rl` on verl, TRL, ms-swift and OpenRLHF: what is printed and built passes, faults do not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infimed_plugins.cli.main import app
from infimed_plugins.errors import ConfigError, MissingFileError
from infimed_plugins.recipes import Part, Recipe, build
from infimed_plugins.trainers import Checked
from infimed_plugins.trainers.configs import configuration
from infimed_plugins.trainers.rl_check import check, read_configuration

TRAINERS = ("verl", "trl", "ms-swift", "openrlhf")
MODEL = {
    "verl": "actor_rollout_ref.model.path",
    "trl": "model_name_or_path",
    "ms-swift": "model",
    "openrlhf": "actor.model_name_or_path",
}
ROWS = {"verl": "data.train_files", "trl": "dataset_name", "ms-swift": "dataset", "openrlhf": "data.prompt_dataset"}
FILE = {"verl": "train.parquet", "trl": "", "ms-swift": "train.jsonl", "openrlhf": "train.jsonl"}
Run = Callable[..., Checked]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sixteen phantoms in every format."""
    parts = (Part("p", "phantom", "rlvr", limit=16, order="first", style="reasoning"),)
    folders = {name: tmp_path_factory.mktemp("rows") / name for name in TRAINERS}
    for name, folder in folders.items():
        build(Recipe("small", name, parts, for_judge=True), folder)
    return folders


@pytest.fixture
def run(built: dict[str, Path], tiny_vlm: Path, tmp_path: Path) -> Run:
    """Check a trainer's printed configuration with the tiny model, and its rows or others; further overrides last."""

    def checked(trainer: str, *more: str, rows: Path | None = None, model: Path = tiny_vlm) -> Checked:
        config = tmp_path / ("config.sh" if trainer == "openrlhf" else "config.yaml")
        config.write_text(configuration(trainer))
        place = built[trainer] / FILE[trainer] if rows is None else rows
        here = [f"{MODEL[trainer]}={model}", f"{ROWS[trainer]}={place}", "data.val_files="]
        return check(config, [*here, f"ENV.ROOT_IMAGE_DIR={built['ms-swift']}", *more])

    return checked


def lines(checked: Checked) -> list[str]:
    return [str(fault) for fault in checked.faults]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_printed_configuration_and_the_built_rows_have_no_faults(trainer: str, run: Run) -> None:
    checked = run(trainer)
    assert lines(checked) == []
    assert checked.summary is not None
    assert checked.summary.rows == 16
    assert 60 < (checked.summary.max_tokens or 0) < 250


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_judge_that_is_out_and_rows_without_its_questions_are_said(trainer: str, run: Run, tmp_path: Path) -> None:
    parts = (Part("p", "phantom", "rlvr", tasks=("text",), limit=4, order="first", style="reasoning"),)
    judge = 'env.INFIMED_REWARD_KWARGS={"judge": {"model": "m", "base_url": "http://127.0.0.1:9/v1"}}'
    found = {}
    for for_judge in (False, True):
        folder = tmp_path / str(for_judge)
        build(Recipe("small", trainer, parts, for_judge=for_judge), folder)
        checked = run(trainer, judge, rows=folder / FILE[trainer])
        assert any("is not calibrated" in warning for warning in checked.warnings)
        found[for_judge] = lines(checked)
    assert all(sum("the judge gives no verdict" in line for line in said) == 1 for said in found.values())
    assert [line for line in found[False] if line not in found[True]] == [
        line for line in found[False] if line.endswith("; infimed data build --for-judge, or the recipe's for_judge")
    ]
    assert len(found[False]) == len(found[True]) + 1


def test_a_script_and_a_yaml_file_are_read_alike(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text(
        "# a comment --data.x 9\nexport INFIMED_REWARD_KWARGS='{\"w_acc\": 0.9}'\n"
        "python -m verl.trainer.main_ppo data.train_files=a.parquet \\\n  +reward.kwargs.n=3\n"
        "python -m openrlhf.cli.train_ppo_ray --data.label_key truth --data.apply_chat_template --x 0.5\n"
    )
    assert read_configuration(script, ["data.y=2"]) == {
        "INFIMED_REWARD_KWARGS": {"w_acc": 0.9},
        "data.train_files": "a.parquet",
        "reward.kwargs.n": 3,
        "data.label_key": "truth",
        "data.apply_chat_template": True,
        "x": 0.5,
        "data.y": 2,
    }
    with pytest.raises(MissingFileError, match="no configuration at"):
        read_configuration(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(ConfigError, match=r"list\.yaml cannot be read: it holds no key: value lines"):
        read_configuration(tmp_path / "list.yaml")


def test_the_trainer_is_told_by_the_keys_or_named_in_any_spelling(built: dict[str, Path], tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"model: {tmp_path}/none\ndataset: {built['ms-swift']}/train.jsonl\n")
    found = CliRunner().invoke(app, ["check", "rl", str(config), "--trainer", "MS_Swift", "--json"])
    assert found.exit_code == 1, found.output
    assert {"model", "reward_funcs"} <= {fault["where"] for fault in json.loads(found.stdout)["faults"]}
    assert check(config).faults  # by its key `model`
    with pytest.raises(ConfigError, match=r"unknown trainer 'nemo'; one of easyr1, verl, trl, ms-swift, openrlhf"):
        check(config, trainer="nemo")


@pytest.mark.parametrize("trainer", ["ms-swift", "openrlhf"])
def test_bad_json_lines_are_named(trainer: str, run: Run, built: dict[str, Path], tmp_path: Path) -> None:
    good = [json.loads(line) for line in (built[trainer] / "train.jsonl").read_text().splitlines()]

    def faults(rows: list[dict[str, Any]]) -> str:
        path = tmp_path / "bad.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return "\n".join(lines(run(trainer, rows=path)))

    assert "it is empty" in faults([])
    assert "has no column 'ground_truth'" in faults(
        [{("truth" if key == "ground_truth" else key): row[key] for key in row} for row in good]
    )
    assert "bad.jsonl[1]: " in (said := faults([good[0], {**good[1], "images": ["images/none.png"]}]))
    assert "cannot be read" in said
    assert "2 <image> in the prompt for 1 images" not in said
    assert "1 <image> in the prompt for 2 images" in faults([{**good[0], "images": good[0]["images"] * 2}])
    truth = json.dumps({"task": "multiple_choice", "answer": "Q", "options": ["a", "b"]})
    assert "bad.jsonl[0]" in (said := faults([{**good[0], "ground_truth": truth}, good[1]]))
    assert "Q" in said
    assert "the answer is empty" in faults([{**good[0], "ground_truth": ""}])
    prompt = "messages" if trainer == "ms-swift" else "prompt"
    assert "the prompt is empty" in faults([{**good[0], prompt: [{"from": "human", "value": "Which organ?"}]}])


def test_bad_parquet_is_named(run: Run, built: dict[str, Path], tmp_path: Path, write_parquet: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(built["verl"] / "train.parquet").to_pylist()
    renamed = [{("question" if key == "prompt" else key): value for key, value in row.items()} for row in rows]
    path = write_parquet(tmp_path / "bad.parquet", renamed)
    assert any("has no column 'prompt'" in line for line in lines(run("verl", rows=path)))
    assert lines(run("verl", "data.prompt_key=question", rows=path)) == []
    path = write_parquet(tmp_path / "torn.parquet", [{**rows[0], "images": [{"bytes": b"no picture"}]}, rows[1]])
    assert any(
        line.startswith("torn.parquet[0]: image in the row does not open") for line in lines(run("verl", rows=path))
    )
    (tmp_path / "cut.parquet").write_bytes((built["verl"] / "train.parquet").read_bytes()[:999])
    assert any("it was cut short" in line for line in lines(run("verl", rows=tmp_path / "cut.parquet")))
    assert any("there is no " in line for line in lines(run("trl", rows=tmp_path / "none")))


@pytest.mark.parametrize(
    ("trainer", "override", "expected"),
    [
        ("verl", "reward.custom_reward_function.path=mine.py", "no reward of this package, and no reply was scored"),
        (
            "verl",
            "reward.custom_reward_function.reward_kwargs.w_fromat=0.2",
            "unknown setting of the reward 'w_fromat'",
        ),
        ("verl", "reward.custom_reward_function.reward_kwargs.think_prefilled=true", "does not open <think>"),
        ("verl", "data.max_prompt_length=20", "are more than data.max_prompt_length 20; it would be left out"),
        ("trl", "env.INFIMED_REWARD_KWARGS={w_acc: 0.5}", "they must sum to 1"),
        ("trl", "vllm_max_model_length=1100", "it would be refused by vLLM"),
        ("ms-swift", "ENV.INFIMED_REWARD_KWARGS={answer_tag: final}", "earns 0.00"),
        ("openrlhf", "data.apply_chat_template=false", "data.apply_chat_template: is not set"),
        ("openrlhf", "data.max_images_per_prompt=0", "data.max_images_per_prompt: is not set"),
    ],
)
def test_a_setting_at_odds_with_the_rows_is_named(trainer: str, override: str, expected: str, run: Run) -> None:
    assert expected in "\n".join(lines(run(trainer, override)))


@pytest.mark.parametrize("key", ["data.max_images_per_prompt", "rollout.max_new_tokens"])
def test_a_number_that_is_none_is_one_line(key: str, run: Run) -> None:
    with pytest.raises(ConfigError, match=f"{key} is 'many'; give a whole number"):
        run("openrlhf", f"{key}=many")


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_judge_is_asked_before_the_run_whichever_trainer_it_is_for(trainer: str, run: Run, tmp_path: Path) -> None:
    here = {"verl": "reward.custom_reward_function.reward_kwargs.judge", "openrlhf": "INFIMED_REWARD_KWARGS"}

    def judged(**judge: str) -> Checked:
        judge |= {"model": "m", "base_url": "http://127.0.0.1:9/v1"}
        if trainer == "verl":
            return run(trainer, *(f"{here[trainer]}.{key}={value}" for key, value in judge.items()))
        return run(trainer, f"{here.get(trainer, 'env.INFIMED_REWARD_KWARGS')}={json.dumps({'judge': judge})}")

    checked = judged()
    assert ["gives no verdict" in line for line in lines(checked)] == [True]
    assert ["not calibrated" in line for line in checked.warnings] == [True]
    (tmp_path / "judge.json").write_text("{}")
    refused = judged(calibration=str(tmp_path / "judge.json"))
    assert [fault.mend.partition(",")[0] for fault in refused.faults][1:] == ["infimed judge calibrate"]
    assert refused.warnings == ()


def test_verl_without_its_filter_would_stop_at_a_long_prompt(run: Run) -> None:
    said = lines(run("verl", "data.max_prompt_length=20", "data.filter_overlong_prompts=false"))
    assert "it would be refused, the run ended" in said[0]


def test_a_chat_template_that_drops_pictures_or_opens_the_thought_is_named(
    run: Run, tiny_vlm: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_vlm, model)
    template = next(path for path in (model / "chat_template.jinja", model / "chat_template.json") if path.exists())
    whole = "{% for m in messages %}{% for c in m['content'] %}{{ c['text'] }}{% endfor %}{% endfor %}"
    template.write_text(whole if template.suffix == ".jinja" else json.dumps({"chat_template": whole}))
    assert any("drops pictures: 0 of 1" in line for line in lines(run("trl", model=model)))
    opening = (
        "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|><|image_pad|>"
        "<|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}\n<|im_start|>assistant\n<think>\n"
    )
    template.write_text(opening if template.suffix == ".jinja" else json.dumps({"chat_template": opening}))
    said = "\n".join(lines(run("trl", model=model)))
    assert "set INFIMED_REWARD_KWARGS.think_prefilled=true" in said
    assert lines(run("trl", 'env.INFIMED_REWARD_KWARGS={"think_prefilled": true}', model=model)) == []
