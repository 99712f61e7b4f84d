"""VQA-RAD: questions of clinicians about radiology images (Lau et al. 2018)."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitQuestion, MedEvalKitSet
from infimed_plugins.scoring.medevalkit.metrics import open_and_closed
from infimed_plugins.scoring.medevalkit.rules import YES_NO, Row, vqa


def _ask(row: Row) -> MedEvalKitQuestion:
    kind = "judgement" if row["answer"].lower() in YES_NO else "open"
    return MedEvalKitQuestion(kind, row["question"], None, row["answer"])


VQA_RAD = Benchmark(
    "vqa_rad",
    title="VQA-RAD",
    questions=451,
    paper="VQA-RAD",
    defects=(
        "the printed 58.1 and 60.5 are 262 and 273 of 451; "
        "MedEvalKit divides the open part by its size twice in its own metrics"
    ),
    medevalkit=MedEvalKitSet(
        "VQA_RAD", _ask, vqa, open_and_closed(), reads=("question", "answer"), asks_judge="open", ids=5
    ),
)
