"""Variants of a benchmark's questions by name, such as ``shuffle:1``: perturbations on whole questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from infimed_plugins.benchmarks.questions import Question
from infimed_plugins.records import BadRow

Vary = Callable[[Iterable[Question | BadRow]], Iterable[Question | BadRow]]


def vary(variant: str) -> Vary:
    """What makes a variant's questions; nothing for "". Raises ConfigError for one that is not known."""
    if not variant:
        return iter
    from infimed_plugins.benchmarks.perturbations import parse

    perturbation = parse(variant)

    def varied(given: Iterable[Question | BadRow]) -> Iterator[Question | BadRow]:
        for question in given:
            if isinstance(question, BadRow):
                yield question
                continue
            # upstream's row tells of the question as it was, so another framework's rules cannot be used on it
            yield from (Question(sample) for sample in perturbation.apply([question.sample]))

    return varied
