"""What sources with long texts or with numbers for answers share."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from infimed_plugins.records import Sample, Task
from infimed_plugins.sources.public import as_text, clean

_NUMBER = re.compile(r"[-−]?\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+|\d+ \d+)(?:/\d+)?\s?%?")
_THINK_TAG = re.compile(r"</?think>")


def text_or_math(answer: str) -> Task:
    """The task of a short answer: "math" for a number such as ``6,830``, ``1/12``, ``1 1/2`` or ``$8.20``."""
    return "math" if _NUMBER.fullmatch(clean(answer)) else "text"


def as_written(sample: Sample, question: str, answer: str) -> Sample:
    """The sample with texts laid out as upstream has them: indented code, nested lists, tables set with tabs."""
    return replace(sample, question=question.strip(), answer=answer.strip())


def reasoning(text: Any) -> str | None:
    """A rationale without think tags, which some rows carry; None when nothing is left."""
    return _THINK_TAG.sub("", as_text(text)).strip() or None
