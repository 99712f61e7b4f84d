"""MedQA: questions of the US medical licensing examination, in words (Jin et al. 2021)."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitQuestion, MedEvalKitSet, Places
from infimed_plugins.scoring.medevalkit.rules import Row


def _ask(row: Row) -> MedEvalKitQuestion:
    choices = [f"{letter}. {row['options'][letter]}" for letter in "ABCD"]
    return MedEvalKitQuestion("mcq", row["question"], choices, row["answer_idx"])


MEDQA = Benchmark(
    "medqa",
    title="MedQA",
    questions=1273,
    images=False,
    medevalkit=MedEvalKitSet(
        "MedQA_USMLE",
        _ask,
        reads=("question", "options", "answer_idx"),
        pictures="",
        places=Places(gold=("answer_idx",)),
        ids=5,
    ),
)
