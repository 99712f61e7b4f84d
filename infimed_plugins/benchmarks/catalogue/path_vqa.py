"""PathVQA: questions made of captions of pathology pictures (He et al. 2020)."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitQuestion, MedEvalKitSet
from infimed_plugins.scoring.medevalkit.metrics import open_and_closed
from infimed_plugins.scoring.medevalkit.rules import YES_NO, Row, vqa


def _ask(row: Row) -> MedEvalKitQuestion:
    kind = "judgement" if row["answer"] in YES_NO else "open"  # "Yes" is asked as an open question
    return MedEvalKitQuestion(kind, row["question"], None, row["answer"])


PATH_VQA = Benchmark(
    "path_vqa",
    title="PathVQA",
    questions=6719,
    paper="PathVQA",
    defects="MedEvalKit with a judge sets the closed part to 0; half of the questions are yes or no",
    vlmevalkit=("PathVQA_TEST", ""),
    medevalkit=MedEvalKitSet(
        "PATH_VQA",
        _ask,
        vqa,
        open_and_closed(forgets_closed=True),
        reads=("question", "answer"),
        asks_judge="open",
        ids=5,
    ),
)
