"""Saved generations, scored again: what was parsed, what it earned, and why.

Three forms are read, a row at a time: JSON lines with a response and a ground truth, under the names different
trainers give them; and the ``generations.log`` of EasyR1 (verl/utils/logger/gen_logger.py, FileGenerationLogger):

    [prompt] …
    [output] <think> … </think> <answer> B </answer>
    [ground_truth] {"task": "multiple_choice", "answer": "B"}
    [score] 1.0
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.parsing.response import INFIMED_FORM, ResponseForm
from infimed_plugins.records import Frame, Json, Score
from infimed_plugins.rewards.batch import score_row
from infimed_plugins.rewards.total import W_ACC, W_FORMAT

RESPONSE_KEYS = ("response", "output", "completion", "prediction", "solution_str")
TRUTH_KEYS = ("ground_truth", "answer", "label", "gts")
PROMPT_KEYS = ("prompt", "input", "problem", "question")
_END = re.compile(r"\[score\] \S+")


@dataclass(frozen=True)
class Generation:
    """One saved reply. ``row`` is what else was saved with it, ``number`` its place in the file, from 1."""

    number: int
    prompt: str
    response: Any
    ground_truth: Any
    row: Mapping[str, Json]


@dataclass(frozen=True)
class Scored:
    """A saved reply and its score. ``task`` is "unknown" where the ground truth cannot be read."""

    generation: Generation
    task: str
    score: Score
    bad_row: bool = False

    def to_json(self) -> dict[str, Json]:
        """The saved row with ``reward``: the parts of the score, what was parsed, and the reason."""
        reward: dict[str, Json] = {
            "task": self.task,
            "overall": self.score.overall,
            "format": self.score.format,
            "accuracy": self.score.accuracy or 0.0,
            "parsed": self.score.parsed,
            "reason": self.score.reason,
            "bad_row": self.bad_row,
        }
        return {**self.generation.row, "reward": reward}


def read_generations(path: Path) -> Iterator[Generation]:
    """The saved replies of a file. Raises MissingFileError, and DataError naming the line that cannot be used."""
    if not path.is_file():
        raise MissingFileError(f"no file at {path}; name a JSON lines file of generations, or EasyR1's generations.log")
    try:
        with path.open(encoding="utf-8") as file:
            first = file.readline()
        yield from _read_log(path) if first.startswith("[prompt] ") else _read_lines(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def score_generation(
    generation: Generation,
    w_format: float = W_FORMAT,
    w_acc: float = W_ACC,
    task: str | None = None,
    reward: str | None = None,
    form: ResponseForm = INFIMED_FORM,
    answer_frame: Frame | None = None,
) -> Scored:
    """Score one saved reply as compute_score does; a row that cannot be scored is a ``bad_row``, with its reason."""
    row = {"response": generation.response, "ground_truth": generation.ground_truth}
    judged = score_row(row, w_format, w_acc, task, reward, form, answer_frame)
    return Scored(generation, judged.task, judged.score, judged.bad_row)


def _read_lines(path: Path) -> Iterator[Generation]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}:{number} is not JSON ({error}); one object a line is needed") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}:{number} is a {type(row).__name__}; one JSON object a line is needed")
            response, truth = _named(row, RESPONSE_KEYS), _named(row, TRUTH_KEYS)
            if response is None or truth is None:
                missing, names = ("response", RESPONSE_KEYS) if response is None else ("ground truth", TRUTH_KEYS)
                raise DataError(f"{path}:{number} has no {missing}; name it one of {', '.join(names)}")
            yield Generation(number, str(row.get(_named(row, PROMPT_KEYS) or "", "")), row[response], row[truth], row)


def _named(row: Mapping[str, Json], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in row), None)


def _read_log(path: Path) -> Iterator[Generation]:
    lines: list[str] = []
    start, last = 1, ""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith("[prompt] ") and _END.fullmatch(last):
                yield _log_entry("".join(lines), path, start)
                lines, start = [], number
            lines.append(line)
            last = line.strip() or last
    if not _END.fullmatch(last):
        raise DataError(f"{path}:{start} begins an entry that has no [score] line; was the log cut?")
    yield _log_entry("".join(lines), path, start)


def _log_entry(text: str, path: Path, number: int) -> Generation:
    """The output may hold any of the marks; the first [output] and the last [ground_truth] are EasyR1's."""
    prompt, output, rest = text.partition("\n[output] ")
    response, truth, tail = rest.rpartition("\n[ground_truth] ")
    if not output or not truth or not prompt.startswith("[prompt] "):
        raise DataError(f"{path}:{number} is no entry of EasyR1's generations.log")
    ground_truth, _, score = tail.rpartition("\n[score] ")
    prompt = prompt.removeprefix("[prompt] ")
    row = {"prompt": prompt, "response": response, "ground_truth": ground_truth, "logged_score": score.strip()}
    return Generation(number, prompt, response, ground_truth, row)
