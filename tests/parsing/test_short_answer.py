"""Whether a reply gives the gold as its answer, that nothing more or less will do, and that every rule is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from infimed_plugins.parsing import lexicon, short_answer
from infimed_plugins.parsing.short_answer import read_short_answer
from infimed_plugins.records import Code

NEVER = "(?!)"
PROSE = "The patient presented with a three-week history of pain."
LONG = "The cardiac silhouette is within normal limits."


def outcome(question: str, gold: str, reply: str) -> bool | Code:
    """True where the gold is given, else the code."""
    read = read_short_answer(reply, (gold,), question)
    return True if read.answer else read.code


def rules() -> Iterator[tuple[Any, str, Any]]:
    """Every rule, with the module and the name of its table."""
    for module, name in ((short_answer, "STEPS"), (short_answer, "NOTHING"), (lexicon, "RETRACTIONS")):
        yield from ((module, name, rule) for rule in getattr(module, name))
    for name in ("ANNOUNCES", "RIVAL_BESIDE"):
        yield short_answer, name, getattr(short_answer, name)


@pytest.mark.parametrize(("module", "name", "rule"), [pytest.param(*one, id=one[2].id) for one in rules()])
def test_a_rule_is_needed_for_its_examples(module: Any, name: str, rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    default = rule.effect or True
    examples = [one if isinstance(one, tuple) else ("", "liver", one, default) for one in rule.examples]
    assert examples
    for question, gold, reply, read in examples:
        assert outcome(question, gold, reply) == read, reply
    table = getattr(module, name)
    without = tuple(one for one in table if one is not rule) if table is not rule else rule._replace(pattern=NEVER)
    monkeypatch.setattr(module, name, without)
    assert any(outcome(question, gold, reply) != read for question, gold, reply, read in examples)


GIVEN = [
    ("左肺", "病变位于左肺"),
    ("左肺", "在左肺"),
    ("left lung", "Left lung."),
    ("left lung", "lung, left"),
    ("left lung", "the  left\tlung"),
    ("left lung", "**left lung**"),
    ("left lung", "It is the left lung"),
    ("left lung", "It is located in the left lung."),
    ("left lung", "Left lung is present in the image"),
    ("left lung", "Left lung, as seen on the image."),
    ("left lung", "Left lung is seen. No other abnormality."),
    ("left lung", "Left lung (hilum)"),
    ("left lung", f"The answer is left lung. {PROSE}"),
    ("left lung", f"{PROSE}\n\nAnswer: left lung"),
    ("left lung", f"This is most consistent with left lung. {PROSE}"),
    ("left lung", f"{PROSE} {LONG}\n\n**left lung**"),
    ("left lung", "The answer is liver. Wait, let me reconsider. The answer is left lung."),
    ("in the left lung", "left lung"),
    ("kidney", "kidneys"),
    ("masses", "mass"),
    ("ct scan. head", "The answer is ct scan. head."),
    ("ct scan. head", f"{PROSE}\nct scan. head"),
    ("Liver, Heart, Spleen", "liver, heart and spleen"),
    ("1.5 cm", "1.5 cm"),
    ("MRI", "It is an MRI scan."),
    ("ct", "Computed tomography."),
    ("x-ray", "xray"),
    ("2", f"This is most consistent with 2. {PROSE}"),
    ("left lung", "I think it is the left lung."),
    ("left lung", "Based on the image, it is the left lung."),
    ("left lung", "It looks like the left lung."),
    ("left lung", "It seems to be the left lung."),
    ("right lower lobe", "RLL"),
    ("right lower lobe", "The right inferior lobe."),
    ("right lower lobe", "lower lobe of the right lung"),
    ("pulmonary embolism", "PE"),
    ("cardiomegaly", "An enlarged heart."),
    ("x-ray", "chest x-ray"),
    ("肝脏", "这是肝脏。"),
    ("左肺", "答案：左肺"),
    ("肺", f"This is most consistent with 肺. {PROSE}"),
    ("left lung", "It's in the left lung."),
    ("left lung", "Left lung.\n\nThe lesion measures 2 cm."),
    ("cardiomegaly", "There is cardiomegaly."),
    ("mri", "The imaging modality used is MRI."),
    ("axial", "The plane is axial."),
    ("axial", "axial plane"),
    ("left", "It is on the left side."),
    ("1.5 cm", "It measures 1.5 cm."),
    ("2", "Two."),
    ("3", "There are 3 lesions."),
    ("3", "Three masses."),
    ("5 cm", "5cm"),
    ("5 cm", "approximately 5 cm"),
    ("white", "The lesion appears white."),
    ("ct", "The image was taken using computed tomography."),
    ("pneumonia", "Findings are consistent with pneumonia."),
    ("pneumonia", "Pneumonia, because there is consolidation."),
    ("2", "There are 2."),
    ("5%", "5 percent"),
    ("hyperplasia without atypia", "This is hyperplasia, without atypia."),
    ("+", "+"),
    ("left lung, right kidney", "Right kidney, left lung."),
    ("right upper lobe and left lower lobe", "The lesion is in the left lower lobe and the right upper lobe."),
    ("left and right lung", "Left lung, right lung"),
    ("liver, spleen", "The image shows the spleen and the liver."),
    ("<5", "< 5"),
    ("ER-", "It is ER-."),
    ("T2", "T2-weighted"),
    ("1,234", "1234"),
    ("mri", "The image is an MRI (Magnetic Resonance Imaging) scan."),
    ("brain", "This is the brain, specifically the frontal lobe, which plans."),
    ("ct", "It was taken using computed tomography (CT), which is a non-invasive technique."),
    ("aortic stenosis", "Given the murmur, aortic stenosis is the most likely diagnosis."),
    ("kidney", "This image shows a gross specimen of a kidney with several cysts."),
    ("pneumonia", "Looking at the image, I see pneumonia."),
    ("liver, spleen, stomach", "- stomach\n- liver\n- spleen"),
    ("atelectasis, effusion", "effusion; atelectasis"),
    ("left", "Left-sided."),
    ("ct", "This is a CT scan. A CT scan gives sections of the body, which can help plan a biopsy."),
    ("liver", "Options weighed.\n\nAnswer:\nliver"),
]
NOT_GIVEN = [
    ("chest x-ray", "x-ray"),
    ("x-ray", "chest"),
    ("ct", "chest x-ray"),
    ("right lower lobe", "LLL"),
    ("left lung", "I do not think it is the left lung."),
    ("left lung", "I think it is the right lung."),
    ("left lung", ""),
    ("left lung", "lung"),
    ("left lung", "right lung"),
    ("left lung", "left lung or liver"),
    ("left lung", "left lung and liver"),
    ("left lung", "left lung (or liver)"),
    ("left lung", "not the left lung"),
    ("left lung", "no left lung is seen"),
    ("left lung", "the left lung is not seen"),
    ("left lung", "the left lung is clear"),
    ("left lung", "It could be the left lung"),
    ("left lung", "Left lung?"),
    ("left lung", "Left lung? No."),
    ("left lung", "Left lung. Liver."),
    ("left lung", "Liver. Left lung."),
    ("left lung", "The answer is left lung. The answer is liver."),
    ("left lung", "The answer is left lung. Wait, no. The answer is liver."),
    ("left lung", "The answer is not left lung."),
    ("left lung", "The answer might be left lung."),
    ("left lung", PROSE),
    ("no abnormality", "abnormality"),
    ("1.5 cm", "5.1 cm"),
    ("1.5 cm", ">1.5 cm"),
    ("1.5 cm", "< 1.5 cm"),
    ("2", "-2"),
    ("hepatitis a", "hepatitis"),
    ("ct", "Not CT. MRI."),
    ("左肺", "右肺"),
    ("肺", "肺炎"),
    ("left lung", "left lung " * 20_000),
    ("cardiomegaly", "There is no cardiomegaly."),
    ("axial", "The plane is not axial."),
    ("axial", "sagittal plane"),
    ("left lung", "left side"),
    ("2", "Two or three."),
    ("3", "3 cm"),
    ("3", "not 3"),
    ("pneumonia", "Pneumonia (unlikely)"),
    ("pneumonia", "The differential diagnosis is pneumonia."),
    ("pneumonia", "Pneumonia. However, tuberculosis of the lung is much more likely here."),
    ("pneumonia", "Pneumonia. I cannot determine the diagnosis from the image."),
    ("right", "That's right."),
    ("5%", "5"),
    ("5", "5%"),
    ("hyperplasia without atypia", "atypia without hyperplasia"),
    ("+", "-"),
    ("left lung, right kidney", "Right lung, left kidney."),
    ("right upper lobe and left lower lobe", "The lesion is in the left upper lobe and the right lower lobe."),
    ("brain edema, brain non-enhancing tumor", "Brain edema, brain enhancing tumor, brain non-enhancing tumor"),
    ("liver, spleen", "liver"),
    ("liver", "liver, spleen"),
    ("lung", "left lung"),
    ("5.1", "1.5"),
    ("<5", ">5"),
    ("ER-", "ER+"),
    ("p < 0.05", "p > 0.05"),
    ("hyperplasia", "hyperplasia without atypia"),
    ("L4-L5", "L4-L6"),
    ("दिल", "दाल"),
    ("arthritis", "arteritis"),
    ("pneumonia", "Pneumonia. It is not seen here at all."),
    ("pneumonia", "~~pneumonia~~"),
    ("pneumonia", "pneumonia ❌"),
    ("pneumonia", "pneumonia (wrong)"),
    ("pneumonia", "Either pneumonia or a cyst."),
    ("pneumonia", "?pneumonia"),
    ("pneumonia", "It used to be pneumonia."),
    ("pneumonia", "Pneumonia has been refuted."),
    ("pneumonia", "Pneumonia versus cyst"),
    ("pneumonia", "A cyst mimicking pneumonia"),
    ("liver", "The spleen, which lies beside the liver, is shown."),
    ("liver", "It is the spleen because the liver is brighter."),
    ("liver", "1. liver\n2. spleen"),
    ("liver", "near the liver"),
    ("", "..."),
]


@pytest.mark.parametrize(("gold", "reply"), GIVEN)
def test_a_reply_gives_the_gold(gold: str, reply: str) -> None:
    assert outcome("", gold, reply) is True


@pytest.mark.parametrize(("gold", "reply"), NOT_GIVEN)
def test_anything_more_or_less_is_not_the_gold(gold: str, reply: str) -> None:
    assert outcome("", gold, reply) is not True


def test_a_synonym_is_as_good() -> None:
    assert read_short_answer("It is the ren.", ("kidney", "ren")).answer == "It is the ren."


@pytest.mark.parametrize(
    ("question", "reply", "gold", "given"),
    [
        ("What is the color of the lesion?", "The color of the lesion is white.", "white", True),
        ("Which part of the body does this image belong to?", "This image belongs to the head.", "head", True),
        ("What are the arrows pointing to?", "The arrows are pointing to lymph nodes.", "lymph nodes", True),
        ("What is the condition of the patient?", "The condition is pneumonia.", "pneumonia", True),
        ("What is the condition of the patient?", "The past condition is pneumonia.", "pneumonia", False),
        ("What is the color of the lesion?", "The color of the lesion is not white.", "white", False),
        ("Which lung is affected?", "The left lung is clear.", "left lung", False),
        ("Which is larger, the liver or the spleen?", "The liver is larger than the spleen.", "liver", True),
        ("Which is larger, the liver or the spleen?", "The liver is smaller than the spleen.", "liver", False),
        ("Is it the liver or the spleen?", "The liver and the spleen.", "liver", False),
        ("Is it on the left or the right?", "It is on the right side of the brain.", "right", True),
        ("Is it on the left or the right?", "That's right.", "right", False),
        ("Is this patient male or female?", "The patient is a 62-year-old male.", "male", True),
        ("Is the outline normal or abnormal?", "The outline of the cusps is abnormal,", "abnormal", True),
        ("Is the outline normal or abnormal?", "The outline is not abnormal.", "abnormal", False),
        ("Is it solid or cystic?", "The solid one is next to a cystic one.", "solid", False),
        ("Which is larger, the liver or the spleen?", "The liver is significantly larger.", "liver", True),
        ("Which organs appear in pairs?", "In the chest X-ray, the lungs appear in pairs.", "lung", True),
        ("How many cysts does the wall show?", "The wall shows two cysts.", "2", True),
        ("How many cysts does the wall show?", "The wall shows two or three cysts.", "2", False),
        ("Which lobe is consolidated?", "The consolidation involves the right lobe.", "right lobe", True),
        ("该图像的扫描平面是什么？", "扫描平面为冠状面。", "冠状面", True),
        ("病灶是什么颜色的？", "病灶呈黑色。", "黑色", True),
        ("病灶是什么颜色的？", "病灶呈白色。", "黑色", False),
        ("What does microscopy show?", "Microscopy shows a close-up.", "microscopy", False),
    ],
)
def test_what_repeats_the_question_is_passed_over(question: str, reply: str, gold: str, given: bool) -> None:
    assert (outcome(question, gold, reply) is True) == given


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("The spleen.", Code.JUDGED),
        ("There is no lesion.", Code.JUDGED),
        ("It may be the spleen.", Code.UNSURE),
        ("The liver or the spleen.", Code.SEVERAL),
        ("Not the liver.", Code.REJECTED),
        ("I cannot see the image.", Code.NO_ANSWER),
        ("", Code.NO_ANSWER),
        ("liver " * 20_000, Code.TOO_LONG),
    ],
)
def test_no_answer_is_told_from_another_one(reply: str, code: Code) -> None:
    read = read_short_answer(reply, ("liver",), "Which organ is shown?")
    assert (read.answer, read.code) == ("", code)


PIECES = [
    "A ",
    "answer is A. ",
    "<answer>",
    "{",
    "\n",
    "(",
    "\u0301",
    "liver, ",
    "liver in the ",
    "(a ",
    "~~",
    "左",
    "in 0 ",
    "1. ",
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_reply_is_read_in_time(piece: str) -> None:
    for length in (99_000, 1_000_000):
        text = (piece * length)[:length]
        start = time.process_time()
        read_short_answer(text, ("liver", "a, b"), "Is it the liver or the spleen?")
        assert time.process_time() - start < 0.5  # a few milliseconds on a quiet machine
