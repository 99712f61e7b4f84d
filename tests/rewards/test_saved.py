"""Saved generations are read in every form trainers write, scored as in training, and bad lines are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.rewards import compute_score
from infimed_plugins.rewards.saved import Generation, read_generations, score_generation

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
        ('{"response": "x", "ground_truth": "y"}\n{"response', r"saved:2 is not JSON"),
        ("[1, 2]", r"saved:1 is a list; one JSON object a line"),
        ('{"ground_truth": "y"}', r"saved:1 has no response; name it one of response, output"),
        ('{"response": "x"}', r"saved:1 has no ground truth; name it one of ground_truth"),
        (_log_entry("a") + "[prompt] cut\n[output] here", r"saved:\d+ begins an entry that has no \[score\] line"),
        ("[prompt] nothing else\n[score] 1.0\n", r"saved:1 is no entry of EasyR1"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_by_its_number(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        _read(tmp_path / "saved", text)


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
