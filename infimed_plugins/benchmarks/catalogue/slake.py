"""SLAKE: questions in English and Chinese about radiology images (Liu et al. 2021)."""

from __future__ import annotations

from typing import Any

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.scoring.medevalkit.data_set import MedEvalKitQuestion, MedEvalKitSet
from infimed_plugins.scoring.medevalkit.metrics import open_and_closed
from infimed_plugins.scoring.medevalkit.rules import (
    YES_NO,
    MedEvalKitVerdict,
    Row,
    judged_closed,
    judged_open,
    judged_yes_no,
    row_by_row,
)
from infimed_plugins.scoring.medevalkit.text import unboxed


def _ask(row: Row) -> MedEvalKitQuestion:
    kind = "open" if row["answer_type"] == "OPEN" else "close"
    language = row["q_lang"] if "q_lang" in row else row["lang"]
    return MedEvalKitQuestion(kind, row["question"], None, row["answer"], language)


def _judge(of: MedEvalKitSet, row: Row, reply: Any) -> MedEvalKitVerdict:
    """Judge by SLAKE's own mark of closed questions; "Yes" is no yes-no answer."""
    answer, text = row["answer"], unboxed(reply)
    if row["answer_type"] == "OPEN":
        return judged_open(answer, text)
    if answer in YES_NO:
        return judged_yes_no(answer, text)
    return judged_closed(answer, text)


SLAKE = Benchmark(
    "slake",
    title="SLAKE, English and Chinese",
    group_by=("kind", "language", "modality", "content_type"),
    questions=2094,
    paper="SLAKE",
    defects=(
        "2,094 questions in English and Chinese, or 1,061 in English only; "
        "MedEvalKit with a judge counts closed questions twice"
    ),
    medevalkit=MedEvalKitSet(
        "SLAKE",
        _ask,
        row_by_row("open", _judge),
        open_and_closed(judges_all=True),
        reads=("img_name", "question", "answer", "answer_type", "q_lang"),
        asks_judge="all",
    ),
)
