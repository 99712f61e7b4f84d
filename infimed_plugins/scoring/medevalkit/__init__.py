"""MedEvalKit at commit 9b12e3b, bug for bug, so that a published number can be had again verdict for verdict.

The rules are upstream's, the code is not; what upstream gets wrong stays wrong here and right in ``scoring.robust``::

    score_rows("PMC_VQA", [{"choices": ["CT", "MRI"], "answer": "B"}], ["(B)"])
    → [MedEvalKitVerdict(correct=False, kind="mcq", parsed="A", …, guessed=True)]
"""

from __future__ import annotations

from infimed_plugins.scoring.medevalkit.choice import Choice, mcq
from infimed_plugins.scoring.medevalkit.data_set import (
    Asked,
    MedEvalKitSet,
    asked_of_judge,
    construct,
    judged_correct,
    known_sets,
    metrics,
    prompt,
    score_rows,
)
from infimed_plugins.scoring.medevalkit.metrics import UpstreamCrashError
from infimed_plugins.scoring.medevalkit.mmmu import (
    Draws,
    extracted,
    open_correct,
    raw_open_correct,
    read_choice,
    read_open,
)
from infimed_plugins.scoring.medevalkit.open_answers import OpenMetrics, closed, open_metrics, yesno
from infimed_plugins.scoring.medevalkit.rules import MedEvalKitVerdict
from infimed_plugins.scoring.medevalkit.text import boxed, parse, read_judge, tag

__all__ = [
    "Asked",
    "Choice",
    "Draws",
    "MedEvalKitSet",
    "MedEvalKitVerdict",
    "OpenMetrics",
    "UpstreamCrashError",
    "asked_of_judge",
    "boxed",
    "closed",
    "construct",
    "extracted",
    "judged_correct",
    "known_sets",
    "mcq",
    "metrics",
    "open_correct",
    "open_metrics",
    "parse",
    "prompt",
    "raw_open_correct",
    "read_choice",
    "read_judge",
    "read_open",
    "score_rows",
    "tag",
    "yesno",
]
