r"""A response taken apart: its reasoning, and the answer it marks or states.

The gate of the rewards (``strict``) lets one form pass, and one like it:

    <think> The lesion is bright on T2. </think> <answer> B </answer>
    <think> The lesion is bright on T2. </think> The answer is \boxed{B}.

Source: first paper, 3.2.2 ("Thinking Progress" and "Final Answer Format"); the exact conditions are ours:

- outer whitespace aside, the text starts with ``<think>``; each tag stands there once, and in this order;
- something stands between ``<answer>`` and ``</answer>``; or there is no answer tag anywhere and, after ``</think>``,
  a ``\boxed{…}`` that closes and is not blank (and none left open);
- tags are ASCII and exact: neither ``<THINK>`` nor ``< think >`` is a tag;
- text between the blocks and after the answer is allowed; what stands around a box may belong to it (latex.py).

An evaluation (not ``strict``) is not about the form, and takes many more. Answers that differ side by side, and
reasoning that never ends, hold none:

    <thinking>…</thinking> B   …</think> B   <think>…<think>…</think> B   <think>… <answer>B</answer>
    <Answer>B</Answer>   <final_answer>B</final_answer>   <answer>B   B</answer>   <CONCLUSION>B</CONCLUSION>
    boxed{B}   \fbox{B}   \boxed B   \boxed{B   B<|im_end|>   B <eoa> Next question   {"answer": "B"}
    \boxed{A} On second thought, it is dense. \boxed{B}    the last one, after whole sentences
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property

from infimed_plugins.errors import ConfigError
from infimed_plugins.parsing.latex import BLANK, BOX, INVISIBLE, Around, find_boxes, plain, unboxed
from infimed_plugins.parsing.lexicon import read_text, rule
from infimed_plugins.parsing.reading import Reading
from infimed_plugins.records import Code

_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MAX_CONTENT = 50_000  # characters; no reward reads a longer answer, and of a longer reply only the ends are read
_MAX_TAGS = 64
_THINK_TAG = r"[<◁](/?)(?:think(?:ing)?|reasoning|reflection|{})[>▷]"
_ANSWER_TAG = r"<(/?)(?:(?:final[_ -]?)?answer|{})>"
_OTHER_TAG = re.compile(r"<(/?)(?:conclusion|solution|final|response)>", re.IGNORECASE)  # where no answer is in tags
_EMPTY_TAGS = re.compile(r"<([A-Za-z]{1,16})>\s*</\1>")
_END_TOKEN = re.compile(r"<\|[A-Za-z_]{1,24}\|>|</s>|<eos>|<end_of_turn>")
_NEAR_BOX = re.compile(r"(?<!\\)(?:\\*\b(?:f?box|boxed)\s*\{|\\+boxed\s+([A-Za-z0-9])(?![A-Za-z0-9]))")
_ANSWER_KEY = re.compile(
    r"(?:final|correct|your|my|predicted)?answer|answer(?:letter|choice)|(?:selected|correct)?(?:option|choice)|prediction"
)


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


def parse_response(text: object, form: ResponseForm = INFIMED_FORM, strict: bool = True) -> Reading:
    """Read one response by the rules above. Anything that is not a string is malformed."""
    if not isinstance(text, str):
        return _none("the response is not a string")
    gate = _gate(text, form)
    return gate if strict else _lenient(text, form)._replace(format_ok=gate.format_ok, reasoning=gate.reasoning)


def extract_answer(text: object, form: ResponseForm = INFIMED_FORM) -> str:
    """The answer of any reply, asked for directly or with reasoning; "" when there is none to be had."""
    return parse_response(text, form, strict=False).answer


def _gate(text: str, form: ResponseForm) -> Reading:
    think, think_end, answer, answer_end = form.tags
    text = text.strip()
    if form.think_prefilled and not text.startswith(think):
        text = think + text
    if not text.startswith(think):
        return _none(f"it does not start with {think}")
    counts, places = [text.count(tag) for tag in form.tags], [text.find(tag) for tag in form.tags]
    reasoning, _, tail = text.removeprefix(think).partition(think_end)
    if counts == [1, 1, 0, 0]:
        found = _in_boxes(tail, Around.PROSE)
        if not found.marked:
            return _none(found.reason or f"no {answer} and no box that holds something after {think_end}")
    elif counts == [1, 1, 1, 1] and places == sorted(places):
        content = tail.partition(answer)[2].partition(answer_end)[0]
        if not INVISIBLE.sub("", content[:_MAX_CONTENT]).strip():
            return _none("the answer is empty")
        found = _in_boxes(content, Around.ANSWER) if len(content) <= _MAX_CONTENT else _said(content)
        found = _said(content) if found.code is Code.MALFORMED else found
    else:
        return _none(f"it needs {think}, {think_end}, {answer} and {answer_end}, each once and in this order")
    return found._replace(format_ok=True, reasoning=reasoning.strip(), marked=True)


def _none(reason: str, code: Code = Code.MALFORMED, marked: bool = False) -> Reading:
    return Reading("", code, (), reason, marked)


def _said(text: str, marked: bool = False) -> Reading:
    text = text.strip()
    return Reading(text, marked=marked) if text else _none("it is empty", Code.NO_ANSWER, marked)


def _in_boxes(text: str, around: Around, marked: bool = False) -> Reading:
    """What the box of a text says with what stands around it; else the text, ``marked`` as it was."""
    text = text.replace(f"\\{BOX}", BOX)  # some models escape the backslash
    if around is Around.ANY and text.count("box") != text.count(BOX):
        text = _NEAR_BOX.sub(lambda found: f"{BOX}{found[1]}}}" if found[1] else BOX, text)
    boxes = find_boxes(text)
    if boxes is None and around is Around.ANY:  # the reply was cut
        closed = find_boxes(text.rstrip() + "}")
        boxes = closed if closed and "\n\n" not in closed[-1].content else None
    if boxes is None:
        return _none("a box never closes", marked=around is Around.ANY)
    if not boxes:
        plain_text = _from_json if around is Around.ANY and BOX not in text else _said
        return plain_text(BLANK.sub(" ", text), marked)
    last, start = boxes[-1], 0
    if any(box.content != last.content for box in boxes):
        start = boxes[-2].end
        if around is not Around.ANY or boxes[-2].content == last.content or not _goes_on(text[start : last.start]):
            return _none("boxes that say different things", Code.SEVERAL, True)
    before = text[start : last.start].replace(text[last.start : last.end], f" {BOX}}} ")
    said = unboxed(before, last.content, text[last.end :], around)
    return _said(said, True) if said else _none("the answer is denied or taken back", Code.REJECTED, True)


def _goes_on(between: str) -> bool:
    """Whether whole sentences stand between two answers, so that the later one counts; "or" makes them rivals."""
    codes = read_text(plain(between[-1000:])).codes
    three_words = rule(r"(?:[^-.?:,()\n],?){3}").search(codes)
    return three_words is not None and not rule(r"[{or|and|possible|negated|hypothetical}][^.?:\n]*$").search(codes)


def _lenient(text: str, form: ResponseForm) -> Reading:
    think_tag, answer_tag = form.lenient_tags
    after = _after_reasoning(text, think_tag, answer_tag)
    if after is None:
        return _none("the reasoning never ends, or comes twice")
    if len(after) > _MAX_CONTENT:
        after = f"{after[: _MAX_CONTENT // 4]}\n{after[-_MAX_CONTENT * 3 // 4 :]}"
    explanation, _, answer = INVISIBLE.sub("", after).partition("<eoa>")[0].rpartition("<eoe>")  # of GAOKAO-Bench
    after = _EMPTY_TAGS.sub(" ", _END_TOKEN.sub("", answer if answer.strip() else explanation))
    found = _in_tags(after, answer_tag) or _in_tags(after, _OTHER_TAG)
    return found or _in_boxes(answer_tag.sub(" ", after), Around.ANY)


def _after_reasoning(text: str, think_tag: re.Pattern[str], answer_tag: re.Pattern[str]) -> str | None:
    """What follows the one block of reasoning; None when it is open or there are several."""
    pieces = think_tag.split(text, maxsplit=_MAX_TAGS)
    slashes = pieces[1::2]
    if slashes and "/" not in slashes:  # an answer that ends the reply has ended the reasoning as well
        _, *answers = answer_tag.split(text, maxsplit=_MAX_TAGS)
        return text if answers[::2] == ["", "/"] and not answers[-1].strip() else None
    return pieces[-1] if "/" not in slashes[:-1] and len(slashes) < _MAX_TAGS else None


def _in_tags(text: str, tags: re.Pattern[str]) -> Reading | None:
    """What such tags hold; None without any, or when all are empty."""
    first, *rest = tags.split(text, maxsplit=_MAX_TAGS)
    order = "".join(slash or "<" for slash in rest[::2])
    if order == "/":  # the prompt opened it
        return _in_boxes(first, Around.ANY)
    if not re.fullmatch("(?:</)*<?", order):
        return _none("answer tags that do not pair", marked=True)
    answer = between = ""
    for inside, outside in zip(rest[1::4], [*rest[3::4], ""], strict=False):
        held = inside.strip()
        if held and answer and held != answer and not _goes_on(between):
            return _none("tags that hold different answers", Code.SEVERAL, True)
        answer, between = (held, outside) if held else (answer, between + outside)
    return _in_boxes(answer, Around.ANY, True) if answer else None


def _from_json(text: str, marked: bool) -> Reading:
    """The value of the one key that names an answer, if the text is a JSON object with such a key; else the text."""
    bare = text.strip().removeprefix("```json").strip("` \n")
    try:
        held = json.loads(bare) if bare.startswith("{") else None
    except (ValueError, RecursionError):
        held = None
    named = held.items() if isinstance(held, dict) else ()
    said = [value for key, value in named if _ANSWER_KEY.fullmatch("".join(filter(str.isalpha, key.lower())))]
    values = {str(value).strip() for value in said if isinstance(value, (str, int, float)) and value != ""}
    if len(values) > 1:
        return _none("an object whose answers differ", Code.SEVERAL, marked)
    return _said(values.pop() if values else text, marked)
