"""Whether a reply gives the gold as its answer, and that nothing more or less will do."""

from __future__ import annotations

import pytest

from infimed_plugins.parsing.short_text import says

PROSE = "The patient presented with a three-week history of pain."
LONG = "The cardiac silhouette is within normal limits."

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
]


@pytest.mark.parametrize(("gold", "reply"), GIVEN)
def test_a_reply_gives_the_gold(gold: str, reply: str) -> None:
    assert says(reply, (gold,)) is not None


@pytest.mark.parametrize(("gold", "reply"), NOT_GIVEN)
def test_anything_more_or_less_is_not_the_gold(gold: str, reply: str) -> None:
    assert says(reply, (gold,)) is None


def test_a_synonym_is_as_good() -> None:
    assert says("It is the ren.", ("kidney", "ren")) == "It is the ren."


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
    ],
)
def test_what_repeats_the_question_is_passed_over(question: str, reply: str, gold: str, given: bool) -> None:
    assert (says(reply, (gold,), question) is not None) == given
