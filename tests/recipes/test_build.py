"""A build is whole or resumable, the same bytes each time, and honest about every row."""

from __future__ import annotations

import errno
import io
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infimed_plugins.curation import StepContext
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.errors import ConfigError, DataError, EngineError
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.images import PreparedImage, prepare_image
from infimed_plugins.recipes import Part, Recipe, Step, build, read_manifest
from infimed_plugins.recipes.recipe import EngineChoice
from infimed_plugins.recipes.step_engine import start_engine
from infimed_plugins.records import BadRow, ImageRef, Sample
from infimed_plugins.sources.phantom import PHANTOM

DOWNLOADS = Path(__file__).parents[1] / "data" / "sources"


def recipe(**changes: Any) -> Recipe:
    parts = (
        Part("direct", "phantom", "train", limit=8, order="first"),
        Part("reasoning", "phantom", "train", limit=4, skip=8, order="first", style="reasoning"),
        Part("val", "phantom", "val", limit=3, order="first", into="val"),
    )
    return replace(Recipe("demo", "llamafactory", parts), **changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", ["llamafactory", "easyr1"])
def test_building_twice_gives_the_same_bytes(form: str, tmp_path: Path) -> None:
    build(recipe(format=form), tmp_path / "a")
    build(recipe(format=form), tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_build_holds_its_files_and_nothing_of_the_work(tmp_path: Path) -> None:
    manifest = build(recipe(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dataset_info.json", "demo.jsonl", "demo_val.jsonl", "images", "images.sha256", "manifest.json",
    ]  # fmt: skip
    assert manifest.datasets == ("demo", "demo_val")
    assert (manifest.rows, manifest.images) == (15, 15)
    assert read_manifest(tmp_path) == manifest


def test_a_second_build_reuses_the_first_and_other_settings_are_refused_until_fresh(tmp_path: Path) -> None:
    build(recipe(), tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    build(recipe(description="only the words changed"), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == stamps
    with pytest.raises(ConfigError, match=r"built with other settings \(format, seed\); use --fresh"):
        build(recipe(seed=1, format="easyr1"), tmp_path)
    build(recipe(seed=1, format="easyr1"), tmp_path, fresh=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "train.parquet", "val.parquet"]


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_with_other_files_is_left_alone(fresh: bool, tmp_path: Path) -> None:
    (tmp_path / "thesis.jsonl").write_text("years of work")
    with pytest.raises(ConfigError, match="holds files that are no build"):
        build(recipe(), tmp_path, fresh=fresh)
    assert contents(tmp_path) == {"thesis.jsonl": b"years of work"}


def test_an_output_that_was_removed_is_built_again(tmp_path: Path) -> None:
    build(recipe(), tmp_path)
    before = contents(tmp_path)
    (tmp_path / "demo.jsonl").unlink()
    build(recipe(), tmp_path)
    assert contents(tmp_path) == before


class Killed(BaseException):
    """The process ends here."""


def test_a_build_that_was_killed_goes_on_behind_its_last_finished_part(tmp_path: Path) -> None:
    def kill(title: str, done: int, total: int | None) -> None:
        if title == "reasoning":
            raise Killed

    with pytest.raises(Killed):
        build(recipe(), tmp_path / "a", progress=kill)
    assert not (tmp_path / "a" / "manifest.json").exists()
    with pytest.raises(ConfigError, match=r"other settings \(seed\)"):
        build(recipe(seed=2), tmp_path / "a")
    seen: set[str] = set()
    build(recipe(), tmp_path / "a", progress=lambda title, done, total: seen.add(title))
    assert seen == {"reasoning", "val", "writing llamafactory files"}
    build(recipe(), tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@dataclass(frozen=True)
class WithBadRows:
    """Phantoms, of which every ``every``-th has an image that does not open."""

    every: int
    licence: str = "CC0-1.0"
    splits: tuple[str, ...] = ("train",)

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample]:
        for n, sample in enumerate(PHANTOM.load("train", limit=50)):
            bad = n % self.every == 0
            yield replace(sample, images=(ImageRef(data=b"broken"),)) if bad else sample


def test_bad_rows_are_counted_and_named_and_do_not_end_the_build(plug_in: Callable[..., None], tmp_path: Path) -> None:
    plug_in(sources={"bad": WithBadRows(every=25)})
    manifest = build(Recipe("demo", "llamafactory", (Part("p", "bad", "train"),), max_rejects=0.05), tmp_path)
    (count,) = manifest.parts
    assert (count.read, count.kept, count.rejected) == (50, 48, {"an image cannot be used": 2})
    assert count.licence == "CC0-1.0"
    rejects = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [reject["id"].rsplit("-", 1)[0] for reject in rejects] == ["phantom-train-00000", "phantom-train-00025"]
    assert all("does not open" in reject["detail"] for reject in rejects)
    assert {output.file for output in manifest.outputs} == {
        "demo.jsonl",
        "dataset_info.json",
        "images.sha256",
        "rejects.jsonl",
    }


def test_too_many_bad_rows_stop_the_build_and_leave_the_rejects_file(
    plug_in: Callable[..., None], tmp_path: Path
) -> None:
    plug_in(sources={"bad": WithBadRows(every=10)})
    made = Recipe("demo", "llamafactory", (Part("p", "bad", "train"),))
    with pytest.raises(
        DataError, match=r"part p: 5 of 50 rows cannot be used, over the 2% allowed; most often: 5 x an"
    ):
        build(made, tmp_path)
    assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == 5
    assert not (tmp_path / "manifest.json").exists()
    assert build(replace(made, max_rejects=0.1), tmp_path).rows == 45


@dataclass(frozen=True)
class Untidy:
    """Phantoms, of which the source itself cannot read every fiftieth."""

    licence: str = "CC0-1.0"
    splits: tuple[str, ...] = ("train",)

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample | BadRow]:
        for n, sample in enumerate(PHANTOM.load("train", limit=300)):
            yield BadRow(sample.id, "no answer") if n % 50 == 0 else sample


@pytest.mark.parametrize("limit", [5, 100, None])
def test_bad_rows_of_a_source_are_held_against_all_its_rows_however_few_are_chosen(
    limit: int | None, plug_in: Callable[..., None], tmp_path: Path
) -> None:
    plug_in(sources={"untidy": Untidy()})
    part = Part("p", "untidy", "train", limit=limit, kinds=() if limit != 100 else ("side", "organ", "finding"))
    (count,) = build(Recipe("demo", "llamafactory", (part,)), tmp_path).parts
    assert count.rejected == {"no answer": 6}
    with pytest.raises(DataError, match="6 of 300 rows cannot be used, over the 1% allowed; most often: 6 x no answer"):
        build(Recipe("demo", "llamafactory", (part,), max_rejects=0.01), tmp_path / "strict")


def test_what_a_kill_left_half_written_is_removed_and_not_counted(tmp_path: Path) -> None:
    def kill(title: str, done: int, total: int | None) -> None:
        if title == "reasoning":
            raise Killed

    with pytest.raises(Killed):
        build(recipe(), tmp_path / "a", progress=kill)
    for name in (".demo.jsonl.4711.partial", "images/ab/.ab12.png.4711.partial", ".build/parts/.p.json.4711.partial"):
        path = tmp_path / "a" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    assert build(recipe(), tmp_path / "a").images == 15
    build(recipe(), tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_images_that_were_stored_before_a_kill_are_not_prepared_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prepared: list[str] = []

    def noting(data: bytes, name: str, *settings: Any) -> PreparedImage:
        prepared.append(name)
        return prepare_image(data, name, *settings)

    def kill(title: str, done: int, total: int | None) -> None:
        if title == "reasoning":
            raise Killed

    monkeypatch.setattr("infimed_plugins.export.image_store.prepare_image", noting)
    with pytest.raises(Killed):
        build(recipe(), tmp_path, progress=kill)
    begun = len(prepared)
    assert 8 < begun <= 12
    (tmp_path / ".build" / "images.jsonl").open("a").write('["torn')
    build(recipe(), tmp_path)
    assert len(prepared) == 15


def test_a_build_is_not_taken_for_one_of_other_files(tmp_path: Path) -> None:
    made = Recipe("demo", "llamafactory", (Part("rad", "vqa_rad", "train"),), max_rejects=0.9)
    shutil.copytree(DOWNLOADS / "vqa_rad", tmp_path / "in" / "vqa_rad")
    manifest = build(made, tmp_path / "out", folder=tmp_path / "in")
    (name,) = manifest.parts[0].inputs
    assert name.startswith("vqa_rad/data/train-")
    assert manifest.parts[0].revision == "local files"
    assert build(made, tmp_path / "out", folder=tmp_path / "in") == manifest
    (tmp_path / "in" / name).write_bytes((tmp_path / "in" / name).read_bytes()[:-9] + b"other end")
    with pytest.raises(ConfigError, match=rf"part rad was built from another {name}; use --fresh"):
        build(made, tmp_path / "out", folder=tmp_path / "in")


@dataclass
class Fails:
    """An engine that fails on the questions it is told to; ``asked`` are the ids it was asked."""

    model: str = "m"
    failing: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request.id)
            yield Reply(request.id, (), "500") if request.id in self.failing else Reply(request.id, ("right",))


def ask(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Keep what the engine answers."""
    assert context.engine is not None
    known = {sample.id: sample for sample in samples}
    for reply in context.engine.generate(
        [ChatRequest(id, f"{id}: {one.question}") for id, one in known.items()], Sampling()
    ):
        if reply.error:
            context.dropped["engine error"] += 1
        else:
            yield known[reply.id].with_meta(reply=reply.texts[0])


def test_requests_that_failed_are_asked_again_by_the_same_build_and_no_others(
    plug_in: Callable[..., None], tmp_path: Path
) -> None:
    plug_in(curation_steps={"ask": ask})
    part = Part("p", "phantom", "train", limit=9, order="first", steps=(Step("ask"),))
    made = Recipe("demo", "llamafactory", (part, recipe().parts[0]))
    ids = [sample.id for sample in PHANTOM.load("train", limit=9)]
    engine = Fails(failing=frozenset(ids[2:4]))
    first = build(made, tmp_path, engine=engine)
    assert (first.parts[0].kept, first.parts[0].failed) == (7, 2)
    assert (tmp_path / "manifest.json").exists()
    mended = Fails()
    seen: set[str] = set()
    second = build(made, tmp_path, engine=mended, progress=lambda title, *_: seen.add(title))
    assert (second.parts[0].kept, second.parts[0].failed) == (9, 0)
    assert mended.asked == ids[2:4]
    assert "direct" not in seen
    assert not (tmp_path / ".build").exists()
    build(replace(made, image_max_pixels=56 * 56), tmp_path, engine=mended, fresh=True)
    assert set(mended.asked) == set(ids[2:4])  # a fresh build keeps what was said


def test_a_kill_behind_a_finished_part_loses_none_of_its_replies(plug_in: Callable[..., None], tmp_path: Path) -> None:
    plug_in(curation_steps={"ask": ask})
    part = Part("p", "phantom", "train", limit=9, order="first", steps=(Step("ask"),))
    made = Recipe("demo", "llamafactory", (part, recipe().parts[0]))
    out, killed = tmp_path / "out", tmp_path / "killed"

    def kill(title: str, *_: object) -> None:
        """Keep what a SIGKILL in the second part would leave."""
        if title == "direct" and not killed.exists():
            shutil.copytree(out, killed)

    build(made, out, engine=Fails(), progress=kill)
    (left,) = killed.rglob("*.sqlite")
    with ResponseCache(left) as store:
        assert store.count() == 9


def test_how_a_model_is_asked_may_change_behind_a_kill(plug_in: Callable[..., None], tmp_path: Path) -> None:
    plug_in(curation_steps={"drop_most": drop_most}, engines={"silent": lambda model, **settings: Silent(model)})
    judge = {"name": "silent", "model": "j", "settings": {"timeout": 5}}
    steps = (Step("drop_most", {"judge_engine": judge}),)
    part = Part("p", "phantom", "train", limit=9, order="first", steps=steps)
    made = Recipe("demo", "llamafactory", (part,), engine=EngineChoice("silent", "m", {"base_url": "a", "x": 1}))
    build(made, tmp_path)
    elsewhere = EngineChoice("silent", "m", {"base_url": "b", "concurrency": 2, "x": 1})
    moved = replace(part, steps=(Step("drop_most", {"judge_engine": {**judge, "settings": {"timeout": 9}}}),))
    build(replace(made, engine=elsewhere, parts=(moved,)), tmp_path)
    with pytest.raises(ConfigError, match=r"other settings \(engine\)"):
        build(replace(made, engine=EngineChoice("silent", "m", {"x": 2})), tmp_path)


def test_boxes_on_a_picture_that_exif_turns_are_refused(plug_in: Callable[..., None], tmp_path: Path) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40)).save(buffer, "JPEG", exif=exif)
    plain = io.BytesIO()
    Image.new("RGB", (80, 40)).save(plain, "JPEG")

    @dataclass(frozen=True)
    class Boxes:
        licence: str = "CC0-1.0"
        splits: tuple[str, ...] = ("train",)

        def load(self, split: str, **_: Any) -> Iterator[Sample]:
            for name, data in (("turned", buffer.getvalue()), ("plain", plain.getvalue())):
                yield Sample(name, "boxes", split, "Where?", "grounding", [0, 0, 9, 9], (ImageRef(data=data),))

    plug_in(sources={"boxes": Boxes()})
    (count,) = build(Recipe("demo", "easyr1", (Part("p", "boxes", "train"),), max_rejects=0.5), tmp_path).parts
    assert (count.kept, count.rejected) == (1, {"boxes on a picture that EXIF turns": 1})


@pytest.mark.parametrize(
    ("task", "answer", "right"),
    [
        ("grounding", "[56, 140, 280, 280]", [5.6, 14, 28, 28]),
        ("grounding", [56, 140, 280, 280], [5.6, 14, 28, 28]),
        ("detection", "[[56, 140, 280, 280], [0, 0, 560, 280]]", [[5.6, 14, 28, 28], [0, 0, 56, 28]]),
        ("detection", "No Objects", []),
    ],
)
def test_boxes_that_are_written_as_text_follow_their_resized_picture(
    task: str, answer: Any, right: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (560, 280)).save(tmp_path / "a.png")
    row = {"question": "Where?", "task": task, "answer": answer, "image": "a.png"}
    bad = [{**row, "answer": text} for text in ("[280, 140, 56, 280]", "at the left", "[1, 2, NaN, 4]")]
    (tmp_path / "x.json").write_text(json.dumps([row, *bad]))
    parts = (Part("p", "pairs", "x", order="first"),)
    made = recipe(parts=parts, image_max_pixels=56 * 28, max_rejects=1.0)
    manifest = build(made, tmp_path / "out", folder=tmp_path)
    (count,) = manifest.parts
    assert (count.kept, sum(count.rejected.values())) == (1, 3)
    (line,) = (tmp_path / "out" / "demo.jsonl").read_text().splitlines()
    assert Image.open(tmp_path / "out" / json.loads(line)["images"][0]).size == (56, 28)
    said = json.loads(line)["messages"][1]["content"]
    assert said == "No Objects" if right == [] else json.loads(said) == right


def test_a_file_without_a_column_of_answers_says_which_were_looked_for(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("question,reply\nWhich?,liver\n")
    made = recipe(parts=(Part("p", "pairs", "x"),), max_rejects=1.0)
    with pytest.raises(
        DataError, match=r"keeps none of 1 rows read; most often: 1 x no answer; .*looked for answer, g"
    ):
        build(made, tmp_path / "out", folder=tmp_path)


def test_a_part_that_keeps_nothing_is_an_error_that_says_why(tmp_path: Path) -> None:
    part = Part("p", "phantom", "val", kinds=("fracture",))
    with pytest.raises(DataError, match="part p keeps none of 1000 rows read; most often: 1000 x other kind"):
        build(Recipe("demo", "easyr1", (part,)), tmp_path)


def test_a_full_disk_is_one_clear_line_and_the_build_goes_on_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # the only fault here that cannot be produced for real
    def full(store: ImageStore, image: ImageRef, exact: bool) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "images"))

    with monkeypatch.context() as patched:
        patched.setattr(ImageStore, "submit", full)
        with pytest.raises(DataError, match="images: No space left on device; mend it and run again"):
            build(recipe(), tmp_path)
    assert build(recipe(), tmp_path).rows == 15


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="holds files that are no build"):
        build(recipe(), tmp_path / "file")


def drop_most(samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]:
    """Keep every third, count half of the others, and answer out of order."""
    kept = []
    for n, sample in enumerate(samples):
        if n % 3 == 0:
            kept.append(sample.with_meta(seen=True))
        elif n % 3 == 1:
            context.counted["seen"] += 1
            context.dropped["too easy"] += 1
    yield from reversed(kept)


def test_steps_see_the_chosen_rows_and_every_drop_is_counted(plug_in: Callable[..., None], tmp_path: Path) -> None:
    plug_in(curation_steps={"drop_most": drop_most})
    part = Part("p", "phantom", "train", limit=9, order="first", steps=(Step("drop_most"),))
    (count,) = build(Recipe("demo", "llamafactory", (part,)), tmp_path).parts
    assert (count.read, count.kept) == (9, 3)
    assert count.dropped == {"too easy": 3, "by a step that gave no reason": 3}
    assert count.counted == {"seen": 3}
    rows = [json.loads(line) for line in (tmp_path / "demo.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    kept = [json.loads(line) for line in (tmp_path / "samples" / "p.jsonl").read_text().splitlines()]
    assert [(one["id"], one["meta"]["seen"]) for one in kept] == [(row["id"], True) for row in rows]


def test_a_model_that_is_not_there_is_named_when_a_step_needs_it(tmp_path: Path) -> None:
    part = Part("p", "phantom", "train", limit=2, order="first", steps=(Step("reflective_cot"),))
    made = Recipe("demo", "llamafactory", (part,), engine=EngineChoice("transformers", "no/such/model"))
    with pytest.raises(EngineError, match="no/such/model"):
        build(made, tmp_path)


def test_an_error_before_any_part_is_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    part = Part("p", "phantom", "train", limit=2, order="first", steps=(Step("reflective_cot"),))
    for out in (tmp_path / "new", tmp_path):
        with pytest.raises(ConfigError, match="needs an engine"):
            build(Recipe("demo", "llamafactory", (part,)), out)
        assert list(tmp_path.iterdir()) == []


def test_an_error_later_keeps_the_finished_parts(tmp_path: Path) -> None:
    bad = Part("settings", "phantom", "train", limit=2, order="first", steps=(Step("reflective_cot"),))
    made = recipe(parts=(*recipe().parts[:2], bad))
    seen: set[str] = set()
    for _ in range(2):
        with pytest.raises(ConfigError, match="needs an engine"):
            build(made, tmp_path, progress=lambda title, done, total: seen.add(title))
    assert {"direct", "reasoning"} <= seen
    seen.clear()
    with pytest.raises(ConfigError, match="needs an engine"):
        build(made, tmp_path, progress=lambda title, done, total: seen.add(title))
    assert seen == set()


def test_a_bad_engine_setting_is_named(tmp_path: Path) -> None:
    part = Part("p", "phantom", "train", limit=2, order="first", steps=(Step("reflective_cot"),))
    made = Recipe("demo", "llamafactory", (part,), engine=EngineChoice("transformers", "x", {"bach_size": 1}))
    with pytest.raises(ConfigError, match=r"engine 'transformers' does not take these settings: .*bach_size"):
        build(made, tmp_path)


@pytest.mark.parametrize(
    ("engine", "setting", "wanted"),
    [
        ("transformers", {"max_pixels": "abc"}, "max_pixels is 'abc'; it takes int | None"),
        ("transformers", {"batch_size": 2.5}, "batch_size is 2.5; it takes int"),
        ("openai", {"timeout": True}, "timeout is True; it takes float"),
        ("vllm", {"group": "many"}, "group is 'many'; it takes int"),
    ],
)
def test_an_engine_setting_of_another_type_is_named_before_any_model_is_loaded(
    engine: str, setting: dict[str, Any], wanted: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(wanted)):
        start_engine(EngineChoice(engine, "no/such/model", setting))


def test_other_weights_in_the_same_folder_are_other_settings(plug_in: Callable[..., None], tmp_path: Path) -> None:
    plug_in(curation_steps={"drop_most": drop_most}, engines={"silent": Silent})
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").write_bytes(b"1" * 3_000_000)
    part = Part("p", "phantom", "train", limit=9, order="first", steps=(Step("drop_most"),))
    made = Recipe("demo", "llamafactory", (part,), engine=EngineChoice("silent", str(model)))
    build(made, tmp_path / "out")
    build(made, tmp_path / "out")
    (model / "weights").write_bytes(b"2" * 3_000_000)
    with pytest.raises(ConfigError, match=r"other settings \(model\)"):
        build(made, tmp_path / "out")


@dataclass
class Silent:
    """An engine that is never asked."""

    model: str


def test_a_torn_manifest_is_one_clear_line(tmp_path: Path) -> None:
    build(recipe(), tmp_path)
    (tmp_path / "manifest.json").write_text('{"recipe": "demo"')
    with pytest.raises(ConfigError, match="is not a manifest of this version"):
        build(recipe(), tmp_path)
    build(recipe(), tmp_path, fresh=True)
