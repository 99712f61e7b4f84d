"""The form of a response: what the gate of the rewards passes, what an evaluation reads, what the answer then is."""

from __future__ import annotations

import time

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


IN_THE_ANSWER = {  # what an answer with a box in it says
    "**\\boxed{B}**": "B",
    "Therefore, the final answer is: $\\boxed{B}$": "B",
    "答案是 \\boxed{B}。": "B",
    "(\\boxed{B})": "B",
    "x_1 = \\boxed{5}": "5",
    "\\boxed{B} is the correct answer": "B",
    "not \\boxed{B}": "not B",
    "Anything but \\boxed{B}": "Anything but B",
    "~~\\boxed{B}~~": "~~B~~",
    "\\cancel{\\boxed{B}}": "\\cancel{B}",
    "答案不是 \\boxed{B}": "答案不是 B",
    "-\\boxed{5}": "-5",
    "> \\boxed{5}": "> 5",
    "x \\neq \\boxed{12}": "x \\neq 12",
    "\\sqrt{\\boxed{4}}": "\\sqrt{4}",
    "\\frac{\\boxed{1}}{2}": "\\frac{1}{2}",
    "2\\cdot\\boxed{3+4}": "2\\cdot(3+4)",
    "1\\boxed{5}": "1 5",
    ".\\boxed{5}": ".5",
    "\\boxed{5}!": "5!",
    "$\\boxed{5}$ kg": "5 kg",
    "B. \\boxed{Pneumonia}": "B. Pneumonia",
    "\\boxed{B} is wrong": "",
    "\\boxed{B} ❌": "",
    "\\boxed{B}?": "",
}
BEHIND_THE_REASONING = {
    "So the total is $\\boxed{42}$.": "42",
    "Adding up, we get 12 + 30 = \\boxed{42}.": "42",
    "The chance that it is not red is \\boxed{0.3}.": "0.3",
    "**Final Answer**\n\n\\[\n\\boxed{B}\n\\]": "B",
    "It is bright. The lesion is in the \\boxed{left lung}.": "left lung",
    "Since it is not dense, the answer is \\boxed{B}.\n\nI hope this helps!": "B",
    "\\boxed{B}<|im_end|>": "B",
    "The answer is \\boxed{5} kg.": "5 kg.",
    "-x = \\boxed{12}": "-x = 12",
    "So x + 1 = \\boxed{12}": "So x + 1 = 12",
    "so $\\sqrt{x} = \\boxed{12}$": "so $\\sqrt{x} = 12$",
    "V = \\pi r^2 h = \\boxed{12}": "12",
    "The length is at most \\boxed{12}.": "The length is at most 12.",
    "The finding is consistent with \\boxed{B}.": "B",
    "Many students choose \\boxed{B}.": "Many students choose B.",
    "The answer is \\boxed{B} Pneumonia": "B Pneumonia",
    "The answer is not \\boxed{B}.": "The answer is not B.",
    "The correct answer is not\n\\boxed{B}": "The correct answer is not B",
    "It is false that the answer is \\boxed{B}.": "It is false that the answer is B.",
    "The wrong one is \\boxed{B}.": "The wrong one is B.",
    "We can rule out \\boxed{B}.": "We can rule out B.",
    "\\boxed{B} is wrong.": "",
    "\\boxed{B}. Wait, that is wrong.": "",
}
IN_AN_EVALUATION = {
    "So, adding up, \\boxed{B}": "B",
    "The area, not the length, gives \\boxed{42}": "42",
    "\\boxed{B} because it is dense": "B",
    "The wrong one is \\boxed{B}.": "The wrong one is B.",
    "Anything but \\boxed{B}": "Anything but B",
    "x \\Rightarrow \\boxed{12}": "12",
    "No, it is \\boxed{B}": "B",
    "not \\boxed{B}": "not B",
    "\\boxed{B} is wrong.": "B is wrong.",
    "The answer can't be \\boxed{B}.": "The answer can't be B.",
    "I don't think it is \\boxed{B}": "I don't think it is B",
    "\\boxed{B}, wait, no": "B, wait, no",
    "-\\boxed{5}": "-5",
    "$\\sqrt{\\boxed{4}}$": "$\\sqrt{4}$",
    "The mass is \\boxed{5} kg.": "5 kg.",
    "\\boxed{B}. That is incorrect.": "",
}


@pytest.mark.parametrize(("text", "answer"), IN_THE_ANSWER.items())
def test_what_stands_around_the_box_of_an_answer_is_dropped_only_where_it_is_a_known_frame(
    text: str, answer: str
) -> None:
    parsed = parse_response(f"{THINK}<answer>{text}</answer>")
    assert (parsed.format_ok, parsed.answer, bool(parsed.reason)) == (True, answer, not answer)


@pytest.mark.parametrize(("text", "answer"), BEHIND_THE_REASONING.items())
def test_a_sentence_may_lead_to_a_box_behind_the_reasoning_unless_it_denies_it(text: str, answer: str) -> None:
    parsed = parse_response(THINK + text)
    assert (parsed.format_ok, parsed.answer) == (True, answer)


@pytest.mark.parametrize(("text", "answer"), IN_AN_EVALUATION.items())
def test_an_evaluation_passes_over_prose_but_not_over_what_stands_at_the_box(text: str, answer: str) -> None:
    assert parse_response(text, strict=False).answer == answer


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{THINK}<answer>B</answer>", "judged"),
        ("<answer>B</answer>", "malformed"),
        (f"{THINK}\\boxed{{A}} or \\boxed{{B}}", "several"),
        (f"{THINK}\\boxed{{B}} is wrong", "rejected"),
        (f"{THINK}<answer>\\boxed{{}}</answer>", "no_answer"),
    ],
)
def test_a_code_says_for_programs_what_the_reason_says(text: str, code: str) -> None:
    assert parse_response(text).code == code


UNITS = [
    "a ",
    "\\boxed{",
    "\\boxed{B} ",
    "\\boxed{}",
    "<answer>",
    "<think>",
    "</answer>",
    "not ",
    "x = ",
    "\\sqrt{",
    "。",
]


@pytest.mark.parametrize("unit", UNITS)
def test_a_megabyte_of_anything_is_read_at_once(unit: str) -> None:
    long = unit * (1_000_000 // len(unit))
    started = time.process_time()
    for text in (long, f"{THINK}{long}\\boxed{{B}}{long}", f"{THINK}<answer>{long}</answer>"):
        for strict in (True, False):
            parsed = parse_response(text, strict=strict)
            assert parsed.answer or parsed.reason
    assert time.process_time() - started < 5  # a hang guard; 0.3 s are usual


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
