"""A build is whole or resumable, the same bytes each time, and honest about every row."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.curation import StepContext
from infimed_plugins.errors import ConfigError, DataError, EngineError
from infimed_plugins.export.image_store import ImageStore
from infimed_plugins.recipes import Part, Recipe, Step, build, read_manifest
from infimed_plugins.recipes.recipe import EngineChoice
from infimed_plugins.records import ImageRef, Sample
from infimed_plugins.sources.phantom import PHANTOM


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
        "dataset_info.json", "demo.jsonl", "demo_val.jsonl", "images", "manifest.json",
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
    assert {output.file for output in manifest.outputs} == {"demo.jsonl", "dataset_info.json", "rejects.jsonl"}


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
