"""MedEvalKit at commit 9b12e3b, bug for bug, so that a published number can be had again verdict for verdict.

The rules are upstream's, the code is not; upstream's faults stay here, and are right in ``scoring.robust``::

    score_rows("PMC_VQA", [{"choices": ["CT", "MRI"], "answer": "B"}], ["(B)"])
    → [MedEvalKitVerdict(correct=False, kind="mcq", parsed="A", …, guessed=True)]
"""

from __future__ import annotations

from infimed_plugins.scoring.medevalkit.data_set import (
    MedEvalKitQuestion,
    MedEvalKitSet,
    asked_of_judge,
    construct,
    known_sets,
    metrics,
    prompt,
    score_rows,
)
from infimed_plugins.scoring.medevalkit.metrics import UpstreamCrashError
from infimed_plugins.scoring.medevalkit.rules import MedEvalKitVerdict

__all__ = [
    "MedEvalKitQuestion",
    "MedEvalKitSet",
    "MedEvalKitVerdict",
    "UpstreamCrashError",
    "asked_of_judge",
    "construct",
    "known_sets",
    "metrics",
    "prompt",
    "score_rows",
]
