"""Variants of a benchmark's questions by name, such as ``shuffle:1``: perturbations on whole questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from infimed_plugins.benchmarks.judged import Run
from infimed_plugins.benchmarks.questions import Question
from infimed_plugins.benchmarks.robustness.option_order import fold_rotations
from infimed_plugins.benchmarks.robustness.perturbations import parse
from infimed_plugins.engines import Engine
from infimed_plugins.records import BadRow, Sample

Vary = Callable[[Iterable[Question | BadRow]], Iterable[Question | BadRow]]
CIRCULAR = "circular"
TURNS = "circular, each turn"


def vary(variant: str, *, engine: Engine | None = None, wordings: Path | None = None) -> Vary:
    """What makes a variant's questions; nothing for "". Raises ConfigError for one that is not known or cannot be.

    Upstream's row tells of a question as it was, so another framework's own rows do not go with a variant.
    """
    if not variant:
        return iter
    words = {"engine": engine, "wordings": wordings} if variant.startswith("rephrase") else {}
    perturbation = parse(variant, **words)  # type: ignore[arg-type]

    def varied(given: Iterable[Question | BadRow]) -> Iterator[Question | BadRow]:
        bad: list[BadRow] = []

        def samples() -> Iterator[Sample]:
            for question in given:
                if isinstance(question, BadRow):
                    bad.append(question)
                else:
                    yield question.sample

        changed = (Question(sample) for sample in perturbation.apply(samples()))
        yield from chain(changed, bad)

    return varied


def vary_images(variant: str) -> Vary:
    """What a variant did to the images, for a page: other words change none."""
    return iter if variant.startswith("rephrase") else vary(variant)


def folded(run: Run) -> list[Run]:
    """A run as reports show it: of ``circular``, a hit is a question of which every turn is right, and beside it each
    turn counted alone."""
    if run.variant != CIRCULAR:
        return [run]
    return [replace(run, rows=fold_rotations(run.rows).rows), replace(run, variant=TURNS)]
