"""The pages of a build show what lies in its folder, and nothing that a stranger's manifest, rows or links name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.errors import DataError
from infimed_plugins.recipes import Part, Recipe, build, read_manifest
from infimed_plugins.reports import build_pages

Hostile = Callable[[Path], None]  # of the built folder


def changed_json(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value) + "\n")


def image_named(name: str) -> Hostile:
    return lambda built: changed_json(built / "demo.jsonl", lambda row: row.update(images=[name]))


def file_named(name: str) -> Hostile:
    return lambda built: changed_json(built / "manifest.json", lambda made: made["outputs"][0].update(file=name))


def linked(name: str) -> Hostile:
    def hostile(built: Path) -> None:
        (place,) = built.glob(name)
        home = built.parent / "home" / place.name
        home.parent.mkdir(exist_ok=True)
        shutil.move(place, home)
        place.symlink_to(home)

    return hostile


HOSTILE = [
    image_named("../private.png"),
    image_named("images/../../private.png"),
    image_named("/etc/hostname"),
    file_named("../private.jsonl"),
    file_named("/etc/passwd"),
    linked("demo.jsonl"),
    linked("images"),
    linked("images/*/*.png"),
]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build of one row, with files of the user's beside it."""
    recipe = Recipe("demo", "llamafactory", (Part("one", "phantom", "train", limit=1, order="first"),))
    build(recipe, tmp_path / "built")
    row = json.loads((tmp_path / "built" / "demo.jsonl").read_text())
    shutil.copy(tmp_path / "built" / row["images"][0], tmp_path / "private.png")
    (tmp_path / "private.jsonl").write_text(json.dumps({**row, "images": []}) + "\n")
    return tmp_path / "built"


@pytest.mark.parametrize("form", ["llamafactory", "easyr1", "verl", "trl", "ms-swift", "openrlhf", "datasets"])
def test_a_build_for_any_trainer_is_shown(form: str, tmp_path: Path) -> None:
    built = tmp_path / "built"
    build(Recipe("demo", form, (Part("one", "phantom", "train", limit=3, order="first"),)), built)
    build_pages.write_review(built, read_manifest(built), tmp_path / "page.html", rows=2)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/") == 2
    assert page.count("<br>ground truth") == (0 if form == "llamafactory" else 2)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_file_outside_the_build_is_shown(hostile: Hostile, built: Path, tmp_path: Path) -> None:
    hostile(built)
    with pytest.raises(DataError, match="leads out of"):
        build_pages.write_review(built, read_manifest(built), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


CHAIN = {"id": "a", "meta": {"reflective": {}}, "images": []}


@pytest.mark.parametrize(
    ("part", "images"),
    [("../../private", []), ("one", ["../private.png"]), ("one", ["/etc/hostname"]), ("linked", [])],
)
def test_no_file_outside_the_build_is_shown_among_chains(
    part: str, images: list[str], built: Path, tmp_path: Path
) -> None:
    (built / "samples").mkdir()
    (built / "samples" / "one.jsonl").write_text(json.dumps({**CHAIN, "images": images}) + "\n")
    (built / "samples" / "linked.jsonl").symlink_to(tmp_path / "private.jsonl")

    def change(made: Any) -> None:
        made["parts"][0]["part"] = part
        made["settings"]["parts"][0]["steps"] = [{"name": "reflective_cot", "settings": {}}]

    changed_json(built / "manifest.json", change)
    with pytest.raises(DataError, match="leads out of"):
        build_pages.write_chains(built, read_manifest(built), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
