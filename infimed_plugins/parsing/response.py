r"""A response taken apart: its reasoning, and the answer it marks or states.

The gate of the rewards (``strict``) lets one form pass, and one like it:

    <think> The lesion is bright on T2. </think> <answer> B </answer>
    <think> The lesion is bright on T2. </think> The answer is \boxed{B}.

Source: first paper, 3.2.2 ("Thinking Progress" and "Final Answer Format"); the exact conditions are ours:

- outer whitespace aside, the text starts with ``<think>``; exactly one ``<think>`` and one ``</think>``;
- exactly one ``<answer>`` and one ``</answer>``, after ``</think>``, in order, with something between them; or no
  answer tag anywhere and, after ``</think>``, a ``\boxed{…}`` that closes and is not blank (and none left open);
- tags are ASCII and exact: neither ``<THINK>`` nor ``< think >`` is a tag;
- text between the blocks and after the answer is allowed; what stands around a box may belong to it (boxed.py).

An evaluation (not ``strict``) is not about the form, and takes many more:

    <thinking>…</thinking> B   …</think> B   <think>…<think>…</think> B   <think>… <answer>B</answer>
    <Answer>B</Answer>   <final_answer>B</final_answer>   <answer>B   B</answer>   <CONCLUSION>B</CONCLUSION>
    boxed{B}   \fbox{B}   \boxed B   \boxed{B   B<|im_end|>   B <eoa> Next question   {"answer": "B"}
    \boxed{A} On second thought, it is dense. \boxed{B}    the last one, after whole sentences

Boxes or tags that say different things side by side, and reasoning that never ends, are no answer. Linear in the length
of the text. ResponseForm changes the names of the tags, and says where a chat template opens the reasoning.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import NamedTuple

from infimed_plugins.errors import ConfigError
from infimed_plugins.parsing.boxed import BOX, END_TOKEN, Around, Boxes, goes_on, read_boxes, read_loose_boxes, unboxed
from infimed_plugins.records import Code

_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\x00\ufe0f]")
_MAX_UNBOXED = 50_000  # characters; no reward reads a longer answer
_THINK_TAG = r"[<◁](/?)(?:think(?:ing)?|reasoning|reflection|{})[>▷]"
_ANSWER_TAG = r"<(/?)(?:(?:final[_ -]?)?answer|{})>"
_OTHER_TAG = re.compile(r"<(/?)(?:conclusion|solution|final|response)>", re.IGNORECASE)  # where no answer is in tags
_MORE_MARKUP = re.compile(r"[<{\0]|box|^$")
_EMPTY_TAGS = re.compile(r"<([A-Za-z]{1,16})>\s*</\1>")
_NOT_LETTERS = re.compile(r"[^a-z]")
_ANSWER_KEY = re.compile(
    r"(?:(?:final|correct|your|my|predicted)?answer|answer(?:letter|choice)|(?:selected|correct)?option|(?:correct)?choice|"
    r"prediction)"
)
_MAX_JSON = 20_000  # characters
_MAX_TAGS = 64


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
            if not isinstance(name, str) or not _TAG_NAME.fullmatch(name):
                raise ConfigError(f"{key} is {name!r}; give a name of letters, digits, - and _, without brackets")
        if self.think_tag == self.answer_tag:
            raise ConfigError(f"think_tag and answer_tag are both {self.think_tag!r}; give two names")

    @cached_property
    def tags(self) -> tuple[str, str, str, str]:
        """Opening and closing tag of the reasoning, then of the answer."""
        return (f"<{self.think_tag}>", f"</{self.think_tag}>", f"<{self.answer_tag}>", f"</{self.answer_tag}>")

    @cached_property
    def lenient_tags(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """What an evaluation takes for a tag of the reasoning, and of the answer."""
        think, answer = _THINK_TAG.format(self.think_tag), _ANSWER_TAG.format(self.answer_tag)
        return re.compile(think, re.IGNORECASE), re.compile(answer, re.IGNORECASE)


INFIMED_FORM = ResponseForm()


class ParsedResponse(NamedTuple):
    """A response taken apart. An empty ``answer`` is none, and ``reason`` and ``code`` say why.

    ``format_ok`` is what the gate says, strict or not. ``marked``: the answer stood in a tag or box, and is not the
    whole reply. ``reasoning`` is kept only where the gate passes.
    """

    format_ok: bool
    reasoning: str = ""
    answer: str = ""
    reason: str = ""
    marked: bool = False
    code: Code = Code.JUDGED


def parse_response(text: object, form: ResponseForm = INFIMED_FORM, strict: bool = True) -> ParsedResponse:
    """Read one response by the rules above. Anything that is not a string is malformed."""
    if not isinstance(text, str):
        return _malformed("the response is not a string")
    return _gate(text, form) if strict else _lenient(text, form)


def extract_answer(text: object, form: ResponseForm = INFIMED_FORM) -> str:
    """The answer of any reply, asked for directly or with reasoning; "" when there is none to be had."""
    return parse_response(text, form, strict=False).answer


def _gate(text: str, form: ResponseForm) -> ParsedResponse:
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
    if answer not in text and answer_end not in text:
        return _boxed_in_tail(reasoning, tail, form)
    if answer in reasoning or answer_end in reasoning:
        return _malformed(f"an answer tag stands inside {think}")
    if tail.count(answer) != 1 or tail.count(answer_end) != 1:
        return _malformed(f"it needs exactly one {answer} and one {answer_end} after {think_end}")
    start, end = tail.index(answer) + len(answer), tail.index(answer_end)
    if end < start:
        return _malformed(f"{answer_end} comes before {answer}")
    if not _visible(content := tail[start:end].strip()):
        return _malformed("the answer is empty")
    boxes = read_boxes(content) if BOX in content and len(content) <= _MAX_UNBOXED else None
    if boxes is None or boxes.kind == "open":
        return ParsedResponse(True, reasoning, content, "", True)
    return _out_of_boxes(boxes, Around.ANSWER, reasoning)


def _boxed_in_tail(reasoning: str, tail: str, form: ResponseForm) -> ParsedResponse:
    boxes = read_boxes(tail)
    if boxes.kind == "several" or (boxes.kind == "one" and _visible(boxes.content)):
        return _out_of_boxes(boxes, Around.PROSE, reasoning)
    _, think_end, answer, _ = form.tags
    reasons = {"none": f"no {answer} and no \\boxed{{}} after {think_end}", "open": "a \\boxed{ never closes"}
    return _malformed(reasons.get(boxes.kind, "the answer is empty"))


def _out_of_boxes(boxes: Boxes, around: Around, reasoning: str = "") -> ParsedResponse:
    """The answer with its boxes taken away, and what is no frame of them kept."""
    inside = Around.ANY if around is Around.ANY else Around.ANSWER
    for _ in range(8):  # boxes in boxes
        if boxes.kind == "several":
            return ParsedResponse(True, reasoning, "", "boxes that say different things", True, Code.SEVERAL)
        content = boxes.rest.strip() if boxes.kind != "one" else unboxed(boxes, around)
        if boxes.kind == "one" and not content:
            return ParsedResponse(True, reasoning, "", "the answer is denied or taken back", True, Code.REJECTED)
        if boxes.kind == "none" or BOX not in content or len(content) > _MAX_UNBOXED:
            break
        if (boxes := read_boxes(content)).kind == "open":
            break
        around = inside
    return _read(content, "the box is empty")._replace(format_ok=True, reasoning=reasoning)


def _visible(text: str) -> bool:
    return bool(text.strip("\0 \n") if text.isascii() else _INVISIBLE.sub("", text).strip())


def _malformed(reason: str) -> ParsedResponse:
    return ParsedResponse(False, reason=reason, code=Code.MALFORMED)


def _read(
    text: str, reason: str = "the reply is empty", marked: bool = True, code: Code = Code.NO_ANSWER
) -> ParsedResponse:
    return ParsedResponse(False, "", text, "", marked) if text else ParsedResponse(False, "", "", reason, marked, code)


def _lenient(text: str, form: ResponseForm) -> ParsedResponse:
    if not ("<" in text or "box" in text or "{" in text or not text.isascii() or "\0" in text):
        return _read(text.strip(), marked=False)
    passed = form.tags[1] in text and (form.tags[0] in text or form.think_prefilled)
    gate = _gate(text, form) if passed else _malformed("")
    if gate.format_ok and form.tags[2] in text and gate.answer.isascii() and not _MORE_MARKUP.search(gate.answer):
        return gate
    found = _without_markup(text, form)
    return found._replace(format_ok=True, reasoning=gate.reasoning) if gate.format_ok else found


def _without_markup(text: str, form: ResponseForm) -> ParsedResponse:
    text = text if text.isascii() and "\0" not in text else _INVISIBLE.sub("", text)
    think_tag, answer_tag = form.lenient_tags
    if (">" in text and "<" in text) or "▷" in text:
        text = _before_end(text)
        if "</" in text:
            text = _EMPTY_TAGS.sub(lambda found: found[0] if answer_tag.match(found[0]) else " ", text)
        after = _after_reasoning(text, think_tag, answer_tag)
        if after is None:
            return _read("", "the reasoning never ends, or comes twice", False, Code.MALFORMED)
        found = _in_tags(after, answer_tag) or _in_tags(after, _OTHER_TAG)
        if found is not None:
            return found
        text = answer_tag.sub(" ", after)
    return _in_boxes(text) if "box" in text else _from_json(text.strip(), False)


def _before_end(text: str) -> str:
    """The text without end tokens, the ``<eoe>`` and ``<eoa>`` of GAOKAO-Bench among them, and what follows."""
    if "<eo" in text:
        explanation, _, answer = text.partition("<eoa>")[0].rpartition("<eoe>")
        text = answer if answer.strip() else explanation
    return END_TOKEN.sub("", text) if "|>" in text or "</s>" in text or "<e" in text else text


def _after_reasoning(text: str, think_tag: re.Pattern[str], answer_tag: re.Pattern[str]) -> str | None:
    """What follows the one block of reasoning; None when it is open or there are several."""
    tags = list(islice(think_tag.finditer(text), _MAX_TAGS))
    if not tags:
        return text
    if not any(tag[1] for tag in tags):  # an answer that ends the reply has ended the reasoning as well
        answers = list(islice(answer_tag.finditer(text), 3))
        at_end = [one[1] for one in answers] == ["", "/"] and not text[answers[1].end() :].strip()
        return text[answers[0].start() :] if at_end else None
    once = tags[-1][1] and not any(tag[1] for tag in tags[:-1]) and len(tags) < _MAX_TAGS
    return text[tags[-1].end() :] if once else None


def _in_tags(text: str, tags: re.Pattern[str]) -> ParsedResponse | None:
    """What such tags hold; None without any, or when all are empty."""
    found: list[tuple[str, int, int]] = []
    start = -1
    for count, tag in enumerate(tags.finditer(text)):
        if count > _MAX_TAGS or (not tag[1] and start >= 0):
            return _read("", "an answer tag opens twice", code=Code.SEVERAL)
        if not tag[1]:
            start = tag.end()
        elif start < 0 and not count and not tags.search(text, tag.end()):  # the prompt opened it
            return _plain_or_boxed(text[: tag.start()].strip(), False)
        elif start < 0:
            return _read("", "an answer tag closes that never opened", code=Code.MALFORMED)
        else:
            found.append((text[start : tag.start()].strip(), start, tag.start()))
            start = -1
    if start >= 0:
        found.append((text[start:].strip(), start, len(text)))
    given = [one for one in found if one[0]]
    for (said, _, end), (then, begin, _) in pairwise(given):
        if said != then and not goes_on(tags.sub(" ", text[end:begin])):
            return _read("", "tags that hold different answers", code=Code.SEVERAL)
    return _plain_or_boxed(given[-1][0]) if given else None


def _plain_or_boxed(content: str, marked: bool = True) -> ParsedResponse:
    found = _in_boxes(content) if "box" in content else _from_json(content, marked)
    return found._replace(marked=marked or found.marked)


def _in_boxes(text: str) -> ParsedResponse:
    """The answer in the box of a text; the text where it has none."""
    boxes = read_loose_boxes(text)
    if boxes.kind in ("none", "blank"):
        return _read(boxes.rest.strip(), "the box is empty", False)
    if boxes.kind == "open":
        return _read("", "a box never closes", code=Code.MALFORMED)
    return _out_of_boxes(boxes, Around.ANY)._replace(format_ok=False)


def _from_json(text: str, marked: bool) -> ParsedResponse:
    """The value of the one key that names an answer, if the text is a JSON object with such a key; else the text."""
    bare = text.removeprefix("```json").strip("` \n")
    if not bare.startswith("{") or len(bare) > _MAX_JSON:
        return _read(text, marked=marked)
    try:
        held = json.loads(bare)
    except (ValueError, RecursionError):
        held = {}
    values = {
        str(value).strip()
        for key, value in held.items()
        if _ANSWER_KEY.fullmatch(_NOT_LETTERS.sub("", key.lower()))
        and isinstance(value, (str, int, float))
        and value != ""
    }
    if not values:
        return _read(text, marked=marked)
    return _read(values.pop() if len(values) == 1 else "", "an object whose answers differ", marked, Code.SEVERAL)
