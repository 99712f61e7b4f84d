"""Saved generations are read in every form trainers write, scored as in training, and bad lines are named."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.rewards import compute_score
from infimed_plugins.rewards.generations import Generation, read_generations, score_generation

RIGHT = "<think> dark and round </think><answer> B </answer>"
TRUTH = '{"task": "multiple_choice", "answer": "B"}'


def _log_entry(
    output: str, truth: str = TRUTH, prompt: str = "system\nBe helpful.\nuser\nWhat is it?\nassistant\n"
) -> str:
    """What EasyR1's FileGenerationLogger writes for one sample."""
    return f"[prompt] {prompt}\n[output] {output}\n[ground_truth] {truth}\n[score] 1.0\n\n"


def _read(path: Path, text: str) -> list[Generation]:
    path.write_text(text, encoding="utf-8")
    return list(read_generations(path))


@pytest.mark.parametrize("response", ["response", "output", "completion", "prediction"])
@pytest.mark.parametrize("truth", ["ground_truth", "answer", "label"])
def test_json_lines_under_the_names_trainers_use(response: str, truth: str, tmp_path: Path) -> None:
    line = json.dumps({response: RIGHT, truth: TRUTH, "step": 3})
    (generation,) = _read(tmp_path / "saved.jsonl", f"\n{line}\n")
    assert (generation.number, generation.response, generation.ground_truth) == (2, RIGHT, TRUTH)
    assert score_generation(generation).to_json()["step"] == 3


OUTPUTS = [
    RIGHT,
    "",
    "two\n\nparagraphs",
    "[output] again\n[ground_truth] forged\n[score] 1.0\n\nand on",
    "[prompt] inside a line",
]


def test_easyr1s_log_is_taken_apart_whatever_the_outputs_hold(tmp_path: Path) -> None:
    generations = _read(tmp_path / "generations.log", "".join(map(_log_entry, OUTPUTS)))
    assert [generation.response for generation in generations] == OUTPUTS
    assert {generation.ground_truth for generation in generations} == {TRUTH}
    assert generations[0].prompt.endswith("What is it?\nassistant\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"response', r"no row of .*saved can be read: the line is no JSON"),
        ("[1, 2]", r"no row of .*saved can be read: it is no object \(row 1: 1\)"),
        ("", r"saved is empty"),
        ("\ufeff\r\n", r"saved is empty"),
        (
            '{"ground_truth": "y"}',
            r"saved:1 has no response; name it one of response, output.* are ground_truth",
        ),
        ('{"response": "x"}', r"saved:1 has no ground truth; name it one of ground_truth"),
        ("[prompt] cut\n[output] here", r"saved:1 is an entry that has no \[score\] line"),
        ("[prompt] nothing else\n[score] 1.0\n", r"saved:1 is no entry of EasyR1"),
        ("question,answer\nWhat?,B\n", r"saved:2 has no response"),
    ],
)
def test_a_file_of_which_nothing_can_be_used_says_why(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        _read(tmp_path / "saved", text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"response": "x", "ground_truth": "y"}\n{"response', 2),
        ('{"response": "x", "ground_truth": "y"}\r\n\r\n{"response": "z"', 3),
        ('{"response": "a", "ground_truth": "y"}\n["response"]\n{"response": "x", "ground_truth": "y"}', 2),
        ('response,ground_truth\n"x",y\n"two\nlines",y\nz', 5),
        ('response,ground_truth\n"x",y\nz,"never closed\n', 3),
        (_log_entry("a") + "[prompt] cut\n[output] here", 11),
    ],
)
def test_a_row_that_a_kill_has_cut_is_named_and_the_others_are_used(text: str, line: int, tmp_path: Path) -> None:
    read = _read(tmp_path / "saved", text)
    (cut,) = [generation for generation in read if generation.fault]
    assert cut.number == line
    scored = score_generation(cut)
    assert (scored.task, scored.bad_row, scored.score.overall, scored.score.reason) == ("unknown", True, 0, cut.fault)
    assert len(read) >= 2


def test_a_log_with_a_mark_and_the_line_ends_of_windows_is_the_same_log(tmp_path: Path) -> None:
    text = _log_entry(RIGHT) + _log_entry("B")
    plain = _read(tmp_path / "a.log", text)
    assert _read(tmp_path / "b.log", "\ufeff" + text.replace("\n", "\r\n")) == plain


def test_a_line_that_is_cut_within_a_character_costs_that_line_alone(tmp_path: Path) -> None:
    lines = [json.dumps({"response": "肝", "ground_truth": "肝"}, ensure_ascii=False)] * 2
    whole = "\n".join(lines).encode()
    (tmp_path / "saved.jsonl").write_bytes(whole[: whole.rindex("肝".encode()) + 2])
    good, cut = read_generations(tmp_path / "saved.jsonl")
    assert (good.response, good.fault, cut.fault[:19]) == ("肝", "", "the line is no JSON")


CHAT = [{"role": "assistant", "content": RIGHT}]


@pytest.mark.parametrize(
    ("row", "replies"),
    [
        ({"completion": CHAT, "solution": "<answer> B </answer>"}, [RIGHT]),
        ({"prompt": CHAT, "completion": CHAT, "solution": ["B"] * len(CHAT)}, [RIGHT]),
        ({"completion": [{"role": "user", "content": "?"}, *CHAT], "answer": "B"}, [RIGHT]),
        ({"completions": [CHAT, [{"role": "assistant", "content": None}]], "answer": "B"}, [RIGHT, ""]),
        ({"responses": [RIGHT, "B"], "answer": "B"}, [RIGHT, "B"]),
        ({"completion": [{"role": "assistant", "content": [{"type": "text", "text": RIGHT}]}], "answer": "B"}, [RIGHT]),
        ({"completion": json.dumps(CHAT), "answer": "B"}, [RIGHT]),
        ({"completion": str(CHAT), "answer": "B"}, [RIGHT]),
        ({"completion": CHAT[0], "answer": "B"}, [RIGHT]),
        ({"response": "[[1, 2, 30, 40]]", "answer": "B"}, ["[[1, 2, 30, 40]]"]),
        ({"response": '["B"]', "answer": "B"}, ['["B"]']),
        ({"input": "?", "output": RIGHT, "gts": "B", "score": 1.0, "step": 3}, [RIGHT]),
        ({"Response": RIGHT, "Ground Truth": "B"}, [RIGHT]),
        ({"response": RIGHT, "ground_truth": None, "answer": "B"}, [RIGHT]),
        ({"response": RIGHT, "answer": "B", "solution": "First, <answer> C </answer>"}, [RIGHT]),
    ],
)
def test_replies_in_chat_form_or_several_and_the_better_truth_of_two(
    row: dict[str, object], replies: list[str], tmp_path: Path
) -> None:
    read = _read(tmp_path / "saved.jsonl", json.dumps(row))
    assert [generation.response for generation in read] == replies
    assert all(score_generation(one).score.accuracy for one in read if one.response == RIGHT)
    assert {score_generation(one).task for one in read} == {"multiple_choice"}


def test_every_form_of_file_gives_the_same_scores(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a, b?", "response": RIGHT, "ground_truth": TRUTH},
        {"prompt": "c", "response": "", "answer": "B"},
    ]
    table = [{key: row.get(key) for key in ("prompt", "response", "ground_truth", "answer")} for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, table[0])
    writer.writeheader()
    writer.writerows(table)
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "a.parquet")
    texts = [json.dumps(rows), json.dumps({"data": rows}, indent=1), text.getvalue(), "\n".join(map(json.dumps, rows))]
    for number, written in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(written, encoding="utf-8-sig" if number % 2 else "utf-16")
    for path in tmp_path.iterdir():
        scored = [score_generation(one) for one in read_generations(path)]
        assert [(one.task, one.score.overall) for one in scored] == [("multiple_choice", 1.0), ("multiple_choice", 0.0)]


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no file at"):
        list(read_generations(tmp_path / "none.jsonl"))
    (tmp_path / "image.jsonl").write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        list(read_generations(tmp_path / "image.jsonl"))


@pytest.mark.parametrize(
    ("response", "truth"),
    [
        (RIGHT, TRUTH),
        ("B", TRUTH),
        (RIGHT.replace("B", "C"), TRUTH),
        (RIGHT, ""),
        (None, TRUTH),
        (RIGHT, None),
        (3, []),
    ],
)
def test_a_saved_row_earns_what_it_earned_in_training(response: object, truth: object) -> None:
    scored = score_generation(Generation(1, "", response, truth, {})).to_json()["reward"]
    (row,) = compute_score([{"response": response, "ground_truth": truth}])
    assert {key: float(scored[key]) for key in ("overall", "format", "accuracy", "bad_row")} == {
        key: row[key] for key in ("overall", "format", "accuracy", "bad_row")
    }
    assert scored["reason"]
