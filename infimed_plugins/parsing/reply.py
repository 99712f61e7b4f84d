r"""A reply that need follow no form, taken apart for a scorer: more forms than the format gate of a reward lets pass.

    <thinking>…</thinking> B    reasoning under another name; without its opening tag too, where the prompt opened it
    <Answer>B</Answer>   <final_answer>B</final_answer>   <answer>B      cut off at a stop string
    <CONCLUSION>B</CONCLUSION>   <solution>B</solution>                  tags of other names, where none is of these
    boxed{B}   \fbox{B}   \boxed B   \boxed{B                            near misses of a box
    B<|im_end|>                                                          end tokens that were not stripped

    {"answer": "B"}                                                      an object with one answer
    \boxed{A} On second thought, it is dense. \boxed{B}                  the last one, after whole sentences

What every form shares with the gate: reasoning that never ends, and tags or boxes that hold different answers side by
side, are no answer. Linear in the length of the reply.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import NamedTuple

from infimed_plugins.parsing.latex import BOX, last_box, read_boxes
from infimed_plugins.parsing.response import INFIMED_FORM, ParsedResponse, ResponseForm, extract_answer, parse_response

_END_TOKEN = re.compile(r"<\|[A-Za-z_]{1,24}\|>|</s>|<eos>|<end_of_turn>")
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\x00\ufe0f]")
_THINK_TAG = re.compile(r"[<◁](/?)(?:think(?:ing)?|reasoning|reflection)[>▷]", re.IGNORECASE)
_ANSWER_TAG = re.compile(r"<(/?)(?:final[_ -]?)?answer>", re.IGNORECASE)
_OTHER_TAG = re.compile(r"<(/?)(?:conclusion|solution|final|response)>", re.IGNORECASE)  # where no answer is in tags
_NEAR_BOX = re.compile(r"(?<!\\)(?:\\*\b(?:f?box|boxed)\s*\{|\\+boxed\s+([A-Za-z0-9])(?![A-Za-z0-9]))")
_SENTENCE = re.compile(r"(?:[^\W_]+[^\w\n]+){2}[^\W_]+|[\u4e00-\u9fff]{4}")
_LINKED = re.compile(
    r"(?<![a-z])(?:or|and|either|could|might|may|possibl[ey]|possibility|perhaps|maybe|"
    r"alternative(?:ly)?|also|second|other|not|if)(?![a-z])|或|不|可能",
    re.IGNORECASE,
)
_SENTENCE_ENDS = re.compile(r"[.!?:。！？\n]")
_NOT_LETTERS = re.compile(r"[^a-z]")
_KEYS = (
    "answer finalanswer correctanswer youranswer myanswer predictedanswer answerletter answerchoice choice option "
    "selectedoption correctoption correctchoice prediction"
)
_ANSWER_KEYS = frozenset(_KEYS.split())
_MAX_JSON = 20_000  # characters
_MAX_TAGS = 64
_JSON_DIFFERS = "an object whose answers differ"
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
    if "<" in reply or not reply.isascii() or "\0" in reply:
        gate = parse_response(reply, form) if form.tags[0] in reply or form.think_prefilled else None
        found = _marked_up(reply, gate, form)
        return found if gate is None or not gate.format_ok else found._replace(well_formed=True)
    if "box" in reply:
        return _boxed(reply)
    text = reply.strip()
    if text and text[0] in "{`":
        return _read(_from_json(text), _JSON_DIFFERS)
    return Reply(text, reason="" if text else "the reply is empty")


def _marked_up(text: str, gate: ParsedResponse | None, form: ResponseForm) -> Reply:
    if gate is not None and gate.format_ok:
        answer = gate.answer if "box" not in gate.answer else extract_answer(_near_boxes(gate.answer))
        if answer:
            return _read(_from_json(answer), _JSON_DIFFERS, True)
    if "<|" in text or "</s>" in text or "<e" in text:
        text = _END_TOKEN.sub("", text)
    text = text if text.isascii() and "\0" not in text else _INVISIBLE.sub("", text)
    if form.answer_tag != INFIMED_FORM.answer_tag and form.tags[2] in text:
        return _read(extract_answer(text, form), "the answer's tags are broken", True)
    after = _after_reasoning(text)
    if after is None:
        return Reply("", reason="the reasoning never ends, or comes twice")
    found = _tagged(after, _ANSWER_TAG) or _tagged(after, _OTHER_TAG)
    if found is not None:
        return found
    text = _ANSWER_TAG.sub(" ", after)
    if "box" in text:
        return _boxed(text)
    bare = text.strip()
    return _read(_from_json(bare), _JSON_DIFFERS if bare else "the reply is empty")


def _read(text: str, reason: str, marked: bool = False) -> Reply:
    return Reply(text, marked, "" if text else reason)


def _after_reasoning(text: str) -> str | None:
    """What follows the one block of reasoning; None when it is open or there are several."""
    tags = [found for found, _ in zip(_THINK_TAG.finditer(text), range(_MAX_TAGS), strict=False)]
    if not tags:
        return text
    closing = [tag for tag in tags if tag[1]]
    if len(closing) != 1 or len(tags) > 2 or tags[-1] is not closing[0]:
        return None
    return text[closing[0].end() :]


def _tagged(text: str, tags: re.Pattern[str]) -> Reply | None:
    """What such tags hold; None without any, or when all are empty."""
    found: list[tuple[str, int, int]] = []
    start = -1
    for count, tag in enumerate(tags.finditer(text)):
        if count > _MAX_TAGS:
            return Reply("", True, "too many answer tags")
        if not tag[1]:
            if start >= 0:
                return Reply("", True, "an answer tag opens twice")
            start = tag.end()
        elif start < 0:
            return Reply("", True, "an answer tag closes that never opened")
        else:
            found.append((text[start : tag.start()].strip(), start, tag.start()))
            start = -1
    if start >= 0:
        found.append((text[start:].strip(), start, len(text)))
    given = [one for one in found if one[0]]
    if not given:
        return None
    for (said, _, end), (then, begin, _) in pairwise(given):
        if said != then and not _goes_on(tags.sub(" ", text[end:begin])):
            return Reply("", True, "tags that hold different answers")
    content = given[-1][0]
    if "box" in content:
        return _boxed(content)._replace(marked=True)
    return _read(_from_json(content), _JSON_DIFFERS, True)


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
    if boxes.kind == "several":
        content, between = last_box(text)
        return _read(content if _goes_on(between) else "", _BOXES_DIFFER, True)
    return _read(extract_answer(boxes.content), _BOXES_DIFFER, True)


def _goes_on(between: str) -> bool:
    """Whether whole sentences stand between two answers, so that the later one counts; "or" makes them rivals."""
    *whole, begun = _SENTENCE_ENDS.split(between.strip(" $*"))
    return any(map(_SENTENCE.search, (*whole, begun))) and not _LINKED.search(begun)


def _from_json(text: str) -> str:
    """The value of the one key that names an answer, if the text is a JSON object with such a key; else the text."""
    bare = text.removeprefix("```json").strip("` \n")
    if not bare.startswith("{") or len(bare) > _MAX_JSON:
        return text
    try:
        held = json.loads(bare)
    except (ValueError, RecursionError):
        return text
    values = {
        str(value).strip()
        for key, value in held.items()
        if _NOT_LETTERS.sub("", key.lower()) in _ANSWER_KEYS and isinstance(value, (str, int, float)) and value != ""
    }
    return values.pop() if len(values) == 1 else "" if values else text


def _near_boxes(text: str) -> str:
    r"""``boxed{``, ``\fbox{`` and ``\boxed B`` written as ``\boxed{`` and ``\boxed{B}``."""
    if text.count("box") == text.count(BOX):
        return text
    return _NEAR_BOX.sub(lambda found: f"\\boxed{{{found[1]}}}" if found[1] else "\\boxed{", text)
