"""The real trainers take real steps on the tiny model, through the shipped configurations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.errors import ConfigError
from infimed_plugins.prompts import REASONING_INSTRUCTION
from infimed_plugins.trainers import Progress, run_easyr1, run_llamafactory
from infimed_plugins.trainers.easyr1_merge import merged_checkpoint
from infimed_plugins.trainers.launch import read_settings

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

REPOSITORY = Path(__file__).resolve().parents[2]
SFT = REPOSITORY / "llamafactory_configs" / "quickstart_sft.yaml"
GRPO = REPOSITORY / "easyr1_configs" / "quickstart_grpo.yaml"
Row = dict[str, Any]


def _assert_only_the_language_model_changed(before: Path, after: Path) -> None:
    old, new = (
        transformers.AutoModelForImageTextToText.from_pretrained(folder).state_dict() for folder in (before, after)
    )
    assert old.keys() == new.keys()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    frozen = {name for name in old if "visual" in name}  # the tower and, as its merger, the projector
    assert any("merger" in name for name in frozen)
    assert len(frozen) > 20
    assert changed == set(old) - frozen


def test_llamafactory_trains_the_language_model_and_nothing_else(
    tiny_vlm: Path, sft_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("llamafactory")
    out, seen = tmp_path / "out", list[Progress]()
    overrides = [
        f"model_name_or_path={tiny_vlm}",
        "dataset=phantoms",
        f"dataset_dir={sft_folder}",
        f"media_dir={sft_folder}",
        f"output_dir={out}",
        "max_steps=2",
        "per_device_train_batch_size=8",
        "logging_steps=1",
    ]
    run_llamafactory(SFT, overrides, log=tmp_path / "sft.log", on_progress=seen.append, cpu=True)
    losses = [progress.metrics["loss"] for progress in seen if "loss" in progress.metrics]
    assert len(losses) == 2
    assert all(0 < loss < 20 for loss in losses)
    assert (seen[-1].step, seen[-1].total) == (2, 2)
    _assert_only_the_language_model_changed(tiny_vlm, out)
    assert transformers.AutoProcessor.from_pretrained(out).tokenizer.eos_token == "<|im_end|>"


@pytest.fixture
def grpo_overrides(
    taught_vlm: Path,
    organ_rows: list[Row],
    write_parquet: Callable[[Path, list[Row]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """The quickstart's GRPO, two steps of four prompts with four short rollouts each, with our reward."""
    monkeypatch.setenv("INFIMED_ROOT", str(REPOSITORY))
    return [
        f"data.train_files={write_parquet(tmp_path / 'train.parquet', organ_rows[:32])}",
        f"data.val_files={write_parquet(tmp_path / 'val.parquet', organ_rows[32:])}",
        "data.rollout_batch_size=4",
        "data.max_response_length=40",
        f"worker.actor.model.model_path={taught_vlm}",
        "worker.actor.global_batch_size=4",
        "worker.actor.micro_batch_size_per_device_for_update=8",
        "worker.actor.optim.lr_warmup_steps=0",  # the first step would have no rate
        "worker.rollout.n=4",
        "trainer.max_steps=2",
        f"trainer.save_checkpoint_path={tmp_path / 'rl'}",
    ]


def _assert_two_steps_with_rewards(seen: list[Progress]) -> None:
    steps = [progress for progress in seen if "reward/overall" in progress.metrics]
    assert [(progress.step, progress.total) for progress in steps] == [(1, 2), (2, 2)]
    for progress in steps:
        reward = {key: progress.metrics[f"reward/{key}"] for key in ("overall", "format", "accuracy")}
        assert reward["overall"] == pytest.approx(0.1 * reward["format"] + 0.9 * reward["accuracy"], abs=1e-5)
    assert max(progress.metrics["reward/format"] for progress in steps) > 0.3
    assert max(progress.metrics["actor/grad_norm"] for progress in steps) > 0
    assert steps[0].metrics["actor/lr"] == read_settings(GRPO)["worker"]["actor"]["optim"]["lr"]


def _trl_build(folder: Path, rows: list[Row]) -> Path:
    """Write EasyR1's rows as a build in the format trl has them."""
    datasets = pytest.importorskip("datasets")
    made = [
        {
            "prompt": [
                {"role": "user", "content": f"{row['problem'].removeprefix('<image>')}\n{REASONING_INSTRUCTION}"}
            ],
            "images": row["images"],
            "ground_truth": row["answer"],
        }
        for row in rows
    ]
    folder.mkdir()
    written = datasets.Dataset.from_list(made).cast_column("images", datasets.List(datasets.Image()))
    written.to_parquet(folder / "train.parquet")
    return folder


def test_trl_takes_two_steps_with_our_reward_and_easyr1s_configuration(
    taught_vlm: Path, grpo_overrides: list[str], organ_rows: list[Row], tmp_path: Path
) -> None:
    pytest.importorskip("trl")
    from infimed_plugins.quickstart.trl_grpo import run_trl

    seen: list[Progress] = []
    overrides = [*grpo_overrides, f"data.train_files={_trl_build(tmp_path / 'trl', organ_rows[:32])}"]
    model = run_trl(GRPO, overrides, log=tmp_path / "rl.log", on_progress=seen.append)
    _assert_two_steps_with_rewards(seen)
    _assert_only_the_language_model_changed(taught_vlm, model)


def test_trl_refuses_another_reward_than_the_packages() -> None:
    from infimed_plugins.quickstart.trl_grpo import reward_function

    reward = {"reward_function": "mine.py:compute_score", "reward_function_kwargs": {}}
    with pytest.raises(ConfigError, match="compute_score alone; use EasyR1"):
        reward_function(reward, {})


@pytest.mark.slow
def test_trls_own_trainer_takes_our_reward_function(taught_vlm: Path, organ_rows: list[Row], tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from trl.trainer.grpo_trainer import GRPOTrainer

    from infimed_plugins.quickstart.trl_grpo import grpo_arguments, read_rows
    from infimed_plugins.trainers.trl import infimed_reward

    settings = read_settings(GRPO, ["worker.rollout.n=4", "worker.actor.global_batch_size=2", "trainer.max_steps=2"])
    settings["worker"]["actor"]["micro_batch_size_per_device_for_update"] = 8
    settings["data"] |= {"train_files": str(_trl_build(tmp_path / "rows", organ_rows[:8])), "max_response_length": 24}
    trainer: Any = GRPOTrainer(
        model=transformers.AutoModelForImageTextToText.from_pretrained(taught_vlm),
        reward_funcs=infimed_reward,
        args=grpo_arguments(settings, tmp_path / "trl", []),
        train_dataset=read_rows(settings["data"]),
        processing_class=transformers.AutoProcessor.from_pretrained(taught_vlm, padding_side="left"),
    )
    trainer.train()
    rewards = [row["rewards/infimed_reward/mean"] for row in trainer.state.log_history if "reward" in row]
    assert len(rewards) == 2
    assert all(0.0 <= reward <= 1.0 for reward in rewards)
    assert max(rewards) > 0.02


@pytest.mark.easyr1
def test_easyr1_takes_two_steps_on_a_cpu_and_its_checkpoint_merges(
    taught_vlm: Path, grpo_overrides: list[str], tmp_path: Path
) -> None:
    seen: list[Progress] = []
    run_easyr1(GRPO, grpo_overrides, log=tmp_path / "rl.log", on_progress=seen.append, cpu=True)
    _assert_two_steps_with_rewards(seen)
    said = (tmp_path / "rl.log").read_text(encoding="utf-8")
    assert "rollouts come from transformers, not from vLLM" in said
    assert [progress.step for progress in seen if "val/overall_reward" in progress.metrics] == [0, 2]

    folder = tmp_path / "rl"
    model = merged_checkpoint(folder)
    assert model == folder / "global_step_2" / "actor" / "huggingface"
    assert merged_checkpoint(folder / "global_step_2") == model
    _assert_only_the_language_model_changed(taught_vlm, model)
    saved = json.loads((model / "config.json").read_text(encoding="utf-8"))
    assert saved["dtype"] == "float32"
    assert transformers.AutoProcessor.from_pretrained(model).image_processor.max_pixels == 12544
    assert processes_of_this_test() == []


def processes_of_this_test() -> list[str]:
    """What this test started and is still there: pytest names the test in an environment variable."""
    import psutil

    mine = os.environ["PYTEST_CURRENT_TEST"]
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("PYTEST_CURRENT_TEST") == mine:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
