"""A reply that takes its option back, supposes it, or sets it against its text commits to nothing, or to another."""

from __future__ import annotations

import pytest

from infimed_plugins.parsing.options import read_option

OPTIONS = ("Meningioma", "Multiple myeloma", "Osteosarcoma", "Ewing sarcoma")
NESTED = ("Left", "Left upper lobe", "Right", "Bilateral")
SPECIES = ("E. coli", "S. aureus", "Group A Streptococcus", "C. difficile")
COUNTS = ("1", "2", "3", "10")
STATES = [
    # another option takes the place of the first
    ("The answer is B. Wait, it is meningioma.", "A"), ("B. Actually, A.", "A"), ("B. Sorry, I meant A.", "A"),
    ("B... no, A.", "A"), ("The answer is B. Oops, that should be A.", "A"),
    ("The answer is B. Hold on, the margins are smooth. The answer is A.", "A"),
    ("The answer is B. Let me double check. The margins are smooth. No, the answer is A.", "A"),
    # an option with its own text, or with a remark that takes nothing back
    ("A. It is meningioma.", "A"), ("The answer is A, which is meningioma.", "A"), ("A - Meningioma", "A"),
    ("The answer is A. Actually, the margins are smooth.", "A"), ("A. The mass is rare, but it is benign.", "A"),
    # other words of commitment
    ("It appears to be a meningioma.", "A"), ("Option A fits.", "A"), ("Option A matches the findings.", "A"),
    ("A is consistent with the findings.", "A"), ("I'll take A.", "A"), ("I prefer A.", "A"),
    ("All things considered, A.", "A"), ("For this reason, A.", "A"), ("I have no doubt that the answer is A.", "A"),
    ("A\n\nExplanation: Multiple myeloma would be lytic.", "A"),
    ("Answer: A\n\nDescription: Multiple myeloma would be lytic.", "A"), ("The best explanation is A.", "A"),
    ("Option A matches the findings, but the answer is B.", "B"), ("Instead of B, I choose A.", "A"),
]  # fmt: skip
STATES_NOTHING = [
    "The answer is A. Actually, no.", "The answer is meningioma. Wait, that's not right.",
    "The answer is A. Hmm, but that does not fit.", "The answer is A. On second thought, none of the options fits.",
    "The answer is A. On second thought, I can't decide.", "A seems right at first glance, but it is not.",
    "A looks right, but is wrong.", "The answer seems to be A, but it isn't.", "A, I'm not sure",
    "If the lesion enhances, the answer is A.", "If the lesion enhances, A is correct.",
    "Assuming T2, the answer is A.",
    "Suppose the answer is A. Then the lesion would enhance. It does not.", "Let's assume the answer is A.",
    "If this is a T2 image, the answer is A; if it is T1, the answer is B.",
    "A, B and C are incorrect.", "A, B and C don't fit.", "A (wrong)", "A: no", "Choosing A would be a mistake.",
    "Nothing supports A.", "I disagree with A.", "I'd hesitate to say A.",
    "There is insufficient information to select A.",
    "Instead of A.", "As opposed to A.", "In contrast to A.", "The worst answer is A.", "Candidate answer: A",
    "Meningioma is one possibility.", "Meningioma is one of the options.",
    "The answer is A, i.e. multiple myeloma.", "A. It is multiple myeloma.", "A, as this is multiple myeloma.",
    "I choose A because it is multiple myeloma.", "The correct option is A – multiple myeloma.",
]  # fmt: skip


@pytest.mark.parametrize(("reply", "letter"), STATES)
def test_what_stands_after_second_thoughts(reply: str, letter: str) -> None:
    choice = read_option(reply, OPTIONS)
    assert choice.answer == letter, choice.code


@pytest.mark.parametrize("reply", STATES_NOTHING)
def test_what_is_taken_back_or_supposed_is_no_answer(reply: str) -> None:
    assert len(read_option(reply, OPTIONS).answer) != 1


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (NESTED, "B. Left upper lobe", "B"),
        (NESTED, "A. Left", "A"),
        (NESTED, "A. Left upper lobe", ""),
        (SPECIES, "(C. difficile)", "D"),
        (SPECIES, "<answer>(C. difficile)</answer>", "D"),
        (SPECIES, "[C. difficile]", "D"),
        (COUNTS, "2", "B"),
        (COUNTS, "2, 3", ""),
        (COUNTS, "1, 2, 3, 10", ""),
        (("12 mm", "2.5 cm", "3 cm", "4 cm"), "<12 mm", ""),
        (("12 mm", "2.5 cm", "3 cm", "4 cm"), "> 2.5 cm", ""),
    ],
)
def test_texts_that_hold_others_and_numbers(options: tuple[str, ...], reply: str, letter: str) -> None:
    reply = reply.removeprefix("<answer>").removesuffix("</answer>")
    letters = read_option(reply, options).answer
    assert letters == letter if letter else len(letters) != 1


@pytest.mark.parametrize(
    "piece",
    [
        "B, no, C, no, ",
        "B. Wait, ",
        "If x, the answer is B; ",
        "not B, but C, no, ",
        "Although B is it, ",
        "Not B, but it is not C, ",
        "Though it is not B, but C, ",
    ],
)
def test_no_chain_of_second_thoughts_goes_too_deep(piece: str) -> None:
    assert len(read_option((piece * 20_000)[:99_000], OPTIONS).answer) <= 1
