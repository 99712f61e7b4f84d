"""LLaMA-Factory's own loader reads what we export, and nothing in it is what makes that loader fail."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infimed_plugins.errors import DataError
from infimed_plugins.export import ExportRow
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.trainers.llamafactory import sharegpt_row, write_rows


def picture(shade: int = 0) -> ImageRef:
    buffer = io.BytesIO()
    Image.new("RGB", (28, 28), (shade, 10, 20)).save(buffer, format="PNG")
    return ImageRef(data=buffer.getvalue())


def sample(number: int, question: str = "Which organ?", images: int = 1, answer: str = "liver") -> Sample:
    pictures = tuple(picture(number % 200 + i) for i in range(images))
    return Sample(f"s-{number}", "demo", "train", question, "text", answer, images=pictures)


def row(asked: Sample, store: ImageStore, style: str = "direct", into: str = "train") -> ExportRow:
    return ExportRow(asked, tuple(store.add(image) for image in asked.images), style, into)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_text_rows_go_to_a_set_of_their_own_and_image_sets_are_listed_first(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    rows = [row(sample(0, images=0), store), row(sample(1), store), row(sample(2), store, into="val")]
    files = write_rows(rows, tmp_path, tmp_path, "demo")
    assert files == {"demo.jsonl": 1, "demo_val.jsonl": 1, "demo_text.jsonl": 1}
    assert list(files) == ["demo.jsonl", "demo_val.jsonl", "demo_text.jsonl"]
    assert list(json.loads((tmp_path / "dataset_info.json").read_text())) == ["demo", "demo_val", "demo_text"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What does <image> mean?", "a tag"),
        ("What are <video> and <audio>?", "tags"),
        ("Which tag?", "it is <image>"),
    ],
)
@pytest.mark.parametrize("images", [0, 1, 3])
def test_a_row_holds_one_media_tag_for_each_image_whatever_its_text_says(
    question: str, answer: str, images: int, tmp_path: Path
) -> None:
    made = sharegpt_row(row(sample(0, question, images, answer), ImageStore(tmp_path), "reasoning"))
    text = "".join(message["content"] for message in made["messages"])
    assert text.count("<image>") == images == len(made["images"])
    assert "<video>" not in text
    assert "<audio>" not in text


def test_an_option_that_says_image_is_no_image(tmp_path: Path) -> None:
    asked = Sample("s", "demo", "train", "Which?", "multiple_choice", "A", options=("<image>", "none"))
    made = sharegpt_row(row(asked, ImageStore(tmp_path)))
    assert "<image>" not in made["messages"][0]["content"]


def test_a_row_with_fewer_stored_images_than_its_sample_is_refused() -> None:
    with pytest.raises(DataError, match="sample s-1 has 2 images, but 1 were stored"):
        ExportRow(sample(1, images=2), ("images/ab/ab.png",), "direct")


def test_nothing_half_written_is_left_when_a_row_fails(tmp_path: Path) -> None:
    def rows() -> object:
        yield row(sample(1), store)
        raise DataError("the second row is bad")

    store = ImageStore(tmp_path / "store")
    with pytest.raises(DataError, match="second row"):
        write_rows(rows(), tmp_path / "out", tmp_path, "demo")  # type: ignore[arg-type]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_llamafactory_reads_every_row_its_images_and_its_system_tag(tmp_path: Path) -> None:
    pytest.importorskip("llamafactory")
    from llamafactory.data.loader import _load_single_dataset
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.hparams import DataArguments, ModelArguments
    from transformers import Seq2SeqTrainingArguments

    store = ImageStore(tmp_path)
    asked = [sample(n) for n in range(4)] + [sample(n, images=0) for n in range(4, 7)]
    files = write_rows([row(one, store, "reasoning") for one in asked], tmp_path, tmp_path, "demo")
    names = [Path(file).stem for file in files]
    data_args = DataArguments(dataset=",".join(names), dataset_dir=str(tmp_path), media_dir=str(tmp_path))
    training_args = Seq2SeqTrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True)
    read = []
    for attributes in get_dataset_list(names, str(tmp_path)):
        assert attributes.system_tag == "system"
        model_args = ModelArguments(model_name_or_path="none")
        dataset = _load_single_dataset(attributes, model_args, data_args, training_args)
        read += list(dataset)
    assert len(read) == 7
    assert all(Path(path).is_file() for one in read for path in one["_images"] or [])
    assert sum(len(one["_images"] or []) for one in read) == 4
    assert {one["_response"][0]["content"] for one in read} == {"<think>  </think>\n<answer> liver </answer>"}
