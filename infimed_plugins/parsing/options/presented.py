"""A letter amid a text that a word before it may present, or that is said to be right: ``… which leaves C.``

Here a letter is no claim by itself: prose holds "hepatitis B", "panel A" and "group C".
"""

from __future__ import annotations

import re

from infimed_plugins.parsing import phrases
from infimed_plugins.parsing.options.claims import BLANK, HEDGED, REJECTED, head_at, judged
from infimed_plugins.parsing.options.mentions import Reading, said_at
from infimed_plugins.parsing.statements import is_conditional

_DOUBTFUL = re.compile(
    r"n['’]t|[?/|]|(?<![a-z])(?:or|and|not|no|nor|neither|either|vs|if|but|than|may|maybe|might|could|possib[a-z]+|perhaps|"
    r"hardly|barely|incorrect|wrong|false|unlikely|impossible|never|less|least|rul[a-z]+|exclu[a-z]+|elimin[a-z]+|reject[a-z]*|"
    r"avoid|except|cannot|doubt[a-z]*|unsure|surprised|mistak[a-z]+|often|common[a-z]*|many|some|people|students|almost|"
    r"first|initial[a-z]*|second|tempt[a-z]+|had|were|have|would have|was|compar[a-z]+|differ[a-z]+|label[a-z]*|called|"
    r"suppos[a-z]+|assum[a-z]+|imagin[a-z]+|hypothe[a-z]+|what|which|why|how|when|who|until|before|instead|rather|"
    r"nobody|none|nothing|little|insufficient|disagree|hesita[a-z]+|refus[a-z]+|nearly|otherwise|inconsistent|improbable|"
    r"argu[a-z]+|conflict[a-z]*|against|opposed|contrast|seems?|worst|inappropriate|consider[a-z]*|"
    r"candidates?|need[a-z]*|please|between|unless|only if|you|they|one)(?![a-z])"
    r"|不|非|或|排除|可能|错|和|还是"
)
_NEAR = 6  # characters
_REACH = 200  # characters back to the start of a clause
_SENTENCE_MARKS = (". ", "\n", "? ", "! ", "; ", "。")
_CLAUSE_MARKS = (", ", ": ", ",")
_CONNECTORS = (" but ", " so ", " and ")
_BEFORE_LETTER = (
    "is was be for with choose chose pick picked select selected say answer option choice letter to likely probably "
    "clearly definitely certainly leaves only on that conclude therefore thus hence it's it’s that's choosing going so "
    "best towards toward as answered makes making leaving support supports suggests suggest indicates "
    "favors favours matches = => -> final ergo decision verdict dx opt"
)
_PRESENTS = frozenset(_BEFORE_LETTER.split())
_PRESENTS_ZH = "选是为:项应答择"
_NOUNS = ("", "option", "choice", "letter", "answer", "选项")
_MAY_BE_RIGHT = (" is ", ") is ", " seems ", " appears ", " fits ", ") fits ", " best ", " must be ", " matches ",
                 " makes the ", " the best", " the correct", "选项", "项")  # fmt: skip


def presented_letters(reading: Reading, but: list[int]) -> list[int]:
    """Where a letter stands that a word before it may present, or that may be said to be right.

    A letter right after one of the places ``but``, where an announcement ends, is left to it.
    """
    low = reading.low
    found = []
    for at in reading.letters:
        before = low[max(0, at - 16) : at].rstrip(" (\"'*[:")
        if (
            before[before.rfind(" ") + 1 :] in _PRESENTS
            or low.startswith(_MAY_BE_RIGHT, at + 1)
            or (before and before[-1] in _PRESENTS_ZH)
        ) and not (but and any(at - _NEAR <= place <= at for place in but)):
            found.append(at)
    return found


def presented(reading: Reading, at: int, end: int) -> str:
    """What is claimed of a letter amid a text: only with a frame before it or praise behind it, in its own clause."""
    low = reading.low
    said = said_at(reading, at, end)
    if not said.letter:
        return ""
    praised = phrases.RIGHT.match(low, said.end, end) is not None
    for start in _clause_starts(low, at):
        head = head_at(low, start, at) if start < at else None
        if low[head.end() if head else start : at].strip(" (\"'*[:") not in _NOUNS:
            continue
        framed = head is not None and head.lastgroup is not None
        concluded = head is not None and said.closed and not low[said.end : end].strip(BLANK)
        if (framed or praised or concluded) and not is_conditional(low, at):
            value = judged(reading, said, end, framed)
            maybe = head is not None and (head["maybe"] or head["may"])
            return HEDGED if maybe and value not in ("", REJECTED) else value
    start = _after_last(low, _SENTENCE_MARKS, max(0, at - _REACH), at)
    ends = said.closed and not low[said.end : end].strip(BLANK) and "?" not in low[said.end : end + 1]
    if (
        not ends
        or _DOUBTFUL.search(low, start, at)
        or _DOUBTFUL.search(low, said.end, end)
        or any(start <= other < end and not at <= other < said.end for other in reading.letters)
    ):
        return ""
    return said.letter


def _clause_starts(low: str, at: int) -> list[int]:
    sentence = _after_last(low, _SENTENCE_MARKS, max(0, at - _REACH), at)
    clause = _after_last(low, _CLAUSE_MARKS, sentence, at)
    clause = max([clause, *(place + 1 for mark in _CONNECTORS if (place := low.rfind(mark, clause, at)) >= 0)])
    return [clause, sentence] if clause > sentence else [sentence]


def _after_last(low: str, marks: tuple[str, ...], since: int, at: int) -> int:
    return max((place + len(mark) for mark in marks if (place := low.rfind(mark, since, at)) >= 0), default=since)
