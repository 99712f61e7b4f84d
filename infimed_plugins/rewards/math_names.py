"""What values are called and what they count: symbols, and words of a small vocabulary.

Of a word that is not in it nobody knows whether it denies ("the wrong answer is 12", "12 perhaps"), and a list of words
that deny would never be whole.
"""

from __future__ import annotations

import re

from infimed_plugins.rewards.math_syntax import Unreadable, parse_expression

_LONGEST = 80  # characters of a name

_NUMBER_WORDS = (
    "hundred thousand million billion trillion dozen half halve third quarter percent squared cubed time plu minu fold "
    "fourth fifth sixth seventh eighth ninth tenth twelfth twentieth hundredth thousandth millionth"
)
_NUMERALS = frozenset(_NUMBER_WORDS.split())  # without an s
_ADVERBS = frozenset(["perhaps", "besides", "sometimes", "always", "afterwards", "versus", "does", "unless", "others"])
_HAN_NUMERALS = "十百千万亿"
_HAN_COUNTERS = "个处枚颗根例次人只"

_INDEX = r"(?:_(?:\{(?:[A-Z0-9△∠ ]{1,6}|[a-zα-ωΔΘΣΦΩ]|max|min)\}|[A-Za-z0-9]))?'{0,2}"
_SYMBOL = re.compile(
    rf"[A-Za-zα-ωΔΘΣΦΩ]{_INDEX}|(?!NO)[A-Z]{{2}}|(?:[∠△]|S\s?△|(?:angle|triangle|arc) )\s?[A-Z0-9]{{1,4}}"
)
_CALLED = re.compile(rf"([A-Za-z]{_INDEX})\s?\(([^()]{{1,40}})\)")
_RATIO = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)(?![a-z])\s*(.+)")
_QUANTITIES = (
    "answer result value solution area perimeter circumference volume length width height depth radius diameter "
    "distance thickness size angle slope sum product quotient difference total number count amount mean median "
    "mode average range ratio rate probability percentage proportion fraction speed velocity force mass weight "
    "density pressure temperature time duration age dose dosage concentration volume output index score grade "
    "stage level frequency interval voltage current power energy cost price it there EF LVEF HR BP BMI GFR eGFR "
    "SUV HU CTR PSA IOP FEV1"
)
_MODIFIERS = (
    "the a an this that its their final correct required measured estimated calculated resulting total overall "
    "maximum minimum max min mean average normal surface lateral base bottom top side cross sectional short long "
    "axis inner outer left right upper lower anterior posterior ventricular atrial ejection cardiac heart blood "
    "respiratory systolic diastolic body bone wall vessel tumor cyst nodule lesion mass stroke peak minor major "
    "central inscribed shaded age"
)
_OBJECTS = (
    "circle triangle rectangle square parallelogram trapezoid rhombus polygon sphere cone cylinder cube prism "
    "sector arc chord line segment side sides figure region building flagpole image picture patient kidney "
    "kidneys lung lungs liver spleen brain heart bladder prostate thyroid aorta artery vein ventricle atrium "
    "vertebra rib ribs tooth teeth lesion lesions nodule nodules mass masses tumor tumors cyst cysts fracture "
    "fractures polyp polyps metastases lymph lobe lobes node nodes stone stones person people child children object "
    "objects"
)
_HEADS = frozenset((_QUANTITIES + " " + _MODIFIERS).split())
_NOUNS = frozenset(_OBJECTS.split())
_OF = re.compile(r" (?:of|in|at|for) ")


def is_name(side: str) -> bool:
    r"""``x_1``, ``f(2)``, ``\sin A``, ``AB``, ``Area``, ``the height of the building``; not ``-x`` or ``unknown``."""
    side = side.strip()
    if _SYMBOL.fullmatch(side):
        return True
    if called := _CALLED.fullmatch(side):
        return all(_is_argument(part) for part in re.split(r"[,|=<>≤≥]", called[2]))
    if ratio := _RATIO.fullmatch(side):
        angle = ratio[1].strip(" ()")
        return _SYMBOL.fullmatch(angle) is not None and (angle.isupper() or not angle.isascii())
    if not side or len(side) > _LONGEST:
        return False
    head, *rest = _OF.split(side)
    words = [word for part in rest for word in part.split()]
    known = all(word.lower() in _HEADS | _NOUNS or _SYMBOL.fullmatch(word) for word in words)
    return known and all(word in _HEADS or word.lower() in _HEADS for word in head.split())


def _is_argument(text: str) -> bool:
    try:
        return not parse_expression(text).words
    except Unreadable:
        return False


def counts(noun: str, unit: str, known_only: bool) -> bool:
    """Whether ``3 noun`` counts: a plural, a known noun or the truth's ``unit``; no number as in ``3 million``."""
    words = noun.split()
    if noun[0] in _HAN_NUMERALS or any(word.removesuffix("s") in _NUMERALS for word in words):
        return False
    if not known_only or noun.removesuffix("s") == unit:
        return True
    last = words[-1]
    plural = last.isascii() and last.endswith("s") and last[-2] not in "aisu" and last not in _ADVERBS
    return (plural or last in _NOUNS or last in _HAN_COUNTERS) and set(words[:-1]) <= _HEADS | _NOUNS
