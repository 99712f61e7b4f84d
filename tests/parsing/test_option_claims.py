"""What whole replies claim of the options: those of chatty models, and those that commit to nothing."""

from __future__ import annotations

import pytest

from infimed_plugins.parsing.options import read_option

OPTIONS = ("Adenoma", "Lipoma", "Hemangioma", "Metastasis")
CHINESE = ("腺瘤", "脂肪瘤", "血管瘤", "转移瘤")
IN_PARAGRAPHS = [
    (
        "Looking at the image, the lesion shows peripheral nodular enhancement, which is typical of hemangioma. "
        "Therefore, the correct answer is **C. Hemangioma**."
    ),
    (
        "Let's analyze the options:\n\nA. Adenoma: Typically arterial enhancing.\nB. Lipoma: Contains fat.\nC. "
        "Hemangioma: Peripheral nodular enhancement.\nD. Metastasis: Usually multiple.\n\nGiven the peripheral "
        "enhancement, the most likely diagnosis is **C. Hemangioma**."
    ),
    (
        "To determine the diagnosis, we consider the following:\n\n1. **Adenoma (A)**: Not consistent.\n2. "
        "**Lipoma (B)**: Not consistent.\n3. **Hemangioma (C)**: Consistent with the findings.\n4. **Metastasis "
        "(D)**: Less likely.\n\nTherefore, the answer is:\n\n**C. Hemangioma**"
    ),
    (
        "The image shows a well-circumscribed lesion with peripheral nodular enhancement. This is "
        "characteristic of a hemangioma.\n\nSo, the correct option is C."
    ),
    (
        "The correct answer is C. Hemangioma.\n\nExplanation: Hemangiomas show peripheral enhancement. Adenomas "
        "(A) enhance in the arterial phase; lipomas (B) contain fat; metastases (D) are usually multiple."
    ),
    (
        "C. Hemangioma\n\nThe lesion shows peripheral nodular discontinuous enhancement with progressive "
        "fill-in. A is wrong as adenomas enhance homogenously. B is wrong since there's no fat. D is wrong "
        "because it's single."
    ),
    ("Answer: (C) Hemangioma. The other options, such as (A) Adenoma and (B) Lipoma, do not show this pattern."),
    (
        "The answer is C. Hemangioma. This is because of the peripheral enhancement; in contrast, A (adenoma) "
        "would show homogeneous enhancement."
    ),
    (
        "### Analysis\nA. Adenoma – arterial enhancement; not seen here.\nB. Lipoma – fat attenuation; not seen "
        "here.\nC. Hemangioma – peripheral nodular enhancement; seen here.\nD. Metastasis – multiple; not seen "
        "here.\n\n### Conclusion\nC"
    ),
    (
        "From the image, we can see peripheral nodular enhancement. Among the given options, hemangioma is the "
        "most likely diagnosis."
    ),
    ("So the answer should be C, I think. Let me double check. Peripheral enhancement: yes. So the answer is C."),
]
IN_A_SENTENCE = [
    "Based on the provided CT image, option C (Hemangioma) is the most likely diagnosis.",
    "The lesion is most consistent with hemangioma, so I would choose option C.", "Answer: C\nConfidence: 85%",
    "Answer: C\n\nRationale: A and B lack the enhancement pattern, and D is typically multiple.",
    "**Answer:** C. Hemangioma\n\n**Reasoning:** The enhancement pattern excludes A, B and D.",
    "Option C: Hemangioma is the correct answer because it shows peripheral enhancement.",
    "C: Hemangioma. Peripheral nodular enhancement is seen.", "The patient likely has a hemangioma (Option C).",
    "Thus the best answer choice is C: Hemangioma.",
    "I think the correct answer is C, hemangioma, given the enhancement.",
    "Given these findings, the most appropriate answer is:\n\nC. Hemangioma",
    "Final Answer: The final answer is C. I hope it is correct.",
    "The answer is C.\n\nNote: this is not medical advice.", "Among the options, hemangioma (C) fits best.",
    "The findings favor hemangioma over metastasis. Answer: C",
    "The answer is C (hemangioma), not A (adenoma), because of the enhancement.",
    "It's C. Hemangioma, as A, B, and D don't match.", "My answer is C; A and B are incorrect, and D is unlikely.",
    "Hmm, at first A seems plausible. But wait, the enhancement is peripheral. So C.",
    "Option A is incorrect. Option B is incorrect. Option D is incorrect. Therefore, option C is correct.",
    "A: incorrect. B: incorrect. C: correct. D: incorrect.", "The correct answer is option **C**, *Hemangioma*.",
    "The right choice is C) Hemangioma, given its progressive fill-in on delayed images.",
    "(C)\n\nHemangioma is the most common benign liver tumor.", "Choice C.", "option (c)", "c) hemangioma",
    "C - Hemangioma", "C; Hemangioma", "C, Hemangioma.", "C Hemangioma", "HEMANGIOMA", "hemangioma (c)",
    "Assistant: C", "ASSISTANT: The answer is C.", "Response: C", "Output: C. Hemangioma", "Diagnosis: Hemangioma",
    "Final diagnosis: hemangioma.", "Selected option: C", "Selected answer: C. Hemangioma", "Prediction: C",
    "Label: C", "Solution: C", "The solution is C.", "C!", '"C"', "'C'", "C。", "C）", "（C）血管瘤",
    "The correct label is C.", "The image is best described as hemangioma.", "This is a case of hemangioma.",
    "This is a classic hemangioma.", "Findings are consistent with hemangioma.",
    "Features are most suggestive of a hemangioma.", "Imaging features suggest hemangioma.",
    "The lesion represents a hemangioma.", "The lesion is a hemangioma.", "The lesion is most likely a hemangioma.",
    "The most likely diagnosis is a hemangioma of the liver.", "A hemangioma.", "An hemangioma is seen in the image.",
    "The answer, based on the image, is C.", "The answer, therefore, is C.", "C is what I would choose.",
    "C would be my answer.", "C would be the best answer.", "C must be the answer.", "C has to be correct.",
    "C it is.", "Definitely C.", "Probably C.", "Most likely C.", "Most likely option C.", "I'm fairly sure it's C.",
    "I am going to say C.", "I have to go with C.", "I'd have to say C.", "I would have to choose C.",
    "Let me go with C.", "Let's go with C.", "Going with C.", "Must be C.", "Has to be C.", "That would be C.",
    "That's C.", "This is C.", "This corresponds to C.", "This corresponds to option C.", "This matches option C.",
    "This matches C best.", "The image matches option C.", "The description matches option C: Hemangioma.",
    "which corresponds to option C.", "The finding corresponds to choice C.",
    "The most likely diagnosis in a woman with a history of eczema is (C) Hemangioma.",
    "The answer is B. Wait, let me double-check the rim: it fills in. So the answer should actually be C.",
]  # fmt: skip
NOTHING = [
    "A is possible. B is possible. C is unlikely.",
    "A. Adenoma is a benign tumor. B. Lipoma contains fat. C. Hemangioma is vascular.",
    "The differential includes adenoma, lipoma and hemangioma.",
    "Adenoma is common in this age group. Lipoma contains fat.", "We need to decide between A and C.",
    "Let's consider option A. It is a benign tumor. Option B contains fat.",
    "If it contains fat, the answer is B. If it is vascular, the answer is C.",
    "If it contains fat, then B; otherwise C.", "The answer depends on the contrast phase: A if early, C if late.",
    "Options A and B can be excluded, leaving C and D.", "It is not clear whether A or B is correct.",
    "I can exclude A and B.", "A and B are correct.", "The answer is (A), (B), and (D).", "The answer is C. Hmm, wait.",
    "The findings argue against a hemangioma.", "None of the options A, B, C is correct.",
    f"Hemangioma is a lesion in which changes take place. {'It grows. ' * 9}",
    "Both A and C could be correct, but I cannot decide.",
    "None of the options is correct.", "None of A, B, C or D.", "Which is correct, A or B?",
    "The answer is between A and B.", "The answer is A or C, most likely.", "The answer may well be C.",
    "The answer is possibly C.", "It is possible that the answer is C.",
    "The answer is not A but I don't know which of the others.", "The answer is not A. ",
    "The answer is neither A nor B.", "It's not A.", "I would not go with C.", "I wouldn't say C.", "Don't choose C.",
    "Never choose C.", "You should not select C.", "I almost chose C.", "I was going to choose C.",
    "Please choose A, B, C, or D.", "Answer with A, B, C or D.", "Your options are A, B, C and D.", "Select one: A",
    "Answer choices: A. Adenoma B. Lipoma C. Hemangioma D. Metastasis",
    "Option C would be correct if there were enhancement.", "C would be correct if there were enhancement.",
    "C might be correct.", "C could be the answer.", "C may be the best answer.", "Is C correct?", "Isn't it C?",
    "Why C?", "C is incorrect.", "C is not correct.", "C is not the best answer.", "C is less likely.",
    "C is the least likely.", "C is the wrong answer.", "C is a distractor.", "C is ruled out by the history.",
    "C has been excluded.", "C should be excluded.", "C fails to explain the fat.", "C does not explain the fat.",
    "C, however, is wrong.", "C seems wrong.", "C seems unlikely.", "C can't be right.", "C cannot be right.",
    "I don't think C is correct.", "I do not believe C is right.", "It would be wrong to choose C.",
    "People often choose C.", "Many students pick C.", "A common mistake is to choose C.",
    "The textbook says C, but the image says A.", "C was my first thought.", "At first I thought C.",
    "My initial answer was C, but that is wrong.", "Answer: C. Wait, no, it is not C.", "Answer: C? Not sure.",
    "Answer: unknown", "Answer: none", "Answer: N/A", "Answer: A/B/C", "Answer: A, B", "Answer: A and B",
    "Answer: A or B", "Answer: not C", "Answer: C or D", "The answer is unclear.", "The final answer is pending.",
    "The correct answer cannot be determined.", "The correct answer is not listed.", "The answer is a benign tumor.",
    "The diagnosis is a benign tumor.", "A benign tumor.", "A tumor is seen.", "A diagnosis cannot be made.",
    "Vitamin C deficiency is likely.", "Hepatitis C is likely.", "It is a type C lesion.", "Grade C",
    "The lesion is labelled C in the figure.", "Arrow C points to the lesion.", "Panel C shows the lesion.",
    "See figure C.", "Figure A shows the axial view.", "The image in panel B is normal.", "Adenoma or lipoma.",
    "Adenoma vs lipoma", "Adenoma/lipoma", "Adenoma? Lipoma?", "Adenoma, lipoma", "Adenoma and lipoma", "Not adenoma.",
    "No adenoma.", "There is no adenoma.", "It is not an adenoma.", "It isn't adenoma.", "This is not hemangioma.",
    "This could be hemangioma.", "This may be hemangioma.", "Possible hemangioma.", "Suspected hemangioma",
    "Hemangioma is unlikely.", "Hemangioma is less likely than adenoma.", "Hemangioma has been ruled out.",
    "Hemangioma cannot be excluded.", "Hemangioma, but metastasis is also possible.", "Hemangioma would enhance.",
    "The patient has a history of metastasis.", "History of metastasis", "Consider hemangioma.",
    "Rule out hemangioma.", "The differential diagnosis is adenoma, lipoma.", "The diagnosis is adenoma or lipoma.",
    "The diagnosis is not adenoma.", "The diagnosis might be adenoma.", "The image shows no adenoma.",
    "The image shows either adenoma or lipoma.", "The image shows adenoma and lipoma.",
    "Based on the image, A is wrong.", "Therefore, A is wrong.", "So not A.", "So it is not A.",
    "Thus, C can be ruled out.", "答案不确定", "答案可能是A", "A和B都对", "A、B", "A或B", "不是A", "排除A", "A错",
    "A不对", "选A还是选B？", "选A或B", "不能选A", "不选A", "A吗？", "可能是腺瘤", "不是腺瘤", "腺瘤或脂肪瘤",
    "腺瘤、脂肪瘤", "排除腺瘤", "没有腺瘤", "答案既不是A也不是B",
]  # fmt: skip


@pytest.mark.parametrize("reply", [*IN_PARAGRAPHS, *IN_A_SENTENCE])
def test_a_reply_that_settles_on_an_option_is_read(reply: str) -> None:
    choice = read_option(reply, OPTIONS)
    assert choice.answer == "C", choice.code


@pytest.mark.parametrize("reply", NOTHING)
def test_a_reply_that_settles_on_none_is_not(reply: str) -> None:
    for options in (OPTIONS, CHINESE):
        choice = read_option(reply, options)
        assert choice.answer == "", choice
        assert choice.code


@pytest.mark.parametrize(
    ("reply", "letters"),
    [
        ("Answer: C. Wait, no, it is not C.", ""),
        ("It is C. On closer look it is not C but B.", "B"),
        ("The answer is C. It is not only C that enhances.", "C"),
        ("The answer is C, and not B. B is wrong.", "C"),
        ("A or B?\n\nThe answer is C.", "C"),
        ("It could be A or B. The answer is C.", "C"),
        ("The answer is C. It could be A or B.", ""),
        ("The image shows an adenoma. The answer is C.", "C"),
        ("If it enhances late, the answer would be A. The answer is C.", "C"),
        ("C. Hemangioma\n\nThe answer is A.", ""),
        ("The image shows C.", ""),
        ("The image matches C.", "C"),
    ],
)
def test_an_answer_stands_until_it_is_taken_back(reply: str, letters: str) -> None:
    assert read_option(reply, OPTIONS).answer == letters


@pytest.mark.parametrize(
    "piece", ["A ", "not C ", "the answer is ", "I think ", "most likely ", "A. x\n", "(", "'", "- ", "选"]
)
def test_a_long_run_of_anything_has_a_verdict(piece: str) -> None:
    choice = read_option((piece * 50_000)[:99_000], OPTIONS)
    assert choice.answer or choice.code
