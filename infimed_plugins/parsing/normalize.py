r"""Text made comparable: without LaTeX and Markdown around it, NFKC, lower case, alphanumeric runs.

``tokens("T2-weighted MRI.")`` is ``["t2", "weighted", "mri"]``. Each Han character or kana is a token of its own, so
that the left and the right lung are as far apart in Chinese as in English. A combining mark belongs to its letter.
``signed_tokens`` keeps the signs by which texts differ that have the same words: ``er+`` (ER (+)), ``<5`` (\lt 5).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:bf|it|rm|sf|tt|bb|cal)|boldsymbol|bm|emph|mbox|fbox|boxed|"
    r"operatorname|displaystyle|left|right|bf|rm|it|quad|qquad)(?![A-Za-z])|\\[,;:! ()\[\]]"
)
_ESCAPED = re.compile(r"\\([%&#_$.])")
_MARKUP = str.maketrans(dict.fromkeys("{}$`", " "))
_HAN_AND_KANA = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_ASCII_TOKEN = re.compile("[a-z0-9]+")
_TOKEN = "[HAN][MARKS]*|(?:LETTER(?:LETTER|[MARKS])*)"
_SIGNED_TOKEN = (
    r"(?:((?<![-=<])[<>]|[≤≥≠≈±])\s*(?=-?\d))?((?<![\w)\]])-(?=\d))?"  # a relation and a sign, before a number only
    r"(LETTER(?:LETTER|[MARKS])*(?:(?<=\d)[./:](?=\d)(?:LETTER|[MARKS])+)*)([-+↑↓]+(?!\w))?"
    r"|([HAN][MARKS]*|(?<![-=])[<>]|[≤≥≠¬?❌🚫⛔👎↑↓♀♂]|~~)"
)
_CHUNK = 128
# pieces that NFKC does not join
_PIECE = rf"[\s\S]{{1,{_CHUNK}}}(?![MARKS\u1160-\u11ff\uff9e\uff9f])|[\s\S]{{1,{_CHUNK}}}"
_BEHIND = re.compile(r"(?<=\w)(?:\s?\(([-+]+)\)|\s([-+])(?=\s*(?:$|[,;/)])))")
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0e\ufe0f"
_SPELLING = re.compile(rf"\\[a-z]+|[<>]=|(?<!~)~(?!~)|(?<![\d.])\.(?=\d)|[−﹣✗✘✖✕➕➖{_UNSEEN}]")
_SPELT: dict[str, str] = {
    **dict.fromkeys(["<=", r"\leq", r"\le", r"\leqslant"], "≤"), **dict.fromkeys(_UNSEEN, ""),
    **dict.fromkeys([">=", r"\geq", r"\ge", r"\geqslant"], "≥"), **dict.fromkeys("✗✘✖✕", "❌"),
    **dict.fromkeys(["~", r"\approx", r"\sim"], "≈"), **dict.fromkeys([r"\neq", r"\ne"], "≠"), r"\lt": "<", r"\gt": ">",
    r"\pm": "±", r"\uparrow": "↑", r"\downarrow": "↓", **dict.fromkeys([r"\neg", r"\lnot"], "¬"), ".": "0.", "➕": "+",
    **dict.fromkeys("−﹣➖", "-"),
}  # fmt: skip


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern in which MARKS stands for all combining marks: ``\\w`` holds none of them."""
    marks = "".join(mark for mark in map(chr, range(0x300, 0x10000)) if unicodedata.category(mark)[0] == "M")
    marks += "\U00011000-\U00011fff\U0001e000-\U0001efff\U000e0100-\U000e01ef"  # whole scripts: letters join anyway
    return re.compile(pattern.replace("LETTER", "[^\\W_HAN]").replace("HAN", _HAN_AND_KANA).replace("MARKS", marks))


def plain(text: str) -> str:
    r"""Remove wrappers: ``\textbf{B}.`` gives ``B .``. Commands that mean something (``\frac``) stay."""
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", _WRAPPER.sub(" ", text))
    return text.translate(_MARKUP).replace("**", " ").replace("__", " ").strip()


def nfkc(text: str) -> str:
    """Normalize to NFKC in linear time, as CPython does not; text whose ligatures more than double it stays."""
    if text.isascii():
        return text
    normal = "".join(unicodedata.normalize("NFKC", piece) for piece in _compiled(_PIECE).findall(text))
    return normal if len(normal) <= max(2 * len(text), 18 * _CHUNK) else text


def tokens(text: str) -> list[str]:
    """Return the normalized tokens of a text, in order."""
    return (_ASCII_TOKEN if text.isascii() else _compiled(_TOKEN)).findall(nfkc(text).lower())


def signed_tokens(text: str) -> list[str]:
    """Return a text's tokens with the signs at its words and numbers, and marks that deny as tokens of their own."""
    text = _SPELLING.sub(lambda found: _SPELT.get(found[0], found[0]), nfkc(text).lower())
    return ["".join(parts) for parts in _compiled(_SIGNED_TOKEN).findall(_BEHIND.sub(r"\1\2", text))]
