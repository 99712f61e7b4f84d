"""Find the options of a question in a text: by letter, by text, by both, or by two that disagree.

    "It is B. Pneumonia (not C)"  with pneumonia as B   …{be}⟨B and its text⟩({negated}⟨letter C⟩)

An option becomes one character of the codes (lexicon.py): its number in one of four blocks, for letter, text, both and
disagreement. Prose holds letters that are none: "a lesion", "vitamin B", "C-reactive", "E. coli", "I think".
"""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.lexicon import ASKED, CODE, NUMBER, OTHER, Text, rule
from infimed_plugins.parsing.normalize import nfkc, plain
from infimed_plugins.records import OPTION_LETTERS

LETTER, TEXT, BOTH, DISAGREE, BEYOND = 0xE000, 0xE100, 0xE200, 0xE300, 0xE301
_NUMERIC = 0x80  # added to the code of a text that is a number: prose is full of them
UNKNOWN = 10  # options of a question whose options are not known: A to J
_LETTERS = frozenset("abcdefghij")
_SKIPPED = frozenset(',:()-"')
_FORMULA = frozenset("*/+^=×<>")
_MARKS = frozenset(".?,:()-")
_ARTICLES = frozenset(["the", "a", "an"])
_HAN_TAIL = "证症法型"
_NAMES = (
    "subject be negated rejected because or and contrast than shows possible correct concedes so hypothetical option"
)
_AFTER_A = frozenset(map(CODE.__getitem__, _NAMES.split()))  # words after a capital A that is no article
_WORD = re.compile(r"\w+")
_CASELESS = re.compile(r"\b(?!(?:([A-Za-z])\1)+\b)\w{2,}", re.IGNORECASE)  # AA, Aa and aa are three genotypes
_DOUBLED = re.compile(r"(.)\1")

Words = tuple[str, ...]


class OptionSet(NamedTuple):
    """The options of a question: how many there are, their texts by their first word, the longest first, and twins.

    ``firsts`` holds, for each option, the place of the first one with the same text.
    """

    letters: int
    texts: dict[str, list[tuple[Words, int]]]
    firsts: list[int]


def option_key(text: str) -> str:
    """Return an option's text for comparing: without the case of its words, its blanks and its final stop."""
    return _CASELESS.sub(lambda word: word[0].casefold(), " ".join(text.split())).rstrip(" .")


@cached(4096)
def option_set(options: tuple[str, ...]) -> OptionSet:
    """Prepare options for the search. A text that stands twice names the first; a bare letter is a letter."""
    keys = list(map(option_key, options))
    firsts = list(map(keys.index, keys))
    seen: dict[Words, int] = {}
    texts_words = _words_of(options)
    for index, words in enumerate(texts_words):
        if words and not (len(words) == 1 and words[0].upper() in OPTION_LETTERS[: len(options)]):
            for name in _names(words, texts_words):
                code = TEXT + firsts[index] + (_NUMERIC if name[0][-1].isdigit() or len(name[0]) < 2 else 0)
                seen[name] = DISAGREE if seen.get(name, code) != code else code
    texts: dict[str, list[tuple[Words, int]]] = {}
    for words, code in seen.items():
        for first in (words[0], f"{words[0]}s"):
            texts.setdefault(first, []).append((words, code))
    for same_start in texts.values():
        same_start.sort(key=lambda one: -len(one[0]))
    return OptionSet(len(options) or UNKNOWN, texts, firsts)


def _words_of(options: tuple[str, ...]) -> list[Words]:
    """Return the words of each text that count: in the singular, without its letter, marks, or a leading article."""
    flat = zip(OPTION_LETTERS, (option.replace("\n", " ") for option in options), strict=False)
    bare = [re.sub(rf"^\s*\(?\s*{letter}\s*[).:]\s*(?=\S)", "", option) for letter, option in flat]
    read = Text(nfkc(plain("\n".join(bare))))
    found: list[list[str]] = [[]]
    for word, code in zip(read.words, read.codes, strict=True):
        if code == "\n":
            found.append([])
        elif code == "?" or (code not in _MARKS and (found[-1] or word not in _ARTICLES)):
            found[-1].append(_singular(word))
    return [tuple(words) for words in found]


def _names(words: Words, others: list[Words]) -> list[Words]:
    """Return the words that name an option: all; its number without the unit; "血虚" of "血虚证"."""
    names = [words]
    if len(words) in (2, 3) and words[0][-1].isdigit() and not any(word[-1].isdigit() for word in words[1:]):
        names += [words[:1]] * (sum(other[:1] == words[:1] for other in others) == 1)
    if (len(words) > 3 and words[-1] in _HAN_TAIL) or words[-1] == "?":
        names.append(words[:-1])
    return names


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "sui" else word


def mark(text: Text, options: OptionSet, asked: frozenset[str] = frozenset()) -> str:
    """Return the codes of a text with its options, and the words of ``asked`` as such."""
    words, texts, beyond = text.words, options.texts, 0
    codes = list(text.codes)
    for at in [at for at, word in enumerate(words) if word in asked]:
        codes[at] = ASKED if codes[at] == OTHER else codes[at]
    for at in [at for at, word in enumerate(words) if word in texts or word in _LETTERS]:
        if at < beyond:
            continue
        word = words[at]
        if word in texts and not (codes[at] == NUMBER and _in_formula(words, at)):
            code, after = _text_at(words, text.codes, at, texts[word])
            if code and not (word in _LETTERS and after == at + 1):
                codes[at:after] = [chr(code), *[""] * (after - at - 1)]
                beyond = after
                continue
        if word in _LETTERS and (_is_letter(text, at) or _before_own_text(text, at, texts)):
            place = ord(word) - ord("a")
            codes[at] = chr(LETTER + place if place < options.letters else BEYOND)
    joined = rule(_TEXT_LETTER).sub(partial(_text_first, options.firsts), "".join(codes))
    joined = _REPEATED.sub(r"\1", joined)
    return rule(_LETTER_TEXT).sub(partial(_letter_first, options.firsts), joined)


def _text_at(words: list[str], codes: str, at: int, texts: list[tuple[Words, int]]) -> tuple[int, int]:
    """Return the code of the text that stands there and where it ends; (0, at) for none."""
    count = len(words)
    for own, code in texts:
        place = at + 1
        if len(own) == 1 and own[0] > "\u3400" and codes[at - 1 : at] == OTHER == codes[place : place + 1]:
            continue  # one Chinese character, within a word
        for part in own[1:]:
            while place < count and (
                codes[place] in _SKIPPED
                or (codes[place] == "." and (len(words[place - 1]) < 3 or words[place + 1 : place + 2] == [part]))
            ):
                place += 1
            if place >= count or (words[place] != part and _singular(words[place]) != part):
                break
            place += 1
        else:
            return code, place
    return 0, at


def _before_own_text(text: Text, at: int, texts: dict[str, list[tuple[Words, int]]]) -> bool:
    """True if the text of that option stands behind a capital letter and a stop: "B. lung" is no species."""
    words, codes = text.words, text.codes
    named = at > 0 and (words[at - 1] == ")" or words[at - 1] in _LETTERS)  # "(C) C. difficile"
    if named or codes[at + 1 : at + 2] != "." or at + 2 >= len(words) or not text.written[at].isupper():
        return False
    own = TEXT + ord(words[at]) - ord("a")
    return _text_at(words, codes, at + 2, texts.get(words[at + 2], []))[0] & ~_NUMERIC == own


def _in_formula(words: list[str], at: int) -> bool:
    """True if a number is part of a formula: 2 * r, 12 - 7."""
    after, before = words[at + 1 : at + 2], words[at - 1 : at] if at else []
    return bool(_FORMULA.intersection(after)) or bool((_FORMULA - {"=", "/"}).intersection(before))


def _is_letter(text: Text, at: int) -> bool:
    """True if a single letter names an option there."""
    codes, written = text.codes, text.written
    before = codes[at - 1] if at else "\n"
    after = codes[at + 1] if at + 1 < len(codes) else "\n"
    if before == CODE["named"]:
        return False
    announced = before in (CODE["option"], CODE["answer"], CODE["pick"])
    if written[at].islower():
        closed = after == ")" and before in "(\n."
        return closed or (after in "\n.,:" and (announced or before in "\n:" or before == CODE["be"]))
    if written[at] == "A":
        if after in "\n.,:()-?" or after in _AFTER_A or len(text.words[at + 1]) == 1:
            return True
        behind = codes[at + 2 : at + 3] or "\n"
        return after == CODE["filler"] and (announced or behind in (CODE["correct"], CODE["answer"]))
    if written[at] == "I" and after not in ".,:)\n":
        return after == CODE["be"] and text.words[at + 1] == "is"
    species = (
        after == "." and codes[at + 2 : at + 3] == OTHER and len(written[at + 2]) > 2 and written[at + 2].islower()
    )
    return announced or not species


# letter and text of one option are one: "B. Pneumonia", "Pneumonia (B)", "B is pneumonia"; of two, neither
_REPEATED = re.compile("([\ue000-\ue0ff])[):(]{1,2}\\1")  # (B) B
_LETTER_TEXT = r"([\ue000-\ue0ff])([.:,)(\-{filler|be|subject|because|or}]{0,4})([\ue100-\ue300])(?=([).,\n?]|$)?)"
_TEXT_LETTER = r"([\ue100-\ue1ff])([(:,\-{option|be|subject}]{1,4})([\ue000-\ue0ff])(\)?)"


def _letter_first(firsts: list[int], found: re.Match[str]) -> str:
    letter, text = ord(found[1]) - LETTER, (ord(found[3]) - TEXT) & ~_NUMERIC
    if "." in found[2] and found[4] is None and found.start() and found.string[found.start() - 1] not in "\n.(-":
        return found[0]  # "The answer is B. Pneumonia is common."
    if firsts[letter] == text or found[3] == chr(DISAGREE):
        return chr(BOTH + letter)
    aside = found[2] and CODE["or"] not in found[2]
    return chr(DISAGREE) if aside and found[4] is not None and "." not in found[2][1:] else found[0]


def _text_first(firsts: list[int], found: re.Match[str]) -> str:
    text, letter = (ord(found[1]) - TEXT) & ~_NUMERIC, ord(found[3]) - LETTER
    if firsts[letter] == text:
        return chr(BOTH + letter)
    return chr(DISAGREE) if "(" in found[2] and found[4] else found[0]


def named(code: str) -> str:
    """Return the letter of an option's code; "" where letter and text disagree."""
    return "" if ord(code) >= DISAGREE else OPTION_LETTERS[ord(code) & 0x7F]


def misspelled(text: str, options: tuple[str, ...]) -> str:
    """Return the letter of the one option that a text misspells in one word (letters swapped, doubled, lost); or ""."""
    said = _WORD.findall(text.lower())
    meant = [_WORD.findall(option.lower()) for option in options]
    near = [index for index, words in enumerate(meant) if _is_slip(said, words)] if said not in meant else []
    return OPTION_LETTERS[near[0]] if len(near) == 1 else ""


def _is_slip(said: list[str], meant: list[str]) -> bool:
    apart = [(a, b) for a, b in zip(said, meant, strict=False) if a != b]
    if len(said) != len(meant) or len(apart) != 1 or len(apart[0][1]) < 5:
        return False
    a, b = apart[0]
    swapped = any(a == b[:at] + b[at + 1] + b[at] + b[at + 2 :] for at in range(len(b) - 1))
    return swapped or a == b[:-1] or _DOUBLED.sub(r"\1", a) == _DOUBLED.sub(r"\1", b)
