"""A column that is gone, a file that is cut off or damaged: one line with the mend, before any row is lost."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from infimed_plugins.errors import DamagedFileError, DataError
from infimed_plugins.plugins import registry
from infimed_plugins.records import BadRow, Sample
from infimed_plugins.sources.files import Archive
from infimed_plugins.sources.tables import NO_OBJECT, delimited_rows, json_rows, parquet_rows
from infimed_plugins.tables.rows import HEAD_ROWS

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
SPLITS = {"mmmu_health": "validation", "gmai_reasoning": "rl"}
READ = {
    "vqa_rad": ("image", "question", "answer"),
    "slake": ("img_name", "question", "answer", "q_lang", "answer_type", "qid"),
    "path_vqa": ("image", "question", "answer"),
    "pmc_vqa": ("Figure_path", "Question", "Answer", "Choice A", "Choice D", "Answer_label"),
    "pmc_vqa_2": ("Figure_path", "Question", "Choice A", "Choice D", "Answer"),
    "pmc_vqa_captions": ("Figure_path", "Caption"),
    "gmai_reasoning": ("image", "conversations"),
    "mmmu_health": ("id", "question", "options", "answer", "image_1", "image_7", "question_type"),
    "omnimedvqa": ("question_id", "question", "gt_answer", "image_path", "option_A", "option_C", "option_D"),
    "medxpertqa_mm": ("id", "question", "options", "label", "images"),
    "medxpertqa_text": ("id", "question", "options", "label"),
    "gmai_mmbench": ("index", "image", "question", "A", "B", "C", "D", "E", "answer"),
    "medqa": ("question", "options", "answer_idx"),
    "medmcqa": ("id", "question", "opa", "opd", "cop", "exp"),
    "pubmedqa": ("data",),
    "mmlu_medical": ("question", "choices", "answer"),
    "iconqa": ("question", "choices", "answer"),
    "iconqa_hub": ("question_id", "question", "choices", "answer", "ques_type", "query_image", "choice_image_0"),
    "llava_onevision": ("image", "conversations", "data_source"),
    "reasonmed": ("instruction", "input", "output"),
    "medical_r1_distill": ("question", "reasoning (reasoning_content)", "response (content)"),
    "medical_o1": ("Question", "Complex_CoT", "Response"),
    "scienceqa": ("image", "question", "choices", "answer", "hint", "solution"),
    "tabmwp": ("question", "choices", "answer", "unit", "ques_type", "solution"),
    "tqa_distill": ("prompt", "info", "response", "finish_reasons"),
    "virft_coco": ("image", "problem", "solution"),
}


def rename(value: Any, column: str) -> Any:
    """A JSON value with another name for the column in every row."""
    if isinstance(value, list):
        return [rename(row, column) for row in value]
    if value and all(isinstance(row, dict) for row in value.values()):
        return {key: rename(row, column) for key, row in value.items()}
    return {f"{key}_new" if key == column else key: field for key, field in value.items()}


def rename_in_file(path: Path, column: str) -> None:
    """Give a column of a file another name, as a new version upstream may."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        pq.write_table(table.rename_columns([f"{n}_new" if n == column else n for n in table.column_names]), path)
    elif path.suffix in (".csv", ".tsv"):
        head, _, rest = path.read_text(encoding="utf-8").partition("\n")
        separator = "," if path.suffix == ".csv" else "\t"
        names = [f"{name}_new" if name.strip() == column else name for name in head.split(separator)]
        path.write_text(separator.join(names) + "\n" + rest, encoding="utf-8")
    elif path.suffix == ".jsonl":
        rows = [rename(json.loads(line), column) for line in path.read_text(encoding="utf-8").splitlines()]
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rename(json.loads(path.read_text(encoding="utf-8")), column)), encoding="utf-8")


@pytest.mark.parametrize(("name", "column"), [(name, column) for name in READ for column in READ[name]])
def test_a_renamed_column_is_named_and_no_row_is_lost_for_it(name: str, column: str, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / name, tmp_path / name)
    for archive in ("iconqa_data.zip", "OmniMedVQA.zip"):
        if (tmp_path / name / archive).is_file():
            zipfile.ZipFile(tmp_path / name / archive).extractall(tmp_path / name)
    for path in sorted((tmp_path / name).rglob("*")):
        if path.is_file() and path.name != "pid_splits.json" and not path.name.startswith("._"):
            rename_in_file(path, column)
    source = registry().get("source", name)
    found = f"has no column {column!r}: expected .* found .*{column}_new"
    with pytest.raises(DamagedFileError, match=f"(?i){found.replace('(', '[(]').replace(')', '[)]')}"):
        list(source.load(SPLITS.get(name, source.splits[0]), folder=tmp_path))


def test_omnimedvqa_may_have_two_options_throughout_a_list(tmp_path: Path) -> None:
    zipfile.ZipFile(FIXTURES / "omnimedvqa" / "OmniMedVQA.zip").extractall(tmp_path)
    path = next(tmp_path.rglob("Open-access/ACRIMA.json"))
    rows = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps([{k: v for k, v in row.items() if k[-2:] not in ("_C", "_D")} for row in rows]))
    read = list(registry().get("source", "omnimedvqa").load("test", folder=tmp_path))
    assert [len(row.options or ()) for row in read if isinstance(row, Sample)][:4] == [2, 2, 2, 2]


def test_a_column_may_lack_in_single_rows_of_json_but_not_in_the_first_hundred(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    rows: list[Any] = [{"a": 1}] * (HEAD_ROWS - 1) + [{"a": 1, "b": 2}, None]
    path.write_text(json.dumps(rows), encoding="utf-8")
    assert list(json_rows(path, ("a", "b"))) == [*rows[:-1], {NO_OBJECT: "None"}]
    path.write_text(json.dumps([{"a": 1}, *rows]), encoding="utf-8")
    with pytest.raises(DamagedFileError, match="has no column 'b': expected a, b; found a"):
        next(json_rows(path, ("a", "b")))
    path.write_text("[]", encoding="utf-8")
    assert list(json_rows(path, ("a", "b"))) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'[{"a": "MR\xe9"}]', r"x\.json is not in UTF-8 \(.*0xe9"),
        (b'{"a": "b"}\n{"a": "\xff"}', r"x\.json is not in UTF-8 \(.*0xff"),
        (b'[{"a": ' + b"[" * 100_000, r"x\.json is no JSON \("),
        (b'[{"a": 1}, {"a"', r"x\.json is no JSON \("),
        (b'{"1": null, "2": 3}', r"x\.json has no column 'a': expected a; found 1, 2"),
        (json.dumps({f"k{n}": 1 for n in range(99)}).encode(), r"found k0, .*, k39, …\. The data set"),
    ],
)
def test_json_that_cannot_be_read_is_named(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(DamagedFileError, match=said):
        list(json_rows(tmp_path / "x.json", ("a",)))


def test_an_object_of_rows_may_hold_one_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"7": {"a": 1}, "8": null, "9": {"a": 2}}', encoding="utf-8")
    found = [{"a": 1, "row_id": "7"}, {NO_OBJECT: "None"}, {"a": 2, "row_id": "9"}]
    assert list(json_rows(tmp_path / "x.json", ("a",))) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no column 'a': expected a, b; found "),
        ("a,c\n1,2\n", "has no column 'b': expected a, b; found a, c"),
        ("a,b\n1," + "x" * 5000 + "\n", r"is no whole CSV file \(field larger than field limit"),
    ],
)
def test_a_csv_file_that_cannot_be_read_is_named(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFIMED_LIMITS", "field=4000")
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DamagedFileError, match=rf"x\.csv {said}"):
        list(delimited_rows(tmp_path / "x.csv", ("a", "b")))


def test_columns_are_renamed_and_a_row_that_is_too_short_has_empty_fields(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,c\n1,2\n3\n4,5,6\n", encoding="utf-8")
    found = list(delimited_rows(tmp_path / "x.csv", ("a", "b"), renamed={"c": "b"}))
    assert found == [{"a": "1", "b": "2"}, {"a": "3", "b": ""}, {"a": "4", "b": "5"}]


def test_pages_of_parquet_that_are_damaged_are_named(tmp_path: Path) -> None:
    whole = bytearray(next((FIXTURES / "path_vqa" / "data").glob("train*")).read_bytes())
    whole[4:400] = b"\x55" * 396
    (tmp_path / "x.parquet").write_bytes(whole)
    with pytest.raises(DamagedFileError, match=r"x\.parquet is no whole parquet file .*download it again"):
        list(parquet_rows([tmp_path / "x.parquet"], ("image", "question", "answer")))


def corrupt(whole: bytes) -> bytes:
    """The bytes of the first member, behind its header of 30 bytes and its name, are no deflate stream."""
    start = 30 + struct.unpack("<H", whole[26:28])[0] + 2
    return whole[:start] + b"\xff" * 8 + whole[start + 8 :]


def in_directory(at: int, value: bytes) -> Callable[[bytes], bytes]:
    """What changes a field of every entry of the central directory."""

    def change(whole: bytes) -> bytes:
        head, *entries = whole.split(b"PK\x01\x02")
        shift = at - 4
        return b"PK\x01\x02".join([head, *(entry[:shift] + value + entry[shift + 2 :] for entry in entries)])

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (corrupt, "is damaged .*download the archive again"),
        (in_directory(8, b"\x01\x00"), "cannot be unpacked .*encrypted.*pack it anew"),
        (in_directory(10, b"\x63\x00"), "cannot be unpacked .*compression method.*pack it anew"),
    ],
    ids=["deflate", "encrypted", "method"],
)
def test_a_member_that_cannot_be_unpacked_is_named(change: Callable[[bytes], bytes], said: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.png", b"picture " * 100)
    (tmp_path / "a.zip").write_bytes(change((tmp_path / "a.zip").read_bytes()))
    with pytest.raises(DataError, match=rf"a\.zip/b\.png {said}"):
        Archive(tmp_path / "a.zip").image("b.png").read()


def test_iconqa_names_a_problem_that_is_none(tmp_path: Path) -> None:
    zipfile.ZipFile(FIXTURES / "iconqa" / "iconqa_data.zip").extractall(tmp_path)
    path = tmp_path / "iconqa_data" / "problems.json"
    problems = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**problems, "10": None}), encoding="utf-8")
    read = list(registry().get("source", "iconqa").load("train", folder=tmp_path))
    assert read[0] == BadRow("iconqa-train-10", "it is no object", "None")
    path.write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(DamagedFileError, match="its problems or splits are no JSON objects"):
        list(registry().get("source", "iconqa").load("train", folder=tmp_path))
