"""MedEvalKit's rules for questions without options (utils/utils.py:171-219): VQA-RAD, SLAKE, PathVQA.

>>> yesno("yes", "Yes, there is no pneumothorax.")
False
>>> closed("MRI", "**MRI**")
False
>>> open_metrics("right lung", "Right lung.")["em"]
False
"""

from __future__ import annotations

from typing import TypedDict

from infimed_plugins.scoring.medevalkit.overlap import bleu, rouge, token_f1
from infimed_plugins.scoring.medevalkit.text import parse


class OpenMetrics(TypedDict):
    """Of one open answer. Upstream rotates three labels: ``precision`` is F1, ``recall`` precision, ``f1`` recall."""

    em: bool
    bleu1: float
    bleu2: float
    bleu3: float
    bleu4: float
    rouge1: float
    rouge2: float
    rougel: float
    precision: float
    recall: float
    f1: float


def bare(response: str) -> str:
    """The parsed reply without line ends and periods."""
    return parse(response).replace("\n", "").replace(".", "")


def yesno(answer: str, response: str) -> bool:
    """Right when just one of the strings "yes" and "no" occurs anywhere, and the gold answer does too."""
    text = bare(response)
    return (("yes" in text) != ("no" in text)) and answer.lower() in text


def closed(answer: str, response: str) -> bool:
    """Right when the bare reply is the gold answer, lower-cased, to the last blank."""
    return bare(response) == answer.lower()


def open_metrics(answer: str, response: str) -> OpenMetrics:
    """Exact match and overlap of an open answer.

    Raises ValueError for a reply (or gold answer) of nothing but periods and TypeError for one of blanks, as upstream.
    """
    return parsed_metrics(answer, parse(response))


def parsed_metrics(answer: str, text: str) -> OpenMetrics:
    """The same for a reply that has been parsed."""
    answer, lowered = answer.lower(), text.lower()  # "None", for want of a box, is in capitals
    rouge1, rouge2, rougel = rouge(lowered, answer)
    f1, precision, recall = token_f1(lowered, answer)
    bleu1, bleu2, bleu3, bleu4 = bleu(lowered, answer)
    return {
        "em": text == answer,
        "bleu1": bleu1,
        "bleu2": bleu2,
        "bleu3": bleu3,
        "bleu4": bleu4,
        "rouge1": rouge1,
        "rouge2": rouge2,
        "rougel": rougel,
        "precision": f1,
        "recall": precision,
        "f1": recall,
    }
