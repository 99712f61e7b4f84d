"""What one sentence claims of the options: that one is the answer, that one is not, or several at once.

    C. Tuberculosis     I'd go for C.     This is most likely tuberculosis.     C is the best answer     选C    C
    C, not B     C rather than B     C is right; B is wrong     C because B shows no cavity              C
    B is unlikely     B can be ruled out     Not B                                                       rejected
    B or C     either B or C     B, maybe     it might be C                                              hedged
    C (Pneumonia)     The answer is C. B is right.                                                       rivals
    A lesion is seen     Hepatitis B     Pneumonia is common                                             nothing

A sentence is read from its start: a frame (phrases.py), then an option (mentions.py), then what speaks for it, against
it, or for another. A letter comes back in lower case where its claim is weak: a finding that is only said to be seen,
which gives way to any answer.
"""

from __future__ import annotations

import re
from functools import lru_cache

from infimed_plugins.parsing import phrases
from infimed_plugins.parsing.options.choices import has_rival
from infimed_plugins.parsing.options.mentions import RIVALS, Reading, Said, at_once, is_word, may_stand, said_at
from infimed_plugins.parsing.second_thoughts import but_not, gives_up, past_second_thoughts

HEDGED = "~"  # an option that only may be the answer, or one of several
REJECTED = "!"  # an option that is said not to be the answer

_LITTLE = 16  # characters of a sentence beyond an option's text
_SEES = ("show", "shows", "depict", "depicts", "demonstrates", "reveals", "displays", "illustrates", "see", "has")
_ASIDES = ("not ", "instead of ", "rather than ", "unlike ", "in contrast to ", "as opposed to ", "opposed to ",
           "不是")  # fmt: skip
_CONCEDES = ("although ", "though ", "even though ", "while ", "even if ", "despite ")
_CONCEDED = re.compile(  # no more than a plausible look
    r"(?:(?:al|even )?though|while|even if|despite) "
    r"(?![^,]{0,60} (?:is|are|seems) (?:also |indeed )?(?:(?:the )?(?:correct|right|best|true)|the answer)(?![a-z]))"
    r"[^,.;:?!\n]{3,120}, (?:(?:still|nevertheless|nonetheless),? )?"
)
_BUT_CONCEDED = re.compile(
    r"(?<=[, ])(?:(?:al|even )?though|despite)(?![a-z])(?![^.;\n]{0,80}"
    r"(?<![a-z])(?:could|may|might|maybe|think|correct|right|true|answer|best|better|fits?|fitting)(?![a-z]))"
)
_MAX_ASIDES = 8
_LONGEST_INSTEAD = 200  # characters: "B, no, C, no, D, no …" goes as deep as it is long
_HAN = "\u2e80"
BLANK = " .,!?)]*_\"'”’`$}。！\n"
_GOES_ON = re.compile(r"[ )\]\"'”’*_]{0,4}(?:[,;:.(–—]|-{1,2} |(?:because|since|as|given|due|based on)(?![a-z])|\Z)")
_NEW_SENTENCE = re.compile(r"[)*_\"'”’]{0,3}\. +(?=[A-Z][a-z])")
_AGAINST = re.compile(
    r"(?:not|nor|neither|than|unlike|instead of|opposed to|over|against|exclud\w{1,3}|reject\w{0,3}|rul\w{1,3} out|"
    r"eliminat\w{1,3}|不是|而非|排除)(?: [a-z] (?:nor|or|and))?(?: (?:with|for|options?|choices?|the|both))?"
    r"[ (\"'*]{0,3}$"
)
_RETRACTING = ("not", "wrong", "incorrect", "mistake")
_DISOWNING = (("not ", ""), ("", " is wrong"), ("", " is incorrect"), ("", " is not"), ("", "不对"), ("不是", ""))
_DESCRIBED = re.compile(
    r"[ )*]{1,3}(?:would(?! be (?:the |a )?(?:correct|right|best|answer))|typically|usually|tends?|has|have|shows?|"
    r"causes?|produces?|presents?|involves?|requires?|"
    r"(?:is|are) (?:typically|usually|often|seen|found|defined|characterized))(?![a-z])"
)
_LOWER = re.compile(r"(?<![A-Za-z0-9])[a-z]\)|(?:or|option|answer) [a-z](?![A-Za-z0-9'’])")
_LOWER_CUES = (")", " or ", "option ", "answer ")
_AND_OTHERS = re.compile(
    r"(?:[ )\]*]{0,3}(?:, (?:and|or)|,|and|or|nor|&|、|和)[ (\[*]{0,3}(?:option )?[A-Z](?![A-Za-z])){0,8}"
)


def claim(reading: Reading, start: int, end: int, framed: bool = False) -> str:
    """What ``text[start:end]`` claims; ``framed`` after an announcement."""
    text, low, texts = reading.text, reading.low, reading.texts
    maybe = weak = False
    head: re.Match[str] | None = None
    at = start
    stands = may_stand(reading, start)
    if not stands and not reading.may_claim(start, end):
        return ""
    if stands and end - start < texts.longest + _LITTLE and end - start < len(text) and text[end : end + 1] != "?":
        letter = at_once(text[start:end], texts)
        if letter:
            return letter
    if low.startswith(_ASIDES, start):
        return _set_aside_first(reading, start, end)
    if not framed and start < (conceded := _past_concession(low, start, end)) < end <= conceded + _LONGEST_INSTEAD:
        return claim(reading, conceded, end)
    if not framed:
        head = head_at(low, start, end)
        if head is not None:
            at, framed = head.end(), head.lastgroup is not None
            if low.startswith(_ASIDES, at) and end - at <= _LONGEST_INSTEAD:
                return _set_aside_first(reading, at, end)
            maybe = head["maybe"] is not None or head["may"] is not None
            weak = head["shows"] is not None
        elif not stands:
            return _set_aside_first(reading, start, end)
    said = said_at(reading, at, end)
    if not said.letter and at > start and texts.starts and low.startswith(texts.starts, start, end):
        said, framed = said_at(reading, start, end), False
    if not said.letter:
        return "" if framed else _set_aside_first(reading, start, end)
    if weak and not said.with_text and head is not None and head["shows"].rstrip().endswith(_SEES):
        return ""  # "panel B" and "it shows B" name a part of a picture as often as an option
    value = judged(reading, said, end, framed)
    if maybe and value != REJECTED:
        return HEDGED if value else ""
    return value.lower() if weak else value


def _past_concession(low: str, start: int, end: int) -> int:
    """Where a sentence goes on after "Although B is plausible,"; ``start`` where it concedes nothing."""
    found = _CONCEDED.match(low, start, end) if low.startswith(_CONCEDES, start) else None
    return found.end() if found else start


def head_at(low: str, start: int, end: int) -> re.Match[str] | None:
    """The frame a sentence starts with, or None."""
    if low[start] >= _HAN:
        return phrases.HEAD_ZH.match(low, start, end)
    return phrases.head_at(low, start, end)


def judged(reading: Reading, said: Said, end: int, framed: bool) -> str:
    """The letter that was said, or what the rest of its sentence makes of it."""
    text, low = reading.text, reading.low
    letter, at = said.letter, said.end
    if letter == RIVALS:
        return RIVALS
    asked = text[end : end + 1] == "?" or text[end - 1] == "?" or "?" in low[at : at + 3]
    rest = low[at:end].strip(BLANK)
    stands = framed or said.closed
    if not rest:
        return "" if not (stands or said.by_text) else HEDGED if asked else letter
    instead = _instead(reading, said, end)
    if instead:
        return instead
    if phrases.may_turn(rest) and not (said.with_text and _NEW_SENTENCE.match(text, at, end)):
        value, at, turned = _turned(reading, said, end, asked, framed)
        if value:
            return value
        stands = stands or turned
    if not (stands or (said.by_text and _GOES_ON.match(low, at, end))):
        return ""
    if asked:
        return HEDGED
    if said.by_text and phrases.DOUBT.search(low, at, min(end, at + 40)) and not _is_reason(low, at, end):
        return ""
    if any(word in rest for word in _RETRACTING) and phrases.RETRACTED.search(low, at, end):
        return REJECTED
    return RIVALS if has_rivals(reading, at, end, letter, said.by_text) else letter


def _instead(reading: Reading, said: Said, end: int) -> str:
    """What stands in an option's place: ``B. Wait, it is C`` claims C, ``B, C and D are wrong`` rejects; else ""."""
    text, low, at = reading.text, reading.low, said.end
    listed = _AND_OTHERS.match(text, at, end)
    if listed and listed.end() > at and phrases.WRONG.match(low, listed.end(), end):
        return REJECTED
    after = at if said.by_text and low[at] in ", " else past_second_thoughts(low, at, end)
    then = claim(reading, after, end) if at < after < end <= after + _LONGEST_INSTEAD else ""
    return then.upper() if then.isalpha() else ""


def is_disowned(reading: Reading, letter: str, start: int) -> bool:
    """Whether a letter that was claimed is rejected later on: "it is not C", "C is wrong", "Wait, that is wrong"."""
    text, low = reading.text, reading.low
    if gives_up(low, start):
        return True
    if low.isascii() and all(low.find(word, start) < 0 for word in _RETRACTING):
        return False
    for form, offset in _disowning(letter):
        at = low.find(form, start)
        while at >= 0:
            place = at + offset
            after = low[place + 1 : place + 6]
            if text[place] == letter and not is_word(after[:1]) and after != " only":
                return True
            at = low.find(form, at + 1)
    return False


@lru_cache(maxsize=32)
def _disowning(letter: str) -> list[tuple[str, int]]:
    return [(before + letter.lower() + after, len(before)) for before, after in _DISOWNING]


def _is_reason(low: str, at: int, end: int) -> bool:
    reason = phrases.REASON.search(low, at, min(end, at + 40))
    return reason is not None and phrases.DOUBT.search(low, at, reason.start()) is None


def _turned(reading: Reading, said: Said, end: int, asked: bool, framed: bool) -> tuple[str, int, bool]:
    """What the words behind an option make of it; else "", where they end, and whether they speak for it."""
    low, at = reading.low, said.end
    if phrases.JOINT.match(low, at, end):
        return HEDGED, at, False
    if asked:
        return "", at, False
    at, aside = _past_asides(reading, at, end, said.letter)
    if (not aside and phrases.WRONG.match(low, at, end)) or but_not(low, at, end):
        return REJECTED, at, False
    right = phrases.RIGHT.match(low, at, end)
    if right:
        at, _ = _past_asides(reading, right.end(), end, said.letter)
    elif not framed and (
        phrases.FITS.fullmatch(low, at, end) or (said.by_text and phrases.SEEN.fullmatch(low, at, end))
    ):
        return said.letter.lower(), at, True
    if phrases.UNSURE.match(low, at, end) or phrases.JOINT.match(low, at, end):
        return HEDGED, at, False
    return "", at, aside or right is not None or phrases.MEANT.match(low, at, end) is not None


def _past_asides(reading: Reading, at: int, end: int, letter: str) -> tuple[int, bool]:
    """Where the sentence goes on after ", not B" and the like, and whether there was one."""
    passed = False
    for _ in range(_MAX_ASIDES):
        found = phrases.ASIDE.match(reading.low, at, end)
        other = said_at(reading, found.end(), end) if found else None
        if other is None or other.letter in ("", RIVALS, letter):
            break
        more = _AND_OTHERS.match(reading.text, other.end, end)
        at, passed = more.end() if more else other.end, True
    return at, passed


def _set_aside_first(reading: Reading, start: int, end: int) -> str:
    """``Not B, but C`` claims C; ``Not B`` alone rejects."""
    low, value = reading.low, ""
    for _ in range(_MAX_ASIDES):
        found = phrases.ASIDE_FIRST.match(low, start, end) if low.startswith(_ASIDES, start) else None
        other = said_at(reading, found.end(), end) if found else None
        if other is None or other.letter in ("", RIVALS):
            break
        value = REJECTED
        but = phrases.BUT.match(low, other.end, end)
        if but is None or but.end() >= end:
            break
        start = but.end()
        if not low.startswith(_ASIDES, start):
            then = claim(reading, start, end)
            return then if then not in ("", other.letter) else REJECTED
    return value


def has_rivals(reading: Reading, start: int, end: int, letter: str, by_text: bool = False) -> bool:
    """Whether another option stands in a stretch of text: not rejected there, and in no reason that is given."""
    text, low, texts, *_ = reading
    found = [(at, at + 1) for at in reading.letters if start <= at < end and text[at] != letter]
    if by_text:
        found += texts.within(low, start, end, letter)
    elif any(low.find(cue, start, end) >= 0 for cue in _LOWER_CUES) and _LOWER.search(text, start, end):
        return has_rival(text[start:end], letter, texts.options)
    if not found:
        return False
    aside = [part.search(low, start, end) for part in (phrases.REASON, _BUT_CONCEDED)]
    stop = min((one.start() for one in aside if one), default=end)
    return any(
        at < stop
        and (after > at + 1 or text[at].isdigit() or _is_rival(reading, start, end, at, letter))
        and not _is_out(reading, at, after, start, end)
        for at, after in found
    )


def _is_rival(reading: Reading, start: int, end: int, at: int, letter: str) -> bool:
    return has_rival(reading.text[max(start, at - 24) : min(end, at + 12)], letter, reading.texts.options)


def _is_out(reading: Reading, at: int, after: int, start: int, end: int) -> bool:
    """Whether what stands there is rejected, before it or after it."""
    more = _AND_OTHERS.match(reading.text, after, end)
    behind = more.end() if more else after
    if phrases.WRONG.match(reading.low, behind, end) or _DESCRIBED.match(reading.low, behind, end):
        return True
    return _AGAINST.search(reading.low, max(start - 12, at - 40, 0), at) is not None


def is_outright(low: str, start: int, end: int) -> bool:
    """Whether a claim is more than a letter or text by itself."""
    start = _past_concession(low, start, end)
    if start >= end:
        return False
    head = head_at(low, start, end)
    return phrases.ANNOUNCED.match(low, start) is not None or (head is not None and head.lastgroup is not None)
