"""Kept replies are judged anew without a model; models are compared; other replies come in; a judge is asked."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import Body, ChatServer, serving
from typer.testing import CliRunner

from infimed_plugins import prompts
from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.cli.main import app
from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.evaluation.runs import agreement
from infimed_plugins.judge.open_judge import JudgeSettings
from infimed_plugins.sources.phantom import PHANTOM

RUNNER = CliRunner()
DOWNLOADS = Path(__file__).parents[1] / "data" / "sources"


@dataclass
class Oracle:
    """Right on phantoms whose number is not a multiple of ``wrong_every``."""

    model: str
    wrong_every: int = 3

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        golds = {sample.id: prompts.answer_text(sample) for sample in PHANTOM.load("test", limit=60)}
        for number, request in enumerate(requests):
            wrong = number % self.wrong_every == 0
            yield Reply(request.id, ("the answer: nothing" if wrong else golds.get(request.id, "no"),))


@pytest.fixture(scope="module")
def runs_of_this_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the two runs are kept once they were made."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def two_runs(plug_in: Any, tmp_path: Path, runs_of_this_module: Path) -> tuple[Path, Path]:
    plug_in(engines={"oracle": Oracle})
    for name, wrong_every in (("weak", 2), ("strong", 5)):
        made = runs_of_this_module / name
        if not made.exists():
            command = ["eval", "--model", name, "--engine", "oracle", "--engine-set", f"wrong_every={wrong_every}"]
            done = RUNNER.invoke(app, [*command, "--limit", "60", "--prompt", "direct", "--out", str(made)])
            assert done.exit_code == 0, done.output
        shutil.copytree(made, tmp_path / name)
    return tmp_path / "weak", tmp_path / "strong"


def invoke(*arguments: object) -> Any:
    done = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


def test_two_models_are_compared_in_pairs_and_every_file_is_written(
    two_runs: tuple[Path, Path], tmp_path: Path
) -> None:
    files = {name: tmp_path / f"table.{name}" for name in ("html", "csv", "markdown", "latex")}
    options = [argument for name, path in files.items() for argument in (f"--{name}", path)]
    said = json.loads(invoke("score", *two_runs, *options, "--mode", "robust", "--mode", "medevalkit", "--json").stdout)
    (robust,) = [one for one in said["contrasts"] if one["asked"]["mode"] == "robust"]
    assert (robust["a"], robust["b"]) == ("weak", "strong")
    assert robust["paired"]["difference"] > 0.2
    assert robust["paired"]["p_value"] < 0.05
    page = files["html"].read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in page  # the phantoms' pictures, read again
    with files["csv"].open(newline="", encoding="utf-8") as file:
        assert {row["model"] for row in csv.DictReader(file)} >= {"weak", "strong"}
    assert "| weak |" in files["markdown"].read_text()
    assert "weak" in files["latex"].read_text()


def test_runs_of_other_seeds_are_not_compared_in_silence(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    options = ("--engine", "oracle", "--limit", 60, "--prompt", "direct", "--seed", 7)
    invoke("eval", "--model", "other", *options, "--out", other)
    notes = {
        root.name: json.loads(invoke("score", two_runs[0], root, "--json").stdout)["notes"]
        for root in (two_runs[1], other)
    }
    assert not any("another image" in note for note in notes["strong"])
    (note,) = (note for note in notes["other"] if "another image" in note)
    assert re.fullmatch(r"phantom: \d+ questions have another image in another run .*; do not compare them", note)


def test_verdicts_of_each_mode_lie_beside_the_replies(two_runs: tuple[Path, Path]) -> None:
    invoke("score", two_runs[0], "--mode", "multimedeval")
    kept = two_runs[0] / "phantom" / "direct"
    names = {path.name for path in kept.iterdir()}
    assert {"verdicts-robust.jsonl", "verdicts-multimedeval.jsonl", "settings.json", "responses.jsonl"} <= names
    verdict = json.loads((kept / "verdicts-robust.jsonl").read_text().splitlines()[0])
    assert verdict.keys() == {"id", "parsed", "accuracy", "format", "invalid", "reason", "code"}
    (entry,) = json.loads((two_runs[0] / "run.json").read_text())
    assert entry["versions"].keys() >= {"python", "infimed-plugins"}
    assert "git" in entry
    assert json.loads((kept / "settings.json").read_text())["model_hash"] == "weak"


def test_peoples_labels_give_a_kappa(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    verdicts = (two_runs[0] / "phantom/direct/verdicts-robust.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in verdicts]
    labels.write_text("".join(json.dumps({"id": row["id"], "right": row["accuracy"] == 1.0}) + "\n" for row in rows))
    (found,) = json.loads(invoke("score", two_runs[0], "--labels", labels, "--json").stdout)["agreement"]
    assert (found["n"], found["kappa"], found["low"]) == (60, 1.0, None)
    table = invoke("score", two_runs[0], "--labels", labels).stdout.partition("Cohen's kappa")[2]
    assert re.search(r"robust +│ rules +│ people +│ 60 +│ +1.000 +│ +1.000 +│ +– +│ +– ", table)


def test_labels_that_are_of_nothing_here_are_said(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"id": "elsewhere-1", "right": true}\n')
    (note, *_) = json.loads(invoke("score", two_runs[0], "--labels", labels, "--json").stdout)["notes"][::-1]
    assert note.startswith("none of the 1 labels is of a question here: one is of 'elsewhere-1', ")
    assert note.endswith("one that was scored is 'phantom-test-00000-organ'")


@pytest.mark.parametrize(
    ("mode", "said"),
    [("robust", "slake: 2 of 4 answers"), ("paper", "slake: 4 of 4 answers"), ("vlmevalkit", None)],
)
def test_what_a_judge_should_mark_is_said_for_each_mode(mode: str, said: str | None, tmp_path: Path) -> None:
    results = tmp_path / "SLAKE" / "results.json"
    results.parent.mkdir()
    golds = ("Yes", "No", "Lung", "Heart")
    rows = [
        {"question": "?", "answer": gold, "lang": "en", "q_lang": "en", "answer_type": "OPEN", "response": gold}
        for gold in golds
    ]
    results.write_text(json.dumps(rows))
    invoke("import", results, "--model", "m", "--benchmark", "slake", "--out", tmp_path / "run")
    done = RUNNER.invoke(app, ["score", str(tmp_path / "run"), "--mode", mode, "--json"])
    assert done.exit_code == (2 if said is None else 0)  # nothing is scored there without a judge
    notes = json.loads(done.stdout)["notes"]
    found = [note for note in notes if "scored by rule" in note]
    assert found == ([] if said is None else [f"{said} are a judge's to mark and were scored by rule ({mode})"])


def test_a_benchmark_is_exported_with_the_commands_that_bring_its_replies_back(tmp_path: Path) -> None:
    told = invoke("export", "vqa_rad", "--out", tmp_path / "LMUData", "--from", DOWNLOADS).stdout
    name = "infimed_vqa_rad_openended"
    assert f"{name}.tsv: 3 questions, 0 rows left out" in "".join(told.splitlines())
    assert f"python run.py --data {name} --mode infer" in told
    assert f"infimed import MODEL_{name}.xlsx" in told
    made = json.loads(invoke("export", "phantom", "--out", tmp_path, "--limit", "2", "--json").stdout)
    assert made == {"file": str(tmp_path / "infimed_phantom.tsv"), "questions": 2, "bad_rows": []}
    unknown = RUNNER.invoke(app, ["export", "slake2", "--out", str(tmp_path)])
    assert unknown.exit_code == 2
    assert "unknown benchmark 'slake2'; available: " in " ".join(unknown.output.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score", "no-such-run"], "no-such-run holds no run"),
        (["score", "RUN", "--mode", "strict"], "unknown mode 'strict'; one of robust"),
        (["score", "RUN", "--judge-template", "t.txt"], "need a --judge"),
        (["score", "RUN", "--judge", "m", "--judge-template", "t.txt"], "there is no judge template t.txt"),
        (["score", "RUN", "RUN"], "two runs of weak on phantom"),
        (["import", "nowhere", "--model", "m", "--out", "OUT"], "there is no nowhere"),
        (["eval", "--model", "m", "--benchmarks", " , "], "--benchmarks names none"),
        (["eval", "--model", "m", "--variant", "blur:9"], "blur"),
        (["eval", "--model", "m", "--benchmarks", "slake", "--from", "OUT"], "there is no folder"),
        (["score", "RUN", "--from", "OUT"], "there is no folder"),
        (["score", "RUN", "--csv", "HERE"], "cannot be written: it is a folder"),
        (["score", "RUN", "--html", "FILE/page.html"], "is no folder; name another file"),
        (["eval", "--model", "m", "--csv", "HERE"], "cannot be written: it is a folder"),
        (["eval", "--model", "m", "--skill-judge"], "--skill-judge needs a --judge"),
        (["eval", "--model", "m", "--engine-set", "max_pixels=["], "--engine-set max_pixels=[: the value is no YAML"),
        (["score", "RUN", "--judge", "m", "--judge-set", "x"], "--judge-set takes KEY=VALUE, not 'x'"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    named = {"RUN": two_runs[0], "OUT": tmp_path / "out", "HERE": tmp_path, "FILE": tmp_path / "file"}
    named["FILE/page.html"] = tmp_path / "file" / "page.html"
    done = RUNNER.invoke(app, [str(named.get(one, one)) for one in arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_medevalkits_results_are_taken_in_and_judged_as_it_judges(tmp_path: Path) -> None:
    results = tmp_path / "eval" / "PMC_VQA" / "results.json"
    results.parent.mkdir(parents=True)
    choices = ["A:CT", " B: MRI ", "C:PET", "D:X-ray"]
    prompt = "\n".join(["", "Question: Which modality?", "Options: ", *choices, "Answer with the option's letter."])
    row = {"prompt": prompt, "answer": "B", "choices": choices}  # upstream keeps no question of this set
    replies = ["B", "I would rather not say.", "The answer is: B", None]
    results.write_text(json.dumps([{**row, "response": reply, "correct": False} for reply in replies]))
    said = json.loads(invoke("import", results.parent, "--model", "m", "--out", tmp_path / "run", "--json").stdout)
    assert said["benchmarks"]["pmc_vqa"]["replies"] == 4
    kept = (tmp_path / "run" / "pmc_vqa" / "medevalkit" / "responses.jsonl").read_text().splitlines()
    assert {json.loads(line)["question"] for line in kept} == {"Which modality?"}
    scored = invoke("score", tmp_path / "run", "--mode", "medevalkit", "--mode", "robust", "--json")
    by_mode = {one["asked"]["mode"]: one for one in json.loads(scored.stdout)["results"]}
    assert by_mode["robust"]["figure"]["accuracy"]["right"] == 2
    assert by_mode["robust"]["figure"]["invalid"]["right"] == 1
    assert by_mode["medevalkit"]["figure"]["accuracy"]["right"] == 2
    assert by_mode["medevalkit"]["figure"]["invalid"]["right"] == 2  # ": b" is no letter there: taken by likeness
    assert {one["unscored"] for one in by_mode.values()} == {1}


def test_imported_replies_join_the_data_set_where_it_is(tmp_path: Path) -> None:
    results = tmp_path / "VQA_RAD" / "results.json"
    results.parent.mkdir()
    other = {"question": "who painted it?", "answer": "a painter", "response": "x"}
    rows = [{"question": "what organ is enlarged?", "answer": "heart", "response": "x"}, other]
    results.write_text(json.dumps(rows))
    said = invoke("import", results, "--model", "m", "--out", tmp_path / "run", "--from", DOWNLOADS, "--json")
    counts = json.loads(said.stdout)["benchmarks"]["vqa_rad"]
    assert (counts["replies"], counts["unmatched"], counts["missing"]) == (2, 1, 2)
    again = RUNNER.invoke(app, ["import", str(results), "--model", "m", "--out", str(tmp_path / "run")])
    assert again.exit_code == 2
    assert "is not empty" in again.stderr


def test_an_import_tells_of_what_it_left_out_and_goes_on(tmp_path: Path) -> None:
    for name, text in (("VQA_RAD", '[{"response": "cut'), ("PATH_VQA", None)):
        (tmp_path / "eval" / name).mkdir(parents=True)
        rows = [{"question": "a mass?", "answer": answer, "response": "yes"} for answer in ("yes", None)]
        (tmp_path / "eval" / name / "results.json").write_text(text or json.dumps(rows))
    said = invoke("import", tmp_path / "eval", "--model", "m", "--out", tmp_path / "run", "--from", DOWNLOADS).stdout
    assert "path_vqa: 1 replies, 2 of no question here, 2 questions without a reply" in said
    assert "path_vqa: 1 rows left out, which have no gold answer" in said
    assert re.search(r"^VQA_RAD: .*results\.json is cut off or no JSON", said, re.MULTILINE)


class Server(ChatServer):
    """Answers right to every question; as a judge it says right, but cannot be read for one question in four."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.judged = 0

    def answer(self, body: Body, text: str) -> list[str]:
        if "Standard answer" in text:
            self.judged += 1
            return ["no verdict" if "lesion" in text else '{"verdict": "right"}']
        time.sleep(0.03)
        self.asked[json.dumps(body["messages"][-1]["content"])] += 1
        return ["heart"]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as made:
        yield made


def test_a_judge_is_asked_once_and_its_failures_are_unscored(two_runs: tuple[Path, Path], server: Server) -> None:
    command = ("score", two_runs[0], "--judge", "j", "--judge-url", server.url, "--judge-set", "retries=0", "--json")
    said = json.loads(invoke(*command).stdout)
    (first,) = said["results"]
    assert first["asked"]["judge"] == f"j (template {said['judge']['template_sha256'][:8]})"
    asked = server.judged
    assert asked > 0
    (second,) = json.loads(invoke(*command).stdout)["results"]
    assert second == first
    assert "Cohen's kappa" in invoke(*command[:-1]).stdout
    assert first["unscored"] > 0
    assert server.judged == asked + 2 * 3 * first["unscored"]  # what was read is kept, the others are asked anew


def test_every_judge_leaves_what_it_was_and_all_that_it_said(
    two_runs: tuple[Path, Path], server: Server, tmp_path: Path
) -> None:
    template, page = tmp_path / "mine.txt", tmp_path / "page.html"
    template.write_text("Standard answer {answer}, of {question}: {reply}. Say the verdict.")
    command = ("score", two_runs[0], "--judge-url", server.url, "--html", page, "--judge")
    for more in (("j",), ("other/j2",), ("j", "--judge-template", template), ("j", "--judge-set", "retries=1")):
        invoke(*command, *more)
    assert f"sha256 {hashlib.sha256(JudgeSettings().text.encode()).hexdigest()}" in page.read_text()
    kept = two_runs[0] / "phantom" / "direct"
    judges = {path.stem.removeprefix("judge-"): json.loads(path.read_text()) for path in kept.glob("judge-*.json")}
    assert Counter(one["model"] for one in judges.values()) == {"j": 2, "other/j2": 1}
    hashes = {one["template_sha256"]: one["template"] for one in judges.values()}
    assert hashes[hashlib.sha256(template.read_bytes()).hexdigest()] == template.read_text()
    assert {path.name for path in kept.glob("verdicts-*")} == {
        "verdicts-robust.jsonl",
        *(f"verdicts-robust-{tag}.jsonl" for tag in judges),
    }
    for tag in judges:
        rows = [json.loads(line) for line in (kept / f"verdicts-robust-{tag}.jsonl").read_text().splitlines()]
        said = [row for row in rows if "judge_replies" in row]
        tries = max(len(row["judge_replies"]) for row in said)
        assert tries in (3, 6)  # the judge that was named twice was asked anew what it left unread
        assert {row["accuracy"] for row in said} == {1.0, None}
        for row in said:
            right = row["accuracy"] is not None
            assert row["judge_replies"] == (['{"verdict": "right"}'] if right else ["no verdict"] * tries)
            assert row["reason"].startswith("judge: right" if right else "unscored: judge: ")
            assert row["code"] == ("judged_by_model" if right else "judge_failed")


def test_medevalkits_metrics_count_what_the_judge_said(server: Server, tmp_path: Path) -> None:
    results = tmp_path / "VQA_RAD" / "results.json"
    results.parent.mkdir()
    golds = {"is it a mass?": "yes", "where is it?": "left lung", "what is it?": "a cyst"}
    rows = [{"question": asked, "answer": gold, "response": "no idea"} for asked, gold in golds.items()]
    results.write_text(json.dumps(rows))
    invoke("import", results, "--model", "m", "--out", tmp_path / "run")
    command = ("score", tmp_path / "run", "--medevalkit-metrics", "--json")
    by_rule, by_judge = (
        next(iter(json.loads(invoke(*command, *judge).stdout)["medevalkit"].values()))["total metrics"]
        for judge in ((), ("--judge", "j", "--judge-url", server.url, "--judge-set", "retries=0"))
    )
    assert by_rule == {"total": 3, "right": 0, "acc": 0.0}
    assert by_judge == {"total": 3, "right": 2, "acc": 2 / 3}


@pytest.fixture
def local_ray() -> Iterator[None]:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_ray_gets_the_same_replies(server: Server, tmp_path: Path) -> None:
    replies = []
    for engine in ("openai", "ray"):
        options = ("--engine", engine, "--base-url", server.url, "--limit", 20, "--prompt", "direct")
        invoke("eval", "--model", "m", *options, "--out", tmp_path / engine, "--json")
        lines = (tmp_path / engine / "phantom/direct/responses.jsonl").read_text().splitlines()
        replies.append({row["id"]: row["text"] for row in map(json.loads, lines)})
    assert replies[0] == replies[1]
    assert len(replies[0]) == 20


@pytest.mark.slow
def test_an_evaluation_killed_at_random_moments_ends_as_an_undisturbed_one(server: Server, tmp_path: Path) -> None:
    def command(out: Path) -> list[str]:
        arguments = ["--model", "m", "--base-url", server.url, "--engine-set", "concurrency=2", "--limit", "80"]
        return [
            str(Path(sys.executable).with_name("infimed")),
            "eval",
            *arguments,
            "--prompt",
            "direct",
            "--out",
            str(out),
        ]

    environment = dict(os.environ, COLUMNS="200")
    rng = random.Random(0)
    for _ in range(6):
        with subprocess.Popen(command(tmp_path / "killed"), env=environment, stdout=subprocess.DEVNULL) as run:
            time.sleep(rng.uniform(0.8, 2.2))
            run.send_signal(signal.SIGKILL)
    for out in ("killed", "whole"):
        subprocess.run(command(tmp_path / out), env=environment, check=True, stdout=subprocess.DEVNULL)
    killed, whole = (
        sorted(
            (tmp_path / out / "phantom/direct/responses.jsonl").read_text().splitlines(),
            key=lambda line: json.loads(line)["index"],
        )
        for out in ("killed", "whole")
    )
    assert killed == whole
    assert len(whole) == 80
    twice = sum(count - 2 for count in server.asked.values())
    assert 0 <= twice <= 6 * 4  # asked again: what was on its way at a kill, and no more


def test_people_are_compared_with_the_judge_and_with_the_rules_apart() -> None:
    plain = Judged("1", "", "1", "?", "x", "yes", "yes", 1.0, 0.0, False, "")
    rows = [plain, replace(plain, id="2", accuracy=0.0, by_rule=1.0), replace(plain, id="3", by_rule=0.0)]
    run = Run("m", "vqa_rad", "direct", "paper", rows, judge="big")
    people = {"1": True, "2": False, "3": False}
    found = [(one["judge"], one["with"], one["n"], one["observed"]) for one in agreement([run], people)]
    assert found == [("big", "rules", 2, 0.0), ("big", "people", 2, 0.5), ("", "people", 1, 1.0)]
