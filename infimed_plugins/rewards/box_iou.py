"""Boxes: intersection over union for one (first paper, A.3), one-to-one matching for several (ours).

    grounding    IoU of the one predicted box with the true one; several predicted boxes earn 0
    detection    the best sum of IoUs over one-to-one matchings, divided by max(predicted, true)

For one box on each side the two agree. An invalid box earns nothing but counts as predicted, so neither spraying boxes
nor repeating one pays. "No Objects" on both sides is 1. Answers are in the coordinates of the truth unless another
frame is declared (frames.py).

A stated confidence changes no reward. It gives a metric of its own, after Visual-RFT (src/virft/src/open_r1/grpo.py):
the mean over predicted boxes of the confidence where the box is matched with an IoU above 0.5, else of 1 - confidence.
Upstream a confidence of -50 on an unmatched box earns 51; here confidences are held within [0, 1], and a box that
states none, or is invalid, counts 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from infimed_plugins.bounded_cache import cached
from infimed_plugins.errors import MissingExtraError
from infimed_plugins.parsing.boxes import MAX_LENGTH, Box, ParsedBoxes, boxes_as_text, parse_boxes
from infimed_plugins.records import Code, GroundTruth, Json, Verdict
from infimed_plugins.rewards.frames import to_truth

_MATCHED = 0.5  # the IoU above which Visual-RFT takes a box as found
MAX_MATCHED = 300  # boxes a side that take part in matching; the denominator counts all


def grounding(answer: str, truth: GroundTruth, strict: bool = True) -> Verdict:
    """IoU of one box with one box, in [0, 1]. ``strict`` is that of ``parse_boxes``."""
    gold, given = _gold_boxes(truth.answer), parse_boxes(answer, strict)
    if gold is None or len(gold.boxes) != 1 or gold.invalid:
        return Verdict(0.0, None, "the ground truth is not one box [x1, y1, x2, y2]", code=Code.BAD_TRUTH)
    if given is None:
        return _no_boxes(answer, "no box in the answer")
    if given.count == 1 and given.invalid:
        return Verdict(0.0, _shown(given), "an invalid box", code=Code.UNREADABLE)
    if given.count != 1:
        code = Code.SEVERAL if given.count else Code.JUDGED
        return Verdict(0.0, _shown(given), f"{given.count} boxes for one", code=code)
    given = to_truth(given, truth)
    value = iou(given.boxes[0], gold.boxes[0])
    return Verdict(value, _shown(given), "IoU" if value else "the boxes do not meet")


def detection(answer: str, truth: GroundTruth, strict: bool = True) -> Verdict:
    """Sum of matched IoUs over max(predicted, true), in [0, 1]. Raises MissingExtraError without scipy."""
    gold, given = _gold_boxes(truth.answer), parse_boxes(answer, strict)
    if gold is None or gold.invalid:
        return Verdict(0.0, None, "the ground truth is not a list of boxes", code=Code.BAD_TRUTH)
    if given is None:
        return _no_boxes(answer, "neither boxes nor No Objects in the answer")
    if not given.count or not gold.count:
        nothing = not given.count and not gold.count
        return Verdict(float(nothing), _shown(given), "No Objects" if nothing else "objects on one side only")
    given = to_truth(given, truth)
    matched = matching(given.boxes[:MAX_MATCHED], gold.boxes[:MAX_MATCHED])
    value = min(1.0, math.fsum(matched.values()) / max(given.count, gold.count))
    return Verdict(value, _shown(given), f"{given.count} boxes for {gold.count}", _confidence(given, matched))


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x1, y1, x2, y2) of positive area; 0 where floats overflow."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    value = shared / union if union > 0 else 0.0
    return min(1.0, value) if math.isfinite(value) else 0.0


def matching(given: Sequence[Box], gold: Sequence[Box]) -> dict[int, float]:
    """The one-to-one matching with the largest sum of IoUs: the IoU of each matched box in ``given``, by its index."""
    if min(len(given), len(gold)) == 0:
        return {}
    table = [[iou(a, b) for b in gold] for a in given]
    if len(given) == 1:
        return {0: max(table[0])}
    if len(gold) == 1:
        best = max(range(len(given)), key=lambda index: table[index][0])
        return {best: table[best][0]}
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise MissingExtraError("the detection reward", "scipy", "rewards") from error
    rows, columns = linear_sum_assignment(table, maximize=True)
    return {int(row): table[row][column] for row, column in zip(rows, columns, strict=True)}


def _confidence(given: ParsedBoxes, matched: Mapping[int, float]) -> float:
    stated = ((index, value) for index, value in enumerate(given.confidences) if value is not None)
    right = (value if matched.get(index, 0.0) > _MATCHED else 1.0 - value for index, value in stated)
    return math.fsum(right) / given.count


def _gold_boxes(value: Json) -> ParsedBoxes | None:
    """The truth's boxes; its 16 rollouts read them once."""
    text = value if isinstance(value, str) else boxes_as_text(value)
    return None if text is None else _read(text)


_read = cached(4096)(parse_boxes)


def _no_boxes(answer: str, reason: str) -> Verdict:
    """A box that is written and cannot be taken is told from an answer without any."""
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, None, f"longer than {MAX_LENGTH} characters", code=Code.TOO_LONG)
    if any(bracket in answer for bracket in "[(") and any(digit in answer for digit in "0123456789"):
        return Verdict(0.0, None, f"{reason} that can be read with what stands beside it", code=Code.UNREADABLE)
    return Verdict(0.0, None, reason, code=Code.NO_ANSWER)


def _shown(boxes: ParsedBoxes) -> str:
    text = ", ".join(str([round(value, 3) for value in box]) for box in boxes.boxes[:20])
    invalid = f" and {boxes.invalid} invalid" if boxes.invalid else ""
    return f"[{text}]{invalid}"
