"""A judge is measured against labels, and refused below the floor, unreached, or where another one was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stub_judge import RIGHT, WRONG
from talking_server import TalkingServer
from typer.testing import CliRunner

from infimed_plugins.cli.main import app
from infimed_plugins.errors import DataError
from infimed_plugins.judge.calibration import objections, read_labels


def labels(path: Path) -> Path:
    rows = [("a calculus", True)] * 2 + [("gallstone", True)] + [("a fracture", False)] * 2 + [("a cyst", False)]
    lines = [
        {"question": "What is it?", "answer": "gallstone", "reply": f"{reply} {n}" if n else reply, "right": right}
        for n in range(8)
        for reply, right in rows
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def good(text: str, _: int) -> str:
    return RIGHT if "calculus" in text or "\ngallstone " in text else WRONG


def calibrated(server: TalkingServer, folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    out, given = folder / "judge.json", labels(folder / "labels.jsonl")
    line = ["judge", "calibrate", "--labels", str(given), "--model", "m", "--base-url", server.url, "--out", str(out)]
    done = CliRunner().invoke(app, [*line, *more])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, json.loads(out.read_text())


def test_a_good_judge_passes_and_check_rl_takes_it(tmp_path: Path) -> None:
    with TalkingServer(good) as server:
        code, made = calibrated(server, tmp_path)
        judge = {"model": "m", "base_url": server.url, "calibration": str(tmp_path / "judge.json")}
        assert list(objections(judge)) == []
        assert "another judge" in next(objections({**judge, "model": "other"}))[0]
    assert (code, made["labels"], made["unread"], made["found"]["kappa"]) == (0, 48, 0, 1.0)


def test_a_judge_that_pays_everything_is_below_the_floor(tmp_path: Path) -> None:
    with TalkingServer(lambda *_: RIGHT) as server:
        code, made = calibrated(server, tmp_path)
        judge = {"model": "m", "base_url": server.url, "calibration": str(tmp_path / "judge.json")}
        ((what, _, refused),) = objections(judge)
    assert (code, made["found"]["only_judge"], made["found"]["only_other"]) == (1, 24, 0)
    assert "below the floor of 0.6" in what
    assert refused


def test_no_calibration_is_a_warning_and_no_server_a_fault() -> None:
    with TalkingServer(good) as server:
        judge = {"model": "m", "base_url": server.url}
        assert [refused for _, _, refused in objections(judge)] == [False]
    assert [refused for _, _, refused in objections(judge)] == [True, False]


def test_a_label_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"question": "q", "answer": "a", "reply": "r", "right": 1}\n')
    with pytest.raises(DataError, match="row 1 needs"):
        list(read_labels(path))
