"""Bounds of EasyR1's settings: values that end a run, often hours in, or let it learn nothing.

Each is judged before the model is loaded; the consequence is what EasyR1 or vLLM does with the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from infimed_plugins.limits import read_json
from infimed_plugins.trainers.data_check import unknown_modules
from infimed_plugins.trainers.faults import Bound, Fault, Rule, bound_faults, nearest, rule_faults

_NOTHING = "nothing would be learned"
_STOPS = "EasyR1 would stop"
_VLLM = "vLLM refuses it"
_DTYPES = ("fp16", "float16", "fp32", "float32", "bf16", "bfloat16")
_LOGGERS = ("console", "file", "mlflow", "swanlab", "tensorboard", "wandb")
_SAMPLING = (  # the keys of val_override_config: vLLM's SamplingParams; any other is passed over
    *("n", "temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "min_tokens", "stop", "stop_token_ids"),
    *("presence_penalty", "frequency_penalty", "repetition_penalty", "ignore_eos", "logprobs", "skip_special_tokens"),
)

BOUNDS = (
    Bound("data.max_prompt_length", "[1, inf)", "no prompt would fit"),
    Bound("data.max_response_length", "[1, inf)", "no reply would fit"),
    Bound("data.rollout_batch_size", "[1, inf)", "no batch would be made"),
    Bound("data.mini_rollout_batch_size", "[1, inf)", "no batch would be made"),
    Bound("data.val_batch_size", "[1, inf)", "the validation set cannot be read", (-1,)),
    Bound("data.min_pixels", "[1, inf)", "no picture would be left"),
    Bound("data.max_pixels", "[1, inf)", "no picture would be left"),
    Bound("data.video_fps", "(0, inf)", _STOPS),
    Bound("data.filter_overlong_prompts_workers", "[1, inf)", _STOPS),
    Bound("algorithm.gamma", "[0, 1]", "rewards would grow with the distance"),
    Bound("algorithm.lam", "[0, 1]", "advantages would grow with the distance"),
    Bound("algorithm.kl_coef", "[0, inf)", "the policy would be driven away from the reference"),
    Bound("algorithm.kl_penalty", ("kl", "abs", "mse", "low_var_kl", "full"), f"{_STOPS} at the first step"),
    Bound("worker.hybrid_engine", (True,), _STOPS),
    Bound("worker.rollout.n", "[1, inf)", _VLLM),
    Bound("worker.rollout.temperature", "(0, 2]", "at 0 all rollouts of a prompt are equal, beyond 2 they are noise"),
    Bound("worker.rollout.top_p", "(0, 1]", _VLLM),
    Bound("worker.rollout.top_k", "[2, inf)", "1 makes all rollouts of a prompt equal, others vLLM refuses", (-1,)),
    Bound("worker.rollout.ignore_eos", (False,), "every reply would be as long as data.max_response_length"),
    Bound("worker.rollout.limit_images", "[0, inf)", _VLLM),
    Bound("worker.rollout.dtype", _DTYPES, _STOPS),
    Bound("worker.rollout.gpu_memory_utilization", "(0, 1)", "vLLM finds no memory, or leaves none to the actor"),
    Bound("worker.rollout.tensor_parallel_size", "[1, inf)", _STOPS),
    Bound("worker.rollout.val_override_config.n", "[1, inf)", _VLLM),
    Bound("worker.rollout.val_override_config.temperature", "[0, 2]", _VLLM),
    Bound("worker.rollout.val_override_config.top_p", "(0, 1]", _VLLM),
    Bound("worker.rollout.val_override_config.top_k", "[1, inf)", _VLLM, (-1,)),
    Bound("worker.reward.num_cpus", "[0, inf)", "Ray refuses it"),
    Bound("trainer.total_epochs", "[1, inf)", _NOTHING),
    Bound("trainer.max_steps", "[1, inf)", _NOTHING),
    Bound("trainer.logger", _LOGGERS, f"{_STOPS} after it loaded the model"),
    Bound("trainer.nnodes", "[1, inf)", "there is nothing to train on"),
    Bound("trainer.n_gpus_per_node", "[1, inf)", "there is nothing to train on"),
)
_TRAINED = (  # of worker.actor, and of worker.critic where there is one
    Bound("global_batch_size", "[1, inf)", "no update would be made"),
    Bound("micro_batch_size_per_device_for_update", "[1, inf)", _STOPS),
    Bound("micro_batch_size_per_device_for_experience", "[1, inf)", _STOPS),
    Bound("max_grad_norm", "(0, inf)", f"at 0 every gradient is 0: {_NOTHING}"),
    Bound("loss_avg_mode", ("token", "seq"), f"{_STOPS} at the first update"),
    Bound("ppo_epochs", "[1, inf)", _NOTHING),
    Bound("ulysses_size", "[1, inf)", _STOPS),
    Bound("optim.lr", "(0, 0.1]", f"at 0 or below {_NOTHING}, beyond the model is lost"),
    Bound("optim.betas", "[0, 1)", _STOPS),
    Bound("optim.weight_decay", "[0, 1]", _STOPS),
    Bound("optim.strategy", ("adamw", "adamw_bf16"), f"{_STOPS} after it loaded the model"),
    Bound("optim.lr_scheduler_type", ("constant", "cosine"), f"{_STOPS} after it loaded the model"),
    Bound("optim.lr_warmup_ratio", "[0, 1)", f"the rate would not reach optim.lr: {_NOTHING}"),
    Bound("optim.lr_warmup_steps", "[0, inf)", "a warm-up has steps or none"),
    Bound("optim.min_lr_ratio", "[0, 1]", "the rate would rise"),
    Bound("model.lora.rank", "[0, inf)", "a rank below 0 trains the whole model"),
    Bound("model.lora.alpha", "(0, inf)", "the adapter would have no weight"),
    *(Bound(f"fsdp.{key}", _DTYPES, _STOPS) for key in ("torch_dtype", "mp_param_dtype", "mp_reduce_dtype")),
    Bound("fsdp.mp_buffer_dtype", _DTYPES, _STOPS),
)
_ACTOR = (
    *_TRAINED,
    Bound("clip_ratio_low", "(0, 1]", "the policy could not be lowered, or without limit"),
    Bound("clip_ratio_high", "(0, inf)", "the policy could not be raised"),
    Bound("clip_ratio_dual", "(1, inf)", "the loss of every bad reply would be cut"),
    Bound("loss_type", ("default", "gspo", "gspo_token", "cispo", "sapo"), "it would be read as 'default'"),
    Bound("tau_positive", "(0, inf)", "it divides"),
    Bound("tau_negative", "(0, inf)", "it divides"),
)
_CRITIC = (*_TRAINED, Bound("cliprange_value", "(0, inf)", _NOTHING))


def _world(s: Any) -> int:
    return int(s.trainer.nnodes * s.trainer.n_gpus_per_node)


def at_once(s: Any) -> int:
    """Return how many prompts go to the rollout engines at once."""
    return int(s.data.mini_rollout_batch_size or s.data.rollout_batch_size)


def _divides_gpus(key: str) -> Rule:
    what, fix = f"{{s.{key}}} does not divide the number of GPUs", "set it to 1, or to a divisor"
    return Rule(key, lambda s: _world(s) % value_at(s, key) > 0, what, fix)


RULES = (
    Rule(
        "data.min_pixels",
        lambda s: None not in (s.data.min_pixels, s.data.max_pixels) and s.data.min_pixels > s.data.max_pixels,
        "{s.data.min_pixels:,} is above data.max_pixels {s.data.max_pixels:,}, so every picture is blown up again",
        "set it to {s.data.max_pixels} or less",
    ),
    Rule(
        "data.rollout_batch_size",
        lambda s: at_once(s) % _world(s) > 0,
        "the prompts of one rollout cannot be dealt out evenly to {s.trainer.nnodes} × {s.trainer.n_gpus_per_node} "
        "GPUs: only support equal chunk",
        "set it, and data.mini_rollout_batch_size, to a multiple of the number of GPUs",
    ),
    Rule(
        "data.mini_rollout_batch_size",
        lambda s: s.data.rollout_batch_size % at_once(s) > 0,
        "{s.data.mini_rollout_batch_size} does not divide data.rollout_batch_size, and the rollouts beyond are lost",
        "set it to a divisor of {s.data.rollout_batch_size}",
    ),
    Rule(
        "algorithm.filter_low",
        lambda s: s.algorithm.filter_low >= s.algorithm.filter_high,
        "{s.algorithm.filter_low} is not below filter_high {s.algorithm.filter_high}: online filtering keeps no sample",
        "set it to 0.01, and filter_high to 0.99",
    ),
    _divides_gpus("worker.rollout.tensor_parallel_size"),
    _divides_gpus("worker.actor.ulysses_size"),
    Rule(
        "worker.actor.fsdp.fsdp_size",
        lambda s: 0 < s.worker.actor.fsdp.fsdp_size < _world(s) and _world(s) % s.worker.actor.fsdp.fsdp_size > 0,
        "{s.worker.actor.fsdp.fsdp_size} does not divide the number of GPUs",
        "set it to -1, or to a divisor",
    ),
    Rule(
        "worker.actor.ulysses_size",
        lambda s: s.worker.actor.ulysses_size > 1 and not s.worker.actor.padding_free,
        "sequences are split only without padding",
        "set worker.actor.padding_free: true, or it to 1",
    ),
    Rule(
        "worker.critic.model.model_path",
        lambda s: s.algorithm.adv_estimator == "gae" and s.worker.critic.model.model_path is None,
        "is not set, and the advantage estimator gae trains a critic",
        "name a model, or set algorithm.adv_estimator: grpo",
    ),
    Rule(
        "trainer.val_only",
        lambda s: s.trainer.val_only and not s.trainer.val_before_train,
        "is passed over without val_before_train, and the model would be trained",
        "set trainer.val_before_train: true",
    ),
    Rule(
        "trainer.load_checkpoint_path",
        lambda s: not Path(s.trainer.load_checkpoint_path or "global_step_0").name.startswith("global_step_"),
        "{s.trainer.load_checkpoint_path} does not end with global_step_…, and EasyR1 would stop after it loaded the "
        "model",
        "name the folder global_step_… in it",
    ),
)


def setting_faults(settings: Any, default: Any) -> Iterator[Fault]:
    """Yield faults of values out of bounds or at odds with each other. ``default`` holds upstream's own values."""
    has_critic = settings.algorithm.adv_estimator == "gae"
    bounds = [*BOUNDS, *_within("worker.actor", _ACTOR), *(_within("worker.critic", _CRITIC) if has_critic else ())]
    yield from bound_faults(bounds, lambda key: value_at(settings, key), lambda key: value_at(default, key))
    yield from _room_faults(settings)
    yield from rule_faults(RULES, settings)
    for key in settings.worker.rollout.val_override_config:
        if key not in _SAMPLING:
            yield Fault(f"{_VALIDATION}.{key}", "vLLM has no such sampling parameter", nearest(str(key), _SAMPLING))


_VALIDATION = "worker.rollout.val_override_config"


def _within(group: str, bounds: Sequence[Bound]) -> Iterator[Bound]:
    return (replace(bound, key=f"{group}.{bound.key}") for bound in bounds)


def value_at(settings: Any, key: str) -> Any:
    """Return the value of a dotted key, None where there is none."""
    for name in key.split("."):
        settings = settings.get(name) if isinstance(settings, dict) else getattr(settings, name, None)
    return settings


def _room_faults(settings: Any) -> Iterator[Fault]:
    """Yield faults if vLLM or the model's positions cannot hold a whole prompt and a whole reply."""
    rollout, needed = settings.worker.rollout, settings.data.max_prompt_length + settings.data.max_response_length
    for key in ("max_num_batched_tokens", "max_model_len"):
        value = getattr(rollout, key)
        if value is not None and value < needed:
            what = f"{value:,} is less than prompt and response together"
            yield Fault(f"worker.rollout.{key}", what, f"set it to {needed} or more")
    yield from _model_faults(settings, max(needed, rollout.max_model_len or 0))


def _model_faults(settings: Any, length: int) -> Iterator[Fault]:
    model, parallel = settings.worker.actor.model, settings.worker.rollout.tensor_parallel_size
    file = Path(model.model_path or "", "config.json")
    if not file.is_file():
        return
    config = read_json(file)
    config = {**config, **(config.get("text_config") or {})}
    positions, heads = config.get("max_position_embeddings"), config.get("num_attention_heads")
    scaled = (config.get("rope_scaling") or {}).get("factor")
    if positions and not scaled and length > positions:
        what = f"{length:,} tokens of prompt and response are more than the model's {positions:,} positions"
        yield Fault(
            "data.max_response_length", what, f"lower it, data.max_prompt_length or max_model_len to {positions}"
        )
    if heads and parallel > 0 and heads % parallel:
        what = f"{parallel} does not divide the model's {heads} attention heads"
        yield Fault("worker.rollout.tensor_parallel_size", what, "set it to 1, or to a divisor")
    named = model.lora.target_modules
    if model.lora.rank > 0 and named != "all-linear":
        yield from unknown_modules("worker.actor.model.lora.target_modules", str(file.parent), named.split(","))


def step_faults(settings: Any, steps: int) -> Iterator[Fault]:
    """Yield faults of settings that a run of so many steps never reaches."""
    trainer = settings.trainer
    total = trainer.max_steps or steps * trainer.total_epochs
    if trainer.critic_warmup > total > 0:
        what = f"{trainer.critic_warmup} is more than the run's {total} steps: {_NOTHING}"
        yield Fault("trainer.critic_warmup", what, "set it to 0: only a critic needs it")
    tracker = Path(trainer.save_checkpoint_path, "checkpoint_tracker.json")
    last = read_json(tracker)["last_global_step"] if trainer.find_last_checkpoint and tracker.exists() else 0
    if last >= total > 0:
        what = f"{trainer.save_checkpoint_path} is at step {last} already: nothing would be trained"
        yield Fault("trainer.save_checkpoint_path", what, "name another folder or raise max_steps")
