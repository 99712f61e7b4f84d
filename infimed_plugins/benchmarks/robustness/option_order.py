"""Multiple-choice questions with their options in another order, the right letter carried along.

    shuffle     one random order a question, seeded by its id (second paper, 4.3 "Robustness")
    circular    every rotation; a question counts as right only if it is right in all of them (MMBench's CircularEval)

Options that speak of others are looked after (the rules are ours):

    Both A and B, Neither A nor C       its letters follow the options they name
    All of the above, None of these     stays last
    A and B beside the option B and C   the letters are labels in the picture, not options: left alone

``meta["permutation"][new place]`` is the old place; ``meta["of"]`` the id of the question.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.errors import DataError
from infimed_plugins.records import OPTION_LETTERS, Sample

ROTATION = "~r"
MAX_REFERENCE = 80  # characters of an option that speaks of others
_ROTATED = re.compile(r"(?P<of>.+)~r(?P<number>\d+)", re.DOTALL)
_EACH = r"(?:all|none|any|both|neither|either|some|each|more than one|two or more)"
_OTHERS = r"(?:other\s+)?(?:options|choices|answers)"
_ABOVE = re.compile(
    rf"\W*(?:{_EACH}\s+)?(?:of\s+)?(?:(?:the|these|those)\s+)?"
    rf"(?:above|aforementioned|preceding|others?|these|those|{_OTHERS})(?:\s+{_OTHERS})?"
    r"(?:\s+(?:is|are)\s+(?:\w+\s+)?(?:correct|true|right|present|possible|applicable|false|incorrect|wrong))?\W*"
    r"|\W*(?:all|none)\W*|\W*(?:以上|上述|都|均)\S{0,6}\W*",
    re.IGNORECASE,
)
_LETTER = r"\(?(?<![A-Za-z])[A-Z](?![A-Za-z])\)?"
_NAMES_OTHERS = re.compile(
    rf"\W*(?:(?i:both|neither|either|only|all\s+(?:of\s+)?except|all\s+but|options?|choices?|answers?)\s+)*"
    rf"(?:(?:of|the|options?|choices?|answers?)\s+)*"
    rf"{_LETTER}(?:\s*(?:,|&|\+|/|(?i:,?\s*and|,?\s*or|,?\s*nor))\s*(?:(?i:options?|choices?)\s+)?{_LETTER})*"
    r"(?:\s+(?i:only|are|is|correct|true|right|both|together))*\W*"
)
_KEYWORD = re.compile(r"(?i:both|neither|either|except|all but|options?|choices?|answers?)(?![A-Za-z])")
_SINGLE = re.compile(r"(?<![A-Za-z])[A-Z](?![A-Za-z])")


def shuffle(sample: Sample, seed: int) -> Sample | None:
    """Put the options in a random order, the same for the same seed and id; None without options."""
    if sample.task != "multiple_choice" or not sample.options:
        return None
    free, last = _free_and_last(sample.options)
    rng = random.Random(hashlib.sha256(f"{seed}/{sample.id}".encode("utf-8", "surrogatepass")).digest())
    rng.shuffle(free)
    return reorder(sample, [*free, *last])


def rotations(sample: Sample) -> Iterator[Sample]:
    """Every rotation, ``ID~r0`` being the question as it is; nothing without options.

    ``meta["rotations"]`` counts them: as many as there are options that may change places.
    """
    if sample.task != "multiple_choice" or not sample.options:
        return
    free, last = _free_and_last(sample.options)
    count = max(1, len(free))
    for turn in range(count):
        order = [*free[turn:], *free[:turn], *last] if turn else list(range(len(sample.options)))
        turned = reorder(sample, order).with_meta(of=sample.id, rotations=count)
        yield replace(turned, id=f"{sample.id}{ROTATION}{turn}")


def reorder(sample: Sample, order: Sequence[int]) -> Sample:
    """Move each option from its old place ``order[new place]``. Raises DataError where that is no permutation.

    The rationale, which may name letters, is dropped.
    """
    options = sample.options or ()
    if sorted(order) != list(range(len(options))):
        raise DataError(f"sample {sample.id}: {list(order)} is no order of {len(options)} options")
    moved = {OPTION_LETTERS[old]: OPTION_LETTERS[new] for new, old in enumerate(order)}
    texts = list(options)
    for place in _naming_others(options):
        texts[place] = _with_letters(options[place], moved)
    answer = "".join(sorted(moved[letter] for letter in sample.answer))
    changed = replace(sample, options=tuple(texts[old] for old in order), answer=answer, rationale=None)
    return changed.with_meta(permutation=list(order))


def fold_rotations(rows: Iterable[Judged]) -> list[Judged]:
    """Fold judged rotations into one row a question: right only if every rotation is; in the order of the questions.

    A wrong rotation makes a question wrong; else one that is unscored, or was not asked, makes it unscored. Raises
    DataError for a row that is no rotation.
    """
    by_question: dict[str, dict[int, Judged]] = defaultdict(dict)
    for row in rows:
        found = _ROTATED.fullmatch(row.id)
        if found is None:
            raise DataError(f"{row.id!r} is no rotation of a question; fold what was asked with `circular`")
        by_question[found["of"]][int(found["number"])] = row
    return [_fold(id, turns) for id, turns in by_question.items()]


def _fold(id: str, turns: dict[int, Judged]) -> Judged:
    one = turns.get(0) or next(iter(turns.values()))
    count = int(one.meta.get("rotations", len(one.options or ()) or len(turns)))
    verdicts = [row.accuracy for row in turns.values()]
    right = sum(verdict == 1 for verdict in verdicts)
    accuracy: float | None = 1.0
    if any(verdict is not None and verdict < 1 for verdict in verdicts):
        accuracy = 0.0
    elif None in verdicts or len(verdicts) < count:
        accuracy = None
    invalid = any(row.invalid for row in turns.values())
    return replace(one, id=id, accuracy=accuracy, invalid=invalid, reason=f"{right} of {count} rotations right")


def _free_and_last(options: Sequence[str]) -> tuple[list[int], list[int]]:
    """The places that may change, and those of options that speak of all others."""
    last = [place for place, text in enumerate(options) if _speaks(_ABOVE, text)]
    if len(last) == len(options):
        last = []
    return [place for place in range(len(options)) if place not in last], last


def _naming_others(options: Sequence[str]) -> list[int]:
    """The places of options that name others by letter; none where the letters must be labels in the picture.

    They are labels where an option is a bare letter, names itself or one of its kind, or a letter beyond the options.
    One letter alone names an option only after a word such as ``option``.
    """
    if any(_SINGLE.fullmatch(text.strip(" ().")) for text in options):
        return []
    found: dict[int, set[str]] = {}
    for place, text in enumerate(options):
        letters = set(_SINGLE.findall(text)) if _speaks(_NAMES_OTHERS, text) else set()
        if len(letters) > 1 or (letters and _KEYWORD.search(text)):
            found[place] = letters
    named = {letter for letters in found.values() for letter in letters}
    own = {OPTION_LETTERS[place] for place in found}
    known = set(OPTION_LETTERS[: len(options)])
    return list(found) if not named & own and named <= known else []


def _speaks(pattern: re.Pattern[str], option: str) -> bool:
    return len(option) <= MAX_REFERENCE and pattern.fullmatch(option.strip()) is not None


def _with_letters(text: str, moved: dict[str, str]) -> str:
    """The text with its letters renamed, in alphabetical order as one would write them."""
    letters = iter(sorted(moved[letter] for letter in _SINGLE.findall(text)))
    return _SINGLE.sub(lambda found: next(letters), text)
