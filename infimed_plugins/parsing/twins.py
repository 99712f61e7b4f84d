"""Options with the same text: a twin of the right one is as right as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.options import Reading, read_option
from infimed_plugins.records import OPTION_LETTERS

_WORD = re.compile(r"\b(?!(?:([A-Za-z])\1)+\b)\w{2,}", re.IGNORECASE)  # AA, Aa and aa are three genotypes

_GONE = "\x00"  # a text that no reply has: the reader leaves empty options out and counts the others anew


def option_key(text: str) -> str:
    """An option's text for comparing: without the case of its words, its blanks and its final stop."""
    return _WORD.sub(lambda word: word[0].casefold(), " ".join(text.split())).rstrip(" .")


def same_options(given: str, right: str, options: Sequence[str]) -> bool:
    """Whether the letters given name the right options or their twins; options that are not there have none."""
    return bool(given) and (given == right or _texts(given, tuple(options)) == _texts(right, tuple(options)))


@cached(4096)
def _texts(letters: str, options: tuple[str, ...]) -> frozenset[str]:
    keys = dict(zip(OPTION_LETTERS, map(option_key, options), strict=False))
    return frozenset(keys.get(letter) or f"({letter})" for letter in letters)


def read_choice(
    text: str, options: tuple[str, ...], question: str = "", *, strict: bool = False, several: bool = False
) -> Reading:
    """``read_option``, which takes a text that several options have for one of them."""
    reading = read_option(text, options, question, strict=strict, several=several)
    if reading.letters:
        return reading
    again = (read_option(text, once, question, strict=strict, several=several) for once in _without_twins(options))
    return next((found for found in again if found.letters), reading)


@cached(4096)
def _without_twins(options: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The options with each text once, at its first place, at its second, and so on; none where no two are twins."""
    places: dict[str, list[int]] = {}
    for place, option in enumerate(options):
        places.setdefault(option_key(option), []).append(place)
    most = max(map(len, places.values()), default=1)
    kept = [{found[turn % len(found)] for found in places.values()} for turn in range(most if most > 1 else 0)]
    return [
        tuple(option.rstrip(" .") if place in keep else _GONE for place, option in enumerate(options)) for keep in kept
    ]
