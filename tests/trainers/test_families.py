"""A tiny random model of each architecture is checked, trained for two steps by a shipped configuration, and asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers
from tiny_families import TYPES, save_tiny

from infimed_plugins import prompts
from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.engines.transformers import TransformersEngine
from infimed_plugins.errors import EngineError
from infimed_plugins.export.token_count import TokenCounter
from infimed_plugins.families import family_of
from infimed_plugins.records import Sample
from infimed_plugins.sources.phantom import phantom_sample
from infimed_plugins.trainers import Progress, run_easyr1, run_llamafactory
from infimed_plugins.trainers.easyr1 import check_rl
from infimed_plugins.trainers.llamafactory import check_sft

REPOSITORY = Path(__file__).resolve().parents[2]
SFT = REPOSITORY / "llamafactory_configs"
CONFIGURATIONS = {  # the others: as the recipe's own, with the family's template
    "qwen3_vl": SFT / "qwen3_vl_4b_sft.yaml",
    "qwen3_vl_moe": SFT / "qwen3_vl_4b_sft.yaml",
    "gemma3": SFT / "medgemma_4b_sft.yaml",
}
SIZES = [(112, 112), (640, 480), (60, 300), (1000, 1000), (448, 896)]
Row = dict[str, Any]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, phantoms: list[Sample]) -> Callable[[str], Path]:
    """The folder of a tiny model by its model_type, made when it is first asked for."""
    root, made = tmp_path_factory.mktemp("families"), dict[str, Path]()
    corpus = [prompts.render(sample, "reasoning") + prompts.target(sample, "reasoning") for sample in phantoms] * 3

    def model(model_type: str) -> Path:
        if model_type not in made:
            made[model_type] = save_tiny(model_type, root / model_type, corpus)
        return made[model_type]

    return model


def sft(model_type: str, model: Path, data: Path) -> tuple[Path, list[str]]:
    """A configuration, and what a machine without GPUs and a tiny set change in it."""
    family = family_of(model)
    assert family is not None
    overrides = {
        "model_name_or_path": model,
        "template": family.llamafactory_template,
        "dataset": "phantoms",
        "dataset_dir": data,
        "media_dir": data,
        "output_dir": data / "out",
        "deepspeed": "null",
        "bf16": "false",
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "preprocessing_num_workers": 1,
        "dataloader_num_workers": 0,
        "logging_steps": 1,
    }
    config = CONFIGURATIONS.get(model_type, SFT / "infimed_sft.yaml")
    return config, [f"{key}={value}" for key, value in overrides.items()]


@pytest.mark.parametrize("model_type", TYPES)
def test_llamafactory_takes_two_steps_and_leaves_what_the_family_freezes(
    model_type: str, models: Callable[[str], Path], sft_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("llamafactory")
    model, seen = models(model_type), list[Progress]()
    config, overrides = sft(model_type, model, sft_folder)
    checked = check_sft(config, overrides)
    assert checked.faults == ()
    run_llamafactory(config, overrides, log=tmp_path / "sft.log", on_progress=seen.append, cpu=True)
    losses = [progress.metrics["loss"] for progress in seen if "loss" in progress.metrics]
    assert len(losses) == 2
    assert all(0 < loss < 20 for loss in losses)
    family = family_of(model)
    assert family is not None
    old, new = (
        transformers.AutoModelForImageTextToText.from_pretrained(folder).state_dict()
        for folder in (model, sft_folder / "out")
    )
    changed = {name for name in old if not old[name].equal(new[name])}
    assert {part for part in family.freeze if any(name.startswith(f"{part}.") for name in old)} == set(family.freeze)
    assert [name for name in changed if name.startswith(family.freeze)] == []
    assert {name.split(".")[1] for name in changed} >= {"language_model"}


@pytest.mark.parametrize("model_type", TYPES)
def test_its_image_tokens_are_counted_as_its_own_processor_counts_them(
    model_type: str, models: Callable[[str], Path]
) -> None:
    model = models(model_type)
    processor, counter = transformers.AutoProcessor.from_pretrained(model), TokenCounter(str(model), 1 << 30)
    for number, size in enumerate(SIZES):
        sample = phantom_sample("train", number)
        image = sample.images[0].open().resize(size)
        asked, answer = prompts.render(sample, "reasoning"), prompts.target(sample, "reasoning")
        content = [{"type": "image"}, {"type": "text", "text": asked.removeprefix(prompts.IMAGE_TAG)}]
        turns = [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
        text = processor.apply_chat_template(turns, tokenize=False).replace("<IMG_CONTEXT>\n", "<IMG_CONTEXT>")
        given = {"add_special_tokens": False, "return_tensors": "pt"}
        tokens = processor(text=[text], images=[[image]], **given)["input_ids"]
        # the mark before an image is what transformers 5.24 calls image_token_id in Gemma's processor
        image_token = getattr(processor.tokenizer, "image_token_id", None) or processor.image_token_id
        assert (tokens == image_token).sum() == counter.family.image_tokens(*size), size
        assert counter.count(asked, answer, (size,)) == tokens.shape[1], size


@pytest.mark.parametrize("model_type", TYPES)
def test_it_answers_pictures_one_two_or_none_whatever_is_in_its_batch(
    model_type: str, models: Callable[[str], Path]
) -> None:
    one, two = (phantom_sample("val", number).images for number in range(2))
    requests = [
        ChatRequest("one", "<image>Which organ?", one),
        ChatRequest("none", "Which organ has lobes?"),
        ChatRequest("two", "<image><image>Are they alike?", one + two),
    ]
    engine = TransformersEngine(str(models(model_type)), batch_size=3, max_pixels=262_144)
    together = list(engine.generate(requests, Sampling(max_tokens=12)))
    assert [reply.error for reply in together] == [None] * 3
    assert all(reply.usage.completion for reply in together)
    alone = [next(iter(engine.generate([request], Sampling(max_tokens=12)))) for request in requests]
    assert [reply.texts for reply in alone] == [reply.texts for reply in together]
    family = family_of(models(model_type))
    assert family is not None
    assert together[2].usage.prompt - together[0].usage.prompt > 0.9 * family.image_tokens(112, 112, 262_144)


def test_a_model_of_which_weights_would_be_drawn_at_random_is_not_asked(
    models: Callable[[str], Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(models("gemma3"), tmp_path / "gemma3")
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace("vision_tower.", "tower."): weight for name, weight in weights.items()}
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EngineError, match=r"lacks \d+ weights of this transformers, such as model.vision_tower"):
        TransformersEngine(str(folder))


@pytest.mark.easyr1
@pytest.mark.parametrize("model_type", ["qwen3_vl", "qwen3_vl_moe", "gemma3", "internvl"])
def test_easyr1s_configuration_has_no_faults_but_for_models_that_it_does_not_train(
    model_type: str, models: Callable[[str], Path], rl_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFIMED_ROOT", str(REPOSITORY))
    overrides = [
        f"data.train_files={rl_folder / 'train.parquet'}",
        f"data.val_files={rl_folder / 'val.parquet'}",
        f"worker.actor.model.model_path={models(model_type)}",
        f"trainer.save_checkpoint_path={rl_folder / 'rl'}",
        "data.rollout_batch_size=32",
        "worker.actor.global_batch_size=32",
    ]
    checked = check_rl(REPOSITORY / "easyr1_configs" / "qwen3_vl_4b_grpo.yaml", overrides)
    said = [fault.what for fault in checked.faults]
    if model_type.startswith("qwen3"):
        assert said == []
        assert checked.summary is not None
        assert (checked.summary.rows, checked.summary.steps_per_epoch) == (32, 1)
    else:
        assert said[0].endswith("is of an architecture that EasyR1 does not train")


@pytest.mark.slow
@pytest.mark.easyr1
def test_easyr1_takes_two_steps_with_a_tiny_qwen3_vl_and_pays_it(
    models: Callable[[str], Path],
    teach: Callable[[Path, Path], Path],
    organ_rows: list[Row],
    write_parquet: Callable[[Path, list[Row]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INFIMED_ROOT", str(REPOSITORY))
    overrides = [
        f"data.train_files={write_parquet(tmp_path / 'train.parquet', organ_rows[:32])}",
        f"data.val_files={write_parquet(tmp_path / 'val.parquet', organ_rows[32:])}",
        "data.rollout_batch_size=4",
        "data.max_response_length=40",
        f"worker.actor.model.model_path={teach(models('qwen3_vl'), tmp_path / 'taught')}",
        "worker.actor.global_batch_size=4",
        "worker.actor.micro_batch_size_per_device_for_update=8",
        "worker.actor.optim.lr_warmup_steps=0",
        "worker.rollout.n=4",
        "trainer.max_steps=2",
        f"trainer.save_checkpoint_path={tmp_path / 'rl'}",
    ]
    seen: list[Progress] = []
    config = REPOSITORY / "easyr1_configs" / "quickstart_grpo.yaml"
    run_easyr1(config, overrides, log=tmp_path / "rl.log", on_progress=seen.append, cpu=True)
    steps = [progress.metrics for progress in seen if "reward/overall" in progress.metrics]
    assert len(steps) == 2
    assert min(step["reward/overall"] for step in steps) > 0
    assert max(step["actor/grad_norm"] for step in steps) > 0
