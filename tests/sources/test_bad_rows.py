"""One bad row is named and left out, whatever stands in its fields; it ends no run, and null never becomes a word."""

from __future__ import annotations

import json
import logging
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from infimed_plugins.errors import DamagedFileError, MissingExtraError, MissingFileError
from infimed_plugins.plugins import registry
from infimed_plugins.records import BadRow, Sample
from infimed_plugins.sources import SourceEntry, source_entries
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, clean, closed_or_open, missing

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
SPLITS = {"mmmu_health": "validation", "gmai_reasoning": "rl"}
PUBLIC = sorted(set(source_entries()) - {"phantom"})
NULLS = (None, math.nan)
NEEDED = [
    ("vqa_rad", "question", "no question"),
    ("vqa_rad", "answer", "no answer"),
    ("slake", "question", "no question"),
    ("slake", "answer", "no answer"),
    ("path_vqa", "question", "no question"),
    ("path_vqa", "answer", "no answer"),
    ("pmc_vqa", "Question", "no question"),
    ("pmc_vqa", "Answer", "answer and label differ"),
    ("pmc_vqa", "Choice C", "a choice is empty"),
    ("pmc_vqa_2", "Question", "no question"),
    ("pmc_vqa_2", "Choice A", "a choice is empty"),
    ("pmc_vqa_captions", "Caption", "no answer"),
    ("mmmu_health", "question", "no question"),
    ("mmmu_health", "answer", "no answer"),
    ("mmmu_health", "options", "a list cannot be read"),
    ("omnimedvqa", "question", "no question"),
    ("omnimedvqa", "gt_answer", "no answer"),
    ("medxpertqa_mm", "question", "no question"),
    ("medxpertqa_mm", "label", "no answer"),
    ("medxpertqa_mm", "options", "a field cannot be read"),
    ("medxpertqa_text", "question", "no question"),
    ("medxpertqa_text", "label", "no answer"),
    ("medxpertqa_text", "options", "a field cannot be read"),
    ("gmai_mmbench", "question", "no question"),
    ("gmai_mmbench", "answer", "no answer"),
    ("gmai_mmbench", "b", "a choice is empty"),
    ("medqa", "question", "no question"),
    ("medqa", "answer_idx", "no answer"),
    ("medqa", "options", "a field cannot be read"),
    ("medmcqa", "question", "no question"),
    ("medmcqa", "cop", "no answer"),
    ("medmcqa", "opb", "a choice is empty"),
    ("mmlu_medical", "question", "no question"),
    ("mmlu_medical", "answer", "no answer"),
    ("iconqa", "question", "no question"),
    ("iconqa", "answer", "no answer"),
    ("iconqa_hub", "question", "no question"),
    ("iconqa_hub", "answer", "no answer"),
    ("scienceqa", "question", "no question"),
    ("scienceqa", "answer", "no answer"),
    ("tabmwp", "question", "no question"),
    ("tabmwp", "answer", "no answer"),
    ("reasonmed", "instruction", "no question"),
    ("reasonmed", "output", "no answer"),
    ("medical_r1_distill", "question", "no question"),
    ("medical_r1_distill", "response (content)", "no answer"),
    ("medical_o1", "Question", "no question"),
    ("medical_o1", "Response", "no answer"),
    ("tqa_distill", "response", "the reasoning does not end"),
    ("virft_coco", "problem", "no category"),
    ("virft_coco", "solution", "a list cannot be read"),
]


def good_row(name: str) -> tuple[PublicSource, str, Row, Sample]:
    """The first row of a small copy that becomes a Sample."""
    source: PublicSource = registry().get("source", name)
    split = SPLITS.get(name, source.splits[0])
    for row in source.rows(Files(name, source.entry, FIXTURES), split):
        sample = source.read(row, split)
        if isinstance(sample, Sample):
            return source, split, row, sample
    raise AssertionError(f"{name} has no good row")


def texts(sample: Sample) -> set[str]:
    """Everything of a Sample that a model sees."""
    return {sample.question, str(sample.answer), sample.rationale or "", *(sample.options or ())}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_null_in_any_field_never_becomes_a_word_and_never_ends_the_run(name: str) -> None:
    source, split, row, good = good_row(name)
    for field in row.fields:
        for null in NULLS:
            read = source.read(Row(row.id, {**row.fields, field: null}), split)
            if isinstance(read, Sample):
                said = {text.lower().strip() for text in texts(read) - texts(good)}
                assert not said & {"none", "nan"}, field
                assert not {str(value).lower() for value in read.meta.values()} & {"none", "nan"}, field
                assert not any(word in text.split() for text in said for word in ("none", "nan")), field


@pytest.mark.parametrize("null", NULLS, ids=str)
@pytest.mark.parametrize(("name", "field", "reason"), NEEDED)
def test_a_row_without_what_it_needs_is_refused(name: str, field: str, reason: str, null: float | None) -> None:
    source, split, row, _ = good_row(name)
    assert field in row.fields
    read = source.read(Row(row.id, {**row.fields, field: null}), split)
    assert isinstance(read, BadRow)
    assert read.reason == reason


def test_every_source_with_a_question_of_its_own_is_in_the_table() -> None:
    nested = {"gmai_reasoning", "llava_onevision", "pubmedqa"}  # below
    assert {name for name, _, _ in NEEDED} == set(PUBLIC) - nested


@pytest.mark.parametrize("null", NULLS, ids=str)
@pytest.mark.parametrize(
    ("name", "column", "path", "reason"),
    [
        ("gmai_reasoning", "conversations", (0, "value"), "no options in the question"),
        ("gmai_reasoning", "conversations", (1, "value"), "no answer"),
        ("llava_onevision", "conversations", (0, "value"), "no question"),
        ("llava_onevision", "conversations", (1, "value"), "no answer"),
        ("pubmedqa", "data", ("Question",), "no question"),
        ("pubmedqa", "data", ("Correct Option",), "no answer"),
        ("pubmedqa", "data", ("Options", "B"), "a choice is empty"),
        ("medqa", "options", ("D",), "a choice is empty"),
        ("medxpertqa_mm", "options", ("B",), "a choice is empty"),
        ("mmlu_medical", "choices", (1,), "a choice is empty"),
        ("scienceqa", "choices", (1,), "a choice is empty"),
        ("iconqa", "choices", (2,), "a choice is empty"),
    ],
)
def test_nulls_within_a_field_are_refused(
    name: str, column: str, path: tuple[Any, ...], reason: str, null: float | None
) -> None:
    source, split, row, _ = good_row(name)
    fields = json.loads(json.dumps({column: row.fields[column]}))
    inner = fields[column]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = null
    read = source.read(Row(row.id, {**row.fields, **fields}), split)
    assert isinstance(read, BadRow)
    assert read.reason == reason


def test_missing_is_null_or_nan_and_words_stay_words() -> None:
    assert [missing(value) for value in (None, math.nan, "None", "nan", 0, "", False)] == [True] * 2 + [False] * 5
    assert [clean(value) for value in (None, math.nan, "None ", 0, 1.5)] == ["", "", "None", "0", "1.5"]
    assert [closed_or_open(value) for value in (None, "Yes.", 2)] == [("", "open"), ("yes", "closed"), ("2", "open")]


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        (lambda rows: rows[1].pop("answer_type"), "a field is missing", "'answer_type'"),
        (lambda rows: rows[1].pop("img_name"), "a field is missing", "'img_name'"),
        (lambda rows: rows[1].pop("qid"), None, ""),
        (lambda rows: rows.insert(1, None), "it is no object", "None"),
        (lambda rows: rows.insert(1, ["a"]), "it is no object", "['a']"),
        (lambda rows: rows[1].update(question="half \ud800 a pair"), "a text cannot be encoded", "'\\ud800'"),
        (lambda rows: rows[1].update(answer="\udfff"), "a text cannot be encoded", "'\\udfff'"),
        (lambda rows: rows[1].update(modality="\ud800"), "a text cannot be encoded", "'\\ud800'"),
        (
            lambda rows: rows[1].update(img_name="\ud800.jpg"),
            "its image is missing",
            "imgs.zip holds no imgs/\\ud800.jpg",
        ),
        (lambda rows: rows[1].update(q_lang="\ud800"), "another language", "\\ud800"),
    ],
)
def test_one_odd_row_of_json_is_left_out(change: Any, reason: str | None, detail: str, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "slake", tmp_path / "slake")
    path = tmp_path / "slake" / "train.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    change(rows)
    path.write_text(json.dumps(rows), encoding="utf-8")
    read = list(registry().get("source", "slake").load("train", folder=tmp_path))
    bad = [row for row in read if isinstance(row, BadRow)]
    assert len(read) == len(rows)
    assert len({row.id for row in read}) == len(rows)
    assert [(row.reason, row.detail) for row in bad[:-2]] == ([(reason, detail)] if reason else [])
    json.dumps([vars(row) for row in bad], ensure_ascii=False).encode("utf-8")


def test_an_id_that_cannot_be_encoded_is_refused_and_written_in_ascii() -> None:
    source, split, row, _ = good_row("slake")
    read = source.read(Row("\ud800", row.fields), split)
    assert read == BadRow("slake-train-\\ud800", "a text cannot be encoded", "'\\ud800'")


class Raising(PublicSource):
    """A source whose one row raises."""

    name, splits = "raising", ("train",)
    entry = SourceEntry("T", "o", "l")  # type: ignore[assignment]

    def __init__(self, error: Exception) -> None:
        self.error = error

    def sample(self, row: Row, split: str) -> Sample:
        raise self.error


@pytest.mark.parametrize("error", [AttributeError("x"), RecursionError("x"), IndexError("x"), OSError("x")])
def test_whatever_a_row_raises_it_alone_is_left_out(error: Exception) -> None:
    read = Raising(error).read(Row("0", {}), "train")
    assert read == BadRow("raising-train-0", "a field cannot be read", f"{type(error).__name__}: x")


@pytest.mark.parametrize(
    "error", [DamagedFileError("x"), MissingFileError("x"), MissingExtraError("f", "m", "e"), MemoryError()]
)
def test_what_is_not_the_rows_fault_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        Raising(error).read(Row("0", {}), "train")


class Counted(PublicSource):
    """A source of as many rows as asked for."""

    name, splits = "counted", ("train",)
    entry = SourceEntry("T", "o", "l", splits={"train": 10})  # type: ignore[assignment]

    def __init__(self, count: int) -> None:
        self.count = count

    def rows(self, files: Files, split: str) -> Any:
        return (Row(str(index), {"question": "q"}) for index in range(self.count))

    def sample(self, row: Row, split: str) -> Sample:
        return self.make(row, split, "q", "text", "a")


@pytest.mark.parametrize(("count", "limit", "ends"), [(5, None, True), (4, 4, True), (4, 5, False), (4, None, False)])
def test_half_a_download_is_damaged_and_a_part_on_disk_is_said(
    count: int, limit: int | None, ends: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = "counted: train holds 4 rows where the registry knows 10"
    if ends:
        assert len(list(Counted(count).load("train", limit=limit))) == count
    else:
        with pytest.raises(DamagedFileError, match=f"{said}: download it again"):
            list(Counted(count).load("train", limit=limit))
    with caplog.at_level(logging.WARNING):
        assert len(list(Counted(count).load("train", limit=limit, folder=tmp_path))) == count
    assert [record.message.startswith(said) for record in caplog.records] == ([] if ends else [True])


def test_a_limit_of_nothing_reads_nothing() -> None:
    assert list(Counted(4).load("train", limit=0)) == list(Counted(4).load("train", limit=-1)) == []
    assert len(list(Counted(9).load("train", limit=3))) == 3
