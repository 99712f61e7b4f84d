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

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infimed_plugins.benchmarks.robustness.degradations import SEVERITIES, check_level, degrade
from infimed_plugins.benchmarks.robustness.option_order import rotations, shuffle
from infimed_plugins.benchmarks.robustness.rephrasings import read_wordings, rephrase, rephrase_from
from infimed_plugins.engines import Engine
from infimed_plugins.errors import ConfigError
from infimed_plugins.records import Sample

AVAILABLE = ("shuffle:SEED", "circular", *(f"{kind}:1..5" for kind in SEVERITIES), "rephrase")
_SPEC = re.compile(r"(?P<name>[a-z]+)(?::(?P<number>0|[1-9]\d{0,17}))?", re.ASCII)


@dataclass(frozen=True)
class Perturbation:
    """``apply`` turns samples into their variants, one after another, each with ``meta["perturbation"]``.

    It raises what reading an image or asking an engine raises. ``name`` is the spec, for ``Run.variant``.
    """

    name: str
    change: Callable[[Iterable[Sample]], Iterator[Sample]]

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
    if name == "circular" and number is None:
        return Perturbation(name, _rotated)
    if name in SEVERITIES:
        if number is None:
            raise ConfigError(f"{name} needs a level from 1 to 5, such as {name}:3")
        check_level(name, int(number))
        return Perturbation(f"{name}:{int(number)}", _each(partial(degrade, kind=name, level=int(number))))
    if name == "rephrase":
        return Perturbation(spec.strip(), _rephrase(int(number or 0), engine, wordings))
    raise ConfigError(f"unknown perturbation {spec!r}; available: {', '.join(AVAILABLE)}")


def _each(change: Callable[[Sample], Sample | None]) -> Callable[[Iterable[Sample]], Iterator[Sample]]:
    def all_of(samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            changed = change(sample)
            if changed is not None:
                yield changed

    return all_of


def _rotated(samples: Iterable[Sample]) -> Iterator[Sample]:
    for sample in samples:
        yield from rotations(sample)


def _rephrase(
    seed: int, engine: Engine | None, wordings: Path | None
) -> Callable[[Iterable[Sample]], Iterator[Sample]]:
    if wordings is not None and engine is None:
        return partial(rephrase_from, wordings=read_wordings(wordings))
    if engine is not None and wordings is None:
        return partial(rephrase, engine=engine, seed=seed)
    raise ConfigError("rephrase needs either an engine that rephrases or a file of wordings, and not both")
