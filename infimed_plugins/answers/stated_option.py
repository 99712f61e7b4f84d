"""The option that a free reply states: announced anywhere, or in its first or last sentence, and nowhere another.

    Bright on T2. So the answer is B.       The boxed area shows it. Option B is correct.
    B. Stone ⏎⏎ It is bright on T2.         It is bright on T2. ⏎⏎ **B. Stone**
    Answer: A ⏎ Wait, let me reconsider. ⏎ Answer: B

Each statement is read by answers/choices.py, which says what commits to a letter. A list of the options, each with a
remark, states nothing by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from infimed_plugins.answers.choices import Choice, has_rival, is_species, option_letters
from infimed_plugins.answers.latex import plain
from infimed_plugins.answers.statements import MAX_LENGTH as MAX_REPLY
from infimed_plugins.answers.statements import announcements, first_sentence, last_sentence, settled, tidy
from infimed_plugins.answers.words import tokens
from infimed_plugins.records import OPTION_LETTERS

_LIST_ITEM = re.compile(r"\n[ \t>*#(\[-]{0,8}([A-Z])[).:\]*]")
_REJECTED_FIRST = re.compile(r"\s*not\s+(?:option\s+)?\(?[A-Z]\)?\s*[.,;:]\s*", re.IGNORECASE)
_HEDGED_FIRST = re.compile(
    r"\W*(?:(?:either|maybe|perhaps|possibly|could be|might be)(?![A-Za-z])|both\W+[A-Z]\W*$)", re.IGNORECASE
)
_BARE = re.compile(
    r"[\s*_:(\[\"'$]*(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer)[\s:*_]+[(\[\"'$]*|\\(?:text|math)[a-z]{0,6}\{\s*)?"
    r"([A-Za-z])[)\]*_\"'$.,:}]*\s*"
)
_BARE_TEXT = re.compile(r"[\s*_:(\[]*([A-Za-z])(?:[).:\]*]+\s*|\s+[-–—]+\s+|\s+)(?=\S)")
_TEXT_FIRST = re.compile(r"\s*\(([A-Z])\)[\s.*_]*$")
_FRAME = re.compile(
    r"(?:(?:it|this|that)(?:\s+is|['’]s)\s+"
    r"|(?:this|the)\s+(?:image|picture|scan|figure)\s+(?:shows|depicts|demonstrates)\s+)?(?:the\s+)?"
)
_MARKS = " .,:;*_\n\"'$"
_LED = re.compile(
    r"[\s*_:(\[\"'$]*([A-Z])(?:[)\].:,*\"'$]|\s+(?:because|since|-|–|—)\s|\s+is\s+(?:the\s+)?(?:correct|right|best))"
)
_STARTS = re.compile(r"\W*_?(?:A(?!\s(?!is\s)[a-z])|[B-Zb-z]|a(?!\s))(?![A-Za-z0-9'’])")
_IN_FRONT = re.compile(r"\W*([B-Z]|A(?! [a-z]))(?![A-Za-z0-9'’])")
_CAPITAL = re.compile(r"[A-Z](?<![A-Za-z0-9][A-Z])(?![A-Za-z0-9])|[^A-Za-z0-9][a-z][).]")
_DOUBT = re.compile(
    r"n['’]t|[?/|]|(?<![A-Za-z])(?:or|not|no|nor|vs|if|maybe|possibly|incorrect|wrong|false|unlikely|impossible|never|"
    r"ruled|excluded|eliminated|cannot)(?![A-Za-z])",
    re.IGNORECASE,
)
_NAMING = ("option", "choice", "answer", "final ", "my ", "so ", "correct ", "best ")
_MIN_TYPO = 6  # letters of a text in which one wrong letter is overlooked
_FEW = 24  # characters
_SHORT = 40  # characters before a last sentence in which another letter is a rival
_SAME = 3  # characters at the start of a text in which no letter may be wrong
_NEAR = 40  # characters in which a doubt is about the letter before them
_MAX_AT_ONCE = 256  # characters
_RIVALS = "?"  # a statement that names more than one option


def stated_option(reply: str, options: Sequence[str] | None = None) -> Choice:
    """The letters a whole reply commits to; ``options`` are the texts of A, B, … when they are known."""
    if len(reply) > MAX_REPLY:
        return Choice("", f"longer than {MAX_REPLY} characters")
    known = options if isinstance(options, tuple) else tuple(options or ())
    text = tidy(reply)
    letter = _at_once(text, known) if len(text) < _MAX_AT_ONCE else ""
    if letter:
        return _committed(letter, "a letter, or its text")
    items = _list_items(text, known)
    listed = len(set(items)) > 1
    commitments: list[tuple[int, int, str]] = []
    for start, end, said, unsure in announcements(text):
        letter = _at_once(said, known)
        if not letter:
            letter, end = _letter_after(said, known), start  # more of the line may speak
        if letter:
            commitments.append((start, end, _RIVALS if unsure else letter))
    commitments = _at_either_end(text, known, commitments, items if listed else "")
    stands = settled(commitments, text)
    if stands is None or stands == _RIVALS:
        return Choice("", "more than one option")
    if stands:
        return _committed(stands, "what the reply states")
    if listed:
        return Choice("", "a list of the options")
    if len(text) <= _MAX_AT_ONCE and _may_commit(text, known):
        return option_letters(text, known)
    return _committed("", "no option is stated")


_committed = lru_cache(maxsize=256)(Choice)  # a benchmark has few different ones


def _at_once(text: str, options: tuple[str, ...]) -> str:
    """The letter of the commonest forms, ``(B).``, ``B. Pneumonia`` and ``Pneumonia.``, exactly as written; else ""."""
    bare = _BARE.fullmatch(text)
    if bare:
        letter = bare[1].upper()
        return letter if not options or letter in OPTION_LETTERS[: len(options)] else ""
    if not options or len(text) > _MAX_AT_ONCE:
        return ""
    texts = _lowered(options)
    said = text.strip(_MARKS).lower()
    if len(said) > 1 and said in texts:
        return OPTION_LETTERS[texts.index(said)] if texts.count(said) == 1 else ""
    found = _BARE_TEXT.match(text)
    if found:
        return _if_own(found[1].upper(), text[found.end() :], texts)
    after = _TEXT_FIRST.search(text) if ")" in text[-4:] else None
    return _if_own(after[1], text[: after.start()], texts) if after else ""


def _if_own(letter: str, text: str, texts: tuple[str, ...]) -> str:
    """The letter, if the text with it is that of its option; else ""."""
    place = OPTION_LETTERS.index(letter)
    return letter if place < len(texts) and text.strip(_MARKS).lower() == texts[place] != "" else ""


@lru_cache(maxsize=4096)
def _lowered(options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(option.strip(_MARKS).lower() for option in options)


def _letter_after(text: str, options: tuple[str, ...]) -> str:
    """The letter an announcement is followed by, ``?`` for several, "" for none."""
    text = text.lstrip()
    said = (plain(text) if "*" in text or "$" in text or "\\" in text or "`" in text else text).strip(" *_:#")
    if not said or said.startswith("not "):
        return ""
    sentence = first_sentence(said)
    letter = _at_once(sentence, options) or _led(sentence, options)
    if letter or not _may_commit(sentence, options):
        return letter
    return _letter(f"answer: {sentence}", options) or _letter(sentence, options)


def _may_commit(sentence: str, options: tuple[str, ...]) -> bool:
    """A quick look: it starts with a letter by itself, names one after a word like "option", or may say a text."""
    if not options or not sentence.isascii() or "\\" in sentence or "$" in sentence:
        return True
    lowered = sentence.lower().lstrip(" *_\"'([<>-")
    beginnings = _beginnings(options)
    if lowered.startswith(beginnings) or lowered.startswith(_NAMING):
        return True
    starts = _STARTS.match(sentence)
    if starts:
        own = lowered[2:].lstrip(" .):").startswith(beginnings)
        return own or not is_species(sentence, starts.end() - 1, options)
    frame = _FRAME.match(lowered)
    return frame is not None and lowered.startswith(beginnings, frame.end())


@lru_cache(maxsize=4096)
def _beginnings(options: tuple[str, ...]) -> tuple[str, ...]:
    """The first characters of each text, lower case, or of all texts where one starts with a mark."""
    starts = tuple(option.strip()[:_SAME].lower() for option in options)
    return starts if all(start[:1].isalnum() for start in starts) else ("",)


def _led(text: str, options: tuple[str, ...]) -> str:
    """The letter a sentence starts with, if nothing in the rest speaks against it at a quick look; else ""."""
    found = _LED.match(text)
    if not found or not options or found[1] not in OPTION_LETTERS[: len(options)]:
        return ""
    rest = text[found.end(1) :]
    if text.lower().startswith(_beginnings(options)):
        return ""
    if _DOUBT.search(rest[:_NEAR]) or _CAPITAL.search(rest) or is_species(text, found.start(1), options):
        return ""
    said = rest.strip(" .,:;*_)]-–—(\"'$").lower()
    return "" if any(said.startswith(start) for start in _beginnings(options) if start) else found[1]


def _letter(sentence: str, options: tuple[str, ...]) -> str:
    if not _may_commit(sentence, options):
        return ""
    letter = _at_once(sentence, options) or _led(sentence, options)
    if letter:
        return letter
    choice = option_letters(sentence, options)
    if choice.letters:
        return choice.letters if len(choice.letters) == 1 else _RIVALS
    return _RIVALS if choice.reason == "more than one option" else _with_one_typo(sentence, options)


def _at_either_end(
    text: str, options: tuple[str, ...], commitments: list[tuple[int, int, str]], listed: str
) -> list[tuple[int, int, str]]:
    """The commitments with those of the first and the last sentence, where these are not announcements.

    ``listed`` are the letters of the list that the text holds, if any: its last line counts only if it comes back to a
    letter of the list.
    """
    begin = text.find("\n")
    first = first_sentence(text[: begin if begin >= 0 else None])
    if _HEDGED_FIRST.match(first):
        return commitments or [(0, len(first), _RIVALS)]
    if not listed and (not commitments or len(first) < commitments[0][0]):
        rejected = _REJECTED_FIRST.match(first)
        letter = _letter(first[rejected.end() :] if rejected else first, options)
        commitments = [(0, len(first), letter), *commitments] if letter else commitments
    if commitments and commitments[-1][1] >= len(text):
        return commitments
    start, last = last_sentence(text, 60 + max(map(len, options), default=60))
    if last and start > len(first) and (not commitments or commitments[-1][1] < start):
        letter = _letter(last, options) or _unclear_letter(last, commitments)
        if letter and not commitments and start <= _SHORT and has_rival(text[:start], letter, options):
            letter = _RIVALS
        again = not listed or letter in listed[:-1] or listed[-1] not in last[:8]
        commitments = [*commitments, (start, len(text), letter)] if letter and again else commitments
    return commitments


def _unclear_letter(last: str, commitments: list[tuple[int, int, str]]) -> str:
    """``?`` for a few words with another letter in front, such as "B, maybe", after a letter was stated."""
    found = _IN_FRONT.match(last) if commitments and len(last) <= _FEW else None
    return _RIVALS if found and found[1] != commitments[-1][2] else ""


def _list_items(text: str, options: tuple[str, ...]) -> str:
    """The letters of options that lines start with, in order."""
    if not _LIST_ITEM.search(text):
        return ""
    likely = OPTION_LETTERS[: len(options) or 10]
    lines = "\n" + text
    found = _LIST_ITEM.finditer(lines)
    return "".join(item[1] for item in found if item[1] in likely and not is_species(lines, item.start(1), options))


def _with_one_typo(sentence: str, options: tuple[str, ...]) -> str:
    """The letter of the one option whose text this is but for one letter, no other option being near; or ""."""
    if not options or len(sentence) > 2 + max(map(len, options)):
        return ""
    said = " ".join(tokens(sentence))
    texts = _spellings(options)
    near = [place for place, text in enumerate(texts) if _one_letter_apart(said, text)]
    if len(near) != 1 or any(_one_letter_apart(text, texts[near[0]]) for text in texts):
        return ""
    return OPTION_LETTERS[near[0]]


@lru_cache(maxsize=4096)
def _spellings(options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(" ".join(tokens(option)) for option in options)


def _one_letter_apart(said: str, text: str) -> bool:
    """One letter added, left out or changed, not the first of a word and no digit."""
    if abs(len(said) - len(text)) > 1 or min(len(said), len(text)) < _MIN_TYPO or said == text:
        return False
    same = next((i for i, (a, b) in enumerate(zip(said, text, strict=False)) if a != b), min(len(said), len(text)))
    if same < _SAME or text[same - 1] == " ":
        return False
    rests = said[same + (len(said) >= len(text)) :], text[same + (len(text) >= len(said)) :]
    return rests[0] == rests[1] and (said[same : same + 1] + text[same : same + 1]).isalpha()
