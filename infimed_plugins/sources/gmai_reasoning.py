r"""GMAI-Reasoning10K: multiple choice about medical pictures, with and without reasoning (Su et al. 2025).

    rl    {"image": "2d/cls/ct/0001.png", "conversations": [
              {"from": "human", "value": "<image>\nWhich organ is shown?\nA. Liver\nB. Spleen\nC. Lung"},
              {"from": "gpt", "value": "B"}]}
    sft   the same, and gpt says: "<think> … </think> <answer> B </answer>"

Pictures lie in the repository beside the rows, and some are missing. Not confirmed: the names of the files with the
rows (JSON lines, JSON and parquet are read), how a question writes its options ("A. …", "A: …" and "(A) …", a line
each or all in one), and how the reasoning ends (an answer in tags, in \boxed{}, or "the answer is B").
hub: General-Medical-AI/GMAI-Reasoning10K
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from infimed_plugins.records import OPTION_LETTERS, ImageRef, Sample
from infimed_plugins.sources.choices import letter_among, letter_of_text, split_letter
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, as_text, clean, without_image_tags
from infimed_plugins.sources.tables import json_rows, parquet_rows

CONFIGS = {"rl": "reasoning_mcq_rl", "sft": "reasoning_mcq_sft"}
COLUMNS = ("image", "conversations")

_LINE_OPTION = re.compile(r"^[ \t]*\(?([A-Z])[).:：]\s*", re.MULTILINE)
_INLINE_OPTION = re.compile(r"(?<![^\s,;])\(?([A-Z])[).:：]\s*")
_OPTIONS_HEADER = re.compile(r"\s*\b(?:answer\s+)?(?:options|choices)\s*(?:are\s*)?[:：]?\s*$", re.IGNORECASE)
_THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_ANSWER_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_BOXED = re.compile(r"\\boxed\{(?:\\text\{)?([^{}]*)\}")
_ANSWER_IS = re.compile(r"(?i:\banswer)\s*(?i:is\b)?\s*:?[\s*]*\(?([A-Z])(?:\W{0,5}\Z|[).:][^\n]*\Z)")
_SENTENCE_END = re.compile(r"[.!?]\s+|\n")
_TAGS = re.compile(r"</?(?:think|answer)>")


class GmaiReasoning(PublicSource):
    """The rows for reinforcement learning ("rl") and those with reasoning ("sft")."""

    name = "gmai_reasoning"
    splits = tuple(CONFIGS)

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """Yield the rows of one configuration. The whole repository is fetched: pictures are single files in it."""
        root, config = files.root("*"), CONFIGS[split]
        kinds = ("jsonl", "json", "parquet")
        patterns = [f"{where}{config}{rest}.{kind}" for kind in kinds for where in ("", "**/") for rest in ("*", "/*")]
        paths = files.all(*patterns)
        parquet = paths[0].suffix == ".parquet"
        found = parquet_rows(paths, COLUMNS) if parquet else (row for path in paths for row in json_rows(path, COLUMNS))
        for row in self.numbered(found):
            yield row.opening(partial(_picture, root))

    def sample(self, row: Row, split: str) -> Sample:
        """Return a multiple choice; in "sft" with the reasoning as its rationale."""
        said = {turn["from"]: as_text(turn["value"]) for turn in reversed(list(row.fields["conversations"]))}
        question, options = question_and_options(without_image_tags(said.get("human", "")))
        rationale, found = reasoning_and_answer(said.get("gpt", "")) if split == "sft" else ("", said.get("gpt", ""))
        more = {"images": row.image(), "rationale": rationale or None, "meta": {"kind": "multiple_choice"}}
        return self.choice(row, split, question, options, _letter(found, options), **more)


def question_and_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a question and the options written behind it. Raises UnusableRow when there are none.

    A line of its own behind the last option is an instruction, and is dropped.
    """
    markers = _in_order(list(_LINE_OPTION.finditer(text))) or _in_order(list(_INLINE_OPTION.finditer(text)))
    if not markers:
        raise UnusableRow("no options in the question", text[-100:])
    ends = [marker.start() for marker in markers[1:]] + [len(text)]
    written = [text[marker.end() : end].strip() for marker, end in zip(markers, ends, strict=True)]
    options = tuple(clean(option.split("\n")[0]).rstrip(",; ") for option in written)
    if "" in options:
        raise UnusableRow("a choice is empty", f"option {OPTION_LETTERS[options.index('')]}")
    return _OPTIONS_HEADER.sub("", text[: markers[0].start()]), options


def _in_order(markers: list[re.Match[str]]) -> list[re.Match[str]]:
    """Return the markers A, B, … behind the last A that has a B; none when no A has one."""
    for start in reversed([index for index, marker in enumerate(markers) if marker[1] == "A"]):
        chain = [markers[start]]
        for marker in markers[start + 1 :]:
            if marker[1] == OPTION_LETTERS[len(chain) : len(chain) + 1]:
                chain.append(marker)
        if len(chain) > 1:
            return chain
    return []


def reasoning_and_answer(text: str) -> tuple[str, str]:
    """Return the reasoning without tags, and the answer as it is written. Raises UnusableRow without an answer."""
    for pattern in (_ANSWER_TAG, _BOXED, _ANSWER_IS):
        found = list(pattern.finditer(text))
        if found:
            thought, before = _THOUGHT.search(text), text[: found[-1].start()]
            if thought is None and pattern is not _ANSWER_TAG:
                before = _whole_sentences(before)
            return clean(_TAGS.sub("", thought[1] if thought else before)), found[-1][1]
    raise UnusableRow("no answer behind the reasoning", text[-100:])


def _whole_sentences(text: str) -> str:
    """Return text without the sentence begun at its end."""
    ends = [end.end() for end in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends else ""


def _letter(found: str, options: Sequence[str]) -> str:
    """Return the letter of "B", "(B)", "B. Spleen" or "Spleen". Raises UnusableRow when letter and text differ."""
    if not clean(found):
        raise UnusableRow("no answer")
    letter, text = split_letter(found)
    if not letter:
        return letter_among(text, options) if len(text) == 1 else letter_of_text(text, options)
    letter = letter_among(letter, options)
    wanted = options[OPTION_LETTERS.index(letter)]
    if text.strip(". )") and text.casefold().rstrip(".") != wanted.casefold().rstrip("."):
        raise UnusableRow("answer and letter differ", f"{letter}, {text!r}"[:100])
    return letter


def _picture(root: Path, fields: Mapping[str, Any]) -> ImageRef:
    """Return a file below a folder, by its name alone: in the hub's cache it is a link to elsewhere."""
    name = as_text(fields["image"])
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise UnusableRow("its image lies outside of the data set", name)
    if not (root / parts).is_file():
        raise UnusableRow("its image is missing", name)
    return ImageRef(path=str(root / parts))


GMAI_REASONING = GmaiReasoning()
