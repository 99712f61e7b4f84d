"""Text answers: the Jaccard similarity of token sets (first paper, 3.2.2, "String-based Tasks").

    truth "pleural effusion"    left pleural effusion    2 / 3
    truth "左肺"                 右肺                      1 / 3

Tokens are those of parsing/normalize.py; repeating a word changes nothing. A truth may name synonyms: the best match
counts.
"""

from __future__ import annotations

from functools import lru_cache

from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.normalize import tokens
from infimed_plugins.records import GroundTruth, Verdict

MAX_LENGTH = 50_000  # characters; a longer answer is no short answer and earns nothing


def jaccard(answer: str, truth: GroundTruth) -> Verdict:
    """The shared share of tokens, 0 to 1, with the truth or the synonym that is nearest.

    A truth without any token ("+") must be matched exactly.
    """
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, None, f"longer than {MAX_LENGTH} characters")
    text = plain(answer)
    given = frozenset(tokens(text))
    verdict = _against(text, given, str(truth.answer))
    for synonym in truth.synonyms:
        verdict = max(verdict, _against(text, given, synonym), key=lambda judged: judged.value)
    return verdict


def _against(text: str, given: frozenset[str], gold_text: str) -> Verdict:
    gold = _gold_tokens(gold_text)
    if not gold:
        return Verdict(float(bool(text) and text == gold_text.strip()), text or None, "compared as written")
    if not given:
        return Verdict(0.0, None, "no word in the answer")
    shared, either = len(given & gold), len(given | gold)
    return Verdict(shared / either, text, f"{shared} of {either} tokens shared")


@lru_cache(maxsize=4096)
def _gold_tokens(text: str) -> frozenset[str]:
    return frozenset(tokens(plain(text)))
