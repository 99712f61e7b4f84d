"""An option that stands at a place of a reply: as a letter, with or without its text, or as a text.

    C    (C)    **C**    option C    c)    C. Tuberculosis    tuberculosis    the tuberculosis (C)

but not "a lesion", "A lesion", "C-reactive", "E. coli", or 2.5 where the option is 2.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from infimed_plugins.parsing.options.choices import is_species
from infimed_plugins.parsing.options.texts import OptionTexts
from infimed_plugins.parsing.phrases import RIGHT, WRONG
from infimed_plugins.parsing.statements import lowered

RIVALS = "?"  # more than one option
_HAN = "\u2e80"
LIKELY = "ABCDEFGHIJ"  # the letters of options that are not known
_MAX_LETTERS = 512  # in one text
_BEYOND = 8  # characters of a sentence that only says a misspelt text
_LITTLE = 24  # characters of a sentence beyond an option's text

MENTION = re.compile(
    r"[A-Z](?![A-Za-z0-9]|['’][a-z]|-[A-Za-z0-9])(?<![A-Za-z0-9'’.][A-Z])(?<!\w-[A-Z])(?<![Ff]ig\. [A-Z])"
)
_OPENING = " •*_([\"'“‘«【「『<`$#>=✅✔☑✓👉➡→⇒-"
_OPENERS = re.compile(rf"[{re.escape(_OPENING)}]{{0,8}}")
_NOUNS = ("option", "choice", "letter", "answer", "选项", "the option", "the choice", "the answer")
_LETTER = re.compile(
    r"(?P<noun>(?:option|choice|letter|answer|选项)s?[ :*_#]{0,4}[(\[\"'“‘*`$]{0,3})?"
    r"(?P<letter>[a-z])(?![a-z0-9]|['’][a-z]|-[a-z0-9])(?P<closed>[)\]\"'”’»>*_`$}]{0,5})"
)
_ARTICLE = re.compile(r"(?:the (?:option |choice |answer )?|an? |probably |likely )")
_DELIMITER = re.compile(r"[.:;,=?\n。、]| ?[-–—]{1,2} | ?\(| (?:because|since|as (?:it|the|this))(?![a-z])")
_BETWEEN = re.compile(r"[ .:;,)\]*_(\"'“”=`/|–—-]{0,8}")
_NAMELY = re.compile(
    r"[ )\]*_\"'”’]{0,4}[.,:;(]?[ (]{0,2}(?:(?:because|since|as) )?(?:i\.? ?e\.?,? |namely |that is,? )?"
    r"(?:(?:which|it|this|that|(?:the|this) (?:image|picture|scan|figure|diagnosis|answer|lesion)) "
    r"(?:is|shows|depicts) )?(?:most likely |likely |probably )?(?:the |an? )?"
)
_TEXT_ENDS = re.compile(r"[ )\]\"'”’*_`$]{0,4}(?:[.,;:。!]|\n|$)")
_OWN_LETTER = re.compile(r" ?[(\[](?:option |choice )?([a-z])[)\]]|, (?:option|choice|letter) ([a-z])(?![a-z0-9])")
_PROSE_A = re.compile(
    r" (?!(?:because|since|as|due|given|based|and|or|is|was|but|not|rather|instead|over|here|which|with|for|fits?|"
    r"seems?|appears?|looks?|matches|best|makes|would|must|should|could|can|cannot|does|doesn['’]t|isn['’]t|remains|"
    r"the)(?![a-z]))[a-z]"
)
_BARE = re.compile(
    r"[\s*_:(\[\"'$【「『]*(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer)[\s:*_~]+[(\[\"'$]*|\\(?:text|math)[a-z]{0,6}\{\s*)?"
    r"([A-Za-z]) ?[)\]*_\"'$.,:!}】」』]*\s*"
)
_BARE_TEXT = re.compile(r"[\s*_:(\[]*([A-Za-z])(?:[).:\]*、]+\s*|\s*(?:[-–—=]{1,3}>?|→|⇒)\s*|\s+)(?=\S)")
_MARKS = " •.,:;*_\n\"'$"


class Reading(NamedTuple):
    """A reply to read, also in lower case, with the options; where their letters stand, and whether a text does."""

    text: str
    low: str
    texts: OptionTexts
    letters: list[int]
    says_text: bool

    def may_claim(self, start: int, end: int) -> bool:
        """A quick look: whether an option, or what may be a misspelt one, is mentioned there."""
        for at in self.letters:
            if start <= at < end:
                return True
        if self.says_text and self.texts.may_be_said(self.low, start, end):
            return True
        return end - start <= self.texts.longest + _LITTLE and self.texts.may_be_within(self.low, start, end)


def reading_of(text: str, texts: OptionTexts) -> Reading:
    """A reply, tidied and without markup, made ready to read."""
    low = lowered(text)
    found: list[int] = []
    for letter in texts.letters or LIKELY:
        at = text.find(letter)
        while at >= 0:
            after = low[at + 1 : at + 2]
            if (not after.isalnum() or after > _HAN) and MENTION.match(text, at):
                found.append(at)
                if len(found) >= _MAX_LETTERS:
                    break
            at = text.find(letter, at + 1)
    says_text = False
    for own in texts.starts:
        if own in low:
            says_text = True
            break
    return Reading(text, low, texts, found, says_text)


class Said(NamedTuple):
    """An option that was said, "" for none, "?" for several; ``closed`` where a letter's mark or text ends it.

    ``by_text``: by its text alone; ``with_text``: its text was said, alone or with its letter.
    """

    letter: str
    end: int
    closed: bool = False
    by_text: bool = False
    with_text: bool = False


_NOTHING = Said("", 0)


def at_once(text: str, texts: OptionTexts) -> str:
    """The letter of the commonest forms, ``(B).``, ``B. Pneumonia`` and ``Pneumonia.``, exactly as written; else ""."""
    bare = _BARE.fullmatch(text)
    if bare:
        letter = bare[1].upper()
        return letter if not texts.letters or letter in texts.letters else ""
    if not texts.letters:
        return ""
    said = text.strip(_MARKS).lower()
    if len(said) > 1 and said in texts.texts:
        return texts.whole(said)
    found = _BARE_TEXT.match(text)
    if found:
        letter = found[1].upper()
        return letter if texts.is_own(letter, text[found.end() :].strip(_MARKS).lower()) else ""
    return ""


def said_at(reading: Reading, at: int, end: int) -> Said:
    """The option that stands there, marks and an article before it aside."""
    low, texts = reading.low, reading.texts
    opened = _OPENERS.match(low, at, end)
    place = opened.end() if opened else at
    if place >= end or (low[place].isdigit() and ("<" in low[at:place] or ">" in low[at:place])):
        return _NOTHING
    if texts.starts and low.startswith(texts.starts, place, end):
        said = _by_text(reading, place, end)
        if said.letter and said.end > place + 1:
            return said
    if not is_word(low[place + 1 : min(place + 2, end)]) or low.startswith(_NOUNS, place):
        said = _by_letter(reading, place, end)
        if said.letter:
            return said
    if not texts.starts:
        return _NOTHING
    said = _by_text(reading, place, end)
    if not said.letter and (article := _ARTICLE.match(low, place, end)):
        said = _by_text(reading, article.end(), end)
    return said


def may_stand(reading: Reading, at: int) -> bool:
    """A quick look: whether an option may stand there."""
    low, texts = reading.low, reading.texts
    if at < len(low) and low[at] in _OPENING:
        at = _OPENERS.match(low, at).end()  # type: ignore[union-attr]  # it matches nothing, too
    after = low[at + 1 : at + 2]
    if not after.isalnum() or after > _HAN or low.startswith(_NOUNS, at):
        return True
    return bool(texts.starts) and texts.may_start(low, at)


def is_word(char: str) -> bool:
    """Whether a character goes on a Latin word or a number; Chinese writes no spaces between words."""
    return char.isalnum() and char < _HAN


def _by_letter(reading: Reading, at: int, end: int) -> Said:
    text, low, texts, *_ = reading
    found = _LETTER.match(low, at, end)
    if found is None or found["letter"].upper() not in (texts.letters or LIKELY):
        return _NOTHING
    place, after = found.start("letter"), found.end()
    written, letter, closed = text[place], found["letter"].upper(), found["closed"] != ""
    between = _BETWEEN.match(low, place + 1, end)
    behind = between.end() if between else after
    own = texts.own_at(letter, low, behind, end) if behind > place + 1 else 0
    longer, longer_end = texts.at(low, behind, end) if own else ("", 0)
    if longer_end > own and longer not in ("", letter):
        return Said(RIVALS, longer_end)
    if own and (low[place + 1 : behind].strip() or _TEXT_ENDS.match(low, own, end)):
        return Said(letter, own, True, False, True)
    if written.islower() and not (found["noun"] or closed or after >= end or text[after] in ".:,;)\n"):
        return _NOTHING
    if written in "Aa" and not closed and _PROSE_A.match(text, after, end) and not RIGHT.match(low, after, end):
        return _NOTHING
    if is_species(text, place, texts.options):
        return _NOTHING
    led = _NAMELY.match(low, place + 1, end)
    behind = max(behind, led.end()) if led else behind
    other, other_end = texts.at(low, behind, end) if behind > place + 1 else ("", 0)
    if other == letter:
        other = ""
    if other and _TEXT_ENDS.match(low, other_end, end) and not WRONG.match(low, other_end, end):
        return Said(RIVALS, other_end)
    return Said(letter, after, after >= end or closed or _DELIMITER.match(text, after, end) is not None)


def _by_text(reading: Reading, at: int, end: int) -> Said:
    low, texts = reading.low, reading.texts
    letter, after = texts.at(low, at, end)
    if not letter or (after < end and low[after] in " abcdefghijklmnopqrstuvwxyz"):
        short = end - at <= texts.longest + _BEYOND and texts.may_start(low, at)
        mistyped = texts.said(reading.text[at:end]) if short else ""
        if mistyped or not letter:
            return Said(mistyped, end, False, True, True)
    own = _OWN_LETTER.match(low, after, end)
    if own is None:
        return Said(letter, after, False, True, True)
    named = (own[1] or own[2]).upper()
    agrees = texts.is_own(named, low[at:after]) if letter == RIVALS else named == letter
    return Said(named if agrees else RIVALS, own.end(), True, True, True)
