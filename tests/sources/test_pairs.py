"""Files of questions as users have them: every form gives the same samples; what is not clear is a named reject."""

from __future__ import annotations

import base64
import codecs
import csv
import datetime
import io
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.records import BadRow, Sample
from infimed_plugins.sources.pairs import PAIRS
from infimed_plugins.tables.cells import missing
from infimed_plugins.tables.rows import read_rows

ORGANS = ["liver", "lung"]
NAN = float("nan")


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, format="PNG")
    return buffer.getvalue()


def read(folder: Path, text: str | bytes, name: str = "x.jsonl") -> list[Sample | BadRow]:
    (folder / "ok.png").write_bytes(png())
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return list(PAIRS.load(name.partition(".")[0], folder=folder))


def read_one(folder: Path, **fields: Any) -> Sample | BadRow:
    (row,) = read(folder, json.dumps({"question": "Which?", **fields}))
    return row


@pytest.mark.parametrize(
    "options",
    [
        ORGANS,
        {"A": "liver", "B": "lung"},
        {"B": "lung", "A": "liver"},
        {"a": "liver", "b": "lung"},
        {"(A)": " liver", "(B)": "lung\t"},
        {"A": "liver", "B": "lung", "C": None, "D": ""},
        ["A. liver", "B. lung"],
        ["(a) liver", "(b) lung"],
        ["A：liver", "B、lung"],
        [{"key": "A", "value": "liver"}, {"key": "B", "value": "lung"}],
        [{"label": "B", "text": "lung"}, {"label": "A", "text": "liver"}],
        {"label": ["A", "B"], "text": ["liver", "lung"]},
        {"Option A": "liver", "Option B": "lung"},
        [["A", "liver"], ["B", "lung"]],
        '["liver", "lung"]',
        "['liver', 'lung']",
        '{"A": "liver", "B": "lung"}',
    ],
)
def test_options_in_every_form_are_the_same_two(options: Any, tmp_path: Path) -> None:
    sample = read_one(tmp_path, options=options, answer="b")
    assert isinstance(sample, Sample), sample
    assert (sample.task, sample.options, sample.answer) == ("multiple_choice", ("liver", "lung"), "B")


@pytest.mark.parametrize("names", ["AB", ["option_a", "option_b"], ["Option A", "Option B"], ["optionA", "optionB"],
                                   ["opa", "opb"], ["Choice A", "Choice B"], ["a", "b"]], ids=str)  # fmt: skip
def test_columns_of_options_under_the_names_that_files_give_them(names: list[str], tmp_path: Path) -> None:
    third = names[1][:-1] + ("c" if names[1][-1] == "b" else "C")
    for more in ({}, {third: None}, {third: ""}, {third: NAN}):
        sample = read_one(tmp_path, **dict(zip(names, ORGANS, strict=True)), **more, answer="lung")
        assert isinstance(sample, Sample), sample
        assert (sample.options, sample.answer) == (("liver", "lung"), "B")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"options": "Yes/No", "answer": "Yes"}, "the options are no list"),
        ({"options": "liver, lung", "answer": "A"}, "the options are no list"),
        ({"options": 3, "answer": "A"}, "the options are no list"),
        ({"options": {"A": "liver", "C": "lung"}, "answer": "A"}, "the options' letters are not A, B, C in a row"),
        ({"options": {"B": "liver", "C": "lung"}, "answer": "B"}, "the options' letters are not A, B, C in a row"),
        ({"options": {"A": "liver", "a": "lung"}, "answer": "A"}, "the options' letters are not A, B, C in a row"),
        ({"options": {"1": "liver", "2": "lung"}, "answer": "1"}, "the options' letters are not A, B, C in a row"),
        ({"options": [{"text": "liver"}, {"text": "lung"}], "answer": "A"}, "the options are objects without letters"),
        ({"options": {"A": "liver", "B": None, "C": "lung"}, "answer": "A"}, "a choice is empty"),
        ({"A": "liver", "B": " ", "C": "lung", "answer": "A"}, "a choice is empty"),
        ({"options": ["liver", None, "lung"], "answer": "A"}, "a choice is empty"),
        ({"options": ["liver", "nan"], "answer": "A"}, "a choice is empty"),
        ({"options": ["A. ", "B. lung"], "answer": "B"}, "a choice is empty"),
        ({"options": ["liver"], "answer": "A"}, "fewer than two options, or more than letters"),
        ({"A": "liver", "B": None, "answer": "A"}, "fewer than two options, or more than letters"),
        ({"options": ["x"] * 27, "answer": "A"}, "fewer than two options, or more than letters"),
        ({"options": [["liver"], ["lung"]], "answer": "A"}, "an option is no text"),
        ({"options": [True, False], "answer": "A"}, "an option is no text"),
        ({"answer": "A", "task": "multiple_choice"}, "no options"),
        ({"answer": "A", "task": "vqa"}, "unknown task"),
    ],
)
def test_options_that_are_not_clear_are_refused(fields: dict[str, Any], reason: str, tmp_path: Path) -> None:
    row = read_one(tmp_path, **fields)
    assert isinstance(row, BadRow)
    assert row.reason == reason


FOUR = ["cyst", "stone", "tumor", "none"]
NUMBERS = ["1", "2", "3"]
BLOOD = ["B", "A", "AB", "O"]


@pytest.mark.parametrize(
    ("options", "answer", "right"),
    [
        (FOUR, "B", "B"), (FOUR, " (b) ", "B"), (FOUR, "B.", "B"), (FOUR, "（Ｂ）", "B"), (FOUR, ["B"], "B"),
        (FOUR, "Stone", "B"), (FOUR, "stone.", "B"), (FOUR, ["stone"], "B"), (FOUR, "None", "D"),
        (FOUR, "B. stone", "B"), (FOUR, "(B) STONE", "B"), (FOUR, "b: stone", "B"), (FOUR, "B、", "B"),
        (FOUR, "[B]", "B"),
        (FOUR, 1, "B"), (FOUR, "1", "B"), (FOUR, 1.0, "B"), (FOUR, 0, "A"), (FOUR, "3", "D"),
        (NUMBERS, "1", "A"), (NUMBERS, 3, "C"), (NUMBERS, 2.0, "B"), ([1, 2, 3], 2, "B"), ([1.0, 2.5], "1", "A"),
        (FOUR, "AC", "AC"), (FOUR, "C, A", "AC"), (FOUR, "a;c", "AC"), (FOUR, "A and C", "AC"),
        (FOUR, ["C", "A"], "AC"), (FOUR, ["tumor", "cyst"], "AC"), (FOUR, '["A", "C"]', "AC"), (FOUR, "['tumor']", "C"),
        (FOUR, "<answer> B </answer>", "B"), (FOUR, "<think> A? </think><answer>stone</answer>", "B"),
        (["Yes", "No"], True, "A"), (["No", "Yes"], True, "B"), (["True", "False"], False, "B"),
        (["lung", "liver", "Lung"], "lung", "A"), (BLOOD, "AB", "C"), (BLOOD, "O", "D"), (["A", "B", "C"], "B", "B"),
        (["E. coli", "S. aureus"], "E. coli", "A"), (["E. coli", "S. aureus"], "A", "A"),
        (["A. baumannii", "E. coli"], "B", "B"), (["CT", "MR"], "CT", "A"),
    ],
)  # fmt: skip
def test_an_answer_in_every_form_is_the_right_letter(
    options: list[Any], answer: Any, right: str, tmp_path: Path
) -> None:
    sample = read_one(tmp_path, options=options, answer=answer)
    assert isinstance(sample, Sample), sample
    assert (sample.answer, len(sample.options or ())) == (right, len(options))


@pytest.mark.parametrize(
    ("options", "answer", "reason"),
    [
        (FOUR, "E", "the answer is none of the options"),
        (FOUR, "bone", "the answer is none of the options"),
        (FOUR, 4, "the answer is none of the options"),
        (FOUR, -1, "the answer is none of the options"),
        (FOUR, "1.5", "the answer is none of the options"),
        (FOUR, "A, E", "the answer is none of the options"),
        (FOUR, "A or B", "the answer is none of the options"),
        (FOUR, "A/B", "the answer is none of the options"),
        (FOUR, ["A", "bone"], "the answer is none of the options"),
        (FOUR, True, "the answer is none of the options"),
        (FOUR, "A. stone", "the answer's letter and text differ"),
        (FOUR, "B. stones", "the answer's letter and text differ"),
        (BLOOD, "A", "the answer is a letter and the text of another option"),
        (FOUR, [0, 1, 0, 0], "several answers that are neither letters nor texts"),
        (FOUR, None, "no answer"),
        (FOUR, NAN, "no answer"),
        (FOUR, "nan", "no answer"),
        (FOUR, "  ", "no answer"),
    ],
)
def test_an_answer_that_is_none_or_two_is_refused(options: list[str], answer: Any, reason: str, tmp_path: Path) -> None:
    row = read_one(tmp_path, options=options, answer=answer)
    assert isinstance(row, BadRow)
    assert row.reason == reason


@pytest.mark.parametrize(
    ("fields", "task", "answer"),
    [
        ({"answer": ["liver"]}, "text", "liver"),
        ({"answer": "['liver']"}, "text", "liver"),
        ({"answer": "None"}, "text", "None"),  # in JSON a word like any other
        ({"answer": 3}, "text", "3"),
        ({"answer": 3.0}, "text", "3"),
        ({"answer": 2.5}, "text", "2.5"),
        ({"answer": "[0, 1)", "task": "math"}, "math", "[0, 1)"),
        ({"answer": "[0, 1]", "task": "math"}, "math", "[0, 1]"),
        ({"answer": None, "solution": "<answer> liver </answer>"}, "text", "liver"),
        ({"answer": "lung", "solution": "It is the liver."}, "text", "lung"),
        ({"answer": 10**400}, "text", f"1{'0' * 400}"),
        ({"answer": "[1, 2, 30, 40]", "task": "grounding"}, "grounding", [1, 2, 30, 40]),
        ({"answer": '{"bbox_2d": [1, 2.5, 30, 40]}', "task": "grounding"}, "grounding", [1, 2.5, 30, 40]),
        ({"answer": "1, 2, 30, 40", "task": "grounding"}, "grounding", [1, 2, 30, 40]),
        ({"answer": [[1, 2, 30, 40]], "task": "grounding"}, "grounding", [1, 2, 30, 40]),
        ({"answer": [1, 2, 30, 40]}, "grounding", [1, 2, 30, 40]),
        ({"answer": [[1, 2, 30, 40], [5, 6, 7, 8]]}, "detection", [[1, 2, 30, 40], [5, 6, 7, 8]]),
        ({"answer": "[[1, 2, 30, 40]]", "task": "detection"}, "detection", [[1, 2, 30, 40]]),
        ({"answer": "No Objects", "task": "detection"}, "detection", []),
        ({"answer": [], "task": "detection"}, "detection", []),
    ],
)
def test_an_answer_without_options_has_the_form_of_its_task(
    fields: dict[str, Any], task: str, answer: Any, tmp_path: Path
) -> None:
    sample = read_one(tmp_path, **fields)
    assert isinstance(sample, Sample), sample
    assert (sample.task, sample.answer) == (task, answer)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"answer": ["liver", "spleen"]}, "several answers: give one, and those as good under synonyms"),
        ({"answer": True}, "the answer is no text"),
        ({"answer": math.inf}, "the answer is no text"),
        ({"answer": "x", "question": True}, "the question is no text"),
        ({"answer": {"task": "text", "answer": "liver"}}, "the answer is no text"),
        ({"answer": '{"task": "text", "answer": "liver"}'}, "the answer is no text"),
        ({"answer": []}, "no answer"),
        ({"answer": [None]}, "no answer"),
        ({"answer": "<NA>"}, "no answer"),
        ({"answer": "30, 40, 1, 2", "task": "grounding"}, "a box cannot be read"),
        ({"answer": [1, 2, NAN, 40], "task": "grounding"}, "a box cannot be read"),
        ({"answer": [1, 2, 30], "task": "grounding"}, "a box cannot be read"),
        ({"answer": [[1, 2, 30, 40], [9, 9, 1, 1]], "task": "detection"}, "a box cannot be read"),
        ({"answer": "at the left", "task": "grounding"}, "no box in the answer"),
        ({"answer": "[[1, 2, 30, 40], [5, 6, 7, 8]]", "task": "grounding"}, "grounding needs one box"),
        ({"answer": "[30, 40, 1, 2]"}, "several answers: give one, and those as good under synonyms"),
        ({"answer": "x", "question": None}, "no question"),
        ({"answer": "x", "question": "<image>Which?"}, "fewer images than image tags"),
        ({"answer": "x", "question": "<image 1> or <image 2>?", "image": "ok.png"}, "fewer images than image tags"),
        ({"answer": "x", "question": NAN}, "no question"),
        ({"answer": "x", "question": [{"role": "user", "content": "Which?"}]}, "the question is no text"),
        ({"answer": "x", "meta": "a note"}, "meta is no object"),
    ],
)
def test_what_would_get_another_meaning_is_refused(fields: dict[str, Any], reason: str, tmp_path: Path) -> None:
    row = read_one(tmp_path, **fields)
    assert isinstance(row, BadRow)
    assert row.reason == reason


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"image": "ok.png"}, 1), ({"images": "ok.png"}, 1), ({"images": ["ok.png", "ok.png"]}, 2),
        ({"images": '["ok.png", "ok.png"]'}, 2), ({"image_path": "ok.png"}, 1), ({"img_name": "./ok.png"}, 1),
        ({"image": ["ok.png"]}, 1), ({"images": [{"bytes": None, "path": "ok.png"}]}, 1),
        ({"image": base64.b64encode(png()).decode()}, 1),
        ({"image": "data:image/png;base64," + base64.b64encode(png()).decode()}, 1),
        ({"images": [], "image": "ok.png"}, 1), ({"images": None, "image": "ok.png"}, 1),
        ({"image": ""}, 0), ({"image": None}, 0), ({"image": NAN}, 0), ({"images": []}, 0), ({"images": [None]}, 0),
        ({"image": "nan"}, 0), ({}, 0),
    ],
)  # fmt: skip
def test_one_image_or_several_or_none(fields: dict[str, Any], count: int, tmp_path: Path) -> None:
    sample = read_one(tmp_path, answer="x", **fields)
    assert isinstance(sample, Sample), sample
    assert [image.open().size for image in sample.images] == [(64, 48)] * count


@pytest.mark.parametrize(
    "image", ["gone.png", "../ok.png", "/etc/passwd", "a" * 300, ["ok.png", None], [["ok.png"]], 3, "ok.png;ok.png"]
)
def test_an_image_that_is_not_there_is_named(image: Any, tmp_path: Path) -> None:
    row = read_one(tmp_path, answer="x", image=image)
    assert isinstance(row, BadRow)
    assert row.reason == "its image is missing"


LAYOUTS = {  # of public sets and trainers: a row as it is there, and what it asks
    "medqa": ({"question": "Q", "answer": "lung", "options": {"A": "liver", "B": "lung"}, "answer_idx": "B"}, "B"),
    "medmcqa": ({"question": "Q", "cop": 1, "opa": "liver", "opb": "lung", "choice_type": "single"}, "B"),
    "pmc_vqa": (
        {"Figure_path": "ok.png", "Question": "Q", "Choice A": " A:liver", "Choice B": " B:lung", "Answer": "lung"}, "B"
    ),
    "mmbench": ({"index": 1, "question": "Q", "A": "liver", "B": "lung", "C": "", "answer": "B", "hint": ""}, "B"),
    "scienceqa": ({"question": "Q", "choices": ["liver", "lung"], "answer": 1, "solution": "It breathes."}, "B"),
    "arc": ({"question": "Q", "choices": {"text": ["liver", "lung"], "label": ["A", "B"]}, "answerKey": "B"}, "B"),
    "r1v": ({"problem": "<image>Q", "solution": "<answer> 3 </answer>", "image": "ok.png"}, "3"),
    "slake": ({"img_name": "ok.png", "question": "Q", "answer": "lung", "q_lang": "en", "qid": 7}, "lung"),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_rows_as_public_sets_have_them(name: str, tmp_path: Path) -> None:
    row, answer = LAYOUTS[name]
    (sample,) = read(tmp_path, json.dumps(row))
    assert isinstance(sample, Sample), sample
    assert (sample.answer, len(sample.images)) == (answer, int("ok.png" in row.values()))
    assert sample.options == (("liver", "lung") if answer == "B" else None)


def test_synonyms_are_texts_and_never_letters(tmp_path: Path) -> None:
    for fields in ({"synonyms": "ren"}, {"synonyms": ["ren"]}, {"meta": {"synonyms": "ren"}}, {"synonyms": '["ren"]'}):
        sample = read_one(tmp_path, answer="kidney", **fields)
        assert isinstance(sample, Sample), sample
        assert sample.ground_truth.synonyms == ("ren",)


ROWS = [
    {"id": "q1", "question": "Which, “here”?", "options": ["肝", "lung"], "answer": "肝", "image": "ok.png"},
    {"id": "q2", "question": "Where?", "options": None, "answer": "left\nlobe", "image": None},
]


def table(delimiter: str, end: str, cells: str = "json") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*ROWS[0]], delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    for row in ROWS:
        options = row["options"]
        shown = options and (json.dumps(options, ensure_ascii=False) if cells == "json" else str(options))
        writer.writerow({**row, "options": shown})
    return text.getvalue()


def parquet() -> bytes:
    sink = io.BytesIO()
    rows = [{**row, "image": {"bytes": png(), "path": "a.png"} if row["image"] else None} for row in ROWS]
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
FORMS = {
    "x.jsonl": LINES.encode(),
    "mark.jsonl": codecs.BOM_UTF8 + LINES.replace("\n", "\r\n\r\n").encode(),
    "utf16.jsonl": LINES.encode("utf-16"),
    "list.json": json.dumps(ROWS, indent=2).encode(),
    "ids.json": json.dumps({row["id"]: {**row, "id": None} for row in ROWS}).encode("utf-8-sig"),
    "wrapped.json": json.dumps({"version": 1, "data": ROWS}, indent=1).encode(),
    "lines.json": LINES.encode(),
    "list.jsonl": json.dumps(ROWS).encode(),
    "jq.json": "\n".join(json.dumps(row, indent=2) for row in ROWS).encode(),
    "inner.json": json.dumps({"data": {row["id"]: row for row in ROWS}}).encode(),
    "x.csv": table(",", "\n").encode(),
    "sep.csv": b"sep=;\r\n" + table(";", "\r\n").encode(),
    "excel.csv": table(";", "\r\n", "python").encode("utf-8-sig"),
    "x.tsv": table("\t", "\n").encode(),
    "utf16.tsv": table("\t", "\r\n").encode("utf-16"),
    "x.parquet": parquet(),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_and_encoding_gives_the_same_samples(name: str, tmp_path: Path) -> None:
    samples = read(tmp_path, FORMS[name], name)
    split = name.partition(".")[0]
    assert all(isinstance(sample, Sample) for sample in samples), samples
    found = [(s.id, s.question, s.options, s.answer, len(s.images)) for s in samples if isinstance(s, Sample)]
    assert found == [
        (f"pairs-{split}-q1", "Which, “here”?", ("肝", "lung"), "A", 1),
        (f"pairs-{split}-q2", "Where?", None, "left\nlobe", 0),
    ]


@pytest.mark.parametrize("encoding", ["gb18030", "latin-1", "utf-16-le"])
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_another_encoding_is_refused_with_the_mend_before_the_first_row(
    name: str, encoding: str, tmp_path: Path
) -> None:
    word = "café" if encoding == "latin-1" else "肝"
    row = (
        f'{{"question": "{word}?", "answer": "{word}"}}\n'
        if name == "x.jsonl"
        else f"question,answer\n{word}?,{word}\n"
    )
    text = (row * 3 if name == "x.jsonl" else row).encode(encoding)
    with pytest.raises(DataError, match=r"is not UTF-8 text .*save it as UTF-8"):
        read(tmp_path, text, name)


@pytest.mark.parametrize(
    ("name", "text", "reason", "line"),
    [
        ("x.jsonl", '{"question": "Q", "answer": "a"}\n{"question": "Q", "ans', "the line is no JSON", "line 2"),
        ("x.jsonl", '{"question": "Q", "answer": "a"}\n\n[1]\n', "it is no object", "row 3"),
        ("x.jsonl", '{"question": "Q", "answer": "a"}\n' + "\0" * 600, "the line is no JSON", "line 2"),
        ("x.json", '{"question": "Q", \n{"question": "Q", "answer": "a"}\n', "the line is no JSON", "line 1"),
        ("x.csv", "question,answer\nQ,a\nQ", "a row of another number of cells than the header", "line 3"),
        ("x.csv", 'question,answer\nQ,a\n"Q', "the row is no CSV", "lines 3 to 3"),
        ("x.csv", "question,answer\nQ, yes,a\nQ,a\n", "a row of another number of cells than the header", "line 2"),
        ("x.csv", "question,answer\nQ,None\nQ,a\n", "no answer", "looked for answer"),
        ("x.csv", "question,answer\nQ,\nQ,a\n", "no answer", "looked for answer"),
        ("x.csv", "question,A,B,C,answer\nQ,x,,z,C\nQ,x,y,,A\n", "a choice is empty", "['x', '', 'z']"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_are_used(
    name: str, text: str, reason: str, line: str, tmp_path: Path
) -> None:
    rows = read(tmp_path, text, name)
    (bad,) = [row for row in rows if isinstance(row, BadRow)]
    assert (len(rows), bad.reason) == (2, reason)
    assert bad.detail.startswith(line)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.jsonl", "", r"x\.jsonl is empty"),
        ("x.csv", "\ufeff", r"x\.csv is empty"),
        ("x.csv", "question,answer\n", r"x\.csv is empty"),
        ("x.json", "[]", r"x\.json is empty"),
        ("x.json", '[{"question": "Q", "answer": "a"}, {"quest', r"x\.json is cut off or no JSON behind row 1"),
        ("x.json", '[{"question": "Q", "answer": "a"}]\n[{"question": "Q", "answer": "b"}]', "behind row 1"),
        ("x.jsonl", "question,answer\nQ,a\n", r"no row of .*x\.jsonl can be read: the line is no JSON \(line 1"),
        ("x.csv", "question,answer,answer\nQ,a,b\n", r"two columns called 'answer'"),
        ("x.jsonl", '{"question": "Q", "answer": "a", "answer": "b"}', "'answer' stands twice in an object"),
        ("x.json", '[{"question": "Q", "answer": "a", "answer": "b"}]', "'answer' stands twice in an object"),
        ("x.csv", b"PK\x03\x04rest", "an Excel file or a zip archive; save the sheet as CSV"),
        ("x.parquet", b"PAR1 cut", "is no whole parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(name: str, text: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        read(tmp_path, text, name)


def test_a_split_is_a_files_name_with_its_ending_where_there_are_two(tmp_path: Path) -> None:
    for name in ("x.jsonl", "x.csv"):
        (tmp_path / name).write_text("question,answer\nQ,a\n" if name == "x.csv" else '{"question":"Q","answer":"b"}')
    with pytest.raises(ConfigError, match=r"x\.jsonl and .*x\.csv are both there: name one with its ending"):
        list(PAIRS.load("x", folder=tmp_path))
    for split, answer in (("x.csv", "a"), ("x.jsonl", "b")):
        (sample,) = PAIRS.load(split, folder=tmp_path)
        assert isinstance(sample, Sample)
        assert (sample.id, sample.split, sample.answer) == ("pairs-x-000000", "x", answer)
    with pytest.raises(MissingFileError, match=r"there is no .*y\.jsonl \(or \.json, \.csv, \.tsv, \.parquet\)"):
        list(PAIRS.load("y", folder=tmp_path))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ([["Q"], ["a"], ["b"]], "two columns called 'answer'"),
        ([["Q"], [datetime.timedelta(1)]], "the answer is no text"),
    ],
)
def test_parquet_that_leaves_open_what_the_answer_is(arrays: list[Any], said: str, tmp_path: Path) -> None:
    columns = [pa.array(array) for array in arrays]
    names = ["question", *["answer"] * (len(arrays) - 1)]
    pq.write_table(pa.Table.from_arrays(columns, names), tmp_path / "x.parquet")
    try:
        (bad,) = PAIRS.load("x", folder=tmp_path)
        found = bad.reason if isinstance(bad, BadRow) else "a sample"
    except DataError as error:
        found = str(error)
    assert said in found


def test_missing_values_of_every_library() -> None:
    gone = [None, NAN, np.nan, np.float32("nan"), np.datetime64("NaT"), Decimal("nan")]
    assert [missing(value) for value in gone] == [True] * len(gone)
    kept = ["", "nan", "None", 0, 0.0, False, [], np.array([1.0, math.nan]), [math.nan], {}, datetime.date(2020, 1, 1)]
    assert [missing(value) for value in kept] == [False] * len(kept)


def test_missing_values_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    assert [missing(value) for value in (pandas.NA, pandas.NaT)] == [True, True]


def test_a_parquet_file_is_read_some_rows_at_a_time(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"question": ["Q"] * 1000, "answer": range(1000)}), tmp_path / "x.parquet", row_group_size=300
    )
    rows = read_rows(tmp_path / "x.parquet")
    assert next(rows).fields == {"question": "Q", "answer": 0}
    assert [row.number for row in rows] == list(range(2, 1001))
