r"""What a ``\boxed{}`` says together with what stands around it.

    The answer is \boxed{B}.    **\boxed{B}**    x = \boxed{5}    so we get \boxed{5}       the content: a known frame
    -\boxed{5}    \sqrt{\boxed{4}}    \boxed{5} kg    not \boxed{B}    \boxed{B} is wrong    the whole, the box opened

How much is a frame depends on where the box stands:

    ANSWER   inside an answer: only the frames that are known; anything else belongs to the answer
    PROSE    behind the reasoning: also a sentence that leads to the box ("the area of the heart is") and denies nothing
    ANY      an evaluation: all that is said before, but for a sign, function or denial directly at the box

Boxes are read with ``str.find`` and ``str.count``, what is around them in a window of a few hundred characters: a
response of 1 MB of braces costs a few milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from infimed_plugins.parsing.latex import closing_brace, mask_escapes, plain

BOX = "\\boxed{"
_HERE = "\ufffc"  # where a box stood, in ``Boxes.rest``
_MAX_DIFFERENT = 16  # different boxes read before giving up on one answer
_MAX_FRAME = 100  # characters
_WINDOW = 400  # characters on each side of a box

_GAP = r"(?:[\s.,;:*_#\"'“”‘’()\[\]=—→]|[-=]>)*"
_SOON = (
    r"(?:(?:and|so|thus|therefore|hence|then|overall|finally|again|namely|consequently|"
    r"in conclusion|in summary)(?:[\s,:]+|$))*"
)
_ANSWER = (
    r"(?:(?:the|my|our)\s+)?(?:(?:final|correct|right|best|most likely|likely|numerical)\s+)*"
    r"(?:answer|ans|result|value|option|choice|solution|diagnosis)(?:\s+to (?:the|this) question)?"
    rf"{_GAP}(?:(?:is|are|should be|would be|must be)(?![a-z]))?{_GAP}(?:option|choice|letter)?"
)
_NAME = r"(?:[a-z]|\\[a-z]+)(?:\s?_\s?\w{1,3})?(?:\s?\(\s?\w\s?\))?\s*="
_ZH = (
    r"(?:所以|因此|故|综上所?述?)?[,，:：]?"
    r"(?:(?:最终|正确|本题)*的?答案(?:应该?)?(?:是|为|选|选择)?|应?选择?|选项|这是|是)"
)
_FRAME = re.compile(
    rf"{_SOON}(?:{_ANSWER}|(?:it|this|that|which) is|(?:i|we) (?:get|have|obtain|find|choose|select|pick|answer)"
    rf"|(?:choose|select|pick|letter|again)|{_NAME}|{_ZH})?{_GAP}"
)
_TERM = (
    r"(?:\\(?!sqrt|log|ln|neg?|not|lnot|cancel|sout|frac)[a-z]+(?![a-z])\s?)?(?:[a-z]{1,3}|[0-9.]+)"
    r"(?:\s?_\s?\w{1,3})?'?(?:\s?\(\s?\w{1,5}\s?\))?"
)
_LEADS = re.compile(
    r"(?:.*(?<![a-z\\])(?:is|are|was|were|be|equals?|equal to|gives?|get|gets|has|have|yields?|obtain|find|as|in|at|"
    r"(?:go|consistent|compatible) with|shows?|depicts?|reveals?|indicates?|demonstrates?|suggests?|see|choose|select|"
    r"pick|called|"
    r"(?:total|sum|area|volume|number|value|result|mean|average|score) of)"
    r"(?:\s+(?:the|an?|option|choice|letter|thus|therefore|then))*"
    rf"|(?:.*[a-z]{{2,}}\s)?(?:{_TERM}(?:\s?(?:[-+*/]|\\times|\\cdot)\s?{_TERM}){{0,8}}\s*|[-0-9.+*/() ]*"
    r"(?:\\(?:times|cdot|div)[-0-9.+*/() ]*)*)=|.*(?:[是为得有在选]|位于))\s*",
    re.DOTALL,
)
_WRONG = re.compile(
    r"(?<![a-z])(?:wrong|incorrect|false|untrue|unlikely|impossible|opposite|doubt\w*|unsure|exclud\w+|eliminat\w+|distractors?|"
    r"rul(?:e|ed|ing) out|ruled|reject\w*|(?:not|never|don['’]t)\s+(?:\w+\s+){0,2}(?:true|case|think|believe|say|"
    r"correct|right|sure|agree))(?![a-z])|[错误]|[≠¬❌✗✘✖?？]|\\(?:neq?|not|neg|cancel|sout|lnot)(?![a-z])"
)
_DENIES = re.compile(
    r"(?<![a-z])(?:not|no|never|neither|nor|cannot|except|instead|unless|maybe|perhaps|may|might|could|possibly|"
    r"probably|or)(?![a-z])|n['’]t(?![a-z])|[不非否没无未排或]|可能|~"
)
_HANGS = re.compile(r"(?<![a-z])(?:that|not|no|never|whether|if)\W*")
_DENIED_BEFORE = re.compile(
    r"(?:(?<![a-z])(?:not|never|neither|nor|no|except|excluding|than|instead of|rul(?:e|es|ed|ing) out|cannot|minus|"
    r"negative)(?![a-z])|n['’]t|不是?|非|排除|[~≠¬❌✗✘✖])[\s$*_\"'“(]*(?:(?:seem|appear|to|be|really|actually|likely|the|an?|"
    r"option|choice|answer|letter|(?:think|believe)\s+(?:that\s+)?(?:it|the answer)\s+is)[\s$*_\"'“(]*|选项?)*"
)
_AT_BOX = re.compile(
    r".*(?:(?P<sign>[-+−–√^/*])|[<>≤≥≠±]|(?<![\\.,;:)])\\(?!(?:quad|qquad|[Rr]ightarrow|implies|to|therefore|longrightarrow|approx|"
    r"displaystyle|therefore|because|newline|n|hline|item|text|boxed)(?![a-z]))[A-Za-z]+[\s\d(.]*)",
    re.DOTALL,
)
_DENIED_AFTER = re.compile(
    r"[\s$*_.,;:)\]\\\"'”’]*(?:(?:option|choice)\W+)?(?:(?:is|was|are|were|seems?|can|could|would|should|must|does|do|did|"
    r"has)(?:\s+be(?:en)?)?\s+)?(?:(?:clearly|definitely|probably|also)\s+)?(?:(?:never|wrong|incorrect|false|unlikely|"
    r"impossible|untrue|excluded|eliminated|ruled out|cannot|wait)(?![a-z])|no(?:[,.!]|$)|"
    r"(?<=[a-z] )not(?![a-z])|not(?=\W*$|\s(?:it|the|right|correct|true|an?|my|sure)(?![a-z]))"
    r"|(?:is|was|does|do|wo|ca)?n['’]t|不|错|~~|[?？❌✗✘✖✕])"
)
_TAKEN_BACK = re.compile(
    r"[\s$*_.\"'”’)\]]*(?:no[,.!]|wait(?![a-z])|actually|scratch that|correction|sorry|on second thought|oops|"
    r"(?:(?:but|however),?\s+)?(?:that|this|it|which|[a-z])(?:['’]s|\s(?:answer\s|option\s|choice\s)?(?:is|was|cannot|"
    r"can['’]t|isn['’]t|does))\s?(?:clearly |definitely |actually |be )?"
    r"(?:wrong|incorrect|false|not|n['’]t|no)(?![a-z]))"
)
_IS_IT = re.compile(
    r"(?:is|as) (?:(?:the|my|our) )?(?:(?:final|correct|right|best) ?)*(?:answer|option|choice)?|\\end\s+\w+"
)
_UNIT = re.compile(r"\s*(?:[%°!^/]|(?:\\[,; ]|~)?\s?[A-Za-zµμΩ][\w^/²³µ]*(?: [A-Za-z^/²³]+){0,2}[\s.$]*$)")
_CLAUSES = re.compile(r"[,;:，；：]\s?|&")
_BULLET = re.compile(r"(?:[-+•>]|\d{1,2}[.)])\s+(?=[a-z]{2})")
_STARTS = re.compile(r".*(?:[.!?](?=\s)|[。！？]|\n)", re.DOTALL)
_ENDS = re.compile(r"[.!?](?=\s|$)|[。！？]|\n(?!\s*[a-z])")
_CLOSES = re.compile(r"^\s*(?:[$}*]|\\[\])])+\s*")  # of what opened before the box
_FINISHED = re.compile(r"[.!?。！？]\W*$")
END_TOKEN = re.compile(r"<\|[A-Za-z_]{1,24}\|>|</s>|<eos>|<end_of_turn>")
_COMMAND_ENDS = re.compile(r"\\[A-Za-z]+\s*$")
_MARKUP = " \t\r\n*_#$.,;:\"'“”‘’()[]{}【】「」。，：！`—•✅✔☑✓👉➡→\ufe0f"


_NEAR_BOX = re.compile(r"(?<!\\)(?:\\*\b(?:f?box|boxed)\s*\{|\\+boxed\s+([A-Za-z0-9])(?![A-Za-z0-9]))")
_SENTENCE = re.compile(r"(?:[^\W_]+[^\w\n]+){2}[^\W_]+|[\u4e00-\u9fff]{4}")
_LINKED = re.compile(
    r"(?<![a-z])(?:or|and|either|could|might|may|possibl[ey]|possibility|perhaps|maybe|"
    r"alternative(?:ly)?|also|second|other|not|if)(?![a-z])|或|不|可能",
    re.IGNORECASE,
)
_SENTENCE_ENDS = re.compile(r"[.!?:。！？\n]")


class Around(Enum):
    """How much of what stands around a box is passed over; the table above."""

    ANSWER = "answer"
    PROSE = "prose"
    ANY = "any"


@dataclass(frozen=True)
class Boxes:
    r"""What the ``\boxed{}`` of a text say together: one ``content``; ``rest`` is the text with marks for them."""

    kind: Literal["none", "blank", "open", "one", "several"]
    content: str = ""
    rest: str = ""


def read_boxes(text: str) -> Boxes:
    """The box of a text: none, only blank ones, one that never closes, one (or the same again), or several."""
    kind: Literal["none", "blank", "one"] = "none"
    content = ""
    text = text.replace(_HERE, " ").replace("\\\\boxed{", BOX)  # some models escape the backslash
    for _ in range(_MAX_DIFFERENT):
        start = text.find(BOX)
        if start < 0:
            return Boxes(kind, content, text)
        inner = start + len(BOX)
        end = closing_brace(mask_escapes(text), inner)
        if end < 0:
            return Boxes("open")
        inside = text[inner:end].strip()
        if inside and kind == "one" and inside != content:
            return Boxes("several")
        if inside:
            kind, content = "one", inside
        elif kind == "none":
            kind = "blank"
        text = text.replace(text[start : end + 1], _HERE if inside else " ")
    return Boxes("several")


def read_loose_boxes(text: str) -> Boxes:
    """The box of a text by looser rules: near misses one cut off; the last after whole sentences counts."""
    if text.count("box") != text.count(BOX):
        text = _NEAR_BOX.sub(lambda found: f"\\boxed{{{found[1]}}}" if found[1] else "\\boxed{", text)
    boxes = read_boxes(text)
    if boxes.kind == "open":
        boxes = read_boxes(text.rstrip() + "}")
        return boxes if boxes.kind == "one" and "\n\n" not in boxes.content else Boxes("open")
    return _last_box(text) if boxes.kind == "several" else boxes


def goes_on(between: str) -> bool:
    """Whether whole sentences stand between two answers, so that the later one counts; "or" makes them rivals."""
    *whole, begun = _SENTENCE_ENDS.split(between.strip(" $*"))
    return any(map(_SENTENCE.search, (*whole, begun))) and not _LINKED.search(begun)


def _last_box(text: str) -> Boxes:
    """The last of several boxes, if whole sentences stand before it."""
    masked = mask_escapes(text)
    start = content_start = before = 0
    end = -1
    for _ in range(_MAX_DIFFERENT):
        start = text.find(BOX, end + 1)
        if start < 0:
            between = text[before : content_start - len(BOX)] if before else ""
            content = text[content_start:end].strip() if goes_on(between) else ""
            return Boxes("one", content, f"{between}{_HERE}{text[end + 1 :]}") if content else Boxes("several")
        before, content_start = end + 1, start + len(BOX)
        end = closing_brace(masked, content_start)
        if end < 0:
            break
    return Boxes("several")


def unboxed(boxes: Boxes, around: Around) -> str:
    """The answer of a text with one box: its content, with what stands around it where that is no known frame.

    "" where it is denied or taken back right behind the box.
    """
    before, _, after = boxes.rest.rpartition(_HERE)
    lead = led = before
    if around is not Around.ANSWER:
        lead, led = _sentence_before(before[-_WINDOW:])
        after = END_TOKEN.sub(" ", after[:_WINDOW])
        ended = _ENDS.search(after)
        if ended is not None and _TAKEN_BACK.match(after[ended.end() :].lower()):
            return ""
        after = after if ended is None else after[: ended.end()]
    if not _is_frame(lead, led, boxes.content, around):
        return _joined(led.replace(_HERE, boxes.content), boxes.content, after).strip()
    if _drops(after, boxes.content, around):
        return boxes.content
    if around is not Around.ANY and _DENIED_AFTER.match(after.replace("—", ",").lower()):
        return ""
    return _joined("", boxes.content, _CLOSES.sub(" ", after)).strip()


def _sentence_before(before: str) -> tuple[str, str]:
    """The words of the sentence in front of a box, and the same with the line above where the box stands alone."""
    start = _STARTS.match(before)
    lead = before[start.end() :] if start else before
    if lead.strip(_MARKUP) or start is None:
        return lead, lead
    above = before[: len(before) - len(lead)].rstrip(" \t\r\n$\\[(*")
    line = above.rpartition("\n")[2]
    if _FINISHED.search(line) or not line:
        return lead, lead
    return ("", lead) if not _denies(" ".join(line.lower().split()[-4:]), "") else (line, f"{line} {lead}")


def _is_frame(lead: str, led: str, content: str, around: Around) -> bool:
    """Whether what stands before a box may be passed over."""
    if led[-1:] in (".", ",") and content[:1].isdigit():  # as in .\boxed{5}
        return False
    said = plain(lead.replace(_HERE, " ")).strip(_MARKUP).lower() if lead else ""
    if not said:
        return True
    if around is Around.ANY:
        near = said[-60:]
        sign = _AT_BOX.fullmatch(near)
        if any(found.end() == len(near) for found in _DENIED_BEFORE.finditer(near)):
            return False
        return sign is None or (sign["sign"] is not None and not (content[0].isdigit() or content[0] == "\\"))
    if around is Around.ANSWER:
        return len(said) <= _MAX_FRAME and _FRAME.fullmatch(said) is not None
    clause = _CLAUSES.split(_BULLET.sub("", said))[-1].strip()
    ahead = said.removesuffix(clause).split()
    if not clause or (ahead and _HANGS.fullmatch(ahead[-1])):
        return False
    return _FRAME.fullmatch(clause) is not None or (
        _LEADS.fullmatch(clause) is not None and not _denies(clause, content)
    )


def _denies(words: str, content: str) -> bool:
    """Whether words that lead to a box deny it; a number may well be that of what is not so."""
    return _WRONG.search(words) is not None or (not content[-1:].isdigit() and _DENIES.search(words) is not None)


def _drops(tail: str, content: str, around: Around) -> bool:
    """Whether what stands behind a box may be passed over."""
    if tail.startswith("!") and content[-1:].isdigit():
        return False
    said = plain(tail).strip(_MARKUP).strip("!").lower() if tail else ""
    if not said or _IS_IT.fullmatch(said):
        return True
    if around is not Around.ANY:
        return False
    if _DENIED_AFTER.match(tail.lower()):
        return False
    return not (content[-1:] in "0123456789}" and _UNIT.match(tail))


def _joined(front: str, content: str, behind: str) -> str:
    """The content between what stands around it, kept together where a sign touches it and apart from a word."""
    touched = front.rstrip()[-1:] in set("-+*/^−") or behind.lstrip()[:1] in set("*/^!") or _COMMAND_ENDS.search(front)
    if touched and re.search(r"[-+*/=]", content[1:]):
        content = f"({content})"
    gap = " " if front[-1:].isalnum() and content[:1].isalnum() else ""
    after = " " if content[-1:].isalnum() and behind[:1].isalnum() else ""
    return f"{front}{gap}{content}{after}{behind}"
