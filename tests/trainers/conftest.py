"""What the trainer tests share: a tiny Qwen2.5-VL, small data sets of phantoms, and tiny_families.py to import."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins import prompts
from infimed_plugins.export import ExportRow
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.quickstart import tiny_model
from infimed_plugins.records import Sample
from infimed_plugins.sources.phantom import PHANTOM, phantom_sample
from infimed_plugins.trainers.registry import find_format

Row = dict[str, Any]


@pytest.fixture(scope="session")
def phantoms() -> list[Sample]:
    """Forty questions of every kind."""
    return list(PHANTOM.load("train", limit=40))


@pytest.fixture(scope="session")
def tiny_vlm(tmp_path_factory: pytest.TempPathFactory, phantoms: list[Sample]) -> Path:
    """A complete folder of a random Qwen2.5-VL, as small as the laptop's."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    corpus = [prompts.render(sample, "reasoning") + prompts.target(sample, "reasoning") for sample in phantoms]
    tokenizer = tiny_model.build_tokenizer(corpus * 3)
    tiny_model.save(folder, tiny_model.build_model(tokenizer), tiny_model.build_processor(tokenizer))
    return folder


@pytest.fixture(scope="session")
def taught_vlm(tiny_vlm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model after a few seconds of school: it answers in the right form, and is sometimes right by chance.

    A random model earns no reward, so that a trainer would have nothing to learn from.
    """
    pytest.importorskip("torch")
    return _teach(tiny_vlm, tmp_path_factory.mktemp("model") / "taught")


@pytest.fixture(scope="session")
def teach() -> Callable[[Path, Path], Path]:
    """Send the model of a folder to the same school, and save it in another."""
    return _teach


def _teach(untaught: Path, folder: Path) -> Path:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(untaught)
    processor = AutoProcessor.from_pretrained(untaught)
    batch = _lessons(processor)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    torch.manual_seed(0)
    for _ in range(80):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.3, "the lesson was not learnt"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _lessons(processor: Any) -> dict[str, Any]:
    """Eight organ questions with their answers, as a batch to train on; only the answers count."""
    samples = [phantom_sample("train", index, kind="organ") for index in range(8)]
    texts, replies = [], []
    for sample in samples:
        text = prompts.render(sample, "reasoning").removeprefix(prompts.IMAGE_TAG)
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
        texts.append(processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False))
        replies.append(prompts.tagged("I look.", prompts.answer_text(sample)) + "<|im_end|>")
    images = [sample.images[0].open() for sample in samples]
    whole = [text + reply for text, reply in zip(texts, replies, strict=True)]
    batch = dict(processor(images=images, text=whole, padding=True, return_tensors="pt"))
    lengths = [processor(images=[image], text=[text])["input_ids"] for image, text in zip(images, texts, strict=True)]
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    for row, ids in enumerate(lengths):
        labels[row, : len(ids[0])] = -100
    return batch | {"labels": labels}


def _rl_row(sample: Sample) -> Row:
    return {
        "problem": prompts.question_text(sample),
        "answer": sample.ground_truth.to_json(),
        "images": [{"bytes": image.read()} for image in sample.images],
    }


@pytest.fixture(scope="session")
def rl_rows(phantoms: list[Sample]) -> list[Row]:
    """The phantoms as rows of EasyR1's parquet file."""
    return [_rl_row(sample) for sample in phantoms]


@pytest.fixture(scope="session")
def organ_rows() -> list[Row]:
    """Forty organ questions as such rows: what taught_vlm went to school for."""
    return [_rl_row(phantom_sample("rlvr", index, kind="organ")) for index in range(40)]


@pytest.fixture(scope="session")
def write_parquet() -> Callable[[Path, list[Row]], Path]:
    """Write rows as a parquet file."""
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    def write(path: Path, rows: list[Row]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path

    return write


@pytest.fixture
def rl_folder(tmp_path: Path, rl_rows: list[Row], write_parquet: Callable[[Path, list[Row]], Path]) -> Path:
    """A folder with ``train.parquet`` (32 rows) and ``val.parquet`` (8)."""
    write_parquet(tmp_path / "train.parquet", rl_rows[:32])
    write_parquet(tmp_path / "val.parquet", rl_rows[32:])
    return tmp_path


@pytest.fixture(scope="session")
def sft_rows(phantoms: list[Sample]) -> list[Row]:
    """The phantoms as ShareGPT rows; ``images`` are paths relative to the data folder."""
    return [
        {
            "messages": [
                {"role": "user", "content": prompts.render(sample, "reasoning")},
                {"role": "assistant", "content": prompts.target(sample, "reasoning")},
            ],
            "images": [f"images/{sample.id}.png"],
        }
        for sample in phantoms
    ]


@pytest.fixture
def sft_folder(tmp_path: Path, phantoms: list[Sample], sft_rows: list[Row]) -> Path:
    """A data folder for LLaMA-Factory: ``dataset_info.json``, the set ``phantoms`` and its images."""
    for sample, row in zip(phantoms, sft_rows, strict=True):
        image = tmp_path / row["images"][0]
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(sample.images[0].read())
    write_dataset(tmp_path, "phantoms", sft_rows)
    return tmp_path


def write_dataset(folder: Path, name: str, rows: list[Row]) -> None:
    """Write a set of ShareGPT rows and add it to the folder's registry."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    registry = folder / "dataset_info.json"
    known = json.loads(registry.read_text(encoding="utf-8")) if registry.exists() else {}
    entry = {
        "file_name": f"{name}.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    }
    registry.write_text(json.dumps(known | {name: entry}), encoding="utf-8")


@pytest.fixture(scope="session")
def add_dataset() -> Callable[[Path, str, list[Row]], None]:
    """``write_dataset``, for tests."""
    return write_dataset


@pytest.fixture(scope="session")
def installed() -> Callable[[str, str], None]:
    """Skip, with the reason, where a trainer's package is missing or older than what the test is for."""

    def check(package: str, least: str) -> None:
        try:
            found = version(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed; run this in an environment of its own, with {package} {least}")
        if tuple(map(int, found.split(".")[:2])) < tuple(map(int, least.split("."))):
            pytest.skip(f"this is for {package} {least} or later, and {found} is installed")

    return check


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str], Path]:
    """Write organ questions, what taught_vlm went to school for, in a trainer's format; return the folder."""

    def write(form: str) -> Path:
        store = ImageStore(tmp_path / form)
        samples = [phantom_sample("rlvr", index, kind="organ") for index in range(40)]
        rows = [ExportRow(one, tuple(store.add(image) for image in one.images), "reasoning") for one in samples]
        find_format(form).write(rows, store.root, store.root, "organs")
        return store.root

    return write
