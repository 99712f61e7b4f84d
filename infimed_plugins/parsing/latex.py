r"""What LaTeX and Markdown put around an answer: ``\text{B}``, ``$B$``, ``**B**``, and ``\boxed{B}`` in a sentence.

What stands around a box is passed over where the codes of its words (lexicon.py) are a harmless frame. How much is
one depends on where the box stands (``Around``). Else the box is opened in its place; one denied right behind is none.

    The answer is \boxed{B}.    **\boxed{B}**    x = \boxed{5}    \boxed{B} is the answer    the content
    -\boxed{5}    \sqrt{\boxed{4}}    \boxed{5} kg    not \boxed{B}    A or \boxed{B}        all of it
"""

from __future__ import annotations

import re
from enum import Enum
from itertools import islice
from typing import NamedTuple

from infimed_plugins.parsing.lexicon import OTHER, read_text, rule
from infimed_plugins.parsing.normalize import nfkc

BOX = "\\boxed{"
BLANK = re.compile(r"\\boxed\{\s*\}")  # stands for what is to come
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\x00\ufe0f]")
_MAX_BRACES = 20_000
_WINDOW = 400  # characters on each side of a box that are looked at

_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:bf|it|rm|sf|tt|bb|cal)|boldsymbol|bm|emph|mbox|fbox|boxed|"
    r"operatorname|displaystyle|left|right|bf|rm|it|quad|qquad)(?![A-Za-z])|\\[,;:! ()\[\]]"
)
_BRACE = re.compile(r"\\boxed\{|\\.|[{}]", re.DOTALL)
_DEPTH = {"{": 1, BOX: 1, "}": -1}
_INNER = re.compile(r"\\boxed\{([^{}]*)\}")
_ESCAPED = re.compile(r"\\([%&#_$.])")
_MARKUP = str.maketrans(dict.fromkeys("{}$`", " "))

_MARKS = " \t\r\n*_#$.,;:\"'“”‘’()[]【】「」。，：！`—•✅✔☑✓👉➡→\ufe0f"  # that say nothing beside a box
_NOT_TEXT = re.compile(r"\\(?:begin|end)\{\w+\*?\}|<\|[A-Za-z_]+\|>|</s>")
_SENTENCE_STARTS = re.compile(r"^.*(?:[.!?](?=\s)|[。！？]|\n(?=.*\w))", re.DOTALL)
_SENTENCE_ENDS = re.compile(r"[.!?](?=\s|$)|[。！？]|\n(?!\s*[a-z])")

_NAME = r"(?:\\angle\s?)?\\?[A-Za-z]+(?:\s?_\s?\w{1,3})?'?(?:\s?\(\s?\w{1,5}\s?\))?"
_SIDES = r"(?:\\[A-Za-z]+|(?<![\\A-Za-z])(?:[a-z]|[A-Z]{1,2})(?![A-Za-z])|[^A-Za-z])*"  # of an equation, without words
_NUMBERS = r"(?:\\frac\s|\\sqrt\s|[\d(])(?:\\(?:frac|sqrt|times|cdot|div|pi)(?![a-z])|[-+*/×÷().,%\d\s^])*"
_SAYS = re.compile(  # what means "is": "x =", "12 + 30 =", "A = r^2 =", "we get", "an area of"
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
_FRAME = rf"(?:(?:{_ANNOUNCES}|[,.:])*{_ANNOUNCES})?"  # all that stands before a box in an answer
_LEADS = "[{be|shows|pick|answer|option|so|correct}]~{option}?~$"  # the end of a clause behind the reasoning
_HANGS = "[{negated|no|hypothetical}][,.:\n]*$"  # the end of what stands before that clause
_DENIES = "[?{negated|no|rejected|possible|hypothetical|concedes|retracts|or}]|{others}~{pick}"
_DENIES_NUMBER = "[?{rejected|retracts}]|{negated}~[{be|correct|pick}]|{possible}~[{be|subject|answer}]"
_IS_IT = "(?:[{be|because}][{be|correct|likely|filler|answer|option}]+)?"  # all that stands behind a box
DENIED_BEFORE = "[{negated|rejected|than}][{be|filler|subject|option|answer|pick|present}(:]*(?:{word}{1,2}{filler}+)?$"
DENIED_AFTER = (
    "[-),.:]*{contrast}?,?(?:{option}|{subject})?(?:{option|be|filler|correct|likely}|{word}(?={negated}))*"
    "(?:[?{rejected|retracts|no}]|{negated}(?:[,.]|$|~[{be|correct|rejected|subject|answer}])|{or}~{negated})"
)


class Around(Enum):
    """How much of what stands around a box is passed over."""

    ANSWER = "in an answer: only words that announce an answer"
    PROSE = "behind the reasoning: also a sentence that leads to the box and denies nothing"
    ANY = "in an evaluation: all but a denial, a sign or a function at the box, or a unit"


class Boxed(NamedTuple):
    """What one box holds, and where it starts and ends in its text."""

    content: str
    start: int
    end: int


def plain(text: str) -> str:
    r"""The text without wrappers: ``\textbf{B}.`` gives ``B .``. Commands that mean something (``\frac``) stay."""
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", _WRAPPER.sub(" ", text))
    return text.translate(_MARKUP).replace("**", " ").replace("__", " ").strip()


def find_boxes(text: str) -> list[Boxed] | None:
    """The boxes of a text that hold something, boxes in them opened; None where one never closes or there is no end."""
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
    """The answer of a text with a box in it: its content, with what is no frame of it; "" where it is denied behind."""
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
    return _joined("", content, re.sub(r"^\s*(?:[$}*]|\\[\])])+\s*", " ", after))  # what opened before it closes


def _is_frame(lead: str, content: str, around: Around) -> bool:
    """Whether what stands before a box may be passed over."""
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
    """The codes of what stands beside a box; a capital A is no article there, and of a long text not all is known."""
    read = read_text(nfkc(plain(text[:_WINDOW])).strip(_MARKS))
    codes = (OTHER if word == "A" else code for word, code in zip(read.written, read.codes, strict=True))
    return "".join(codes) + OTHER * (len(text) > _WINDOW)


def _joined(front: str, content: str, behind: str) -> str:
    """The content between what stands around it, kept together where a sign touches it and apart from a word."""
    touched = re.search(r"(?:[-+*/^−]|\\[A-Za-z]+)\s*$", front) or re.match(r"\s*[*/^!]", behind)
    if touched and re.search(r"[-+*/=]", content[1:]):
        content = f"({content})"
    gap = " " if front[-1:].isalnum() and content[0].isalnum() else ""
    after = " " if content[-1].isalnum() and behind[:1].isalnum() else ""
    return f"{front}{gap}{content}{after}{behind}".strip()
