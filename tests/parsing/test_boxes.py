"""Boxes in the forms models write them, and what is none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.parsing import parse_boxes
from infimed_plugins.records import Json

BOX, OTHER = (10.0, 20.0, 110.0, 220.0), (200.0, 200.0, 300.0, 300.0)

ONE = [
    "The corners of the lesion are: top-left (10, 20), bottom-right (110, 220).",
    "[10, 20, 110, 220]",
    "[ 10 ,20,  110,220 ]",
    "[10.0, 2e1, +110, 220.]",
    "(10, 20, 110, 220)",
    "10, 20, 110, 220",
    "10 20 110 220",
    "[10 20 110 220]",
    "[[10, 20, 110, 220]]",
    "[10, 20, 110, 220],",
    "[10，20，110，220]",
    "[１０, 20, 110, 220]",
    "$[10, 20, 110, 220]$",
    "\\left[10, 20, 110, 220\\right]",
    "**[10, 20, 110, 220]**",
    "`[10, 20, 110, 220]`",
    '{"bbox_2d": [10, 20, 110, 220], "label": "lesion"}',
    '{"label": "lesion [left] (big), \\"x\\"", "bbox_2d": [10, 20, 110, 220]}',
    "{'Position': [10, 20, 110, 220], 'Confidence': 0.9}",
    "{'position': (10, 20, 110, 220), 'extra': {'a': [[1], 2]}}",
    '```json\n[{"bbox_2d": [10, 20, 110, 220], "label": "lesion"}]\n```',
    "```\n[10, 20, 110, 220]\n```",
    'Here it is:\n```json\n{"bbox_2d": [10, 20, 110, 220]}\n```',
    "(10,20),(110,220)",
    "<|box_start|>(10,20),(110,220)<|box_end|>",
    "<|object_ref_start|>the patient's lesion<|object_ref_end|><|box_start|>(10,20),(110,220)<|box_end|>",
    "The lesion is at [10, 20, 110, 220].",
    "The lesion (nodule) isn't small: [10, 20, 110, 220] in the left lung.",
    [10, 20, 110, 220],
    (10.0, 20.0, 110.0, 220.0),
    {"bbox_2d": [10, 20, 110, 220]},
]
SEVERAL = [
    "[[10, 20, 110, 220], [200, 200, 300, 300]]",
    "[10, 20, 110, 220], [200, 200, 300, 300]",
    "[10, 20, 110, 220]\n[200, 200, 300, 300]",
    "[10, 20, 110, 220] and [200, 200, 300, 300]",
    "(10,20),(110,220),(200,200),(300,300)",
    "[{'Position': [10, 20, 110, 220], 'Confidence': 0.9}, {'Position': [200, 200, 300, 300], 'Confidence': 'high'}]",
    "[{'bbox_2d': [10, 20, 110, 220]}, [200, 200, 300, 300]]",
    [[10, 20, 110, 220], [200, 200, 300, 300]],
]
INVALID = {  # how many invalid boxes are counted
    "[10, 20, 110]": 1,
    "[10, 20, 110, 220, 0.9]": 1,
    "[10, 20, 110, 220, 10, 20, 110, 220]": 1,
    "[110, 220, 10, 20]": 1,
    "[50, 50, 50, 50]": 1,
    "[nan, nan, nan, nan]": 1,
    "[NaN, 0, 1, 1]": 1,
    "[-inf, -inf, inf, inf]": 1,
    "[0, 0, 1e999, 1]": 1,
    "[x1, y1, x2, y2]": 1,
    "[true, 0, 1, 1]": 1,
    "[1_0, 20, 110, 220]": 1,
    "[0x0a, 20, 110, 220]": 1,
    "[" + "1" * 30_000 + ", 1, 2, 3]": 1,
    "[[10, 20], [110, 220]]": 2,
    '["10", "20", "110", "220"]': 4,
    '{"x": 10, "y": 20, "w": 100, "h": 200}': 1,
    "{'Position': [10, 20, 110]}": 1,
    "{'Position': [], 'Confidence': 1}": 1,
    "{'Position': [1, 1, 2, 2], 'bbox': [1, 1, 2, 2]}": 1,
    "10, 20, 110": 1,
    "12": 1,
}
NO_BOX: list[Json] = [
    "",
    " ",
    "left lower lobe",
    "__import__('os').getpid()",
    "[" * 50_000,
    "[" * 3000 + "]" * 3000,
    "{" * 3000,
    "[[10, 20, 110, 220]",
    "[{'Position': [10, 10, 110, 110], 'Confidence': 0.9}, {'Posi",
    "[10, 20, 110, 220] [",
    "at [see figure]",
    "[1, 2, 3, 4]" * 10_000,
    "\ud800",
    "\0",
    None,
    object(),
    True,
]


@pytest.mark.parametrize("answer", ONE, ids=str)
def test_one_box_is_read_in_every_form(answer: Json) -> None:
    read = parse_boxes(answer)
    assert read is not None
    assert (read.boxes, read.invalid) == ((BOX,), 0)


@pytest.mark.parametrize("answer", SEVERAL, ids=str)
def test_several_boxes_are_read_in_order(answer: Json) -> None:
    read = parse_boxes(answer)
    assert read is not None
    assert (read.boxes, read.invalid) == ((BOX, OTHER), 0)


@pytest.mark.parametrize(("answer", "count"), INVALID.items(), ids=lambda value: str(value)[:40])
def test_an_invalid_box_is_counted_and_never_repaired(answer: str, count: int) -> None:
    read = parse_boxes(answer)
    assert read is not None
    assert (read.boxes, read.invalid, read.count) == ((), count, count)


@pytest.mark.parametrize(
    "answer", NO_BOX, ids=lambda value: type(value).__name__ if type(value) is object else str(value)[:40]
)
def test_what_states_no_box_is_none(answer: Json) -> None:
    assert parse_boxes(answer) is None


KNOWN = [
    "lesion: @", "Here is the bounding box of the lesion: @",
    "The lesion is at @.", "The bounding box is @", "bbox: @", "Answer: @", "It is @.", "**Lesion**: @",
    "The tumor in the left lung is located at @.", "The lesion's bounding box coordinates are @",
    "The lesion (nodule) is at @",
    'Here is the box in JSON:\n```json\n[{"bbox_2d": @, "label": "lesion"}]\n```', "<ref>lesion</ref><box>@</box>",
    "<|object_ref_start|>lesion<|object_ref_end|><|box_start|>(10,20),(110,220)<|box_end|>", "病变位于@。",
    "<box>@</box>", 
    "x1=10, y1=20, x2=110, y2=220", '{"x_min": 10, "y_min": 20, "x_max": 110, "y_max": 220}',
]  # fmt: skip
DENIED = [
    "not @", "@ is wrong", "@ or nothing", "~~@~~", "@ ❌", "The lesion is not at @", "no lesion at @", "¬@",
    "outside @",
    "The lesion isn't at @", "anything but @", "wrong: @", "不是@", "病变不在@", "I doubt it is at @",
    "The lesion used to be at @", "decoy at @", "fake: @",
    "Not: [{'bbox': @}]", "[{'bbox': @}] is wrong",
]  # fmt: skip
NOT_UNDERSTOOD = [
    "@?", "maybe @", "The lesion could be at @.", "@ (not sure)", "@ contains no lesion", "Anything besides @", "-@",
    "@, but probably elsewhere", "@ or [1, 2, 3, 4]", "lesion: @ x", "cancel @", "2 * @",
]  # fmt: skip


@pytest.mark.parametrize("form", KNOWN)
def test_a_label_or_an_announcement_of_a_known_form_may_stand_beside_a_box(form: str) -> None:
    read = parse_boxes(form.replace("@", "[10, 20, 110, 220]"), strict=True)
    assert read is not None
    assert (read.boxes, read.invalid) == ((BOX,), 0)


@pytest.mark.parametrize("form", DENIED)
def test_a_denied_box_is_none(form: str) -> None:
    for strict in (True, False):
        assert parse_boxes(form.replace("@", "[10, 20, 110, 220]"), strict=strict) is None


@pytest.mark.parametrize("form", NOT_UNDERSTOOD)
def test_a_strict_reading_takes_no_box_beside_words_it_does_not_know(form: str) -> None:
    answer = form.replace("@", "[10, 20, 110, 220]")
    assert parse_boxes(answer, strict=True) is None
    assert parse_boxes(answer) is not None


@pytest.mark.parametrize(
    "answer", ["No Objects", "no objects.", "No object", "None", "[]", "[ ]", [], "```json\n[]\n```"]
)
def test_nothing_is_an_answer_too(answer: Json) -> None:
    read = parse_boxes(answer)
    assert read is not None
    assert read.count == 0


def test_a_valid_box_among_invalid_ones_is_kept() -> None:
    read = parse_boxes("[[10, 20, 110, 220], [1, 2], [nan, 0, 1, 1]]")
    assert read is not None
    assert (read.boxes, read.invalid) == ((BOX,), 2)


NUMBER = st.floats(-1e4, 1e4, allow_nan=False).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER), max_size=6))
def test_a_list_of_boxes_survives_the_round_trip(boxes: list[tuple[float, float, float, float]]) -> None:
    valid = tuple(box for box in boxes if box[2] > box[0] and box[3] > box[1])
    for written in (str([list(box) for box in boxes]), str(boxes)):
        read = parse_boxes(written)
        assert read is not None
        assert (read.boxes, read.count) == (valid, len(boxes))


@given(st.text(alphabet="[](){},:'\"0123456789.-eE xnaif", max_size=60))
def test_any_text_is_read_without_an_error_and_only_proper_boxes_come_out(text: str) -> None:
    read = parse_boxes(text)
    for x1, y1, x2, y2 in read.boxes if read else ():
        assert all(map(math.isfinite, (x1, y1, x2, y2)))
        assert x2 > x1
        assert y2 > y1
