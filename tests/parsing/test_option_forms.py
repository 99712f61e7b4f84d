"""The whole forms of an answer that earn a reward: read_option(strict=True)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.parsing.options import Reading, read_option

# Given up with the strict reader, whose forms are whole: letters in angle brackets, "B. False" without the options.

COMMITTED_TO_B = r"""
B|(B)|B.|B)|b|B:|B;|B!|[B]|{B}|"B"|`B`|- B|* B|B。|（B）|【B】|Ｂ|$B$|**B**|\text{B}|\textbf{B}
\mathrm{B}|\boxed{\text{B}}|B\.
B B B|(B). |B. Pneumonia|B: Pneumonia|B.Pneumonia|(B) Pneumonia|(B). Pneumonia|B) pneumonia|b) pneumonia|B, pneumonia
B - Pneumonia|B – Pneumonia|B (Pneumonia)|B、肺炎|B. No|B. No pneumothorax|B. None of the above
\textbf{B. Mass}
B. Vitamin C deficiency|B. Hepatitis C|B. Type A dissection|B. Stage I disease|B. A mass in the left lung
B. C-reactive protein|B. T-cell lymphoma|The answer is B|The correct answer is (B).|The answer is **B**.
the answer is b.
The answer is B because it is bright|The answer is option B|The answer to this question is B.|The correct option is B
The best answer is B|The final answer is $\boxed{\text{B}}$|The answer is B: pneumonia|The answer is: B) Pneumonia
Answer: B|ANSWER: B|Answer B|Answer: B. Pneumonia|Ans: B|Final answer: B|Option B|Choice B|Option (B): Pneumonia
I choose B
Option B is correct|B is correct|B is the correct answer.|(B) is right|答案是B|答案：B|选B
Comparing A, B, C and D, the answer is B|It is not A, the answer is B|Not A, so the answer is B
"""

COMMITTED_TO_NOTHING = """
?|B?|I do not know|None of these|All of the above|Cannot be determined|Pneumonia|В|!B|~B|Not B|not B|A-D|A through D
A or B|A/B|B / C|either A or C|Either B|Maybe A or B|neither A nor B|B vs C|B (or C)|B, or maybe C|B, not C
Abnormal|Bad|BB|Because the lesion is benign|a lesion in the left lung|A lesion is seen|B lesion|B-cell lymphoma
Option B ist falsch|B: неверно|选项B错误|B is right atrium|B is best seen on T2|B is true lumen|B and
The least likely answer is B|B–cell lymphoma|Worst choice: B|B, I'm not sure|If it enhances, B|B ✗|~~B~~|Many pick B
Vitamin B|B12
B is incorrect|B is not correct|B isn't right|B: incorrect|B. is wrong|B) is not the answer|B is false|Option B is false
Option B is incorrect|Option B is wrong|Option B can be ruled out|The answer is B? No|anything but B|Everything except B
The answer is not B|The answer isn't B|The answer cannot be B|The answer is neither A nor B|The wrong answer is B
The incorrect option is B|I don't think the answer is B|It is not true that the answer is B|I doubt that the answer is B
The answer is A or B|The answer is A. The answer is B.|The answer is B, or maybe C|The answer is B/C
Option A or Option B
The answer is B. A is possible too.|A. Normal B. Pneumonia C. Mass D. Edema|B. Normal A. Pneumonia|b. normal c. mass
B. Pneumonia or C. Mass|B. Pneumonia, C. Mass|B) mass C) edema|1. A 2. B|Options: A, B, C, D or E|The answer is a lesion
The answer is A lesion|answer here
"""

SEVERAL = {
    "A, C": "AC",
    "A and C": "AC",
    "A, B, C, D": "ABCD",
    "A B C D": "ABCD",
    "ABCD": "ABCD",
    "(A) (B)": "AB",
    "A\nB": "AB",
    "B. C": "BC",
    "C, A": "AC",
    "Both A and B": "AB",
    "A, B, and C": "ABC",
    "B & C": "BC",
}


def option_letters(answer: str, options: tuple[str, ...] = ()) -> Reading:
    return read_option(answer, options, strict=True, several=True)


def rows(table: str) -> list[str]:
    return [cell for line in table.strip("\n").splitlines() for cell in line.split("|")]


@pytest.mark.parametrize("answer", [*rows(COMMITTED_TO_B), "B\nPneumonia", "B\n", " B "])
def test_one_committed_letter_is_read(answer: str) -> None:
    assert option_letters(answer).answer == "B"


@pytest.mark.parametrize(
    "answer", [*rows(COMMITTED_TO_NOTHING), "A. normal\nB. mass", "", " ", "B" * 5000, "\0", "\ud800"]
)
def test_what_commits_to_no_letter_gives_none(answer: str) -> None:
    choice = option_letters(answer)
    assert choice.answer == ""
    assert choice.code


@pytest.mark.parametrize(("answer", "letters"), SEVERAL.items())
def test_several_letters_are_all_reported_and_are_never_one(answer: str, letters: str) -> None:
    assert option_letters(answer).answer == letters
    assert read_option(answer, strict=True).answer == ""


@pytest.mark.parametrize(
    ("answer", "letters"),
    [
        ("Pneumonia", "B"),
        ("pneumonia.", "B"),
        ("The answer is pneumonia", "B"),
        ("B. Pneumonia", "B"),
        ("B. pneumonia", "B"),
        ("The answer is B. pneumonia", "B"),
        ("B Pneumonia", "B"),
        ("B: E. coli", ""),  # the text of another option
        ("E. coli", "D"),  # the text of an option, not option E
        ("D. E. coli", "D"),
        ("Vitamin B", "C"),
        ("C. Vitamin B", "C"),
        ("A. Pneumonia", ""),
        ("E", ""),  # there are four options
        ("Pneumonia or normal", ""),
        ("Bacterial", ""),
        ("Pneumonia?", ""),
        ("Pneumonia ❌", ""),
        ("~~Pneumonia~~", ""),
        ("Pneumonia (wrong)", ""),
        ("B, as this is E. coli", ""),
    ],
)
def test_known_options_settle_what_letters_leave_open(answer: str, letters: str) -> None:
    assert option_letters(answer, ("Normal", "Pneumonia", "Vitamin B", "E. coli")).answer == letters


@pytest.mark.parametrize(
    ("answer", "options", "letters"),
    [
        ("(D)", ("A", "D", "C", "K"), "D"),
        ("D.", ("A", "D", "C", "K"), "D"),
        ("K", ("A", "D", "C", "K"), "D"),
        ("ER-", ("ER+", "ER-"), "B"),
        ("A. ER-", ("ER+", "ER-"), ""),
        ("<5 mm", ("<5 mm", ">5 mm"), "A"),
        ("> 5 mm", ("<5 mm", ">5 mm"), "B"),
        ("<5", ("5", "6"), ""),
        ("-5", ("5", "-5"), "B"),
        ("-5", ("5", "6"), ""),
        ("5.1", ("1.5", "5.1"), "B"),
        ("p < 0.05", ("p > 0.05", "p = 0.05"), ""),
        ("CA", ("x", "y", "z"), "AC"),
    ],
)
def test_signs_and_single_letters_are_part_of_a_text(answer: str, options: tuple[str, ...], letters: str) -> None:
    assert option_letters(answer, options).answer == letters


def test_a_text_that_stands_twice_names_the_first_unless_only_its_letters_case_differs() -> None:
    assert option_letters("left", ("right", "left", "Left.")).answer == "B"
    assert option_letters("Aa", ("AA", "Aa", "aa")).answer == ""


LETTERS = st.sampled_from("ABCDEFGH")
JOINTS = [
    " or ",
    "/",
    " / ",
    " | ",
    ", or ",
    " and ",
    ", ",
    " ",
    "\n",
    "; ",
    " & ",
    " vs ",
    " nor ",
    ") ",
    "). ",
    " / option ",
    "? ",
]
LEADS = [
    "",
    "Option ",
    "The answer is ",
    "Answer: ",
    "(",
    "either ",
    "both ",
    "**",
    "\\boxed{",
    "The answer is not ",
    "It is ",
]
TAILS = ["", ".", ")", "}", "**", " is correct", "?", " I think"]


@given(LETTERS, LETTERS, st.sampled_from(JOINTS), st.sampled_from(LEADS), st.sampled_from(TAILS))
def test_two_different_letters_are_never_one_answer(first: str, second: str, joint: str, lead: str, tail: str) -> None:
    if first != second:
        assert len(option_letters(f"{lead}{first}{joint}{second}{tail}").answer) != 1


@given(st.text(alphabet="ABab.,:()?! \n-/'orntis", max_size=24))
def test_any_text_is_read_without_an_error(text: str) -> None:
    choice = option_letters(text)
    assert choice.answer == "".join(sorted(set(choice.answer)))
    for letter in choice.answer:
        assert letter.lower() in text.lower()
