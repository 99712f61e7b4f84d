"""What a recipe builds is what the trainers take: their own checks find no fault, their own loader tokenises it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from infimed_plugins import prompts
from infimed_plugins.paths import shipped
from infimed_plugins.quickstart import tiny_model
from infimed_plugins.recipes import Manifest, Part, Recipe, build
from infimed_plugins.records import Sample
from infimed_plugins.sources.phantom import PHANTOM

pytestmark = pytest.mark.slow

TEXT_ROWS = 1_100  # from a thousand on, upstream fixes the column's type before it sees an image


class Sums:
    """Questions without an image, some with a tag in the text."""

    licence, splits = "CC0-1.0", ("train",)

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample]:
        for n in range(TEXT_ROWS):
            yield Sample(f"sum-{n}", "sums", split, f"What is {n} + 1? <image> <video>", "math", str(n + 1))


PARTS = (
    Part("words", "sums", "train"),
    Part("direct", "phantom", "train", limit=10, order="first"),
    Part("reasoning", "phantom", "train", limit=10, skip=10, order="first", style="reasoning"),
    Part("held_out", "phantom", "val", limit=4, order="first", into="val"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tokenizer = tiny_model.build_tokenizer(
        prompts.render(sample, "reasoning") for sample in PHANTOM.load("train", limit=40)
    )
    tiny_model.save(folder, tiny_model.build_model(tokenizer), tiny_model.build_processor(tokenizer))
    return folder


def sft_settings(model: Path, folder: Path, manifest: Manifest) -> list[str]:
    names = [name for name in manifest.datasets if "_val" not in name]
    return [
        f"model_name_or_path={model}",
        f"dataset={','.join(names)}",
        f"dataset_dir={folder}",
        f"media_dir={folder}",
        f"output_dir={folder}/checkpoint",
    ]


def test_llamafactory_finds_no_fault_and_tokenises_text_rows_that_came_before_images(
    model: Path, plug_in: Callable[..., None], tmp_path: Path
) -> None:
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    from infimed_plugins.trainers.llamafactory import check_sft

    plug_in(sources={"sums": Sums()})
    manifest = build(Recipe("mix", "llamafactory", PARTS), tmp_path)
    assert manifest.datasets == ("mix", "mix_val", "mix_text")
    config = shipped("llamafactory_configs/infimed_sft.yaml")
    overrides = sft_settings(model, tmp_path, manifest)
    checked = check_sft(config, overrides, devices=8)
    assert checked.faults == ()
    assert checked.summary is not None
    assert checked.summary.rows == TEXT_ROWS + 20

    settings = yaml.safe_load(config.read_text()) | dict(one.split("=", 1) for one in overrides)
    settings = {key: settings[key] for key in settings if key not in ("deepspeed", "bf16")} | {"use_cpu": True}
    model_args, data_args, training_args, _, _ = get_train_args(settings)
    loaded = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(loaded["tokenizer"], data_args)
    rows = get_dataset(template, model_args, data_args, training_args, stage="sft", **loaded)["train_dataset"]
    assert len(rows) == TEXT_ROWS + 20
    assert sum(bool(row["images"]) for row in rows) == 20


@pytest.mark.easyr1
def test_easyr1_finds_no_fault(model: Path, plug_in: Callable[..., None], tmp_path: Path) -> None:
    from infimed_plugins.trainers.easyr1 import check_rl

    plug_in(sources={"sums": Sums()})
    parts = tuple(replace(part, style="reasoning") for part in PARTS)  # EasyR1 has one prompt for all rows
    build(Recipe("mix", "easyr1", parts), tmp_path)
    root = shipped("easyr1_configs").parent
    checked = check_rl(
        root / "easyr1_configs" / "grpo.yaml",
        [
            f"data.train_files={tmp_path}/train.parquet",
            f"data.val_files={tmp_path}/val.parquet",
            f"data.format_prompt={root}/easyr1_configs/infimed.jinja",
            f"worker.reward.reward_function={root}/easyr1_configs/infimed_reward.py:compute_score",
            f"worker.actor.model.model_path={model}",
        ],
    )
    assert checked.faults == ()
    assert checked.summary is not None
    assert checked.summary.rows == TEXT_ROWS + 20
