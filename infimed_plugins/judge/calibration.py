"""Measure a judge against labelled verdicts, before its rewards train anything.

Labels are rows of any file that tables/rows.py reads, such as JSON lines::

    {"question": "Which organ?", "answer": "kidney", "reply": "the renal organ", "right": true}

What is measured is the reward itself: a reply counts as right where it is paid in full, by rule or by the judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from infimed_plugins.engines import batched
from infimed_plugins.errors import MAX_FAILED_SHARE, ConfigError, DataError, InfimedError, MissingFileError
from infimed_plugins.judge.agreement import Agreement, agreement
from infimed_plugins.judge.reward import Judge
from infimed_plugins.limits import read_json
from infimed_plugins.records import Code, GroundTruth, Json
from infimed_plugins.rewards.scorer import JUDGE, find_reward
from infimed_plugins.tables.rows import read_rows

FLOOR = 0.6  # Cohen's kappa; ours: "substantial" in Landis and Koch (1977)
_BATCH = 512  # labels asked at once, each batch within the judge's time
_NEEDS = '"question", "answer" and "reply", texts, and "right", true or false'


@dataclass(frozen=True)
class Label:
    """A reply to an open question, and a person's verdict on it."""

    question: str
    answer: str
    reply: str
    right: bool


@dataclass(frozen=True)
class Calibration:
    """A judge's agreement with labels; ``found.only_judge`` are false positives, ``found.only_other`` false negatives.

    ``judge`` is the tag of what its verdicts depend on, ``asked`` how many replies the rules left to it, ``unread``
    those on which it gave no verdict.
    """

    judge: str
    model: str
    labels: int
    asked: int
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

    def to_json(self) -> dict[str, Json]:
        """Return the content of the file."""
        return {**asdict(self), "found": asdict(self.found)}


def read_labels(path: Path) -> list[Label]:
    """Return the labels of a file. Raises MissingFileError, or DataError naming the bad row."""
    if not path.is_file():
        raise MissingFileError(f"there is no {path}; name a file of rows with {_NEEDS}")
    return [_label(path, row.number, {} if row.fault else row.fields) for row in read_rows(path)]


def _label(path: Path, number: int, row: Json) -> Label:
    given = {name: row.get(name) for name in ("question", "answer", "reply", "right")}
    texts = [value for name, value in given.items() if name != "right"]
    if not (all(isinstance(text, str) for text in texts) and texts[1] and isinstance(given["right"], bool)):
        raise DataError(f"{path}, row {number} needs {_NEEDS}")
    return Label(**given)


def calibrate(
    judge: Judge,
    labels: Sequence[Label],
    floor: float = FLOOR,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Calibration:
    """Return the judge's agreement with labels. Raises DataError without a verdict on any of them."""
    if not 0 <= floor <= 1:
        raise ConfigError(f"the floor is {floor:g}; it must be within 0 and 1")
    paid: dict[str, bool] = {}
    asked = 0
    for batch in batched(enumerate(labels), _BATCH):
        rows = [(str(n), one.reply, GroundTruth("text", one.answer, question=one.question)) for n, one in batch]
        questions = [question for _, reply, truth in rows for question in judge.questions(reply, truth)]
        asked, said = asked + len(questions), judge.ask_all(questions)
        verdicts = {id: judge(reply, truth, lambda *question, said=said: said[question]) for id, reply, truth in rows}
        reasons = {verdict.reason for verdict in verdicts.values() if verdict.code is Code.UNSCORED}
        paid |= {id: one.value == 1.0 for id, one in verdicts.items() if one.code is not Code.UNSCORED}
        progress(batch[-1][0] + 1, len(labels))
    if not paid:
        raise DataError(f"the judge gave no verdict on any of {len(labels):,} replies: {min(reasons, default='')}")
    found = agreement(paid, {str(number): label.right for number, label in enumerate(labels)})
    return Calibration(judge.identity.tag, judge.model, len(labels), asked, len(labels) - len(paid), floor, found)


def read_calibration(path: Path) -> Calibration:
    """Return what `infimed judge calibrate` wrote. Raises MissingFileError or DataError."""
    try:
        held = read_json(path)
        return Calibration(**{**held, "found": Agreement(**held["found"])})
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no {path}; write it with: infimed judge calibrate") from error
    except (OSError, TypeError, KeyError) as error:
        raise DataError(f"{path} is no calibration of a judge; write it with: infimed judge calibrate") from error


def objections(settings: Json) -> Iterator[tuple[str, str, bool]]:
    """Yield what speaks against training with the judge of these settings: what, the mend, and if it must not run.

    The server is asked one thing. Raises ConfigError for settings that cannot be.
    """
    judge: Judge = find_reward(JUDGE, json.dumps(settings, sort_keys=True))  # type: ignore[assignment]
    if trouble := judge.trouble():
        yield f"the judge gives no verdict ({trouble})", "start it, or mend model and base_url", True
    if judge.calibration is None:
        yield "the judge is not calibrated", "infimed judge calibrate tells how far it is to be trusted", False
        return
    mend = f"infimed judge calibrate --out {judge.calibration}, with this model and these settings"
    try:
        known = read_calibration(Path(judge.calibration))
    except InfimedError as error:
        yield f"its calibration cannot be read ({error})", mend, True
        return
    if known.judge != judge.identity.tag:
        yield f"{judge.calibration} is that of another judge or prompt, {known.judge}", mend, True
    elif known.trouble:
        yield f"{judge.calibration}: {known.trouble}", "take a better judge, or look at its prompt", True
