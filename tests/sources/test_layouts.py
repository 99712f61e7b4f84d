"""The folders of authors and frameworks, as they lie about: each is found below --from and read as what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Sample
from infimed_plugins.sources.choices import letter_of_text
from infimed_plugins.sources.public import UnusableRow

FIXTURES = Path(__file__).parents[1] / "data" / "sources"


def read(name: str, split: str, folder: Path) -> list[Sample]:
    rows = list(registry().get("source", name).load(split, folder=folder))
    assert all(isinstance(row, Sample) for row in rows), rows
    return [row for row in rows if isinstance(row, Sample)]


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


@pytest.mark.parametrize(
    ("name", "split", "where"),
    [
        ("slake", "train", "slake/Slake1.0"),
        ("slake", "train", "Slake1.0"),
        ("slake", "train", "datas/SLAKE"),
        ("slake", "train", "slake/SLAKE"),
        ("pmc_vqa_2", "test", "datas/PMC-VQA"),
        ("pmc_vqa_2", "test", "data/PMC_VQA"),
        ("vqa_rad", "train", "datas/VQA_RAD"),
        ("vqa_rad", "train", "vqa-rad"),
        ("path_vqa", "test", "datas/PATH_VQA"),
        ("medqa", "test", "questions/US"),
        ("medqa", "test", "medqa/data_clean/questions/US/4_options"),
        ("medqa", "test", "datas/MedQA_USMLE"),
        ("medxpertqa_mm", "dev", "datas/MedXpertQA"),
        ("medmcqa", "validation", "datas/MedMCQA"),
        ("pubmedqa", "test", "datas/PubMedQA"),
        ("mmlu_medical", "test", "datasets/MMLU"),
        ("mmmu_health", "validation", "MMMU"),
        ("scienceqa", "test", "ScienceQA"),
    ],
)
def test_a_folder_is_found_by_the_names_of_authors_and_frameworks(
    name: str, split: str, where: str, tmp_path: Path
) -> None:
    own = FIXTURES / name
    shutil.copytree(own, tmp_path / where)
    (tmp_path / "phantom").mkdir()  # a folder of several sets, which says nothing of those that it lacks
    expected = [row.id for row in registry().get("source", name).load(split, folder=FIXTURES)]
    assert [row.id for row in registry().get("source", name).load(split, folder=tmp_path)] == expected


def rad(qid: int, phrase: str) -> dict[str, Any]:
    return {"qid": qid, "phrase_type": phrase, "image_name": "s.jpg", "image_organ": "CHEST", "question": f"Q{qid}?",
            "answer": "Yes", "answer_type": "CLOSED", "question_type": "PRES"}  # fmt: skip


@pytest.mark.parametrize("where", ["vqa_rad", "vqa_rad/data_RAD", "data_RAD", "data/data_RAD"])
def test_vqa_rad_of_mevf_has_a_file_for_each_split(where: str, tmp_path: Path) -> None:
    write(tmp_path / where / "trainset.json", [rad(1, "freeform"), rad(2, "para")])
    write(tmp_path / where / "testset.json", [rad(3, "test_freeform"), rad(4, "test_para"), rad(5, "freeform")])
    picture(tmp_path / where / "images" / "s.jpg")
    assert [s.question for s in read("vqa_rad", "train", tmp_path)] == ["Q1?", "Q2?"]
    assert [s.question for s in read("vqa_rad", "test", tmp_path)] == ["Q3?", "Q4?", "Q5?"]


def test_a_trainset_of_another_data_set_is_refused_by_its_columns(tmp_path: Path) -> None:
    write(tmp_path / "trainset.json", [{"image_name": "s.jpg", "question": "Q?", "answer": "ct", "category": "C1"}])
    with pytest.raises(DataError, match=r"trainset\.json has no column 'qid'.*the file is another's"):
        read("vqa_rad", "train", tmp_path)


@pytest.mark.parametrize(
    "where", ["eval/data/medxpertqa/input/", "medxpertqa_mm/", "MedXpertQA/eval/data/medxpertqa/input/"]
)
@pytest.mark.parametrize("images", [[{"image_path": "MM-0-a.jpeg"}], ["MM-0-a.jpeg"], ["images/MM-0-a.jpeg"]])
def test_medxpertqa_in_githubs_form(where: str, images: list[Any], tmp_path: Path) -> None:
    options = [{"letter": "A", "content": "Gout"}, {"letter": "B", "content": "Lupus"}]
    row = {"id": "MM-0", "question": "Which?\nAnswer Choices: (A) Gout (B) Lupus", "options": options, "label": ["B"],
           "images": images, "medical_task": "Diagnosis", "body_system": "Skin", "question_type": "R"}  # fmt: skip
    write(tmp_path / where / "medxpertqa_mm_input.jsonl", json.dumps(row) + "\n")
    write(tmp_path / where / "medxpertqa_text_input.jsonl", json.dumps({**row, "id": "Text-0"}) + "\n")
    picture(tmp_path / "images" / "MM-0-a.jpeg")
    (sample,) = read("medxpertqa_mm", "test", tmp_path)
    assert (sample.question, sample.answer, sample.options, len(sample.images)) == ("Which?", "B", ("Gout", "Lupus"), 1)
    (sample,) = read("medxpertqa_text", "test", tmp_path)
    assert (sample.id, sample.answer) == ("medxpertqa_text-test-Text-0", "B")


@pytest.mark.parametrize("root", ["", "scienceqa", "ScienceQA/data/scienceqa"])
@pytest.mark.parametrize("images", ["images/", ""])
def test_scienceqa_of_its_authors(root: str, images: str, tmp_path: Path) -> None:
    row = {"question": "Which?", "choices": ["a", "b"], "answer": 1, "hint": "", "grade": "2", "topic": "geography",
           "subject": "social science", "solution": "It is b.", "image": None, "task": "closed choice"}  # fmt: skip
    rows = {
        "1": {**row, "split": "train"},
        "2": {**row, "split": "val", "image": "image.png"},
        "3": {**row, "split": "test"},
    }
    write(tmp_path / root / "problems.json", rows)
    picture(tmp_path / root / f"{images}val/2/image.png")
    assert [s.id for s in read("scienceqa", "train", tmp_path)] == ["scienceqa-train-1"]
    (sample,) = read("scienceqa", "validation", tmp_path)
    assert (sample.answer, len(sample.images), sample.rationale) == ("B", 1, "It is b.")
    assert [s.id for s in read("scienceqa", "test", tmp_path)] == ["scienceqa-test-3"]


@pytest.mark.parametrize("where", ["pubmedqa", "pubmedqa/data", "data", ""])
def test_pubmedqa_of_its_authors(where: str, tmp_path: Path) -> None:
    row = {
        "QUESTION": "Is it?",
        "CONTEXTS": ["One.", "Two."],
        "LABELS": ["A", "B"],
        "LONG_ANSWER": "It may.",
        "YEAR": "2011",
    }
    write(
        tmp_path / where / "ori_pqal.json",
        {"11": {**row, "final_decision": "maybe"}, "12": {**row, "final_decision": "no"}},
    )
    write(tmp_path / where / "test_ground_truth.json", json.dumps({"12": "no"}, indent=4))
    (train,), (test,) = read("pubmedqa", "train", tmp_path), read("pubmedqa", "test", tmp_path)
    assert (train.id, train.answer, train.question) == ("pubmedqa-train-11", "C", "One.\nTwo.\nIs it?")
    assert (test.id, test.answer, test.options) == ("pubmedqa-test-12", "B", ("yes", "no", "maybe"))
    with pytest.raises(MissingFileError):
        read("pubmedqa", "validation", tmp_path)


@pytest.mark.parametrize("where", ["mmlu_medical", "mmlu_medical/data", "data"])
def test_mmlu_of_its_authors_has_tables_without_a_header(where: str, tmp_path: Path) -> None:
    source = registry().get("source", "mmlu_medical")
    for subject in ("anatomy", "clinical_knowledge", "college_biology", "college_medicine", "medical_genetics",
                    "professional_medicine", "nutrition", "virology", "high_school_biology"):  # fmt: skip
        write(tmp_path / where / "val" / f"{subject}_val.csv", '"Which, of these?",AA,Aa,aa,None,C\nTwo?,1,2,3,4,A\n')
    rows = list(source.load("validation", folder=tmp_path))
    assert len(rows) == 18
    assert (rows[0].question, rows[0].options, rows[0].answer) == ("Which, of these?", ("AA", "Aa", "aa", "None"), "C")
    write(tmp_path / where / "val" / "anatomy_val.csv", "a,b\n")
    with pytest.raises(DataError, match="has 2 columns, not question, A, B, C, D, answer"):
        list(source.load("validation", folder=tmp_path))


def test_tabmwp_may_have_only_the_thousand_problems_that_papers_report(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "tabmwp", tmp_path / "tabmwp")
    source = registry().get("source", "tabmwp")
    expected = [s.id for s in source.load("test", folder=tmp_path)]
    (path,) = (tmp_path / "tabmwp").rglob("problems_test.json")
    path.rename(path.with_name("problems_test1k.json"))
    assert [s.id for s in source.load("test", folder=tmp_path)] == expected


def test_medqa_loses_the_quote_that_ends_a_field(tmp_path: Path) -> None:
    options = {"A": "5' end", "B": '"Pre" phase', "C": "x ", "D": 'Lupus\n"'}
    row = {"question": "Which?", "options": options, "answer_idx": "D", "answer": 'Lupus\n"', "meta_info": "step1"}
    write(tmp_path / "phrases_no_exclude_test.jsonl", json.dumps(row) + "\n")
    assert read("medqa", "test", tmp_path)[0].options == ("5' end", '"Pre" phase', "x", "Lupus")


@pytest.mark.parametrize(
    ("text", "options", "letter"),
    [
        ("liver", ("lung", "Liver", "liver"), "C"),  # as written before any other
        ("Liver", ("liver", "lung", "LIVER"), "A"),
        ("Aa", ("AA", "Aa", "aa"), "B"),
        ("lung", ("lung", "liver", "lung"), "A"),
    ],
)
def test_an_answer_by_its_text_is_the_first_of_twins(text: str, options: tuple[str, ...], letter: str) -> None:
    assert letter_of_text(text, options) == letter
    with pytest.raises(UnusableRow, match="none of the options"):
        letter_of_text("spleen", options)
