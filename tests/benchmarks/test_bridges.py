"""What we ask in VLMEvalKit and lmms-eval comes back as a run, question by question; what is not ours is named."""

from __future__ import annotations

import base64
import csv
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins import prompts
from infimed_plugins.benchmarks import benchmarks, lmms_eval
from infimed_plugins.benchmarks.imported.importer import Counts, import_run
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.benchmarks.vlmevalkit import write_tsv
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.plugins import registry
from infimed_plugins.records import BadRow, Response, Sample
from infimed_plugins.scoring.robust import score
from infimed_plugins.sources.phantom import PHANTOM, SPLIT_PICTURES

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
SAMPLES = list(PHANTOM.load("test", limit=24))
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _fixed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INFIMED_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(lmms_eval.PROMPT_STYLE, raising=False)
    monkeypatch.setitem(SPLIT_PICTURES, "test", 30)


def reply_to(sample: Sample) -> str:
    """A right reply to most, and one with a line break and quotes to all."""
    return f'It says "so",\n{prompts.answer_text(sample) if int(sample.meta["picture"]) % 5 else "nothing"}'


def answered(tsv: Path, folder: Path, write: Callable[[Path, Rows], Path]) -> Path:
    """What `run.py --mode infer` leaves: the file's rows without their pictures, with the predictions."""
    csv.field_size_limit(1 << 24)
    with tsv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    replies = {sample.id: reply_to(sample) for sample in SAMPLES}
    kept = [{key: cell for key, cell in row.items() if key != "image"} for row in rows]
    return write(folder / f"some-model_{tsv.stem}", [{**row, "prediction": replies[row["id"]]} for row in kept])


def as_tsv(path: Path, rows: Rows) -> Path:
    path = path.with_name(f"{path.name}.tsv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def as_json(path: Path, rows: Rows) -> Path:
    path = path.with_name(f"{path.name}.json")
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def as_xlsx(path: Path, rows: Rows) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    path = path.with_name(f"{path.name}.xlsx")
    book = openpyxl.Workbook()
    for cells in (list(rows[0]), *(list(row.values()) for row in rows)):
        book.active.append([cell if cell != "" else None for cell in cells])
    book.save(path)
    return path


def taken(path: Path, out: Path, **options: Any) -> tuple[Counts, list[Response]]:
    counts = import_run(path, out, model="m", fresh=True, **options)
    (name,) = counts
    return counts[name], RunFolder(out / name / "medevalkit").answered()


def same_as_asked(rows: list[Response], before_first: str = "") -> None:
    assert [row.id for row in rows] == [sample.id for sample in SAMPLES]
    for row, sample in zip(rows, SAMPLES, strict=True):
        text = f"{before_first}{reply_to(sample)}" if sample == SAMPLES[0] else reply_to(sample)
        assert (row.question, row.gold, row.text) == (sample.question, sample.answer, text)
        assert list(row.images) == [image.sha256() for image in sample.images]


@pytest.mark.parametrize("write", [as_tsv, as_json, as_xlsx])
def test_what_vlmevalkit_was_given_comes_back_by_its_id_in_any_order(write: Any, tmp_path: Path) -> None:
    path, count, bad = write_tsv(registry().get("benchmark", "phantom"), tmp_path / "LMUData", limit=24)
    assert (path.name, count, bad) == ("infimed_phantom.tsv", 24, [])
    results = answered(path, tmp_path, write)
    counts, rows = taken(results, tmp_path / "run")
    same_as_asked(rows)
    assert (counts["replies"], counts["unmatched"], counts["problem"]) == (24, 0, "")
    assert 0 < sum(score(row.text, row.sample).accuracy or 0 for row in rows) < 24
    results.rename(tmp_path / f"renamed{results.suffix}")
    same_as_asked(taken(tmp_path / f"renamed{results.suffix}", tmp_path / "run", benchmark="phantom")[1])


@pytest.mark.parametrize("of", list(benchmarks()), ids=lambda of: of.name)
def test_every_benchmark_is_written_with_what_vlmevalkit_reads(of: Any, tmp_path: Path) -> None:
    path, count, bad = write_tsv(of, tmp_path, downloads=FIXTURES, limit=40)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    asked = list(registry().get("source", of.source).load(of.split, folder=FIXTURES, limit=40))
    assert len(rows) == count > 0
    assert len(bad) == sum(isinstance(row, BadRow) for row in asked)
    assert [row["index"] for row in rows] == [str(index) for index in range(count)]
    assert ("image" in rows[0]) == of.images
    assert path.stem.endswith("_openended") != ("A" in rows[0])
    for row, sample in zip(rows, [row for row in asked if isinstance(row, Sample)], strict=True):
        assert (row["id"], row["question"]) == (sample.id, sample.question)
        assert [row[letter].strip() for letter, _ in zip("ABCDEFGHIJ", sample.options or (), strict=False)] == [
            option.strip() for option in sample.options or ()
        ]
        if len(sample.images) == 1:
            assert base64.b64decode(row["image"])[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0")
        elif sample.images:
            assert len(json.loads(row["image"].replace("'", '"'))) == len(sample.images)


def test_an_option_that_pandas_reads_as_empty_stays_one(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    from infimed_plugins.benchmarks.questions import Question
    from infimed_plugins.benchmarks.vlmevalkit import _rows

    options = ("None", "NA", "nan", "N/A", "null", "<NA>", "#N/A", "a mass")
    sample = Sample("a", "s", "test", "What is it?", "multiple_choice", "A", options=options)
    (row,) = _rows([Question(sample)], [])
    as_tsv(tmp_path / "x", [row])
    read = pandas.read_csv(tmp_path / "x.tsv", sep="\t")
    assert [str(read[letter][0]).strip() for letter in "ABCDEFGH"] == list(options)


def log(folder: Path, rows: Rows, name: str = "infimed_phantom") -> Path:
    path = folder / f"20261129_100000_samples_{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def logged() -> Rows:
    """Lines as lmms-eval 0.7.3 logs them of our task (loggers/evaluation_tracker.py:260): no doc, our verdicts whole.

    Of the first reply its filter has dropped the reasoning, which ``resps`` then has.
    """
    rows = []
    for place, sample in enumerate(SAMPLES):
        doc = lmms_eval.make_doc("phantom", sample)
        verdicts = lmms_eval.process_results(doc, [reply_to(sample)])
        asked = lmms_eval.doc_to_text(doc)
        rows.append({"doc_id": place, "target": doc["answer"], "filtered_resps": reply_to(sample), "input": asked})
        rows[-1].update(verdicts)
    whole = f"<think>It shows.</think>{rows[0]['filtered_resps']}"
    rows[0]["resps"], rows[1]["filtered_resps"] = [whole], [rows[1]["filtered_resps"]]
    return rows


def test_a_sample_log_of_lmms_eval_comes_back_by_our_ids(tmp_path: Path) -> None:
    path = log(tmp_path / "out" / "some__model", logged()[::-1])
    for place in (path, path.parent, path.parent.parent):
        counts, rows = taken(place, tmp_path / "run")
        same_as_asked(rows, "<think>It shows.</think>")
        assert (counts["unmatched"], counts["problem"]) == (0, "")
        assert all(row.prompt.startswith(row.question) for row in rows)
        for row, line in zip(rows, logged(), strict=True):
            assert score(row.text, row.sample).accuracy == line["infimed_accuracy"]["score"]


def test_without_the_data_set_a_log_still_tells_the_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise DataError("its files are not there")

    monkeypatch.setattr("infimed_plugins.benchmarks.imported.importer.questions", gone)
    counts, rows = taken(log(tmp_path, logged()), tmp_path / "run")
    assert "not joined" in counts["problem"]
    choices = [(row, sample) for row, sample in zip(rows, SAMPLES, strict=True) if sample.options]
    assert choices
    for row, sample in choices:
        assert (row.id, row.question, tuple(row.options or ())) == (sample.id, sample.question, sample.options)
        assert (row.gold, row.task) == (sample.answer, "multiple_choice")


def without(key: str) -> Callable[[Rows], Rows]:
    return lambda rows: [{name: value for name, value in row.items() if name != key} for row in rows]


def of_another_task(rows: Rows) -> Rows:
    for row in rows:
        kept = json.loads(row["infimed_accuracy"]["sample"])
        row["infimed_accuracy"]["sample"] = json.dumps({**kept, "id": kept["id"].replace("phantom", "slake")})
    return rows


@pytest.mark.parametrize(
    ("name", "change", "error", "said"),
    [
        ("mmmu_val", list, ConfigError, "'mmmu_val' is none of infimed_"),
        ("infimed_phantom", without("infimed_accuracy"), DataError, r":1: no line of a sample log of our tasks"),
        ("infimed_phantom", without("filtered_resps"), DataError, "run them with --log_samples"),
        ("infimed_phantom", of_another_task, DataError, r"none of the 24 rows is a question of phantom .*another task"),
        ("infimed_slake", list, DataError, r"none of the 24 rows is a question of slake \(the first is phantom-test-0"),
        ("infimed_phantom", lambda rows: [*rows, rows[3]], DataError, "rows 4 and 25 have one id, phantom-test-00003"),
        ("infimed_phantom", lambda rows: [*rows[:2], "cut"], DataError, ":3: no line of a sample log"),
    ],
)
def test_a_log_that_is_not_ours_is_named(name: str, change: Any, error: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=said) as caught:
        import_run(log(tmp_path, change(logged()), name), tmp_path / "run", model="m", downloads=FIXTURES)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "change", "error", "said"),
    [
        ("M_mine.tsv", list, ConfigError, "'M_mine' is none of GMAI.*infimed_phantom.*rename it or name the benchmark"),
        ("M_infimed_phantom.tsv", without("id"), DataError, "a row has no 'id'"),
        ("M_infimed_phantom.tsv", without("prediction"), DataError, "a row has no 'prediction'"),
        ("M_infimed_phantom.tsv", lambda rows: [*rows, rows[3]], DataError, "have one id, phantom-test-00003"),
        ("M_infimed_vqa_rad_openended.tsv", list, DataError, "none of the 24 rows is a question of vqa_rad"),
    ],
)
def test_a_table_that_is_not_ours_is_named(name: str, change: Any, error: Any, said: str, tmp_path: Path) -> None:
    path, _, _ = write_tsv(registry().get("benchmark", "phantom"), tmp_path / "LMUData", limit=24)
    made = answered(path, tmp_path, lambda path, rows: as_tsv(path, change(rows))).rename(tmp_path / name)
    with pytest.raises(error, match=said) as caught:
        import_run(made, tmp_path / "run", model="m", downloads=FIXTURES)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("lmms_eval") is None, reason="needs lmms-eval")
@pytest.mark.slow
def test_the_log_that_lmms_eval_itself_writes_is_taken(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "lmms_eval",
        "--model",
        "dummy",
        "--model_args",
        "response=<think>So.</think>It is B.",
        "--limit",
        "24",
    ]
    command += ["--tasks", "infimed_phantom", "--include_path", str(lmms_eval.write_tasks())]
    command += ["--log_samples", "--output_path", str(tmp_path / "out")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    counts, rows = taken(tmp_path / "out", tmp_path / "run")
    assert (counts["replies"], counts["unmatched"], counts["problem"]) == (24, 0, "")
    assert [(row.id, row.text) for row in rows] == [(one.id, "<think>So.</think>It is B.") for one in SAMPLES]


STUB = """
import sys
from pathlib import Path

import vlmeval
from PIL import Image
from vlmeval.config import supported_VLM
from vlmeval.vlm.base import BaseModel

sys.path.insert(0, str(Path(vlmeval.__file__).parents[1]))  # run.py stands in its repository, beside the package
from run import main


class Stub(BaseModel):
    INTERLEAVE = True

    def generate_inner(self, message, dataset=None):
        sizes = [Image.open(part["value"]).size for part in message if part["type"] == "image"]
        return f"<think>{sizes}</think>It is B."


supported_VLM["stub"] = Stub
main()
"""


@pytest.mark.skipif(importlib.util.find_spec("vlmeval") is None, reason="needs VLMEvalKit, from its repository")
@pytest.mark.slow
def test_vlmevalkit_itself_asks_what_we_wrote_and_its_results_are_taken(tmp_path: Path) -> None:
    names = ("phantom", "vqa_rad", "medxpertqa_mm", "medqa")  # choices and open ones, open ones, choices, no pictures
    written = {}
    for name in names:
        path, count, _ = write_tsv(registry().get("benchmark", name), tmp_path / "D", downloads=FIXTURES, limit=24)
        written[name] = (path.stem, count)
    command = [sys.executable, "-c", STUB, "--model", "stub", "--mode", "infer", "--work-dir", str(tmp_path / "out")]
    command += ["--data", *(stem for stem, _ in written.values())]
    environment = {**os.environ, "LMUData": str(tmp_path / "D"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    counts = import_run(tmp_path / "out" / "stub", tmp_path / "run", model="stub", downloads=FIXTURES)
    for name, (_, count) in written.items():
        assert (counts[name]["replies"], counts[name]["unmatched"]) == (count, 0)
        for row in RunFolder(tmp_path / "run" / name / "medevalkit").answered():
            assert row.text.endswith("</think>It is B.")
            assert row.text.count("(") == len(row.images)
