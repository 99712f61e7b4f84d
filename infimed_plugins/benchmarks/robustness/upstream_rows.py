"""MedEvalKit's row of a question that a variant changed, so that upstream asks and judges the changed question, too.

    options in another order    moved in the row as they are written; letters in front of them (PMC-VQA's " A: ") and
                                the list at the end of MedXpertQA's question are those of the new places
    the gold                    the letter, index or text of the same option
    another wording             in the place of the old one; MMMU's ``<image 1>`` stands again where it says "image 1"

A row holds no image (benchmarks/questions.py), so worse images change nothing in it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from functools import reduce
from typing import Any

from infimed_plugins.benchmarks import benchmarks
from infimed_plugins.errors import DataError
from infimed_plugins.records import OPTION_LETTERS, Json, Sample
from infimed_plugins.scoring.medevalkit.data_set import Path, Places
from infimed_plugins.scoring.medevalkit.mmmu import mmmu_options

REPEATED = "Answer Choices:"  # MedXpertQA's question repeats its options behind it
_LEAD = re.compile(r"^([\s'\"(]*)[A-Za-z](?=\s*[).:：])")
_TAG = re.compile(r"<image[ _]?\d+>")
_IMAGE_WORDS = re.compile(r"\bimage \d+\b", re.IGNORECASE)


def changed_row(row: Json, before: Sample, after: Sample) -> Json:
    """Return the row with what a variant changed. Raises DataError where it cannot be changed in the same way."""
    changed = copy.deepcopy(row)
    found = (one.medevalkit.places for one in benchmarks() if one.source == before.source and one.medevalkit)
    try:
        places = next(found)
        if (after.options, after.answer) != (before.options, before.answer):
            _reorder(places, changed, before, after)
        if after.question != before.question:
            _reword(places, changed, before.question, after.question)
    except (LookupError, TypeError, AttributeError, StopIteration) as error:
        raise DataError(f"the row is not as expected ({type(error).__name__}: {error})") from error
    return changed


def _at(row: Any, path: Path) -> Any:
    return reduce(lambda box, key: box[key], path, row)


def _reorder(places: Places, row: Any, before: Sample, after: Sample) -> None:
    old, new = before.options or (), after.options or ()
    as_text = places.quirk == "image tags"  # MMMU writes its options as the text of a list
    if as_text:
        row["options"] = mmmu_options(row)
    box = _at(row, places.options)
    named = [key for key in places.keys if isinstance(key, int) or key in box]
    keys = named or (range(len(box)) if isinstance(box, list) else sorted(box))
    raw = [box[key] for key in keys]
    if len(raw) != len(old):  # one without a text is none of ours
        raise DataError(f"the row has {len(raw)} options and the question {len(old)}")
    moved = [_renamed(raw[was], old[was], new[now]) for now, was in enumerate(after.meta["permutation"])]
    for key, text, letter in zip(keys, moved, OPTION_LETTERS, strict=False):
        box[key] = _LEAD.sub(rf"\g<1>{letter}", text) if places.quirk == "lettered options" else text
    _move_gold(places, row, before, after, raw, moved)
    if as_text:
        row["options"] = repr(row["options"])
    elif places.quirk == "options repeated":
        row["question"] = _listed_anew(row["question"], [str(key) for key in keys], raw, moved)


def _renamed(raw: Any, old: str, new: str) -> Any:
    """Rename the letters in an option that speaks of others by them ("Both A and B")."""
    if new == old:
        return raw
    if old not in str(raw):
        raise DataError(f"the row writes {old!r} as {raw!r}")
    return str(raw).replace(old, new)


def _listed_anew(question: str, letters: Sequence[str], raw: Sequence[str], moved: Sequence[str]) -> str:
    """Return MedXpertQA's question with the list of options at its end in the new order, if it has one."""
    head, mark, listed = question.rpartition(REPEATED)
    if not mark:
        return question
    old, new = (" ".join(f"({a}) {text}" for a, text in zip(letters, texts, strict=True)) for texts in (raw, moved))
    if listed.split() != old.split():
        raise DataError("the options in the row's question are not those of the row")
    return f"{head}{mark} {new}"


def _move_gold(
    places: Places, row: Any, before: Sample, after: Sample, raw: Sequence[Any], moved: Sequence[Any]
) -> None:
    was, now = OPTION_LETTERS.index(before.answer), OPTION_LETTERS.index(after.answer)
    box, key = _at(row, places.gold[:-1]), places.gold[-1]
    if places.gold_is == "text":  # upstream finds its letter
        if moved[now] != raw[was] or box[key] == raw[was]:
            box[key] = moved[now]
    elif places.gold_is == "index":
        box[key] = now
    else:
        place = str(box[key]).upper().find(before.answer)
        if place < 0:
            raise DataError(f"the row's answer {box[key]!r} is not the letter {before.answer}")
        box[key] = f"{box[key][:place]}{after.answer}{box[key][place + 1 :]}"


def _reword(places: Places, row: Any, old: str, new: str) -> None:
    box, key = _at(row, places.question[:-1]), places.question[-1]
    if places.quirk == "context apart" and old != " ".join(str(box[key]).split()):
        raise DataError("the abstract and the question have one new wording, and upstream puts them apart")
    if places.quirk == "options repeated":
        head, mark, listed = str(box[key]).rpartition(f"\n{REPEATED}")
        new = f"{new}{mark}{listed}" if head else new
    box[key] = _with_tags(new, old, str(box[key])) if places.quirk == "image tags" else new


def _with_tags(new: str, old: str, raw: str) -> str:
    """Return MMMU's new wording with the tags of pictures for the words that stood for them."""
    tags, words = _TAG.findall(raw), [word.lower() for word in _IMAGE_WORDS.findall(old)]
    tag_of = dict(zip(words, tags, strict=False))
    if len(words) != len(tags) or {*map(str.lower, _IMAGE_WORDS.findall(new))} != {*tag_of}:
        raise DataError("the new wording does not name the pictures of the old one")
    return _IMAGE_WORDS.sub(lambda word: tag_of[word[0].lower()], new)
