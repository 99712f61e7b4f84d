"""MedEvalKit's metrics.json, its faults in the sums included (each data set's cal_metrics; utils/MMMU/eval_val.py).

the accuracy of the open part is divided by its size twice (VQA_RAD, PATH_VQA, SLAKE)
PATH_VQA with a judge: the closed part is set to 0 and stays there
SLAKE with a judge: every question is judged, and the closed ones count once by rule and once by judge
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infimed_plugins.errors import DataError
from infimed_plugins.scoring.medevalkit.judge import read_judge
from infimed_plugins.scoring.medevalkit.verdicts import MedEvalKitVerdict, score_rows

SUBJECTS = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)
_JUDGED = ("VQA_RAD", "PATH_VQA", "SLAKE")
_OVERLAPS = ("bleu1", "bleu2", "bleu3", "bleu4", "rouge1", "rouge2", "rougel", "precision", "recall", "f1", "em")
_GROUPS: Mapping[str, Mapping[str, str]] = {
    "OmniMedVQA": {"question type metrics": "question_type", "modality type metrics": "modality_type"},
    **{
        name: {"question type metrics": "question_type", "task type metrics": "medical_task"}
        for name in ("MedXpertQA-MM", "MedXpertQA-Text", "MedXpertQA")
    },
}
_Json = dict[str, Any]


class UpstreamCrashError(DataError):
    """MedEvalKit itself would end here and write no metrics.json; ``error`` is its exception."""

    def __init__(self, error: str, where: str) -> None:
        self.error = error
        super().__init__(f"MedEvalKit would end with {error} {where}; its verdicts on the other replies stand")


def metrics(
    benchmark: str,
    rows: Sequence[Mapping[str, Any]],
    replies: Sequence[str | None],
    judge_outputs: Sequence[str | None] | None = None,
    *,
    verdicts: Sequence[MedEvalKitVerdict] | None = None,
) -> _Json:
    """What upstream would write for these replies.

    ``judge_outputs``, for the three VQA sets, in the order upstream asks: the open questions in turn, for SLAKE every
    question; None for a failed call. ``verdicts`` are those of ``score_rows``, if they are at hand. Raises
    UpstreamCrashError where upstream ends, ConfigError for another benchmark.
    """
    verdicts = score_rows(benchmark, rows, replies) if verdicts is None else verdicts
    failed = next((place for place, verdict in enumerate(verdicts) if verdict.error is not None), None)
    if failed is not None:
        raise UpstreamCrashError(str(verdicts[failed].error), f"on reply {failed}")
    if benchmark in _JUDGED:
        return _vqa(benchmark, verdicts, judge_outputs)
    if benchmark == "MMMU-Medical-val":
        return _mmmu(rows, verdicts)
    total: _Json = {"total metrics": _part(verdicts)}
    for name, column in _GROUPS.get(benchmark, {}).items():
        parts: dict[Any, list[MedEvalKitVerdict]] = {}
        for row, verdict in zip(rows, verdicts, strict=True):
            parts.setdefault(row[column], []).append(verdict)
        total[name] = {value: _part(part) for value, part in parts.items()}
    return total


def asked_of_judge(benchmark: str, verdicts: Sequence[MedEvalKitVerdict]) -> list[int]:
    """The places of the rows that upstream puts to its judge, in its order: of SLAKE all; of a choice set none."""
    if benchmark == "SLAKE":
        return list(range(len(verdicts)))
    opened = [place for place, verdict in enumerate(verdicts) if verdict.kind == "open"]
    return opened if benchmark in _JUDGED else []


def judged_correct(
    benchmark: str, verdicts: Sequence[MedEvalKitVerdict], judge_outputs: Sequence[str | None]
) -> list[bool | None]:
    """Upstream's verdict on each row once a judge has spoken."""
    correct = [verdict.correct for verdict in verdicts]
    places = asked_of_judge(benchmark, verdicts)
    for place, output in zip(places, judge_outputs, strict=False):  # upstream does not count them
        correct[place] = read_judge(output)[1]
    return correct


def _rate(right: float, total: int) -> float:
    if not total:
        raise UpstreamCrashError("ZeroDivisionError: division by zero", "for want of replies of one part")
    return right / total


def _part(verdicts: Sequence[MedEvalKitVerdict]) -> _Json:
    right = [verdict.correct for verdict in verdicts].count(True)
    return {"total": len(verdicts), "right": right, "acc": _rate(right, len(verdicts))}


def _vqa(benchmark: str, verdicts: Sequence[MedEvalKitVerdict], outputs: Sequence[str | None] | None) -> _Json:
    opened = [verdict for verdict in verdicts if verdict.kind == "open"]
    closed = [verdict for verdict in verdicts if verdict.kind == "close"]
    open_right = sum(bool(verdict.correct) for verdict in opened)
    close_right = sum(bool(verdict.correct) for verdict in closed)
    right = open_right + close_right
    if outputs is not None:
        kinds = [verdict.kind for verdict in verdicts] if benchmark == "SLAKE" else ["open"] * len(opened)
        judged = [kind for kind, output in zip(kinds, outputs, strict=False) if read_judge(output)[1]]
        if benchmark == "PATH_VQA":
            close_right = 0
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


def _sums(opened: Sequence[MedEvalKitVerdict]) -> dict[str, float]:
    """Each measure added up one by one: ``sum`` rounds in another way from Python 3.12 on."""
    sums: dict[str, float] = dict.fromkeys(_OVERLAPS, 0)
    for verdict in opened:
        for name, value in (verdict.metrics or {}).items():
            sums[name] += value  # type: ignore[operator]
    return sums


def _mmmu(rows: Sequence[Mapping[str, Any]], verdicts: Sequence[MedEvalKitVerdict]) -> _Json:
    """By subject, which the row or its id names ("validation_Pharmacy_3"); upstream needs all five, this does not."""
    parts: dict[str, list[MedEvalKitVerdict]] = {}
    part: list[MedEvalKitVerdict] = []
    last = None
    for row, verdict in zip(rows, verdicts, strict=True):
        subject = _subject(row)
        if subject != last:
            last, part = subject, parts.setdefault(subject, [])
        part.append(verdict)
    total: _Json = {"total": _part(verdicts)}
    for subject in sorted(parts, key=lambda name: SUBJECTS.index(name) if name in SUBJECTS else len(SUBJECTS)):
        total[subject] = {**_part(parts[subject]), "num_example": len(parts[subject])}
    return total


def _subject(row: Mapping[str, Any]) -> str:
    return str(row["subject"]) if "subject" in row else row["id"].partition("_")[2].rpartition("_")[0]
