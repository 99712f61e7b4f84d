"""The parquet EasyR1 and the TRL fallback read: one JSON answer string, images embedded, a list in every row."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from PIL import Image

from infimed_plugins.errors import DataError
from infimed_plugins.export import ExportRow, parquet
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.records import Sample
from infimed_plugins.sources.phantom import PHANTOM
from infimed_plugins.trainers.easyr1 import parquet_row
from infimed_plugins.trainers.registry import find_format

TEXT_ONLY = Sample("words", "demo", "train", "Is <image> a word?", "text", "yes")


def export_rows(store: ImageStore) -> list[ExportRow]:
    asked = [TEXT_ONLY, *PHANTOM.load("rlvr", limit=6)]
    return [
        ExportRow(one, tuple(store.add(image) for image in one.images), "reasoning", "val" if n == 6 else "train")
        for n, one in enumerate(asked)
    ]


def test_one_file_a_set_with_the_answer_as_one_json_string_and_a_list_of_images_in_every_row(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    made = export_rows(store)
    assert find_format("easyr1").write(made, tmp_path, store.root, "demo") == {"train.parquet": 6, "val.parquet": 1}
    rows = pyarrow.parquet.read_table(tmp_path / "train.parquet").to_pylist()
    for row, source in zip(rows, made, strict=False):
        assert json.loads(row["answer"])["task"] == source.sample.task == row["task"]
        assert row["problem"].count("<image>") == len(row["images"]) == len(source.sample.images)
        assert [image["bytes"] for image in row["images"]] == [image.read() for image in source.sample.images]


def test_row_groups_are_written_as_they_fill_and_lose_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 20_000)
    store = ImageStore(tmp_path / "store")
    find_format("easyr1").write(export_rows(store), tmp_path, store.root, "demo")
    file = pyarrow.parquet.ParquetFile(tmp_path / "train.parquet")
    assert file.num_row_groups > 1
    assert file.metadata.num_rows == 6


def test_nothing_half_written_is_left_when_a_row_fails(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")

    def rows() -> Any:
        yield from export_rows(store)
        raise DataError("a later row is bad")

    with pytest.raises(DataError, match="later row"):
        find_format("easyr1").write(rows(), tmp_path / "out", store.root, "demo")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.easyr1
@pytest.mark.slow
def test_rlhf_dataset_reads_mixed_image_and_text_rows(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verl.utils.dataset import RLHFDataset

    from infimed_plugins.quickstart.tiny_model import build_processor, build_tokenizer

    store = ImageStore(tmp_path / "store")
    made = export_rows(store)
    find_format("easyr1").write(made, tmp_path, store.root, "demo")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))  # a Ray actor starts in a folder of its own
    tokenizer = build_tokenizer([parquet_row(row, store.root)["problem"] for row in made])
    dataset = RLHFDataset(
        str(tmp_path / "train.parquet"),
        tokenizer,
        build_processor(tokenizer),
        prompt_key="problem",
        answer_key="answer",
        max_prompt_length=512,
        filter_overlong_prompts_workers=1,
    )
    assert len(dataset) == 6
    for n, row in enumerate(made[:6]):
        item = dataset[n]
        assert json.loads(item["ground_truth"])["answer"] == row.sample.answer
        pictures = item["multi_modal_data"]["images"]
        assert [image["bytes"] for image in pictures] == [image.read() for image in row.sample.images]
        assert all(Image.open(io.BytesIO(image["bytes"])).size == (112, 112) for image in pictures)
