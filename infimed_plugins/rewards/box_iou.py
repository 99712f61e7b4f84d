"""Boxes: intersection over union for one (first paper, A.3), one-to-one matching for several (ours).

    grounding    IoU of the one predicted box with the true one; several predicted boxes earn 0
    detection    the best sum of IoUs over one-to-one matchings, divided by max(predicted, true)

For one box on each side the two agree. An invalid box earns nothing but counts as predicted, so neither spraying boxes
nor repeating one pays. "No Objects" on both sides is 1.

Boxes of a truth are pixels of the original picture. In which coordinates answers are is declared, by the keyword
``answer_frame`` or by "frame" in a ground truth, and never guessed from the numbers: 0 to 1000 and pixels look alike.
Boxes in unknown coordinates are why IoU rewards stay near 0 (Visual-RFT's issues 143 and 174, VLM-R1's issue 44).

    truth        the coordinates of the ground truth: nothing is converted (the default)
    thousandths  0 to 1000 in both directions, whatever the picture's size (Qwen-VL, Qwen3-VL)
    original     pixels of the original picture; the truth names its size as "size": [width, height]
    resized      pixels of the picture as the model saw it; the truth names that as "resized": [width, height]

A stated confidence changes no reward. It gives a metric of its own, after Visual-RFT (src/virft/src/open_r1/grpo.py):
the mean over predicted boxes of the confidence where the box is matched with an IoU above 0.5, else of 1 - confidence.
Upstream a confidence of -50 on an unmatched box earns 51; here confidences are held within [0, 1], and a box that
states none, or is invalid, counts 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from infimed_plugins.bounded_cache import cached
from infimed_plugins.errors import DataError, optional_module
from infimed_plugins.parsing.boxes import MAX_LENGTH, Box, ParsedBoxes, boxes_as_text, parse_boxes
from infimed_plugins.records import Code, GroundTruth, Json, Size, Verdict

_MATCHED = 0.5  # the IoU above which Visual-RFT takes a box as found
MAX_MATCHED = 300  # boxes a side that take part in matching; the denominator counts all


def grounding(answer: str, truth: GroundTruth, strict: bool = True) -> Verdict:
    """Return the IoU of one box with one box, in [0, 1]. ``strict`` is that of ``parse_boxes``."""
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
    given = _to_truth(given, truth)
    value = iou(given.boxes[0], gold.boxes[0])
    return Verdict(value, _shown(given), "IoU" if value else "the boxes do not meet")


def detection(answer: str, truth: GroundTruth, strict: bool = True) -> Verdict:
    """Return the sum of matched IoUs over max(predicted, true), in [0, 1]. Raises MissingExtraError without scipy."""
    gold, given = _gold_boxes(truth.answer), parse_boxes(answer, strict)
    if gold is None or gold.invalid:
        return Verdict(0.0, None, "the ground truth is not a list of boxes", code=Code.BAD_TRUTH)
    if given is None:
        return _no_boxes(answer, "neither boxes nor No Objects in the answer")
    if not given.count or not gold.count:
        nothing = not given.count and not gold.count
        return Verdict(float(nothing), _shown(given), "No Objects" if nothing else "objects on one side only")
    given = _to_truth(given, truth)
    matched = matching(given.boxes[:MAX_MATCHED], gold.boxes[:MAX_MATCHED])
    value = min(1.0, math.fsum(matched.values()) / max(given.count, gold.count))
    return Verdict(value, _shown(given), f"{given.count} boxes for {gold.count}", _confidence(given, matched))


def iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes (x1, y1, x2, y2) of positive area; 0 where floats overflow."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    value = shared / union if union > 0 else 0.0
    return min(1.0, value) if math.isfinite(value) else 0.0


def matching(given: Sequence[Box], gold: Sequence[Box]) -> dict[int, float]:
    """Return the one-to-one matching with the largest sum of IoUs: the IoU of each matched ``given`` box by index."""
    if min(len(given), len(gold)) == 0:
        return {}
    table = [[iou(a, b) for b in gold] for a in given]
    if len(given) == 1:
        return {0: max(table[0])}
    if len(gold) == 1:
        best = max(range(len(given)), key=lambda index: table[index][0])
        return {best: table[best][0]}
    optimize = optional_module("scipy.optimize", "the detection reward", "rewards")
    rows, columns = optimize.linear_sum_assignment(table, maximize=True)
    return {int(row): table[row][column] for row, column in zip(rows, columns, strict=True)}


def _confidence(given: ParsedBoxes, matched: Mapping[int, float]) -> float:
    stated = ((index, value) for index, value in enumerate(given.confidences) if value is not None)
    right = (value if matched.get(index, 0.0) > _MATCHED else 1.0 - value for index, value in stated)
    return math.fsum(right) / given.count


def _gold_boxes(value: Json) -> ParsedBoxes | None:
    """Return the truth's boxes; its 16 rollouts read them once."""
    text = value if isinstance(value, str) else boxes_as_text(value)
    return None if text is None else _read(text)


_read = cached(4096)(parse_boxes)


def _no_boxes(answer: str, reason: str) -> Verdict:
    """Return the verdict without boxes: a box that cannot be used is told from an answer without any."""
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, None, f"longer than {MAX_LENGTH} characters", code=Code.TOO_LONG)
    if any(bracket in answer for bracket in "[(") and any(digit in answer for digit in "0123456789"):
        return Verdict(0.0, None, f"{reason} that can be read with what stands beside it", code=Code.UNREADABLE)
    return Verdict(0.0, None, reason, code=Code.NO_ANSWER)


def _shown(boxes: ParsedBoxes) -> str:
    text = ", ".join(str([round(value, 3) for value in box]) for box in boxes.boxes[:20])
    invalid = f" and {boxes.invalid} invalid" if boxes.invalid else ""
    return f"[{text}]{invalid}"


def gold_answer(truth: GroundTruth) -> Json:
    """Return the right answer: the truth, its boxes in the frame that answers are declared to be in."""
    boxes = None if truth.frame in ("truth", "original") else parse_boxes(truth.answer)
    if boxes is None:
        return truth.answer
    across, down = _scale(truth)
    said: list[Json] = [list(_scaled(box, 1 / across, 1 / down)) for box in boxes.boxes]
    return said[0] if truth.task == "grounding" and len(said) == 1 else said


def _to_truth(boxes: ParsedBoxes, truth: GroundTruth) -> ParsedBoxes:
    """Convert predicted boxes to the coordinates of the truth. Raises DataError without a size that is needed."""
    if truth.frame in ("truth", "original"):
        return boxes
    across, down = _scale(truth)
    return replace(boxes, boxes=tuple(_scaled(box, across, down) for box in boxes.boxes))


def _scale(truth: GroundTruth) -> Size:
    """Return the pixels of the truth to one unit of the answer's frame, across and down."""
    seen = (1000.0, 1000.0) if truth.frame == "thousandths" else truth.resized
    for size, key in ((truth.size, "size"), (seen, "resized")):
        if size is None:
            what = f"answers in the frame {truth.frame!r} need {key!r}: [width, height] in the ground truth"
            raise DataError(f"{what}; add it to the row, or declare no frame")
    assert truth.size is not None
    assert seen is not None
    return truth.size[0] / seen[0], truth.size[1] / seen[1]


def _scaled(box: Box, across: float, down: float) -> Box:
    return (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
