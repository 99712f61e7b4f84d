"""MedMCQA: questions of Indian entrance examinations, in words; the answers of its test part are kept back."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitQuestion, MedEvalKitSet, Places
from infimed_plugins.scoring.medevalkit.rules import Row


def _ask(row: Row) -> MedEvalKitQuestion:
    choices = [f"{letter}. {row[f'op{letter.lower()}']}" for letter in "ABCD"]
    return MedEvalKitQuestion("mcq", row["question"], choices, "ABCD"[row["cop"]])  # -1, of a test row, is D there too


MEDMCQA = Benchmark(
    "medmcqa",
    split="validation",
    title="MedMCQA",
    questions=4183,
    images=False,
    medevalkit=MedEvalKitSet(
        "MedMCQA",
        _ask,
        reads=("question", "opa", "opb", "opc", "opd", "cop", "choice_type"),
        pictures="",
        places=Places(options=(), keys=("opa", "opb", "opc", "opd"), gold=("cop",), gold_is="index"),
        ids="id",
    ),
)
