r"""The structure of a response: one block of reasoning, then one explicit final answer.

    <think> The lesion is bright on T2. </think>
    <answer> B </answer>

or ``\boxed{B}`` in the place of the answer tags. Source: first paper, 3.2.2 ("Thinking Progress" and "Final Answer
Format"); the exact conditions are ours:

- outer whitespace aside, the text starts with ``<think>``; exactly one ``<think>`` and one ``</think>``;
- exactly one ``<answer>`` and one ``</answer>``, after ``</think>``, in order, with something between them; or no
  answer tag anywhere and, after ``</think>``, a ``\boxed{…}`` that closes and is not blank (and none left open);
- tags are ASCII and exact: neither ``<THINK>`` nor ``< think >`` is a tag;
- text between the blocks and after the answer is allowed.

Boxes that say different things are no answer: the format holds, the answer is empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from infimed_plugins.answers.latex import Boxes, read_boxes

THINK, THINK_END = "<think>", "</think>"
ANSWER, ANSWER_END = "<answer>", "</answer>"
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\x00"
_MAX_UNBOXED = 50_000  # characters; no reward reads a longer answer
_RIVAL = re.compile(r"[0-9]|(?<![A-Za-z])[A-Z](?![A-Za-z])")


@dataclass(frozen=True)
class ParsedResponse:
    """A response taken apart. Without ``format_ok`` both texts are empty and ``reason`` says what is wrong."""

    format_ok: bool
    reasoning: str = ""
    answer: str = ""
    reason: str = ""


def parse_response(text: object) -> ParsedResponse:
    """Read one response by the rules above; linear in its length. Anything that is not a string is malformed."""
    if not isinstance(text, str):
        return _malformed("the response is not a string")
    text = text.strip()
    if not text.startswith(THINK):
        return _malformed("it does not start with <think>")
    if text.count(THINK) != 1 or text.count(THINK_END) != 1:
        return _malformed("it needs exactly one <think> and one </think>")
    end = text.index(THINK_END)
    reasoning, tail = text[len(THINK) : end].strip(), text[end + len(THINK_END) :]
    if ANSWER in text or ANSWER_END in text:
        if ANSWER in reasoning or ANSWER_END in reasoning:
            return _malformed("an answer tag stands inside <think>")
        return _tagged(reasoning, tail)
    return _boxed(reasoning, tail)


def extract_answer(text: object) -> str:
    r"""The answer of any reply, asked for directly or with reasoning; "" when there is none to be had.

    A well-formed response gives its answer. Otherwise, with reasoning or without: the one ``<answer>`` block, the one
    ``\boxed{}``, or the whole text when it has neither. Broken tags, reasoning that never ends, or answers that
    differ give "": it abstains, it does not guess.
    """
    parsed = parse_response(text)
    if parsed.format_ok or not isinstance(text, str):
        return parsed.answer
    text = text.strip()
    if THINK in text or THINK_END in text:
        if not text.startswith(THINK) or text.count(THINK) != 1 or text.count(THINK_END) != 1:
            return ""
        text = text.partition(THINK_END)[2].strip()
    if ANSWER in text or ANSWER_END in text:
        return _tagged("", text).answer
    boxes = read_boxes(text)
    if boxes.kind == "none":
        return text
    return _without_box("", boxes.content).answer if boxes.kind == "one" else ""


def _tagged(reasoning: str, tail: str) -> ParsedResponse:
    if tail.count(ANSWER) != 1 or tail.count(ANSWER_END) != 1:
        return _malformed("it needs exactly one <answer> and one </answer> after </think>")
    start, end = tail.index(ANSWER) + len(ANSWER), tail.index(ANSWER_END)
    if end < start:
        return _malformed("</answer> comes before <answer>")
    content = tail[start:end].strip()
    if not _visible(content):
        return _malformed("the answer is empty")
    return _without_box(reasoning, content)


def _boxed(reasoning: str, tail: str) -> ParsedResponse:
    boxes = read_boxes(tail)
    if boxes.kind == "several":
        return ParsedResponse(True, reasoning, "", "boxes that say different things")
    if boxes.kind == "one" and _visible(boxes.content):
        return _without_box(reasoning, boxes.content)
    reasons = {"none": "no <answer> and no \\boxed{} after </think>", "open": "a \\boxed{ never closes"}
    return _malformed(reasons.get(boxes.kind, "the answer is empty"))


def _without_box(reasoning: str, content: str) -> ParsedResponse:
    """The answer inside the box of an answer, unless the text around the box holds a rival to it."""
    for _ in range(8):  # boxes in boxes
        boxes = read_boxes(content) if len(content) <= _MAX_UNBOXED else Boxes("none")
        if boxes.kind == "several":
            return ParsedResponse(True, reasoning, "", "boxes that say different things")
        if boxes.kind not in ("one", "blank"):
            break
        rival = boxes.kind == "blank" or _RIVAL.search(boxes.rest)
        content = f"{boxes.rest} {boxes.content}".strip() if rival else boxes.content
    return ParsedResponse(True, reasoning, content)


def _visible(text: str) -> bool:
    return bool(text.strip(_INVISIBLE).strip())


def _malformed(reason: str) -> ParsedResponse:
    return ParsedResponse(False, reason=reason)
