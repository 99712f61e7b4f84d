"""Planted duplicates are found whatever was done to them; what only looks like one is kept, and counted."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from infimed_plugins.curation import StepContext
from infimed_plugins.curation.decontamination import benchmark_items, decontamination
from infimed_plugins.curation.decontamination.benchmark_items import (
    Benchmarks,
    default_benchmarks,
    hashed_items,
)
from infimed_plugins.curation.decontamination.embeddings import request_of
from infimed_plugins.curation.decontamination.image_match import ORIENTATIONS
from infimed_plugins.curation.decontamination.page import read_report, write_page
from infimed_plugins.engines import ChatRequest, Embedding, Engine
from infimed_plugins.errors import ConfigError, MissingFileError, UnknownPluginError
from infimed_plugins.plugins import registry
from infimed_plugins.records import BadRow, ImageRef, Sample
from infimed_plugins.sources.phantom import phantom_sample

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
BENCHMARKS = (
    *("vqa_rad/test", "slake/test", "path_vqa/test", "pmc_vqa/test_clean", "pmc_vqa_2/test"),
    *("mmmu_health/validation", "omnimedvqa/test", "medxpertqa_mm/test", "gmai_mmbench/val"),
)
TURN = Image.Transpose
VIGNETTE = (
    "A 45-year-old man comes with sudden pain in the chest that spreads to the left arm. He sweats and feels sick. "
    "His father died young of a disease of the heart. What should be done first?"
)
OPTIONS = ("Aspirin", "Insulin", "Watchful waiting", "Antibiotics")

Change = Callable[[Image.Image], Image.Image]


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> ImageRef:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return ImageRef(data=buffer.getvalue())


def scaled(factor: float) -> Change:
    return lambda image: image.resize((round(image.width * factor), round(image.height * factor)))


CHANGES: dict[str, Change] = {
    "encoded again": lambda image: image,
    "resized to 75%": scaled(0.75),
    "resized to 50%": scaled(0.5),
    "enlarged": scaled(2.0),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.05),
    "mirrored": lambda image: image.transpose(TURN.FLIP_LEFT_RIGHT),
    "upside down": lambda image: image.transpose(TURN.FLIP_TOP_BOTTOM),
    "turned by 90": lambda image: image.transpose(TURN.ROTATE_90),
    "turned by 180": lambda image: image.transpose(TURN.ROTATE_180),
    "turned by 270": lambda image: image.transpose(TURN.ROTATE_270),
    "transposed": lambda image: image.transpose(TURN.TRANSPOSE),
    "transverse": lambda image: image.transpose(TURN.TRANSVERSE),
}


@dataclass
class Listed:
    """A source of given rows that counts how often it is read."""

    samples: list[Sample | BadRow]
    licence: str = "Apache-2.0"
    splits: tuple[str, ...] = ("test",)
    reads: int = 0

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample | BadRow]:
        self.reads += 1
        yield from self.samples


@pytest.fixture(autouse=True)
def _read_anew() -> None:
    hashed_items.cache_clear()


@pytest.fixture
def asked(plug_in: Callable[..., None]) -> Listed:
    """A benchmark of twenty phantoms and a question without an image."""
    rows: list[Sample | BadRow] = [phantom_sample("test", index) for index in range(20)]
    rows.append(Sample("vignette", "asked", "test", VIGNETTE, "multiple_choice", "A", options=OPTIONS))
    rows.append(BadRow("bad", "no answer"))
    source = Listed(rows)
    plug_in(sources={"asked": source})
    return source


def run(samples: Iterable[Sample], **settings: Any) -> tuple[list[str], StepContext]:
    """The ids that are kept, and the context."""
    context = StepContext(settings={"benchmarks": ["asked/test"], **settings})
    return [sample.id for sample in decontamination(samples, context)], context


def small_copies(benchmark: str) -> list[Sample]:
    name, split = benchmark.split("/")
    rows = registry().get("source", name).load(split, folder=FIXTURES)
    return [row for row in rows if isinstance(row, Sample) and row.images]


def shouted(question: str) -> str:
    return f"  {question.upper().rstrip('?')} ??"


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_of_any_benchmark_is_found(change: str) -> None:
    planted, benchmark_of = [], {}
    for benchmark in BENCHMARKS:
        for sample in small_copies(benchmark):
            images = tuple(encoded(CHANGES[change](image.open()), "JPEG", quality=75) for image in sample.images)
            row = replace(sample, id=f"planted-{sample.id}", question=shouted(sample.question), images=images)
            planted.append(row)
            benchmark_of[row.id] = benchmark
    assert {*benchmark_of.values()} == {*BENCHMARKS}
    context = StepContext(settings={"folder": str(FIXTURES)})
    assert [sample.id for sample in decontamination(planted, context)] == []
    assert context.dropped.total() == len(planted)
    assert all(reason.endswith("image and question") for reason in context.dropped)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_changed_phantoms_are_found_and_how_they_are_turned_is_said(
    change: str, form: str, asked: Listed, tmp_path: Path
) -> None:
    options = {"quality": 75} if form == "JPEG" else {}
    rows = [row for row in asked.samples if isinstance(row, Sample) and row.images]
    planted = [
        replace(row, id=f"p{n}", images=(encoded(CHANGES[change](row.images[0].open()), form, **options),))
        for n, row in enumerate(rows)
    ]
    assert run(planted, report=str(tmp_path / "report.jsonl"))[0] == []
    found = read_report(tmp_path / "report.jsonl")
    assert [row["item"] for row in found] == [row.id for row in rows]
    turned = {row["orientation"] for row in found}
    assert change not in ORIENTATIONS or turned == {change}


@pytest.mark.parametrize(
    ("asked_as", "said_as"),
    [
        ("Which organ is shown?", "what ORGAN is shown in this picture"),
        ("What modality is used to take this image?", "Which modality was used to take the image?"),
        ("where is the mass?", "Where is the mass in this scan?"),
        ("is there evidence of a pneumothorax?", "Is there a pneumothorax?"),
        ("图像里包含肝脏吗?", "图像里包含肝脏吗？"),
    ],
)
def test_a_reworded_question_about_the_image_is_found(
    asked_as: str, said_as: str, plug_in: Callable[..., None]
) -> None:
    sample = replace(phantom_sample("test", 0), question=asked_as)
    plug_in(sources={"asked": Listed([sample])})
    kept, context = run([replace(sample, id="p", question=said_as)])
    assert (kept, context.dropped) == ([], {"in asked/test: image and question": 1})


def test_unrelated_rows_are_kept_and_nothing_is_said_of_them(asked: Listed) -> None:
    question = "How many teeth has the wheel in the lower right corner of the drawing?"
    unrelated = [Sample(f"u{n}", "t", "train", question, "math", "7", images=(noise(n),)) for n in range(30)]
    kept, context = run(unrelated)
    assert kept == [sample.id for sample in unrelated]
    assert (context.dropped, context.counted) == ({}, {})


def noise(seed: int) -> ImageRef:
    small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return encoded(Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC))


def test_a_stock_question_about_another_image_is_kept(asked: Listed) -> None:
    stock = [
        replace(sample, id=f"s{sample.id}", images=(noise(number),))
        for number, sample in enumerate(row for row in asked.samples if isinstance(row, Sample) and row.images)
    ]
    kept, context = run(stock)
    assert len(kept) == len(stock)
    assert context.dropped == {}


def test_another_question_about_the_image_is_kept_and_counted_unless_asked_otherwise(asked: Listed) -> None:
    image = asked.samples[3].images  # type: ignore[union-attr]
    row = Sample("other", "t", "train", "Who painted this?", "text", "nobody", images=image)
    kept, context = run([row])
    assert (kept, context.dropped) == (["other"], {})
    assert context.counted == {"kept, in asked/test: image alone": 1}
    kept, context = run([row], image_alone=True)
    assert (kept, context.dropped) == ([], {"in asked/test: image alone": 1})


@pytest.mark.parametrize(
    ("question", "options", "images", "settings", "why"),
    [
        (VIGNETTE, OPTIONS, 0, {}, "question"),
        (VIGNETTE, OPTIONS[::-1], 0, {}, "question"),
        (VIGNETTE, None, 0, {}, "question"),
        (VIGNETTE.replace("sudden pain", "a sudden ache").replace("sweats", "perspires"), OPTIONS, 0, {}, "question"),
        (VIGNETTE, OPTIONS, 1, {}, "question"),  # the benchmark's has no image: its text is all there is
        (VIGNETTE, OPTIONS, 0, {"least_tokens": 60}, None),
        (VIGNETTE, OPTIONS, 0, {"text_similarity": 1.0}, "question"),
        ("What should be done first?", OPTIONS, 0, {}, None),
        ("A 30-year-old woman comes with a rash on the back. What is it?", OPTIONS, 0, {}, None),
    ],
)
def test_text_alone_is_looked_at_where_it_is_specific(
    question: str,
    options: tuple[str, ...] | None,
    images: int,
    settings: dict[str, Any],
    why: str | None,
    asked: Listed,
) -> None:
    task, answer = ("multiple_choice", "A") if options else ("text", "Aspirin")
    row = Sample("t", "t", "train", question, cast(Any, task), answer, options=options, images=(noise(1),) * images)
    kept, context = run([row], **settings)
    assert kept == ([] if why else ["t"])
    assert context.dropped == ({f"in asked/test: {why}": 1} if why else {})


def test_a_long_question_of_another_image_is_kept_and_counted_unless_asked_otherwise(
    plug_in: Callable[..., None],
) -> None:
    item = Sample("i", "asked", "test", VIGNETTE, "text", "aspirin", images=(noise(1),))
    plug_in(sources={"asked": Listed([item])})
    crop = replace(item, id="p", images=(encoded(item.images[0].open().crop((30, 20, 160, 120))),))
    kept, context = run([crop])
    assert (kept, context.counted) == (["p"], {"kept, in asked/test: question of another image": 1})
    assert run([crop], text_alone=True)[0] == []


def test_a_text_that_two_images_share_is_a_stock_question(plug_in: Callable[..., None]) -> None:
    items: list[Sample | BadRow] = [
        Sample(f"i{n}", "asked", "test", VIGNETTE, "text", "aspirin", images=(noise(n),)) for n in range(2)
    ]
    plug_in(sources={"asked": Listed(items)})
    assert run([Sample("t", "t", "train", VIGNETTE, "text", "aspirin")])[0] == ["t"]


def test_a_flat_image_is_found_by_its_bytes_only(plug_in: Callable[..., None]) -> None:
    black, grey = (encoded(Image.new("L", (64, 64), level)) for level in (0, 3))
    item = Sample("i", "asked", "test", "Is this black?", "text", "yes", images=(black,))
    plug_in(sources={"asked": Listed([item])})
    assert run([replace(item, id="same"), replace(item, id="another", images=(grey,))])[0] == ["another"]


def test_an_image_that_does_not_open_is_counted_on_either_side(plug_in: Callable[..., None]) -> None:
    broken = ImageRef(data=b"no image")
    item = Sample("i", "asked", "test", VIGNETTE, "text", "aspirin", images=(broken, noise(1)))
    plug_in(sources={"asked": Listed([item])})
    rows = [replace(item, id="p"), replace(item, id="q", images=(ImageRef(path="nowhere.png"),), question="Why?")]
    kept, context = run(rows)
    assert kept == ["q"]
    assert context.counted == {"benchmark images that cannot be read": 1, "images that cannot be read, not checked": 2}


def test_benchmarks_are_read_once_and_rows_keep_their_order(asked: Listed) -> None:
    rows = [Sample(f"r{n}", "t", "train", "Who?", "text", "nobody", images=(noise(n % 7),)) for n in range(150)]
    assert run(rows)[0] == run(iter(rows))[0] == [row.id for row in rows]
    assert asked.reads == 1


def test_a_missing_benchmark_is_said_or_counted(tmp_path: Path) -> None:
    settings = {"benchmarks": ["slake/test"], "folder": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"slake: its files are not there; download .* or set skip_missing: true"):
        run([], **settings)
    kept, context = run([phantom_sample("train", 0)], **settings, skip_missing=True)
    assert len(kept) == 1
    assert context.counted == {"benchmarks not checked, files missing: slake/test": 1}
    assert context.not_checked == {"slake/test"}


def test_every_benchmark_is_checked_unless_some_are_named(asked: Listed) -> None:
    assert set(BENCHMARKS) <= set(default_benchmarks())
    assert "phantom/test" not in default_benchmarks()
    for benchmark in default_benchmarks():
        name, split = benchmark.split("/")
        assert split in registry().get("source", name).splits


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"thresh": 3}, "; one of benchmarks, folder"),
        ({"Report": "kept.jsonl"}, "unknown setting 'Report'; one of benchmarks, folder"),
        ({"tier": "magic"}, "tier is 'magic'; one of hashes"),
        ({"benchmarks": "slake/test"}, "give a list"),
        ({"benchmarks": ["slake"]}, "written source/split"),
        ({"image_distance": 40}, "at most 16 bits"),
        ({"question_similarity": 60}, "at most 1"),
        ({"image_alone": "yes"}, "give true or false"),
        ({"least_tokens": 1.5}, "whole number"),
        ({"benchmarks": ["nowhere/test"]}, "unknown source 'nowhere'"),
        ({"tier": "embeddings"}, "needs an engine that embeds"),
    ],
)
def test_what_cannot_be_is_said(settings: dict[str, Any], said: str) -> None:
    with pytest.raises((ConfigError, UnknownPluginError), match=said):
        run([], **settings)


def test_the_report_shows_both_images(asked: Listed, tmp_path: Path) -> None:
    item = cast(Sample, asked.samples[0])
    pair = replace(item, id="pair", images=(noise(5), encoded(item.images[0].open(), "JPEG", quality=75)))
    alone = replace(item, id="alone", question="Who <painted> this?")
    text = replace(cast(Sample, asked.samples[20]), id="text")
    report = tmp_path / "out" / "report.jsonl"
    assert run([pair, alone, text], report=str(report))[0] == ["alone"]
    rows = {row["sample"]: row for row in map(json.loads, report.read_text().splitlines())}
    assert {name: row["why"] for name, row in rows.items()} == {
        "pair": "image and question",
        "alone": "image alone",
        "text": "question",
    }
    assert rows["alone"]["orientation"] == "same file"
    assert (rows["text"]["sample_image"], rows["text"]["item_image"]) == (None, None)
    for name in ("sample_image", "item_image"):
        assert Image.open(report.parent / rows["pair"][name]).size == item.images[0].open().size
    write_page(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 4
    assert "Who &lt;painted&gt; this?" in page
    assert "://" not in page
    with pytest.raises(MissingFileError, match="setting report"):
        write_page(tmp_path / "none.jsonl", tmp_path / "none.html")


class Projection:
    """An embedder without a model: the letters of the text and the pixels of the images, projected."""

    def __init__(self, failing: str = "", short: str = "") -> None:
        self.failing, self.short, self.embedded = failing, short, 0
        self._matrix = np.random.default_rng(0).standard_normal((26 + 64, 48))

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        for request in reversed(list(requests)):  # in any order, as engines may
            self.embedded += 1
            if request.id == self.failing:
                yield Embedding(request.id, error="down")
                continue
            letters = np.bincount([ord(c) - 97 for c in request.text.lower() if "a" <= c <= "z"], minlength=26)
            pixels = np.zeros(64)
            for image in request.images:
                pixels += np.asarray(image.open().convert("L").resize((8, 8)), dtype=float).ravel()
            features = np.concatenate([letters / max(1, letters.max()), pixels / max(1.0, pixels.max())])
            vector = (features - features.mean()) @ self._matrix
            vector = (vector / np.linalg.norm(vector)).astype(np.float32)
            yield Embedding(request.id, vector[:3] if self.short and request.id.endswith(self.short) else vector)


def test_embeddings_drop_what_the_whole_product_drops(asked: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [row for row in asked.samples if isinstance(row, Sample)]
    planted = [
        replace(row, id=f"p{n}", images=tuple(encoded(i.open(), "JPEG", quality=75) for i in row.images))
        for n, row in enumerate(items)
    ]
    rows = planted + [replace(phantom_sample("train", n), id=f"t{n}") for n in range(100)]
    engine = Projection(failing="t7")
    context = StepContext(engine=cast(Engine, engine), settings={"benchmarks": ["asked/test"], "tier": "embeddings"})
    kept = {sample.id for sample in decontamination(rows, context)}

    vectors = {reply.id: reply.vector for reply in Projection().embed(request_of(row, row.id) for row in items + rows)}
    product = np.stack([vectors[row.id] for row in rows]) @ np.stack([vectors[item.id] for item in items]).T
    expected = {row.id for row, highest in zip(rows, product.max(axis=1), strict=True) if highest <= 0.95}
    assert kept == expected - {"t7"}
    assert not kept & {row.id for row in planted}
    assert 20 < len(kept) < 100
    assert context.dropped["engine error"] == 1
    assert context.dropped.total() + len(kept) == len(rows)


@pytest.mark.parametrize("number", [0, 20])
def test_a_vector_of_another_length_fails_its_own_row_or_question_only(asked: Listed, number: int) -> None:
    """Whichever comes first; of the questions most have the right length."""
    items = [row for row in asked.samples if isinstance(row, Sample)]
    rows = [replace(row, id=f"p{n}") for n, row in enumerate(items)]
    context = StepContext(
        engine=cast(Engine, Projection(short=rows[number].id)),
        settings={"benchmarks": ["asked/test"], "tier": "embeddings"},
    )
    assert list(decontamination(rows, context)) == []
    assert context.dropped["engine error"] == 1
    assert context.dropped.total() == len(rows)
    lost = items[number].id
    context = replace(context, engine=cast(Engine, Projection(short=f"asked/test:{lost}")), counted=Counter())
    kept = [row.id for row in decontamination(rows, context)]
    assert set(kept) <= {rows[number].id}
    assert context.counted["benchmark questions that could not be embedded"] == 1


def test_items_are_embedded_once_and_the_finding_names_the_nearest(asked: Listed, tmp_path: Path) -> None:
    engine = Projection()
    row = replace(cast(Sample, asked.samples[4]), id="p")
    for _ in range(2):
        context = StepContext(
            engine=cast(Engine, engine),
            settings={"benchmarks": ["asked/test"], "tier": "embeddings", "report": str(tmp_path / "r.jsonl")},
        )
        assert list(decontamination([row], context)) == []
    assert engine.embedded == 21 + 2
    (found,) = read_report(tmp_path / "r.jsonl")
    assert found["item"] == asked.samples[4].id
    assert found["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert (tmp_path / found["item_image"]).is_file()
    assert (tmp_path / found["sample_image"]).is_file()


def test_the_benchmarks_texts_are_cut_into_chunks(asked: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_items, "CHUNK", 3)
    assert [item.id for item in hashed_items(Benchmarks(("asked/test",))).items] == [
        row.id for row in asked.samples if isinstance(row, Sample)
    ]
