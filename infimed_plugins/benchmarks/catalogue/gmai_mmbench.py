"""GMAI-MMBench, the validation part: choices over 38 modalities (Ye et al. 2024); MedEvalKit has none."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark

GMAI_MMBENCH = Benchmark(
    "gmai_mmbench",
    split="val",
    title="GMAI-MMBench",
    group_by=("kind", "department", "modality"),
    questions=4550,
    vlmevalkit=("GMAI-MMBench_VAL", "index"),
)
