"""Robustness: a benchmark's questions changed in a way that must not change their answers.

    shuffle:1        options in a random order of that seed          multiple choice
    circular         every rotation of the options                   multiple choice
    noise:3          also blur, jpeg, contrast, resolution: 1 to 5   questions with images
    rephrase:1       the question in other words, drawn with that seed (without a number: 0), or out of a file

Example::

    for sample in parse("shuffle:1").apply(samples):
        ...  # sample.meta["perturbation"] is "shuffle:1"

What a perturbation cannot change (a question without options, or without images) is left out: compare with the
unchanged run on the questions that both have. Ids stay, but for the rotations' ``ID~r0`` …; all is lazy.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from infimed_plugins.benchmarks.judged import Run
from infimed_plugins.benchmarks.questions import NO_ROW, Question
from infimed_plugins.benchmarks.robustness.image_corruptions import SEVERITIES, check_level, degrade
from infimed_plugins.benchmarks.robustness.option_order import fold_rotations, rotations, shuffle
from infimed_plugins.benchmarks.robustness.rephrasings import read_wordings, rephrase, rephrase_from
from infimed_plugins.benchmarks.robustness.upstream_rows import changed_row
from infimed_plugins.engines import Engine
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.records import BadRow, Sample

AVAILABLE = ("shuffle:SEED", "circular", *(f"{kind}:1..5" for kind in SEVERITIES), "rephrase")
CIRCULAR = "circular"
TURNS = "circular, each turn"
_SPEC = re.compile(r"(?P<name>[a-z]+)(?::(?P<number>0|[1-9]\d{0,17}))?", re.ASCII)


Change = Callable[[Iterable[Sample]], Iterator[Sample]]
Vary = Callable[[Iterable[Question | BadRow]], Iterable[Question | BadRow]]


@dataclass(frozen=True)
class Perturbation:
    """``apply`` turns samples into their variants, one after another, each with ``meta["perturbation"]``.

    It raises what reading an image or asking an engine raises. ``name`` is the spec, for ``Run.variant``.
    """

    name: str
    change: Change

    def apply(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The variants, in the order of the samples."""
        for sample in self.change(samples):
            yield sample.with_meta(perturbation=self.name)


def parse(spec: str, *, engine: Engine | None = None, wordings: Path | None = None) -> Perturbation:
    """The perturbation of a spec such as ``blur:2``. ``rephrase`` needs an engine, or a file of wordings.

    Raises ConfigError for a spec that cannot be used, naming those available, and what ``read_wordings`` raises.
    """
    found = _SPEC.fullmatch(spec.strip())
    name, number = (found["name"], found["number"]) if found else ("", None)
    if name == "shuffle":
        if number is None:
            raise ConfigError("shuffle needs a seed, such as shuffle:1")
        return Perturbation(f"shuffle:{int(number)}", _each(partial(shuffle, seed=int(number))))
    if name == CIRCULAR and number is None:
        return Perturbation(name, lambda samples: itertools.chain.from_iterable(map(rotations, samples)))
    if name in SEVERITIES:
        if number is None:
            raise ConfigError(f"{name} needs a level from 1 to 5, such as {name}:3")
        check_level(name, int(number))
        return Perturbation(f"{name}:{int(number)}", _each(partial(degrade, kind=name, level=int(number))))
    if name == "rephrase":
        return Perturbation(spec.strip(), _rephrase(int(number or 0), engine, wordings))
    raise ConfigError(f"unknown perturbation {spec!r}; available: {', '.join(AVAILABLE)}")


def _each(change: Callable[[Sample], Sample | None]) -> Change:
    return lambda samples: (changed for changed in map(change, samples) if changed is not None)


def _rephrase(seed: int, engine: Engine | None, wordings: Path | None) -> Change:
    if wordings is not None and engine is None:
        return partial(rephrase_from, wordings=read_wordings(wordings))
    if engine is not None and wordings is None:
        return partial(rephrase, engine=engine, seed=seed)
    raise ConfigError("rephrase needs either an engine that rephrases or a file of wordings, and not both")


def vary(variant: str, *, engine: Engine | None = None, wordings: Path | None = None) -> Vary:
    """Return what makes a variant's questions; "" changes none. Raises ConfigError for one that cannot be made.

    Upstream's row goes with a question and is changed as it is: then MedEvalKit's prompt and rules are those of the
    question as it was. Where that cannot be, ``meta["no_row"]`` says why.
    """
    if not variant:
        return iter
    reworded = variant.startswith("rephrase")
    perturbation = parse(variant, engine=engine, wordings=wordings)

    def varied(given: Iterable[Question | BadRow]) -> Iterator[Question | BadRow]:
        bad: list[BadRow] = []
        asked: dict[str, Question] = {}

        def samples() -> Iterator[Sample]:
            for question in given:
                if isinstance(question, BadRow):
                    bad.append(question)
                    continue
                if not reworded:  # the others are done with a question before they take the next
                    asked.clear()
                asked[question.sample.id] = question
                yield question.sample

        for sample in perturbation.apply(samples()):
            yield _with_row(asked[str(sample.meta.get("of", sample.id))], sample)
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
    """Return what a variant did to the images, for a page: other words change none."""
    return iter if variant.startswith("rephrase") else vary(variant)


def folded(run: Run) -> list[Run]:
    """A run as reports show it: of ``circular``, a hit is a question of which every turn is right, and beside it each
    turn counted alone."""
    if run.variant != CIRCULAR:
        return [run]
    return [replace(run, rows=fold_rotations(run.rows)), replace(run, variant=TURNS)]
