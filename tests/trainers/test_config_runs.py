"""Two steps on pictures by the printed configurations: in TRL and ms-swift by their own commands, in EasyR1 on a CPU.

What a CPU cannot do is taken out (vLLM, DeepSpeed, several nodes) and the sizes are the tiny model's.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from infimed_plugins.trainers import Progress, run_easyr1
from infimed_plugins.trainers.configs import PRESETS, configuration
from infimed_plugins.trainers.launch import environment_for, read_settings

REPOSITORY = Path(__file__).resolve().parents[2]
KWARGS = "INFIMED_REWARD_KWARGS"
QUICKSTART = REPOSITORY / "easyr1_configs" / "quickstart_grpo.yaml"
Row = dict[str, Any]
Needs = Callable[[str, str], None]
ON_CPU = {
    "use_vllm": False,
    "num_generations": 4,
    "per_device_train_batch_size": 4,
    "steps_per_generation": 4,
    "max_completion_length": 24,
    "max_steps": 2,
    "save_strategy": "no",
}


def _on_cpu(trainer: str, preset: str, **own: Any) -> Row:
    settings = yaml.safe_load(configuration(trainer, None, preset))
    gpu_only = [key for key in settings if key.startswith(("vllm_", "deepspeed", "sleep_level"))]
    updates = settings["steps_per_generation"] // settings["gradient_accumulation_steps"]
    settings["gradient_accumulation_steps"] = 4 if updates == 1 else 2
    return {key: settings[key] for key in settings if key not in gpu_only} | ON_CPU | own


def _run(command: list[str], folder: Path) -> list[Row]:
    """Run a trainer's command; return the logs that it prints, a dict a step."""
    environment = environment_for(cpu=True) | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    logs = [ast.literal_eval(found) for found in re.findall(r"\{'loss': [^}]*\}", done.stdout + done.stderr)]
    number = re.compile(r"-?[\d.]+(e-?\d+)?")
    return [{key: float(value) for key, value in log.items() if number.fullmatch(str(value))} for log in logs]


def _assert_it_learns(logs: list[Row], reward: str) -> None:
    assert len(logs) == 2
    assert all(log["grad_norm"] > 0 for log in logs)
    rewards = [log[reward] for log in logs if reward in log]  # the second update of a batch has none of its own
    assert rewards
    assert all(0.1 < value <= 1.0 for value in rewards)


@pytest.mark.parametrize("preset", PRESETS)
def test_trl_takes_two_steps_by_its_own_command(
    preset: str, taught_vlm: Path, build: Callable[[str], Path], installed: Needs, tmp_path: Path
) -> None:
    installed("trl", "1.0")
    own = {"model_name_or_path": str(taught_vlm), "dataset_name": str(build("trl")), "output_dir": "out"}
    settings = _on_cpu("trl", preset, **own)
    settings |= {"use_cpu": True, "bf16": False, "report_to": "none"}
    (tmp_path / "trl.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    trl = str(Path(sys.executable).parent / "trl")
    logs = _run([trl, "grpo", "--config", "trl.yaml", "--num_processes", "1"], tmp_path)
    _assert_it_learns(logs, "rewards/infimed_reward/mean")
    assert ("kl" in logs[0]) == (preset == "grpo")
    assert (tmp_path / "out" / "model.safetensors").is_file()


@pytest.mark.parametrize("preset", PRESETS)
def test_ms_swift_takes_two_steps_by_its_own_command(
    preset: str, taught_vlm: Path, build: Callable[[str], Path], installed: Needs, tmp_path: Path
) -> None:
    installed("ms-swift", "4.6")
    config = json.loads((taught_vlm / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "tiny_ids.py").write_text(  # swift's template has Qwen's ids of the image tokens
        "from swift.template.templates.qwen import Qwen2VLTemplate\n"
        f"Qwen2VLTemplate.image_token_id = {config['image_token_id']}\n"
        f"Qwen2VLTemplate.video_token_id = {config['video_token_id']}\n",
        encoding="utf-8",
    )
    rows = build("ms-swift")
    settings = _on_cpu("ms-swift", preset, model=str(taught_vlm), dataset=[str(rows / "train.jsonl")], output_dir="out")
    settings |= {"torch_dtype": "float32", "report_to": ["none"], "check_model": False}
    settings["external_plugins"].append("tiny_ids.py")
    settings["ENV"] = {KWARGS: settings["ENV"][KWARGS], "MAX_PIXELS": 12544, "ROOT_IMAGE_DIR": str(rows)}
    (tmp_path / "swift.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    logs = _run([str(Path(sys.executable).parent / "swift"), "rlhf", "swift.yaml"], tmp_path)
    _assert_it_learns(logs, "rewards/InfimedReward/mean")
    assert ("kl" in logs[0]) == (preset == "grpo")


@pytest.mark.easyr1
@pytest.mark.parametrize("preset", ["dapo", "gspo"])
def test_easyr1_takes_two_steps_with_a_preset(
    preset: str,
    taught_vlm: Path,
    organ_rows: list[Row],
    write_parquet: Callable[[Path, list[Row]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The quickstart's file, which a CPU can run, with the values in which the preset differs from grpo.yaml."""
    monkeypatch.setenv("INFIMED_ROOT", str(REPOSITORY))
    base, changed = (_flat(read_settings(REPOSITORY / PRESETS[name])) for name in ("grpo", preset))
    own = {key: value for key, value in changed.items() if value != base[key] and not key.startswith("trainer.")}
    own |= {"worker.actor.global_batch_size": 2, "data.rollout_batch_size": 4}  # two updates a step
    if preset == "dapo":
        own["data.mini_rollout_batch_size"] = 8  # EasyR1 stops where a whole one is right or wrong throughout
    overrides = [f"{key}={value}" for key, value in own.items()]
    seen: list[Progress] = []
    run_easyr1(
        QUICKSTART,
        [
            *overrides,
            f"data.train_files={write_parquet(tmp_path / 'train.parquet', organ_rows[:32])}",
            f"data.val_files={write_parquet(tmp_path / 'val.parquet', organ_rows[32:])}",
            "data.max_response_length=40",
            f"worker.actor.model.model_path={taught_vlm}",
            "worker.actor.micro_batch_size_per_device_for_update=8",
            "worker.actor.optim.lr_warmup_steps=0",
            "worker.rollout.n=8",
            "trainer.max_steps=2",
            f"trainer.save_checkpoint_path={tmp_path / 'rl'}",
        ],
        log=tmp_path / "rl.log",
        on_progress=seen.append,
        cpu=True,
    )
    steps = [progress.metrics for progress in seen if "reward/overall" in progress.metrics]
    assert len(steps) == 2
    assert max(step["reward/overall"] for step in steps) > 0.1
    assert max(step["actor/grad_norm"] for step in steps) > 0
    assert not any("actor/kl_loss" in step for step in steps)


def _flat(settings: Row, prefix: str = "") -> Row:
    flat: Row = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
