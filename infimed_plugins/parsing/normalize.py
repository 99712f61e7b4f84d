"""Text made comparable: NFKC, lower case, alphanumeric runs.

``tokens("T2-weighted MRI.")`` is ``["t2", "weighted", "mri"]``. Chinese and Japanese write no spaces, so each Han
character or kana is a token of its own: ``tokens("左肺 CT")`` is ``["左", "肺", "ct"]``, and the left and the right
lung are as far apart in Chinese as in English. No stemming, no stop words, no synonyms.
"""

from __future__ import annotations

import re
import unicodedata

_HAN_AND_KANA = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_HAN_AND_KANA}]|[^\W_{_HAN_AND_KANA}]+")
_CHUNK = 128


def nfkc(text: str) -> str:
    """Unicode NFKC in linear time: long text goes in pieces, as CPython's is quadratic in runs of combining marks.

    Text that would more than double (some ligatures stand for 18 characters) is left as it is.
    """
    if text.isascii():
        return text
    if len(text) <= _CHUNK:
        return unicodedata.normalize("NFKC", text)
    pieces, length = [], 0
    for start in range(0, len(text), _CHUNK):
        pieces.append(unicodedata.normalize("NFKC", text[start : start + _CHUNK]))
        length += len(pieces[-1])
        if length > 2 * len(text):
            return text
    return "".join(pieces)


def tokens(text: str) -> list[str]:
    """The normalised tokens of a text, in order."""
    return _TOKEN.findall(nfkc(text).lower())
