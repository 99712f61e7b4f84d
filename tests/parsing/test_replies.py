"""A reply is one text with its reasoning in one block, whatever a server, a trainer or a chat template took out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infimed_plugins.parsing.replies import reply_text, with_opening
from infimed_plugins.parsing.response import parse_response

WHOLE = "<think>why</think><answer>B</answer>"
PARTS = [{"type": "thinking", "thinking": "why"}, {"type": "text", "text": "<answer>B</answer>"}]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (WHOLE, WHOLE),
        *(({"content": "<answer>B</answer>", key: "why"}, WHOLE) for key in ("reasoning_content", "reasoning")),
        (SimpleNamespace(content="<answer>B</answer>", thinking="why"), WHOLE),
        ([{"role": "user", "content": "q"}, {"role": "assistant", "content": PARTS}], WHOLE),
        (PARTS, WHOLE),
        ({"content": WHOLE, "reasoning": "why"}, WHOLE),  # both: once
        ({"content": WHOLE, "reasoning": "before"}, f"<think>before</think>{WHOLE}"),  # as the model wrote them
        ({"content": None, "reasoning": "why"}, "<think>why</think>"),
        ({"content": "B", "reasoning": " \n"}, "B"),
        ({"content": "", "refusal": "No."}, "No."),
        ({"content": ""}, ""),
        ({"content": None}, None),
        ([{"role": "user", "content": "q"}], None),
        (None, None),
    ],
)
def test_a_reply_has_its_reasoning_put_back_once(said: Any, text: str | None) -> None:
    assert reply_text(said) == text


def test_an_evaluation_keeps_the_block_that_it_asked_for() -> None:
    said = {"content": WHOLE, "reasoning": "before"}
    assert reply_text(said, lenient=True) == WHOLE
    assert parse_response(WHOLE, strict=False).answer == "B"
    assert not parse_response(reply_text(said), strict=False).answer


@pytest.mark.parametrize(
    ("reply", "prompt", "text"),
    [
        ("why</think>B", "<|im_start|>assistant\n<think>\n", "<think>why</think>B"),
        ("why it was cut", "<|im_start|>assistant\n<think>\n", "<think>why it was cut"),
        ("<think>why</think>B", "assistant\n<think>", "<think>why</think>B"),  # opened again
        ("B", "<think>\n\n</think>\n\n", "B"),  # a template that thinks for the model
        ("why</think>B", "assistant\n", "why</think>B"),  # the model itself forgot it
        ("why</think>B", None, "<think>why</think>B"),
        ("<think>why</think>B", None, "<think>why</think>B"),
        ("B", None, "B"),
    ],
)
def test_reasoning_that_a_chat_template_opened_is_opened_in_the_reply(
    reply: str, prompt: str | None, text: str
) -> None:
    assert with_opening(reply, prompt) == with_opening(with_opening(reply, prompt), prompt) == text


def test_a_reply_that_was_cut_in_opened_reasoning_holds_no_answer() -> None:
    cut = "It could be B. The answer is B, or"
    assert parse_response(cut, strict=False).answer
    assert not parse_response(with_opening(cut, "assistant\n<think>\n"), strict=False).answer
