"""Every built-in benchmark. The counts are those that fit the first paper's Table 1 (MedEvalKit's sets, whole)."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark

PHANTOM = Benchmark("phantom", "phantom", "test", "Procedural phantoms", questions=2000, max_tokens=512)

MMMU_HEALTH = Benchmark(
    "mmmu_health",
    "mmmu_health",
    "validation",
    "MMMU, Health & Medicine",
    group_by=("subject", "kind"),
    medevalkit="MMMU-Medical-val",
    questions=150,
)
VQA_RAD = Benchmark("vqa_rad", "vqa_rad", "test", "VQA-RAD", medevalkit="VQA_RAD", questions=451)
SLAKE = Benchmark(
    "slake",
    "slake",
    "test",
    "SLAKE, English and Chinese",
    group_by=("kind", "language", "modality", "content_type"),
    medevalkit="SLAKE",
    questions=2094,
)
PATH_VQA = Benchmark("path_vqa", "path_vqa", "test", "PathVQA", medevalkit="PATH_VQA", questions=6719)
PMC_VQA = Benchmark("pmc_vqa", "pmc_vqa_2", "test", "PMC-VQA", medevalkit="PMC_VQA", questions=33430)
OMNIMEDVQA = Benchmark(
    "omnimedvqa",
    "omnimedvqa",
    "test",
    "OmniMedVQA, open access",
    group_by=("modality", "kind"),
    medevalkit="OmniMedVQA",
    questions=88996,
)
MEDXPERTQA_MM = Benchmark(
    "medxpertqa_mm",
    "medxpertqa_mm",
    "test",
    "MedXpertQA, multimodal",
    group_by=("kind", "medical_task", "body_system"),
    medevalkit="MedXpertQA-MM",
    questions=2000,
)
GMAI_MMBENCH = Benchmark(
    "gmai_mmbench", "gmai_mmbench", "val", "GMAI-MMBench", group_by=("kind", "department", "modality"), questions=4550
)
MEDQA = Benchmark("medqa", "medqa", "test", "MedQA", medevalkit="MedQA_USMLE", questions=1273)
MEDMCQA = Benchmark("medmcqa", "medmcqa", "validation", "MedMCQA", medevalkit="MedMCQA", questions=4183)
PUBMEDQA = Benchmark("pubmedqa", "pubmedqa", "test", "PubMedQA", medevalkit="PubMedQA", questions=500)
# MedEvalKit's loader of MMLU ends with a NameError: it has no prompt of its own and no figures
MMLU_MEDICAL = Benchmark("mmlu_medical", "mmlu_medical", "test", "MMLU, medical subjects", questions=1871)
MEDXPERTQA_TEXT = Benchmark(
    "medxpertqa_text",
    "medxpertqa_text",
    "test",
    "MedXpertQA, text",
    group_by=("kind", "medical_task"),
    medevalkit="MedXpertQA-Text",
    questions=2450,
)
