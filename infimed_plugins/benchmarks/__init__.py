"""Benchmarks: a source split and how its questions are asked and counted; catalogue/ holds the built-in ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from infimed_plugins.hookspecs import Register, hookimpl
from infimed_plugins.plugins import registry

if TYPE_CHECKING:
    from infimed_plugins.scoring.medevalkit import MedEvalKitSet


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: the one place that describes it.

    ``group_by`` are the meta keys whose values get rows of their own, the first in the terminal table. ``medevalkit``
    is its data set there, whose rules the modes ``medevalkit`` and ``paper`` follow (generic ones without it).
    ``vlmevalkit`` is its name there, by which files of replies end, and the column of ids ("" for none that is ours).
    ``questions`` is what the published figures are over; ``max_tokens`` the longest reply unless a run says otherwise.
    ``paper`` is its column in Table 1 of the first paper; ``images`` is False for one in words only. Training data is
    checked against it (``decontaminate``) and against ``also_asked``, other splits in the form ``source/split``.
    ``defects`` are known ones of its questions or of how they are counted, to be read beside a difference.
    """

    name: str
    source: str = ""  # its name's
    split: str = "test"
    title: str = ""
    prompt_styles: tuple[str, ...] = ("direct", "reasoning")
    group_by: tuple[str, ...] = ("kind",)
    medevalkit: MedEvalKitSet | None = None
    vlmevalkit: tuple[str, str] | None = None
    questions: int | None = None
    max_tokens: int = 8192
    paper: str | None = None
    images: bool = True
    decontaminate: bool = True
    also_asked: tuple[str, ...] = ()
    defects: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", self.source or self.name)

    @property
    def suite(self) -> Literal["paper", "text", ""]:
        """The suite that it belongs to, a value of ``--benchmarks``."""
        return "paper" if self.paper else "" if self.images else "text"


BUILT_IN = (
    "phantom",
    "mmmu_health",  # from here in the order of the paper's Table 1
    "vqa_rad",
    "slake",
    "path_vqa",
    "pmc_vqa",
    "omnimedvqa",
    "medxpertqa_mm",
    "gmai_mmbench",
    "medqa",
    "medmcqa",
    "pubmedqa",
    "mmlu_medical",
    "medxpertqa_text",
)


def benchmarks(suite: str | None = None) -> Iterator[Benchmark]:
    """Return the registered benchmarks, or those of a suite: "paper" or "text". Raises PluginError for a broken one."""
    known: Iterator[Benchmark] = (one.load() for one in registry() if one.kind == "benchmark")
    return (one for one in known if suite in (None, one.suite))


@hookimpl
def register_benchmarks(register: Register) -> None:
    """Register the built-in benchmarks, by import path."""
    for name in BUILT_IN:
        register(name, f"infimed_plugins.benchmarks.catalogue.{name}:{name.upper()}")


@hookimpl
def register_scorers(register: Register) -> None:
    """Register the built-in scorers, by import path."""
    for mode in ("robust", "medevalkit", "paper", "vlmevalkit", "vlmevalkit-2025-05", "multimedeval"):
        register(mode, f"infimed_plugins.benchmarks.scorers:{mode.upper().replace('-', '_')}")
