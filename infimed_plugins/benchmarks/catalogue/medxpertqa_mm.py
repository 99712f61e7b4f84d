"""MedXpertQA, the part with pictures: board-level questions, five options (Zuo et al. 2025)."""

from __future__ import annotations

from dataclasses import replace

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MEDXPERTQA

MEDXPERTQA_MM = Benchmark(
    "medxpertqa_mm",
    title="MedXpertQA, multimodal",
    group_by=("kind", "medical_task", "body_system"),
    questions=2000,
    paper="MedXQA",
    defects="up to six pictures a question, of which some harnesses pass one",
    vlmevalkit=("MedXpertQA_MM_test", "id"),
    medevalkit=replace(MEDXPERTQA, name="MedXpertQA-MM", pictures="images"),
)
