"""The former place of PMC-VQA's cells, for branches that are not merged yet; to be deleted then."""

from __future__ import annotations

from infimed_plugins.benchmarks.catalogue.pmc_vqa import CELLS as PMC_VQA_CELLS

__all__ = ["PMC_VQA_CELLS"]
