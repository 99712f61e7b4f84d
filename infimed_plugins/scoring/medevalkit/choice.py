"""MedEvalKit's rule for a multiple choice (utils/utils.py:91): PMC-VQA, OmniMedVQA, MedXpertQA and its text sets.

    >>> mcq(("CT", "MRI"), "B", "(B)")
    Choice(correct=False, parsed='A', guessed=True)

That is upstream: "(b)" is no letter and like no option, so that the first one is taken.

Likeness is difflib's ``SequenceMatcher(None, option, text).ratio()``, but faster. The same blocks are found (Ratcliff
and Obershelp: the longest common one, then left and right of it; of equals the first in the option, then the first in
the text), autojunk with its faults included, by ``str.find`` instead of an index of the text. An option whose letters
cannot reach the best ratio so far is not compared.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from infimed_plugins.bounded_cache import cached
from infimed_plugins.scoring.medevalkit.text import parse_lowered

_AUTOJUNK_FROM = 200  # characters of the text; difflib.py, __chain_b
_SHORT = 1_000  # characters of a reply that is remembered: data sets ask the same of many images


class Choice(NamedTuple):
    """True if the reply is right; the letter (or the gold answer's own text) it was read as; True if by likeness."""

    correct: bool
    parsed: str
    guessed: bool = False


def mcq(choices: Sequence[str], answer: str, response: str) -> Choice:
    """Judge a reply. ``answer`` is the letter or the text of a choice.

    Raises AttributeError for a response that is None, IndexError without choices, as upstream does.
    """
    return (_judge if len(response or "") > _SHORT else _remembered)(tuple(choices), answer, response)


def _judge(choices: tuple[str, ...], answer: str, response: str) -> Choice:
    text = key = response.lower()
    if len(text) != 1 or not text.isalnum():  # the commonest reply says nothing but its letter
        text = _first_or_last_block(text, len(choices))
        text = parse_lowered(text).strip().lower().replace("\n", "")
        key = text.split(".", 1)[0].rsplit(":", 1)[-1]
    answer = answer.strip().lower()
    letter = _letter(key, len(choices))
    if key == answer:
        return Choice(True, key if letter is None else key.upper())
    choices = tuple([choice.lower() for choice in choices])
    if letter is not None:
        return Choice(choices[letter] == answer, key.upper())
    if key in choices:
        gold = _letter(answer, len(choices))
        return Choice(gold is not None and key == choices[gold], _name(choices.index(key)))
    if not choices:
        raise IndexError("list index out of range")
    index = most_similar(choices, text)
    return Choice(chr(97 + index) == answer or choices[index] == answer, _name(index), guessed=True)


_remembered = cached(8192)(_judge)


def _first_or_last_block(text: str, count: int) -> str:
    """Return the first paragraph if it is a letter, else the last one's letter if a period or nothing follows it."""
    if (len(text) == 1 or text[1:3] == "\n\n") and _letter(text[0], count) is not None:
        return text[0]
    last = text.split("\n\n")[-1] if "\n\n" in text else text
    if last[1:2] in ("", ".") and _letter(last[:1], count) is not None:
        return last[0]
    return text


def _letter(text: str, count: int) -> int | None:
    """Return the index of a lower-case option letter, or None."""
    if len(text) == 1:
        index = ord(text) - 97
        if 0 <= index < count:
            return index
    return None


def _name(index: int) -> str:
    return chr(65 + index)


def most_similar(options: Sequence[str], text: str) -> int:
    """Return the first of the options with the highest ratio; 0 when none has a character in common with the text."""
    chars = set("".join(options))
    frequent = _frequent(text, chars)
    best, best_index = 0.0, 0
    for bound, index in _bounds(options, text, {char for char in chars if char in text}):
        if bound > -best and best:
            break
        option = options[index]
        length = len(option) + len(text)
        least = best * length / 2.0 - 0.5  # fewer characters than this cannot win
        found = 2.0 * _matched(option, text, frequent, least) / length
        if found > best or (found == best and found and index < best_index):
            best, best_index = found, index
    return best_index


def ratio(option: str, text: str) -> float:
    """Return ``SequenceMatcher(None, option, text).ratio()``."""
    if not option and not text:
        return 1.0
    return 2.0 * _matched(option, text, _frequent(text, set(option)), -1.0) / (len(option) + len(text))


def _bounds(options: Sequence[str], text: str, present: Collection[str]) -> list[tuple[float, int]]:
    """Return the negated upper bound of each option's ratio, and its index, the most promising first."""
    size, contains = len(text), present.__contains__
    bounds = []
    for index, option in enumerate(options):
        shared = sum(map(option.__contains__, text) if size <= len(option) else map(contains, option))
        if shared:
            bounds.append((-2.0 * shared / (len(option) + size), index))
    return sorted(bounds)


def _frequent(text: str, chars: Collection[str]) -> str:
    """Return the characters with which autojunk lets no block begin."""
    size = len(text)
    if size < _AUTOJUNK_FROM:
        return ""
    limit, start = size // 100 + 1, size // 4  # the start is enough to tell the frequent ones
    return "".join(char for char in chars if text.count(char, 0, start) > limit or text.count(char) > limit)


def _matched(option: str, text: str, frequent: str, least: float) -> int:
    """Count the characters that lie in matching blocks; 0 as soon as ``least`` is out of reach."""
    if not frequent and (option in text or text in option):
        return min(len(option), len(text))
    rare, mask = option, ""
    if frequent:
        mask = next(char for char in map(chr, range(len(text) + 1)) if char not in text)
        rare = option.translate(dict.fromkeys(map(ord, frequent), mask))
    ends = _run_ends(rare, text, mask)
    total, reachable = 0, min(len(option), len(text))
    regions = [(0, len(option), 0, len(text))]
    while regions:
        left, right, low, high = regions.pop()
        width, height = right - left, high - low
        reachable -= width if width < height else height
        if width == 1:  # most regions that are left are of one character
            i, j, size = left, low, int(rare[left] in text[low:high] or option[left] == text[low])
        elif not frequent and height < width:
            i, j, size = _longest_by_text(option, text, left, right, low, high)
        else:
            i, j, size = _longest(rare, text, ends, left, right, low, high)
            while i > left and j > low and option[i - 1] == text[j - 1]:
                i, j, size = i - 1, j - 1, size + 1
            while i + size < right and j + size < high and option[i + size] == text[j + size]:  # at the start, of none
                size += 1
        if size:
            total += size
            if left < i and low < j:
                regions.append((left, i, low, j))
                reachable += min(i - left, j - low)
            i, j = i + size, j + size
            if i < right and j < high:
                regions.append((i, right, j, high))
                reachable += min(right - i, high - j)
        if total + reachable < least:
            return 0
    return total


def _run_ends(rare: str, text: str, mask: str) -> list[int]:
    """Return for each place in the option how far a block that begins there can reach; its own place if none can.

    A block needs each of its pairs of neighbors somewhere in the text, and no masked character.
    """
    end = len(rare)
    ends, after = [end] * end, ""
    if not mask and len(text) < 2 * end:  # not worth the look
        return ends
    for place in range(end - 1, -1, -1):
        char = rare[place]
        if char == mask:
            end, after = place, ""
        else:
            if char + after not in text:
                end = place + 1
            after = char
        ends[place] = end
    return ends


def _longest(rare: str, text: str, ends: list[int], left: int, right: int, low: int, high: int) -> tuple[int, int, int]:
    """Return the starts in option and text and the size of their longest common block, within the bounds given."""
    best_i, best_j, size = left, low, 0
    i, find = left, text.find
    while i + size < right:
        end = ends[i]
        if i + size >= end:  # the rest of this run is not longer
            i = end + (end == i)
            continue
        end = min(end, right)
        j = find(rare[i : i + size + 1], low, high)
        while j >= 0:
            size += 1
            while i + size < end and j + size < high and rare[i + size] == text[j + size]:
                size += 1
            best_i, best_j = i, j
            if i + size >= end:
                break
            j = find(rare[i : i + size + 1], j + 1, high)
        i += 1
    return best_i, best_j, size


def _longest_by_text(option: str, text: str, left: int, right: int, low: int, high: int) -> tuple[int, int, int]:
    """Find the same block from the text, where that is the shorter of the two and autojunk is not at work."""
    best_i, best_j, size = right, low, 0
    j, find = low, option.find
    while j + size <= high and j < high:
        if size and (i := find(text[j : j + size], left, best_i + size - 1)) >= 0:  # as long, and begins earlier
            best_i, best_j = i, j
        i = find(text[j : j + size + 1], left, right) if j + size < high else -1
        while i >= 0:
            size += 1
            while j + size < high and i + size < right and option[i + size] == text[j + size]:
                size += 1
            best_i, best_j = i, j
            if j + size >= high:
                break
            i = find(text[j : j + size + 1], i + 1, right)
        j += 1
    return best_i, best_j, size
