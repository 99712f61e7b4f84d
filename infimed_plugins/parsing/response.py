r"""Split a response into its reasoning and the answer it marks or states.

The gate of the rewards (``strict``) lets one form pass, and one like it:

    <think> The lesion is bright on T2. </think> <answer> B </answer>
    <think> The lesion is bright on T2. </think> The answer is \boxed{B}.

Source: first paper, 3.2.2 ("Thinking Progress" and "Final Answer Format"); the exact conditions are ours:

- outer whitespace aside, the text starts with ``<think>``; each tag stands there once, and in this order;
- something stands between ``<answer>`` and ``</answer>``; or there is no answer tag anywhere and, after ``</think>``,
  a ``\boxed{…}`` that closes and is not blank (and none left open);
- tags are ASCII and exact: neither ``<THINK>`` nor ``< think >`` is a tag;
- text between the blocks and after the answer is allowed; what stands around a box may belong to it.

An evaluation (not ``strict``) is not about the form, and takes many more. Answers that differ side by side, and
reasoning that never ends, hold none:

    <thinking>…</thinking> B   …</think> B   <think>…<think>…</think> B   <think>… <answer>B</answer>
    <Answer>B</Answer>   <final_answer>B</final_answer>   <answer>B   B</answer>   <CONCLUSION>B</CONCLUSION>
    boxed{B}   \fbox{B}   \boxed B   \boxed{B   B<|im_end|>   B <eoa> Next question   {"answer": "B"}
    \boxed{A} On second thought, it is dense. \boxed{B}    the last one, after whole sentences

What stands around a box is passed over where the codes of its words (lexicon.py) are a harmless frame. How much is
one depends on where the box stands (``Around``). Else the box is opened in its place; one denied right behind is none.

    The answer is \boxed{B}.    **\boxed{B}**    x = \boxed{5}    \boxed{B} is the answer    the content
    -\boxed{5}    \sqrt{\boxed{4}}    \boxed{5} kg    not \boxed{B}    A or \boxed{B}        all of it
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from infimed_plugins.errors import ConfigError
from infimed_plugins.parsing.lexicon import OTHER, Reading, Text, rule
from infimed_plugins.parsing.normalize import nfkc, plain
from infimed_plugins.records import Code

_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MAX_CONTENT = 50_000  # characters; no reward reads a longer answer, and of a longer reply only the ends are read
_MAX_TAGS = 64
_THINK_TAG = r"[<◁](/?)(?:think(?:ing)?|reasoning|reflection|{})[>▷]"
_ANSWER_TAG = r"<(/?)(?:(?:final[_ -]?)?answer|{})>"
_OTHER_TAG = re.compile(r"<(/?)(?:conclusion|solution|final|response)>", re.IGNORECASE)  # used without answer tags
_EMPTY_TAGS = re.compile(r"<([A-Za-z]{1,16})>\s*</\1>")
_END_TOKEN = re.compile(r"<\|[A-Za-z_]{1,24}\|>|</s>|<eos>|<end_of_turn>")
_NEAR_BOX = re.compile(r"(?<!\\)(?:\\*\b(?:f?box|boxed)\s*\{|\\+boxed\s+([A-Za-z0-9])(?![A-Za-z0-9]))")
_ANSWER_KEY = re.compile(
    r"(?:final|correct|your|my|predicted)?answer|answer(?:letter|choice)|(?:selected|correct)?(?:option|choice)|prediction"
)


BOX = "\\boxed{"
BLANK = re.compile(r"\\boxed\{\s*\}")  # stands for what is to come
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\x00\ufe0f]")
_MAX_BRACES = 20_000
_WINDOW = 400  # characters on each side of a box that are looked at

_BRACE = re.compile(r"\\boxed\{|\\.|[{}]", re.DOTALL)
_DEPTH = {"{": 1, BOX: 1, "}": -1}
_INNER = re.compile(r"\\boxed\{([^{}]*)\}")
_MARKS = " \t\r\n*_#$.,;:\"'“”‘’()[]【】「」。，：！`—•✅✔☑✓👉➡→\ufe0f"  # that say nothing beside a box
_NOT_TEXT = re.compile(r"\\(?:begin|end)\{\w+\*?\}|<\|[A-Za-z_]+\|>|</s>")
_SENTENCE_STARTS = re.compile(r"^.*(?:[.!?](?=\s)|[。！？]|\n(?=.*\w))", re.DOTALL)
_SENTENCE_ENDS = re.compile(r"[.!?](?=\s|$)|[。！？]|\n(?!\s*[a-z])")

_NAME = r"(?:\\angle\s?)?\\?[A-Za-z]+(?:\s?_\s?\w{1,3})?'?(?:\s?\(\s?\w{1,5}\s?\))?"
_SIDES = r"(?:\\[A-Za-z]+|(?<![\\A-Za-z])(?:[a-z]|[A-Z]{1,2})(?![A-Za-z])|[^A-Za-z])*"  # an equation without words
_NUMBERS = r"(?:\\frac\s|\\sqrt\s|[\d(])(?:\\(?:frac|sqrt|times|cdot|div|pi)(?![a-z])|[-+*/×÷().,%\d\s^])*"
_SAYS = re.compile(  # forms that mean "is": "x =", "12 + 30 =", "A = r^2 =", "we get", "an area of"
    rf"(?P<before>^|[,:;。，\u4e00-\u9fff]|(?<![\\A-Za-z])[A-Za-z]{{2,}})"
    rf"\s*(?:(?:{_NAME}(?:\s*={_SIDES})?|{_NUMBERS})\s*=|[-=]>|(?<![\w\\])(?:equals?|equal to|gives?|gets?|"
    r"yields?|obtain|find|see|(?:an? |the )?(?:total|sum|area|volume|number|value|result|mean|average) of))"
    r"(?: an?| the)?$"
)
_BINDS = re.compile(r"(?:~~|[<>≤≥±]|\\(?!(?:[Rr]ightarrow|implies|to|therefore|approx)\b)[A-Za-z]+[\s\d(.]*)$")
_SIGNS = (*"-+−–√^/*", "minus", "negative")
_UNIT = re.compile(r"\s*(?:[%°!^/]|(?:\\[,; ]|~)?\s?[A-Za-zµμΩ][\w^/²³µ]*(?: [A-Za-z^/²³]+){0,2}[\s.$]*$)")
_AMOUNTS = frozenset(["about", "between", "from", "more", "most", "nearly", "to", "towards", "up", "within"])

_ANNOUNCES = "[{so|subject|answer|option|pick|be|correct|likely|filler}]"
_FRAME = rf"(?:(?:{_ANNOUNCES}|[,.:])*{_ANNOUNCES})?"  # the text before a box in an answer
_LEADS = "[{be|shows|pick|answer|option|so|correct}]~{option}?~$"  # the end of a clause behind the reasoning
_HANGS = "[{negated|no|hypothetical}][,.:\n]*$"  # the end of what stands before that clause
_DENIES = "[?{negated|no|rejected|possible|hypothetical|concedes|retracts|or}]|{others}~{pick}"
_DENIES_NUMBER = "[?{rejected|retracts}]|{negated}~[{be|correct|pick}]|{possible}~[{be|subject|answer}]"
_IS_IT = "(?:[{be|because}][{be|correct|likely|filler|answer|option}]+)?"  # the text behind a box
DENIED_BEFORE = "[{negated|rejected|than}][{be|filler|subject|option|answer|pick|present}(:]*(?:{word}{1,2}{filler}*)?$"
DENIED_AFTER = (
    "[-),.:]*{contrast}?,?(?:{option}|{subject})?(?:{option|be|filler|correct|likely}|{word}(?={negated}))*"
    "(?:[?{rejected|retracts|no}]|{negated}(?:[,.]|$|~[{be|correct|rejected|subject|answer}])|{or}~{possible}?{negated})"
)


class Around(Enum):
    """The place of a box, which says how much around it is passed over."""

    ANSWER = "in an answer: only words that announce an answer"
    PROSE = "behind the reasoning: also a sentence that leads to the box and denies nothing"
    ANY = "in an evaluation: all but a denial, a sign or a function at the box, or a unit"


class Boxed(NamedTuple):
    """The content of one box, and where the box starts and ends in its text."""

    content: str
    start: int
    end: int


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
        """Patterns of the tags that an evaluation takes, of the reasoning and of the answer."""
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
    """Return the answer of any reply, asked for directly or with reasoning; "" when there is none to be had."""
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
    """Read the box of a text with the words around it; without a box the text, ``marked`` as it was."""
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
    """True if whole sentences stand between two answers, so that the later one counts; "or" makes them rivals."""
    codes = Text(plain(between[-1000:])).codes
    three_words = rule(r"(?:[^-.?:,()\n],?){3}").search(codes)
    return three_words is not None and not rule(r"[{or|and|possible|negated|hypothetical}][^.?:\n]*$").search(codes)


def _lenient(text: str, form: ResponseForm) -> Reading:
    think_tag, answer_tag = form.lenient_tags
    after = _after_reasoning(text, think_tag, answer_tag)
    if after is None:
        return _none("the reasoning never ends, or comes twice")
    if len(after) > _MAX_CONTENT:
        after = f"{after[: _MAX_CONTENT // 4]}\n{after[-_MAX_CONTENT * 3 // 4 :]}"
    explanation, _, answer = INVISIBLE.sub("", after).partition("<eoa>")[0].rpartition("<eoe>")  # GAOKAO-Bench's
    after = _EMPTY_TAGS.sub(" ", _END_TOKEN.sub("", answer if answer.strip() else explanation))
    found = _in_tags(after, answer_tag) or _in_tags(after, _OTHER_TAG)
    return found or _in_boxes(answer_tag.sub(" ", after), Around.ANY)


def _after_reasoning(text: str, think_tag: re.Pattern[str], answer_tag: re.Pattern[str]) -> str | None:
    """Return the text behind the one block of reasoning; None when it is open or there are several."""
    pieces = think_tag.split(text, maxsplit=_MAX_TAGS)
    slashes = pieces[1::2]
    if slashes and "/" not in slashes:  # an answer that ends the reply has ended the reasoning as well
        _, *answers = answer_tag.split(text, maxsplit=_MAX_TAGS)
        return text if answers[::2] == ["", "/"] and not answers[-1].strip() else None
    return pieces[-1] if "/" not in slashes[:-1] and len(slashes) < _MAX_TAGS else None


def _in_tags(text: str, tags: re.Pattern[str]) -> Reading | None:
    """Read the content of such tags; None without any, or when all are empty."""
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
    """Return the value of the one key that names an answer, if the text is such a JSON object; else the text."""
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


def find_boxes(text: str) -> list[Boxed] | None:
    """Return a text's boxes that hold something, boxes in them opened; None if one never closes or there is no end."""
    boxes: list[Boxed] = []
    depth = start = inner = 0
    braces = _BRACE.finditer(text) if BOX in text else iter(())
    for brace in islice(braces, _MAX_BRACES):
        if depth:
            depth += _DEPTH.get(brace[0], 0)
            content = "" if depth else _INNER.sub(r"\1", text[inner : brace.start()]).strip()
            if INVISIBLE.sub("", content[:_WINDOW]).strip():
                boxes.append(Boxed(content, start, brace.end()))
        elif brace[0] == BOX:
            depth, start, inner = 1, brace.start(), brace.end()
    return None if depth or next(braces, None) else boxes


def unboxed(before: str, content: str, after: str, around: Around) -> str:
    """Return the answer of a text with a box: its content, with what is no frame of it; "" if denied behind."""
    lead = before
    if around is not Around.ANSWER:
        lead = _SENTENCE_STARTS.sub("", _NOT_TEXT.sub(" ", before[-_WINDOW:]))
        after = _NOT_TEXT.sub(" ", after[:_WINDOW])
        if end := _SENTENCE_ENDS.search(after):
            if rule(DENIED_AFTER).match(_codes(after[end.end() :])):
                return ""
            after = after[: end.end()]
    if not _is_frame(lead, content, around):
        return _joined(BLANK.sub(lambda _: content, lead).replace("\n", " "), content, after)
    said = _codes(after if content[-1].isdigit() else after.replace("!", " "))
    if rule(_IS_IT).fullmatch(said):
        return content
    if rule(DENIED_AFTER).match(said):
        return _joined("", content, after) if around is Around.ANY else ""
    if around is Around.ANY and not (content[-1] in "0123456789}" and _UNIT.match(after)):
        return content
    return _joined("", content, re.sub(r"^\s*(?:[$}*]|\\[\])])+\s*", " ", after))  # marks that close here opened before


def _is_frame(lead: str, content: str, around: Around) -> bool:
    """True if the text before a box may be passed over."""
    said = " ".join(nfkc(plain(BLANK.sub(" is ", lead))).strip(_MARKS).replace("&=", "=").split())
    number = content[-1].isdigit()
    if not said:
        return not (lead[-1:] in (".", ",") and content[0].isdigit())  # as in .\boxed{5}
    if around is Around.ANY:
        signed = said.endswith(_SIGNS) and (content[0].isdigit() or content[0] == "\\")
        return not (signed or _BINDS.search(said) or rule(DENIED_BEFORE).search(_codes(said)))
    said = _SAYS.sub(r"\g<before> is", said).replace("=", " ≈ ")
    if number and said.rpartition(" ")[2] in _AMOUNTS:
        return False
    codes = _codes(said)
    if around is Around.ANSWER:
        return rule(_FRAME).fullmatch(codes) is not None
    clause = re.split(r"[,.:\n]", codes)[-1]
    if rule(_HANGS).search(codes.removesuffix(clause)) or rule(_DENIES_NUMBER if number else _DENIES).search(clause):
        return False
    return "\n" in lead or rule(_LEADS).search(clause) is not None  # a box alone in its line needs no more


def _codes(text: str) -> str:
    """Return the codes beside a box; a capital A is no article there, and of a long text not all is known."""
    read = Text(nfkc(plain(text[:_WINDOW])).strip(_MARKS))
    codes = (OTHER if word == "A" else code for word, code in zip(read.written, read.codes, strict=True))
    return "".join(codes) + OTHER * (len(text) > _WINDOW)


def _joined(front: str, content: str, behind: str) -> str:
    """Return the content between what stands around it, kept together where a sign touches it and apart from a word."""
    touched = re.search(r"(?:[-+*/^−]|\\[A-Za-z]+)\s*$", front) or re.match(r"\s*[*/^!]", behind)
    if touched and re.search(r"[-+*/=]", content[1:]):
        content = f"({content})"
    gap = " " if front[-1:].isalnum() and content[0].isalnum() else ""
    after = " " if content[-1].isalnum() and behind[:1].isalnum() else ""
    return f"{front}{gap}{content}{after}{behind}".strip()
