"""What a build can be asked for beside its recipe: files of a user, other formats, a token limit, processes, Ray."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from infimed_plugins import prompts
from infimed_plugins.cli.main import app
from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.export.token_count import TokenCounter
from infimed_plugins.families import find_family
from infimed_plugins.paths import shipped
from infimed_plugins.recipes import Part, Recipe, build, load_recipe
from infimed_plugins.recipes.recipe import TokenLimit
from infimed_plugins.records import Sample
from infimed_plugins.sources.phantom import PHANTOM
from infimed_plugins.trainers.registry import FORMATS

DOWNLOADS = Path(__file__).parents[1] / "data" / "sources"
BASE = shipped("infimed_plugins/quickstart/base")
MIXED = Recipe(
    "mixed",
    "llamafactory",
    (
        Part("rad", "vqa_rad", "train"),
        Part("slake", "slake", "train", languages=("zh",)),
        Part("coco", "virft_coco", "train"),
    ),
    max_rejects=0.9,
    image_max_pixels=56 * 56 * 2,
)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", list(FORMATS))
def test_processes_change_nothing_about_the_bytes(form: str, tmp_path: Path) -> None:
    made = MIXED.changed(format=form)
    build(made, tmp_path / "one", folder=DOWNLOADS)
    build(made, tmp_path / "two", folder=DOWNLOADS, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("form", ["verl", "trl", "openrlhf"])
def test_a_row_that_a_format_cannot_carry_is_a_named_reject(
    form: str, tmp_path: Path, plug_in: Callable[..., None]
) -> None:
    class Answers:
        licence, splits = "CC0-1.0", ("train",)

        def load(self, split: str, **_: Any) -> Iterator[Sample]:
            for answer in ("liver", "None"):
                yield Sample(answer, "answers", split, "Which organ?", "text", answer)

    plug_in(sources={"answers": Answers()})
    manifest = build(Recipe("demo", form, (Part("p", "answers", "train"),), max_rejects=1), tmp_path)
    assert (manifest.rows, manifest.parts[0].rejected) == (1, {"no reward reads its answer": 1})
    (reject,) = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert (reject["id"], reject["reason"]) == ("None", "no reward reads its answer")
    assert reject["detail"]


@pytest.mark.slow
def test_ray_data_writes_the_same_bytes(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    try:
        build(MIXED, tmp_path / "ray", folder=DOWNLOADS, on="ray")
    finally:
        ray.shutdown()
    build(MIXED, tmp_path / "local", folder=DOWNLOADS)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert "image" in (tmp_path / "ray" / "rejects.jsonl").read_text()


def test_an_engine_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--executor is 'spark'; one of local, ray"):
        build(MIXED, tmp_path / "x", folder=DOWNLOADS, on="spark")


def test_languages_are_taken_or_left_and_bad_rows_come_from_the_source(tmp_path: Path) -> None:
    manifest = build(MIXED, tmp_path, folder=DOWNLOADS)
    parts = {part.part: part for part in manifest.parts}
    assert (parts["slake"].kept, parts["slake"].dropped) == (2, {"other language": 3})
    assert parts["rad"].rejected == {"no answer": 1}
    rejects = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert {"part": "rad", "id": "vqa_rad-train-00004", "reason": "no answer", "detail": ""} in rejects
    with pytest.raises(DataError, match=r"part slake: 2 of 7 rows cannot be used, over the 2% allowed"):
        build(replace(MIXED, max_rejects=0.02, parts=MIXED.parts[1:]), tmp_path / "strict", folder=DOWNLOADS)


def test_a_missing_file_of_the_last_part_is_said_before_the_first_is_built(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    shutil.copytree(DOWNLOADS / "vqa_rad", tmp_path / "downloads" / "vqa_rad")
    begun: list[str] = []
    (tmp_path / "downloads" / "slake").mkdir()
    with pytest.raises(MissingFileError, match="slake: its files are not there"):
        build(MIXED, tmp_path / "out", folder=tmp_path / "downloads", progress=lambda title, *_: begun.append(title))
    assert begun == []
    with pytest.raises(MissingFileError, match=r"there is no folder .*nowhere"):
        build(MIXED, tmp_path / "out", folder=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_boxes_go_along_into_the_resized_picture(tmp_path: Path) -> None:
    import pyarrow.parquet

    recipe = replace(MIXED, format="easyr1", parts=MIXED.parts[2:], image_max_pixels=28 * 28 * 20)
    small = build(recipe, tmp_path / "small", folder=DOWNLOADS)
    build(replace(recipe, image_max_pixels=None), tmp_path / "large", folder=DOWNLOADS)
    rows: dict[str, list[dict[str, Any]]] = {
        size: pyarrow.parquet.read_table(tmp_path / size / "train.parquet").to_pylist() for size in ("small", "large")
    }
    assert small.parts[0].counted["images resized to the pixel limit"] > 0
    for shrunk, full in zip(rows["small"], rows["large"], strict=True):
        size, original = (Image.open(io.BytesIO(row["images"][0]["bytes"])).size for row in (shrunk, full))
        assert size[0] * size[1] <= 28 * 28 * 20 < original[0] * original[1]
        boxes, original_boxes = (json.loads(row["answer"])["answer"] for row in (shrunk, full))
        factors = (size[0] / original[0], size[1] / original[1]) * 2
        for box, original_box in zip(boxes, original_boxes, strict=True):
            assert box == pytest.approx([v * f for v, f in zip(original_box, factors, strict=True)], abs=0.06)
            assert 0 <= box[0] < box[2] <= size[0] + 0.1


@pytest.mark.parametrize("name", ["qwen2.5-vl", "qwen3-vl", "medgemma", "internvl3.5"])
def test_boxes_are_in_pixels_of_what_the_models_of_the_family_see(name: str, tmp_path: Path) -> None:
    family, limit = find_family(name), 262_144
    Image.new("RGB", (1200, 500)).save(tmp_path / "a.png")
    row = {"question": "Where?", "task": "grounding", "answer": [120, 50, 600, 250], "image": "a.png"}
    (tmp_path / "x.json").write_text(json.dumps([row]))
    recipe = Recipe("demo", "llamafactory", (Part("p", "pairs", "x"),), image_max_pixels=limit, model_family=name)
    manifest = build(recipe, tmp_path / "out", folder=tmp_path)
    (line,) = (tmp_path / "out" / "demo.jsonl").read_text().splitlines()
    wide, high = Image.open(tmp_path / "out" / json.loads(line)["images"][0]).size
    assert (wide, high) == family.seen_size(1200, 500, limit)
    assert wide % family.image_factor == high % family.image_factor == 0
    scaled = [0.1 * wide, 0.1 * high, 0.5 * wide, 0.5 * high]
    assert json.loads(json.loads(line)["messages"][1]["content"]) == pytest.approx(scaled, abs=0.06)
    assert manifest.settings["model_family"] == name


def test_a_build_that_names_no_family_is_told_and_made_as_before(tmp_path: Path) -> None:
    for name in (None, "Qwen2.5_VL"):
        built = build(MIXED.changed(model_family=name), tmp_path / str(name), folder=DOWNLOADS)
        assert built.settings.get("model_family") == (name and "qwen2.5-vl")
    left, right = (contents(tmp_path / name) for name in ("None", "Qwen2.5_VL"))
    assert {name for name in left | right if left.get(name) != right.get(name)} == {"manifest.json"}


def test_the_command_builds_for_a_family_and_counts_its_tokens(tmp_path: Path) -> None:
    command = ["data", "build", "quickstart_rlvr", "--out", str(tmp_path / "out"), "--model-family", "qwen3_vl"]
    asked = CliRunner().invoke(app, [*command, "--max-tokens", "500"])
    assert asked.exit_code == 2
    assert "no tokenizer at Qwen/Qwen3-VL-4B-Instruct" in asked.stderr


def test_a_data_set_on_disk_opens_with_its_images(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    manifest = build(MIXED.changed(format="datasets"), tmp_path, folder=DOWNLOADS)
    data = datasets.load_from_disk(str(tmp_path / "train"))
    assert len(data) == manifest.rows
    first = data[0]
    assert first["prompt"].startswith("<image>is there a fracture")
    assert (first["target"], json.loads(first["answer"])["task"]) == ("no", "text")
    assert first["images"][0].size == (64, 48)


def test_tokens_are_counted_as_the_models_own_processor_counts_them() -> None:
    transformers = pytest.importorskip("transformers")
    pixels = 112 * 112
    processor = transformers.AutoProcessor.from_pretrained(str(BASE), min_pixels=3136, max_pixels=pixels)
    counter = TokenCounter(str(BASE), pixels)
    for sample in PHANTOM.load("train", limit=12):
        for size in [(112, 112), (640, 480), (60, 300)]:
            image = sample.images[0].open().resize(size)
            asked, answer = prompts.render(sample, "reasoning"), prompts.target(sample, "reasoning")
            content = [{"type": "image"}, {"type": "text", "text": asked.removeprefix("<image>")}]
            turns = [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
            text = processor.apply_chat_template(turns, tokenize=False)
            tokens = processor(text=[text], images=[image], return_tensors="pt")["input_ids"].shape[1]
            assert counter.count(asked, answer, (size,)) == tokens


def test_rows_over_the_token_limit_are_dropped_and_counted(tmp_path: Path) -> None:
    part = Part("p", "phantom", "train", limit=40, order="first", style="reasoning")
    recipe = Recipe("demo", "llamafactory", (part,))
    counter = TokenCounter(str(BASE), 262_144)
    samples = list(PHANTOM.load("train", limit=40))
    lengths = sorted(
        counter.count(prompts.render(s, "reasoning"), prompts.target(s, "reasoning"), ((112, 112),)) for s in samples
    )
    limit = lengths[20]
    (count,) = build(recipe.changed(token_limit=TokenLimit(str(BASE), limit)), tmp_path).parts
    assert count.kept == sum(length <= limit for length in lengths)
    assert count.dropped == {f"over {limit} tokens": 40 - count.kept}
    with pytest.raises(ConfigError, match="no tokenizer at no/such/model"):
        build(recipe.changed(token_limit=TokenLimit("no/such/model", 5)), tmp_path / "x")


def test_the_command_takes_files_of_a_user_and_shows_a_page_of_rows(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "name: mine\nformat: easyr1\nparts:\n"
        "  - {name: rad, source: vqa_rad, split: train}\n  - {name: coco, source: virft_coco, split: train}\n"
    )
    command = ["data", "build", str(recipe), "--from", str(DOWNLOADS), "--out", str(tmp_path / "out"), "--workers", "1"]
    strict = CliRunner().invoke(app, command)
    assert strict.exit_code == 2
    assert "1 of 6 rows cannot be used, over the 2% allowed; most often: 1 x no answer" in strict.stderr
    built = CliRunner().invoke(app, [*command, "--max-rejects", "0.9"])
    assert built.exit_code == 0, built.stderr
    page = tmp_path / "page.html"
    shown = CliRunner().invoke(app, ["data", "show", str(tmp_path / "out"), "--html", str(page), "--rows", "5"])
    assert shown.exit_code == 0, shown.stderr
    text = page.read_text(encoding="utf-8")
    assert text.count("<article>") == 5
    assert "data:image/" in text
    assert "CC0-1.0" in text
    assert "http" not in text.replace("http-equiv", ""), "it opens offline"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: infimed_sft\nwithout: [generl_*]", r"infimed_sft has no part 'generl_\*'"),
        ("extends: infimed_sft\nlimits: {text_o2: 5}", "infimed_sft has no part 'text_o2' .did you mean 'text_o1'"),
        ("extends: infimed_sfd", "there is no recipe 'infimed_sfd' .did you mean 'infimed_sft'"),
        ("extends: infimed_sft\nwithout: ['*']", "no part is left"),
        (
            "extends: infimed_sft\nparts: [{name: text_o1, source: medical_o1, split: en}]",
            "has a part 'text_o1' already",
        ),
        ("extends: infimed_sft\nlimits: {text_o1: many}", "limits"),
    ],
)
def test_a_recipe_that_extends_another_is_checked(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\n{text}\n")
    with pytest.raises(Exception, match=said):
        load_recipe(path)


def test_a_recipe_that_extends_another_has_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: infimed_sft\nlimits: {text_o1: 5}\n")
    with pytest.raises(ConfigError, match="'name' is missing"):
        load_recipe(tmp_path / "mine.yaml")


def test_a_recipe_may_extend_a_file_beside_it_and_other_parts_keep_their_rows(tmp_path: Path) -> None:
    (tmp_path / "start.yaml").write_text(
        "name: start\nformat: llamafactory\nmax_rejects: 0.9\nparts:\n"
        "  - {name: a, source: slake, split: train, limit: 3}\n  - {name: b, source: vqa_rad, split: train, limit: 3}\n"
    )
    (tmp_path / "more.yaml").write_text(
        "name: more\nextends: start.yaml\nlimits: {b: 4}\n"
        "parts: [{name: c, source: path_vqa, split: train, limit: 2}]\n"
    )
    build(tmp_path / "start.yaml", tmp_path / "1", folder=DOWNLOADS)
    build(tmp_path / "more.yaml", tmp_path / "2", folder=DOWNLOADS)
    ids = [
        [json.loads(line)["id"] for line in (tmp_path / run / f"{name}.jsonl").read_text().splitlines()]
        for run, name in (("1", "start"), ("2", "more"))
    ]
    assert [one for one in ids[0] if one.startswith("slake")] == [one for one in ids[1] if one.startswith("slake")]
    assert {one for one in ids[0] if one.startswith("vqa")} < {one for one in ids[1] if one.startswith("vqa")}
    assert sum(one.startswith("path_vqa") for one in ids[1]) == 2
