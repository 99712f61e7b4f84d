"""Tell looking from guessing: accuracy with and without the right picture, beside what needs no model at all.

``chance`` draws an option (or one of yes and no); the best constant answer is the one letter, word or box which is
right most often on these very questions. A figure that is no better than they are says nothing of the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from infimed_plugins.benchmarks.judged import Judged, Run, Setting
from infimed_plugins.benchmarks.robustness.perturbations import WITHOUT_PICTURE
from infimed_plugins.parsing.yes_no import polarity_of_gold
from infimed_plugins.reports.statistics import OVER_IMAGES, Estimate, Rate, share, stream, wilson
from infimed_plugins.rewards.box_iou import iou

SAME_BOX = 0.5  # IoU that is right, as in scoring/robust.py
MOST_BOXES = 2_000  # candidates for the best constant box: every pair is compared
MOST_TEXT = 40  # characters


@dataclass(frozen=True)
class Baseline:
    """What a benchmark's questions give without a model: shares in [0, 1]. ``answers`` are the constant ones."""

    benchmark: str
    questions: int
    chance: float
    constant: Rate
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """A model's answers without the right picture (the variant of ``asked``: blank, swap or noimage), on the questions
    scored both ways: accuracies, the share of right answers that stay right, and of answers that are another, or none
    that can be read. ``kind`` is that of their intervals."""

    model: str
    benchmark: str
    asked: Setting
    right: Estimate
    without: Estimate
    kept: Estimate
    changed: Estimate
    questions: int
    kind: str


def baseline(run: Run) -> Baseline:
    """Return the baselines of a run's scored questions."""
    rows = [row for row in run.rows if row.accuracy is not None]
    by_task: dict[str, list[Judged]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(row)
    best = [_best_constant(task, listed) for task, listed in by_task.items()]
    right = wilson(sum(count for _, count in best), len(rows))
    chance = sum(map(_chance, rows)) / max(1, len(rows))
    return Baseline(run.benchmark, len(rows), chance, right, tuple(answer for answer, count in best if count))


def _chance(row: Judged) -> float:
    if row.task == "multiple_choice":
        return 1 / len(row.options or "AB") if len(str(row.gold)) == 1 else 0.0
    return 0.5 if row.task == "text" and polarity_of_gold(str(row.gold)) else 0.0


def _best_constant(task: str, rows: Sequence[Judged]) -> tuple[str, int]:
    """Return the answer that is right most often, and how often."""
    if task == "grounding":
        boxes = [row.gold for row in rows]
        step = max(1, len(boxes) // MOST_BOXES)
        counts = [(sum(iou(box, other) >= SAME_BOX for other in boxes), box) for box in boxes[::step]]
        count, best = max(counts, key=lambda counted: counted[0])
        return str(list(best)), count
    if task == "detection":
        return "No Objects", sum(row.gold == [] for row in rows)
    (answer, count), *_ = Counter(_plain(row) for row in rows).most_common(1)
    return answer[:MOST_TEXT], count


def _plain(row: Judged) -> str:
    gold = str(row.gold)
    return gold if row.task == "multiple_choice" else polarity_of_gold(gold) or gold.strip().casefold()


def looks(runs: Sequence[Run], seed: int = 0) -> Iterator[Look]:
    """Yield a line for each run without the right picture beside the same model's run as it is."""
    plain = {(one.model, one.benchmark, one.asked): one for one in runs}
    for run in runs:
        as_it_is = plain.get((run.model, run.benchmark, replace(run.asked, variant="")))
        if run.variant in WITHOUT_PICTURE and as_it_is is not None:
            after = {row.id: row for row in run.rows if row.accuracy is not None}
            pairs = [(row, after[row.id]) for row in as_it_is.rows if row.accuracy is not None and row.id in after]
            if pairs:
                yield _look(run, pairs, stream(seed, run.benchmark))


def _look(run: Run, pairs: Sequence[tuple[Judged, Judged]], seed: Sequence[int]) -> Look:
    right = [(a, b) for a, b in pairs if a.accuracy == 1]

    def shown(of: Sequence[tuple[Judged, Judged]], true: Callable[[Judged, Judged], bool]) -> Estimate:
        return share([true(a, b) for a, b in of], [a.image for a, _ in of], seed=seed)

    return Look(
        run.model,
        run.benchmark,
        run.asked,
        shown(pairs, lambda a, b: a.accuracy == 1),
        shown(pairs, lambda a, b: b.accuracy == 1),
        shown(right, lambda a, b: b.accuracy == 1),
        shown(pairs, lambda a, b: _answer(a) != _answer(b)),
        len(pairs),
        OVER_IMAGES if len({a.image for a, _ in pairs}) < len(pairs) else "Wilson",
    )


def _answer(row: Judged) -> str | None:
    """Return what was read of a reply; all of it where a scorer names no answer, None where none can be read."""
    return row.text if row.parsed is None and not row.invalid else row.parsed
