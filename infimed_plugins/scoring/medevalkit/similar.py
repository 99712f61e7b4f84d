"""The option most like a text, as difflib's ``SequenceMatcher(None, option, text).ratio()`` ranks them, but faster.

The same blocks are found (Ratcliff and Obershelp: the longest common one, then left and right of it; of equals the
first in the option, then the first in the text), autojunk with its faults included, by ``str.find`` instead of an index
of the text. An option whose letters cannot reach the best ratio so far is not compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

_AUTOJUNK_FROM = 200  # characters of the text; difflib.py, __chain_b


def most_similar(options: Sequence[str], text: str) -> int:
    """The first of the options with the highest ratio; 0 when none has a character in common with the text."""
    chars = set("".join(options))
    rare = _rare(text, chars)
    best, best_index = 0.0, 0
    for bound, index in _bounds(options, text, {char for char in chars if char in text}):
        if bound > -best and best:
            break
        option = options[index]
        length = len(option) + len(text)
        least = best * length / 2.0 - 0.5  # fewer characters than this cannot win
        ratio = 2.0 * _matched(option, text, rare, least) / length
        if ratio > best or (ratio == best and ratio and index < best_index):
            best, best_index = ratio, index
    return best_index


def ratio(option: str, text: str) -> float:
    """``SequenceMatcher(None, option, text).ratio()``."""
    if not option and not text:
        return 1.0
    return 2.0 * _matched(option, text, _rare(text, set(option)), -1.0) / (len(option) + len(text))


def _bounds(options: Sequence[str], text: str, present: Collection[str]) -> list[tuple[float, int]]:
    """Minus the most that each option's ratio can be, and its index, the most promising first."""
    size, contains = len(text), present.__contains__
    bounds = []
    for index, option in enumerate(options):
        shared = sum(map(option.__contains__, text) if size <= len(option) else map(contains, option))
        if shared:
            bounds.append((-2.0 * shared / (len(option) + size), index))
    bounds.sort()
    return bounds


def _rare(text: str, chars: Iterable[str]) -> frozenset[str] | None:
    """Of these characters, those with which autojunk lets a block begin; None for all of them."""
    size = len(text)
    if size < _AUTOJUNK_FROM:
        return None
    limit = size // 100 + 1
    start = size // 4  # enough to tell the frequent ones
    return frozenset(char for char in chars if text.count(char, 0, start) <= limit and text.count(char) <= limit)


def _run_ends(option: str, text: str, rare: frozenset[str] | None) -> list[int]:
    """For each place in the option, where no block that begins there can reach further; its own place if none can.

    A block needs each of its pairs of neighbours somewhere in the text, and under autojunk rare characters only.
    """
    end = len(option)
    if rare is None and len(text) < 2 * end:  # not worth the look
        return [end] * end
    ends = [end] * end
    after = ""
    for place in range(end - 1, -1, -1):
        char = option[place]
        if rare is not None and char not in rare:
            end = place
            after = ""
        else:
            if char + after not in text:
                end = place + 1
            after = char
        ends[place] = end
    return ends


def _matched(option: str, text: str, rare: frozenset[str] | None, least: float) -> int:
    """How many characters lie in matching blocks; 0 as soon as ``least`` is out of reach."""
    if rare is None and (option in text or text in option):
        return min(len(option), len(text))
    ends = _run_ends(option, text, rare)
    total = 0
    reachable = min(len(option), len(text))
    regions = [(0, len(option), 0, len(text))]
    while regions:
        left, right, low, high = regions.pop()
        width, height = right - left, high - low
        reachable -= width if width < height else height
        if width == 1:
            char = option[left]
            total += char == text[low] or ((rare is None or char in rare) and text.find(char, low, high) >= 0)
        elif height == 1:
            char = text[low]
            total += char == option[left] or ((rare is None or char in rare) and option.find(char, left, right) >= 0)
        else:
            if rare is None and height < width:
                i, j, size = _longest_by_text(option, text, left, right, low, high)
            else:
                i, j, size = _longest(option, text, ends, left, right, low, high)
            if size:
                total += size
                if left < i and low < j:
                    regions.append((left, i, low, j))
                    reachable += min(i - left, j - low)
                i += size
                j += size
                if i < right and j < high:
                    regions.append((i, right, j, high))
                    reachable += min(right - i, high - j)
        if total + reachable < least:
            return 0
    return total


def _longest(
    option: str, text: str, ends: list[int], left: int, right: int, low: int, high: int
) -> tuple[int, int, int]:
    """Start in the option, start in the text and size of the longest block of both, within the bounds given."""
    best_i, best_j, size = left, low, 0
    i, find = left, text.find
    while i + size < right:
        end = ends[i]
        if i + size >= end:  # what is left of this run is not longer
            i = end + (end == i)
            continue
        if end > right:
            end = right
        j = find(option[i : i + size + 1], low, high)
        while j >= 0:
            size += 1
            while i + size < end and j + size < high and option[i + size] == text[j + size]:
                size += 1
            best_i, best_j = i, j
            if i + size >= end:
                break
            j = find(option[i : i + size + 1], j + 1, high)
        i += 1
    while best_i > left and best_j > low and option[best_i - 1] == text[best_j - 1]:
        best_i, best_j, size = best_i - 1, best_j - 1, size + 1
    while best_i + size < right and best_j + size < high and option[best_i + size] == text[best_j + size]:
        size += 1
    return best_i, best_j, size


def _longest_by_text(option: str, text: str, left: int, right: int, low: int, high: int) -> tuple[int, int, int]:
    """The same block, found from the text where that is the shorter of the two and autojunk is not at work."""
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
