"""Which replies say yes, which say no, and which say neither."""

from __future__ import annotations

import pytest

from infimed_plugins.parsing.yes_no import polarity, polarity_of_gold

FINDING = "Hepatitis B serology was negative, and no pleural effusion is noted."
YES = [
    "yes", "Yes.", "YES!", "(Yes)", "**Yes**", "'yes'", "The answer is yes.", "Answer: Yes", "**Answer:** Yes",
    "Yes, there is no pneumothorax.", "Yes. No other findings.", "Yes, normal.", "yes it does", "It is yes.",
    "It is abnormal, so yes.", "The answer is yes, not no.", "Noted: yes", "I know it is present: yes",
    "Snowman sign present, yes", "True", "Correct.", "Present", "There is a fracture.",
    "The nodule is present.", "not only present but large", "The image shows a mass.", "It is abnormal.",
    "It does", f"Yes {FINDING}", f"{FINDING}\n\nYes", f"{FINDING} Yes. {FINDING}", f"{FINDING}\nAnswer: yes",
    "是", "是的", "是的，图中包含肝脏。", "有", "图中有肺", "答案：是", "ＹＥＳ", "Oui",
]  # fmt: skip
NO = [
    "no", "No.", "NO", "(No)", "**No**", "The answer is **No**.", "No, it is normal.",
    "No abnormality is noted.", "No, yesterday's film was clear.", "There is no fracture.", "There isn't any",
    "No fracture", "None.", "Absent", "False", "not present", "not visible", "No, it's not",
    "The image does not show a mass.", "A mass is not seen.", "The mass is absent.", f"Absent {FINDING}",
    f"{FINDING}\n\nNo", f"{FINDING} No, {FINDING}", "否", "不是", "没有", "没有骨折", "图中没有肺", "答案：否",
    "不包含",
]  # fmt: skip
NEITHER = [
    "", "?", ".", "I do not know.", "I cannot tell.", "maybe", "Uncertain", "unknown", "N/A", "None",
    "yes or no", "yes and no", "yes/no", "yesno", "Yes.\nNo.", "Yes?", "The diagnosis is pneumonia.", "cannot",
    "No idea.", "No comment", "No answer", "No.1 finding is a mass", "The answer is not yes.",
    "The answer might be yes.", "It is unclear whether yes or no", "There is no doubt about it",
    "No fracture here, but yes there is one below", "不知道", "不确定", "是否", "无法判断", FINDING,
    "yes " * 40_000,
]  # fmt: skip


@pytest.mark.parametrize("reply", YES)
def test_a_reply_says_yes(reply: str) -> None:
    assert polarity(reply) == "yes"


@pytest.mark.parametrize("reply", NO)
def test_a_reply_says_no(reply: str) -> None:
    assert polarity(reply) == "no"


@pytest.mark.parametrize("reply", NEITHER)
def test_what_says_neither_is_abstained_from(reply: str) -> None:
    assert polarity(reply) is None


@pytest.mark.parametrize(
    ("question", "reply", "side"),
    [
        ("Is the heart normal?", "It is normal.", "yes"),
        ("Is the lung healthy?", "It is abnormal.", "no"),
        ("Is there a fracture?", "It is normal.", "no"),
        ("What is seen?", "It is normal.", None),
        ("这个肺健康吗?", "It is healthy.", "yes"),
        ("Is the lung healthy?", "No abnormality is seen.", "yes"),
        ("Is the lung healthy?", "No, it is abnormal.", "no"),
        ("Is the lung healthy?", "There is a mass in the lung.", "no"),
        ("Is the lung healthy?", "There is no mass.", None),
        ("Is the lung healthy?", "It doesn't look normal.", "no"),
        ("Is the lung healthy?", "Unhealthy.", "no"),
        ("Is the lung healthy?", "Not healthy.", "no"),
        ("Is there a fracture?", "Not healthy.", None),
        ("肺部健康吗?", "健康", "yes"),
        ("肺部健康吗?", "肺部不健康。", "no"),
        ("Is the heart enlarged?", "It is not enlarged.", "no"),
        ("Is the lesion in the liver?", "It is in the liver.", "yes"),
        ("Is the lesion in the liver?", "It is a normal liver.", None),
        ("Is there a mass in the liver?", "It is in the liver.", None),
        ("Is this a CT scan?", "This is a CT scan.", "yes"),
        ("Is this a CT scan?", "It's an MRI, not a CT scan.", "no"),
        ("Is this a CT scan?", "This is an MRI.", None),
        ("Is this a CT scan?", "This is a CT scan, not an MRI.", "yes"),
        ("Is this a CT scan?", "This is an MRI rather than a CT scan.", "no"),
        ("Is this a CT scan?", "This is either a CT scan or an MRI.", None),
        ("Is this an MRI?", "This is not a CT scan, it is an MRI.", "yes"),
        ("Is the mass benign?", "It is benign, not malignant.", "yes"),
        ("Is the mass benign?", "It is malignant rather than benign.", "no"),
        ("Is the mass benign?", "No malignant features are seen.", None),
        ("Is the liver enlarged?", "It is the spleen that is enlarged.", None),
        ("Is the trachea midline?", "The trachea is midline and not deviated.", "yes"),
        ("Is the lung healthy?", "The right lung is healthy, but the left is not.", None),
        ("Is the spleen normal?", "No evidence of abnormality.", "yes"),
        ("Is the spleen normal?", "The spleen is larger than normal.", "no"),
        ("Is the spleen normal?", "No lesion is seen in the liver.", None),
        ("Is this image normal?", "No lesion in the liver, but there is a mass in the kidney.", None),
        ("Is there a mass in the liver?", "There is a mass in the kidney, but the liver is normal.", None),
        ("Is there a mass in the liver?", "There is a mass in the kidney, but not in the liver.", "no"),
        ("胸部X光正常吗?", "不太正常", "no"),
        ("Is there no evidence of fracture?", "There is a fracture.", None),
        ("Can pneumothorax be excluded?", "Pneumothorax can be excluded.", None),
    ],
)
def test_the_question_tells_what_normal_means(question: str, reply: str, side: str | None) -> None:
    assert polarity(reply, question) == side


@pytest.mark.parametrize(
    ("reply", "side"),
    [
        ("A fracture of the distal radius.", "yes"),
        ("There is swelling, and a fracture is seen.", "yes"),
        ("A fracture is unlikely.", "no"),
        ("Negative for fracture.", "no"),
        ("A fracture has been ruled out.", "no"),
        ("Free of fractures.", "no"),
        ("Zero fractures.", "no"),
        ("Fracture: none", "no"),
        ("None seen.", "no"),
        ("The X-ray fails to demonstrate a fracture.", "no"),
        ("There is swelling. There is no fracture.", "no"),
        ("There is an effusion. No fracture is seen.", "no"),
        ("Rule out fracture.", None),
        ("History of fracture.", None),
        ("A fracture would appear as a lucent line.", None),
        ("Fractures are common in this age group.", None),
        ("There is no dislocation, but there is a fracture.", "yes"),
        ("No dislocation is seen, but a fracture is present.", "yes"),
        ("There is soft-tissue swelling but no fracture.", "no"),
        ("The cortex is not intact; there is a fracture.", "yes"),
        ("A fracture line is seen, but it is not a fracture.", None),
        ("There is neither fracture nor dislocation.", "no"),
        ("Without a doubt there is a fracture.", "yes"),
        ("There is no doubt that there is a fracture.", "yes"),
        ("No, no fracture is seen.", "no"),
        ("No... wait, actually yes.", "yes"),
        ("Yes... no wait, no.", "no"),
        ("I am not entirely sure, but yes.", "yes"),
        ("I'll say no.", "no"),
        ("That's a no.", "no"),
        ("A definite yes.", "yes"),
        ("This is a dislocation rather than a fracture.", "no"),
        ("The findings favor a sprain over a fracture.", "no"),
        ("A non-displaced fracture is seen.", "yes"),
        ("There is nothing to suggest a fracture.", "no"),
        ("A fracture is not seen.", "no"),
        ("The fracture is not displaced.", None),
        ("Fracture versus growth plate.", None),
        ("Clinical concern for a fracture.", None),
        ("Signs of a fracture include a lucent line.", None),
        ("Although there is no dislocation, a fracture is present.", "yes"),
        ("While the joint is normal, there is no fracture.", "no"),
        ("No. Wait, yes.", "yes"),
        ("No, I can't tell.", None),
        ("Yes, maybe.", None),
        ("Certainly! The image is an X-ray of the wrist.", None),
        ("Of course! Please upload the image.", None),
        ("Yes, I can help with that.", None),
        ("No comparison available.", None),
        ("This is a yes/no question.", None),
        ("That's no fracture to speak of, or is it?", None),
        ("Yes, if the cortex is interrupted; otherwise no.", None),
        ("If there is a step-off, yes.", None),
        ("No clear answer.", None),
        ("No conclusion can be drawn.", None),
        ("I don't see any image attached.", None),
        ("Is it a fracture?", None),
        ("没有图像", None),
    ],
)
def test_what_is_said_of_the_words_of_the_question(reply: str, side: str | None) -> None:
    assert polarity(reply, "Is there a fracture?") == side


@pytest.mark.parametrize(
    ("gold", "side"),
    [("yes", "yes"), ("No ", "no"), ("是", "yes"), ("没有", "no"), ("不包含", "no"), ("normal", None), ("none", None)],
)
def test_only_a_bare_yes_or_no_is_a_yes_no_gold(gold: str, side: str | None) -> None:
    assert polarity_of_gold(gold) == side
