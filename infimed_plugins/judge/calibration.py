"""Measure a judge against labelled verdicts, before its rewards train anything.

Labels are rows of any file that tables/rows.py reads, such as JSON lines::

    {"question": "Which organ?", "answer": "kidney", "reply": "the renal organ", "right": true}

What is measured is the reward itself: a reply counts as right where it is paid in full, by rule or by the judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins.errors import MAX_FAILED_SHARE, DataError, InfimedError
from infimed_plugins.judge.agreement import Agreement, agreement
from infimed_plugins.judge.open_judge import JudgeIdentity, JudgeItem, judge_answers
from infimed_plugins.judge.reward import PROMPT, Judge
from infimed_plugins.limits import read_json
from infimed_plugins.records import Code, GroundTruth, Json
from infimed_plugins.tables.rows import read_rows

_PROBE = JudgeItem("probe", "Which organ is shown?", "gallbladder", "the gall bladder")
Label = tuple[str, GroundTruth, bool]  # reply, truth with its question, right


@dataclass(frozen=True)
class Calibration:
    """A judge's agreement with labels: ``only_judge`` are false positives, ``only_other`` false negatives.

    ``judge`` is the tag of what its verdicts depend on; ``unread`` are the labelled replies without a verdict of it.
    """

    judge: str
    labels: int
    unread: int
    floor: float
    found: Agreement

    @property
    def trouble(self) -> str:
        """Why the judge should train nothing; "" for a judge that may."""
        if self.unread > MAX_FAILED_SHARE * self.labels:
            return f"it gave no verdict on {self.unread:,} of {self.labels:,} labelled replies"
        if self.found.kappa is None:
            return "its labels are all of one kind, and tell nothing"
        low = self.found.kappa < self.floor
        return f"its kappa with labels is {self.found.kappa:.2f}, below the floor of {self.floor:g}" if low else ""


def read_labels(path: Path) -> Iterator[Label]:
    """Yield the labels of a file. Raises MissingFileError, or DataError naming the bad row."""
    for row in read_rows(path):
        question, answer, reply = texts = [row.fields.get(name) for name in ("question", "answer", "reply")]
        right = row.fields.get("right")
        if not (all(isinstance(text, str) for text in texts) and isinstance(right, bool)):
            raise DataError(f'{path}, row {row.number} needs "question", "answer", "reply", and "right", true or false')
        yield str(reply), GroundTruth("text", answer, question=str(question)), right


def calibrate(judge: Judge, labels: Sequence[Label], floor: float) -> Calibration:
    """Return the judge's agreement with labels. Raises DataError where it gave a verdict on none of them."""
    said = judge.ask_all(one for reply, truth, _ in labels for one in judge.questions(reply, truth))
    verdicts = [judge(reply, truth, lambda *question: said[question]) for reply, truth, _ in labels]
    paid = {str(n): one.value == 1.0 for n, one in enumerate(verdicts) if one.code is not Code.UNSCORED}
    if not paid:
        raise DataError(f"not one of {len(labels):,} replies has a verdict: {verdicts[0].reason if verdicts else '-'}")
    found = agreement(paid, {str(number): right for number, (_, _, right) in enumerate(labels)})
    return Calibration(_tag(judge), len(labels), len(labels) - len(paid), floor, found)


def _tag(judge: Judge) -> str:
    return JudgeIdentity(judge.model, judge.model, "openai", judge.shaping, PROMPT).tag


def objections(settings: Mapping[str, Json]) -> Iterator[tuple[str, str, bool]]:
    """Yield what speaks against training with these settings: what, the mend, and True where it must not.

    The server is asked one thing, past the cache. Raises ConfigError for settings that cannot be.
    """
    judge = Judge.configured(settings)
    (probe,) = judge_answers(judge, [_PROBE], PROMPT)
    if probe.value is None:
        yield f"the judge gives no verdict ({probe.reason})", "start it, or mend model and base_url", True
    if judge.calibration is None:
        yield "the judge is not calibrated", "infimed judge calibrate tells how far it is to be trusted", False
        return
    try:
        held = read_json(Path(judge.calibration))
        known = Calibration(**{**held, "found": Agreement(**held["found"])})
        wrong = known.trouble if known.judge == _tag(judge) else f"it is of another judge or prompt, {known.judge}"
    except (InfimedError, OSError, TypeError, KeyError) as error:
        wrong = f"it cannot be read ({error})"
    if wrong:
        yield f"{judge.calibration}: {wrong}", "infimed judge calibrate, with this model and these settings", True
