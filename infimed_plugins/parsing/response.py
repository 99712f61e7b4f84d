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

ResponseForm changes the names of the tags, and says where a chat template has written the opening ``<think>`` into the
prompt, so that replies start inside the reasoning.

Boxes that say different things are no answer: the format holds, the answer is empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from infimed_plugins.errors import ConfigError
from infimed_plugins.parsing.latex import Boxes, read_boxes

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\x00"
_MAX_UNBOXED = 50_000  # characters; no reward reads a longer answer
_RIVAL = re.compile(r"[0-9]|(?<![A-Za-z])[A-Z](?![A-Za-z])")


@dataclass(frozen=True)
class ResponseForm:
    """The tags that responses are asked to use. Raises ConfigError for names that cannot be tags.

    ``think_prefilled``: the chat template opens the reasoning itself; a reply that opens it again is read as well.
    """

    think_tag: str = "think"
    answer_tag: str = "answer"
    think_prefilled: bool = False

    def __post_init__(self) -> None:
        for key, name in (("think_tag", self.think_tag), ("answer_tag", self.answer_tag)):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ConfigError(f"{key} is {name!r}; give a name of letters, digits, - and _, without brackets")
        if self.think_tag == self.answer_tag:
            raise ConfigError(f"think_tag and answer_tag are both {self.think_tag!r}; give two names")

    @cached_property
    def tags(self) -> tuple[str, str, str, str]:
        """Opening and closing tag of the reasoning, then of the answer."""
        return (f"<{self.think_tag}>", f"</{self.think_tag}>", f"<{self.answer_tag}>", f"</{self.answer_tag}>")


INFIMED_FORM = ResponseForm()


@dataclass(frozen=True)
class ParsedResponse:
    """A response taken apart. Without ``format_ok`` both texts are empty and ``reason`` says what is wrong."""

    format_ok: bool
    reasoning: str = ""
    answer: str = ""
    reason: str = ""


def parse_response(text: object, form: ResponseForm = INFIMED_FORM) -> ParsedResponse:
    """Read one response by the rules above; linear in its length. Anything that is not a string is malformed."""
    if not isinstance(text, str):
        return _malformed("the response is not a string")
    think, think_end, answer, answer_end = form.tags
    text = text.strip()
    if form.think_prefilled and not text.startswith(think):
        text = think + text
    if not text.startswith(think):
        return _malformed(f"it does not start with {think}")
    if text.count(think) != 1 or text.count(think_end) != 1:
        return _malformed(f"it needs exactly one {think} and one {think_end}")
    end = text.index(think_end)
    reasoning, tail = text[len(think) : end].strip(), text[end + len(think_end) :]
    if answer in text or answer_end in text:
        if answer in reasoning or answer_end in reasoning:
            return _malformed(f"an answer tag stands inside {think}")
        return _tagged(reasoning, tail, form)
    return _boxed(reasoning, tail, form)


def extract_answer(text: object, form: ResponseForm = INFIMED_FORM) -> str:
    r"""The answer of any reply, asked for directly or with reasoning; "" when there is none to be had.

    A well-formed response gives its answer. Otherwise, with reasoning or without: the one ``<answer>`` block, the one
    ``\boxed{}``, or the whole text when it has neither. Broken tags, reasoning that never ends, or answers that
    differ give "": it abstains, it does not guess.
    """
    parsed = parse_response(text, form)
    if parsed.format_ok or not isinstance(text, str):
        return parsed.answer
    think, think_end, answer, answer_end = form.tags
    text = text.strip()
    if think in text or think_end in text:
        if not text.startswith(think) or text.count(think) != 1 or text.count(think_end) != 1:
            return ""
        text = text.partition(think_end)[2].strip()
    if answer in text or answer_end in text:
        return _tagged("", text, form).answer
    boxes = read_boxes(text)
    if boxes.kind == "none":
        return text
    return _without_box("", boxes.content).answer if boxes.kind == "one" else ""


def _tagged(reasoning: str, tail: str, form: ResponseForm) -> ParsedResponse:
    _, think_end, answer, answer_end = form.tags
    if tail.count(answer) != 1 or tail.count(answer_end) != 1:
        return _malformed(f"it needs exactly one {answer} and one {answer_end} after {think_end}")
    start, end = tail.index(answer) + len(answer), tail.index(answer_end)
    if end < start:
        return _malformed(f"{answer_end} comes before {answer}")
    content = tail[start:end].strip()
    if not _visible(content):
        return _malformed("the answer is empty")
    return _without_box(reasoning, content)


def _boxed(reasoning: str, tail: str, form: ResponseForm) -> ParsedResponse:
    boxes = read_boxes(tail)
    if boxes.kind == "several":
        return ParsedResponse(True, reasoning, "", "boxes that say different things")
    if boxes.kind == "one" and _visible(boxes.content):
        return _without_box(reasoning, boxes.content)
    _, think_end, answer, _ = form.tags
    reasons = {"none": f"no {answer} and no \\boxed{{}} after {think_end}", "open": "a \\boxed{ never closes"}
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
