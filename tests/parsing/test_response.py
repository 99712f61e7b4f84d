"""The structure of a response: what passes, what does not, and what the answer then is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.parsing import ResponseForm, extract_answer, parse_response

THINK = "<think>The lesion is bright.</think>"
PIECES = ["<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "}", "{", "\\", "B", " ", "\n", "\u200b", "ab c"]

WELL_FORMED = {
    "<think>a</think><answer>B</answer>": "B",
    f"  \n{THINK}\n<answer>\n B \n</answer>\n": "B",
    f"{THINK} So <answer>B</answer> Hope this helps!": "B",
    f"{THINK}<answer>B</answer><|im_end|>": "B",
    "<think></think><answer>B</answer>": "B",
    f"{THINK}\\boxed{{B}}": "B",
    f"{THINK} The answer is \\boxed{{\\frac{{1}}{{2}}}}.": "\\frac{1}{2}",
    f"{THINK}\\boxed{{\\{{1,2\\}}}}": "\\{1,2\\}",
    f"{THINK}\\boxed{{\\{{1}}": "\\{1",  # an escaped brace opens nothing
    f"{THINK}\\\\boxed{{B}}": "B",  # a model that escapes its backslash
    f"{THINK}\\boxed{{B}} again \\boxed{{B}}": "B",
    f"{THINK}put it in \\boxed{{}}: \\boxed{{B}}": "B",
    f"{THINK}<answer>\\boxed{{B}}</answer>": "B",
    f"{THINK}<answer>\\boxed{{\\boxed{{B}}}}</answer>": "B",
    f"{THINK}<answer>It is \\boxed{{B}}.</answer>": "B",
    f"{THINK}<answer>42</answer> \\boxed{{43}}": "42",
    f"{THINK}<answer>\\boxed{{3</answer>": "\\boxed{3",
    f"{THINK}<answer>\\boxed{{}}</answer>": "",
    "<think>first \\boxed{41}</think>\\boxed{42}": "42",
    f"{THINK}\\boxed{{A}} or \\boxed{{B}}": "",
    f"{THINK}<answer>\\boxed{{A}} or \\boxed{{B}}</answer>": "",
}

MALFORMED = [
    "",
    "B",
    "<answer>B</answer>",
    "\\boxed{B}",
    THINK,
    f"{THINK}B",
    f"Sure! {THINK}<answer>B</answer>",
    "<think>a<answer>B</answer>",
    "a</think><answer>B</answer>",
    "</think>a<think><answer>B</answer>",
    "<answer>B</answer><think>a</think>",
    "<think>a<answer>B</answer></think>",
    "<think>a<answer>A</answer></think><answer>B</answer>",
    "<think>a<answer>A</answer></think>\\boxed{B}",
    "<think>a<answer>B</think></answer>",
    "<think>a \\boxed{B}</think> Done.",
    "<think>a<think>b</think>c</think><answer>B</answer>",
    "<think>a</think><think>b</think><answer>B</answer>",
    "<think>a</think></think><answer>B</answer>",
    f"{THINK}<answer>A</answer><answer>B</answer>",
    f"{THINK}<answer>B</answer><answer>B</answer>",
    f"{THINK}<answer><answer>B</answer></answer>",
    f"{THINK}<answer>B",
    f"{THINK}B</answer>",
    f"{THINK}</answer>B<answer>",
    f"{THINK}<answer>B<answer>",
    f"{THINK}<answer></answer>",
    f"{THINK}<answer> \n\t\u00a0</answer>",
    f"{THINK}<answer>\u200b\ufeff</answer>",
    f"{THINK}<answer></answer> \\boxed{{B}}",
    f"{THINK}\\boxed{{}}",
    f"{THINK}\\boxed{{ }}",
    f"{THINK}\\boxed{{B",
    f"{THINK}\\boxed{{B}} \\boxed{{C",
    f"{THINK}\\boxed{{\\frac{{1}}{{2}}",
    f"{THINK}\\boxed{{B\\}}",
    f"{THINK}\\boxed B",
    f"{THINK}boxed{{B}}",
    "<THINK>a</THINK><ANSWER>B</ANSWER>",
    "< think >a< /think >< answer >B< /answer >",
    "＜think＞a＜/think＞＜answer＞B＜/answer＞",
    "&lt;think&gt;a&lt;/think&gt;&lt;answer&gt;B&lt;/answer&gt;",
    "<thinking>a</thinking><answer>B</answer>",
    "<think>a</think><final>B</final>",
    "<think>a</think><answer >B</answer>",
    "[think]a[/think][answer]B[/answer]",
]


@pytest.mark.parametrize(("text", "answer"), WELL_FORMED.items())
def test_a_well_formed_response_gives_its_answer(text: str, answer: str) -> None:
    parsed = parse_response(text)
    assert (parsed.format_ok, parsed.answer) == (True, answer)


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_response_gives_nothing_but_the_reason(text: str) -> None:
    parsed = parse_response(text)
    assert (parsed.format_ok, parsed.answer, parsed.reasoning) == (False, "", "")
    assert parsed.reason


@pytest.mark.parametrize("value", [None, 3, b"<think>a</think><answer>B</answer>", ["<think>"], float("nan")])
def test_what_is_no_string_is_malformed(value: object) -> None:
    assert not parse_response(value).format_ok
    assert extract_answer(value) == ""


def test_the_reasoning_comes_without_tags() -> None:
    assert parse_response("<think> Two\nlines. </think><answer>B</answer>").reasoning == "Two\nlines."


def test_a_rival_beside_the_box_of_an_answer_stays_in_the_answer() -> None:
    assert parse_response(f"{THINK}<answer>A \\boxed{{B}}</answer>").answer.split() == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("B", "B"),
        ("  pleural effusion \n", "pleural effusion"),
        ("It is \\boxed{B}", "B"),
        ("<answer> B </answer>", "B"),
        ("<think>a</think> B", "B"),
        ("<think>a</think><answer>B</answer>", "B"),
        ("<think>never ends, B", ""),
        ("a</think>B", "B"),
        ("<think>a</think><think>b</think>B", ""),
        ("<answer>A</answer><answer>B</answer>", ""),
        ("<answer>B", "B"),
        ("\\boxed{A} or \\boxed{B}", ""),
        ("\\boxed{A", "A"),
        ("\\boxed{}", ""),
        ("", ""),
    ],
)
def test_an_untagged_reply_is_read_or_abstained_from(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_the_gate_never_passes_without_one_block_of_reasoning_and_one_answer(text: str) -> None:
    parsed = parse_response(text)
    assert isinstance(extract_answer(text), str)
    if not parsed.format_ok:
        return
    assert text.strip().startswith("<think>")
    assert text.count("<think>") == text.count("</think>") == 1
    tail = text.partition("</think>")[2]
    tagged = text.count("<answer>") == text.count("</answer>") == 1
    if tagged:
        assert tail.index("<answer>") < tail.index("</answer>")
        assert tail.partition("<answer>")[2].partition("</answer>")[0].strip()
    else:
        assert "<answer>" not in text
        assert "</answer>" not in text
        assert "\\boxed{" in tail
        assert "}" in tail.partition("\\boxed{")[2]


@given(st.text(alphabet="ab{}\\ $", max_size=40))
def test_braces_are_balanced_as_latex_counts_them(inside: str) -> None:
    depth, position, closes_early = 0, 0, False
    while position < len(inside):
        mark = inside[position]
        position += 2 if mark == "\\" else 1
        depth += {"{": 1, "}": -1}.get(mark, 0)
        closes_early = closes_early or depth < 0
    ends_in_escape = position > len(inside)  # the escape would take the closing brace with it
    whole = not closes_early and depth == 0 and not ends_in_escape and bool(inside.strip())
    parsed = parse_response(f"{THINK}\\boxed{{{inside}}}")
    if whole and "\\boxed" not in inside:
        assert parsed.answer == inside.strip()
    elif not closes_early:
        assert not parsed.format_ok


MARKED_B = [
    "<think>a</think><answer>B</answer>", "<answer>B</answer>", "<think>a\n<answer>B</answer>",
    "<think>a<think>b</think><answer>B</answer>", "<answer>B</answer><answer> B </answer>",
    "<answer> B </answer> Done.",
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
    "B", " B\n", "B\n</answer>", "<think>a</think>B</answer>", "<think>a<think>b</think>B",
    "B<eoa>\nC", "A<eoe>B<eoa>", "B<eoe>",
    "B<|im_end|>", "B</s>", "\u200bB", "<think>A</think>B", "<thinking>A</thinking>\n\nB",
    "◁think▷A◁/think▷B", "A</think>B", "<answer></answer>\nB",
    '{"answer": "B"}', '{"why": "A or C", "final_answer": "B"}',
    '```json\n{"Answer": "B"}\n```',
]  # fmt: skip
NOTHING = [
    None, 3, b"B", "", " ", "<|im_end|>", "<answer></answer>", "\\boxed{}", "<think>never ends, B", "<a>\n</a>",
    "<think>a</think><think>b</think>B", "<answer>A</answer><answer>B</answer>",
    "<answer><answer>B</answer>", "B</answer> or C</answer>", "\\boxed{A} or \\boxed{B}",
    "<solution>A</solution><solution>B</solution>", "◁think▷never ends, B",
    "<answer>\\boxed{A} or \\boxed{B}</answer>", "\\boxed{A\n\nSo it is B", '{"answer": "A", "choice": "B"}',
    "\\boxed{A}, \\boxed{B}", "\\boxed{A}. Alternatively \\boxed{B}", "\\boxed{A}\n\nIt could also be \\boxed{B}",
    "<answer>A</answer> My second choice would be <answer>B</answer>", "\\boxed{A} It is dense. Not \\boxed{B}",
]  # fmt: skip


@pytest.mark.parametrize("text", MARKED_B)
def test_a_tag_or_box_holds_the_answer(text: str) -> None:
    reply = parse_response(text, strict=False)
    assert (reply.answer, reply.marked) == ("B", True)


@pytest.mark.parametrize("text", BARE_B)
def test_without_tag_or_box_the_reply_stays_but_for_its_reasoning(text: str) -> None:
    reply = parse_response(text, strict=False)
    assert (reply.answer, reply.marked) == ("B", False)


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_broken_holds_no_answer_and_says_why(text: object) -> None:
    reply = parse_response(text, strict=False)
    assert reply.answer == ""
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
    assert parse_response(text, strict=False).format_ok == passes


def test_the_boxed_area_of_a_picture_is_no_box() -> None:
    assert parse_response("The boxed area shows it. B", strict=False).answer == "The boxed area shows it. B"


def test_other_tags_are_read_where_the_form_names_them() -> None:
    form = ResponseForm(answer_tag="verdict")
    assert parse_response("<verdict>B</verdict>", form, strict=False).answer == "B"


LOOSE_PIECES = [
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


@given(st.lists(st.sampled_from(LOOSE_PIECES), max_size=14).map("".join))
def test_any_text_is_taken_apart_without_an_error(text: str) -> None:
    reply = parse_response(text, strict=False)
    assert reply.answer or reply.reason
