"""A list of the options with a remark on each, and the one option it marks as right.

    A. Normal - incorrect              A. Normal              C. Tuberculosis
    B. Pneumonia - incorrect           B. Pneumonia           ⏎
    C. Tuberculosis - correct          C. Tuberculosis ✓      A. Normal: ruled out

A list that marks none or several states nothing.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import NamedTuple

from infimed_plugins.parsing import phrases
from infimed_plugins.parsing.options.choices import is_species
from infimed_plugins.parsing.options.mentions import LIKELY, Reading
from infimed_plugins.parsing.options.texts import OptionTexts

_LINE = r"([ \t>*#(\[✓✔✅☑✗✘✖✕❌-]{0,8}([A-Z])[).:\]*][^\n]*)"
_FIRST_ITEM, _LATER_ITEM = re.compile(_LINE), re.compile(rf"\n{_LINE}")  # "^" would be tried at every character
_NUMBER = re.compile(r"[ *#(]{0,4}(?:(?:[1-9][0-9]?|[ivx]{1,4})[.):]\*{0,2}|[-•–*]) ")
_DIFFERENTIAL = re.compile(r"differential[^\n:.]{0,40}:[ \n]")
_MARKED = re.compile(r"[✓✔✅☑]|(?:<|←|=)-{0,2} ?(?:this|the)? ?(?:correct|answer|right)|\((?:correct|right|answer)\)")
_RIGHT = re.compile(
    r"(?:^|[-–—:.,;*(\[] ?| is | is the | are )(?:this is |the |most likely )?(?:correct|right|true|yes|best)"
    r"(?: answer| option| choice)?[ .!)\]*]{0,4}(?:$|because|since|[-–—,;(])"
)
_WRONG = re.compile(r"[✗✘✖✕❌🚫]|(?<![a-z])(?:incorrect|wrong|unlikely|not|ruled out|excluded)(?![a-z])")


class Item(NamedTuple):
    """A line of a list: where it starts, ends, and the letter it starts with."""

    start: int
    end: int
    letter: str


def list_items(reading: Reading) -> list[Item]:
    """The lines that start with an option's letter and a mark, in order."""
    text, texts = reading.text, reading.texts
    first = _FIRST_ITEM.match(text)
    return [
        Item(found.start(1), found.end(), found[2])
        for found in chain([first] if first else [], _LATER_ITEM.finditer(text))
        if found[2] in (texts.letters or LIKELY) and not is_species(text, found.start(2), texts.options)
    ]


def marked_item(reading: Reading, items: list[Item]) -> str:
    """The letter of the one item that is marked as right, no other being so; else ""."""
    low, texts = reading.low, reading.texts
    right: set[str] = set()
    open_items: set[str] = set()
    for item in items:
        remark = _remark(low, item, texts)
        if phrases.WRONG.match(remark) or _WRONG.search(remark):
            continue
        if _MARKED.search(low, item.start, item.end) or _RIGHT.search(remark):
            right.add(item.letter)
        else:
            open_items.add(item.letter)
    if len(right) == 1 and not (right & open_items):
        return right.pop()
    every = len({item.letter for item in items}) == len(texts.letters)
    every = every or (not items[0].start and low.startswith("\n\n", items[0].end) and items[0].letter in open_items)
    return open_items.pop() if not right and len(open_items) == 1 and every else ""


def answer_first(items: list[Item], text: str) -> bool:
    """Whether the first line is an answer before the list, and no part of the list: C, then A and B."""
    letters = [item.letter for item in items]
    rest = letters[1:]
    return items[0].start == 0 and rest == sorted(set(rest)) and letters[0] > rest[0] and "\n\n" in text


def is_of_list(reading: Reading, place: int) -> bool:
    """Whether a place is in a line of a list: ``2. Glioblastoma``, ``- Glioblastoma`` by another ``-``, or one below
    "Differential:"."""
    text, low = reading.text, reading.low
    if "\n" not in text:
        return False
    line = text.rfind("\n", 0, place) + 1
    if _NUMBER.match(text, line):
        before = text.rfind("\n", 0, max(0, line - 1)) + 1
        after = text.find("\n", line) + 1
        return text[line].isalnum() or text[line] in (text[before] if line else "", text[after] if after else "")
    return line > 0 and "differential" in low and _DIFFERENTIAL.search(low, 0, line) is not None


def _remark(low: str, item: Item, texts: OptionTexts) -> str:
    """What an item says after its letter and its option's own text."""
    start = low.index(item.letter.lower(), item.start) + 1
    start += len(low[start : item.end]) - len(low[start : item.end].lstrip(" ).:]*_-–—"))
    return low[texts.own_at(item.letter, low, start, item.end) or start : item.end].strip(" *_")
