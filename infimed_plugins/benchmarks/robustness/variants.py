"""Variants of a benchmark's questions by name, such as ``shuffle:1``: perturbations on whole questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from infimed_plugins.benchmarks.judged import Run
from infimed_plugins.benchmarks.questions import NO_ROW, Question
from infimed_plugins.benchmarks.robustness.option_order import fold_rotations
from infimed_plugins.benchmarks.robustness.perturbations import parse
from infimed_plugins.benchmarks.robustness.upstream_rows import changed_row
from infimed_plugins.engines import Engine
from infimed_plugins.errors import DataError
from infimed_plugins.records import BadRow, Sample

Vary = Callable[[Iterable[Question | BadRow]], Iterable[Question | BadRow]]
CIRCULAR = "circular"
TURNS = "circular, each turn"


def vary(variant: str, *, engine: Engine | None = None, wordings: Path | None = None) -> Vary:
    """What makes a variant's questions; nothing for "". Raises ConfigError for one that is not known or cannot be.

    Upstream's row goes with a question and is changed as it is: then MedEvalKit's prompt and rules are those of the
    question as it was. Where that cannot be, ``meta["no_row"]`` says why.
    """
    if not variant:
        return iter
    reworded = variant.startswith("rephrase")
    words = {"engine": engine, "wordings": wordings} if reworded else {}
    perturbation = parse(variant, **words)  # type: ignore[arg-type]

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
    """What a variant did to the images, for a page: other words change none."""
    return iter if variant.startswith("rephrase") else vary(variant)


def folded(run: Run) -> list[Run]:
    """A run as reports show it: of ``circular``, a hit is a question of which every turn is right, and beside it each
    turn counted alone."""
    if run.variant != CIRCULAR:
        return [run]
    return [replace(run, rows=fold_rotations(run.rows).rows), replace(run, variant=TURNS)]
