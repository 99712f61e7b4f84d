"""OmniMedVQA, the open-access part: choices about images of twelve modalities (Hu et al. 2024)."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitQuestion, MedEvalKitSet, Places
from infimed_plugins.scoring.medevalkit.metrics import parts_by
from infimed_plugins.scoring.medevalkit.rules import Row


def _ask(row: Row) -> MedEvalKitQuestion:
    options = {letter: row[f"option_{letter}"] for letter in "ABCD" if f"option_{letter}" in row}
    letters = [letter for letter, option in options.items() if option == row["gt_answer"]]
    choices = [f"{letter}. {option}" for letter, option in options.items()]
    return MedEvalKitQuestion("mcq", row["question"], choices, letters[-1] if letters else row["gt_answer"])


OMNIMEDVQA = Benchmark(
    "omnimedvqa",
    title="OmniMedVQA, open access",
    group_by=("modality", "kind"),
    questions=88996,
    paper="OMVQA",
    defects="options were made from class labels; in 44 of 88,996 questions a wrong option repeats another",
    vlmevalkit=("OmniMedVQA", "question_id"),
    medevalkit=MedEvalKitSet(
        "OmniMedVQA",
        _ask,
        metrics=parts_by({"question type metrics": "question_type", "modality type metrics": "modality_type"}),
        reads=("question", "image_path", "gt_answer", "question_type", "option_A"),
        places=Places(
            options=(), keys=("option_A", "option_B", "option_C", "option_D"), gold=("gt_answer",), gold_is="text"
        ),
        ids="question_id",
    ),
)
