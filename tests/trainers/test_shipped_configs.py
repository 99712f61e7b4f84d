"""The shipped configurations are read by upstream's own code, and carry the figures of the paper."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins import prompts
from infimed_plugins.families import family_of
from infimed_plugins.records import Sample
from infimed_plugins.trainers.easyr1 import check_rl
from infimed_plugins.trainers.launch import read_settings
from infimed_plugins.trainers.llamafactory import check_sft
from infimed_plugins.trainers.upstream_easyr1 import import_easyr1

REPOSITORY = Path(__file__).resolve().parents[2]
SFT = REPOSITORY / "llamafactory_configs" / "infimed_sft.yaml"
QUICKSTART_SFT = REPOSITORY / "llamafactory_configs" / "quickstart_sft.yaml"
GRPO = REPOSITORY / "easyr1_configs" / "grpo.yaml"
QWEN3_GRPO = REPOSITORY / "easyr1_configs" / "qwen3_vl_4b_grpo.yaml"
QUICKSTART_GRPO = REPOSITORY / "easyr1_configs" / "quickstart_grpo.yaml"
PRESETS = sorted((REPOSITORY / "easyr1_configs" / "presets").glob("*.yaml"))
Row = dict[str, Any]


def test_the_supervised_stage_has_the_papers_figures() -> None:
    parser = pytest.importorskip("llamafactory.hparams.parser")
    settings = read_settings(SFT) | {"use_cpu": True}
    assert settings.pop("deepspeed")["zero_optimization"]["stage"] == 2
    model, data, training, finetuning, _ = parser.get_train_args(settings)
    assert model.model_name_or_path == "Qwen/Qwen2.5-VL-3B-Instruct"
    assert model.image_max_pixels == 262_144
    assert data.cutoff_len == 4096
    assert data.dataset[0] == "infimed_sft"
    assert (finetuning.stage, finetuning.finetuning_type) == ("sft", "full")
    assert finetuning.freeze_vision_tower
    assert finetuning.freeze_multi_modal_projector
    assert not finetuning.freeze_language_model
    assert training.learning_rate == 5e-6
    assert training.lr_scheduler_type.value == "cosine"
    assert (training.warmup_ratio, training.num_train_epochs) == (0.1, 5.0)
    assert (training.per_device_train_batch_size, training.gradient_accumulation_steps) == (4, 1)
    assert training.bf16


@pytest.mark.parametrize(
    ("name", "model_id", "image_token"),
    [
        ("gemma3_sft", "google/gemma-3-4b-it", "<image_soft_token>"),
        ("medgemma_4b_sft", "google/medgemma-4b-it", "<image_soft_token>"),
        ("qwen3_vl_4b_sft", "Qwen/Qwen3-VL-4B-Instruct", "<|image_pad|>"),
    ],
)
def test_another_family_is_trained_as_qwen2_5_vl_is(name: str, model_id: str, image_token: str) -> None:
    template = pytest.importorskip("llamafactory.data.template")
    parser = pytest.importorskip("llamafactory.hparams.parser")
    qwen, other = read_settings(SFT), read_settings(SFT.with_name(f"{name}.yaml"))
    assert {key for key in qwen | other if qwen.get(key) != other.get(key)} == {
        "model_name_or_path",
        "template",
        "output_dir",
    }
    model, data, *_ = parser.get_train_args({**other, "use_cpu": True, "deepspeed": None})
    family = family_of(model_id)
    assert family is not None
    assert (model.model_name_or_path, data.template) == (model_id, family.llamafactory_template)
    assert template.TEMPLATES[data.template].mm_plugin.image_token == image_token
    assert image_token in family.image_marks


def test_qwen3_vl_is_rewarded_as_qwen2_5_vl_is_and_starts_from_its_own_supervised_stage() -> None:
    first, other = read_settings(GRPO, resolve=False), read_settings(QWEN3_GRPO, resolve=False)
    assert {key for key, value in _flat(first).items() if value != _flat(other)[key]} == {
        "data.train_files",
        "data.val_files",
        "worker.actor.model.model_path",
        "trainer.experiment_name",
        "trainer.save_checkpoint_path",
    }
    start = read_settings(SFT.with_name("qwen3_vl_4b_sft.yaml"))["output_dir"]
    assert other["worker"]["actor"]["model"]["model_path"].endswith(f"/{start}")


def _flat(settings: Row, prefix: str = "") -> Row:
    found: Row = {}
    for key, value in settings.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def test_the_laptop_keeps_the_method_of_the_supervised_stage() -> None:
    full, laptop = read_settings(SFT), read_settings(QUICKSTART_SFT)
    for key in (
        "stage",
        "finetuning_type",
        "freeze_language_model",
        "freeze_vision_tower",
        "freeze_multi_modal_projector",
        "lr_scheduler_type",
        "warmup_ratio",
        "template",
    ):
        assert laptop[key] == full[key], key


@pytest.mark.easyr1
def test_the_reinforcement_stage_has_the_papers_figures_and_starts_from_the_supervised_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("INFIMED_ROOT", raising=False)
    config = _parsed(GRPO)
    assert config.worker.actor.optim.lr == 1e-6
    assert (config.data.rollout_batch_size, config.worker.actor.global_batch_size) == (256, 256)
    assert config.worker.rollout.n == 16
    assert (config.trainer.nnodes, config.trainer.n_gpus_per_node) == (2, 8)
    assert config.worker.reward.reward_function_kwargs == {"w_format": 0.1, "w_acc": 0.9}
    assert config.algorithm.adv_estimator == "grpo"
    assert config.algorithm.use_kl_loss
    assert not config.algorithm.disable_kl
    assert Path(config.worker.actor.model.model_path) == Path(read_settings(SFT)["output_dir"])


@pytest.mark.easyr1
def test_the_paths_of_the_reinforcement_stage_follow_infimed_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFIMED_ROOT", "/somewhere")
    config = _parsed(GRPO)
    paths = [
        config.data.train_files,
        config.data.val_files,
        config.data.format_prompt,
        config.worker.actor.model.model_path,
        config.worker.reward.reward_function,
        config.trainer.save_checkpoint_path,
    ]
    assert all(path.startswith("/somewhere/") for path in paths)


@pytest.mark.easyr1
@pytest.mark.parametrize("path", [GRPO, QWEN3_GRPO], ids=["grpo", "qwen3_vl_4b_grpo"])
def test_every_key_easyr1_accepts_is_written_out_except_those_of_the_critic(path: Path) -> None:
    import_easyr1()
    from verl.trainer.config import PPOConfig

    free_form = {"worker.actor.model.override_config", "worker.rollout.val_override_config"}
    free_form.add("worker.reward.reward_function_kwargs")
    accepted = {key for key in _keys(PPOConfig()) if not key.startswith("worker.critic.")}
    assert set(_written(read_settings(path), free_form)) == accepted


def _parsed(path: Path) -> Any:
    """As EasyR1's ``main`` reads it."""
    import_easyr1()
    from omegaconf import OmegaConf
    from verl.trainer.config import PPOConfig

    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(PPOConfig()), OmegaConf.load(path)))


def _keys(config: Any, prefix: str = "") -> Iterator[str]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _keys(value, f"{prefix}{field.name}.")
        elif field.init:
            yield prefix + field.name


def _written(settings: Row, free_form: set[str], prefix: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, dict) and prefix + key not in free_form:
            yield from _written(value, free_form, f"{prefix}{key}.")
        else:
            yield prefix + key


OTHERS = [SFT.with_name(f"{name}.yaml") for name in ("gemma3_sft", "medgemma_4b_sft", "qwen3_vl_4b_sft")]


@pytest.mark.parametrize("path", [SFT, GRPO, QWEN3_GRPO, *PRESETS, *OTHERS], ids=lambda path: path.stem)
def test_every_figure_of_the_recipe_says_where_it_comes_from(path: Path) -> None:
    figure = re.compile(r"^\s*\w+: (?:-?[\d.]+(?:e-?\d+)?|true|false|null|auto|\[[\d., ]+\])(?: |$)")
    source = re.compile(r"# \[(paper|infimed|ours|EasyR1|(DAPO|GSPO) [\d.]+)\]")
    unmarked, count, defaults = [], 0, 99  # how far the lines of upstream's defaults are indented
    for line in path.read_text(encoding="utf-8").splitlines():
        indent = len(line) - len(line.lstrip())
        if "upstream's defaults, written out" in line:
            defaults = indent
        elif line.strip():
            defaults = defaults if indent >= defaults else 99
        if figure.match(line):
            count += 1
            unmarked += [line] if defaults == 99 and not source.search(line) else []
    assert count > 20
    assert unmarked == []


@pytest.mark.easyr1
@pytest.mark.parametrize("path", [GRPO, QUICKSTART_GRPO, QWEN3_GRPO, *PRESETS], ids=lambda path: path.stem)
def test_only_data_and_model_are_missing_from_a_fresh_checkout(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFIMED_ROOT", str(REPOSITORY))
    overrides = ["data.train_files=none.parquet", "data.val_files=none.parquet", "worker.actor.model.model_path=./none"]
    overrides.append(f"trainer.save_checkpoint_path={tmp_path}")
    faults = check_rl(path, overrides).faults
    assert [fault.where for fault in faults] == ["worker.actor.model.model_path", "data.train_files", "data.val_files"]


@pytest.mark.parametrize("path", [SFT, QUICKSTART_SFT, *OTHERS], ids=lambda path: path.stem)
def test_only_data_and_model_are_missing_for_the_supervised_stage(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("llamafactory")
    overrides = [f"dataset_dir={tmp_path}", f"media_dir={tmp_path}", "model_name_or_path=./none"]
    faults = check_sft(path, [*overrides, f"output_dir={tmp_path / 'out'}"]).faults
    assert [fault.where for fault in faults] == ["model_name_or_path", "dataset_dir"]


@pytest.mark.easyr1
def test_easyr1s_data_set_asks_as_we_ask_in_training_and_evaluation(
    tiny_vlm: Path, rl_folder: Path, phantoms: list[Sample]
) -> None:
    """The jinja template makes of a ``problem`` exactly what prompts.render gives in the reasoning style."""
    import_easyr1()
    from verl.utils.dataset import RLHFDataset, collate_fn
    from verl.utils.tokenizer import get_processor, get_tokenizer

    tokenizer, processor = get_tokenizer(str(tiny_vlm), use_fast=True), get_processor(str(tiny_vlm), use_fast=True)
    dataset = RLHFDataset(
        str(rl_folder / "train.parquet"),
        tokenizer,
        processor,
        prompt_key="problem",
        max_prompt_length=320,
        format_prompt=str(REPOSITORY / "easyr1_configs" / "infimed.jinja"),
        min_pixels=12544,
        max_pixels=12544,
        filter_overlong_prompts_workers=1,
    )
    assert len(dataset) == 32
    for index in (0, 7, 31):
        row = dataset[index]
        asked = tokenizer.decode(row["raw_prompt_ids"]).replace(
            "<|vision_start|><|image_pad|><|vision_end|>", "<image>"
        )
        assert f"user\n{prompts.render(phantoms[index], 'reasoning')}<|im_end|>" in asked
        assert (row["input_ids"] == processor.image_token_id).sum() == 16
        assert json.loads(row["ground_truth"]) == json.loads(phantoms[index].ground_truth.to_json())
    assert collate_fn([dataset[0], dataset[1]])["input_ids"].shape == (2, 320)


@pytest.mark.easyr1
def test_easyr1s_reward_manager_pays_with_our_reward_at_the_last_token(tiny_vlm: Path, phantoms: list[Sample]) -> None:
    import_easyr1()
    import numpy as np
    import torch
    from tensordict import TensorDict
    from verl.protocol import DataProto
    from verl.utils.tokenizer import get_tokenizer
    from verl.workers.reward import AutoRewardManager, RewardConfig

    tokenizer = get_tokenizer(str(tiny_vlm), use_fast=True)
    config = RewardConfig(
        reward_function=f"{REPOSITORY}/easyr1_configs/infimed_reward.py:compute_score",
        reward_function_kwargs={"w_format": 0.1, "w_acc": 0.9},
    )
    config.post_init()
    right = [prompts.tagged("I look.", prompts.answer_text(sample)) for sample in phantoms]
    wrong = [prompts.tagged("I look.", "a wrong guess") for _ in phantoms]
    bare = [prompts.answer_text(sample) for sample in phantoms]
    truths = [sample.ground_truth.to_json() for sample in phantoms] * 3
    ids = [tokenizer(text)["input_ids"] + [tokenizer.eos_token_id] for text in right + wrong + bare]
    width = max(map(len, ids)) + 5
    responses = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    batch = TensorDict({"responses": responses, "response_mask": mask}, batch_size=len(ids))
    data = DataProto(batch=batch, non_tensor_batch={"ground_truth": np.array(truths, dtype=object)}, meta_info={})

    rewards, metrics = AutoRewardManager(config, tokenizer).compute_reward(data)
    count = len(phantoms)
    paid = rewards.sum(dim=1)
    assert torch.allclose(paid[:count], torch.ones(count))
    assert torch.allclose(paid[count : 2 * count], torch.full((count,), 0.1))
    assert torch.allclose(paid[2 * count :], torch.zeros(count))
    assert all(rewards[row, len(ids[row]) - 1] == paid[row] for row in range(len(ids)))
    assert {len(values) for values in metrics.values()} == {3 * count}
    assert {"overall", "format", "accuracy"} <= set(metrics)


def test_no_shipped_configuration_names_this_machine() -> None:
    files = subprocess.run(
        ["git", "ls-files", "llamafactory_configs", "easyr1_configs"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert len(files) >= 6
    absolute = re.compile(r"(?<![\w.}/])/(?:home|root|tmp|work|mnt|data)/")
    assert [name for name in files if absolute.search((REPOSITORY / name).read_text(encoding="utf-8"))] == []


def test_a_text_set_beside_the_images_is_read_by_llamafactory(
    sft_folder: Path, sft_rows: list[Row], tiny_vlm: Path, add_dataset: Any
) -> None:
    """As the build writes them: ``infimed_sft`` with images, ``infimed_sft_text`` without."""
    pytest.importorskip("llamafactory")
    turns = [{"role": "user", "content": "Which organ has lobes?"}, {"role": "assistant", "content": "The lung."}]
    add_dataset(sft_folder, "infimed_sft", sft_rows)
    add_dataset(sft_folder, "infimed_sft_text", [{"messages": turns, "images": []}] * 5)
    overrides = [f"dataset_dir={sft_folder}", f"media_dir={sft_folder}", f"model_name_or_path={tiny_vlm}"]
    checked = check_sft(SFT, [*overrides, f"output_dir={sft_folder / 'out'}"], devices=8)
    assert checked.faults == ()
    assert checked.summary is not None
    assert (checked.summary.rows, checked.summary.sequences_per_update, checked.summary.steps_per_epoch) == (45, 32, 2)
