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
    """One data set. A split "*" says that the folder decides which there are."""

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
    register("path_vqa", "infimed_plugins.sources.path_vqa:PATH_VQA")
    register("gmai_reasoning", "infimed_plugins.sources.gmai_reasoning:GMAI_REASONING")
    register("mmmu_health", "infimed_plugins.sources.mmmu_health:MMMU_HEALTH")
    register("omnimedvqa", "infimed_plugins.sources.omnimedvqa:OMNIMEDVQA")
    register("medxpertqa_mm", "infimed_plugins.sources.medxpertqa_mm:MEDXPERTQA_MM")
    register("gmai_mmbench", "infimed_plugins.sources.gmai_mmbench:GMAI_MMBENCH")
    register("medqa", "infimed_plugins.sources.medqa:MEDQA")
    register("medmcqa", "infimed_plugins.sources.medmcqa:MEDMCQA")
    register("pubmedqa", "infimed_plugins.sources.pubmedqa:PUBMEDQA")
    register("mmlu_medical", "infimed_plugins.sources.mmlu_medical:MMLU_MEDICAL")
    register("medxpertqa_text", "infimed_plugins.sources.medxpertqa_text:MEDXPERTQA_TEXT")
    register("llava_onevision", "infimed_plugins.sources.llava_onevision:LLAVA_ONEVISION")
    register("reasonmed", "infimed_plugins.sources.reasonmed:REASONMED")
    register("medical_r1_distill", "infimed_plugins.sources.medical_r1_distill:MEDICAL_R1_DISTILL")
    register("medical_o1", "infimed_plugins.sources.medical_o1:MEDICAL_O1")
    register("iconqa", "infimed_plugins.sources.iconqa:ICONQA")
    register("iconqa_hub", "infimed_plugins.sources.iconqa:ICONQA_HUB")
    register("scienceqa", "infimed_plugins.sources.scienceqa:SCIENCEQA")
    register("tabmwp", "infimed_plugins.sources.tabmwp:TABMWP")
    register("tqa_distill", "infimed_plugins.sources.tqa_distill:TQA_DISTILL")
    register("virft_coco", "infimed_plugins.sources.virft_coco:VIRFT_COCO")
    register("pairs", "infimed_plugins.sources.pairs:PAIRS")
