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
from infimed_plugins.rewards import compute_score

ANSWER = "<think> t </think><answer>a stone</answer>"


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


def test_a_cache_that_cannot_be_is_refused_before_the_run_and_ends_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "judge-1.sqlite").mkdir(parents=True)
    with TalkingServer(lambda *_: RIGHT) as server:
        for name in ("file", "folder", "file/below"):
            judge = {"model": "m", "base_url": server.url, "cache": str(tmp_path / name)}
            assert [refused for _, _, refused in objections(judge)] == [True, False]
            (score,) = compute_score([{"response": ANSWER, "ground_truth": "gallstone"}], judge=judge)
            assert (score["format"], score["no_verdict"]) == (1.0, 1.0)


def of_labels(folder: Path, rows: list[tuple[str, bool]], *more: str) -> str:
    """What `infimed judge calibrate` says of labelled replies to one question."""
    lines = [{"question": "q", "answer": "gallstone", "reply": reply, "right": right} for reply, right in rows]
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with TalkingServer(good) as server:
        given = ["--model", "m", "--base-url", server.url, "--out", str(folder / "judge.json"), *more]
        done = CliRunner().invoke(app, ["judge", "calibrate", "--labels", str(path), *given])
    return f"{done.exit_code} {' '.join(done.output.split())}"


def test_a_judge_that_was_hardly_asked_is_not_known(tmp_path: Path) -> None:
    by_rule = [("gallstone", True), ("", False)] * 30
    said = of_labels(tmp_path, by_rule)
    assert said.startswith("1 ")
    assert "refuses it: it was asked about 0 of 60 labelled replies; label 20 or more open answers" in said
    assert "about 19 of 79" in of_labels(tmp_path, [*by_rule, *((f"a fracture {n}", False) for n in range(19))])


def test_labels_of_one_kind_tell_nothing(tmp_path: Path) -> None:
    said = of_labels(tmp_path, [(f"a calculus {n}", True) for n in range(20)])
    assert (said[:2], "all of one kind, and tell nothing; label right and wrong replies" in said) == ("1 ", True)


def test_many_labels_are_asked_in_parts_that_each_have_the_judges_time(tmp_path: Path) -> None:
    rows = [(f"a calculus {n}" if n % 2 else f"a fracture {n}", bool(n % 2)) for n in range(90)]
    said = of_labels(tmp_path, rows, "--set", "concurrency=7", "--set", "seconds=20")
    assert "was asked about 90 of 90 labelled replies, and gave no verdict on 0 agreement 100.0%, kappa 1.00" in said


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "a", "reply": "r", "right": True}, 'row 1 needs "question", "answer"'),
        ({"question": "q", "answer": "a", "reply": "r", "right": 1}, "row 1 needs"),
        (
            {"question": "q", "answer": "", "reply": "r", "right": True},
            "row 1: .*has no answer; give every row an answer",
        ),
    ],
)
def test_a_label_that_cannot_be_used_is_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(DataError, match=message):
        list(read_labels(path))


def test_labels_may_be_a_table_and_have_several_answers(tmp_path: Path) -> None:
    table, lines = tmp_path / "labels.csv", tmp_path / "labels.jsonl"
    table.write_text("question,answer,reply,right\nq,gallstone,a stone,True\nq,gallstone,a cyst,false\n")
    lines.write_text('{"question": "q", "answer": ["gallstone", "cholelith"], "reply": "a stone", "right": true}')
    assert [(reply, right) for reply, _, right in read_labels(table)] == [("a stone", True), ("a cyst", False)]
    ((_, truth, _),) = read_labels(lines)
    assert (truth.answer, truth.synonyms, truth.question) == ("gallstone", ("cholelith",), "q")
