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

from infimed_plugins.answers.boxes import Box, ParsedBoxes
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.records import Frame, GroundTruth, Size

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
    width, height = _needed(truth.size, "size", truth)
    seen_width, seen_height = (
        (1000.0, 1000.0) if truth.frame == "thousandths" else _needed(truth.resized, "resized", truth)
    )
    across, down = width / seen_width, height / seen_height
    return replace(boxes, boxes=tuple(_scaled(box, across, down) for box in boxes.boxes))


def _needed(size: Size | None, key: str, truth: GroundTruth) -> Size:
    if size is None:
        raise DataError(f"answers in the frame {truth.frame!r} need {key!r}: [width, height] in the ground truth")
    return size


def _scaled(box: Box, across: float, down: float) -> Box:
    return (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
