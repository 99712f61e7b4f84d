"""Robustness: a benchmark's questions changed in a way that must not change their answers.

    shuffle:1        options in a random order of that seed          multiple choice
    circular         every rotation of the options                   multiple choice
    noise:3          also blur, jpeg, contrast, resolution: 1 to 5   questions with images
    blank            also swap and noimage: without the right picture (without_picture.py)
    rephrase:1       the question in other words, drawn with that seed (without a number: 0), or out of a file

Example::

    for sample in parse("shuffle:1")(samples):
        ...  # sample.meta["perturbation"] is "shuffle:1"

Options that refer to others are remapped (the rules are ours):

    Both A and B, Neither A nor C       its letters follow the options they name
    All of the above, None of these     stays last
    A and B beside the option B and C   the letters are labels in the picture, not options: left alone

``meta["permutation"][new place]`` is the old place; ``meta["of"]`` the id of the question. With ``circular`` a question
is right only if it is right in all rotations (MMBench's CircularEval); ``shuffle`` is the second paper's (4.3).

What a perturbation cannot change (a question without options, or without images) is left out: compare with the
unchanged run on the questions that both have. Ids stay, but for the rotations' ``ID~r0`` …; all is lazy.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.benchmarks.questions import NO_ROW, Question
from infimed_plugins.benchmarks.robustness.image_corruptions import SEVERITIES, check_level, degrade
from infimed_plugins.benchmarks.robustness.rephrasings import read_wordings, rephrase, rephrase_from
from infimed_plugins.benchmarks.robustness.upstream_rows import changed_row
from infimed_plugins.benchmarks.robustness.without_picture import blank, no_image, swap
from infimed_plugins.engines import Engine
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.records import OPTION_LETTERS, BadRow, Sample

WITHOUT_PICTURE = ("blank", "swap", "noimage")
AVAILABLE = ("shuffle:SEED", "circular", *(f"{kind}:1..5" for kind in SEVERITIES), *WITHOUT_PICTURE, "rephrase")
CIRCULAR = "circular"
TURNS = "circular, each turn"
_SPEC = re.compile(r"(?P<name>[a-z]+)(?::(?P<number>0|[1-9]\d{0,17}))?", re.ASCII)
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
Change = Callable[[Iterable[Sample]], Iterator[Sample]]
Vary = Callable[[Iterable[Question | BadRow]], Iterable[Question | BadRow]]


def parse(spec: str, *, engine: Engine | None = None, wordings: Path | None = None) -> Change:
    """Return the function that turns samples into their variants, each with ``meta["perturbation"]``, in their order.

    ``spec`` is such as ``blur:2``; ``rephrase`` needs an engine, or a file of wordings. The function passes on the
    errors of reading an image or asking an engine. Raises ConfigError for a spec that cannot be used, naming those
    available, and what ``read_wordings`` raises.
    """
    change = _change(spec, engine, wordings)
    return lambda samples: (sample.with_meta(perturbation=spec) for sample in change(samples))


def _change(spec: str, engine: Engine | None, wordings: Path | None) -> Change:
    found = _SPEC.fullmatch(spec)
    name, number = (found["name"], found["number"]) if found else ("", None)
    if name == "shuffle":
        if number is None:
            raise ConfigError("shuffle needs a seed, such as shuffle:1")
        return _each(partial(shuffle, seed=int(number)))
    if name == CIRCULAR and number is None:
        return lambda samples: itertools.chain.from_iterable(map(rotations, samples))
    if name in SEVERITIES:
        if number is None:
            raise ConfigError(f"{name} needs a level from 1 to 5, such as {name}:3")
        check_level(name, int(number))
        return _each(partial(degrade, kind=name, level=int(number)))
    if name in WITHOUT_PICTURE and number is None:
        return swap if name == "swap" else _each(blank if name == "blank" else no_image)
    if name == "rephrase":
        if engine is None and wordings is not None:
            return partial(rephrase_from, wordings=read_wordings(wordings))
        if engine is not None and wordings is None:
            return partial(rephrase, engine=engine, seed=int(number or 0))
        raise ConfigError("rephrase needs either an engine that rephrases or a file of wordings, and not both")
    raise ConfigError(f"unknown perturbation {spec!r}; available: {', '.join(AVAILABLE)}")


def _each(change: Callable[[Sample], Sample | None]) -> Change:
    return lambda samples: (changed for changed in map(change, samples) if changed is not None)


def vary(variant: str, *, engine: Engine | None = None, wordings: Path | None = None) -> Vary:
    """Return the function that makes a variant's questions; "" changes none. Raises ConfigError if it cannot be made.

    Upstream's row goes with a question and is changed as it is: then MedEvalKit's prompt and rules are those of the
    question as it was. Where that cannot be, ``meta["no_row"]`` says why.
    """
    if not variant:
        return iter
    ahead = variant.startswith("rephrase") or variant == "swap"  # they take several questions before they yield one
    perturbed = parse(variant, engine=engine, wordings=wordings)

    def varied(given: Iterable[Question | BadRow]) -> Iterator[Question | BadRow]:
        bad: list[BadRow] = []
        asked: dict[str, Question] = {}

        def samples() -> Iterator[Sample]:
            for question in given:
                if isinstance(question, BadRow):
                    bad.append(question)
                    continue
                if not ahead:
                    asked.clear()
                asked[question.sample.id] = replace(question, sample=replace(question.sample, images=()))
                yield question.sample

        for sample in perturbed(samples()):
            yield _with_row(asked[sample.variant_of or sample.id], sample)
        yield from bad

    return varied


def _with_row(question: Question, changed: Sample) -> Question:
    if question.row is None:
        return Question(changed)
    try:
        return Question(changed, changed_row(question.row, question.sample, changed))
    except DataError as error:
        reason = f"MedEvalKit's row cannot be changed as the question was: {error}"
        return Question(changed.with_meta(**{NO_ROW: reason}))


def vary_images(variant: str) -> Vary:
    """Return the function for a variant's images, for a page: other words change none."""
    return iter if variant.startswith("rephrase") else vary(variant)


def needs_pictures(variant: str) -> bool:
    """True for a variant that only a question with pictures can have."""
    return variant.partition(":")[0] in (*SEVERITIES, *WITHOUT_PICTURE)


def folded(run: Run) -> list[Run]:
    """Return a run as reports show it: ``circular`` as two, by questions right in every turn, and by single turns."""
    if run.variant != CIRCULAR:
        return [run]
    return [replace(run, rows=fold_rotations(run.rows)), replace(run, variant=TURNS)]


def shuffle(sample: Sample, seed: int) -> Sample | None:
    """Put the options in a random order, the same for the same seed and id; None without options."""
    if sample.task != "multiple_choice" or not sample.options:
        return None
    free, last = _free_and_last(sample.options)
    rng = random.Random(hashlib.sha256(f"{seed}/{sample.id}".encode("utf-8", "surrogatepass")).digest())
    rng.shuffle(free)
    return reorder(sample, [*free, *last])


def rotations(sample: Sample) -> Iterator[Sample]:
    """Yield every rotation, ``ID~r0`` being the question as it is; nothing without options.

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
    """Return the places that may change, and those of options that speak of all others."""
    last = [place for place, text in enumerate(options) if _speaks(_ABOVE, text)]
    if len(last) == len(options):
        last = []
    return [place for place in range(len(options)) if place not in last], last


def _naming_others(options: Sequence[str]) -> list[int]:
    """Return the places of options that name others by letter; none where the letters must be labels in the picture.

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
    """Return the text with its letters renamed, in alphabetical order as one would write them."""
    letters = iter(sorted(moved[letter] for letter in _SINGLE.findall(text)))
    return _SINGLE.sub(lambda found: next(letters), text)
