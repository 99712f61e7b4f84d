"""Bounds of LLaMA-Factory's settings: values that its own parser lets pass, and that end or waste the run.

Types, choices and most contradictions are judged by upstream's own argument classes (llamafactory.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from infimed_plugins.limits import read_json
from infimed_plugins.trainers.data_check import unknown_modules
from infimed_plugins.trainers.faults import Bound, Fault, Rule, bound_faults, rule_faults

_NOTHING = "nothing would be learned"
_STOPS = "the run would stop"

BOUNDS = (
    Bound("per_device_train_batch_size", "[1, inf)", _STOPS),
    Bound("per_device_eval_batch_size", "[1, inf)", _STOPS),
    Bound("gradient_accumulation_steps", "[1, inf)", _STOPS),
    Bound("num_train_epochs", "(0, inf)", _NOTHING),
    Bound("max_steps", "[1, inf)", "the epochs would count", (-1,)),
    Bound("learning_rate", "(0, 0.1]", f"at 0 or below {_NOTHING}, beyond the model is lost"),
    Bound("weight_decay", "[0, 1]", "the weights would grow, or vanish"),
    Bound("max_grad_norm", "[0, inf)", _STOPS),
    Bound("adam_beta1", "[0, 1)", _STOPS),
    Bound("adam_beta2", "[0, 1)", _STOPS),
    Bound("adam_epsilon", "(0, inf)", "the optimizer would divide by 0"),
    Bound("warmup_ratio", "[0, 1)", f"the rate would not reach learning_rate: {_NOTHING}"),
    Bound("warmup_steps", "[0, inf)", _STOPS),
    Bound("label_smoothing_factor", "[0, 1)", _NOTHING),
    Bound("neftune_noise_alpha", "[0, inf)", "there is no noise below none"),
    Bound("cutoff_len", "[1, inf)", "no token of a row would be left"),
    Bound("max_samples", "[1, inf)", "no row would be left"),
    Bound("val_size", "[0, inf)", "there is nothing to hold out"),
    Bound("preprocessing_num_workers", "[1, inf)", _STOPS),
    Bound("preprocessing_batch_size", "[1, inf)", "no row would be read"),
    Bound("dataloader_num_workers", "[0, inf)", _STOPS),
    Bound("dataloader_prefetch_factor", "[1, inf)", _STOPS),
    Bound("buffer_size", "[1, inf)", _STOPS),
    Bound("save_steps", "(0, inf)", _STOPS),
    Bound("logging_steps", "(0, inf)", _STOPS),
    Bound("eval_steps", "(0, inf)", _STOPS),
    Bound("save_total_limit", "[1, inf)", "every checkpoint would be kept"),
    Bound("seed", "[0, 4294967295]", _STOPS),
    Bound("image_max_pixels", "[1, inf)", "no picture would be left"),
    Bound("image_min_pixels", "[1, inf)", "no picture would be left"),
    Bound("video_max_pixels", "[1, inf)", "no video would be left"),
    Bound("video_min_pixels", "[1, inf)", "no video would be left"),
    Bound("lora_rank", "[1, inf)", "the adapter would hold nothing"),
    Bound("lora_alpha", "(0, inf)", "the adapter would have no weight"),
    Bound("lora_dropout", "[0, 1)", "the adapter would see nothing"),
    Bound("quantization_bit", (2, 3, 4, 5, 6, 8), "there is no such quantization"),
)

RULES = (
    Rule("bf16", lambda s: s.bf16 and s.fp16, "bf16 and fp16 are both set", "set one of them"),
    Rule(
        "freeze_language_model",
        lambda s: (
            s.finetuning_type == "full"
            and (s.freeze_language_model and s.freeze_vision_tower and s.freeze_multi_modal_projector)
        ),
        f"language model, vision tower and projector are all frozen: {_NOTHING}",
        "set freeze_language_model: false",
    ),
    Rule(
        "do_train",
        lambda s: not (s.do_train or s.do_eval or s.do_predict) and s.eval_strategy == "no",
        "is not set, so nothing would be done",
        "set do_train: true",
    ),
)


def setting_faults(settings: dict[str, Any], default: dict[str, Any]) -> Iterator[Fault]:
    """Yield faults of values out of bounds or at odds with each other. ``default`` holds upstream's values."""
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    reports = Bound("report_to", ("none", "all", *INTEGRATION_TO_CALLBACK), _STOPS)
    yield from bound_faults([*BOUNDS, reports], settings.get, default.get)
    yield from rule_faults(RULES, SimpleNamespace(**{**default, **settings}))
    yield from _module_faults(settings)


def _module_faults(settings: dict[str, Any]) -> Iterator[Fault]:
    """Yield modules for LoRA that the model lacks; PEFT ignores them as long as one exists."""
    for key in ("lora_target", "additional_target"):
        names = names_in(settings.get(key))
        if names and names != ["all"]:
            yield from unknown_modules(key, str(settings.get("model_name_or_path")), names)


def names_in(value: Any) -> list[str]:
    """Return the names in a setting: ``a,b`` or a list."""
    named = value.split(",") if isinstance(value, str) and value else value
    return [str(name).strip() for name in named] if isinstance(named, list) else []


def trained_rows(rows: int, data: Any, faults: list[Fault]) -> int:
    """Return how many rows upstream's own split leaves to train on; 0, and add a fault, where it cannot split."""
    from datasets import Dataset
    from llamafactory.data.data_utils import split_dataset

    if not rows or data.streaming:
        return rows
    try:
        parts, _ = split_dataset(Dataset.from_dict({"row": range(rows)}), None, data, seed=0)
        return len(parts["train"])
    except ValueError:
        what = f"{data.val_size:g} of {rows:,} rows cannot be held out with a row left on either side"
        faults.append(Fault("val_size", what, f"set it below {rows}, or between 0 and 1, such as 0.1"))
        return 0


def steps_per_epoch(training: Any, trained: int, at_once: int) -> int:
    """Return the optimizer steps of an epoch. ``at_once`` is the number of rows in one batch on all devices."""
    batches = trained // at_once if training.dataloader_drop_last else -(-trained // at_once)
    return int(-(-batches // training.gradient_accumulation_steps))


def step_faults(training: Any, trained: int, at_once: int, updates: int) -> Iterator[Fault]:
    """Yield faults of a run without a step; ``updates`` are those of an epoch."""
    if trained and not updates:
        what = f"{trained:,} rows do not fill one batch of {at_once}, which dataloader_drop_last drops: no step is left"
        yield Fault("dataloader_drop_last", what, "set it to false, or per_device_train_batch_size lower")
        return
    steps = training.max_steps if training.max_steps > 0 else math.ceil(updates * training.num_train_epochs)
    resumed = training.resume_from_checkpoint
    state = Path(str(resumed), "trainer_state.json")
    done = read_json(state).get("global_step", 0) if state.is_file() else 0
    if 0 < steps <= done:
        what = f"{resumed} is at step {done} already: nothing would be trained"
        yield Fault("output_dir", what, "name another folder, or raise num_train_epochs or max_steps")
