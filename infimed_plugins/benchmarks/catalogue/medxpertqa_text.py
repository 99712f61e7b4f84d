"""MedXpertQA, the part in words: board-level questions, ten options (Zuo et al. 2025)."""

from __future__ import annotations

from dataclasses import replace

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MEDXPERTQA

MEDXPERTQA_TEXT = Benchmark(
    "medxpertqa_text",
    title="MedXpertQA, text",
    group_by=("kind", "medical_task"),
    questions=2450,
    images=False,
    medevalkit=replace(MEDXPERTQA, name="MedXpertQA-Text"),
)
