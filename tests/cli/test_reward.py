"""``infimed reward``: a table by task, the reasons for zeros, a page; nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infimed_plugins.cli.main import app

ROWS = [
    ("<think> a </think><answer> B </answer>", '{"task": "multiple_choice", "answer": "B"}'),
    ("<think> a </think><answer> C </answer>", '{"task": "multiple_choice", "answer": "B"}'),
    ("The answer is B.", '{"task": "multiple_choice", "answer": "B"}'),
    ("<think> a </think><answer> <script>alert(1)</script> </answer>", '{"task": "text", "answer": "liver"}'),
    ("<think> a </think><answer> 12 </answer>", ""),
]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "saved.jsonl"
    path.write_text("".join(json.dumps({"response": text, "ground_truth": truth}) + "\n" for text, truth in ROWS))
    return path


def test_json_holds_the_means_by_task_and_the_reasons_for_zeros(saved: Path) -> None:
    result = CliRunner().invoke(app, ["reward", str(saved), "--json"])
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["rows"] == 5
    choice = summary["tasks"]["multiple_choice"]
    assert choice["rows"] == 3
    assert choice["overall"] == pytest.approx((1.0 + 0.1 + 0.0) / 3)
    assert choice["format"] == pytest.approx(2 / 3)
    zeros = {(zero["reason"], zero["first_line"]) for zero in summary["zeros"]}
    assert ("another option, read as a letter", 2) in zeros
    assert ("it does not start with <think>", 3) in zeros
    assert summary["tasks"]["unknown"]["rows"] == 1


def test_the_weights_are_those_asked_for(saved: Path) -> None:
    result = CliRunner().invoke(app, ["reward", str(saved), "--json", "--w-format", "0.5", "--w-acc", "0.5"])
    assert json.loads(result.stdout)["tasks"]["multiple_choice"]["overall"] == pytest.approx((1.0 + 0.5 + 0.0) / 3)


def test_reasoning_that_the_template_opened_is_read_when_said_so(tmp_path: Path) -> None:
    path = tmp_path / "saved.jsonl"
    path.write_text(json.dumps({"response": "round </think><answer> B </answer>", "ground_truth": ROWS[0][1]}))
    for options, overall in (([], 0.0), (["--think-prefilled"], 1.0)):
        result = CliRunner().invoke(app, ["reward", str(path), "--json", *options])
        assert json.loads(result.stdout)["tasks"]["multiple_choice"]["overall"] == overall


def test_the_page_and_the_rows_are_written_and_the_page_runs_nothing_a_model_wrote(saved: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    out, page = tmp_path / "scored" / "rows.jsonl", tmp_path / "page" / "rewards.html"
    result = CliRunner().invoke(app, ["reward", str(saved), "--out", str(out), "--html", str(page)])
    assert result.exit_code == 0, result.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["reward"]["overall"] for row in rows] == [1.0, pytest.approx(0.1), 0.0, pytest.approx(0.1), 0.0]
    assert [row["response"] for row in rows] == [text for text, _ in ROWS]
    html = page.read_text()
    assert "<script>alert" not in html
    assert html.count("<article") == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--w-format", "0.3"], "they must sum to 1"),
        (["--task", "poetry"], "unknown reward 'poetry'"),
        (["--answer-frame", "percent"], "one of truth, thousandths, original, resized"),
        (["--out", "SAVED"], "is the file that is read; name another"),
    ],
)
def test_settings_that_cannot_be_end_with_one_line_and_code_2(options: list[str], said: str, saved: Path) -> None:
    before = saved.read_bytes()
    result = CliRunner().invoke(app, ["reward", str(saved), *[str(saved) if o == "SAVED" else o for o in options]])
    assert result.exit_code == 2
    assert said in result.stderr
    assert saved.read_bytes() == before


def test_a_line_cut_by_a_kill_is_named_and_the_rest_scored(saved: Path, tmp_path: Path) -> None:
    saved.write_text("\ufeff" + saved.read_text() + '{"response": "<think> a', encoding="utf-8")
    out = tmp_path / "rows.jsonl"
    result = CliRunner().invoke(app, ["reward", str(saved), "--out", str(out), "--json"])
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["tasks"]["unknown"]["rows"]) == (6, 2)
    assert ("unknown", 6) in {(zero["task"], zero["first_line"]) for zero in summary["zeros"]}
    last = json.loads(out.read_text().splitlines()[-1])["reward"]
    assert (last["bad_row"], last["reason"].startswith("the line is no JSON: line 6")) == (True, True)


def test_a_list_that_is_cut_leaves_nothing_half_written(saved: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in saved.read_text().splitlines()] * 30
    saved.write_text(json.dumps(rows)[:-20])
    out, page = tmp_path / "rows.jsonl", tmp_path / "page.html"
    result = CliRunner().invoke(app, ["reward", str(saved), "--out", str(out), "--html", str(page)])
    assert result.exit_code == 2
    assert "saved.jsonl is cut off or no JSON behind row 149" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved.jsonl"]


def test_replies_that_only_close_their_reasoning_get_the_option_named(tmp_path: Path) -> None:
    path = tmp_path / "saved.jsonl"
    path.write_text(json.dumps({"response": "round </think><answer> B </answer>", "ground_truth": ROWS[0][1]}))
    for options, named in (([], True), (["--think-prefilled"], False)):
        result = CliRunner().invoke(app, ["reward", str(path), *options])
        assert ("1 of 1 responses close </think> without opening it" in result.stderr) is named
        assert ("add --think-prefilled" in result.stderr) is named


def test_a_file_of_which_no_row_can_be_scored_ends_with_code_2(tmp_path: Path) -> None:
    (tmp_path / "saved.csv").write_text("response,answer\nB,\nB,NA\n")
    result = CliRunner().invoke(app, ["reward", str(tmp_path / "saved.csv")])
    assert (result.exit_code, "no row of" in result.stderr) == (2, True)
