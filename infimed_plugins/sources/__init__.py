"""Data sets turned into Samples, one file each; heavy imports happen inside ``load``.

A Source has a licence, its splits, and ``load(split, …)``. The same source serves supervised fine-tuning (train),
reinforcement learning (train) and evaluation (test).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from infimed_plugins.hookspecs import Register, hookimpl
from infimed_plugins.records import BadRow, Sample


@runtime_checkable
class Source(Protocol):
    """One data set."""

    licence: str
    splits: tuple[str, ...]

    def load(
        self, split: str, *, folder: Path | None = None, seed: int = 0, limit: int | None = None
    ) -> Iterator[Sample | BadRow]:
        """Yield the rows of a split in a stable order, at most ``limit``; what cannot be used as a BadRow.

        ``folder`` holds files the user downloaded; without it the source reads the hub at its pinned revision.
        Raises ConfigError for an unknown split and MissingFileError naming what to download and where to put it.
        """
        ...


@hookimpl
def register_sources(register: Register) -> None:
    """The built-in sources, by import path."""
    register("phantom", "infimed_plugins.sources.phantom:PHANTOM")
    register("vqa_rad", "infimed_plugins.sources.vqa_rad:VQA_RAD")
    register("slake", "infimed_plugins.sources.slake:SLAKE")
    register("pmc_vqa", "infimed_plugins.sources.pmc_vqa:PMC_VQA")
    register("pmc_vqa_2", "infimed_plugins.sources.pmc_vqa:PMC_VQA_2")
    register("pmc_vqa_captions", "infimed_plugins.sources.pmc_vqa:PMC_VQA_CAPTIONS")
