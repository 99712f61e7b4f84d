"""Replies of no strict form, taken apart: tags and boxes that nearly hold, reasoning under other names, end tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.parsing.reply import read_reply
from infimed_plugins.parsing.response import ResponseForm

MARKED_B = [
    "<think>a</think><answer>B</answer>", "<answer>B</answer>", "<answer> B </answer> Done.",
    "<Answer>B</Answer>", "<final_answer>B</final_answer>", "<answer>B", "so <answer>\nB",
    "a</think>\n<answer>B</answer>", "<thinking>A</thinking><answer>B</answer>", "<answer>\\boxed{B}</answer>",
    "<answer>B</answer> <answer>B</answer>", "<answer></answer><answer>B</answer>", "\\boxed{B}",
    "It is \\boxed{B}.", "\\\\boxed{B}", "boxed{B}", "\\fbox{B}", "\\boxed B", "\\boxed{B",
    "\\boxed{\\boxed{B}}", "<think>a</think>\\boxed{B}", "<answer>B</answer><|im_end|>",
    "\\boxed{A} No, on reflection it is dense. \\boxed{B}", "\\boxed{A}\n\nLet me check that again.\n\n\\boxed{B}",
    "<answer>A</answer> The apex, however, is dense. <answer>B</answer>", '<answer>{"answer": "B"}</answer>',
    "<SUMMARY>a</SUMMARY><CONCLUSION> B </CONCLUSION>", "<solution>B</solution>", "<final>B</final>",
    "<conclusion>It is dense, not A.</conclusion><answer>B</answer>", "◁think▷a◁/think▷<answer>B</answer>",
    "<think>a</think>\\boxed{A} But wait, it is dense. \\boxed{B}", "\\boxed{A}. It is dense: \\boxed{B}",
]  # fmt: skip
BARE_B = [
    "B", " B\n", "B<|im_end|>", "B</s>", "\u200bB", "<think>A</think>B", "<thinking>A</thinking>\n\nB",
    "◁think▷A◁/think▷B", "A</think>B", "<answer></answer>\nB",
    '{"answer": "B"}', '{"why": "A or C", "final_answer": "B"}',
    '```json\n{"Answer": "B"}\n```',
]  # fmt: skip
NOTHING = [
    None, 3, b"B", "", " ", "<|im_end|>", "<answer></answer>", "\\boxed{}", "<think>never ends, B",
    "<think>a<think>b</think>B", "<think>a</think><think>b</think>B", "<answer>A</answer><answer>B</answer>",
    "<answer><answer>B</answer>", "B</answer>", "\\boxed{A} or \\boxed{B}",
    "<solution>A</solution><solution>B</solution>", "◁think▷never ends, B",
    "<answer>\\boxed{A} or \\boxed{B}</answer>", "\\boxed{A\n\nSo it is B", '{"answer": "A", "choice": "B"}',
    "\\boxed{A}, \\boxed{B}", "\\boxed{A}. Alternatively \\boxed{B}", "\\boxed{A}\n\nIt could also be \\boxed{B}",
    "<answer>A</answer> My second choice would be <answer>B</answer>", "\\boxed{A} It is dense. Not \\boxed{B}",
]  # fmt: skip


@pytest.mark.parametrize("text", MARKED_B)
def test_a_tag_or_box_holds_the_answer(text: str) -> None:
    reply = read_reply(text)
    assert (reply.text, reply.marked) == ("B", True)


@pytest.mark.parametrize("text", BARE_B)
def test_without_tag_or_box_the_reply_stays_but_for_its_reasoning(text: str) -> None:
    reply = read_reply(text)
    assert (reply.text, reply.marked) == ("B", False)


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_broken_holds_no_answer_and_says_why(text: object) -> None:
    reply = read_reply(text)
    assert reply.text == ""
    assert reply.reason


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("<think>a</think><answer>B</answer>", True),
        ("<answer>B</answer>", False),
        ("a</think><answer>B</answer>", False),
    ],
)
def test_the_format_gate_stays_strict(text: str, passes: bool) -> None:
    assert read_reply(text).well_formed == passes


def test_the_boxed_area_of_a_picture_is_no_box() -> None:
    assert read_reply("The boxed area shows it. B").text == "The boxed area shows it. B"


def test_other_tags_are_read_where_the_form_names_them() -> None:
    form = ResponseForm(answer_tag="verdict")
    assert read_reply("<verdict>B</verdict>", form).text == "B"


PIECES = [
    "<think>",
    "</think>",
    "<answer>",
    "</Answer>",
    "\\boxed{",
    "boxed{",
    "}",
    "\\",
    "B",
    "<|im_end|>",
    " ",
    "\u200b",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_text_is_taken_apart_without_an_error(text: str) -> None:
    reply = read_reply(text)
    assert reply.text or reply.reason
