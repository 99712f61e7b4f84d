"""Result files of MedEvalKit and VLMEvalKit give their replies, each joined to its question; damaged ones are named."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.imported.importer import Counts, import_run
from infimed_plugins.benchmarks.imported.result_files import (
    MEDEVALKIT_SETS,
    VLMEVALKIT_SETS,
    ImportedReply,
    result_parts,
)
from infimed_plugins.benchmarks.judging import metrics_of
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.benchmarks.scorers import scores
from infimed_plugins.errors import ConfigError, DataError, InfimedError, MissingExtraError, MissingFileError
from infimed_plugins.parsing.options import same_options
from infimed_plugins.plugins import registry
from infimed_plugins.records import Response, Sample
from infimed_plugins.scoring import medevalkit

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
DATASETS = {  # MedEvalKit's name -> ours, all that it writes replies of
    "VQA_RAD": "vqa_rad",
    "PATH_VQA": "path_vqa",
    "SLAKE": "slake",
    "PMC_VQA": "pmc_vqa",
    "OmniMedVQA": "omnimedvqa",
    "MedXpertQA-MM": "medxpertqa_mm",
    "MedXpertQA-Text": "medxpertqa_text",
    "MedQA_USMLE": "medqa",
    "MedMCQA": "medmcqa",
    "PubMedQA": "pubmedqa",
    "MMMU-Medical-val": "mmmu_health",
}
COUNTED = ("VQA_RAD", "PATH_VQA", "SLAKE", "PMC_VQA", "MedQA_USMLE", "PubMedQA")  # sets whose files hold no ids
VQA = {"question": "is this a CT?", "answer": "Yes", "response": "yes", "correct": True}
CHOICES = ["A. Gout", "B. Lupus"]
ASKED = {"prompt": "\nQuestion: q\nOptions: \n", "answer": "B", "choices": CHOICES, "response": "B", "correct": True}
MCQ_ROW = {
    "index": "7",
    "question": "Which structure is marked?",
    "A": "Liver",
    "B": "None",
    "C": "",
    "answer": "A",
    "category": "Organ",
    "prediction": 'It is "A",\nthe liver.\tYes',
}


def save_json(path: Path, rows: object) -> Path:
    """As MedEvalKit's utils.save_json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=4, ensure_ascii=False), encoding="utf-8")
    return path


def save_tsv(path: Path, rows: list[dict[str, Any]]) -> Path:
    """As VLMEvalKit's smp.file.dump: every field quoted."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path: Path, name: str | None = None) -> list[ImportedReply]:
    parts = result_parts(path, benchmark(name) if name else None)
    return [reply for part in parts for reply in part.replies()]


@pytest.mark.parametrize(
    ("folder", "row", "expected"),
    [
        ("VQA_RAD", VQA, "vqa_rad-test-00000"),
        ("PATH_VQA", {**VQA, "metrics": {"em": True}}, "path_vqa-test-00000"),
        ("SLAKE", {**VQA, "lang": "en", "answer_type": "CLOSED", "prompt": "p"}, "slake-test-row0"),
        ("PMC_VQA", ASKED, "pmc_vqa_2-test-000000"),
        ("OmniMedVQA", {**ASKED, "question_id": "ACRIMA_0000"}, "omnimedvqa-test-ACRIMA_0000"),
        ("MedXpertQA-MM", {**ASKED, "id": "MM-26"}, "medxpertqa_mm-test-MM-26"),
        ("MedXpertQA-Text", {**ASKED, "id": "Text-1"}, "medxpertqa_text-test-Text-1"),
        ("MedQA_USMLE", ASKED, "medqa-test-00000"),
        ("MedMCQA", {**ASKED, "id": "45258d3d-0", "cop": 2}, "medmcqa-validation-45258d3d-0"),
        ("PubMedQA", {**ASKED, "Question": "q"}, "pubmedqa-test-0000"),
    ],
)
def test_a_data_sets_folder_of_medevalkit_is_read(
    folder: str, row: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    save_json(tmp_path / folder / "results.json", [row])
    save_json(tmp_path / folder / "metrics.json", {"total metrics": {"acc": 1.0}})
    for path in (tmp_path, tmp_path / folder, tmp_path / folder / "results.json"):
        (reply,) = read(path)
        assert (reply.id, reply.text, reply.error) == (expected, row["response"], None)
        assert reply.row == {key: value for key, value in row.items() if key != "response"}
        assert reply.prompt == row.get("prompt", "")


def test_mmmu_has_a_file_for_each_subject(tmp_path: Path) -> None:
    def row(subject: str, **more: Any) -> dict[str, Any]:
        made = {"id": f"validation_{subject}_1", "question_type": "multiple-choice", "answer": "B"}
        options = {"all_choices": ["A", "B"], "index2ans": {"A": "x", "B": "y"}}
        return {**made, **options, "response": "B", "parsed_pred": "B", **more}

    for subject in ("Pharmacy", "Clinical_Medicine"):
        folder = tmp_path / "MMMU-Medical-val" / subject
        save_json(folder / "output_sample.json", [row(subject)])
        save_json(folder / "parsed_output.json", [row(subject, judge="Correct")])
        save_json(folder / "result.json", {"acc": 1.0})
    replies = read(tmp_path)
    assert [reply.id for reply in replies] == [
        "mmmu_health-validation-Clinical_Medicine_1",
        "mmmu_health-validation-Pharmacy_1",
    ]
    assert {reply.row["judge"] for reply in replies} == {"Correct"}
    assert len(read(tmp_path / "MMMU-Medical-val" / "Pharmacy" / "parsed_output.json")) == 1


def test_all_data_sets_of_an_output_folder_are_read_and_others_left_out(tmp_path: Path) -> None:
    for name in ("VQA_RAD", "PMC_VQA", "CMB"):
        save_json(tmp_path / name / "results.json", [ASKED])
    save_json(tmp_path / "total_results.json", {"VQA_RAD": {}})
    assert [part.of.benchmark.source for part in result_parts(tmp_path)] == ["pmc_vqa_2", "vqa_rad"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)], ids=str)
def test_chunks_are_put_back_in_upstreams_order(order: tuple[int, ...], tmp_path: Path) -> None:
    rows = [{**VQA, "question": f"{place}?", "response": "yes"} for place in range(8)]
    unscored = [{key: value for key, value in row.items() if key != "correct"} for row in rows]
    for number in range(3):
        save_json(tmp_path / "VQA_RAD" / f"results_{number}.json", unscored[number::3])
    expected = [f"{place}?" for place in range(8)]
    assert [r.row["question"] for r in sorted(read(tmp_path), key=lambda r: r.position)] == expected
    save_json(tmp_path / "VQA_RAD" / "results.json", [row for number in order for row in rows[number::3]])
    replies = sorted(read(tmp_path), key=lambda reply: reply.position)
    assert [reply.row["question"] for reply in replies] == expected
    assert [reply.id for reply in replies] == [f"vqa_rad-test-{place:05d}" for place in range(8)]
    assert all(reply.row["correct"] for reply in replies)


def test_chunks_of_another_run_and_missing_ones_are_refused(tmp_path: Path) -> None:
    save_json(tmp_path / "VQA_RAD" / "results_1.json", [{**VQA, "response": "another"}])
    with pytest.raises(DataError, match=r"no results_0\.json"):
        read(tmp_path)
    with pytest.raises(DataError, match="is one chunk of a run"):
        read(tmp_path / "VQA_RAD" / "results_1.json")
    save_json(tmp_path / "VQA_RAD" / "results.json", [VQA])
    with pytest.raises(DataError, match=r"is not its results_\*\.json put together"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", [".tsv", ".json", ".xlsx"])
def test_vlmevalkits_predictions_are_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"Qwen2.5-VL-7B_GMAI-MMBench_VAL{suffix}"
    if suffix == ".tsv":
        save_tsv(path, [MCQ_ROW])
    elif suffix == ".json":
        save_json(path, [MCQ_ROW])
    else:
        save_xlsx(path, [MCQ_ROW])
    for source in (path, tmp_path):
        (reply,) = read(source)
        assert (reply.id, reply.text) == ("gmai_mmbench-val-7", MCQ_ROW["prediction"])
        assert (reply.row["B"], reply.row["answer"], reply.row["C"] or "") == ("None", "A", "")
        assert reply.prompt == ""


def save_xlsx(path: Path, rows: list[dict[str, Any]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append([value if value != "" else None for value in row.values()])
    book.save(path)
    return path


def test_a_reply_that_xlsx_cut_is_no_reply_and_an_empty_cell_is_an_empty_one(tmp_path: Path) -> None:
    rows = [{**MCQ_ROW, "prediction": "x" * 32_767}, {**MCQ_ROW, "prediction": ""}]
    cut, empty = read(save_xlsx(tmp_path / "M_GMAI-MMBench_VAL.xlsx", rows))
    assert "cut at 32,767 characters" in (cut.error or "")
    assert (empty.text, empty.error) == ("", None)


def test_xlsx_without_openpyxl_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "M_GMAI-MMBench_VAL.xlsx").write_bytes(b"")
    with pytest.raises(MissingExtraError, match="openpyxl"):
        read(tmp_path / "M_GMAI-MMBench_VAL.xlsx")


def test_what_xlsx_escapes_comes_back(tmp_path: Path) -> None:
    rows = [{**MCQ_ROW, "prediction": "A1_x000D_\nB_x005F_x000D_"}]  # as xlsxwriter puts a return and "_x000D_"
    (reply,) = read(save_xlsx(tmp_path / "M_GMAI-MMBench_VAL.xlsx", rows))
    assert reply.text == "A1\r\nB_x000D_"


def test_a_damaged_xlsx_is_named(tmp_path: Path) -> None:
    path = save_xlsx(tmp_path / "M_GMAI-MMBench_VAL.xlsx", [MCQ_ROW])
    for damaged in (path.read_bytes()[:500], b"", b"no zip"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="is no whole xlsx file"):
            read(path)


def test_only_health_is_taken_of_mmmu(tmp_path: Path) -> None:
    rows = [
        {**MCQ_ROW, "id": f"validation_{name}_1", "l2-category": domain, "split": split}
        for name, domain, split in [
            ("Pharmacy", "Health & Medicine", "validation"),
            ("Art", "Art & Design", "validation"),
            ("Pharmacy", "Health & Medicine", "dev"),
        ]
    ]
    (reply,) = read(save_json(tmp_path / "M_MMMU_DEV_VAL.json", rows))
    assert (reply.id, reply.position) == ("mmmu_health-validation-Pharmacy_1", 0)


@pytest.mark.parametrize(
    ("reply", "error"),
    [(None, "the file has no reply"), ("Failed to obtain answer via API.", "Failed to obtain answer via API.")],
)
def test_a_failed_request_is_no_answer(reply: str | None, error: str, tmp_path: Path) -> None:
    (imported,) = read(save_json(tmp_path / "VQA_RAD" / "results.json", [{**VQA, "response": reply}]))
    assert imported.error == error
    path = tmp_path / "M_GMAI-MMBench_VAL.json"
    path.write_text(json.dumps([{**MCQ_ROW, "prediction": float("nan") if reply is None else reply}]))
    assert [row.error for row in read(path)] == [error]


@pytest.mark.parametrize("reply", ["", "x" * 1_000_000, "左肺", "\ufeff\u2028", "2.0"], ids=lambda reply: reply[:3])
def test_every_reply_comes_back_as_it_was(reply: str, tmp_path: Path) -> None:
    (imported,) = read(save_json(tmp_path / "VQA_RAD" / "results.json", [{**VQA, "response": reply}]))
    assert imported.text == reply
    (imported,) = read(save_tsv(tmp_path / "M_GMAI-MMBench_VAL.tsv", [{**MCQ_ROW, "prediction": reply}]))
    assert imported.text == reply


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"response": "yes", "ans', "is cut off or no JSON"),
        (b"", "is cut off or no JSON"),
        (b"[" * 100_000, "is cut off or no JSON"),
        ('[{"response": "å"}]'.encode("latin-1"), r"is not UTF-8 \(byte 15\)"),
        (b'{"total metrics": {"acc": 1}}', "holds no list of rows"),
        (b'["yes"]', "holds no list of rows"),
        (b'[{"answer": "yes"}]', "a row has no 'response'"),
        (b'[{"response": "yes"}]', "a row has no 'answer'"),
    ],
)
def test_a_damaged_file_of_medevalkit_is_named_with_its_mend(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "VQA_RAD" / "results.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "kind", "message"),
    [
        ("M_GMAI-MMBench_VAL.tsv", b"index\tquestion\n1\tq\n", DataError, "a row has no 'prediction'"),
        ("M_GMAI-MMBench_VAL.tsv", "index\tprediction\n1\tå".encode("latin-1"), DataError, "is not UTF-8"),
        ("M_GMAI-MMBench_VAL.json", b'[{"index": 1', DataError, "is cut off or no JSON"),
        ("M_GMAI-MMBench_VAL.pkl", pickle.dumps([1]), DataError, "is a pickle"),
        ("M_GMAI-MMBench_VAL.txt", b"", ConfigError, "ends in .xlsx, .tsv, .json or .csv"),
        ("M_MMBench.tsv", b"", ConfigError, "is none of GMAI-MMBench_VAL"),
    ],
)
def test_a_file_that_holds_no_predictions_is_named(
    name: str, content: bytes, kind: type[InfimedError], message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(kind, match=message):
        read(tmp_path / name)


def test_a_renamed_file_is_read_when_the_benchmark_is_named(tmp_path: Path) -> None:
    path = save_json(tmp_path / "results.json", [VQA])
    with pytest.raises(ConfigError, match="is none of MMMU-Medical-val"):
        read(path)
    assert [reply.id for reply in read(path, "vqa_rad")] == ["vqa_rad-test-00000"]
    with pytest.raises(ConfigError, match="no replies of 'phantom'"):
        read(path, "phantom")
    other = save_tsv(tmp_path / "mine.tsv", [MCQ_ROW])
    assert [reply.id for reply in read(other, "gmai_mmbench")] == ["gmai_mmbench-val-7"]


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no"):
        read(tmp_path / "gone")
    with pytest.raises(DataError, match=r"holds no results; known are MedEvalKit's results\.json in a folder MMMU-"):
        read(tmp_path)
    (tmp_path / "HealthBench").mkdir()
    (tmp_path / "HealthBench" / "results.json").write_text("[]")
    with pytest.raises(DataError, match=r"results of sets that are not known here \(HealthBench\); known are .*SLAKE"):
        read(tmp_path)
    (tmp_path / "HealthBench" / "results.json").unlink()
    with pytest.raises(DataError, match=r"VLMEvalKit's MODEL_DATASET.*: name the folder or file that the run wrote"):
        read(tmp_path)


@pytest.mark.parametrize("sets", [MEDEVALKIT_SETS, VLMEVALKIT_SETS], ids=["MedEvalKit", "VLMEvalKit"])
def test_ids_of_counted_rows_are_those_of_our_samples(sets: dict[str, Any]) -> None:
    for imported in sets.values():
        source, split = registry().get("source", imported.benchmark.source), imported.benchmark.split
        assert split in source.splits
        if isinstance(imported.ids, int):
            rows = list(source.load(split, folder=FIXTURES))
            assert [imported.sample_id({}, place) for place in range(len(rows))] == [(row.id, True) for row in rows]
            assert any(isinstance(row, Sample) for row in rows)


def benchmark(name: str) -> Benchmark:
    found: Benchmark = registry().get("benchmark", name)
    return found


def written(dataset: str, row: Any, reply: str) -> dict[str, Any]:
    """The row of results.json that MedEvalKit writes of a data set's row: the keys are those of its construct_messages,
    load_data and (of MMMU) run_model."""
    asked = medevalkit.construct(dataset, row, reasoning=False)
    more = {"response": reply, "correct": False}
    if dataset in ("VQA_RAD", "PATH_VQA"):
        return {**row, **more}
    if dataset == "SLAKE":
        kept = {"lang": row["q_lang"], **{key: row[key] for key in ("answer_type", "answer", "question")}}
        return {**kept, "prompt": asked.prompt, **more}
    answered = {"choices": list(asked.choices or ()), "answer": asked.answer, **more}
    if dataset in ("PMC_VQA", "MedQA_USMLE"):
        return {"prompt": asked.prompt, **answered}
    if dataset == "MMMU-Medical-val":
        made = {"id": row["id"], "question_type": row["question_type"], "answer": row["answer"]}
        if asked.kind == "mmmu_mc":
            by_letter = dict(zip("ABCDEFGHIJ", asked.choices or (), strict=False))
            made |= {"all_choices": list(by_letter), "index2ans": by_letter}
        return {**made, "response": reply, "parsed_pred": reply, "judge": "Wrong"}
    fields = row["data"] if dataset == "PubMedQA" else row
    return {key: value for key, value in fields.items() if key not in ("gt_answer", "label", "options")} | answered


def save_results(folder: Path, dataset: str, reply: str = "B", **changes: Any) -> int:
    """A results.json of every row of the small copy that MedEvalKit can ask; of how many questions of ours."""
    of = benchmark(DATASETS[dataset])
    assert of.medevalkit is not None
    rows: list[dict[str, Any]] = []
    usable = 0
    for fields, read_ in registry().get("source", of.source).load_rows(of.split, folder=FIXTURES):
        try:
            rows.append({**written(dataset, of.medevalkit.row(fields), reply), **changes})
        except InfimedError:
            if dataset in COUNTED:  # its place must not be lost
                rows.append({**rows[0], "question": "a question that upstream asks in another language"})
            continue
        usable += isinstance(read_, Sample)
    if dataset == "MMMU-Medical-val":
        for subject in {row["id"].partition("_")[2].rpartition("_")[0] for row in rows}:
            of_subject = [row for row in rows if subject in row["id"]]
            save_json(folder / dataset / subject / "output_sample.json", of_subject)
            save_json(folder / dataset / subject / "parsed_output.json", of_subject)
    else:
        save_json(folder / dataset / "results.json", rows)
        save_json(folder / dataset / "metrics.json", {"total metrics": {"acc": 0}})
    return usable


def imported(path: Path, name: str = "", **options: Any) -> tuple[Counts, list[Response]]:
    """The counts and rows of one benchmark."""
    out = path.with_name(f"{path.name}-run")
    counts = import_run(path, out, model="m", fresh=True, **options)
    name = name or next(iter(counts))
    return counts[name], RunFolder(out / name / "medevalkit").answered()


def our_samples(dataset: str) -> dict[str, Sample]:
    of = benchmark(DATASETS[dataset])
    rows = registry().get("source", of.source).load(of.split, folder=FIXTURES)
    return {row.id: row for row in rows if isinstance(row, Sample)}


def not_at_hand(*_: Any, **__: Any) -> Any:
    raise MissingFileError("its files are not there")


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_rows_that_medevalkit_writes_are_joined_to_their_questions(dataset: str, tmp_path: Path) -> None:
    usable = save_results(tmp_path / "eval", dataset)
    counts, rows = imported(tmp_path / "eval", downloads=FIXTURES)
    samples = our_samples(dataset)
    joined = [row for row in rows if row.id in samples]
    assert (len(joined), counts["missing"], counts["problem"]) == (usable, 0, "")
    assert counts["unmatched"] == counts["replies"] + counts["skipped"] - usable
    for row in joined:
        sample = samples[row.id]
        assert (row.question, row.gold, row.text) == (sample.question, sample.answer, "B")
        assert list(row.images) == [image.sha256() for image in sample.images]
    assert all("-unmatched-" in row.id for row in rows if row not in joined)


@pytest.mark.parametrize("dataset", DATASETS)
def test_without_the_data_set_the_question_is_what_the_file_tells(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_results(tmp_path / "eval", dataset)
    monkeypatch.setattr("infimed_plugins.benchmarks.imported.importer.questions", not_at_hand)
    counts, rows = imported(tmp_path / "eval")
    assert (counts["unmatched"], counts["missing"], len(rows)) == (0, 0, counts["replies"])
    assert "not joined to the data set" in counts["problem"]
    told, samples = {row.id: row for row in rows}, our_samples(dataset)
    if dataset != "SLAKE":  # whose files hold no ids
        assert samples.keys() <= told.keys()
    for id in samples.keys() & told.keys():
        row, sample = told[id], samples[id]
        assert row.task == ("text" if sample.task == "math" else sample.task)
        if dataset == "MMMU-Medical-val":  # whose files do not tell the question
            assert (row.question, row.meta["subject"]) == ("", sample.meta["subject"])
            assert len(row.options or ()) == len(sample.options or ())
        else:
            assert row.question.split()[: len(sample.question.split())] == sample.question.split()
            assert list(row.options or ()) == list(sample.options or ())
            if sample.task == "multiple_choice":
                assert same_options(str(row.gold), str(sample.answer), sample.options or ())
            else:
                assert str(row.gold).lower() == str(sample.answer).lower()


@pytest.mark.parametrize("mode", registry().names("scorer"))
@pytest.mark.parametrize("dataset", DATASETS)
def test_imported_rows_are_judged_in_every_mode(dataset: str, mode: str, tmp_path: Path) -> None:
    save_results(tmp_path / "eval", dataset)
    for options in ({"benchmark": DATASETS[dataset]}, {"downloads": FIXTURES}):
        _, rows = imported(tmp_path / "eval", **options)
        assert len(scores(mode, benchmark(DATASETS[dataset]), rows, "medevalkit")) == len(rows) > 0


@pytest.mark.parametrize("dataset", [name for name in DATASETS if name != "OmniMedVQA"])  # a row of it ends upstream
def test_medevalkits_metrics_come_of_its_own_rows(dataset: str, tmp_path: Path) -> None:
    save_results(tmp_path / "eval", dataset)
    counts, _ = imported(tmp_path / "eval", downloads=FIXTURES)
    metrics = metrics_of(RunFolder(tmp_path / "eval-run" / DATASETS[dataset] / "medevalkit"))
    total = metrics["total" if dataset == "MMMU-Medical-val" else "total metrics"]
    assert total["total"] == counts["replies"]


@pytest.mark.parametrize(
    ("dataset", "changes", "matched"),
    [
        ("VQA_RAD", {"question": "what is the colour of the sky?"}, 0),
        ("VQA_RAD", {"answer": "another gold"}, 0),
        ("PMC_VQA", {"prompt": "\nQuestion: Another one?\nOptions: \n"}, 0),
        ("PMC_VQA", {"answer": "D"}, 0),
        ("MedXpertQA-MM", {"question": "What is it?"}, 0),  # its ids are ours, its questions are not
        ("OmniMedVQA", {"answer": "nothing of the kind"}, 0),
        ("MMMU-Medical-val", {"answer": "nothing of the kind"}, 0),
        ("MMMU-Medical-val", {"index2ans": {"A": "x", "B": "y"}}, 0),
        ("PMC_VQA", {"choices": ["A: x", "B: y", "C: z", "D: w"]}, 0),
        ("VQA_RAD", {"question": " WHAT organ\tis enlarged "}, 1),  # case, blanks and marks are no difference
        ("SLAKE", {"prompt": ""}, 5),
    ],
)
def test_a_reply_to_another_question_is_counted_and_not_joined(
    dataset: str, changes: dict[str, Any], matched: int, tmp_path: Path
) -> None:
    usable = save_results(tmp_path / "eval", dataset, **changes)
    counts, rows = imported(tmp_path / "eval", downloads=FIXTURES)
    assert len({row.id for row in rows} & our_samples(dataset).keys()) == matched
    assert counts["unmatched"] == counts["replies"] - matched
    assert counts["missing"] == usable - matched
    if not matched and "question" in changes:
        assert {row.question for row in rows} == {changes["question"]}  # what the file tells, and not our question


def test_a_whole_output_folder_is_taken_in_and_a_damaged_set_ends_nothing(tmp_path: Path) -> None:
    for dataset in DATASETS:
        save_results(tmp_path / "eval", dataset)
    save_json(tmp_path / "eval" / "total_results.json", {})
    (tmp_path / "eval" / "SLAKE" / "results.json").write_text('[{"response": "cut')
    counts = import_run(tmp_path / "eval", tmp_path / "run", model="m", downloads=FIXTURES)
    assert counts.keys() == {*DATASETS.values(), "SLAKE"} - {"slake"}
    assert "is cut off or no JSON" in counts.pop("SLAKE")["problem"]
    assert all(count["replies"] and not count["problem"] for count in counts.values())
    only = tmp_path / "eval" / "SLAKE"
    with pytest.raises(DataError, match="is cut off or no JSON"):
        import_run(only, tmp_path / "another", model="m", downloads=FIXTURES)
    one = import_run(tmp_path / "eval", tmp_path / "third", model="m", benchmark="pmc_vqa", downloads=FIXTURES)
    assert one.keys() == {"pmc_vqa"}
    with pytest.raises(ConfigError, match="none is called as gmai_mmbench is there"):
        import_run(tmp_path / "eval", tmp_path / "fourth", model="m", benchmark="gmai_mmbench")


def test_a_set_that_the_downloads_lack_is_taken_in_unjoined_beside_others(tmp_path: Path) -> None:
    for dataset in ("VQA_RAD", "PATH_VQA"):
        save_results(tmp_path / "eval", dataset)
    (tmp_path / "downloads").mkdir()
    shutil.copytree(FIXTURES / "vqa_rad", tmp_path / "downloads" / "vqa_rad")
    counts = import_run(tmp_path / "eval", tmp_path / "run", model="m", downloads=tmp_path / "downloads")
    assert counts["vqa_rad"]["problem"] == ""
    assert "path_vqa" in counts["path_vqa"]["problem"]
    assert counts["path_vqa"]["replies"] == 2
    with pytest.raises(MissingFileError, match="path_vqa"):
        import_run(tmp_path / "eval" / "PATH_VQA", tmp_path / "b", model="m", downloads=tmp_path / "downloads")


def test_a_row_without_a_gold_answer_is_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infimed_plugins.benchmarks.imported.importer.questions", not_at_hand)
    save_json(tmp_path / "VQA_RAD" / "results.json", [VQA, {**VQA, "answer": None}, {**VQA, "answer": ""}])
    counts, rows = imported(tmp_path / "VQA_RAD")
    assert (counts["replies"], counts["skipped"], len(rows)) == (1, 2, 1)


def test_questions_about_one_picture_share_a_cluster_by_its_bytes_or_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_results(tmp_path / "eval", "OmniMedVQA")
    samples = our_samples("OmniMedVQA")
    _, joined = imported(tmp_path / "eval", downloads=FIXTURES)
    digests = {row.id: row.cluster for row in joined if row.id in samples}
    assert digests == {id: sample.images[0].sha256() for id, sample in samples.items()}
    assert len({*digests.values()}) < len(digests)
    monkeypatch.setattr("infimed_plugins.benchmarks.imported.importer.questions", not_at_hand)
    _, told = imported(tmp_path / "eval")
    of_acrima = {row.cluster for row in told if "ACRIMA_" in row.id and "gone" not in row.cluster}
    assert of_acrima == {"Images/ACRIMA/0.png", "Images/ACRIMA/1.png"}


def test_what_vlmevalkit_writes_is_joined_and_judged_by_medevalkits_rules_from_our_row(tmp_path: Path) -> None:
    sample = next(iter(our_samples("MMMU-Medical-val").values()))
    asked = {"question": f"<image 1> {sample.question.removeprefix('image 1 ')}", "answer": sample.answer}
    row = {**MCQ_ROW, **asked, "id": "validation_Basic_Medical_Science_1", "prediction": "(B)", "hit": 1}
    path = save_json(tmp_path / "M_MMMU_DEV_VAL.json", [row])
    counts, (joined,) = imported(path, downloads=FIXTURES)
    assert (joined.id, counts["unmatched"]) == (sample.id, 0)
    assert scores("medevalkit", benchmark("mmmu_health"), [joined], "direct")[0].accuracy == 1.0
    several = tmp_path / "several"
    for model in "MN":
        save_json(several / f"{model}_MMMU_DEV_VAL.json", [row])
    with pytest.raises(ConfigError, match="holds several results of one data set"):
        import_run(several, tmp_path / "run", model="m")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No data set at hand."""
    monkeypatch.setattr("infimed_plugins.benchmarks.imported.importer.questions", not_at_hand)


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("out", ["eval", ".", "eval/run", "eval/VQA_RAD", "eval/../eval", "link"])
def test_results_are_never_written_over(out: str, fresh: bool, tmp_path: Path) -> None:
    save_json(tmp_path / "eval" / "VQA_RAD" / "results.json", [VQA])
    save_json(tmp_path / "eval" / "run.json", [{"a": "run"}])
    (tmp_path / "link").symlink_to(tmp_path / "eval")
    before = files_below(tmp_path)
    with pytest.raises(ConfigError, match="is, holds or lies in the results"):
        import_run(tmp_path / "eval", tmp_path / out, model="m", fresh=fresh)
    assert files_below(tmp_path) == before


@pytest.mark.usefixtures("alone")
def test_the_same_import_again_touches_nothing_and_another_is_refused(tmp_path: Path) -> None:
    results, out = tmp_path / "VQA_RAD" / "results.json", tmp_path / "out"
    results.parent.mkdir()
    rows = [{"question": "Is there a mass?", "answer": "yes", "response": "yes"}]
    results.write_text(json.dumps(rows))
    counts = import_run(results, out, model="m")
    (out / "judge.sqlite").write_text("what a judge said")
    assert import_run(results, out, model="m") == counts
    assert (out / "judge.sqlite").exists()
    results.write_text(json.dumps([rows[0] | {"response": "no"}]))
    for model in ("m", "another"):
        with pytest.raises(ConfigError, match="is not empty; name a new folder, or use --fresh"):
            import_run(results, out, model=model)


def test_fresh_removes_an_earlier_run_only_and_only_when_all_is_read(tmp_path: Path) -> None:
    results, out = save_json(tmp_path / "VQA_RAD" / "results.json", [VQA]), tmp_path / "run"
    import_run(results, out, model="first")
    before = files_below(out)
    for path, kind in ((tmp_path / "mistyped", MissingFileError), (tmp_path / "cut" / "results.json", DataError)):
        (tmp_path / "cut").mkdir(exist_ok=True)
        (tmp_path / "cut" / "results.json").write_text("[{")
        with pytest.raises(kind):
            import_run(path, out, model="m", benchmark="vqa_rad", fresh=True)
    with pytest.raises(ConfigError, match="is not empty"):
        import_run(results, out, model="m")
    assert files_below(out) == before
    (out / "run.json").unlink()  # a kill came before it
    (out / "left").write_text("of mine")
    with pytest.raises(ConfigError, match="left is no file of a run, and --fresh would remove it"):
        import_run(results, out, model="second", fresh=True)
    (out / "left").unlink()
    import_run(results, out, model="second", fresh=True)
    assert RunFolder(out / "vqa_rad" / "medevalkit").settings()["model"] == "second"
    for name in ("notes.txt", "settings.json"):
        other = tmp_path / f"of-{name}"
        save_json(other / name, {"editor": "another tool's"})
        with pytest.raises(ConfigError, match="holds no earlier run"):
            import_run(results, other, model="m", fresh=True)
        assert (other / name).exists()


@pytest.mark.parametrize("out", ["file", "file/run", "file/a/b"])
def test_a_file_is_no_folder_for_a_run(out: str, tmp_path: Path) -> None:
    results = save_json(tmp_path / "VQA_RAD" / "results.json", [VQA])
    (tmp_path / "file").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(ConfigError, match="file is no folder, so no run can be written to"):
            import_run(results, tmp_path / out, model="m", fresh=fresh)
    assert (tmp_path / "file").read_text() == "mine"


def test_the_folder_of_the_data_sets_is_never_a_run(tmp_path: Path) -> None:
    results = save_json(tmp_path / "VQA_RAD" / "results.json", [VQA])
    with pytest.raises(ConfigError, match="is or holds the data sets"):
        import_run(results, tmp_path / "D", model="m", downloads=tmp_path / "D" / "hub", fresh=True)


@pytest.mark.parametrize("style", ["medevalkitt", "../../x", ""])
def test_an_unknown_prompt_style_is_refused(style: str, tmp_path: Path) -> None:
    results = save_json(tmp_path / "VQA_RAD" / "results.json", [VQA])
    with pytest.raises(ConfigError, match="unknown prompt style"):
        import_run(results, tmp_path / "run", model="m", style=style)
    assert not (tmp_path / "run").exists()


def test_two_rows_of_one_id_are_kept_apart_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = our_samples("OmniMedVQA")
    save_results(tmp_path / "eval", "OmniMedVQA")
    path = tmp_path / "eval" / "OmniMedVQA" / "results.json"
    rows = json.loads(path.read_text())
    usable = next(row for row in rows if f"omnimedvqa-test-{row['question_id']}" in samples)
    save_json(path, [*rows, {**usable, "response": "C"}, {**usable, "response": "D"}])
    for at_hand in (True, False):
        if not at_hand:
            monkeypatch.setattr("infimed_plugins.benchmarks.imported.importer.questions", not_at_hand)
        counts, kept = imported(tmp_path / "eval", **({"downloads": FIXTURES} if at_hand else {}))
        assert len({row.id for row in kept}) == len(kept) == counts["replies"] == len(rows) + 2 - counts["skipped"]
        assert "2 rows have the id of an earlier row; each counts by itself" in counts["problem"]
        first = next(row for row in kept if row.id == f"omnimedvqa-test-{usable['question_id']}")
        assert first.text == "B"


TABLE = "index\tquestion\tA\tB\tanswer\tprediction\n1\tq\tx\ty\tA\tB\n"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("2\tq\tx\ty\tA", r"line 3: a row of 5 columns, where the header has 6"),
        ("2\tq\tx", r"line 3: a row of 3 columns, where the header has 6"),
        ("2\tq\tx\ty\tA\tB\tC\n", r"line 3: a row of 7 columns, where the header has 6"),
        ('2\t"q\tx\ty\tA\tB\n3\tq\tx\ty\tA\tB\n', "cut off"),
        ('2\t"q\tx\ty\tA\tB\n"3"\t"q"\t"x"\t"y"\t"A"\t"B"\n', "no table of fields"),
        ('2\tq\tx\ty\tA\t"B', "cut off"),
    ],
)
@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_a_torn_table_is_an_error_and_no_wrong_answer(suffix: str, more: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / f"M_GMAI-MMBench_VAL{suffix}"
    path.write_text((TABLE + more).replace("\t", "\t" if suffix == ".tsv" else ","))
    with pytest.raises(DataError, match=said) as caught:
        import_run(path, tmp_path / "run", model="m")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_quote_in_the_header_does_not_take_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "M_GMAI-MMBench_VAL.tsv"
    path.write_text('"' + TABLE)
    with pytest.raises(DataError, match="cut off"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("VQA_RAD/results.json", "[]"),
        ("M_GMAI-MMBench_VAL.json", "[]"),
        ("M_GMAI-MMBench_VAL.tsv", ""),
        ("M_GMAI-MMBench_VAL.csv", "index,prediction\n"),
        ("M_GMAI-MMBench_VAL.tsv", "index\tprediction\n\n"),
        ("M_MMMU_DEV_VAL.json", json.dumps([{**MCQ_ROW, "l2-category": "Art & Design"}])),
        ("VQA_RAD/results.json", json.dumps([{**VQA, "answer": None}])),
    ],
)
@pytest.mark.usefixtures("alone")
def test_nothing_to_judge_is_an_error(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / "eval" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    said = "holds no replies|none of its 1 rows is of MMMU's validation rows of health|no row has a gold answer"
    with pytest.raises(DataError, match=said):
        import_run(path, tmp_path / "run", model="m")
    with pytest.raises(DataError, match=said):
        import_run(tmp_path / "eval", tmp_path / "run", model="m")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("alone")
def test_an_empty_set_beside_others_is_said(tmp_path: Path) -> None:
    save_json(tmp_path / "eval" / "VQA_RAD" / "results.json", [VQA])
    save_json(tmp_path / "eval" / "PATH_VQA" / "results.json", [])
    counts = import_run(tmp_path / "eval", tmp_path / "run", model="m")
    assert (counts["vqa_rad"]["replies"], counts["PATH_VQA"]["replies"]) == (1, 0)
    assert "holds no replies" in counts["PATH_VQA"]["problem"]


def test_a_folder_in_the_place_of_a_file_and_a_huge_number_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a" / "VQA_RAD" / "results.json").mkdir(parents=True)
    (tmp_path / "b" / "M_GMAI-MMBench_VAL.tsv").mkdir(parents=True)
    (tmp_path / "c" / "VQA_RAD").mkdir(parents=True)
    (tmp_path / "c" / "VQA_RAD" / "results.json").write_text(f'[{{"response": "yes", "answer": {"9" * 5_000}}}]')
    for name, said in (("a", "cannot be read"), ("b", "holds no results"), ("c", "is cut off or no JSON")):
        with pytest.raises(DataError, match=said) as caught:
            import_run(tmp_path / name, tmp_path / "run", model="m", fresh=True)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"), [("index2ans", ["x", "y"]), ("choices", 5), ("choices", "A. x"), ("all_choices", "AB")]
)
def test_options_of_another_kind_are_one_line(field: str, value: Any, tmp_path: Path) -> None:
    row = {"id": "validation_Pharmacy_1", "question_type": "multiple-choice", "answer": "B", "response": "B"}
    save_json(tmp_path / "MMMU-Medical-val" / "Pharmacy" / "parsed_output.json", [{**row, field: value}])
    with pytest.raises(DataError, match=f"a row's '{field}' is not"):
        import_run(tmp_path / "MMMU-Medical-val", tmp_path / "run", model="m", downloads=FIXTURES)
    path = save_json(tmp_path / "M_GMAI-MMBench_VAL.json", [{**MCQ_ROW, field: value}])  # no field of VLMEvalKit's
    counts, _ = imported(path, downloads=FIXTURES)
    assert counts["replies"] == 1


@pytest.mark.parametrize(
    ("cells", "gold", "options", "letter"),
    [
        (("Liver", "", "Spleen", "Kidney"), "C", ("Liver", "", "Spleen", "Kidney"), "C"),
        (("Liver", None, "Spleen", " "), "Spleen", ("Liver", "", "Spleen"), "C"),
        (("", "Liver", "Spleen", ""), "B", ("", "Liver", "Spleen"), "B"),
        (("Liver", "Spleen", "", ""), "C", ("Liver", "Spleen", ""), "C"),  # pandas reads the option "None" as empty
        (("", "", "", ""), "A", None, ""),
    ],
)
@pytest.mark.usefixtures("alone")
def test_letters_keep_their_places_beside_an_empty_cell(
    cells: tuple[str | None, ...], gold: str, options: tuple[str, ...] | None, letter: str, tmp_path: Path
) -> None:
    row = {**MCQ_ROW, **dict(zip("ABCD", cells, strict=True)), "answer": gold}
    replies = [letter or "A", "D" if letter != "D" else "A"]
    rows = [{**row, "index": str(place), "prediction": said} for place, said in enumerate(replies)]
    _, kept = imported(save_json(tmp_path / "M_GMAI-MMBench_VAL.json", rows))
    assert [row.options for row in kept] == [options and [*options]] * 2
    assert {row.gold for row in kept} == {letter or gold}
    if letter:
        for mode in ("robust", "medevalkit"):
            right = [score.accuracy for score in scores(mode, benchmark("gmai_mmbench"), kept, "medevalkit")]
            assert right == [1.0, 0.0], mode


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("gold", "kept_as"), [("A, C", "AC"), ("CA", "AC"), ("CAD", "B"), ("ac", "ac")])
def test_a_gold_of_several_letters_is_all_of_them_where_no_option_reads_so(
    gold: str, kept_as: str, tmp_path: Path
) -> None:
    row = {**MCQ_ROW, "A": "Liver", "B": "CAD", "C": "Spleen", "D": "Kidney", "answer": gold}
    rows = [{**row, "index": str(at), "prediction": said} for at, said in enumerate(["A and C", "A", "B", "A, C, D"])]
    _, kept = imported(save_json(tmp_path / "M_GMAI-MMBench_VAL.json", rows))
    assert {one.gold for one in kept} == {kept_as}
    if kept_as == "AC":
        judged = [one.accuracy for one in scores("robust", benchmark("gmai_mmbench"), kept, "medevalkit")]
        assert judged == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.usefixtures("alone")
def test_a_reply_in_words_is_of_the_option_at_its_place(tmp_path: Path) -> None:
    row = {**MCQ_ROW, "A": "Liver", "B": "", "C": "Spleen", "D": "Kidney", "answer": "C"}
    replies = ["The answer is the spleen.", "Kidney", "B", "Liver"]
    rows = [{**row, "index": str(place), "prediction": said} for place, said in enumerate(replies)]
    _, kept = imported(save_json(tmp_path / "M_GMAI-MMBench_VAL.json", rows))
    for mode in ("robust", "medevalkit"):
        assert [one.accuracy for one in scores(mode, benchmark("gmai_mmbench"), kept, "medevalkit")] == [1, 0, 0, 0]


def test_the_benchmarks_that_are_named_are_those_that_are_taken(tmp_path: Path) -> None:
    path = save_json(tmp_path / "results.json", [])
    with pytest.raises(ConfigError, match="no replies of 'phantom'") as caught:
        import_run(path, tmp_path / "run", model="m", benchmark="phantom")
    for name in str(caught.value).rpartition("one of ")[2].split(", "):
        with pytest.raises(DataError, match="holds no replies"):
            import_run(path, tmp_path / "run", model="m", benchmark=name)
    for name in registry().names("benchmark"):  # any can be exported to VLMEvalKit
        with pytest.raises(DataError, match="holds no replies"):
            import_run(save_json(tmp_path / "M.json", []), tmp_path / "run", model="m", benchmark=name)


@pytest.mark.usefixtures("alone")
def test_a_csv_file_is_found_in_a_folder_and_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.xlsx, \.tsv, \.json or \.csv of"):
        read(tmp_path)
    (tmp_path / "M_GMAI-MMBench_VAL.csv").write_text(TABLE.replace("\t", ","))
    for path in (tmp_path, tmp_path / "M_GMAI-MMBench_VAL.csv"):
        assert [(reply.id, reply.text) for reply in read(path)] == [("gmai_mmbench-val-1", "B")]
