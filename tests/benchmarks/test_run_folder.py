"""A run folder gives back what was put in, whatever the reply was, and damage is said in one line."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from infimed_plugins.benchmarks.run_folder import FAILED, RunFolder, answered_line, run_folders
from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.records import Response

ROW = Response(0, "q1", "Is it?", ("a", "b"), "multiple_choice", "A", "en", {"kind": "x"}, ["9f"], "p", {"k": 1}, "A")
ODD = ["", "\x00", "\ud800 odd", "line\nline\u2028end", "左肺", '"}\\', "x" * 1_000_000]  # replies
SETTINGS = {"benchmark": "phantom", "prompt_style": "direct"}


def folder(path: Path, *lines: bytes) -> RunFolder:
    made = RunFolder(path)
    made.prepare(SETTINGS)
    (path / "responses.jsonl").write_bytes(b"".join(lines))
    return made


@pytest.mark.parametrize("text", ODD)
def test_every_reply_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    row = replace(ROW, text=text)
    (read,) = folder(tmp_path, answered_line(row)).answered()
    assert read.text == text
    assert (read.id, tuple(read.options or ()), read.row, read.sample.answer) == ("q1", ("a", "b"), {"k": 1}, "A")


@pytest.mark.parametrize("text", ODD)
def test_every_line_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    rows = [{"id": text, "accuracy": None, "replies": [text]}, {"id": "large", "gold": 2**70}]
    RunFolder(tmp_path).write_lines("verdicts.jsonl", rows)
    assert list(map(json.loads, (tmp_path / "verdicts.jsonl").read_bytes().splitlines())) == rows


def test_rows_come_in_the_benchmarks_order_and_a_torn_line_is_dropped(tmp_path: Path) -> None:
    lines = [answered_line(replace(ROW, index=n, id=f"q{n}")) for n in (2, 0, 1)]
    made = folder(tmp_path, *lines, lines[0][:-30])
    assert [row.id for row in made.answered()] == ["q0", "q1", "q2"]
    made.prepare(SETTINGS)
    assert (tmp_path / "responses.jsonl").read_bytes() == b"".join(lines)


def test_a_failed_question_is_there_until_it_is_answered(tmp_path: Path) -> None:
    made = folder(tmp_path, answered_line(ROW))
    made.write_lines(
        FAILED, [asdict(replace(ROW, id="q2", index=1, error="gone")), asdict(replace(ROW, error="gone before"))]
    )
    assert [(row.id, row.error) for row in made.answered()] == [("q1", None), ("q2", "gone")]
    made.write_lines(FAILED, [])
    assert not (tmp_path / "failed.jsonl").exists()


@pytest.mark.parametrize("line", [b"{}\n", b"not json\n", b'{"id": 1}\n'])
def test_a_damaged_line_is_named(line: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"responses\.jsonl, line 2 is damaged"):
        folder(tmp_path, answered_line(ROW), line).answered()


@pytest.mark.parametrize(
    "changed",
    [
        {"text": None},
        {"text": 7},
        {"index": None},
        {"index": "1"},
        {"meta": None},
        {"meta": {"synonyms": 5}},
        {"options": [1, 2]},
        {"question": None},
        {"prompt": None},
        {"images": None},
    ],
)
def test_a_field_of_another_type_is_damage(changed: dict[str, object], tmp_path: Path) -> None:
    line = json.dumps({**json.loads(answered_line(ROW)), **changed}).encode() + b"\n"
    with pytest.raises(DataError, match=r"responses\.jsonl, line 1 is damaged"):
        folder(tmp_path, line).answered()


def test_replies_whose_settings_are_gone_are_neither_gone_on_with_nor_left_out(tmp_path: Path) -> None:
    made = folder(tmp_path / "run" / "direct", answered_line(ROW))
    folder(tmp_path / "run" / "reasoning", answered_line(ROW))
    (made.path / "settings.json").unlink()
    with pytest.raises(ConfigError, match="whose they are is not known"):
        made.prepare(SETTINGS)
    with pytest.raises(MissingFileError, match="direct holds replies without settings"):
        run_folders(tmp_path)


def test_settings_without_a_benchmark_are_said(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (tmp_path / "settings.json").write_text('{"prompt_style": "direct"}')
    with pytest.raises(DataError, match=r"settings\.json names no benchmark"):
        made.settings()


@pytest.mark.parametrize("changed", [{"seed": "abc"}, {"benchmark": [1]}, {"variant": None}])
def test_settings_of_other_types_are_said(changed: dict[str, object], tmp_path: Path) -> None:
    made = folder(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({**SETTINGS, **changed}))
    with pytest.raises(DataError, match=rf"{next(iter(changed))} is .*; mend it"):
        made.settings()


def test_other_settings_are_refused_and_damaged_ones_named(tmp_path: Path) -> None:
    made = folder(tmp_path)
    with pytest.raises(ConfigError, match="another prompt_style"):
        made.prepare({**SETTINGS, "prompt_style": "reasoning"})
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(DataError, match=r"settings\.json is damaged"):
        made.prepare(SETTINGS)


def test_a_name_and_the_place_of_the_same_model_may_change(tmp_path: Path) -> None:
    made = folder(tmp_path)
    made.prepare(SETTINGS)
    first = {**SETTINGS, "name": "a", "model": "here/m", "model_hash": "sha256:1"}
    (tmp_path / "settings.json").unlink()
    made.prepare(first)
    made.prepare({**first, "name": "b", "model": "there/m"})
    assert made.settings()["name"] == "b"
    with pytest.raises(ConfigError, match="another model_hash;"):
        made.prepare({**first, "model": "there/m", "model_hash": "sha256:2"})


def test_settings_are_written_once_and_whole(tmp_path: Path) -> None:
    made = folder(tmp_path)
    before = (tmp_path / "settings.json").stat()
    made.prepare(SETTINGS)
    after = (tmp_path / "settings.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    (tmp_path / "settings.json").unlink()
    (tmp_path / "settings.json.partial").write_text('{"benchmark": "ph')  # what a kill leaves
    made.prepare(SETTINGS)
    assert made.settings() == SETTINGS


def test_a_folder_without_runs_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="holds no run"):
        run_folders(tmp_path)
    folder(tmp_path / "a" / "direct", answered_line(ROW))
    assert [found.path.name for found in run_folders(tmp_path)] == ["direct"]
    assert json.loads((tmp_path / "a/direct/settings.json").read_text()) == SETTINGS
