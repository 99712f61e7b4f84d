"""A folder has one writer; damage is noticed and made anew; what a user put there stays."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from faults import FAILED, run
from test_killed_and_full import Asked, builder, contents, evaluator

from infimed_plugins import storage
from infimed_plugins.benchmarks import runner
from infimed_plugins.benchmarks.catalogue.phantom import PHANTOM
from infimed_plugins.benchmarks.judging import judge_folder
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.errors import ConfigError, InfimedError
from infimed_plugins.recipes import build
from infimed_plugins.recipes.recipe import Part, Recipe
from infimed_plugins.storage import LOCK, locked, whole_file, whole_folder, write_whole


def holder(folder: Path, told: int) -> None:
    with locked(folder):
        os.write(told, b"held")
        signal.pause()


def test_a_second_start_names_the_first_and_touches_nothing_and_a_kill_lets_go(tmp_path: Path) -> None:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        holder(tmp_path / "out", write)
    assert os.read(read, 4) == b"held"
    with pytest.raises(ConfigError, match=f"out is in use by process {child} on .*; wait for it"):
        builder("llamafactory")(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    builder("llamafactory")(tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").exists()
    assert not list(tmp_path.glob(f"*{LOCK}"))


def test_a_forked_child_has_no_share_in_a_lock(tmp_path: Path) -> None:
    with locked(tmp_path / "a"):
        code, _ = run(lambda: locked(tmp_path / "a").__enter__(), tmp_path)
    assert code == FAILED
    with locked(tmp_path / "a"):
        pass


def test_without_locks_single_use_is_the_users_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", none)
    with pytest.raises(ConfigError, match="has no locks; if no other process writes there"):
        builder("llamafactory")(tmp_path / "out")
    monkeypatch.setattr(storage, "without_locks", True)
    builder("llamafactory")(tmp_path / "out")


def damaged(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "flipped"])
@pytest.mark.parametrize("form", ["llamafactory", "easyr1", "datasets"])
def test_a_finished_build_that_was_damaged_is_made_anew(form: str, how: str, tmp_path: Path) -> None:
    command = builder(form)
    command(tmp_path / "whole")
    files = [path for path in (tmp_path / "whole").rglob("*") if path.is_file() and path.name != "manifest.json"]
    for number, path in enumerate(sorted(files)):
        out = tmp_path / str(number)
        command(out)
        damaged(out / path.relative_to(tmp_path / "whole"), how)
        command(out)
        assert contents(out) == contents(tmp_path / "whole"), path


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "flipped", "halved", "a line less"])
@pytest.mark.parametrize("name", ["responses.jsonl", "settings.json"])
def test_a_damaged_run_is_never_scored_as_a_whole_one(name: str, how: str, tmp_path: Path) -> None:
    out = tmp_path / "run" / "out"
    evaluator(out)
    before = judge_folder(RunFolder(out), PHANTOM, ["robust"])
    path = out / name
    if how in ("halved", "a line less"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[: len(lines) // 2] if how == "halved" else lines[:2] + lines[3:]))
    else:
        damaged(path, how)
    try:
        after = judge_folder(RunFolder(out), PHANTOM, ["robust"])
    except InfimedError as error:
        assert str(out) in str(error)  # noqa: PT017  no error is as good where all is as it was
    else:
        assert after == before
    if name == "responses.jsonl" and how != "flipped":
        runner.run(PHANTOM, Asked(out.parent), out, limit=6)  # which asks for what is gone
        assert judge_folder(RunFolder(out), PHANTOM, ["robust"]) == before


@pytest.mark.parametrize("text", ["[1]", "{}", "7", '{"replies": "6"}', '{"replies": true}', "[" * 100_000, ""])
def test_an_odd_record_of_the_end_is_one_line(text: str, tmp_path: Path) -> None:
    evaluator(tmp_path / "out")
    (tmp_path / "out" / "finished.json").write_text(text)
    with pytest.raises(InfimedError, match=r"finished\.json"):
        judge_folder(RunFolder(tmp_path / "out"), PHANTOM, ["robust"])


@pytest.mark.parametrize("at", range(3, 400, 23))
def test_no_byte_of_a_reply_changes_unseen(at: int, tmp_path: Path) -> None:
    evaluator(tmp_path / "out")
    path = tmp_path / "out" / "responses.jsonl"
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    with pytest.raises(InfimedError, match=r"responses\.jsonl, line 1 is damaged|holds 5 of 6 replies"):
        judge_folder(RunFolder(tmp_path / "out"), PHANTOM, ["robust"])


def test_a_users_own_files_stay_when_a_build_is_made_anew(tmp_path: Path) -> None:
    builder("llamafactory")(tmp_path)
    mine = ["notes.jsonl", "other.parquet", "images/mine.png", "samples/mine.jsonl", "train/mine.txt"]
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    recipe = Recipe("demo", "llamafactory", (Part("shapes", "phantom", "train", limit=1, order="first"),))
    build(recipe, tmp_path, fresh=True)
    assert [(tmp_path / name).read_text() for name in mine] == ["mine"] * len(mine)
    assert len((tmp_path / "images.sha256").read_text().splitlines()) == 1


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = storage._sync, Path.replace
    monkeypatch.setattr(storage, "_sync", lambda path: (done.append(f"sync {path.name}"), sync(path))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append(f"name {Path(to).name}"), replace(self, to))[1])
    write_whole(tmp_path / "a", "text")
    with whole_folder(tmp_path / "b") as partial:
        (partial / "c").write_text("more")
    partials = [one for one in done if ".partial" in one]
    assert [one for one in done if one not in partials] == [
        "name a", f"sync {tmp_path.name}", "sync c", "name b", f"sync {tmp_path.name}"
    ]  # fmt: skip
    assert done.index("name a") > done.index(partials[0])


def test_a_failed_write_names_the_file_and_the_earlier_one_stands(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "old")
    with pytest.raises(OSError, match="No space") as caught, whole_file(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
