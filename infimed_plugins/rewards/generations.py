"""Score saved generations again, with the parsed answer and the reasons.

Read are files of rows (tables/rows.py) with a response and a ground truth, under the names that trainers give them:
TRL's prompt and completion, verl's input, output and gts. A response may be in chat form, or a list of several, and a
row hold lists of prompts, completions and solutions (ms-swift's completions.jsonl, a step a line). And the
``generations.log`` of EasyR1 (verl/utils/logger/gen_logger.py, FileGenerationLogger):

    [prompt] …
    [output] <think> … </think> <answer> B </answer>
    [ground_truth] {"task": "multiple_choice", "answer": "B"}
    [score] 1.0

A row that cannot be read, such as the last of a file that a kill has cut, is a bad row with its line and the reason.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infimed_plugins.errors import DataError, MissingFileError
from infimed_plugins.parsing.replies import reply_text
from infimed_plugins.records import Code, Json, Score
from infimed_plugins.rewards.scorer import Scorer, bad_row
from infimed_plugins.tables.cells import column_key, missing, pick, structured
from infimed_plugins.tables.rows import FileRow, open_text, read_rows

RESPONSE_KEYS = (
    *("response", "output", "completion", "prediction", "generation", "generated_text", "solution_str"),
    *("responses", "outputs", "completions", "predictions", "pred"),
    "messages",  # the last turn
)
TRUTH_KEYS = (
    *("ground_truth", "answer", "label", "gts", "gold", "gt", "reference", "target"),
    "solution",  # may be worked
)
PROMPT_KEYS = ("prompt", "input", "problem", "question")
_LOG_START = "[prompt] "
_END = re.compile(r"\[score\] \S+")


@dataclass(frozen=True)
class Generation:
    """One saved reply. ``row`` holds the other saved fields, ``number`` its line or place in the file, from 1.

    ``fault`` says why it could not be read.
    """

    number: int
    prompt: str
    response: Any
    ground_truth: Any
    row: Mapping[str, Json]
    fault: str = ""


@dataclass(frozen=True)
class Scored:
    """A saved reply and its score. ``task`` is "unknown" where the ground truth cannot be read."""

    generation: Generation
    task: str
    score: Score

    @property
    def bad_row(self) -> bool:
        """True if the row itself cannot be scored."""
        return self.score.code is Code.BAD_ROW

    def to_json(self) -> dict[str, Json]:
        """Return the saved row with ``reward``: the parts of the score, the parsed answer, and the reason."""
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
    """Yield the saved replies of a file, those that cannot be read with their fault.

    Raises MissingFileError, and DataError where none can be read, or no column is a response or a ground truth.
    """
    if not path.is_file():
        raise MissingFileError(f"no file at {path}; name a file of generations, or EasyR1's generations.log")
    with path.open("rb") as file:
        is_log = file.read(64).removeprefix(codecs.BOM_UTF8).startswith(_LOG_START.encode())
    if is_log:
        yield from _read_log(path)
        return
    for found in read_rows(path, {"response": RESPONSE_KEYS, "ground truth": TRUTH_KEYS}):
        yield from _of_row(found)


def score_generation(generation: Generation, scorer: Scorer | None = None) -> Scored:
    """Score one saved reply as compute_score does; a row that cannot be scored is a ``bad_row``, with its reason."""
    if generation.fault:
        return Scored(generation, "unknown", bad_row(generation.fault))
    row = {"response": generation.response, "ground_truth": generation.ground_truth}
    return Scored(generation, *(scorer or Scorer()).score([row])[0])


def _of_row(found: FileRow) -> Iterator[Generation]:
    fields = found.fields
    if found.fault:
        yield Generation(found.number, "", None, None, {}, f"{found.fault}: {found.detail}")
        return
    given = {column_key(name): value for name, value in fields.items() if not missing(value)}
    response = next((given[column_key(name)] for name in RESPONSE_KEYS if column_key(name) in given), None)
    truth = pick(fields, TRUTH_KEYS)
    if isinstance(truth, str) and truth.lstrip().startswith("{'"):  # as pandas writes an object into a cell
        truth = structured(truth)
    prompts = pick(fields, PROMPT_KEYS) or ""
    columns: tuple[Any, ...] = (prompts, response, truth)
    listed = all(isinstance(column, list) and len(column) == len(prompts) for column in columns)
    if listed and not any(isinstance(prompt, dict) for prompt in prompts):  # ms-swift's completions; a dict is a turn
        for at, (prompt, reply, gold) in enumerate(zip(*columns, strict=True)):
            row = {name: cells[at] for name, cells in fields.items() if isinstance(cells, list) and len(cells) > at}
            yield Generation(found.number, str(prompt), reply, gold, row)
        return
    prompt = "\n".join(str(text) for text in _replies(prompts))
    for reply in _replies(response):
        yield Generation(found.number, prompt, reply, truth, fields)


def _replies(value: Any) -> list[Any]:
    """Return the replies of a cell: the text of each, in chat form the assistant's last turn."""
    held = structured(value)
    turns = held if isinstance(held, list) else [held]
    if turns and all(isinstance(turn, dict) and {"content", "role"} <= turn.keys() for turn in turns):
        said = [turn for turn in turns if turn["role"] == "assistant"] or turns
        return [reply_text(said[-1]) or ""]
    if turns is held and held and not isinstance(value, str) and all(isinstance(one, (str, list)) for one in held):
        return [text for one in held for text in _replies(one)]
    return [value]


def _read_log(path: Path) -> Iterator[Generation]:
    good, first = False, None
    for number, text, is_whole in _log_entries(path):
        generation = _log_entry(text, number, is_whole)
        good, first = good or not generation.fault, first or generation
        yield generation
    if first and not good:
        raise DataError(f"{path}:{first.number} is {first.fault}")


def _log_entries(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield the line, the text, and whether a score ends it, of each entry."""
    lines: list[str] = []
    start, last = 1, ""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if line.startswith(_LOG_START) and _END.fullmatch(last):
                yield start, "".join(lines), True
                lines, start = [], number
            lines.append(line.replace("\r\n", "\n"))
            last = line.strip() or last
    yield start, "".join(lines), bool(_END.fullmatch(last))


def _log_entry(text: str, number: int, is_whole: bool) -> Generation:
    """Read an entry; the output may hold any mark: the first [output] and the last [ground_truth] are EasyR1's."""
    prompt, output, rest = text.partition("\n[output] ")
    response, truth, tail = rest.rpartition("\n[ground_truth] ")
    if not is_whole or not output or not truth or not prompt.startswith(_LOG_START):
        cut, other = "an entry that has no [score] line: the log was cut", "no entry of EasyR1's generations.log"
        return Generation(number, "", None, None, {}, other if is_whole else cut)
    ground_truth, _, score = tail.rpartition("\n[score] ")
    prompt = prompt.removeprefix(_LOG_START)
    row = {"prompt": prompt, "response": response, "ground_truth": ground_truth, "logged_score": score.strip()}
    return Generation(number, prompt, response, ground_truth, row)
