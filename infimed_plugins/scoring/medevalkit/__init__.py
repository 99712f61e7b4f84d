"""MedEvalKit at commit 9b12e3b, bug for bug, so that a published number can be had again verdict for verdict.

The rules are upstream's, the code is not; what upstream gets wrong stays wrong here and right in ``scoring.robust``::

    score_rows("PMC_VQA", [{"choices": ["CT", "MRI"], "answer": "B"}], ["(B)"])
    → [MedEvalKitVerdict(correct=False, kind="mcq", parsed="A", …, guessed=True)]
"""

from __future__ import annotations

from infimed_plugins.scoring.medevalkit.aggregate import (
    UpstreamCrashError,
    asked_of_judge,
    judged_correct,
    metrics,
)
from infimed_plugins.scoring.medevalkit.choice import Choice, mcq
from infimed_plugins.scoring.medevalkit.judge import read_judge
from infimed_plugins.scoring.medevalkit.messages import Asked, construct, prompt
from infimed_plugins.scoring.medevalkit.mmmu import (
    Draws,
    extracted,
    open_correct,
    raw_open_correct,
    read_choice,
    read_open,
)
from infimed_plugins.scoring.medevalkit.text import boxed, parse, tag
from infimed_plugins.scoring.medevalkit.verdicts import MedEvalKitVerdict, score_rows
from infimed_plugins.scoring.medevalkit.vqa import OpenMetrics, closed, open_metrics, yesno

BENCHMARKS: tuple[str, ...] = (
    "MMMU-Medical-val",
    "VQA_RAD",
    "PATH_VQA",
    "SLAKE",
    "PMC_VQA",
    "OmniMedVQA",
    "MedXpertQA-MM",
    "MedQA_USMLE",
    "MedMCQA",
    "PubMedQA",
    "MedXpertQA-Text",
)

__all__ = [
    "BENCHMARKS",
    "Asked",
    "Choice",
    "Draws",
    "MedEvalKitVerdict",
    "OpenMetrics",
    "UpstreamCrashError",
    "asked_of_judge",
    "boxed",
    "closed",
    "construct",
    "extracted",
    "judged_correct",
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
