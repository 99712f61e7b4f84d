"""Configurations for each trainer: the values of an EasyR1 file, under that trainer's own keys.

    print(configuration("trl", family="qwen3-vl", preset="dapo"))

The template in a trainer's file is text in its own format. There ``${data.seed}`` stands for the value of that key in
the EasyR1 file, ``${kl}`` for one of ``_derived``; a line that begins with ``dapo,gspo| `` is for these presets alone,
one with ``pixels| `` for models whose processor takes limits of pixels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from infimed_plugins.errors import ConfigError, known_name
from infimed_plugins.families import DEFAULT, Family, find_family
from infimed_plugins.paths import shipped
from infimed_plugins.trainers.launch import flat
from infimed_plugins.trainers.registry import GRPO, Trainer, find_trainer
from infimed_plugins.trainers.upstream_easyr1 import COMMIT

PRESETS = {
    "grpo": "easyr1_configs/grpo.yaml",
    "dapo": "easyr1_configs/presets/dapo.yaml",
    "gspo": "easyr1_configs/presets/gspo.yaml",
}
TRAINERS = ("easyr1", "llamafactory", *GRPO[1:])
_SUPERVISED = "llamafactory_configs/infimed_sft.yaml"
_OF_FAMILIES = {  # files that stand beside these; for other families they are printed with that family's model
    ("qwen3-vl", PRESETS["grpo"]): "easyr1_configs/qwen3_vl_4b_grpo.yaml",
    ("qwen3-vl", _SUPERVISED): "llamafactory_configs/qwen3_vl_4b_sft.yaml",
    ("medgemma", _SUPERVISED): "llamafactory_configs/medgemma_4b_sft.yaml",
    ("gemma3", _SUPERVISED): "llamafactory_configs/gemma3_sft.yaml",
}
_EASYR1_TYPES = {"qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe"}  # its verl/models/monkey_patch.py:21, of those with images
_ROOT = "${oc.env:INFIMED_ROOT,.}/"  # before the paths of EasyR1's files


def configuration(trainer: str, family: str | None = None, preset: str | None = None) -> str:
    """Return the text of a trainer's configuration; for EasyR1 and LLaMA-Factory a shipped file's.

    ``family`` is a model family; without one the model is the checkpoint that the paper's RL starts from. Raises
    ConfigError for unknown names, listing the known ones, and for what a trainer does not do.
    """
    found = find_trainer(trainer, TRAINERS)
    known = None if family is None else find_family(family)
    if found.name == "llamafactory":
        if preset is not None:
            raise ConfigError("presets are of reinforcement learning, and llamafactory is not: leave --preset out")
        return _for_family(_SUPERVISED, known)
    source = PRESETS[known_name(preset or "grpo", PRESETS, "preset")]
    if found.template:
        return _for_other(found, known, source)
    if known is not None and not _EASYR1_TYPES.intersection(known.model_types):
        others = ", ".join(GRPO[1:])
        raise ConfigError(f"EasyR1 at {COMMIT[:7]} does not know the architecture of {known.name}; one of {others} may")
    return _for_family(source, known)


def _read(path: str) -> str:
    return shipped(path).read_text(encoding="utf-8")


def _for_family(path: str, family: Family | None) -> str:
    """Return a shipped file of EasyR1 or LLaMA-Factory with a family's model, template and way to open thought."""
    if family is None or (family.name, path) in _OF_FAMILIES:
        return _read(_OF_FAMILIES[family.name, path] if family is not None else path)
    text, mark = _read(path), f" # the family {family.name}"
    values = {"model_path": family.models[0], "model_name_or_path": family.models[0]}
    for key, value in {**values, "template": family.llamafactory_template}.items():
        text = re.sub(rf"(?m)^( *{key}:).*$", rf"\1 {value}{mark}", text)
    for key in ("output_dir", "experiment_name", "save_checkpoint_path"):  # a folder for each family
        text = re.sub(rf"(?m)^( *{key}:.*)$", rf"\1_{family.name}", text)
    opened = r"\1\2\n\1think_prefilled: true # the chat template opens <think> itself"
    return re.sub(r"(?m)^( +)(w_acc:.*)$", opened, text) if family.opens_thought else text


def _for_other(trainer: Trainer, family: Family | None, source: str) -> str:
    """Return a template with the values of EasyR1's file ``source``."""
    settings: dict[str, Any] = yaml.safe_load(_for_family(source, family).replace(_ROOT, ""))
    model_type = (family or DEFAULT).model_types[0]
    preset = next(name for name, path in PRESETS.items() if path == source)
    values = {
        **flat(settings),
        **_derived(settings),
        "adapter": trainer.path,
        "family_option": "" if family is None else f" --model-family {family.name}",
        "preset": preset,
        "architecture": trainer.architectures.get(model_type, model_type),
    }
    kept = {preset, *([] if (family or DEFAULT).tile else ["pixels"])}
    return _filled(trainer.template, values, kept)


def _filled(template: str, values: Mapping[str, Any], kept: set[str]) -> str:
    """Return a template with its values, without the lines for other presets than those ``kept``."""
    lines = [re.fullmatch(r"(?:([a-z,]+)\| ?)?(.*)", line) for line in template.splitlines()]
    texts = [line[2] for line in lines if line and (line[1] is None or kept & set(line[1].split(",")))]
    return re.sub(r"\$\{(\w[\w.]*)\}", lambda found: _text(values[found[1]]), "\n".join(texts)) + "\n"


def _text(value: Any) -> str:
    """Return a value as YAML writes it on one line: a small number with its point, without which YAML reads a text."""
    if isinstance(value, (bool, float, list)):
        return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
    return str(value)


def _derived(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the templates need beside EasyR1's own values; a pass is one micro-batch on every GPU."""
    data, algorithm, trainer = settings["data"], settings["algorithm"], settings["trainer"]
    actor, rollouts = settings["worker"]["actor"], settings["worker"]["rollout"]["n"]
    gpus, micro_batch = trainer["nnodes"] * trainer["n_gpus_per_node"], actor["micro_batch_size_per_device_for_update"]
    tokens = data["max_prompt_length"] + data["max_response_length"]
    asked, updated = data["rollout_batch_size"], actor["global_batch_size"]
    step, update = asked * rollouts, updated * rollouts
    has_kl = algorithm["use_kl_loss"] and not algorithm["disable_kl"]
    reward = {"think_prefilled": False, **settings["worker"]["reward"]["reward_function_kwargs"]}
    return {
        "model": actor["model"]["model_path"],
        "a_step": f"{asked} prompts × {rollouts} rollouts, an update {updated} prompts.",
        "gpus": gpus,
        "sequences_a_step": step,
        "sequences_an_update": update,
        "sequences_a_pass": gpus * micro_batch,
        "passes_a_step": step // (gpus * micro_batch),
        "passes_an_update": update // (gpus * micro_batch),
        "updates_a_save": trainer["save_freq"] * step // update,
        "tokens_a_sequence": tokens,
        "tokens_a_pass": micro_batch * tokens,
        "overlong_tokens": data["max_response_length"] // 5,
        "has_kl": has_kl,
        "kl": algorithm["kl_coef"] if has_kl else 0.0,
        "beta1": actor["optim"]["betas"][0],
        "beta2": actor["optim"]["betas"][1],
        "think_prefilled": reward["think_prefilled"],
        "reward_settings": json.dumps(reward),
    }
