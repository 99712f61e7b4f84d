"""GRPO in TRL (0.24, 1.16) with the configuration written for EasyR1: the quickstart's trainer without EasyR1.

    python -m infimed_plugins.quickstart.trl_grpo config=easyr1_configs/quickstart_grpo.yaml data.train_files=BUILD …

The rows are those of a build in the format trl; the reward's settings, batch sizes, learning rate, clipping and KL term
are the YAML's. The trainer is TRL's, with rollouts from transformers, on a CPU; the reward is this package's. It logs
to ``experiment_log.jsonl`` under EasyR1's keys and saves the model to ``huggingface`` in ``save_checkpoint_path``.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from infimed_plugins.errors import ConfigError, InfimedError, MissingExtraError, MissingFileError, optional_module
from infimed_plugins.trainers.launch import Follower, OnProgress, environment_for, read_settings, run_logged
from infimed_plugins.trainers.trl import reward_with

LOG_FILE = "experiment_log.jsonl"
MODEL_FOLDER = "huggingface"
FEATURE = "reinforcement learning without EasyR1"
Settings = dict[str, Any]


def run_trl(
    config: Path,
    overrides: Sequence[str] = (),
    *,
    log: Path,
    on_progress: OnProgress = lambda _: None,
) -> Path:
    """Train in a process of its own, on the CPU, and return the folder of the trained model.

    Raises MissingExtraError without TRL, and EngineError, with the end of the log, when the run fails.
    """
    if importlib.util.find_spec("trl") is None:
        raise MissingExtraError(FEATURE, "trl", "trl")
    trainer = read_settings(config, overrides)["trainer"]
    folder = Path(trainer["save_checkpoint_path"])
    command = [sys.executable, "-m", "infimed_plugins.quickstart.trl_grpo", f"config={config}", *overrides]
    follower = Follower(folder / LOG_FILE, on_progress, trainer.get("max_steps"))
    run_logged(command, environment_for(cpu=True), log, follower)
    return folder / MODEL_FOLDER


def train(settings: Settings) -> Path:
    """Train with the settings of an EasyR1 configuration; return the folder of the trained model."""
    trl = optional_module("trl.trainer.grpo_trainer", FEATURE, "trl")
    transformers = optional_module("transformers", FEATURE, "trl")
    data, actor = settings["data"], settings["worker"]["actor"]
    folder = Path(settings["trainer"]["save_checkpoint_path"])
    pixels = {"min_pixels": data["min_pixels"], "max_pixels": data["max_pixels"]}
    processor = transformers.AutoProcessor.from_pretrained(actor["model"]["model_path"], padding_side="left", **pixels)
    model = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(actor["model"]["model_path"])
    if actor["model"].get("freeze_vision_tower"):
        model.model.visual.requires_grad_(False)
    means: dict[str, float] = {}
    # in a reply these would have no image, and the model would look for one
    banned = [model.config.image_token_id, model.config.video_token_id, model.config.vision_start_token_id]
    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=reward_function(settings["worker"]["reward"], means),
        args=grpo_arguments(settings, folder / "trl", banned),
        train_dataset=read_rows(data),
        processing_class=processor,
        callbacks=[_log_callback(folder / LOG_FILE, means)],
    )
    trainer.train()
    trainer.model.save_pretrained(folder / MODEL_FOLDER)
    processor.save_pretrained(folder / MODEL_FOLDER)
    return folder / MODEL_FOLDER


def grpo_arguments(settings: Settings, folder: Path, banned: Sequence[int]) -> Any:
    """Return TRL's arguments in EasyR1's sense: an update takes ``global_batch_size`` prompts times ``n`` rollouts."""
    from trl.trainer.grpo_config import GRPOConfig

    algorithm, worker, trainer = settings["algorithm"], settings["worker"], settings["trainer"]
    actor, rollout = worker["actor"], worker["rollout"]
    sequences, at_once = actor["global_batch_size"] * rollout["n"], actor["micro_batch_size_per_device_for_update"]
    if sequences % at_once:
        raise ConfigError(f"{sequences} sequences an update do not divide into micro-batches of {at_once}")
    optim, has_kl = actor["optim"], algorithm.get("use_kl_loss") and not algorithm.get("disable_kl")
    uncut: Settings = {"max_prompt_length": None} if hasattr(GRPOConfig, "max_prompt_length") else {}
    return GRPOConfig(
        **uncut,  # 0.24 would cut between image tokens; 1.x never does
        output_dir=str(folder),
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=sequences // at_once,
        num_generations=rollout["n"],
        max_completion_length=settings["data"]["max_response_length"],
        temperature=rollout.get("temperature", 1.0),
        top_p=rollout.get("top_p", 1.0),
        generation_kwargs={"suppress_tokens": list(banned)},
        learning_rate=optim["lr"],
        weight_decay=optim.get("weight_decay", 0.01),
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=optim.get("lr_warmup_steps") or 0,
        max_grad_norm=actor.get("max_grad_norm", 1.0),
        beta=algorithm.get("kl_coef", 0.0) if has_kl else 0.0,
        epsilon=actor.get("clip_ratio_low", 0.2),
        epsilon_high=actor.get("clip_ratio_high", 0.3),
        loss_type="dapo",  # the mean over the tokens of the whole update, as EasyR1's loss_avg_mode: token
        max_steps=trainer.get("max_steps") or -1,
        num_train_epochs=trainer.get("total_epochs", 1),
        seed=settings["data"].get("seed", 1),
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
    )


def read_rows(data: Settings) -> Any:
    """Return the training rows of a build in the format trl. Raises MissingFileError without one."""
    from datasets import load_dataset

    folder = Path(data["train_files"])
    if not folder.is_dir():
        raise MissingFileError(f"data.train_files: there is no {folder}; build it (infimed data build … --format trl)")
    return load_dataset(str(folder), split="train")


def reward_function(config: Settings, means: dict[str, float]) -> Callable[..., Any]:
    """Return the reward with a YAML's settings; ``means`` will hold the last batch's by key. Raises ConfigError."""
    if Path(str(config["reward_function"])).name != "infimed_reward.py:compute_score":
        raise ConfigError("worker.reward.reward_function: TRL takes infimed_reward.py:compute_score alone; use EasyR1")
    paid = reward_with(**(config.get("reward_function_kwargs") or {}))

    def log_metric(key: str, value: float) -> None:
        means[key.removeprefix("infimed/")] = value

    def reward(**columns: Any) -> Any:
        return paid(**{**columns, "log_metric": log_metric})

    return reward


def _log_callback(path: Path, means: dict[str, float]) -> Any:
    """Return a callback that adds a line a step to ``path``, under the keys of EasyR1's file logger."""
    from transformers import TrainerCallback

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    begun = time.monotonic()

    class LogCallback(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, **now_known: Any) -> None:
            nonlocal begun
            logs = now_known["logs"]
            if "reward" not in logs:  # the summary at the end
                return
            now, begun_before = time.monotonic(), begun
            begun = now
            row = {
                "step": state.global_step,
                "reward": dict(means),
                "actor": {"kl_loss": logs.get("kl", 0.0), "grad_norm": logs["grad_norm"], "lr": logs["learning_rate"]},
                "response_length": {
                    "mean": logs["completions/mean_length"],
                    "max": logs["completions/max_length"],
                    "min": logs["completions/min_length"],
                    "clip_ratio": logs["completions/clipped_ratio"],
                },
                "timing_s": {"step": now - begun_before},
            }
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    return LogCallback()


def main(arguments: Sequence[str]) -> int:
    """Train with ``config=PATH key=value …``; exit code 2 and one line for what the user can fix."""
    named = [argument.removeprefix("config=") for argument in arguments if argument.startswith("config=")]
    if len(named) != 1:
        print("usage: python -m infimed_plugins.quickstart.trl_grpo config=PATH [key=value ...]", file=sys.stderr)
        return 2
    try:
        train(read_settings(Path(named[0]), [argument for argument in arguments if not argument.startswith("config=")]))
    except InfimedError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
