"""The texts of a question's options, made once for each set of them: to find one where a reply says it.

A text is found without regard to case, as a whole: ``1`` is not in ``1.5``, nor ``T2`` in ``T2-weighted``. A text that
stands twice names no option by itself.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

from infimed_plugins.parsing.statements import tidy
from infimed_plugins.parsing.normalize import tokens
from infimed_plugins.records import OPTION_LETTERS

_MARKS = " .,:;*_\n\"'$"
_HAN = "\u2e80"
_ARTICLES = ("the ", "a ", "an ")
_MIN_TYPO = 6  # letters of a text in which one wrong letter is overlooked
_MIN_CUT = 5  # characters of a text that lacks its last one
_SAME = 3  # characters at the start of a text in which no letter may be wrong
_CROSSES = "✗✘✖✕❌×🚫"
_MIN_RIVAL = 3  # characters of a text that is looked for amid prose


class OptionTexts:
    """``texts`` are those of A, B, …, as compared; ``letters`` are the letters there are."""

    def __init__(self, options: tuple[str, ...]) -> None:
        self.options = options
        self.texts = tuple(_comparable(option) for option in options)
        self.letters = OPTION_LETTERS[: len(options)] if options else ""
        self.starts = tuple(text for text in self.texts if text)
        self.longest = max(map(len, self.texts), default=0)

    @cached_property
    def _longest_first(self) -> list[tuple[str, str]]:
        named = [pair for pair in zip(self.texts, OPTION_LETTERS, strict=False) if pair[0]]
        return sorted(named, key=lambda pair: -len(pair[0]))

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple({start if (start := text[:_SAME]).isalnum() else start[:1] for text in self.starts})

    @cached_property
    def _words(self) -> list[tuple[str, ...]]:
        return [tuple(tokens(option)) for option in self.options]

    @cached_property
    def _spellings(self) -> list[str]:
        return [" ".join(words) for words in self._words]

    def whole(self, text: str) -> str:
        """The letter of the option whose text this is, in lower case and without marks around it; else ""."""
        texts = self.texts
        return OPTION_LETTERS[texts.index(text)] if text in texts and texts.count(text) == 1 and text else ""

    def said(self, text: str) -> str:
        """The letter of the option with the same words, "the" before it aside, or with one letter wrong; else ""."""
        if not self.texts or len(text) > self.longest + 40 or any(mark in text for mark in _CROSSES):
            return ""
        words = tuple(tokens(text))
        letter = self._with_words(words) or (self._with_words(words[1:]) if words[:1] == ("the",) else "")
        return letter or self._with_one_typo(" ".join(words), text)

    def _with_words(self, words: tuple[str, ...]) -> str:
        return OPTION_LETTERS[self._words.index(words)] if words and self._words.count(words) == 1 else ""

    def may_start(self, low: str, start: int) -> bool:
        """A quick look: whether a text may start there, alone or after "the", marks and spaces aside."""
        if low.startswith(self._beginnings, start):
            return True
        return low.startswith(_ARTICLES, start) and low.startswith(self._beginnings, low.index(" ", start) + 1)

    def may_be_said(self, low: str, start: int, end: int) -> bool:
        """A quick look: whether the characters of a text stand anywhere there."""
        return any(low.find(text, start, end) >= 0 for text in self.starts)

    def may_be_within(self, low: str, start: int, end: int) -> bool:
        """A quick look: whether the first characters of a text stand anywhere there."""
        return any(low.find(beginning, start, end) >= 0 for beginning in self._beginnings)

    def is_own(self, letter: str, text: str) -> bool:
        """Whether a text, in lower case and without marks around it, is that very option's."""
        place = OPTION_LETTERS.index(letter)
        return place < len(self.texts) and text == self.texts[place] != ""

    def at(self, low: str, start: int, end: int) -> tuple[str, int]:
        """The letter of the longest text that stands there, "?" for one that stands twice, and where it ends."""
        if self.starts and low.startswith(self.starts, start, end):
            for text, letter in self._longest_first:
                after = start + len(text)
                if low.startswith(text, start, end) and is_whole(low, after, end, text):
                    return letter if self.texts.count(text) == 1 else "?", after
        return "", start

    def own_at(self, letter: str, low: str, start: int, end: int) -> int:
        """Where that option's own text, which stands there, ends; 0 where it does not stand there."""
        place = OPTION_LETTERS.index(letter)
        text = self.texts[place] if place < len(self.texts) else ""
        after = start + len(text)
        return after if text and low.startswith(text, start, end) and is_whole(low, after, end, text) else 0

    def within(self, low: str, start: int, end: int, but: str) -> list[tuple[int, int]]:
        """Where the first mention of each other option's text stands."""
        found = []
        for text, letter in self._longest_first:
            place = low.find(text, start, end) if letter != but and (len(text) >= _MIN_RIVAL or text.isdigit()) else -1
            if place >= 0 and not low[place - 1 : place].isalnum() and is_whole(low, place + len(text), end, text):
                found.append((place, place + len(text)))
        return found

    def _with_one_typo(self, said: str, text: str) -> str:
        """The one option whose text this is but for one letter or a cut-off end, no other option being near."""
        if len(text) > self.longest + 2:
            return ""
        near = [place for place, own in enumerate(self._spellings) if _one_letter_apart(said, own)]
        if len(near) == 1 and not any(_one_letter_apart(own, self._spellings[near[0]]) for own in self._spellings):
            return OPTION_LETTERS[near[0]]
        cut = text.lower().strip()
        longer = [place for place, own in enumerate(self.texts) if own.startswith(cut)] if len(cut) >= _MIN_CUT else []
        return OPTION_LETTERS[longer[0]] if len(longer) == 1 and _is_cut(cut, self.texts[longer[0]]) else ""


def _comparable(option: str) -> str:
    return (option if option.isascii() else tidy(option)).strip(_MARKS).lower()


option_texts = lru_cache(maxsize=4096)(OptionTexts)


def is_whole(low: str, end: int, limit: int, text: str) -> bool:
    """Whether a text that ends there is no part of a longer word or number."""
    after = low[end : min(end + 2, limit)]
    if not after or text[-1] > _HAN or not text[-1].isalnum():
        return True
    return not (after[0].isalnum() or (after[0] in ".,-'’" and after[1:].isalnum() and not _is_clause(after, text)))


def _is_clause(after: str, text: str) -> bool:
    """A comma or a full stop with no space behind it is none of a number's if no digit stands before it."""
    return after[0] in ".," and not text[-1].isdigit()


def _is_cut(cut: str, text: str) -> bool:
    """Whether a text lacks no more than the end of its last word, or one short last word."""
    missing = text[len(cut) :]
    within_word = cut[-1].isalpha() and missing.isalpha() and text[len(cut) - 2 :].isalpha()
    return len(missing.strip()) == 1 and (within_word or missing[0] == " ")


def _one_letter_apart(said: str, text: str) -> bool:
    """One letter added, left out or changed, not the first of a word and no digit."""
    if abs(len(said) - len(text)) > 1 or min(len(said), len(text)) < _MIN_TYPO or said == text:
        return False
    same = next((i for i, (a, b) in enumerate(zip(said, text, strict=False)) if a != b), min(len(said), len(text)))
    if same < _SAME or text[same - 1] == " ":
        return False
    rests = said[same + (len(said) >= len(text)) :], text[same + (len(text) >= len(said)) :]
    return rests[0] == rests[1] and (said[same : same + 1] + text[same : same + 1]).isalpha()
