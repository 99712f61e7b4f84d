"""MMMU, Health & Medicine: five subjects, with open questions among the choices (Yue et al. 2024)."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitQuestion, MedEvalKitSet, Places
from infimed_plugins.scoring.medevalkit.metrics import by_subject
from infimed_plugins.scoring.medevalkit.mmmu import mmmu, mmmu_options
from infimed_plugins.scoring.medevalkit.rules import Row


def _ask(row: Row) -> MedEvalKitQuestion:
    if row["question_type"] != "multiple-choice":
        return MedEvalKitQuestion("mmmu_open", row["question"], None, row["answer"])
    return MedEvalKitQuestion("mmmu_mc", row["question"], mmmu_options(row), row["answer"])


MMMU_HEALTH = Benchmark(
    "mmmu_health",
    split="validation",
    title="MMMU, Health & Medicine",
    group_by=("subject", "kind"),
    questions=150,
    paper="MMMU-H&M",
    defects=(
        "MedEvalKit passes the first picture of a question only, and draws an answer for a reply it cannot read; "
        "150 questions tell apart little"
    ),
    vlmevalkit=("MMMU_DEV_VAL", "id"),
    medevalkit=MedEvalKitSet(
        "MMMU-Medical-val",
        _ask,
        mmmu,
        by_subject,
        reads=("id", "question", "options", "answer", "question_type"),
        first_image=True,
        places=Places(quirk="image tags"),
        ids="id",
    ),
)
