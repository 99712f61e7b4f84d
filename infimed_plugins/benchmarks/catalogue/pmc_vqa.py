"""PMC-VQA, the whole second test set: choices about figures of papers (Zhang et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitQuestion, MedEvalKitSet, Places
from infimed_plugins.scoring.medevalkit.rules import choice

CELLS = ("index", "Figure_path", "Caption", "Question", *(f"Choice {letter}" for letter in "ABCD"), "Answer", "split")


def _ask(row: Mapping[str, Any] | Sequence[str]) -> MedEvalKitQuestion:
    if isinstance(row, Mapping):
        return MedEvalKitQuestion("mcq", row["Question"], [row[f"Choice {letter}"] for letter in "ABCD"], row["Answer"])
    return MedEvalKitQuestion("mcq", row[3], list(row[4:8]), row[8])


def _cells(fields: Mapping[str, Any]) -> list[str]:
    """Return the cells in the order of test_2.csv, as upstream's ``load_data`` unpacks them, choices verbatim."""
    return [str(fields[name]) for name in CELLS]


PMC_VQA = Benchmark(
    "pmc_vqa",
    source="pmc_vqa_2",
    title="PMC-VQA",
    questions=33430,
    paper="PMC-VQA",
    defects="MedEvalKit asks the 33,430 questions of test_2, others the 2,000 that people checked",
    also_asked=("pmc_vqa/test_clean",),
    medevalkit=MedEvalKitSet(
        "PMC_VQA",
        _ask,
        choice,
        reads=CELLS,
        to_row=_cells,
        places=Places((3,), (), range(4, 8), (8,), quirk="lettered options"),
        ids=6,
    ),
)
