"""Curation steps: Samples in, Samples out, each usable alone and in a recipe; one file each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from infimed_plugins.engines import Engine
from infimed_plugins.errors import ConfigError
from infimed_plugins.hookspecs import Register, hookimpl
from infimed_plugins.records import Sample

ENGINE_ERROR = "engine error"  # dropped: a request to a model failed, and the same build asks it again
RIGHT_OF = "{} right of {}"


def no_other_engine(choice: Mapping[str, Any]) -> Engine:
    """Raise ConfigError: the place of ``start_engine`` where there is none."""
    raise ConfigError(f"no other engine can be started here, so {choice.get('name')!r} cannot be used")


@dataclass
class StepContext:
    """The things a step may use: an engine (None when the recipe names none), the seed, its settings.

    A step counts drops by reason in ``dropped`` and other notes for the manifest in ``counted``, in words; figures for
    programs are in ``right_of`` too (questions by right candidates and all candidates), and in ``not_checked``
    (benchmarks without their files). It calls ``progress(done, total)`` as work finishes. ``aside(sample)`` keeps a
    dropped sample in a file of its own; ``start_engine({name, model, settings})`` starts another engine. ``downloads``
    is where downloaded data sets lie, ``report_folder`` where a step may write a report on the ``part`` of the recipe.
    ``opened`` takes the picture files that a step reads besides, with their sha256; ``errors`` holds the first error of
    a request.
    """

    seed: int = 0
    engine: Engine | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    right_of: Counter[tuple[int, int]] = field(default_factory=Counter)
    not_checked: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    opened: dict[str, str] = field(default_factory=dict)
    progress: Callable[[int, int], None] = lambda done, total: None
    aside: Callable[[Sample], None] = lambda sample: None
    start_engine: Callable[[Mapping[str, Any]], Engine] = no_other_engine
    downloads: Path | None = None
    part: str = ""
    report_folder: Path | None = None

    def count_right(self, right: int, candidates: int) -> None:
        """Count a question with so many right candidates."""
        self.right_of[right, candidates] += 1
        self.counted[RIGHT_OF.format(right, candidates)] += 1

    def need_engine(self, step: str, purpose: str) -> Engine:
        """Return the engine of a step that needs one. Raises ConfigError when the recipe names none."""
        if self.engine is None:
            raise ConfigError(f"{step} needs an engine {purpose}; name one by --model, or as engine in the recipe")
        return self.engine

    def engine_failed(self, error: str) -> None:
        """Count a sample that is dropped because a request to a model failed, and keep the first error."""
        self.dropped[ENGINE_ERROR] += 1
        self.errors += [] if self.errors else [error]


class CurationStep(Protocol):
    """A function from samples to samples. Raises ConfigError for a setting it does not know."""

    def __call__(self, samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]: ...


@hookimpl
def register_curation_steps(register: Register) -> None:
    """Register the built-in steps by import path."""
    register("difficulty", "infimed_plugins.curation.selection:difficulty")
    register("reflective_cot", "infimed_plugins.curation.reflective_cot:reflective_cot")
    register("instructions", "infimed_plugins.curation.instructions:instructions")
    register("rationales", "infimed_plugins.curation.rationales:rationales")
    register("captions", "infimed_plugins.curation.captions:captions")
    register("perplexity", "infimed_plugins.curation.selection:perplexity")
    register("decontamination", "infimed_plugins.curation.decontamination:decontamination")
