"""MedEvalKit's metrics.json, its faults in the sums included (each data set's cal_metrics; utils/MMMU/eval_val.py).

the accuracy of the open part is divided by its size twice (VQA_RAD, PATH_VQA, SLAKE)
PATH_VQA with a judge: the closed part is set to 0 and stays there
SLAKE with a judge: every question is judged, and the closed ones count once by rule and once by judge
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infimed_plugins.errors import DataError
from infimed_plugins.scoring.medevalkit.rules import MedEvalKitVerdict
from infimed_plugins.scoring.medevalkit.text import read_judge

SUBJECTS = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)
_OVERLAPS = ("bleu1", "bleu2", "bleu3", "bleu4", "rouge1", "rouge2", "rougel", "precision", "recall", "f1", "em")
_Json = dict[str, Any]
Outputs = Sequence[str | None] | None
Metrics = Callable[[Sequence[Mapping[str, Any]], Sequence[MedEvalKitVerdict], Outputs], dict[str, Any]]


class UpstreamCrashError(DataError):
    """MedEvalKit itself would end here and write no metrics.json; ``error`` is its exception."""

    def __init__(self, error: str, where: str) -> None:
        self.error = error
        super().__init__(f"MedEvalKit would end with {error} {where}; its verdicts on the other replies stand")


def _rate(right: float, total: int) -> float:
    if not total:
        raise UpstreamCrashError("ZeroDivisionError: division by zero", "for want of replies of one part")
    return right / total


def _part(verdicts: Sequence[MedEvalKitVerdict]) -> _Json:
    right = [verdict.correct for verdict in verdicts].count(True)
    return {"total": len(verdicts), "right": right, "acc": _rate(right, len(verdicts))}


def parts_by(columns: Mapping[str, str]) -> Metrics:
    """Return the metrics of a choice set: the total, and by the values of columns, under upstream's names."""

    def metrics(rows: Sequence[Mapping[str, Any]], verdicts: Sequence[MedEvalKitVerdict], outputs: Outputs) -> _Json:
        total: _Json = {"total metrics": _part(verdicts)}
        for name, column in columns.items():
            parts: dict[Any, list[MedEvalKitVerdict]] = {}
            for row, verdict in zip(rows, verdicts, strict=True):
                parts.setdefault(row[column], []).append(verdict)
            total[name] = {value: _part(part) for value, part in parts.items()}
        return total

    return metrics


total_only = parts_by({})


def open_and_closed(*, judges_all: bool = False, forgets_closed: bool = False) -> Metrics:
    """Return the metrics of a set with open questions.

    A judge's outputs are on the open ones in turn, or with ``judges_all`` on every question, each counted again by its
    kind. ``forgets_closed``: with a judge the closed ones right by rule are set to 0.
    """

    def metrics(rows: Sequence[Mapping[str, Any]], verdicts: Sequence[MedEvalKitVerdict], outputs: Outputs) -> _Json:
        opened = [verdict for verdict in verdicts if verdict.kind == "open"]
        closed = [verdict for verdict in verdicts if verdict.kind == "close"]
        open_right = sum(bool(verdict.correct) for verdict in opened)
        close_right = sum(bool(verdict.correct) for verdict in closed)
        right = open_right + close_right
        if outputs is not None:
            kinds = [verdict.kind for verdict in verdicts] if judges_all else ["open"] * len(opened)
            judged = [kind for kind, output in zip(kinds, outputs, strict=False) if read_judge(output)[1]]
            close_right = 0 if forgets_closed else close_right
            right, open_right = close_right + len(judged), judged.count("open")
            close_right += judged.count("close")
        sums = _sums(opened)
        total = {"total": len(verdicts), "right": right, "acc": _rate(right, len(verdicts))}
        sums["acc"] = _rate(open_right, len(opened))
        return {
            "total metrics": total,
            "open": {
                "total": len(opened),
                "right": open_right,
                **{name: value / len(opened) for name, value in sums.items()},
            },
            "close": {"total": len(closed), "right": close_right, "acc": _rate(close_right, len(closed))},
        }

    return metrics


def _sums(opened: Sequence[MedEvalKitVerdict]) -> dict[str, float]:
    """Sum each measure one by one: ``sum`` rounds in another way from Python 3.12 on."""
    sums: dict[str, float] = dict.fromkeys(_OVERLAPS, 0)
    for verdict in opened:
        for name, value in (verdict.metrics or {}).items():
            sums[name] += value
    return sums


def by_subject(rows: Sequence[Mapping[str, Any]], verdicts: Sequence[MedEvalKitVerdict], outputs: Outputs) -> _Json:
    """Return figures by subject, from the row or its id ("validation_Pharmacy_3"); not all five are needed."""
    parts: dict[str, list[MedEvalKitVerdict]] = {}
    for row, verdict in zip(rows, verdicts, strict=True):
        parts.setdefault(_subject(row), []).append(verdict)
    total: _Json = {"total": _part(verdicts)}
    for subject in sorted(parts, key=lambda name: SUBJECTS.index(name) if name in SUBJECTS else len(SUBJECTS)):
        total[subject] = {**_part(parts[subject]), "num_example": len(parts[subject])}
    return total


def _subject(row: Mapping[str, Any]) -> str:
    return str(row["subject"]) if "subject" in row else row["id"].partition("_")[2].rpartition("_")[0]
