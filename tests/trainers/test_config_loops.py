"""verl and OpenRLHF take the printed configurations as far as a machine without CUDA goes.

Their own commands read every key; their own loaders read the rows that it names; their own loops score replies to
pictures, which transformers draws from the tiny model where vLLM would.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from infimed_plugins.trainers.configs import PRESETS, configuration

Needs = Callable[[str, str], None]
Build = Callable[[str], Path]
RIGHT = "<think> I look. </think><answer> {answer} </answer>"


@pytest.fixture
def model(taught_vlm: Path) -> Any:
    """The taught model and its processor, as one who generates."""
    transformers = pytest.importorskip("transformers")
    loaded = transformers.AutoModelForImageTextToText.from_pretrained(taught_vlm)
    processor = transformers.AutoProcessor.from_pretrained(taught_vlm)

    def generate(ids: list[int], images: list[Any]) -> list[int]:
        import torch

        pixels = dict(processor.image_processor(images=images, return_tensors="pt")) if images else {}
        tokens = torch.tensor([ids])
        kinds = {"mm_token_type_ids": (tokens == loaded.config.image_token_id).long()} if images else {}
        made = loaded.generate(input_ids=tokens, **pixels, **kinds, max_new_tokens=24, do_sample=False)
        reply: list[int] = made[0, len(ids) :].tolist()
        return reply

    return SimpleNamespace(folder=taught_vlm, processor=processor, generate=generate)


def verls(folder: Path, preset: str, *overrides: str) -> dict[str, Any]:
    """What verl's own command makes of the configuration, by Hydra's ``--cfg job``, which trains nothing."""
    (folder / "infimed.yaml").write_text(configuration("verl", None, preset), encoding="utf-8")
    return _job("--config-dir", str(folder), "--config-name", "infimed", *overrides)


def _job(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "verl.trainer.main_ppo", *arguments, "--cfg", "job"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    settings: dict[str, Any] = yaml.safe_load(done.stdout[done.stdout.index("actor_rollout_ref:") :])
    return settings


def _paths(settings: dict[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in settings.items():
        found += _paths(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"]
    return found


@pytest.mark.parametrize("preset", PRESETS)
def test_verls_own_schema_takes_every_key(preset: str, installed: Needs, tmp_path: Path) -> None:
    installed("verl", "0.9")
    from omegaconf import OmegaConf
    from verl.utils.config import omega_conf_to_dataclass, validate_config

    known, composed = set(_paths(_job())), verls(tmp_path, preset)
    free = ("reward.reward_kwargs.", "reward.custom_reward_function.reward_kwargs.", "data.mm_processor_kwargs.")
    assert [path for path in _paths(composed) if path not in known and not path.startswith(free)] == []
    config = OmegaConf.create(composed)
    validate_config(config, use_reference_policy=preset == "grpo", use_critic=False)
    assert omega_conf_to_dataclass(config.algorithm).filter_groups.enable == (preset == "dapo")
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    assert (actor.optim.lr, actor.policy_loss.loss_mode) == (1e-6, "gspo" if preset == "gspo" else "vanilla")


@pytest.mark.parametrize("preset", PRESETS)
def test_verls_data_set_and_reward_loop_pay_replies_to_pictures(
    preset: str, model: Any, build: Build, installed: Needs, tmp_path: Path
) -> None:
    installed("verl", "0.9")
    from omegaconf import OmegaConf
    from verl.experimental.reward_loop.reward_loop import RewardLoopWorker, migrate_legacy_reward_impl
    from verl.trainer.ppo.utils import create_rl_dataset

    rows = build("verl") / "train.parquet"
    overrides = [f"actor_rollout_ref.model.path={model.folder}", f"data.train_files={rows}"]
    config = OmegaConf.create(verls(tmp_path, preset, *overrides, "data.filter_overlong_prompts_workers=1"))
    config = migrate_legacy_reward_impl(config)
    tokenizer = model.processor.tokenizer
    dataset = create_rl_dataset(config.data.train_files, config.data, tokenizer, model.processor)
    replies, items = [], [dataset[index] for index in range(8)]
    for item in items:
        text = model.processor.apply_chat_template(item["raw_prompt"], add_generation_prompt=True, tokenize=False)
        images = [part["image"] for turn in item["raw_prompt"] for part in turn["content"] if part["type"] == "image"]
        ids = model.processor(text=[text], images=images)["input_ids"][0]
        replies.append(model.generate(list(ids), images))
    right = yaml.safe_load(items[0]["reward_model"]["ground_truth"])["answer"]
    short = tokenizer(RIGHT.format(answer=right))["input_ids"]
    filler = tokenizer(" I look.")["input_ids"]
    longest = config.data.max_response_length
    words = tokenizer("<think>")["input_ids"] + filler * ((longest - len(short)) // len(filler) - 1)
    replies += [short, words + tokenizer(RIGHT.format(answer=right).removeprefix("<think>"))["input_ids"]]
    scores = _scored_by_verl(RewardLoopWorker(config), [*items, items[0], items[0]], replies, longest)
    assert max(scores[:8]) > 0.05
    assert scores[8] == 1.0
    assert scores[9] == (pytest.approx(0.5, abs=0.1) if preset == "dapo" else 1.0)  # the soft overlong penalty


def _scored_by_verl(worker: Any, items: list[Any], replies: list[list[int]], longest: int) -> list[float]:
    import numpy
    import torch
    from verl.protocol import DataProto

    responses = torch.tensor([reply + [0] * (longest - len(reply)) for reply in replies])
    mask = torch.tensor([[1] * len(reply) + [0] * (longest - len(reply)) for reply in replies])
    columns = {
        key: numpy.array([item[key] for item in items], dtype=object)
        for key in ("data_source", "reward_model", "extra_info")
    }
    data = DataProto.from_dict({"responses": responses, "attention_mask": mask}, non_tensors=columns)
    results = worker.loop.run_until_complete(worker.compute_score_batch(data))
    return [result["reward_score"] for result in results]


def openrlhfs(preset: str, *more: str) -> Any:
    """What OpenRLHF's own command makes of the flags: its parser and checks, run from its source up to ``train``."""
    spec = importlib.util.find_spec("openrlhf")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "cli" / "train_ppo_ray.py").read_text(encoding="utf-8")
    main = next(node for node in ast.parse(source).body if isinstance(node, ast.If))
    text = configuration("openrlhf", None, preset)
    flags = shlex.split(re.sub(r"(?s)^.*?\nflags=\(|\n\)\n.*$", "", text), comments=True)
    seen: list[Any] = []
    argv, sys.argv = sys.argv, ["train_ppo_ray", *flags, *more]
    try:
        names = {"argparse": argparse, "os": os, "datetime": datetime, "train": seen.append}
        exec(compile(ast.Module(main.body, []), "train_ppo_ray", "exec"), names)
    finally:
        sys.argv = argv
    return seen[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_openrlhfs_own_parser_and_checks_take_every_flag(preset: str, installed: Needs) -> None:
    installed("openrlhf", "0.11")
    args = openrlhfs(preset)
    assert (args.actor.adam.lr, args.rollout.n_samples_per_prompt, args.train.batch_size % 256) == (1e-6, 16, 0)
    assert args.actor.policy_loss_type == ("gspo" if preset == "gspo" else "ppo")
    assert args.algo.dynamic_filtering_enable == (preset == "dapo")


def test_openrlhfs_data_set_and_rollout_pay_replies_to_pictures(model: Any, build: Build, installed: Needs) -> None:
    installed("openrlhf", "0.11")
    pytest.importorskip("aiohttp", reason="OpenRLHF's rollout imports it")
    from openrlhf.datasets.prompts_dataset import PromptDataset
    from openrlhf.datasets.utils import blending_datasets
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    args = openrlhfs("grpo", "--data.prompt_dataset", str(build("openrlhf") / "train.jsonl"))
    strategy = SimpleNamespace(args=args, print=lambda *_: None, is_rank_0=lambda: False)
    rows = PromptDataset(blending_datasets(args.data.prompt_dataset, strategy=strategy), model.processor, strategy)

    async def generate(ids: list[int], sampling: Any, multi_modal_data: dict[str, Any] | None) -> Any:
        reply = model.generate(ids, (multi_modal_data or {}).get("image", []))
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=reply, finish_reason="stop", logprobs=None)])

    sampling = SimpleNamespace(max_tokens=args.rollout.max_new_tokens, logprobs=None)
    executor, engine = SingleTurnAgentExecutor(args.reward.remote_url), SimpleNamespace(generate=generate)
    paid = []
    for _, prompt, label, images in (rows[index] for index in range(8)):
        out = asyncio.run(
            executor.execute(prompt, label, sampling, args.data.max_len, model.processor, engine, images=images)
        )
        paid.append(float(out["reward"]))
        assert float(out["extra_logs"]["format"]) in (0.0, 1.0)
    assert max(paid) > 0.05
