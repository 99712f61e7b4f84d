"""Data sets turned into Samples, one file each; heavy imports happen inside ``load``.

A Source has a license, its splits, and ``load(split, …)``; ``data_registry/sources.yaml`` says where it comes from. The
same source serves supervised fine-tuning (train), reinforcement learning (train) and evaluation (test).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from infimed_plugins.errors import ConfigError
from infimed_plugins.hookspecs import Register, hookimpl
from infimed_plugins.paths import shipped
from infimed_plugins.records import BadRow, Sample

SOURCES_FILE = "data_registry/sources.yaml"


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


@dataclass(frozen=True)
class SourceEntry:
    """One data set. ``splits`` gives the rows of each split, ``download_mb`` what fetching all of it takes."""

    title: str
    origin: str
    licence: str
    splits: dict[str, int] = field(default_factory=dict)
    revision: str | None = None
    download_mb: float = 0.0
    languages: tuple[str, ...] = ("en",)
    hub: str | None = None  # the data set's id on the Hugging Face hub
    url: str | None = None  # of the one archive of a set that is not on the hub
    files: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> bytes, sha256, where they are known
    folders: tuple[str, ...] = ()  # folders that authors and frameworks keep it in, below --from or its own folder
    note: str = ""


@cache
def source_entries() -> dict[str, SourceEntry]:
    """Return every entry of the shipped registry by source name. Raises ConfigError naming a bad entry."""
    import yaml  # here: plugins are listed without it

    raw: dict[str, Any] = yaml.safe_load(shipped(SOURCES_FILE).read_text(encoding="utf-8"))
    entries = {}
    for name, fields in raw.items():
        lists = {"languages": tuple(fields.get("languages", ("en",))), "folders": tuple(fields.get("folders", ()))}
        try:
            entries[name] = SourceEntry(**{**fields, **lists})
        except TypeError as error:
            raise ConfigError(f"{SOURCES_FILE}: {name}: {error}") from error
    return entries


@hookimpl
def register_sources(register: Register) -> None:
    """Register the built-in sources by import path."""
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
    register("medxpertqa_mm", "infimed_plugins.sources.medxpertqa:MEDXPERTQA_MM")
    register("gmai_mmbench", "infimed_plugins.sources.gmai_mmbench:GMAI_MMBENCH")
    register("medqa", "infimed_plugins.sources.medqa:MEDQA")
    register("medmcqa", "infimed_plugins.sources.medmcqa:MEDMCQA")
    register("pubmedqa", "infimed_plugins.sources.pubmedqa:PUBMEDQA")
    register("mmlu_medical", "infimed_plugins.sources.mmlu_medical:MMLU_MEDICAL")
    register("medxpertqa_text", "infimed_plugins.sources.medxpertqa:MEDXPERTQA_TEXT")
    register("llava_onevision", "infimed_plugins.sources.llava_onevision:LLAVA_ONEVISION")
    register("reasonmed", "infimed_plugins.sources.reasonmed:REASONMED")
    register("medical_r1_distill", "infimed_plugins.sources.medical_o1:MEDICAL_R1_DISTILL")
    register("medical_o1", "infimed_plugins.sources.medical_o1:MEDICAL_O1")
    register("iconqa", "infimed_plugins.sources.iconqa:ICONQA")
    register("iconqa_hub", "infimed_plugins.sources.iconqa:ICONQA_HUB")
    register("scienceqa", "infimed_plugins.sources.scienceqa:SCIENCEQA")
    register("tabmwp", "infimed_plugins.sources.tabmwp:TABMWP")
    register("tqa_distill", "infimed_plugins.sources.tqa_distill:TQA_DISTILL")
    register("virft_coco", "infimed_plugins.sources.virft_coco:VIRFT_COCO")
    register("pairs", "infimed_plugins.sources.pairs:PAIRS")
