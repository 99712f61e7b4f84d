"""Rows for verl, TRL, ms-swift and OpenRLHF, read back by that trainer's own loader where it is installed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from infimed_plugins import prompts
from infimed_plugins.errors import ConfigError
from infimed_plugins.export import ExportRow
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.recipes import Part, Recipe, build
from infimed_plugins.records import Sample
from infimed_plugins.rewards import parse_truth
from infimed_plugins.sources.phantom import PHANTOM
from infimed_plugins.trainers.registry import FORMATS, find_format, format_name

TRAINERS = ("verl", "trl", "ms-swift", "openrlhf")
TEXT_ONLY = Sample("words", "demo", "train", "Is <image> or <video> a word?", "text", "yes")


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "built")


@pytest.fixture
def made(store: ImageStore) -> list[ExportRow]:
    """A text row first, then rows with a picture, the last two for validation, and one with two pictures."""
    phantoms = list(PHANTOM.load("rlvr", limit=8))
    two = replace(phantoms[0], id="two", images=(phantoms[0].images[0], phantoms[1].images[0]))
    asked = [TEXT_ONLY, two, *phantoms[1:]]
    return [
        ExportRow(one, tuple(store.add(image) for image in one.images), "reasoning", "val" if n > 6 else "train")
        for n, one in enumerate(asked)
    ]


def write(form: str, rows: Iterable[ExportRow], store: ImageStore) -> dict[str, int]:
    return find_format(form).write(rows, store.root, store.root, "demo")


def in_order(rows: list[ExportRow], into: str = "train") -> list[ExportRow]:
    """The rows of a set as the JSON lines hold them, those with images first."""
    return sorted((row for row in rows if row.into == into), key=lambda row: not row.images)


def bare(row: ExportRow) -> str:
    return prompts.render(row.sample, "reasoning").removeprefix(prompts.IMAGE_TAG * len(row.images))


def same_picture(found: Any, wanted: bytes) -> bool:
    opened = Image.open(io.BytesIO(found["bytes"])) if isinstance(found, dict) else found
    return opened.convert("RGB").tobytes() == Image.open(io.BytesIO(wanted)).convert("RGB").tobytes()


def installed(name: str, least: str) -> bool:
    """True if a package is here in a version that the rows are for; EasyR1 and another project share their names."""
    from packaging.version import Version

    try:
        return Version(version(name)) >= Version(least)
    except PackageNotFoundError:
        return False


def test_formats_are_found_under_any_spelling() -> None:
    assert [format_name(name) for name in ("MS_Swift", "TRL", "verl", "OpenRLHF")] == [
        "ms-swift",
        "trl",
        "verl",
        "openrlhf",
    ]
    with pytest.raises(
        ConfigError, match=r"unknown format 'verll'; one of llamafactory, easyr1, .*did you mean 'verl'"
    ):
        format_name("verll")


@pytest.mark.parametrize("form", TRAINERS)
def test_the_same_rows_give_the_same_bytes(form: str, made: list[ExportRow], store: ImageStore, tmp_path: Path) -> None:
    counts = write(form, made, store)
    again = find_format(form).write(made, tmp_path / "again", store.root, "other")
    assert again == counts
    assert sum(counts.values()) == len(made)
    beside = find_format(form).files_beside(counts)
    for file in (*counts, *beside):
        assert (store.root / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.parametrize("form", ["ms-swift", "openrlhf"])
def test_text_rows_of_json_lines_go_to_a_file_of_their_own(form: str, made: list[ExportRow], store: ImageStore) -> None:
    assert write(form, made, store) == {"train.jsonl": 6, "val.jsonl": 2, "train_text.jsonl": 1}
    (row,) = [json.loads(line) for line in (store.root / "train_text.jsonl").read_text().splitlines()]
    assert "images" not in row


def test_ms_swift_gets_an_assistant_turn_where_there_is_a_text_to_train_on(
    made: list[ExportRow], store: ImageStore
) -> None:
    direct = replace(made[2], style="direct")
    thought = replace(made[3], sample=replace(made[3].sample, rationale="It is dark."))
    write("ms-swift", [direct, thought, replace(made[4], sample=replace(made[4].sample, rationale=None))], store)
    rows = [json.loads(line) for line in (store.root / "train.jsonl").read_text().splitlines()]
    assert [len(row["messages"]) for row in rows] == [2, 2, 1]
    assert rows[0]["messages"][1] == {"role": "assistant", "content": prompts.answer_text(direct.sample)}
    assert rows[1]["messages"][1]["content"].startswith("<think> It is dark. </think>")


def test_a_row_whose_answer_no_reward_reads_is_refused_for_rewards_only(made: list[ExportRow]) -> None:
    broken = replace(made[0], sample=replace(made[0].sample, answer="None"))
    reason, detail = find_format("verl").refusal(broken) or ("", "")
    assert reason == "no reward reads its answer"
    assert detail
    assert find_format("llamafactory").refusal(broken) is None
    assert all(find_format(form).refusal(row) is None for form in FORMATS for row in made)


@pytest.mark.skipif(not installed("verl", "0.9"), reason="verl 0.9 is not installed (EasyR1's verl is another project)")
def test_verl_reads_each_row_with_its_pictures(made: list[ExportRow], store: ImageStore) -> None:
    omegaconf = pytest.importorskip("omegaconf")
    from verl.utils.dataset.rl_dataset import RLHFDataset

    from infimed_plugins.quickstart.tiny_model import build_processor, build_tokenizer

    write("verl", made, store)
    tokenizer = build_tokenizer([bare(row) for row in made])
    config = omegaconf.OmegaConf.create({"max_prompt_length": 512, "filter_overlong_prompts_workers": 1})
    files = [str(store.root / "train.parquet")]
    dataset = RLHFDataset(files, tokenizer, config, build_processor(tokenizer))
    train = [row for row in made if row.into == "train"]
    assert len(dataset) == len(train)
    for n, row in enumerate(train):
        item = dataset[n]
        assert (item["index"], item["data_source"]) == (n, row.sample.source)
        assert parse_truth(item["reward_model"]["ground_truth"]) == row.sample.ground_truth
        (turn,) = item["raw_prompt"]
        parts = turn["content"] if row.images else [{"type": "text", "text": turn["content"]}]
        pictures = [part["image"] for part in parts if part["type"] == "image"]
        assert len(pictures) == len(row.images)
        for found, image in zip(pictures, row.sample.images, strict=True):
            assert same_picture(found, image.read())
        assert [part["text"] for part in parts if part["type"] == "text"] == [bare(row)]


def test_trl_loads_the_build_by_its_name_with_decoded_pictures(made: list[ExportRow], store: ImageStore) -> None:
    datasets = pytest.importorskip("datasets")
    write("trl", made, store)
    (store.root / "samples").mkdir()
    (store.root / "samples" / "train.jsonl").write_text('{"id": "x"}\n')  # as a build with steps has it
    loaded = datasets.load_dataset(str(store.root), name=None, streaming=False)  # trl/scripts/grpo.py:132
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 7, "validation": 2}
    for found, row in zip(loaded["train"], made, strict=False):
        assert found["prompt"] == [{"role": "user", "content": bare(row)}]
        assert parse_truth(found["ground_truth"]) == row.sample.ground_truth
        pictures = [image.read() for image in row.sample.images]
        assert len(found["images"]) == len(pictures)
        assert all(isinstance(one, Image.Image) for one in found["images"])
        assert all(map(same_picture, found["images"], pictures))


@pytest.mark.skipif(not installed("trl", "1.0"), reason="TRL 1 is not installed")
def test_trl_puts_the_pictures_into_the_prompt(made: list[ExportRow], store: ImageStore) -> None:
    datasets = pytest.importorskip("datasets")
    from trl.data_utils import is_conversational, prepare_multimodal_messages

    from infimed_plugins.quickstart.tiny_model import build_processor, build_tokenizer

    write("trl", made, store)
    processor = build_processor(build_tokenizer([bare(row) for row in made]))
    for found, row in zip(datasets.load_dataset(str(store.root))["train"], made, strict=False):
        assert is_conversational(found)
        asked = prepare_multimodal_messages(found["prompt"], images=found["images"])
        ids = processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=True, return_dict=True)
        assert len(ids.get("image_grid_thw", ())) == len(row.images)


@pytest.mark.skipif(
    find_spec("swift.dataset") is None if find_spec("swift") else True, reason="ms-swift is not installed"
)
def test_ms_swift_reads_each_row_with_its_pictures_and_truth(
    made: list[ExportRow], store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swift.dataset import load_dataset
    from swift.template.vision_utils import load_image
    from swift.utils import remove_response

    counts = write("ms-swift", made, store)
    monkeypatch.setenv("ROOT_IMAGE_DIR", str(store.root))
    files = [str(store.root / file) for file in counts if file.startswith("train")]
    train, _ = load_dataset(files, strict=True, load_from_cache_file=False, remove_unused_columns=False)
    for found, row in zip(train, in_order(made), strict=True):
        asked = prompts.render(row.sample, "reasoning")
        remove_response(found["messages"])
        assert [(turn["role"], turn["content"]) for turn in found["messages"]] == [("user", asked)]
        assert parse_truth(found["ground_truth"]) == row.sample.ground_truth
        pictures = [image.read() for image in row.sample.images]
        paths = [image["path"] for image in found.get("images") or []]
        assert len(paths) == len(pictures)
        assert all(map(same_picture, map(load_image, paths), pictures))


@pytest.mark.skipif(find_spec("openrlhf") is None, reason="OpenRLHF is not installed")
def test_openrlhf_reads_each_row_with_its_pictures_and_truth(made: list[ExportRow], store: ImageStore) -> None:
    from openrlhf.datasets.prompts_dataset import PromptDataset
    from openrlhf.datasets.utils import blending_datasets
    from openrlhf.utils.vlm_utils import process_prompt_with_images

    from infimed_plugins.quickstart.tiny_model import build_processor, build_tokenizer

    counts = write("openrlhf", made, store)
    processor = build_processor(build_tokenizer([bare(row) for row in made]))
    data = SimpleNamespace(input_key="prompt", image_key="images", label_key="ground_truth", apply_chat_template=True)
    args = SimpleNamespace(data=data, use_ms=False)
    strategy = SimpleNamespace(args=args, print=lambda *_: None, is_rank_0=lambda: False)
    files = ",".join(str(store.root / file) for file in counts if file.startswith("train"))
    dataset = PromptDataset(blending_datasets(files, strategy=strategy), processor, strategy)
    assert len(dataset) == 7
    for n, row in enumerate(in_order(made)):
        source, prompt, label, images = dataset[n]
        assert (source, parse_truth(label)) == (row.sample.source, row.sample.ground_truth)
        assert bare(row) in prompt
        _, tensors, pictures = process_prompt_with_images(processor, prompt, images)
        assert len(tensors["image_grid_thw"] if tensors else ()) == len(pictures) == len(row.images)
        assert all(same_picture(found, one.read()) for found, one in zip(pictures, row.sample.images, strict=True))


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_build_made_anew_removes_its_own_files_only(form: str, tmp_path: Path) -> None:
    made = Recipe("demo", form, (Part("p", "phantom", "rlvr", limit=2, order="first"),))
    build(made, tmp_path)
    own = {"state.json": "{}", "notes.md": "mine"}
    for name, text in own.items():
        (tmp_path / name).write_text(text)
    manifest = build(made, tmp_path, fresh=True)
    assert {name: (tmp_path / name).read_text() for name in own} == own
    assert manifest.rows == 2
    build(replace(made, seed=1), tmp_path, fresh=True)
