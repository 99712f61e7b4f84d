"""One step on pairs of a user's own, from the command line: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from infimed_plugins.cli.main import app
from infimed_plugins.paths import shipped
from infimed_plugins.plugins import registry
from infimed_plugins.sources.phantom import PHANTOM

DOWNLOADS = Path(__file__).parents[1] / "data" / "sources"
BASE = str(shipped("infimed_plugins/quickstart/base"))


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Six questions about phantoms, and three rows that cannot be used."""
    rows = []
    for n, sample in enumerate(PHANTOM.load("train", limit=6)):
        (tmp_path / f"{n}.png").write_bytes(sample.images[0].read())
        row = {"id": n, "question": sample.question, "answer": sample.answer, "task": sample.task, "image": f"{n}.png"}
        rows.append(row | ({"options": list(sample.options)} if sample.options else {}))
    rows += [{"question": "What?"}, {"question": "What?", "answer": "x", "image": "gone.png"}]
    rows.append({"question": "Which?", "answer": "spleen", "options": ["liver", "lung"]})
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_step_without_a_model_runs_on_pairs_and_bad_rows_are_named(pairs: Path, tmp_path: Path) -> None:
    done = invoke("curate", "instructions", "--input", pairs, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.stderr
    (part,) = json.loads(done.stdout)["parts"]
    assert (part["read"], part["kept"]) == (9, 6)
    assert part["rejected"] == {"its image is missing": 1, "no answer": 1, "the answer is none of the options": 1}
    first = json.loads((tmp_path / "out" / "instructions.jsonl").read_text().splitlines()[0])
    assert first["messages"][0]["content"].startswith("<image>")
    assert (tmp_path / "out" / first["images"][0]).is_file()


def test_letters_and_texts_of_options_are_read(tmp_path: Path) -> None:
    rows = [{"question": "Which?", "answer": answer, "options": ["liver", "lung"]} for answer in ("B", "lung", "(b)")]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = invoke("curate", "instructions", "--input", tmp_path / "x.jsonl", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    written = [json.loads(line) for line in (tmp_path / "out" / "instructions_text.jsonl").read_text().splitlines()]
    assert [row["messages"][1]["content"] for row in written] == ["B", "B", "B"]


@pytest.mark.slow
def test_reflect_writes_chains_a_summary_and_a_page(pairs: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    command = ["reflect", "--input", pairs, "--model", BASE, "--set", "judge=rule", "--set", "max_tokens=96"]
    page = tmp_path / "page.html"
    done = invoke(*command, "--out", tmp_path / "out", "--html", page, "--json")
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert sum(summary["right"].values()) == 6
    assert summary["kept"] + summary["dropped"].get("no right candidate", 0) == 6
    assert summary["cost"]["candidates: requests"] == 6
    samples = [json.loads(line) for line in (tmp_path / "out/samples/reflective_cot.jsonl").read_text().splitlines()]
    assert len(samples) == summary["kept"] > 0
    assert all(len(sample["meta"]["reflective"]["candidates"]) == 10 for sample in samples)
    text = page.read_text(encoding="utf-8")
    assert text.count("<article>") == 6
    shown = [int(number) for number in re.findall(r"<td>(\d+) right of 10</td>", text)]
    assert shown == sorted(shown)
    assert len(shown) == len(summary["right"])
    assert "http" not in text
    again = invoke(*command, "--out", tmp_path / "out", "--json")
    assert json.loads(again.stdout) == summary


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reflect"], "name either a data set (--source slake/train) or a file of pairs"),
        (["reflect", "--source", "phantom/val", "--limit", "2"], "needs an engine"),
        (["reflect", "--input", "gone.jsonl", "--model", BASE], "there is no gone.jsonl"),
        (["reflect", "--source", "slak/train", "--model", BASE], "unknown source 'slak'"),
        (["reflect", "--source", "slake/train", "--set", "judge"], "--set takes KEY=VALUE, not 'judge'"),
        (["reflect", "--source", "slake/train", "--engine", "openai"], "need a --model"),
        (["curate", "polish", "--source", "slake/train"], "unknown curation step 'polish'"),
    ],
)
def test_what_cannot_be_gets_one_line_and_code_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = invoke(*arguments, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_decontamination_names_what_it_found_and_shows_it_side_by_side(tmp_path: Path) -> None:
    for name in ("imagehash", "rensa"):
        pytest.importorskip(name)
    sample = next(iter(registry().get("source", "slake").load("test", folder=DOWNLOADS)))
    (tmp_path / "same.jpg").write_bytes(sample.images[0].read())
    rows = [
        {"id": "planted", "question": sample.question.upper(), "answer": sample.answer, "image": "same.jpg"},
        {"id": "other", "question": "How many ribs are broken on the left side?", "answer": "two"},
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    command = ["curate", "decontamination", "--input", tmp_path / "x.jsonl", "--out", tmp_path / "out", "--json"]
    settings = ["--set", "benchmarks=[slake/test]", "--set", f"folder={DOWNLOADS}"]
    done = invoke(*command, *settings, "--html", tmp_path / "page.html")
    assert done.exit_code == 0, done.stderr
    (part,) = json.loads(done.stdout)["parts"]
    assert (part["kept"], part["dropped"]) == (1, {"in slake/test: image and question": 1})
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/") == 2
    refused = invoke("curate", "instructions", "--input", tmp_path / "x.jsonl", "--out", tmp_path / "o", "--html", "p")
    assert "--html is for decontamination" in refused.stderr


def test_a_picture_that_does_not_open_is_a_reject(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, format="PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    (tmp_path / "b.png").write_bytes(b"no image")
    rows = [{"question": "What?", "answer": "lung", "image": name} for name in ("a.png", "b.png")]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = invoke("curate", "instructions", "--input", tmp_path / "x.jsonl", "--out", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["parts"][0]["rejected"] == {"an image cannot be used": 1}
