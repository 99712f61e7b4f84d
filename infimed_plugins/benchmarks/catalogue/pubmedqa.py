"""PubMedQA: yes, no or maybe to the question of an abstract (Jin et al. 2019)."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitQuestion, MedEvalKitSet, Places
from infimed_plugins.scoring.medevalkit.rules import Row


def _ask(row: Row) -> MedEvalKitQuestion:
    data = row["data"]
    choices = [f"{letter}.{data['Options'][letter]}" for letter in "ABC"]
    context = "\n".join(data["Context"])
    return MedEvalKitQuestion("mcq", data["Question"], choices, data["Correct Option"], before=f"Context: {context}\n")


PUBMEDQA = Benchmark(
    "pubmedqa",
    title="PubMedQA",
    questions=500,
    images=False,
    medevalkit=MedEvalKitSet(
        "PubMedQA",
        _ask,
        reads=("data",),
        pictures="",
        places=Places(
            ("data", "Question"), ("data", "Options"), gold=("data", "Correct Option"), quirk="context apart"
        ),
        ids=4,
    ),
)
