"""The option that a free reply states: announced anywhere, or in its first or last sentence, and nowhere another.

    Bright on T2. So the answer is B.       The boxed area shows it. Option B is correct.
    B. Stone ⏎⏎ It is bright on T2.         It is bright on T2. ⏎⏎ **B. Stone**
    Answer: A ⏎ Wait, let me reconsider. ⏎ Answer: B
    A. Cyst: incorrect ⏎ B. Stone: correct ⏎ C. Band: incorrect

Each sentence is read by claims.py, which says what commits to an option. A list of the options with a remark on
each states nothing by itself, unless it marks one as right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.options.choices import Choice
from infimed_plugins.parsing.options.claims import (
    HEDGED,
    REJECTED,
    claim,
    has_rivals,
    is_disowned,
    is_outright,
)
from infimed_plugins.parsing.options.lists import Item, answer_first, is_of_list, list_items, marked_item
from infimed_plugins.parsing.options.mentions import RIVALS, Reading, at_once, may_stand, reading_of
from infimed_plugins.parsing.options.presented import presented, presented_letters
from infimed_plugins.parsing.options.texts import option_texts
from infimed_plugins.parsing.phrases import ANNOUNCED
from infimed_plugins.parsing.second_thoughts import taken_back
from infimed_plugins.parsing.statements import MAX_LENGTH as MAX_REPLY
from infimed_plugins.parsing.statements import (
    is_negated,
    is_unsure,
    key_places,
    last_sentence_start,
    sentence_end,
    tidy,
)
from infimed_plugins.parsing.yes_no import read_yes_no

_MARKUP = ("{", "}", "$", "`", "**", "__")
_SIMPLE = re.compile(
    r"[*#]{0,3} ?(?:(?:[Ss]o|[Tt]hus|[Tt]herefore|[Hh]ence),? )?(?:(?:[Tt]he|[Mm]y) )?"
    r"(?:(?:[Cc]orrect|[Ff]inal|[Bb]est) )?(?:[Aa]nswer|ANSWER|[Oo]ption|[Cc]hoice|[Dd]iagnosis)"
    r"(?: is|:| is:|\*\*:|:\*\*)[ \n]+(?=\S)|答案[:是]"
)
_LIST = re.compile(r"\n[ \t>*#(\[✓✔✅☑-]{0,8}[A-Z][).:\]*]")
BY_ITSELF = "a letter, or its text"
_MAX_AT_ONCE = 256  # characters
_MAX_LETTERS = 64  # characters of a reply that only lists letters
_MAX_SKIPPED = 8  # sentences that reject an option, before the first that states one
_LONGEST = 600  # characters of a sentence: there may be 512 announcements in one that never ends
_FAR = 60  # characters of a last sentence beyond the longest option
_SHORT = 40  # characters before a last sentence in which another letter is a rival
_SIDES = (("yes", "no"), ("true", "false"))


class _Claim(NamedTuple):
    """What is claimed from ``start`` to ``end``."""

    start: int
    end: int
    value: str


def stated_option(reply: str, options: Sequence[str] | None = None) -> Choice:
    """The letters a whole reply commits to; ``options`` are the texts of A, B, … when they are known."""
    if len(reply) > MAX_REPLY:
        return Choice("", f"longer than {MAX_REPLY} characters")
    texts = option_texts(options if isinstance(options, tuple) else tuple(options or ()))
    text = tidy(reply)
    if len(text) < _MAX_AT_ONCE:
        letter = at_once(text, texts)
        if not letter and (simple := _SIMPLE.match(text)):
            letter = at_once(text[simple.end() :], texts)
        if letter:
            return _committed(letter, BY_ITSELF)
    if "\\" in text:
        text = tidy(plain(text).strip("\\ "))
    else:
        for mark in _MARKUP:
            if mark in text:
                text = text.replace(mark, "")
        text = text.strip()
    if not text:
        return Choice("", "no option is stated")
    reading = reading_of(text, texts)
    items = list_items(reading) if _LIST.search(text) else []
    stands, since = _settled(_claims(reading, items), reading.low)
    if stands in (RIVALS, HEDGED):
        return Choice("", "more than one option")
    if stands:
        if is_disowned(reading, stands, since):
            return Choice("", "an option that is taken back")
        return _committed(stands, "what the reply states")
    if len(items) > 1:
        marked = marked_item(reading, items)
        return _committed(marked, "the item marked as right") if marked else Choice("", "a list of the options")
    return _otherwise(reading)


_committed = lru_cache(maxsize=256)(Choice)  # a benchmark has few different ones


def _claims(reading: Reading, items: list[Item]) -> Iterator[_Claim]:
    """What the reply claims, from its end to its start: in its last sentence, where it announces, and in its first."""
    text, low, texts = reading.text, reading.low, reading.texts
    places: list[tuple[int, re.Match[str] | None]] = []
    for at in key_places(low):
        if (match := ANNOUNCED.match(low, at)) is not None:
            places.append((at, match))
    places += [(at, None) for at in presented_letters(reading, [match.end() for _, match in places if match])]
    if len(places) > 1:
        places.sort(key=lambda place: -place[0])
    last = last_sentence_start(text, _FAR + texts.longest)
    first = sentence_end(text, 0)
    ended = last <= first  # whether the last sentence has been read
    earliest = len(text)
    for start, match in places:
        if not ended and start < last:
            yield from _last(reading, last, items)
            ended = True
        found = _announced(reading, start, match)
        if found.value and found.value != REJECTED:
            ended, earliest = True, found.start
            yield found
    if not ended:
        yield from _last(reading, last, items)
    if len(items) == 1 and first < items[0].start < last:
        yield from _claimed(reading, items[0].start, sentence_end(text, items[0].start))
    if earliest >= first and (len(items) < 2 or answer_first(items, text)):
        yield from _first(reading, first)


def _announced(reading: Reading, start: int, match: re.Match[str] | None) -> _Claim:
    """What stands after an announcement, or of a letter that is presented."""
    text, low = reading.text, reading.low
    if match is None:
        end = sentence_end(text, start + 1, _LONGEST)
        return _Claim(start, end, presented(reading, start, end))
    if not may_stand(reading, match.end()):
        return _Claim(start, start, "")
    end = sentence_end(text, match.end(), _LONGEST)
    value = claim(reading, match.end(), end, framed=True) if match.end() < end else ""
    if value in ("", REJECTED) or is_negated(low, start):
        return _Claim(start, end, "")
    return _Claim(start, end, HEDGED if is_unsure(low, start, match) else value)


def _claimed(reading: Reading, start: int, end: int) -> Iterator[_Claim]:
    value = claim(reading, start, end)
    if value and value != REJECTED:
        yield _Claim(start, end, value)


def _first(reading: Reading, end: int) -> Iterator[_Claim]:
    """The first sentence that does not reject an option."""
    text, start = reading.text, 0
    for _ in range(_MAX_SKIPPED):
        value = claim(reading, start, end) if start < end else ""
        if value != REJECTED:
            if value:
                yield _Claim(start, end, value)
            return
        start = end + 1
        while text[start : start + 1].isspace():
            start += 1
        end = sentence_end(text, start)


def _last(reading: Reading, start: int, items: list[Item]) -> Iterator[_Claim]:
    """The last sentence, if it is no item of a list."""
    end = len(reading.text)
    if start >= end:
        return
    letters = "".join(item.letter for item in items)
    if len(set(letters)) > 1 and start <= items[-1].end and items[-1].letter not in letters[:-1]:
        return
    for found in _claimed(reading, start, end):
        if is_of_list(reading, start) and not is_outright(reading.low, start, end):
            if is_of_list(reading, 0):
                yield found._replace(value=RIVALS)
            return  # of a differential, which says least of its last
        rival = start <= _SHORT and found.value.isalpha() and has_rivals(reading, 0, start, found.value.upper())
        yield found._replace(value=RIVALS) if rival else found


def _settled(claims: Iterator[_Claim], low: str) -> tuple[str, int]:
    """What stands of the claims, the last one first: "" for none, "?" where two disagree that neither takes back.

    With it comes where it is claimed for the last time.

    A weak claim counts where there is no other; one that leaves it open gives way to a later one that is outright.
    """
    value = weak = ""
    since = 0
    later: _Claim | None = None
    for found in claims:
        if found.value.islower():
            weak = found.value.upper() if weak in ("", found.value.upper()) else RIVALS
        elif later is None:
            value, later, since = found.value, found, found.start
        elif found.value != later.value:
            open_before = found.value == HEDGED and is_outright(low, later.start, later.end)
            if not open_before and not taken_back(low, found.start, found.end, later.start):
                return RIVALS, 0
            later = later if open_before else found
        else:
            later = found
    return value or weak, since


def _otherwise(reading: Reading) -> Choice:
    """What only the whole of a short reply says: yes or no, a text with a typo, several letters."""
    text, texts = reading.text, reading.texts
    for yes, no in _SIDES:
        if yes in texts.texts and no in texts.texts:
            said = read_yes_no(text).side
            letter = texts.whole(yes if said == "yes" else no) if said else ""
            return _committed(letter, "it says yes or no" if letter else "no option is stated")
    several = len(text) <= _MAX_LETTERS and len(reading.letters) > 1
    return _committed("", "more than one option" if several else "no option is stated")
