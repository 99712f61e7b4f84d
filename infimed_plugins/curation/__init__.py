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


def no_other_engine(choice: Mapping[str, Any]) -> Engine:
    """Raise ConfigError: the place of ``start_engine`` where there is none."""
    raise ConfigError(f"no other engine can be started here, so {choice.get('name')!r} cannot be used")


@dataclass
class StepContext:
    """What a step may use: an engine (None when the recipe names none), the seed, its settings.

    It counts drops by reason in ``dropped`` and what else the manifest should tell in ``counted``, and calls
    ``progress(done, total)`` as work finishes. ``aside(sample)`` keeps a dropped sample in a file of its own;
    ``start_engine({name, model, settings})`` starts another engine. ``downloads`` is where downloaded data sets lie,
    ``report_folder`` where a step may write a report on the ``part`` of the recipe.
    """

    seed: int = 0
    engine: Engine | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    progress: Callable[[int, int], None] = lambda done, total: None
    aside: Callable[[Sample], None] = lambda sample: None
    start_engine: Callable[[Mapping[str, Any]], Engine] = no_other_engine
    downloads: Path | None = None
    part: str = ""
    report_folder: Path | None = None


class CurationStep(Protocol):
    """A function from samples to samples. Raises ConfigError for a setting it does not know."""

    def __call__(self, samples: Iterable[Sample], context: StepContext) -> Iterator[Sample]: ...


@hookimpl
def register_curation_steps(register: Register) -> None:
    """The built-in steps, by import path."""
    register("difficulty", "infimed_plugins.curation.difficulty:difficulty")
    register("reflective_cot", "infimed_plugins.curation.reflective_cot:reflective_cot")
    register("instructions", "infimed_plugins.curation.instructions:instructions")
    register("rationales", "infimed_plugins.curation.rationales:rationales")
    register("captions", "infimed_plugins.curation.captions:captions")
    register("perplexity", "infimed_plugins.curation.perplexity:perplexity")
    register("decontamination", "infimed_plugins.curation.decontamination.step:decontamination")
