"""TQA-Distill-R1: questions about tables written out as text (HiTab, WikiTableQuestions), answered by DeepSeek-R1.

hub: jared-zhou/TQA-Distill-R1, parquet. Table question answering, not Textbook QA; there are no pictures.

    {"prompt": [{"content": "… | Year | Team | …\\nWhich team won in 1998?", "role": "user"}],
     "info": {"id": "wtq-17", "task_type": "tqa"}, "response": "<think>\\nThe row …\\n</think>\\n\\nBoston",
     "finish_reasons": "stop", "api_metadata": {…}, "task_generator": "…"}

There is no gold column: the answer is what the model says after ``</think>``, or of that what it puts into
``<answer>`` or ``\\boxed{}``; which of these forms the rows have is not confirmed, nor whether the opening ``<think>``
is there. "The answer is **Boston**." is Boston. Replies that were cut off are refused, and answers of more than a dozen
words: a reward that compares words would never be earned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from infimed_plugins.parsing.response import extract_answer
from infimed_plugins.records import Sample
from infimed_plugins.sources.public import PublicSource, Row, UnusableRow, as_text, clean, reasoning, text_or_math

THINK, THINK_END = "<think>", "</think>"
MAX_WORDS = 12  # of an answer

_LEAD_IN = re.compile(
    r"(?:^|[.!?:\n])[\s*_#]*(?:(?:so|thus|hence|therefore),?\s+)?(?:the\s+|my\s+)?(?:final\s+|correct\s+)?answers?"
    r"(?:\s+to\s+[^\n:.]{1,100}?)?[*_]*[^\S\n]*(?:(?:is|are)\b\s*:?|:|\n)",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_FULL_STOP = re.compile(r"(?<!\b[A-Za-z])\.$")  # not the full stop of "P.M."


class TqaDistill(PublicSource):
    """Text only: a table and a question, the reasoning and the answer of a model."""

    name = "tqa_distill"
    splits = ("train",)
    columns = ("prompt", "info", "response", "finish_reasons")

    def sample(self, row: Row, split: str) -> Sample:
        """Return a number or a text, to a question that says itself how to answer."""
        fields = row.fields
        if _first(fields["finish_reasons"]) == "length":
            raise UnusableRow("cut off")
        thought, answer = take_apart(_first(fields["response"]))
        kind, task = _task_type(fields["info"]), text_or_math(answer)
        return self.as_written(row, split, asked(fields["prompt"]), answer, kind, task, rationale=thought)


def take_apart(response: str) -> tuple[str | None, str]:
    """Return the text inside the think tags and the answer after them. Raises UnusableRow when that cannot be told."""
    thought, end, _ = response.partition(THINK_END)
    if not end:
        raise UnusableRow("the reasoning does not end")
    whole = response if response.lstrip().startswith(THINK) else THINK + response
    answer = extract_answer(whole)
    if not answer:
        raise UnusableRow("no one answer after the reasoning", response[-100:])
    return reasoning(thought), short_answer(answer)


def short_answer(text: str) -> str:
    """Return the answer without introductory words and Markdown. Raises UnusableRow for a whole sentence."""
    found = list(_LEAD_IN.finditer(text))
    said = text[found[-1].end() :] if found else text
    bold = _BOLD.findall(said)
    if found and len(bold) == 1 and said.lstrip(" *_").startswith(bold[0]):
        said = bold[0]  # and not what it says of it
    answer = _FULL_STOP.sub("", clean(re.sub(r"\*\*|__|`", "", said)).strip("*_ "))
    if len(answer.split()) > MAX_WORDS:
        raise UnusableRow("the answer is a sentence", answer[:100])
    return answer


def asked(prompt: Sequence[Mapping[str, str]]) -> str:
    """Return all that the model was given, a system prompt in front."""
    return "\n\n".join(turn["content"].strip() for turn in prompt if turn["role"] != "assistant" and turn["content"])


def _first(value: Any) -> str:
    """Return a string, or the first of a list of them."""
    if isinstance(value, (list, tuple)):
        value = value[0] if value else ""
    return as_text(value)


def _task_type(info: Any) -> str:
    return clean(info.get("task_type") if isinstance(info, dict) else None) or "table"


TQA_DISTILL = TqaDistill()
