"""MMLU, the medical subjects, in words. MedEvalKit's loader of it ends with a NameError: no prompt, no figures."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark

MMLU_MEDICAL = Benchmark("mmlu_medical", title="MMLU, medical subjects", questions=1871, images=False)
