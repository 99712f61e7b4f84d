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

from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.parsing.phrases import ANNOUNCED
from infimed_plugins.parsing.second_thoughts import taken_back

MAX_LENGTH = 100_000  # characters of a reply without tag or box; in a longer one no answer is looked for
_MAX_PLACES = 512  # where an announcement may begin
_MAX_SENTENCES = 128
_LONG = 2_000  # characters
_REACH = 400  # characters a statement may go on

_KEYS = ("answer", "option", "choice", "diagnosis", "conclusion")
_OTHER_KEYS = (*_KEYS, "答案")
_NEGATED = re.compile(
    r"(?<![a-z])(?:not|no|never|cannot|neither|nor|wrong|incorrect|false|unlikely|unsure|doubt|if|whether|"
    r"exclud(?:e|es|ed|ing)|eliminat(?:e|es|ed|ing)|rul(?:e|es|ed|ing) out|least [a-z]+|worst|candidate|"
    r"assum(?:e|ing)|suppos(?:e|ing)|argued|might seem|improbable|thought|second|next|other|"
    r"possible|possibly|perhaps|maybe|chance|initial|original|preliminary|previous|differential|alternative|secondary|"
    r"example|"
    r"(?:some|one|others|you|they|people)(?: people)? (?:might|may|could|would|will)(?: \w{2,12}){1,2})(?![a-z])"
    r"|n['’]t(?![a-z])|不|非|排除|错"
)
_NO_DENIALS = (
    "the my so thus therefore hence final correct best right most likely is , . and our ### ## # * - > therefore, "
    "thus, hence, so, probable it appropriate i would choose say think that"
)
_HARMLESS = frozenset(_NO_DENIALS.split())
_CLAUSE_END = re.compile(r"[.,;:!?\n，。；]|(?<![a-z])(?:but|so|thus|therefore|hence|then)(?![a-z])")
_TAGS = re.compile(r"</?(?:b|strong|i|em|u|p|span|code)>")
_SPACES = re.compile(r"[^\S\n]{2,}|[^\S\n ]")  # all but a single blank
_ODD_SPACES = "\x0b\x0c\x1c\x1d\x1e\x1f"
_BLANK_LINES = re.compile(r"\n[ \n]*\n")
_JOINED = ("/", "|", " or", "&")
_IFS = ("if ", "unless ", "had ", "were ", "assuming ")
_CONDITION = re.compile(
    r"[ \n]*(?:if|assuming|suppos(?:e|ing)|provided|in case|when|unless) (?!i |we |you |one |forced|it is not|not |so)"
    r"(?!(?:this|that) (?:is|was) (?:the|so|true|correct))[^.;\n]{1,80}, "
)
_CLOSERS = " *\"'”’).。"
_AFTER_STOP = " *\"'”’)"
_STOPS, _ALL_STOPS = ".!?", ".!?。！？"
_SENTENCE_END = re.compile(
    r"[.!?。！？\n](?:(?<=[。！？\n])|(?=[\s\"'”’*)]|$)(?:(?<=[^\s.(\[=\"“‘<][^\s.(\[].)|(?<=[\u4e00-\u9fff].)"
    r"|(?<=[a-z]\s\d\.)(?=\s[A-Z])))"
    r"(?<![Ff]ig\.)(?<![Ff]igs\.)(?<![Dd]r\.)(?<!Mr\.)(?<!Mrs\.)(?<!Ms\.)(?<!Prof\.)(?<!vs\.)(?<!e\.g\.)(?<!i\.e\.)(?<!cf\.)"
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
    if "  " in text or "\t" in text or (len(text) > _LONG and _has_odd_spaces(text)):  # short in a short text
        text = _SPACES.sub(" ", text)
    if "</" in text:
        text = _TAGS.sub("", text)
    return (_BLANK_LINES.sub("\n\n", text) if "\n\n\n" in text or "\n \n" in text else text).strip()


def _has_odd_spaces(text: str) -> bool:
    """Whether a long text may hold runs of other spaces than blanks."""
    return not text.isascii() or any(space in text for space in _ODD_SPACES)


def lowered(text: str) -> str:
    """The text in lower case, each character in its place."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


def announcements(text: str) -> list[Statement]:
    """What is announced, in order: from after the announcement to the end of its line."""
    if len(text) > MAX_LENGTH:
        return []
    low = lowered(text)
    found: list[Statement] = []
    reached = 0
    for place in key_places(low):
        match = ANNOUNCED.match(low, place) if place >= reached else None
        if match is None or is_negated(low, place):
            continue
        reached = match.end()
        end = text.find("\n", reached, reached + _REACH)
        end = end if end >= 0 else min(len(text), reached + _REACH)
        found.append(Statement(place, end, text[reached:end], is_unsure(low, place, match)))
    return found


def key_places(low: str) -> list[int]:
    """Where the words stand that an announcement starts with ("answer", …), in order."""
    places: list[int] = []
    for key in _KEYS if low.isascii() else _OTHER_KEYS:
        place = low.find(key)
        while place >= 0:
            places.append(place)
            place = low.find(key, place + 4)
    return sorted(places)[:_MAX_PLACES] if len(places) > 1 else places


def is_unsure(low: str, place: int, match: re.Match[str]) -> bool:
    """Whether an announcement says what the answer might be, or stands beside another."""
    joined = place > 2 and low[max(0, place - 5) : place].rstrip().endswith(_JOINED)
    if " that " in match[0] or " which " in match[0]:
        joined = joined or _NEGATED.search(match[0]) is not None
    if joined or match["may"] is not None or is_conditional(low, place):
        return True
    return "would" in match[0] and low.startswith(_IFS, _start(low, place))


def is_conditional(low: str, place: int) -> bool:
    """Whether the sentence that holds a place begins with a condition: "If it enhances, the answer is …"."""
    return _CONDITION.match(low, _start(low, place), place) is not None


def _start(low: str, place: int) -> int:
    """Where the sentence that holds a place starts, if not far before it."""
    since = max(0, place - 120)
    return max(
        since,
        *(low.rfind(mark, since, place) + len(mark) for mark in (". ", "; ", "\n") if mark in low[since:place]),
        0,
    )


def sentence_end(text: str, start: int, longest: int = MAX_LENGTH) -> int:
    """Where the sentence that starts there ends: at a full stop that is not an abbreviation's or a letter's."""
    beyond = min(len(text), start + longest)
    line = text.find("\n", start, beyond)
    limit = line if line >= 0 else beyond
    for mark in _STOPS if text.isascii() else _ALL_STOPS:
        at = text.find(mark, start, limit)
        while at >= 0:
            if _SENTENCE_END.match(text, at):
                limit = at
                break
            at = text.find(mark, at + 1, limit)
    return limit


def last_sentence_start(text: str, longest: int) -> int:
    """Where the last sentence of the last line starts; the end of the text for one longer than ``longest``."""
    line = text.rfind("\n") + 1
    beyond = len(text) - longest - 2
    cut = line if line > beyond else beyond
    stop = len(text.rstrip(_CLOSERS))
    for mark in _STOPS if text.isascii() else _ALL_STOPS:
        at = text.rfind(mark, cut, stop)
        while at >= 0:
            if at < stop - 1 and _SENTENCE_END.match(text, at):
                cut = at + 1
                break
            at = text.rfind(mark, cut, at)
    if cut == beyond > line:
        return len(text)
    while text[cut : cut + 1] in _AFTER_STOP and cut < stop:
        cut += 1
    return cut


def settled(commitments: Sequence[tuple[int, int, str]], text: str) -> str | None:
    """What stands of several commitments ``(start, end, value)``, in order: "" for none, None when they disagree.

    One that differs from an earlier one stands only if the earlier one was taken back between them or as it was made.
    """
    if len(commitments) == 1:
        return commitments[0][2]
    low = lowered(text)
    value, since, begun = "", 0, 0
    for start, end, said in commitments:
        if value and said != value and not taken_back(low, begun, since, start):
            return None
        value, since, begun = said, end, start
    return value


def is_negated(low: str, place: int) -> bool:
    """Whether the clause before a place denies what stands there, or only supposes it; in lower case."""
    since = max(0, place - 120)
    nearest = max(since, low.rfind(".", since, place), low.rfind("\n", since, place), low.rfind(",", since, place))
    clause = low[nearest:place].replace("no doubt", "")
    if _HARMLESS.issuperset(clause.split()):
        return False
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
