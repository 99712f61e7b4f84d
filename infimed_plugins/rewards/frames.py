"""Coordinate frames: in which coordinates answers are declared to be, and how they become those of the truth.

    truth        the coordinates of the ground truth: nothing is converted (the default)
    thousandths  0 to 1000 in both directions, whatever the picture's size (Qwen-VL, Qwen3-VL)
    original     pixels of the original picture; the truth names its size as "size": [width, height]
    resized      pixels of the picture as the model saw it; the truth names that as "resized": [width, height]

Boxes of a truth are pixels of the original picture. A frame is declared, by the keyword ``answer_frame`` or by "frame"
in a ground truth, and never guessed from the numbers: 0 to 1000 and pixels look alike. Boxes in unknown coordinates are
why IoU rewards stay near 0 (Visual-RFT's issues 143 and 174, VLM-R1's issue 44).
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.parsing.boxes import Box, ParsedBoxes, parse_boxes
from infimed_plugins.records import Frame, GroundTruth, Json, Size

FRAMES: tuple[Frame, ...] = get_args(Frame)


def check_frame(name: str | None) -> Frame | None:
    """The frame of that name. Raises ConfigError where there is none."""
    for frame in FRAMES:
        if frame == name:
            return frame
    if name is not None:
        raise ConfigError(f"answer_frame is {name!r}; one of {', '.join(FRAMES)}")
    return None


def in_frame(truth: GroundTruth, frame: Frame | None) -> GroundTruth:
    """The truth with answers to it declared to be in ``frame``, unless it names one itself."""
    return truth if frame is None or truth.frame != "truth" else replace(truth, frame=frame)


def to_truth(boxes: ParsedBoxes, truth: GroundTruth) -> ParsedBoxes:
    """Predicted boxes in the coordinates of the truth. Raises DataError where a size that is needed is not given."""
    if truth.frame in ("truth", "original"):
        return boxes
    across, down = _scale(truth)
    return replace(boxes, boxes=tuple(_scaled(box, across, down) for box in boxes.boxes))


def gold_answer(truth: GroundTruth) -> Json:
    """What a right answer says: the truth, its boxes in the frame that answers are declared to be in."""
    boxes = None if truth.frame in ("truth", "original") else parse_boxes(truth.answer)
    if boxes is None:
        return truth.answer
    across, down = _scale(truth)
    said: list[Json] = [list(_scaled(box, 1 / across, 1 / down)) for box in boxes.boxes]
    return said[0] if truth.task == "grounding" and len(said) == 1 else said


def _scale(truth: GroundTruth) -> Size:
    """Pixels of the truth to one unit of the answer's frame, across and down."""
    width, height = _needed(truth.size, "size", truth)
    if truth.frame == "thousandths":
        return width / 1000, height / 1000
    seen_width, seen_height = _needed(truth.resized, "resized", truth)
    return width / seen_width, height / seen_height


def _needed(size: Size | None, key: str, truth: GroundTruth) -> Size:
    if size is None:
        what = f"answers in the frame {truth.frame!r} need {key!r}: [width, height] in the ground truth"
        raise DataError(f"{what}; add it to the row, or declare no frame")
    return size


def _scaled(box: Box, across: float, down: float) -> Box:
    return (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
