"""The text benchmarks as upstream has them: every quirk is read, every bad row is named, nothing asks for a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.prompts import question_text
from infimed_plugins.records import BadRow, Sample
from infimed_plugins.sources.medmcqa import MEDMCQA
from infimed_plugins.sources.medqa import MEDQA
from infimed_plugins.sources.medxpertqa import MEDXPERTQA_TEXT
from infimed_plugins.sources.mmlu_medical import MMLU_MEDICAL, SUBJECTS
from infimed_plugins.sources.public import PublicSource
from infimed_plugins.sources.pubmedqa import PUBMEDQA

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
SOURCES = (MEDQA, MEDMCQA, PUBMEDQA, MMLU_MEDICAL, MEDXPERTQA_TEXT)


def read(source: PublicSource, split: str, **options: Any) -> tuple[list[Sample], list[tuple[str, str]]]:
    """The samples of a small copy, and the ids (behind the split) and reasons of its bad rows."""
    rows = list(source.load(split, folder=FIXTURES, **options))
    start = f"{source.name}-{split}-"
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.id.startswith(start) for row in rows)
    samples = [row for row in rows if isinstance(row, Sample)]
    assert all(sample.task == "multiple_choice" and not sample.images for sample in samples)
    return samples, [(row.id.removeprefix(start), row.reason) for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize("split", ["train", "test"])
def test_medqa_has_four_options_and_the_step_of_the_examination(split: str) -> None:
    samples, bad = read(MEDQA, split)
    assert [(s.answer, s.meta["kind"]) for s in samples] == [("D", "step2&3"), ("A", "step1")]
    assert samples[0].options == ("Ampicillin", "Ceftriaxone", "Doxycycline", "Nitrofurantoin")
    assert samples[0].question == "A 23-year-old woman at 22 weeks gestation has pain. Which is the best treatment?"
    assert bad == [
        ("00002", "the answer is none of the options"),
        ("00003", "a choice is empty"),
        ("00004", "no question"),
    ]


def test_medqa_reads_the_authors_own_folders(tmp_path: Path) -> None:
    (tmp_path / "4_options").mkdir()
    lines = (FIXTURES / "medqa" / "phrases_no_exclude_test.jsonl").read_text(encoding="utf-8")
    (tmp_path / "4_options" / "phrases_no_exclude_test.jsonl").write_text(lines, encoding="utf-8")
    assert len(list(MEDQA.load("test", folder=tmp_path))) == 5


@pytest.mark.parametrize("split", ["train", "validation"])
def test_medmcqa_counts_its_answers_from_zero(split: str) -> None:
    samples, bad = read(MEDMCQA, split)
    assert [(s.answer, s.rationale, s.meta["choice_type"]) for s in samples] == [
        ("C", "Ans. (c) Vitamin B12", "single"),
        ("A", None, "multi"),
    ]
    assert samples[0].meta == {"kind": "Biochemistry", "choice_type": "single", "topic": "Vitamins"}
    assert "topic" not in samples[1].meta
    assert bad == [("45258d3d-2", "a choice is empty"), ("45258d3d-3", "the answer is none of the options")]


def test_medmcqa_test_rows_have_no_answers() -> None:
    assert read(MEDMCQA, "test") == ([], [("45258d3d-0", "no answer")])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_pubmedqa_puts_the_abstract_before_the_question(split: str) -> None:
    samples, bad = read(PUBMEDQA, split)
    assert [s.question for s in samples] == [
        "Dyschesia can be provoked by defecation.\nConsecutive patients were studied.\n"
        "Is anorectal endosonography valuable in dyschesia?",
        "Is anorectal endosonography valuable in dyschesia?",
    ]
    assert [(s.answer, s.meta["kind"], s.options) for s in samples] == [
        ("A", "yes", ("yes", "no", "maybe")),
        ("C", "maybe", ("yes", "no", "maybe")),
    ]
    assert [s.rationale for s in samples] == ["Linear anorectal endosonography showed it.", None]
    assert bad == [("0002", "the answer is none of the options"), ("0003", "no question")]


@pytest.mark.parametrize("split", ["dev", "validation", "test"])
def test_mmlu_takes_nine_subjects_and_no_other(split: str) -> None:
    samples, bad = read(MMLU_MEDICAL, split)
    assert [s.meta["kind"] for s in samples] == list(SUBJECTS)
    assert {(s.answer, s.options) for s in samples} == {("D", ("one", "two", "three", "four"))}
    assert bad == [("virology-0001", "the answer is none of the options")]


def test_medxpertqa_text_has_ten_options_cut_off_its_question() -> None:
    samples, bad = read(MEDXPERTQA_TEXT, "test")
    assert [(s.id, s.answer, len(s.options or ())) for s in samples] == [
        ("medxpertqa_text-test-Text-0", "J", 10),
        ("medxpertqa_text-test-Text-1", "B", 10),
    ]
    assert {s.question for s in samples} == {"A 45-year-old man has pain.\nWhat is the cause?"}
    assert question_text(samples[0]).splitlines()[-2] == "J. None"
    assert samples[1].meta == {"kind": "Understanding", "medical_task": "Diagnosis", "body_system": "Skeletal"}
    assert bad == [("Text-2", "the answer is none of the options"), ("Text-3", "a choice is empty")]


def test_medxpertqa_text_reads_parquet_too() -> None:
    samples, bad = read(MEDXPERTQA_TEXT, "dev")
    assert ([s.answer for s in samples], bad) == (["J"], [])


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_missing_files_are_named_and_a_limit_is_kept(source: PublicSource, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="its files are not there"):
        list(source.load("test", folder=tmp_path))
    assert len(list(source.load("test", folder=FIXTURES, limit=1))) == 1
    assert list(source.load("test", folder=FIXTURES, limit=0)) == []


def test_a_file_of_another_schema_is_named(tmp_path: Path) -> None:
    (tmp_path / "phrases_no_exclude_test.jsonl").write_text('{"question": "Which?"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="no column 'options'"):
        list(MEDQA.load("test", folder=tmp_path))
