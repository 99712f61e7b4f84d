"""MultiMedEval's rule for VQA-RAD, SLAKE (English only) and PathVQA, verdict for verdict, at d9ac283.

Both texts are cleaned (``clean_str`` in multimedeval/utils.py: the punctuation rules of the VQA challenge, number
words as digits, no articles) and compared as sets of words (``VQA.evaluate`` in multimedeval/task_families.py):

    closed (the gold is yes or no)    right from a recall of 0.4; a gold "no" counts as {"no", "not"}
    open                              right from a recall of 0.75

So a reply with every word of the gold among any others is right, and so is "yes and no". The cleaning has quirks that
are kept: only the first 32 full stops go, and a comma between two digits anywhere decides for all the punctuation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CLOSED_RECALL, OPEN_RECALL = 0.4, 0.75
_EPSILON = 1e-8  # upstream's, in the denominator of F1
_FULL_STOPS = 32  # upstream passes re.UNICODE, which is 32, where the count of replacements stands

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_FULL_STOP = re.compile(r"\.(?!\d)")
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DIGITS = {word: str(value) for value, word in enumerate(_NUMBERS)}
_DIGITS["none"] = "0"
_ARTICLES = frozenset(["a", "an", "the"])
_CONTRACTED = (
    "ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's "
    "isn't it'd it'll ma'am mightn't might've mustn't must've needn't o'clock oughtn't shan't should've shouldn't "
    "somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's "
    "they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's "
    "where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've"
)
_DOUBLY = "couldn't've hadn't've he'd've it'd've mightn't've shouldn't've somebody'd've someone'd've something'd've"
_DOUBLY += " she'd've there'd've they'd've we'd've who'd've wouldn't've you'd've"


def _spellings() -> dict[str, str]:
    """Return the replacement of a word without its apostrophes; a doubly contracted one may lack either."""
    spellings = {word.replace("'", ""): word for word in _CONTRACTED.split()}
    for word in _DOUBLY.split():
        stem, ending = word[:-3], word[-3:]
        spellings[stem.replace("'", "") + ending] = spellings[stem + ending.replace("'", "")] = word
    odd = {"notve": "not've", "somebody'd": "somebodyd", "ow's'at": "'ow's'at", "'ows'at": "'ow's'at"}
    odd |= {"'ow'sat": "'ow's'at", "yall'll": "y'all'll", "y'allll": "y'all'll"}
    odd |= {"yall'd've": "y'all'd've", "y'alld've": "y'all'd've", "y'all'dve": "y'all'd've"}
    return spellings | odd


_SPELLINGS = _spellings()


@dataclass(frozen=True)
class MultiMedEvalVerdict:
    """``f1`` and ``recall`` of the gold's words, in [0, 1]."""

    clean_pred: str
    clean_gold: str
    closed: bool
    f1: float
    recall: float
    correct: bool


def score(prediction: str, answer: str) -> MultiMedEvalVerdict:
    """Judge one reply. Raises AttributeError for a prediction or answer that is not a string, as upstream does."""
    clean_gold, clean_pred = clean(answer.lower().strip()), clean(prediction)
    gold, given = set(clean_gold.split()), set(clean_pred.split())
    shared = len(gold & given)
    precision = shared / len(given) if given else 0
    recall = shared / len(gold) if gold else 0
    f1 = 2 * (precision * recall) / (precision + recall + _EPSILON)
    closed = clean_gold in ("yes", "no")
    if not closed:
        correct = recall >= OPEN_RECALL
    else:
        wanted = {"no", "not"} if gold == {"no"} else gold
        correct = len(wanted & given) / len(wanted) >= CLOSED_RECALL
    return MultiMedEvalVerdict(clean_pred, clean_gold, closed, f1, recall, correct)


def clean(text: str) -> str:
    """Do as ``clean_str``: lower case, without punctuation and articles, words with single spaces between."""
    text = text.lower()
    number = _COMMA_IN_NUMBER.search(text) is not None
    cleaned = text
    for mark in _PUNCTUATION:
        beside_space = f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if number or beside_space else " ")
    words = [_DIGITS.get(word, word) for word in _FULL_STOP.sub("", cleaned, count=_FULL_STOPS).split()]
    return " ".join(_SPELLINGS.get(word, word) for word in words if word not in _ARTICLES).replace(",", "")
