"""One step on pairs of a user's own, from the command line: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chat_server import Body, ChatServer, serving
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


class Server(ChatServer):
    """It gives every request the same replies."""

    replies: tuple[str, ...] = ()
    asked: int = 0

    def answer(self, body: Body, text: str) -> tuple[str, ...]:
        self.asked += 1
        return (self.replies * body["n"])[: body["n"]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Start a server that gives these replies."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with serving(Server()) as made:

        def start(*replies: str) -> Server:
            made.replies = replies
            return made

        yield start


@pytest.fixture
def choices(tmp_path: Path) -> Path:
    """Two questions with options, one with a picture; B is right."""
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), "red").save(buffer, format="PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    rows = [
        {"id": "q0", "question": "What is it?", "answer": "B", "options": ["cyst", "stone"], "image": "a.png"},
        {"id": "q1", "question": "What is that?", "answer": "B", "options": ["cyst", "stone"]},
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path / "x.jsonl"


RIGHT = "<think> One stone. </think>\n<answer> B </answer>"
WRONG = "<think> One cyst. </think>\n<answer> A </answer>"


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


def test_a_file_of_any_form_is_taken_and_a_cut_line_is_named(tmp_path: Path) -> None:
    rows = [{"question": "Which?", "answer": answer, "A": "liver", "B": "lung"} for answer in ("B", "lung", "B. lung")]
    lines = [",".join(row.values()) for row in (dict(zip(rows[0], rows[0], strict=True)), *rows)]
    cut = "\r\n".join([*lines, "Which?,l"])
    (tmp_path / "excel.csv").write_text(cut, encoding="utf-8-sig")
    (tmp_path / "list.json").write_text(json.dumps({"data": [*rows, None]}))
    pq.write_table(pa.Table.from_pylist([*rows, {**rows[0], "B": None}]), tmp_path / "p.parquet")
    reasons = {"excel.csv": "a row of another number of cells than the header", "list.json": "it is no object"}
    for name in ("excel.csv", "list.json", "p.parquet"):
        done = invoke("curate", "instructions", "--input", tmp_path / name, "--out", tmp_path / "out" / name, "--json")
        assert done.exit_code == 0, done.stderr
        (part,) = json.loads(done.stdout)["parts"]
        assert part["rejected"] == {reasons.get(name, "fewer than two options, or more than letters"): 1}
        written = (tmp_path / "out" / name / "instructions_text.jsonl").read_text().splitlines()
        assert [json.loads(row)["messages"][1]["content"] for row in written] == ["B", "B", "B"]


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
    assert "://" not in text
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
        (
            ["curate", "instructions", "--source", "phantom/val", "--order", "last"],
            "is 'last'; one of hash, first",
        ),
        (
            ["reflect", "--source", "phantom/val", "--model", BASE, "--set", "bridge=</think>"],
            "give a sentence, without",
        ),
        (["curate", "difficulty", "--source", "phantom/val", "--model", BASE, "--set", "candidates=0"], "whole number"),
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
    assert "images within 6 of 64 bits" in page
    assert "<tr><td>cropped by 5% or more</td><td>none</td>" in page
    said = invoke(*command[:-1], *settings, "--set", "image_distance=4", "--out", tmp_path / "again").stdout
    assert "taken for the same: images within 4 of 64 bits" in said
    assert re.search(r"cropped by 5% or more\W+none", said)
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


@pytest.mark.parametrize("form", ["llamafactory", "easyr1"])
def test_reflect_tells_shares_and_cost_and_its_page_shows_the_images(
    form: str, serve: Callable[..., Server], choices: Path, tmp_path: Path
) -> None:
    server = serve(*[RIGHT] * 4, *[WRONG] * 5, "A stone. <answer>B</answer>")
    command = ["reflect", "--input", choices, "--model", "m", "--base-url", server.url, "--set", "judge=rule"]
    command += ["--format", form, "--out", tmp_path / "out", "--html", tmp_path / "page.html"]
    done = invoke(*command, "--json")
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["right"] == {"5 right of 10": 2}
    assert (summary["kinds"], summary["shares"]) == ({"chains that reflect": 2}, {"chains that reflect": 1.0})
    assert summary["notes"] == {"candidates without the format": 2}
    assert summary["cost"]["candidates: completion tokens"] == 100
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 1
    assert "<tr><td>chains that reflect</td><td>2</td><td>100.0%</td></tr>" in page
    assert "<tr><td>candidates: requests</td><td>2</td></tr>" in page
    assert "right, without the format" in page
    shown = invoke(*command).stdout
    assert re.search(r"chains that reflect\W+2\W+100\.0%", shown)


def test_rationales_are_trained_on_unless_the_style_is_direct(
    serve: Callable[..., Server], choices: Path, tmp_path: Path
) -> None:
    server = serve("It throws a shadow. <answer>B</answer>")
    command = ["curate", "rationales", "--input", choices, "--model", "m", "--base-url", server.url]
    assert invoke(*command, "--out", tmp_path / "out").exit_code == 0
    row = json.loads((tmp_path / "out" / "rationales.jsonl").read_text())
    assert row["messages"][1]["content"].startswith("<think> It throws a shadow. </think>")
    assert invoke(*command, "--style", "direct", "--out", tmp_path / "bare").exit_code == 0
    assert json.loads((tmp_path / "bare" / "rationales.jsonl").read_text())["messages"][1]["content"] == "B"


def test_the_words_of_a_prompt_file_are_the_setting(
    serve: Callable[..., Server], choices: Path, tmp_path: Path
) -> None:
    server = serve("It throws a shadow. <answer>B</answer>")
    (tmp_path / "prompt.txt").write_text("Look: {QUESTION}", encoding="utf-8")
    command = ["curate", "rationales", "--input", choices, "--model", "m", "--base-url", server.url]
    done = invoke(*command, "--set", f"choice_prompt={tmp_path / 'prompt.txt'}", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.stderr
    (step,) = json.loads(done.stdout)["settings"]["parts"][0]["steps"]
    assert step["settings"] == {"choice_prompt": "Look: {QUESTION}"}


def test_a_few_phantoms_are_the_first_ones_and_no_more_are_made(tmp_path: Path) -> None:
    done = invoke("curate", "instructions", "--source", "phantom/train", "--limit", "3", "--out", tmp_path, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["parts"][0]["read"] == 3
    drawn = invoke(
        *("curate", "instructions", "--source", "slake/train", "--from", DOWNLOADS, "--limit", "2"),
        *("--out", tmp_path / "slake", "--json"),
    )
    assert json.loads(drawn.stdout)["parts"][0]["dropped"]["not sampled"] > 0


def test_reflect_leaves_out_what_a_benchmark_asks_of_a_public_set_unless_told_not_to(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    for name in ("imagehash", "rensa"):
        pytest.importorskip(name)
    server = serve("<think> It is bright. </think>\n<answer> Yes </answer>")
    command = ["reflect", "--model", "m", "--base-url", server.url, "--set", "judge=rule", "--json"]
    public = ["--source", "vqa_rad/train", "--from", DOWNLOADS]
    (tmp_path / "mine.jsonl").write_text(json.dumps({"question": "Is it bright?", "answer": "yes"}), encoding="utf-8")
    own = ["--input", tmp_path / "mine.jsonl"]
    made = {}
    for name, rows in (("checked", public), ("unchecked", [*public, "--no-decontaminate"]), ("own", own)):
        done = invoke(*command, *rows, "--out", tmp_path / name)
        assert ("--no-decontaminate goes without" in done.stderr) == (name == "checked"), done.stderr
        made[name] = json.loads((tmp_path / name / "manifest.json").read_text())
    assert len(made["checked"]["checked_against"]) == 7
    assert made["checked"]["settings"]["decontaminate"]["skip_missing"] is True
    assert (tmp_path / "checked" / "decontamination").is_dir()
    assert made["unchecked"]["checked_against"] == {}
    assert made["own"]["settings"]["decontaminate"] is None


def test_questions_that_nobody_answers_are_put_aside_and_shown_and_the_run_ends_with_2(
    serve: Callable[..., Server], choices: Path, tmp_path: Path
) -> None:
    server = serve(WRONG)
    command = ["reflect", "--input", choices, "--model", "m", "--base-url", server.url, "--set", "judge=rule"]
    command += ["--out", tmp_path / "out", "--html", tmp_path / "page.html"]
    done = invoke(*command)
    assert done.exit_code == 2
    assert "none of 2 rows is left to train on; what was put aside is in" in done.stderr
    assert re.search(r"no right candidate\W+2\W+100\.0%", done.stdout)
    aside = (tmp_path / "out" / "samples" / "reflective_cot.aside.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in aside] == ["pairs-x-q0", "pairs-x-q1"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<article>") == 2
    again = invoke(*command, "--json")
    assert (again.exit_code, json.loads(again.stdout)["kept"]) == (2, 0)
    assert server.asked == 2, "a rerun finds the build as it was left"


@pytest.mark.parametrize("command", ["reflect", "curate", "build"])
@pytest.mark.parametrize("share", ["most", "all", "few"])
def test_many_failed_requests_end_with_3_and_the_same_command_asks_again(
    share: str, command: str, serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve("<think> Two halves make the number. </think>\n<answer> yes </answer>")
    refused = {"most": 24, "all": 30, "few": 1}[share]
    rows = [{"id": n, "question": f"Is it {'odd' if n < refused else 'even'} {n}?", "answer": "yes"} for n in range(30)]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    step = "rationales" if command == "curate" else "reflective_cot"
    (tmp_path / "own.yaml").write_text(
        "name: own\nformat: llamafactory\nengine: {name: transformers, model: m}\nparts:\n"
        f"  - {{name: a, source: pairs, split: own, style: reasoning, steps: [{{{step}: {{judge: rule}}}}]}}\n"
    )
    given = {
        "reflect": ("reflect", "--input", tmp_path / "own.jsonl", "--set", "judge=rule"),
        "curate": ("curate", step, "--input", tmp_path / "own.jsonl"),
        "build": ("data", "build", tmp_path / "own.yaml", "--from", tmp_path),
    }[command]
    arguments = (*given, "--model", "m", "--base-url", server.url, "--out", tmp_path / "out")
    server.refuses = "odd"
    done = invoke(*arguments)
    if share == "few":
        assert done.exit_code == 0
        assert "1 rows lack a reply" in done.stdout
    else:
        assert done.exit_code == 3
        assert re.search(rf"{refused} of 30 rows of \w+ lack a reply, the first: .*400", done.stderr)
    server.refuses, before = "", server.asked
    assert invoke(*arguments).exit_code == 0
    assert (
        len(
            (tmp_path / "out" / ("own_text.jsonl" if command == "build" else f"{step}_text.jsonl"))
            .read_text()
            .splitlines()
        )
        == 30
    )
    assert server.asked - before == refused


@pytest.mark.parametrize("form", ["llamafactory", "easyr1", "datasets"])
def test_a_set_that_a_benchmark_asks_whole_leaves_an_empty_build_and_its_page(form: str, tmp_path: Path) -> None:
    for name in ("imagehash", "rensa", "datasets"):
        pytest.importorskip(name)
    done = invoke(
        *("curate", "decontamination", "--source", "slake/test", "--from", DOWNLOADS, "--format", form),
        *("--set", "benchmarks=[slake/test]", "--out", tmp_path / "out", "--html", tmp_path / "page.html"),
    )
    assert (done.exit_code, "none of 7 rows is left to train on" in done.stderr) == (2, True)
    part = json.loads((tmp_path / "out" / "manifest.json").read_text())["parts"][0]
    assert (part["kept"], part["dropped"]) == (0, {"in slake/test: image and question": 5})
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<article>") == 5


def test_a_run_of_which_no_row_could_be_used_is_an_error_still(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(json.dumps({"question": "What?"}), encoding="utf-8")
    done = invoke("curate", "instructions", "--input", tmp_path / "bad.jsonl", "--out", tmp_path / "out")
    assert (done.exit_code, "keeps none of 1 rows read" in done.stderr) == (2, True)


@pytest.mark.parametrize("step", ["difficulty", "rationales", "reflective_cot"])
def test_no_model_is_paid_for_a_picture_that_does_not_decode(
    step: str, serve: Callable[..., Server], tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((96, 96), 80).convert("RGB").save(buffer, "JPEG")
    whole = buffer.getvalue()
    files = {
        "whole.jpg": whole,
        "torn.jpg": whole[: len(whole) // 2],
        "text.png": b"<html>404</html>",
        "empty.png": b"",
    }
    rows = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        rows.append({"id": name, "question": "What is it?", "answer": "B", "options": ["cyst", "stone"], "image": name})
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    server = serve(RIGHT)
    command = ["curate", step, "--input", tmp_path / "x.jsonl", "--model", "m", "--base-url", server.url, "--json"]
    command += ["--set", "candidates=1", *(("--set", "judge=rule") if step == "reflective_cot" else ())]
    done = invoke(*command, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    (part,) = json.loads(done.stdout)["parts"]
    assert (server.asked, part["read"], part["kept"]) == (1, 4, 1)
    assert (part["dropped"], sum(part["rejected"].values())) == ({}, 3)
    rejects = [json.loads(line) for line in (tmp_path / "out" / "rejects.jsonl").read_text().splitlines()]
    assert sorted(name for bad in rejects for name in files if name in bad["detail"]) == sorted(
        files.keys() - {"whole.jpg"}
    )
