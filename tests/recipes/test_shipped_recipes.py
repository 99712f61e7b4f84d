"""Every shipped recipe has the papers' numbers, and built from the small copies it is what the trainers take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from infimed_plugins import prompts
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.paths import shipped
from infimed_plugins.plugins import registry
from infimed_plugins.prompts import tagged
from infimed_plugins.quickstart import tiny_model
from infimed_plugins.recipes import Manifest, Recipe, build, load_recipe, plan, shipped_recipes
from infimed_plugins.records import Sample
from infimed_plugins.rewards import compute_score
from infimed_plugins.trainers.reward_check import gold_text

DOWNLOADS = Path(__file__).parents[1] / "data" / "sources"
PUBLIC = [name for name in shipped_recipes() if not name.startswith("quickstart")]
TOTALS = {
    "infimed_sft": 188_000,
    "infimed_sft_without_general": 138_000,
    "infimed_sft_without_text": 148_000,
    "infimed_sft_without_reflective": 183_000,
    "infimed_sft_general_cot": 188_000,
    "infimed_sft_more_general": 208_000,
    "infimed_sft_less_general": 168_000,
    "infimed_sft_more_text": 208_000,
    "infimed_sft_less_text": 168_000,
    "infi_med_sft": 149_700,
    "infimed_rlvr": 36_000,
    "infimed_rlvr_without_general": 26_000,
    "infimed_rlvr_more_medical": 36_000 + 5_000 + 9_000 + 793,
}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_recipe_has_the_papers_number_of_rows(name: str) -> None:
    assert plan(name).train == TOTALS[name]


def test_the_parts_of_the_supervised_recipe_are_the_papers() -> None:
    rows = {part.part: part.rows or 0 for part in plan("infimed_sft").parts}
    assert sum(count for name, count in rows.items() if name.startswith("general_")) == 50_000
    assert sum(count for name, count in rows.items() if name.startswith("text_")) == 40_000
    assert rows["reflective"] == 5_000


@dataclass
class Knows:
    """Gives the right answer to every second sample of a request, and judges; the steps are tested elsewhere."""

    answers: dict[str, Sample]
    model: str = "fixed"

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            if sampling.json_schema is not None:
                yield Reply(request.id, ('{"score": 8, "justification": "It names what it sees."}',))
                continue
            sample = self.answers[request.id]
            right, wrong = prompts.tagged("It shows.", prompts.answer_text(sample)), prompts.tagged("No.", "D")
            yield Reply(request.id, (right, wrong) * (sampling.n // 2))


def from_small_copies(name: str, out: Path, **changes: Any) -> Manifest:
    """The recipe built from rows of every source; nothing is skipped, and the copies' train and test rows are alike."""
    recipe = load_recipe(name).changed(decontaminate=False)
    parts = tuple(replace(part, skip=0, limit=None, keep=None) for part in recipe.parts)
    shrunk: Recipe = replace(recipe, parts=parts, max_rejects=0.9, **changes)
    answers = {
        sample.id: sample
        for part in parts
        if part.steps
        for sample in registry().get("source", part.source).load(part.split, folder=DOWNLOADS)
        if isinstance(sample, Sample)
    }
    return build(shrunk, out, engine=Knows(answers) if answers else None, folder=DOWNLOADS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tokenizer = tiny_model.build_tokenizer(["Which organ is shown? Answer with a word. <think> a b c </think>"])
    tiny_model.save(folder, tiny_model.build_model(tokenizer), tiny_model.build_processor(tokenizer))
    return folder


def sft_overrides(model: Path, folder: Path, manifest: Manifest) -> list[str]:
    return [
        f"model_name_or_path={model}",
        f"dataset={','.join(manifest.datasets)}",
        f"dataset_dir={folder}",
        f"media_dir={folder}",
        f"output_dir={folder}/checkpoint",
        "cutoff_len=16384",  # this tokenizer knows few words
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PUBLIC if "sft" in name])
def test_a_supervised_recipe_builds_into_what_llamafactory_takes(name: str, model: Path, tmp_path: Path) -> None:
    from infimed_plugins.trainers.llamafactory import check_sft

    manifest = from_small_copies(name, tmp_path)
    assert all(part.kept for part in manifest.parts)
    checked = check_sft(
        shipped("llamafactory_configs/infimed_sft.yaml"), sft_overrides(model, tmp_path, manifest), devices=8
    )
    assert checked.faults == ()
    assert checked.summary is not None
    assert checked.summary.rows == manifest.rows


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_llamafactory_trains_two_steps_on_the_supervised_recipe(model: Path, tmp_path: Path) -> None:
    from infimed_plugins.trainers.launch import run_llamafactory

    manifest = from_small_copies("infimed_sft", tmp_path / "data")
    config = tmp_path / "train.yaml"
    settings = yaml.safe_load(shipped("llamafactory_configs/infimed_sft.yaml").read_text())
    config.write_text(yaml.safe_dump({key: settings[key] for key in settings if key not in ("deepspeed", "bf16")}))
    overrides = [
        *sft_overrides(model, tmp_path / "data", manifest),
        "max_steps=2",
        "logging_steps=1",
        "cutoff_len=4096",
    ]
    seen = []
    run_llamafactory(
        config,
        [
            *overrides,
            "cutoff_len=4096",
            "preprocessing_num_workers=1",
            "dataloader_num_workers=0",
            "save_strategy=steps",
        ],
        log=tmp_path / "log",
        on_progress=seen.append,
        cpu=True,
    )
    assert seen[-1].step == 2


@pytest.mark.slow
@pytest.mark.easyr1
@pytest.mark.parametrize("name", ["infimed_rlvr", "infimed_rlvr_without_general", "infimed_rlvr_more_medical"])
def test_a_recipe_for_grpo_builds_into_what_easyr1_takes(name: str, model: Path, tmp_path: Path) -> None:
    from transformers import AutoProcessor
    from verl.utils.dataset import RLHFDataset

    from infimed_plugins.trainers.easyr1 import check_rl

    manifest = from_small_copies(name, tmp_path)
    root = shipped("easyr1_configs").parent
    template = f"{root}/easyr1_configs/infimed.jinja"
    checked = check_rl(
        root / "easyr1_configs" / "grpo.yaml",
        [
            f"data.train_files={tmp_path}/train.parquet",
            f"data.val_files={tmp_path}/val.parquet",
            f"data.format_prompt={template}",
            "data.max_prompt_length=16384",
            f"worker.reward.reward_function={root}/easyr1_configs/infimed_reward.py:compute_score",
            f"worker.actor.model.model_path={model}",
        ],
    )
    # a few rows make no batch of 256
    assert [fault for fault in checked.faults if "batch" not in str(fault)] == []
    processor = AutoProcessor.from_pretrained(str(model))
    rows = RLHFDataset(
        data_path=f"{tmp_path}/train.parquet",
        tokenizer=processor.tokenizer,
        processor=processor,
        prompt_key="problem",
        answer_key="answer",
        image_key="images",
        max_prompt_length=16384,
        format_prompt=template,
        filter_overlong_prompts=False,
    )
    train = sum(output.rows for output in manifest.outputs if output.file == "train.parquet")
    assert len(rows) == train > 20
    for index in range(len(rows)):
        assert rows[index]["ground_truth"]


@pytest.mark.parametrize("name", [name for name in PUBLIC if "rlvr" in name])
def test_the_right_answer_to_every_row_for_grpo_earns_everything(name: str, tmp_path: Path) -> None:
    import pyarrow.parquet

    from_small_copies(name, tmp_path)
    rows = pyarrow.parquet.read_table(tmp_path / "train.parquet", columns=["answer", "id"]).to_pylist()
    said = [tagged("I see.", gold_text(row["answer"], {})) for row in rows]
    given = [{"response": one, "ground_truth": row["answer"]} for one, row in zip(said, rows, strict=True)]
    scores = compute_score(given)
    assert [row["id"] for row, score in zip(rows, scores, strict=True) if score["overall"] != pytest.approx(1.0)] == []
