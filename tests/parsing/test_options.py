"""Which option a free reply states, and that two that stand are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infimed_plugins.parsing.options import read_option

OPTIONS = ("Normal", "Pneumonia", "Tuberculosis", "Lung abscess")
FINDING = "The cardiac silhouette is within normal limits. Hepatitis B serology was negative."
MORE = "Given the age, E. coli is likely, but vitamin C deficiency is not."

STATES_C = [
    "C", "c", "(C)", "C.", "**C**", "option c", "Option C", "C. Tuberculosis", "(C) tuberculosis.",
    "Tuberculosis", "C Tuberculosis", "The tuberculosis.", "It is tuberculosis.",
    "This image shows tuberculosis.", "Tuberculosis (C).", "Tuberculosis, because the apex is dense",
    "Tuberculosi", "C, I think", "C is correct. It is dense.", "C. The lesion is dense.", "C: it is dense.",
    "It's C", "I believe it is C.", "I would say C", "Therefore C.", "答案：C", "正确答案是C。", "我认为选C",
    "应选 (C) 肺结核", "✅ C", "\\textbf{C}", "The answer is tuberculosis, option C",
    "The correct answer is (C) Tuberculosis, not (B) Pneumonia.",
    "The correct answer is C, because A and B show no cavity.",
    "The answer is C. Unlike pneumonia, it is dense.", "B? No. So the answer is C.", "Not B. C.",
    "Option A is wrong. Option C is right.", "A is incorrect. B is incorrect. Therefore C.",
    "Both B and C are plausible, but I would choose C.", "My choice is Tuberculosis (C).",
    "The boxed area shows the lesion. The answer is C.",
    "The answer is B. Wait, let me reconsider. It is dense. The answer is C.",
    "Answer: B\n\nActually, on reflection:\nAnswer: C", "At first the answer is B, however final answer is C",
    "The answer is B. Actually, no, it is C.", "答案是B。等等，不对。答案是C",
    "A. Normal: unlikely\nB. Pneumonia: incorrect\nC. Tuberculosis: fits\n\nC. Tuberculosis",
    "A. Normal: unlikely\nB. Pneumonia: incorrect\nC. Tuberculosis: fits\n\nThe answer is C.",
    "C\n\nA is wrong because it is abnormal.\nB is wrong because of age.",
    "Although B seems plausible, C is the better answer.", "While option B is also reasonable, option C is best.",
    "Though pneumonia is possible, tuberculosis is more likely.", "Although the image is blurry, C.",
    "Even though B may look right, the answer is C.", "C, though B is possible.", "C is better than B.",
    "The answer is not B but C.", "It is not B but C.", "It is not a pneumonia but a tuberculosis.",
    "B is tempting, however C is correct.", "Option C is a better fit than option B.", "B ✗, C is correct",
    "The answer is C.\n\nDifferential diagnoses:\n1. Pneumonia\n2. Lung abscess",
    "The differential includes pneumonia.\n\nC", "Answer: C. See Fig. B.",
]  # fmt: skip
IN_CONTEXT = [
    "C", "**C**", "C. Tuberculosis", "**C. Tuberculosis**", "Tuberculosis", "Answer: C", "**Answer:** C",
    "答案:C", "The answer is C.", "**Therefore, the answer is C.**", "Thus, the correct answer is: (C).",
    "### Final Answer\nC", "The most probable diagnosis is tuberculosis.", "Hence, option C is correct.",
    "answer: c", "The correct option is C",
]  # fmt: skip
STATES_NOTHING = [
    "", "Z", "E", "?", "C?", "I don't know", "Cannot be determined", "None of the above", "Both.", "All",
    "B or C", "B/C", "B and C", "B, C", "BC", "B\nC", "either B or C", "I'm torn between B and C.", "C > B",
    "和", "A和B", "B、C", "答案：B或C", "答案不是C", "不选C", "Pneumonia or tuberculosis", "Not tuberculosis",
    "It is not tuberculosis.", "The answer is B. The answer is C.", "Answer: B\n\nAnswer: C",
    "My answer: C. My second choice: B.", "The answer is either B or C.", "The answer is not C.",
    "The answer isn't C.", "If the answer is C, then …", "The answer might be C.",
    "C\n\nHowever, the answer might be B.", "C. Pneumonia", "Answer: C (Pneumonia)", "Pneumonia (C)",
    "C is incorrect", "C is wrong", "Option C is ruled out", "It is not A, B, or C.", "Both A and",
    "A. Normal\nB. Pneumonia\nC. Tuberculosis\nD. Lung abscess", "A normal lung is seen.", "A lesion",
    "C. difficile is common in this age group.", FINDING, MORE,
    "As an AI language model, I am unable to answer.", "Though C is plausible.", "C, although it could also be B.",
    "Although C is possible, B cannot be excluded.", "While C is common in adults, B is common in children.",
    "Tuberculosis ✗", "C ✘", "C. Tuberculosis ✖", "Differential diagnosis:\n- Pneumonia\n- Tuberculosis",
    "- Pneumonia\n- Tuberculosis", "Differential:\nPneumonia\nTuberculosis", "Alternative diagnosis: tuberculosis",
    "C, although B is the correct answer.", "C, though B could also be correct.", "Although B is the answer, C.",
    "1. Pneumonia\n2. Tuberculosis", "Differential:\n1) Pneumonia\n2) Tuberculosis",
    "The mass enhances, see Fig. C.", "As shown in Fig. C", "Dr. C. Smith", "Reported by Dr. C. Smith.",
]  # fmt: skip


@pytest.mark.parametrize("reply", STATES_C)
def test_a_reply_states_one_option(reply: str) -> None:
    choice = read_option(reply, OPTIONS)
    assert choice.answer == "C", choice.code


@pytest.mark.parametrize("statement", IN_CONTEXT)
@pytest.mark.parametrize("joint", ["\n\n", "\n"])
def test_prose_before_a_statement_changes_nothing(statement: str, joint: str) -> None:
    assert read_option(f"{MORE}{joint}{FINDING}{joint}{statement}", OPTIONS).answer == "C"


@pytest.mark.parametrize("statement", [one for one in IN_CONTEXT if one != "The correct option is C"])
def test_prose_after_a_statement_changes_nothing(statement: str) -> None:
    assert read_option(f"{statement}\n\n{FINDING}\n{MORE}", OPTIONS).answer == "C"


@pytest.mark.parametrize("reply", STATES_NOTHING)
def test_what_states_no_one_option_is_abstained_from(reply: str) -> None:
    choice = read_option(reply, OPTIONS)
    assert len(choice.answer) != 1, choice
    assert choice.answer or choice.code


@pytest.mark.parametrize(
    ("reply", "options", "letters"),
    [
        ("E. coli", ("B. burgdorferi", "E. coli"), "B"),
        ("B. E. coli", ("B. burgdorferi", "E. coli"), "B"),
        ("B. burgdorferi", ("B. burgdorferi", "E. coli"), "A"),
        ("Both A and B", ("Neither A nor C", "Both A and B"), "B"),
        ("The answer is B. Both A and B.", ("Neither A nor C", "Both A and B"), "B"),
        ("(A) Both A and B", ("Both A and B", "None", "Both A and B"), "A"),  # a text that stands twice
        ("Both A and B", ("Both A and B", "None", "Both A and B"), "A"),
        ("The answer is (B) B.", ("A", "B", "C"), "B"),
        ("(A) Both; each is dense.", ("Both; each is dense", "Neither"), "A"),
        ("No", ("Yes", "No"), "B"),
        ("2", ("1", "2"), "B"),
        ("25%, because it is so", ("5%", "25%"), "B"),
        ("Stage I", ("Stage II", "Stage III"), ""),  # no typo: another option is as near
        ("Hepatitis D virus", ("Hepatitis B virus", "Hepatitis C virus"), ""),
        ("typical", ("atypical", "normal"), ""),
        ("J", tuple("abcdefghij"), "J"),
    ],
)
def test_the_options_settle_what_is_meant(reply: str, options: tuple[str, ...], letters: str) -> None:
    assert read_option(reply, options).answer == letters


LETTERS = st.sampled_from("ABCD")
JOINTS = [" or ", "/", " | ", " and ", ", ", " ", "\n", "; ", " & ", " vs ", " nor ", ") ", "). ", ". ", "\n\n"]
LEADS = ["", "Option ", "The answer is ", "Answer: ", "(", "either ", "both ", "**", "It is ", "It's "]
TAILS = ["", ".", ")", "}", "**", "?", " I think"]


@given(LETTERS, LETTERS, st.sampled_from(JOINTS), st.sampled_from(LEADS), st.sampled_from(TAILS), st.booleans())
def test_two_different_letters_are_never_one_answer(
    first: str, second: str, joint: str, lead: str, tail: str, known: bool
) -> None:
    line_below = any(mark in joint for mark in "\n.;") and lead != ""  # a list below an announcement, another sentence
    if first != second and not line_below:
        assert len(read_option(f"{lead}{first}{joint}{second}{tail}", OPTIONS if known else ()).answer) != 1


@given(st.text(alphabet="ABab.,:()?! \n-/'orntisw*\\{}选", max_size=40))
def test_any_text_is_read_without_an_error(text: str) -> None:
    choice = read_option(text, OPTIONS)
    assert choice.answer == "".join(sorted(set(choice.answer)))


def test_an_option_that_is_a_question_is_named_with_its_mark() -> None:
    asks = ("Does it heal when rested or when moved?", "Does it heal in a cast or in a sling?")
    for strict in (True, False):
        assert read_option(f"(B) {asks[1]}", asks, "Which question was tested?", strict).answer == "B"
    assert read_option(f"Is it {asks[1]}", asks, "Which question was tested?", strict=True).answer == ""


def test_the_least_of_a_thing_is_asked_for_and_no_false_statement() -> None:
    food = ("soup", "bread", "water")
    reply = "The food with the least salt is the bread."
    assert read_option(reply, food, "Which food has the least salt?").answer == "B"
    assert read_option(reply, food, "Which food is least likely to hold salt?").answer == ""
    assert read_option("资料不全。因此需要水。", ("汤", "面包", "水"), "应补充（ ）。").answer == "C"


def test_a_computation_is_no_program() -> None:
    reply = "Area = (6 x 9) / 2\n= 27\n\nTherefore the correct answer is (C) 27."
    assert read_option(reply, ("12", "18", "27")).answer == "C"
    for begun in ("for these reasons:\n- It enhances.", "if we look at the picture:", "class II:"):
        assert read_option(f"{begun}\nThe answer is C.", ("12", "18", "27")).answer == "C"
    assert read_option("grey_cars = 3\nif grey_cars < 4:\n    print('27')", ("12", "18", "27")).answer == ""
