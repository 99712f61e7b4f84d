"""Where a free reply states its answer: what it announces, and its first and last sentence.

    Bright on T2. The answer is B.     **Answer:** B     ### Final Answer ⏎ B     答案：B     announced
    B. It is bright on T2.             It is bright on T2. ⏎⏎ B                              first, last

A statement that is taken back ("Wait, let me reconsider") gives way to a later one; of two that stand, none counts. A
statement within a clause that negates it ("not the answer: B") is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from infimed_plugins.answers.words import nfkc

MAX_LENGTH = 100_000  # characters of a reply without tag or box; in a longer one no answer is looked for
_MAX_PLACES = 512  # where an announcement may begin
_MAX_SENTENCES = 128
_LONG = 2_000  # characters
_REACH = 400  # characters a statement may go on

_COPULA = r"(?:is|was|would be|should be|must be|will be|(?P<{}>(?:might|could|may) be))(?![A-Za-z])"
_MARK = r"[\s*_#]*"
_ANNOUNCED = re.compile(
    rf"answers?(?![A-Za-z])(?:\s+to\s+(?:the|this|that|your)\s+question)?"
    rf"(?:{_MARK}{_COPULA.format('maybe')}{_MARK}:?|{_MARK}[:=]|[ *_#:]*\n)"
    rf"|(?:option|choice|diagnosis|conclusion)(?![A-Za-z]){_MARK}(?:{_COPULA.format('perhaps')}{_MARK}:?|:)"
    r"|(?:it\s+is|it['’]s|would\s+say|['’]d\s+say|therefore|thus|hence)[\s,:]+(?=(?:option\s+)?[\"'(*]*(?-i:[A-Z])(?!\w)[\"').*]*\s*$)"
    r"|(?:choose|select|pick|opt for|go with)\s+(?=(?:option|choice|answer)?\s*[\"'(*]*(?-i:[A-Z])(?![A-Za-z]))"
    r"|(?<![A-Za-z])option\s+(?=\W{0,3}(?-i:[A-Z])\W{0,3}\s+(?:is|seems|must be)\s)"
    r"|答案\s*(?:[是为应选]+|[:：])\s*[:：]?|(?:选择|应选|故选|选)(?=\W{0,2}[A-Z](?![A-Za-z]))",
    re.IGNORECASE | re.MULTILINE,
)
_KEYS = ("answer", "option", "choice", "diagnosis", "conclusion")
_OTHER_KEYS = (*_KEYS, "答案", "选")
_LETTER_KEY = re.compile(
    r"(?:choose|select|pick|opt for|go with|it\s+is|it['’]s|would\s+say|['’]d\s+say|therefore|thus|hence)"
    r"[\s,:]+(?:(?:option|choice|answer)\s+)?[\"'(*]*$"
)
_BEFORE_LETTER = frozenset(
    ["choose", "select", "pick", "for", "with", "is", "it's", "it’s", "say", "therefore", "thus"]
)
_BEFORE_LETTER |= {"hence", "option", "choice", "answer"}
_ALONE = re.compile(r"[A-Z](?![A-Za-z0-9'’])(?<![A-Za-z0-9][A-Z])")
_NEGATED = re.compile(
    r"(?<![A-Za-z])(?:not|no|never|cannot|neither|nor|wrong|incorrect|false|unlikely|unsure|doubt|if|whether|exclud(?:e|es|ed|ing)|"
    r"eliminat(?:e|es|ed|ing)|rul(?:e|es|ed|ing)\s+out)(?![A-Za-z])|n['’]t(?![A-Za-z])|不|非|排除|错",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[.,;:!?\n，。；]|(?<![A-Za-z])(?:but|so|thus|therefore|hence|then)(?![A-Za-z])", re.IGNORECASE
)
_TAKEN_BACK = re.compile(
    r"(?<![A-Za-z])(?:wait|actually|reconsider|reconsidering|on (?:second|further|closer)|(?:up)?on reflection|however|"
    r"at first|initially|instead|correction|hmm|i was wrong|that (?:is|was) (?:wrong|not right|incorrect)|my mistake|"
    r"re-?(?:think|check|examin|evaluat|assess|visit)[a-z]*|scratch that)(?![A-Za-z])|等等|不对|重新|更正",
    re.IGNORECASE,
)
_CUES: tuple[str, ...] = (
    "wait",
    "actually",
    "reconsider",
    "on ",
    "however",
    "first",
    "initially",
    "instead",
    "hmm",
    "wrong",
    "not ",
)
_CUES += (
    "that ",
    "mistake",
    "think",
    "check",
    "exam",
    "eval",
    "assess",
    "visit",
    "scratch",
    "等等",
    "不对",
    "重新",
    "更正",
)
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n[ \n]*\n")
_SENTENCE_END = re.compile(
    r"[.!?。！？\n](?:(?<=[。！？\n])|(?=[\s\"'”’*)]|$)(?:(?<=[^\s.][^\s.(\[].)|(?<=[\u4e00-\u9fff].)))"
)


class Statement(NamedTuple):
    """A stretch of a text, from ``start`` to ``end``; ``unsure`` when it only might be the answer."""

    start: int
    end: int
    text: str
    unsure: bool = False


def tidy(text: str) -> str:
    """The text in NFKC, with single spaces and at most one blank line, so that no pattern meets a long run of them."""
    text = text if text.isascii() else nfkc(text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "  " in text or "\t" in text or len(text) > _LONG:  # runs of other spaces are short in a short text
        text = _SPACES.sub(" ", text)
    return (_BLANK_LINES.sub("\n\n", text) if "\n\n\n" in text or "\n \n" in text else text).strip()


def announcements(text: str) -> list[Statement]:
    """What is announced, in order: from after the announcement to the end of its line."""
    lowered = text.lower() if len(text) <= MAX_LENGTH else ""
    places: list[int] = []
    for key in _KEYS if text.isascii() else _OTHER_KEYS:
        place = lowered.find(key)
        if place >= 0:
            places += _places(lowered, key, place)
    for letter in _ALONE.finditer(text, 0, len(lowered)):
        at = letter.start()
        word = lowered[lowered.rfind(" ", 0, max(0, at - 2)) + 1 : at].strip(" ,:\"'(*")
        if word in _BEFORE_LETTER and (key_at := _LETTER_KEY.search(lowered, max(0, at - 32), at)):
            places.append(key_at.start())
        if len(places) > _MAX_PLACES:
            break
    found: list[Statement] = []
    reached = 0
    for place in sorted(places)[:_MAX_PLACES]:
        match = _ANNOUNCED.match(text, place) if place >= reached else None
        if match is None or _is_negated(text, place):
            continue
        reached = match.end()
        end = text.find("\n", reached, reached + _REACH)
        end = end if end >= 0 else min(len(text), reached + _REACH)
        joined = text[max(0, place - 5) : place].rstrip().endswith(("/", "|", " or", "&"))
        unsure = joined or match["maybe"] is not None or match["perhaps"] is not None
        found.append(Statement(place, end, text[reached:end], unsure))
    return found


def first_sentence(text: str) -> str:
    """Up to the first full stop that is not an abbreviation's or a letter's, without it."""
    end = _SENTENCE_END.search(text)
    return text[: end.start()] if end else text


def last_sentence(text: str, longest: int) -> tuple[int, str]:
    """Where the last sentence of the last line starts, and the sentence; "" for one longer than ``longest``."""
    start = text.rfind("\n") + 1
    beyond = len(text) - longest - 2
    if start < beyond:
        start = beyond
    line = text[start:].rstrip()
    cut = 0
    for found in _SENTENCE_END.finditer(line):
        if line[found.end() :].strip(" *\"'”’).。"):
            cut = found.end()
    return (len(text), "") if start == beyond and not cut else (start + cut, line[cut:].strip())


def settled(commitments: Sequence[tuple[int, int, str]], text: str) -> str | None:
    """What stands of several commitments ``(start, end, value)``, in order: "" for none, None when they disagree.

    One that differs from an earlier one stands only if the earlier one was taken back between them or as it was made.
    """
    if len(commitments) == 1:
        return commitments[0][2]
    value, since, begun = "", 0, 0
    for start, end, said in commitments:
        if value and said != value:
            between = text[min(max(0, begun - 40), since) : start].lower()
            if not any(cue in between for cue in _CUES) or not _TAKEN_BACK.search(between):
                return None
        value, since, begun = said, end, start
    return value


def _places(lowered: str, key: str, place: int) -> list[int]:
    places: list[int] = []
    while place >= 0 and len(places) < _MAX_PLACES:
        places.append(place)
        place = lowered.find(key, place + len(key))
    return places


def _is_negated(text: str, place: int) -> bool:
    since = max(0, place - 120)
    nearest = max(since, text.rfind(".", since, place), text.rfind("\n", since, place), text.rfind(",", since, place))
    if place - nearest < 3 and text.isascii():
        return False
    clause = text[nearest:place]
    return _NEGATED.search(clause) is not None and _NEGATED.search(_CLAUSE_END.split(clause)[-1]) is not None


def sentences(text: str) -> list[tuple[int, str]]:
    """The sentences of all lines, each with its place in the text; the last of more than 128 goes to the end."""
    found: list[tuple[int, str]] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        part = text[start : end.start()]
        if part.strip():
            found.append((start, part.strip()))
        start = end.end()
        if len(found) >= _MAX_SENTENCES:
            break
    if text[start:].strip():
        found.append((start, text[start:].strip()))
    return found
