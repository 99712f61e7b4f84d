"""The printed configurations carry EasyR1's values, and each trainer's own code takes them."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from infimed_plugins.cli.main import app
from infimed_plugins.errors import ConfigError
from infimed_plugins.families import KIND
from infimed_plugins.plugins import registry
from infimed_plugins.trainers.configs import PRESETS, TRAINERS, configuration
from infimed_plugins.trainers.registry import GRPO

REPOSITORY = Path(__file__).resolve().parents[2]
FAMILIES = (None, *registry().names(KIND))
Needs = Callable[[str, str], None]


@pytest.mark.parametrize("trainer", GRPO[1:])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_value_is_filled_in_and_the_text_is_what_the_trainer_parses(
    trainer: str, preset: str, family: str | None
) -> None:
    text = configuration(trainer, family, preset)
    assert not re.search(r"\$\{\w[\w.]*\}|^[a-z,]+\| ", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 125
    if trainer == "openrlhf":
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
        return
    read = yaml.safe_load(text)
    assert all(not re.fullmatch(r"[\d.]+e-?\d+", str(value)) or isinstance(value, float) for value in _leaves(read))


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, (dict, list)):
        return [leaf for one in (value.values() if isinstance(value, dict) else value) for leaf in _leaves(one)]
    return [value]


def _flags(text: str) -> dict[str, list[str]]:
    """The flags of the shell script, as bash would pass them."""
    inside = text[text.index("flags=(") + 7 : text.index("\n)\n")]
    flags: dict[str, list[str]] = {}
    for word in shlex.split(inside, comments=True):
        if word.startswith("--"):
            flags[word] = []
        else:
            flags[next(reversed(flags))].append(word)
    return flags


def test_the_papers_values_stand_under_each_trainers_own_keys() -> None:
    trl, swift = (yaml.safe_load(configuration(trainer)) for trainer in ("trl", "ms-swift"))
    for settings in (trl, swift):
        assert (settings["num_generations"], settings["learning_rate"], settings["beta"]) == (16, 1e-6, 0.01)
        assert settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"] * 16 == 256 * 16
        assert settings["steps_per_generation"] == settings["gradient_accumulation_steps"]
        assert (settings["max_completion_length"], settings["num_train_epochs"]) == (2048, 1)
        assert (settings["epsilon"], settings["epsilon_high"], settings["loss_type"]) == (0.2, 0.3, "dapo")
        assert settings["lr_scheduler_type"] == "constant"
    assert (swift["max_length"], swift["ENV"]["MAX_PIXELS"], swift["ENV"]["NNODES"]) == (2048, 262144, 2)
    assert trl["reward_funcs"] == ["infimed_plugins.trainers.trl.infimed_reward"]
    verl = yaml.safe_load(configuration("verl"))
    assert (verl["data"]["train_batch_size"], verl["data"]["max_prompt_length"]) == (256, 2048)
    actor, rollout = (verl["actor_rollout_ref"][key] for key in ("actor", "rollout"))
    assert (actor["optim"]["lr"], actor["use_kl_loss"], actor["kl_loss_coef"]) == (1e-6, True, 0.01)
    assert (actor["ppo_mini_batch_size"], rollout["n"]) == (256, 16)
    assert (verl["trainer"]["nnodes"], verl["trainer"]["n_gpus_per_node"]) == (2, 8)
    flags = _flags(configuration("openrlhf"))
    assert flags["--rollout.batch_size"] == ["256"]
    assert flags["--train.batch_size"] == ["4096"]
    assert flags["--actor.adam.lr"] == ["1.0e-06"]
    assert "--algo.kl.use_loss" in flags


def test_the_presets_are_the_same_method_in_every_trainer() -> None:
    for trainer, updates in (("dapo", 16), ("gspo", 4)):
        trl, swift = (yaml.safe_load(configuration(name, None, trainer)) for name in ("trl", "ms-swift"))
        for settings in (trl, swift):
            assert settings["beta"] == 0.0
            assert settings["steps_per_generation"] == updates * settings["gradient_accumulation_steps"]
        flags = _flags(configuration("openrlhf", None, trainer))
        assert "--algo.kl.use_loss" not in flags
        assert int(flags["--train.batch_size"][0]) * updates == 4096
    verl = yaml.safe_load(configuration("verl", None, "gspo"))["actor_rollout_ref"]["actor"]
    assert (verl["policy_loss"]["loss_mode"], verl["clip_ratio_low"], verl["clip_ratio_high"]) == ("gspo", 3e-4, 4e-4)
    trl = yaml.safe_load(configuration("trl", None, "gspo"))
    assert (trl["importance_sampling_level"], trl["loss_type"], trl["epsilon"]) == ("sequence", "grpo", 3e-4)
    assert yaml.safe_load(configuration("ms-swift", None, "dapo"))["dynamic_sample"] is True
    assert yaml.safe_load(configuration("verl", None, "dapo"))["algorithm"]["filter_groups"]["enable"] is True


def test_a_family_brings_its_model_its_templates_and_how_it_opens_thought() -> None:
    thinking = yaml.safe_load(configuration("trl", "Qwen3_VL_Thinking"))
    assert thinking["model_name_or_path"] == "Qwen/Qwen3-VL-4B-Thinking"
    assert json.loads(thinking["env"]["INFIMED_REWARD_KWARGS"])["think_prefilled"] is True
    assert thinking["output_dir"] != yaml.safe_load(configuration("trl"))["output_dir"]
    easyr1 = yaml.safe_load(configuration("easyr1", "qwen3-vl-thinking", "gspo"))
    assert easyr1["worker"]["reward"]["reward_function_kwargs"]["think_prefilled"] is True
    assert yaml.safe_load(configuration("ms-swift", "medgemma"))["template"] == "gemma3_vision"
    assert "mm_processor_kwargs" not in yaml.safe_load(configuration("verl", "medgemma"))["data"]
    assert yaml.safe_load(configuration("llamafactory", "internvl3.5"))["template"] == "intern_vl"


@pytest.mark.parametrize(("trainer", "path"), [("easyr1", PRESETS["dapo"]), ("llamafactory", "infimed_sft.yaml")])
def test_the_two_trainers_with_shipped_files_print_them(trainer: str, path: str) -> None:
    (shipped,) = [file for file in REPOSITORY.glob("*_configs/**/*.yaml") if str(file).endswith(path)]
    preset = "dapo" if trainer == "easyr1" else None
    assert configuration(trainer, None, preset) == shipped.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["slime"], f"unknown trainer 'slime'; one of {', '.join(TRAINERS)}"),
        (["trl", "--model", "llava"], "unknown model family 'llava'; one of"),
        (["trl", "--preset", "ppo"], "unknown preset 'ppo'; one of grpo, dapo, gspo"),
        (
            ["easyr1", "--model", "medgemma"],
            "EasyR1 at b44b311 does not know the architecture of medgemma; one of verl",
        ),
        (["llamafactory", "--preset", "dapo"], "leave --preset out"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(arguments: list[str], said: str) -> None:
    found = CliRunner().invoke(app, ["trainers", "config", *arguments])
    assert isinstance(found.exception, ConfigError | SystemExit)
    assert said in (str(found.exception) + found.output)


def test_the_command_prints_the_text_alone_or_in_json() -> None:
    plain, in_json = (CliRunner().invoke(app, ["trainers", "config", "trl", *more]) for more in ([], ["--json"]))
    assert plain.stdout == configuration("trl") == json.loads(in_json.stdout)["configuration"]


def test_names_are_taken_in_any_spelling() -> None:
    assert configuration("MS_Swift", "QWEN3-VL", "Dapo") == configuration("ms-swift", "qwen3-vl", "dapo")


@pytest.mark.parametrize("preset", PRESETS)
def test_trls_own_parser_takes_every_key(preset: str, tmp_path: Path, installed: Needs) -> None:
    installed("trl", "1.0")
    from trl.scripts.grpo import make_parser

    file = tmp_path / "trl.yaml"
    file.write_text(configuration("trl", None, preset), encoding="utf-8")
    on_cpu = ["--use_cpu", "true", "--bf16", "false"]  # checked against the machine when it is parsed
    script, training, model, _ = make_parser().parse_args_and_config(["--config", str(file), *on_cpu])
    assert script.reward_funcs == ["infimed_plugins.trainers.trl.infimed_reward"]
    assert model.model_name_or_path == "checkpoints/infimed_sft"
    assert (training.learning_rate, training.num_generations, training.loss_type) == (
        1e-6,
        16,
        "grpo" if preset == "gspo" else "dapo",
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_ms_swifts_own_arguments_have_every_key(preset: str, installed: Needs) -> None:
    """Those of vLLM and DeepSpeed, too, which a run on a CPU leaves out."""
    installed("ms-swift", "4.6")
    from swift.arguments import RLHFArguments

    keys = set(yaml.safe_load(configuration("ms-swift", None, preset))) - {"ENV"}
    assert keys - {field.name for field in dataclasses.fields(RLHFArguments)} == set()
