r"""A reply that need follow no form, taken apart for a scorer: more forms than the format gate of a reward lets pass.

    <thinking>…</thinking> B    reasoning under another name; without its opening tag too, where the prompt opened it
    <Answer>B</Answer>   <final_answer>B</final_answer>   <answer>B      cut off at a stop string
    boxed{B}   \fbox{B}   \boxed B   \boxed{B                            near misses of a box
    B<|im_end|>                                                          end tokens that were not stripped

What every form shares with the gate: reasoning that never ends, and tags or boxes that hold different answers, are no
answer. Linear in the length of the reply.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from infimed_plugins.answers.latex import BOX, read_boxes
from infimed_plugins.answers.response import INFIMED_FORM, ResponseForm, extract_answer, parse_response

_END_TOKEN = re.compile(r"<\|[A-Za-z_]{1,24}\|>|</s>|<eos>|<end_of_turn>")
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\x00\ufe0f]")
_THINK_TAG = re.compile(r"<(/?)(?:think(?:ing)?|reasoning|reflection)>", re.IGNORECASE)
_ANSWER_TAG = re.compile(r"<(/?)(?:final[_ -]?)?answer>", re.IGNORECASE)
_NEAR_BOX = re.compile(r"(?<!\\)(?:\\*\b(?:f?box|boxed)\s*\{|\\+boxed\s+([A-Za-z0-9])(?![A-Za-z0-9]))")
_MAX_TAGS = 64
_BOXES_DIFFER = "boxes that say different things"


class Reply(NamedTuple):
    """``text`` is the content of a tag or box where ``marked``, else the reply without its reasoning.

    An empty text is no answer, and ``reason`` says why. ``well_formed`` is what the format gate says.
    """

    text: str
    marked: bool = False
    reason: str = ""
    well_formed: bool = False


def read_reply(reply: object, form: ResponseForm = INFIMED_FORM) -> Reply:
    """Take a reply apart by the table above; anything that is not a string holds no answer."""
    if not isinstance(reply, str):
        return Reply("", reason="the reply is not text")
    text = reply
    if "<" in text or not text.isascii() or "\0" in text:
        gate = parse_response(text, form) if form.tags[0] in text or form.think_prefilled else None
        if gate is not None and gate.format_ok:
            answer = gate.answer if "box" not in gate.answer else extract_answer(_near_boxes(gate.answer))
            return Reply(answer, True, gate.reason or _BOXES_DIFFER, True)
        if "<|" in text or "</s>" in text or "<e" in text:
            text = _END_TOKEN.sub("", text)
        text = text if text.isascii() and "\0" not in text else _INVISIBLE.sub("", text)
        if form.answer_tag != INFIMED_FORM.answer_tag and form.tags[2] in text:
            return Reply(extract_answer(text, form), True, "the answer's tags are broken")
        after = _after_reasoning(text)
        if after is None:
            return Reply("", reason="the reasoning never ends, or comes twice")
        found = _tagged(after)
        if found is not None:
            return found
        text = _ANSWER_TAG.sub(" ", after)
    if "box" in text:
        return _boxed(text)
    text = text.strip()
    return Reply(text, reason="" if text else "the reply is empty")


def _after_reasoning(text: str) -> str | None:
    """What follows the one block of reasoning; None when it is open or there are several."""
    tags = [found for found, _ in zip(_THINK_TAG.finditer(text), range(_MAX_TAGS), strict=False)]
    if not tags:
        return text
    closing = [tag for tag in tags if tag[1]]
    if len(closing) != 1 or len(tags) > 2 or tags[-1] is not closing[0]:
        return None
    return text[closing[0].end() :]


def _tagged(text: str) -> Reply | None:
    """What the answer tags hold; None without any, or when all are empty."""
    contents: list[str] = []
    start = -1
    for count, tag in enumerate(_ANSWER_TAG.finditer(text)):
        if count > _MAX_TAGS:
            return Reply("", True, "too many answer tags")
        if not tag[1]:
            if start >= 0:
                return Reply("", True, "an answer tag opens twice")
            start = tag.end()
        elif start < 0:
            return Reply("", True, "an answer tag closes that never opened")
        else:
            contents.append(text[start : tag.start()].strip())
            start = -1
    if start >= 0:
        contents.append(text[start:].strip())
    given = {content for content in contents if content}
    if len(given) > 1:
        return Reply("", True, "tags that hold different answers")
    if not given:
        return None
    content = given.pop()
    return Reply(content if "box" not in content else extract_answer(_near_boxes(content)), True, _BOXES_DIFFER)


def _boxed(text: str) -> Reply:
    text = _near_boxes(text)
    boxes = read_boxes(text)
    if boxes.kind == "none":
        return Reply(text.strip())
    if boxes.kind == "blank":
        return Reply(boxes.rest.strip(), reason="the box is empty")
    if boxes.kind == "open":
        closed = text.rstrip() + "}"
        boxes = read_boxes(closed)
        if boxes.kind != "one" or "\n\n" in boxes.content:
            return Reply("", True, "a box never closes")
        text = closed
    return Reply(extract_answer(boxes.content if boxes.kind == "one" else text), True, _BOXES_DIFFER)


def _near_boxes(text: str) -> str:
    r"""``boxed{``, ``\fbox{`` and ``\boxed B`` written as ``\boxed{`` and ``\boxed{B}``."""
    if text.count("box") == text.count(BOX):
        return text
    return _NEAR_BOX.sub(lambda found: f"\\boxed{{{found[1]}}}" if found[1] else "\\boxed{", text)
