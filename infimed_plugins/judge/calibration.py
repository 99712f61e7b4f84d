"""Measure a judge against labelled verdicts, before its rewards train anything.

Labels are rows of any file that tables/rows.py reads, such as JSON lines; the answer is that of a ground truth::

    {"question": "Which organ?", "answer": "kidney", "reply": "the renal organ", "right": true}

What is measured is the reward itself: a reply counts as right where it is paid in full, by rule or by the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from infimed_plugins.engines import batched
from infimed_plugins.errors import MAX_FAILED_SHARE, DataError, InfimedError
from infimed_plugins.judge.agreement import Agreement, agreement
from infimed_plugins.judge.open_judge import JudgeIdentity, JudgeItem, judge_answers
from infimed_plugins.judge.reward import PROMPT, Judge, open_cache
from infimed_plugins.limits import read_json
from infimed_plugins.records import Code, GroundTruth, Json, Verdict
from infimed_plugins.rewards import parse_truth
from infimed_plugins.tables.rows import read_rows

FEWEST = 20  # verdicts of the judge itself, by which it is known
_PROBE = JudgeItem("probe", "Which organ is shown?", "gallbladder", "the gall bladder")
_RIGHT = {"true": True, "false": False}
Label = tuple[str, GroundTruth, bool]  # reply, truth with its question, right


@dataclass(frozen=True)
class Calibration:
    """A judge's agreement with labels: ``only_judge`` are false positives, ``only_other`` false negatives.

    ``judge`` is the tag of what its verdicts depend on; ``unread`` are the labelled replies without a verdict of it,
    ``by_rule`` those on which it was not asked.
    """

    judge: str
    labels: int
    unread: int
    floor: float
    found: Agreement
    by_rule: int = 0

    @property
    def trouble(self) -> str:
        """Why the judge should train nothing; "" for a judge that may."""
        if self.unread > MAX_FAILED_SHARE * self.labels:
            return f"it gave no verdict on {self.unread:,} of {self.labels:,} labelled replies"
        if (itself := self.labels - self.unread - self.by_rule) < FEWEST:
            return (
                f"it was asked about {itself} of {self.labels:,} labelled replies; label {FEWEST} or more open answers"
            )
        if self.found.kappa is None:
            return "labels or verdicts are all of one kind, and tell nothing; label right and wrong replies"
        low = self.found.kappa < self.floor
        return f"its kappa with labels is {self.found.kappa:.2f}, below the floor of {self.floor:g}" if low else ""


def read_labels(path: Path) -> Iterator[Label]:
    """Yield the labels of a file. Raises MissingFileError, or DataError naming the bad row."""
    for row in read_rows(path):
        question, reply = row.fields.get("question"), row.fields.get("reply")
        right = _RIGHT.get(str(row.fields.get("right")).strip().lower())  # a text in CSV
        if not (isinstance(question, str) and isinstance(reply, str) and right is not None):
            raise DataError(f'{path}, row {row.number} needs "question", "answer", "reply", and "right", true or false')
        try:
            yield reply, replace(parse_truth(row.fields, "text"), question=question), right
        except DataError as error:
            raise DataError(f"{path}, row {row.number}: {error}") from error


def calibrate(
    judge: Judge,
    labels: Sequence[Label],
    floor: float,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Calibration:
    """Return the judge's agreement with labels, asked as many at once as its ``concurrency``.

    Raises DataError where it gave a verdict on none of them.
    """
    verdicts: list[Verdict] = []
    for part in batched(labels, judge.concurrency):
        said = judge.ask_all(one for reply, truth, _ in part for one in judge.questions(reply, truth))
        verdicts += [judge(reply, truth, lambda *question, said=said: said[question]) for reply, truth, _ in part]
        progress(len(verdicts), len(labels))
    paid = {str(n): one.value == 1.0 for n, one in enumerate(verdicts) if one.code is not Code.UNSCORED}
    if not paid:
        raise DataError(f"not one of {len(labels):,} replies has a verdict: {verdicts[0].reason if verdicts else '-'}")
    found = agreement(paid, {str(number): right for number, (_, _, right) in enumerate(labels)})
    by_rule = len(paid) - sum(one.code is Code.JUDGED_BY_MODEL for one in verdicts)
    return Calibration(_tag(judge), len(labels), len(labels) - len(paid), floor, found, by_rule)


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
    try:
        open_cache(judge.cache)
    except (InfimedError, OSError) as error:
        yield f"the judge's cache cannot be used ({error})", "name another folder", True
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
