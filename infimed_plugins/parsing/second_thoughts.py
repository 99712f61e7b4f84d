"""Where a reply takes back what it said: between two answers, right behind one, or with nothing in its place.

    Answer: A. Wait, let me reconsider. Answer: B       taken_back, between the two
    B. Sorry, I meant C     B... no, C                  past_second_thoughts, where C stands
    It seems to be B, but it is not                     but_not
    The answer is B. Hmm, that does not fit             gives_up

Everything is for lower-case text with single spaces (statements.tidy).
"""

from __future__ import annotations

import re

_TAKEN_BACK = re.compile(
    r"(?<![A-Za-z])(?:wait|actually|reconsider|reconsidering|on (?:second|further|closer)|(?:up)?on reflection|however|"
    r"at first|initially|instead|correction|hmm|i was wrong|that (?:is|was) (?:wrong|not right|incorrect)|my mistake|"
    r"re-?(?:think|check|examin|evaluat|assess|visit)[a-z]*|double[- ]check[a-z]*|scratch that|hold on|sorry|oops|"
    r"(?<=[.?!] )no(?=,))(?![A-Za-z])|等等|不对|重新|更正",
)
_CUES = ("wait", "actually", "reconsider", "on ", "however", "first", "initially", "instead", "hmm", "wrong", "not ",
         "that ", "mistake", "think", "check", "exam", "eval", "assess", "visit", "scratch", "等等", "不对", "重新",
         "更正", "correction", "hold on", "sorry", "oops", " no,")  # fmt: skip
_INSTEAD = re.compile(
    r"[)*_\"'”’]{0,3} ?[.,;…?!–—-]{1,3} ?(?:(?:oh|but|or|and),? )?"
    r"(?:no(?:,? wait)?[,:.…–—-]{1,3} ?|(?:wait|actually|hmm+|sorry|oops|correction|rather|hold on|"
    r"on (?:second|further|closer) (?:thoughts?|inspection|look)|let me correct(?: that| myself)?)[,:.… –—-]{1,3})"
    r"(?:(?:no|wait|actually|i mean|i meant|that should be|make that|it should be|rather)[,: ]{1,2}){0,2}"
)
_BUT_NOT = re.compile(
    r"[, ]{1,2}but (?:(?:it|that|this) )?(?:(?:(?:is|was|does|do) ?n['’]t|(?:is|was|does|do) not)"
    r"(?: (?:right|correct|true|fit|fit well|the answer))?|(?:is|was) (?:wrong|incorrect))[ .!]*$"
)
_SECOND_THOUGHTS = ("wait", "actually", "hmm", "thought", "hold on", "sorry", "oops")
_GIVEN_UP = re.compile(
    r"(?<![a-z])(?:wait|actually|hmm+|on (?:second|further) thoughts?|hold on|sorry|oops)[,.… -]{1,3}(?:but )?"
    r"(?:no(?:pe)?[ .!]*$|(?:that|this|it)(?: (?:is|was|does|do|can))?(?:['’]s)? ?(?:n['’]t|not|wrong|incorrect)"
    r"(?: (?:quite )?(?:right|correct|true|it|fit|fit well|match|the answer|the case))?(?:$|[ .!]*[.!])|none of |"
    r"(?:i|we) (?:can['’]?t|cannot|do not|don['’]t) (?:say|tell|know|decide|determine|be sure))"
)


def taken_back(low: str, begun: int, ended: int, later: int) -> bool:
    """Whether a statement from ``begun`` to ``ended`` is taken back as it is made, or before a later one."""
    between = low[min(max(0, begun - 40), ended) : later]
    return any(cue in between for cue in _CUES) and _TAKEN_BACK.search(between) is not None


def past_second_thoughts(low: str, at: int, end: int) -> int:
    """Where the option stands that takes the place of the one before ``at``; ``at`` where none does."""
    found = _INSTEAD.match(low, at, end)
    return found.end() if found else at


def but_not(low: str, at: int, end: int) -> bool:
    """Whether a sentence ends by denying what it said: "…, but it is not"."""
    return low.find(" but ", at, end) >= 0 and _BUT_NOT.search(low, at, end) is not None


def gives_up(low: str, start: int) -> bool:
    """Whether a reply has second thoughts after a place, and nothing else to say: "Actually, no."."""
    return any(low.find(cue, start) >= 0 for cue in _SECOND_THOUGHTS) and _GIVEN_UP.search(low, start) is not None
