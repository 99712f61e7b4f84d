"""Which replies say yes, which say no, and which say neither."""

from __future__ import annotations

import random
import time

import pytest

from infimed_plugins.parsing import yes_no
from infimed_plugins.parsing.lexicon import LONGEST, Rule
from infimed_plugins.parsing.yes_no import polarity_of_gold, read_yes_no
from infimed_plugins.records import Code

TABLES = ("WORDS", "EXPLICIT", "SHORT", "STATED")
RULES = [(table, one) for table in TABLES for one in getattr(yes_no, table)]
FINDING = "Hepatitis B serology was negative, and no pleural effusion is noted."
YES = [
    "yes", "Yes.", "YES!", "(Yes)", "**Yes**", "'yes'", "The answer is yes.", "Answer: Yes", "**Answer:** Yes",
    "Yes, there is no pneumothorax.", "Yes. No other findings.", "Yes, normal.", "yes it does", "It is yes.",
    "It is abnormal, so yes.", "The answer is yes, not no.", "Noted: yes", "I know it is present: yes",
    "Snowman sign present, yes", "True", "Correct.", "Present", "There is a fracture.",
    "The nodule is present.", "not only present but large", "The image shows a mass.",
    "It does", f"Yes {FINDING}", f"{FINDING}\n\nYes", f"{FINDING} Yes. {FINDING}", f"{FINDING}\nAnswer: yes",
    "是", "是的", "是的，图中包含肝脏。", "有", "图中有肺", "答案：是", "ＹＥＳ", "Oui", "Final Answer\n\nyes",
    '{"reason": "it is wide", "answer": "yes"}', "The correct choice is (A) Yes.", "(A) Yes", "A) yes",
]  # fmt: skip
NO = [
    "no", "No.", "NO", "(No)", "**No**", "The answer is **No**.", "No, it is normal.",
    "No abnormality is noted.", "No, yesterday's film was clear.", "There is no fracture.", "There isn't any",
    "No fracture", "None.", "Absent", "False", "not present", "not visible", "No, it's not",
    "The image does not show a mass.", "A mass is not seen.", "The mass is absent.", f"{FINDING}\n\nNo",
    f"{FINDING} No, {FINDING}", "否", "不是", "没有", "没有骨折", "图中没有肺", "答案：否",
    "不包含", "It cannot be told from here. The correct option letter is therefore (B) No.",
]  # fmt: skip
NEITHER = [
    "", "?", ".", "I do not know.", "I cannot tell.", "maybe", "Uncertain", "unknown", "N/A", "None",
    "yes or no", "yes and no", "yes/no", "yesno", "Yes.\nNo.", "Yes?", "The diagnosis is pneumonia.", "cannot",
    "No idea.", "No comment", "No answer", "No.1 finding is a mass", "The answer is not yes.",
    "The answer might be yes.", "It is unclear whether yes or no", "There is no doubt about it",
    "No fracture here, but yes there is one below", "不知道", "不确定", "是否", "无法判断", FINDING,
    "['Yes', 'No']", "yes is wrong", "yes: false", "no is incorrect",
    "Answer: yes\nAnswer: maybe", "yes " * 40_000,
]  # fmt: skip
BY_QUESTION = [
    ("Is the heart normal?", "It is normal.", "yes"),
    ("Is the lung healthy?", "It is abnormal.", "no"),
    ("What is seen?", "It is normal.", ""),
    ("Is the lung healthy?", "No abnormality is seen.", "yes"),
    ("Is the lung healthy?", "No, it is abnormal.", "no"),
    ("Is the lung healthy?", "There is no mass.", ""),
    ("Is the lung healthy?", "It doesn't look normal.", "no"),
    ("Is the lung healthy?", "Unhealthy.", "no"),
    ("Is the lung healthy?", "Not healthy.", "no"),
    ("Is there a fracture?", "Not healthy.", ""),
    ("Is there a fracture?", "It is normal.", "no"),
    ("Is there a fracture?", "The knee is normal.", ""),
    ("Is there an abnormal shadow in the lung?", "The knee film looks normal.", "no"),
    ("肺部健康吗?", "健康", "yes"),
    ("肺部健康吗?", "肺部不健康。", "no"),
    ("Is the heart enlarged?", "It is not enlarged.", "no"),
    ("Are the ribs on the left affected?", "The ribs on the left appear to be normal.", "no"),
    ("Does the film show a mass?", "It shows the lung, but does not specifically mention a mass.", ""),
    ("Is the lesion in the liver?", "It is in the liver.", "yes"),
    ("Is the lesion in the liver?", "It is a normal liver.", ""),
    ("Is there a mass in the liver?", "It is in the liver.", ""),
    ("Is there a mass?", "True The patient has had pain for three weeks.", "yes"),
    ("Is there a mass?", "The lung is dark. None A normal lung would not be so.", "no"),
    ("Is there a mass?", "Present (left lung)", "yes"),
    ("Is the mass on the left?", "Right.", "no"),
    ("Is this a CT scan?", "This is a CT scan.", "yes"),
    ("Is this a CT scan?", "It's an MRI, not a CT scan.", "no"),
    ("Is this a CT scan?", "This is an MRI.", "no"),
    ("Is this a CT scan?", "This is a CT scan, not an MRI.", "yes"),
    ("Is this a CT scan?", "This is an MRI rather than a CT scan.", "no"),
    ("Is this a CT scan?", "This is either a CT scan or an MRI.", ""),
    ("Is this an MRI?", "This is not a CT scan, it is an MRI.", "yes"),
    ("Is the mass benign?", "It is benign, not malignant.", "yes"),
    ("Is the mass benign?", "It is malignant rather than benign.", "no"),
    ("Is the mass benign?", "No malignant features are seen.", ""),
    ("Is the liver enlarged?", "It is the spleen that is enlarged.", ""),
    ("Is the trachea midline?", "The trachea is midline and not deviated.", "yes"),
    ("Is the lung healthy?", "The right lung is healthy, but the left is not.", ""),
    ("Is the spleen normal?", "No evidence of abnormality.", "yes"),
    ("Is the spleen normal?", "The spleen is larger than normal.", "no"),
    ("Is the spleen normal?", "No lesion is seen in the liver.", ""),
    ("Is this image normal?", "No lesion in the liver, but there is a mass in the kidney.", ""),
    ("Is there a mass in the liver?", "There is a mass in the kidney, but the liver is normal.", ""),
    ("Is there a mass in the liver?", "There is a mass in the kidney, but not in the liver.", "no"),
    ("胸部X光正常吗?", "不太正常", "no"),
    ("Is there no evidence of fracture?", "There is a fracture.", ""),
    ("Can pneumothorax be excluded?", "Pneumothorax can be excluded.", ""),
    ("Are the hila normal?", "The hila look normal, without any visible abnormality.", "yes"),
    ("Is the hilum abnormal?", "The hilum looks normal on this film.", "no"),
    ("Are the sinus findings normal?", "The sinus findings are considered normal.", "yes"),
    ("Is the liver enlarged?", "The liver is of normal size.", "no"),
    ("Is the heart size normal?", "The heart size is within normal limits.", "yes"),
    ("Are there abnormalities in this scan?", "The knee scan seems normal, with no abnormalities.", "no"),
    ("Is there a cyst?", "There is a stone.", ""),
    ("Is there a cyst?", "There is no stone.", ""),
    ("Is there a cyst in the left kidney?", "There is a cyst in the right kidney.", ""),
    ("Is the cyst in the left kidney?", "The cyst is in the right kidney.", "no"),
    ("Does the scan show gout?", "The scan shows a broken toe.", ""),
    ("Does the scan show gout?", "The scan shows a close-up of a toe, which", ""),
    ("Does the scan show gout?", "The erosions suggest gout.", "yes"),
    ("Does the scan show gout?", "The erosions could be gout.", ""),
    ("Are rib fractures present?", "The film does not show any rib fractures.", "no"),
    ("Is the bladder visible?", "In this section, the bladder is not visible.", "no"),
    ("Is there gout?", "The toe is eroded, which is known as gout.", "yes"),
    ("Was it taken with contrast?", "It was taken without contrast.", "no"),
    ("Is the lesion hyperintense?", "The lesion is hypointense.", "no"),
    ("Is there haemorrhage?", "There is a hemorrhage near the falx.", "yes"),
    ("Is this a sagittal image?", "The image is coronal.", "no"),
    ("Is the lesion single?", "There are multiple lesions.", "no"),
    ("Is there a midline shift?", "No midline shift is present.", "no"),
    ("Are the bones intact?", "The bones are intact with no fracture.", "yes"),
    ("Does it have a round or oval shape?", "It has an oval shape.", "yes"),
    ("Is the number of cysts greater than the number of stones?",
     "The number of cysts is less than the number of stones.", "no"),
    ("Are there fewer cysts than stones?", "There are more cysts than stones.", "no"),
    ("Is the aorta larger than the cava?", "The cava is larger than the aorta.", ""),
    ("Does the scan show gout, a bone spur and a loose body?", "The scan shows a bone spur and loose", "yes"),
    ("Do sinus stones recur by region?", "The study asks if stones recur. The authors concluded that sinus stones "
     "did not recur by region.", "no"),
    ("Is there cardiomegaly?", "The heart is enlarged.", "yes"),
    ("Is there cardiomegaly?", "The heart size is normal.", "no"),
    ("Is the spleen enlarged?", "There is splenomegaly.", "yes"),
    ("Is the mass malignant?", "The mass shows no signs of malignancy.", "no"),
    ("Is the patient male?", "The patient is female.", "no"),
    ("Is there pneumothorax?", "The pneumothorax has resolved.", "no"),
    ("Is there pneumothorax?", "A pneumothorax was seen last year.", ""),
    ("Is there pneumothorax?", "No pleural effusion. Small pneumothorax.", "yes"),
    ("Is there pneumothorax?", "There is no effusion or pneumothorax.", "no"),
    ("Is the left kidney enlarged?", "The left kidney is normal and the right is enlarged.", "no"),
    ("Is the left kidney enlarged?", "The right kidney is enlarged.", ""),
    ("Is the tip in the right atrium?", "The tip is in the right ventricle.", ""),
    ("Is it a cyst?", "Some would say yes.", ""),
    ("Is it a cyst?", "Hard to say, but probably yes.", "yes"),
    ("Is it a cyst?", "No (0.9)", "no"),
    ("是否有骨折？", "不能排除骨折。", ""),
    ("是否有骨折？", "有肿块。", ""),
    ("图中有肿块吗？", "图中没有肿块。", "no"),
    ("图中有肿块吗？", "图中可见一个肿块。", "yes"),
    ("是否存在骨折？", "未见骨折。", "no"),
    ("这张图像正常吗？", "图像不正常", "no"),
    ("左肺有结节吗？", "右肺有结节。", ""),
    ("右肾有囊肿吗？", "左肾有囊肿。", ""),
    ("脾脏肿大了吗？", "脾脏大小正常，并无肿大。", "no"),
    ("纵隔居中吗？", "纵隔向左侧移位，并不居中。", "no"),
    ("图中有气胸吗？", "未见气胸征象。", "no"),
    ("图像中能看到肾脏吗？", "能，位于两侧。", "yes"),
    ("图中包含脾脏吗？", "包含脾脏。", "yes"),
    ("图中包括脾脏吗？", "包括", "yes"),
    ("图中的肺健康吗？", "不健康", "no"),
    ("Are the lung bases clear?", "There is a nodule in the left lung base.", "no"),
    ("Are the lung bases clear?", "The left lung base has a consolidation and an effusion.", "no"),
    ("Is there a mass?", "Incorrect, the liver is dark.", "no"),
    ("Are the lung bases clear?", "There is no nodule in the lung base.", ""),
    ("Is the spine curved?", "It is curved to the right.", "yes"),
    ("Is the spine curved?", "It is not curved to either side.", "no"),
    ("Is a chest tube present?", "A chest tube is in place with its tip at the apex.", "yes"),
    ("Is there a pleural effusion?", "No effusion is present on either side.", "no"),
    ("Are the ducts and ampulla typical?", "The ducts and the ampulla are not typical.", "no"),
    ("A study of cuff tears: Is there a link between tears and cysts?", "The study found no link between tears "
     "and cysts.", "no"),
    ("Are the cysts seen in the kidney, liver, spleen or pancreas?", "The cysts are seen in the liver, mostly.", ""),
    ("Does the film have a cyst or a stone?", "There is no cyst or stone.", "no"),
    ("Is the mass in the liver?", "The question asks about a mass in the liver.", ""),
    ("肝脏是否增大？", "肝脏没有增大", "no"),
]  # fmt: skip
OF_A_FRACTURE = [
    ("A fracture of the distal radius.", "yes"),
    ("There is swelling, and a fracture is seen.", "yes"),
    ("The film shows not only a fracture.", "yes"),
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
    ("Rule out fracture.", ""),
    ("History of fracture.", ""),
    ("A fracture would appear as a lucent line.", ""),
    ("Fractures are common in this age group.", ""),
    ("There is no dislocation, but there is a fracture.", "yes"),
    ("No dislocation is seen, but a fracture is present.", "yes"),
    ("There is soft-tissue swelling but no fracture.", "no"),
    ("The cortex is not intact; there is a fracture.", "yes"),
    ("A fracture line is seen, but it is not a fracture.", ""),
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
    ("The fracture is not displaced.", ""),
    ("Fracture versus growth plate.", ""),
    ("Clinical concern for a fracture.", ""),
    ("Signs of a fracture include a lucent line.", ""),
    ("Although there is no dislocation, a fracture is present.", "yes"),
    ("While the joint is normal, there is no fracture.", "no"),
    ("No. Wait, yes.", "yes"),
    ("No, I can't tell.", ""),
    ("Yes, maybe.", ""),
    ("Certainly! The image is an X-ray of the wrist.", ""),
    ("Of course! Please upload the image.", ""),
    ("Yes, I can help with that.", ""),
    ("No comparison available.", ""),
    ("This is a yes/no question.", ""),
    ("That's no fracture to speak of, or is it?", ""),
    ("Yes, if the cortex is interrupted; otherwise no.", ""),
    ("If there is a step-off, yes.", ""),
    ("No clear answer.", ""),
    ("No conclusion can be drawn.", ""),
    ("I don't see any image attached.", ""),
    ("Is it a fracture?", ""),
    ("没有图像", ""),
    ("No sé", ""),
    ("No puedo ver la radiografía.", ""),
    ("If the cortex is broken, there is a fracture.", ""),
    ('answer = "yes" if broken else "uncertain"', ""),
    ('Final answer: yes\n```python\nanswer = "no"\nprint(answer)', "yes"),
    ("A fracture is a break of bone.", ""),
    ("There is not enough information to say whether there is a fracture.", ""),
    ('def look(bone):\n    return "Yes" if broken else "No"', ""),
    ('bones = ["ulna"]\nprint("yes")', ""),
]  # fmt: skip


def example(text: str) -> tuple[str, str, str]:
    """The question, the reply and the side of "[question?] reply = side"."""
    reply, _, side = text.rpartition("=")
    question, mark, rest = reply.partition("? ")
    if mark and (not question.strip() or question.startswith("Is ")):
        return f"{question}?", rest.strip(), side.strip()
    return "Is there a mass?", reply.strip(), side.strip()


def examples(rule: Rule) -> list[tuple[str, str, str]]:
    return [example(text) for text in rule.examples.split(";")]


@pytest.mark.parametrize(("table", "one"), RULES, ids=[f"{table} {one.id}" for table, one in RULES])
def test_every_rule_has_an_example_that_needs_it(table: str, one: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = examples(one)
    assert [read_yes_no(reply, question).answer for question, reply, _ in cases] == [side for _, _, side in cases]
    monkeypatch.setattr(yes_no, table, tuple(other for other in getattr(yes_no, table) if other is not one))
    assert any(read_yes_no(reply, question).answer != side for question, reply, side in cases)


def test_the_rules_that_led_to_a_side_are_named() -> None:
    assert read_yes_no("No mass is seen.", "Is there a mass?")[:3] == ("no", Code.JUDGED, ("no X",))
    assert {one.id for table in TABLES[1:] for one in getattr(yes_no, table)} >= set(read_yes_no("Yes. No.").trace)


@pytest.mark.parametrize("reply", YES)
def test_a_reply_says_yes(reply: str) -> None:
    assert read_yes_no(reply).answer == "yes"


@pytest.mark.parametrize("reply", NO)
def test_a_reply_says_no(reply: str) -> None:
    assert read_yes_no(reply).answer == "no"


@pytest.mark.parametrize("reply", NEITHER)
def test_what_says_neither_is_abstained_from(reply: str) -> None:
    assert read_yes_no(reply).answer == ""


@pytest.mark.parametrize(("question", "reply", "side"), BY_QUESTION)
def test_a_statement_counts_where_it_speaks_of_what_is_asked(question: str, reply: str, side: str) -> None:
    assert read_yes_no(reply, question).answer == side


@pytest.mark.parametrize(("reply", "side"), OF_A_FRACTURE)
def test_what_is_said_of_the_words_of_the_question(reply: str, side: str) -> None:
    assert read_yes_no(reply, "Is there a fracture?").answer == side


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("Yes.", Code.JUDGED),
        ("Yes. No.", Code.SEVERAL),
        ("yes or no", Code.SEVERAL),
        ("Yes, perhaps.", Code.UNSURE),
        ("Maybe.", Code.UNSURE),
        ("There is a stone.", Code.NO_ANSWER),
        ("yes" * LONGEST, Code.TOO_LONG),
    ],
)
def test_the_code_tells_programs_why(reply: str, code: Code) -> None:
    assert read_yes_no(reply, "Is there a mass?").code is code


@pytest.mark.parametrize(
    ("gold", "side"),
    [
        ("yes", "yes"),
        ("No ", "no"),
        ("是", "yes"),
        ("没有", "no"),
        ("不包括", "no"),
        ("正常", None),
        ("normal", None),
        ("none", None),
    ],
)
def test_only_a_bare_yes_or_no_is_a_yes_no_gold(gold: str, side: str | None) -> None:
    assert polarity_of_gold(gold) == side


PIECES = (
    "no yes if mass not . \n , ( ) { \\ ? is there 是 没有 肿块 maybe answer : and but or than cannot would n't the",
    "normal abnormal left right upper hyperintense 12 def print( = é ﬃ \u0301 \ue400 \ue480 Is ，。？",
)


def test_no_text_or_question_raises() -> None:
    rng, pieces = random.Random(0), " ".join(PIECES).split(" ")
    for _ in range(3000):
        reply, question = (" ".join(rng.choices(pieces, k=rng.randrange(most))) for most in (25, 12))
        assert read_yes_no(reply, question).answer in ("", "yes", "no")


@pytest.mark.parametrize(
    "piece", ["no ", "is ", "是", "mass not ", "no. ", "(", "x = 1\n", "would ", "\u0301", "if mass, "]
)
def test_long_replies_take_little_time(piece: str) -> None:
    text = (piece * (1_000_000 // len(piece)))[:1_000_000]
    for reply in (text, text[:LONGEST]):
        start = time.process_time()
        read_yes_no(reply, "Is there a mass in the liver?")
        assert time.process_time() - start < 0.5
