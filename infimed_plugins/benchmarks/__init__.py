"""Benchmarks: a source split and how its questions are asked and counted. catalogue.py holds the built-in ones."""

from __future__ import annotations

from dataclasses import dataclass

from infimed_plugins.hookspecs import Register, hookimpl


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    ``group_by`` are the meta keys whose values get rows of their own, the first in the terminal table. ``medevalkit``
    is its name there, whose rules the modes ``medevalkit`` and ``paper`` follow (generic ones without a name).
    ``questions`` is what the published figures are over; ``max_tokens`` the longest reply unless a run says otherwise.
    """

    name: str
    source: str
    split: str
    title: str = ""
    prompt_styles: tuple[str, ...] = ("direct", "reasoning")
    group_by: tuple[str, ...] = ("kind",)
    medevalkit: str | None = None
    questions: int | None = None
    max_tokens: int = 8192


PAPER = ("mmmu_health", "vqa_rad", "slake", "path_vqa", "pmc_vqa", "omnimedvqa", "medxpertqa_mm")  # Table 1's order
TEXT = ("medqa", "medmcqa", "pubmedqa", "mmlu_medical", "medxpertqa_text")


@hookimpl
def register_benchmarks(register: Register) -> None:
    """The built-in benchmarks, by import path."""
    for name in ("phantom", *PAPER, "gmai_mmbench", *TEXT):
        register(name, f"infimed_plugins.benchmarks.catalogue:{name.upper()}")


@hookimpl
def register_scorers(register: Register) -> None:
    """The built-in scorers, by import path."""
    for mode in ("robust", "medevalkit", "paper", "vlmevalkit", "vlmevalkit-2025-05", "multimedeval"):
        register(mode, f"infimed_plugins.benchmarks.scorers:{mode.upper().replace('-', '_')}")
