"""Text made comparable: NFKC, lower case, alphanumeric runs.

``tokens("T2-weighted MRI.")`` is ``["t2", "weighted", "mri"]``. Chinese and Japanese write no spaces, so each Han
character or kana is a token of its own: ``tokens("左肺 CT")`` is ``["左", "肺", "ct"]``, and the left and the right
lung are as far apart in Chinese as in English. A combining mark belongs to its letter. No stemming, no stop words, no
synonyms.

``signed_tokens`` keeps the signs and marks by which texts differ that have the same words: ``ER+``, ``-5``, ``<5``,
``1.5``, ``pneumonia ?``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_HAN_AND_KANA = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_HAN_AND_KANA}]|[^\W_{_HAN_AND_KANA}]+")
_CHUNK = 128
_SIGNS = re.compile(r"[0-9<>~?+\\≤≥≠≈±¬❌🚫⛔👎↑↓♀♂]|-(?![a-z])")  # what makes a text in lower case more than words
_LATEX_SIGNS = {
    r"\leq": "≤", r"\le": "≤", r"\leqslant": "≤", r"\geq": "≥", r"\ge": "≥", r"\geqslant": "≥", r"\lt": "<",
    r"\gt": ">", r"\neq": "≠", r"\ne": "≠", r"\pm": "±", r"\approx": "≈", r"\sim": "~", r"\uparrow": "↑",
    r"\downarrow": "↓", r"\neg": "¬", r"\lnot": "¬",
}  # fmt: skip
_LATEX_SIGN = re.compile(r"\\[a-z]+")
_JOINERS = "\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0e\ufe0f"  # which nobody sees
_SPELT_SIGNS = str.maketrans(
    dict.fromkeys(_JOINERS, "")
    | {"−": "-", "﹣": "-", "✗": "❌", "✘": "❌", "✖": "❌", "✕": "❌", "➕": "+", "➖": "-"}
)
_OR_EQUAL = {"<=": "≤", ">=": "≥", "~": "≈"}


@cache
def _marks() -> str:
    """All combining marks, as the inside of a character class; ``\\w`` holds none of them."""
    points = (chr(point) for point in range(0x300, 0x1F000))
    return "".join(mark for mark in points if unicodedata.category(mark)[0] == "M") + "\U000e0100-\U000e01ef"


@cache
def _token_with_marks() -> re.Pattern[str]:
    return re.compile(rf"[{_HAN_AND_KANA}][{_marks()}]*|[^\W_{_HAN_AND_KANA}](?:[^\W_{_HAN_AND_KANA}]|[{_marks()}])*")


@cache
def _pieces() -> re.Pattern[str]:
    """Pieces of text that end before a character which NFKC does not join to the one before, where there is one."""
    joined = rf"{_marks()}\u1160-\u11ff\uff9e\uff9f"
    return re.compile(rf"[\s\S]{{1,{_CHUNK}}}(?![{joined}])|[\s\S]{{1,{_CHUNK}}}")


@cache
def _signed_token() -> re.Pattern[str]:
    letter = rf"(?:[^\W_{_HAN_AND_KANA}]|[{_marks()}])"
    number = rf"(?:\d|\.\d){letter}*(?:(?<=\d)[./:](?=\d){letter}+)*"
    relation = r"(?:(?P<relation>[<>]=|(?<![-=<])[<>]|[≤≥≠≈±~])\s*)?"
    sign = r"(?P<sign>(?<![\w)\]])[-+](?=\.?\d))?"
    word = rf"[^\W_{_HAN_AND_KANA}]{letter}*(?:(?<=\d)[./:](?=\d){letter}+)*"
    return re.compile(
        rf"{relation}{sign}(?P<number>{number})(?P<after>[-+]+(?!\w))?"
        rf"|(?P<word>{word})(?P<behind>[-+↑↓]+(?!\w)|\s?\([-+]+\)|\s[-+](?=\s*(?:$|[,;/)])))?"
        rf"|[{_HAN_AND_KANA}][{_marks()}]*|(?<![-=])[<>]|[≤≥≠¬?❌🚫⛔👎↑↓♀♂]|~~"
    )


def nfkc(text: str) -> str:
    """Unicode NFKC in linear time: long text goes in pieces, as CPython's is quadratic in runs of combining marks.

    Text that would more than double (some ligatures stand for 18 characters) is left as it is.
    """
    if text.isascii():
        return text
    if len(text) <= _CHUNK:
        return unicodedata.normalize("NFKC", text)
    pieces, length = [], 0
    for piece in _pieces().findall(text):
        pieces.append(unicodedata.normalize("NFKC", piece))
        length += len(pieces[-1])
        if length > 2 * len(text):
            return text
    return "".join(pieces)


def tokens(text: str) -> list[str]:
    """The normalised tokens of a text, in order."""
    return (_TOKEN if text.isascii() else _token_with_marks()).findall(nfkc(text).lower())


def signed_tokens(text: str) -> list[str]:
    """The tokens of a text with the signs at its words and numbers, and marks that deny as tokens of their own."""
    text = nfkc(text).lower()
    if not text.isascii():
        text = text.translate(_SPELT_SIGNS)
    if not _SIGNS.search(text):
        return (_TOKEN if text.isascii() else _token_with_marks()).findall(text)
    if "\\" in text:
        text = _LATEX_SIGN.sub(lambda found: _LATEX_SIGNS.get(found[0], found[0]), text)
    return [_spelt(found) for found in _signed_token().finditer(text)]


def _spelt(found: re.Match[str]) -> str:
    """One token in one spelling: ``<= 5`` and ``≤5``, ``.5`` and ``0.5``, ``er (+)`` and ``er+``, ``+5`` and ``5``."""
    if found["number"]:
        relation = found["relation"] or ""
        number = f"0{found['number']}" if found["number"][0] == "." else found["number"]
        sign = "-" if found["sign"] == "-" else ""
        return f"{_OR_EQUAL.get(relation, relation)}{sign}{number}{found['after'] or ''}"
    return f"{found['word']}{(found['behind'] or '').strip(' ()')}" if found["word"] else found[0]
