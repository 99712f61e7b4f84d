"""What values are called and what they count: symbols, and words of a small vocabulary.

Of a word that is not in it nobody knows whether it denies ("the wrong answer is 12", "12 perhaps"), and a list of words
that deny would never be whole.
"""

from __future__ import annotations

import re

from infimed_plugins.parsing.lexicon import read_text, rule

_INDEX = r"(?:_(?:\{(?:[A-Z0-9△∠ ]{1,6}|[a-zα-ωΔΘΣΦΩ]|max|min)\}|[A-Za-z0-9]))?'{0,2}"
_ARGUMENT = r"[-+0-9.,*^| {}π]|\\frac|/(?!=)|[=<>≤≥](?![=<>/])|[A-Za-zα-ω](?![A-Za-z])"
_SYMBOL = re.compile(
    rf"[A-Za-zα-ωΔΘΣΦΩ]{_INDEX}|[A-Za-z]{_INDEX}\s?\((?:{_ARGUMENT}){{1,40}}\)|(?!NO)[A-Z]{{2}}"
    r"|(?:[∠△]|S\s?△|(?:angle|triangle|arc) )\s?[A-Z0-9]{1,4}|\\?(?:sin|cos|tan)\s*∠?\s?(?:[A-Z]{1,3}|[α-ω])"
)
_OF = re.compile(r" (?:of|in|at|for) ")
_HEADS = """answer result value solution area perimeter circumference volume length width height depth radius
    diameter distance thickness size angle slope sum product quotient difference total number count amount mean
    median mode average range ratio rate probability percentage proportion fraction speed velocity force mass
    weight density pressure temperature time duration age dose dosage concentration output index score grade stage
    level frequency interval voltage current power energy cost price it there ef lvef hr bp bmi gfr egfr suv hu
    ctr psa iop fev1 the a an this that its their final correct required measured estimated calculated resulting
    overall maximum minimum max min normal surface lateral base bottom top side cross sectional short long axis
    inner outer left right upper lower anterior posterior ventricular atrial ejection cardiac heart blood
    respiratory systolic diastolic body bone wall vessel tumor cyst nodule lesion stroke peak minor major central
    inscribed shaded"""
_THINGS = """circle triangle rectangle square parallelogram trapezoid rhombus polygon sphere cone cylinder cube
    prism sector arc chord line segment side figure region building flagpole image picture patient person people
    child children kidney lung liver spleen brain heart bladder prostate thyroid aorta artery vein ventricle
    atrium vertebra rib tooth teeth lesion nodule mass tumor cyst fracture polyp lobe lymph node stone object"""
_NO_NOUNS = """hundred thousand million billion trillion dozen half halve third quarter percent squared cubed
    time plu minu fold fourth fifth sixth seventh eighth ninth tenth twelfth twentieth hundredth thousandth
    millionth besides always afterwards does sometimes others"""  # without an s
_NAMING, _OBJECTS, _UNCOUNTED = (frozenset(words.split()) for words in (_HEADS, _THINGS, _NO_NOUNS))
_DENIES = rule("{negated|rejected|possible|hypothetical|than}")
_HAN_NUMERALS, _HAN_COUNTERS = "十百千万亿", "个处枚颗根例次人只"


def is_name(side: str) -> bool:
    r"""``x_1``, ``f(2)``, ``\sin A``, ``AB``, ``Area``, ``the height of the building``; not ``-x`` or ``unknown``."""
    if _SYMBOL.fullmatch(side):
        return True
    head, *rest = _OF.split(side)
    if not head or not _NAMING.issuperset(head.lower().split()):
        return False
    return all(_is_known(word) or _SYMBOL.fullmatch(word) for part in rest for word in part.split())


def _is_known(word: str) -> bool:
    word = word.lower()
    return word in _NAMING or not _OBJECTS.isdisjoint([word, word.removesuffix("s"), word.removesuffix("es")])


def counts(noun: str, unit: str | None) -> bool:
    """Whether ``3 noun`` counts: a plural or the truth's ``unit``, any in a truth; no number as in ``3 million``."""
    *others, last = noun.split()
    if noun[0] in _HAN_NUMERALS or any({word, word.removesuffix("s")} & _UNCOUNTED for word in (*others, last)):
        return False
    if unit is not None and _DENIES.search(read_text(f"{noun} {noun.removesuffix('s')}").codes):
        return False
    plural = last.isascii() and last.endswith("s") and last[-2] not in "aisu"
    known = plural or last in _OBJECTS or last in _HAN_COUNTERS
    return unit in (None, noun.removesuffix("s")) or (known and all(map(_is_known, others)))
