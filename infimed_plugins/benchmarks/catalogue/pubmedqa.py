"""PubMedQA: yes, no or maybe to the question of an abstract (Jin et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import Built, MedEvalKitSet


def _built(row: Mapping[str, Any]) -> Built:
    data = row["data"]
    choices = [f"{letter}.{data['Options'][letter]}" for letter in "ABC"]
    context = "\n".join(data["Context"])
    return Built("mcq", data["Question"], choices, data["Correct Option"], before=f"Context: {context}\n")


PUBMEDQA = Benchmark(
    "pubmedqa",
    "pubmedqa",
    "test",
    "PubMedQA",
    questions=500,
    images=False,
    medevalkit=MedEvalKitSet("PubMedQA", _built, reads=("data",), pictures=""),
)
