"""Rewards of words: the option of a multiple choice, the words of a text, and the format alone (first paper, 3.2.2).

A text earns the Jaccard similarity of its token set ("String-based Tasks"):

    truth "pleural effusion"    left pleural effusion    2 / 3
    truth "左肺"                 右肺                      1 / 3
    truth "ER+"                 ER-                      0
    truth "yes"                 Yes, there is.           1        "是" 是的    1        "是" 不是    0

Tokens are those of parsing/normalize.py with their signs; repeating a word changes nothing. A truth may name synonyms:
the best match counts. A truth that is yes or no, in English or Chinese, is matched by an answer that says just that.
"""

from __future__ import annotations

import re
from functools import partial

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.normalize import nfkc, plain, signed_tokens
from infimed_plugins.parsing.options import read_option, same_options
from infimed_plugins.parsing.yes_no import polarity_of_gold
from infimed_plugins.records import Code, GroundTruth, Verdict

MAX_LENGTH = 50_000  # characters; a longer answer is no short answer and earns nothing
_MAX_SIDE = 80  # characters of an answer that says yes or no
_IT = r"(?:it|this|that|he|she|they|there|i|we)"
_IS = r"(?:is|are|was|were|does|do|did|has|have|can|could|will|would)"
_LEAD = (
    r"(?:(?:so|thus|therefore|hence)[, ]+)?(?:(?:the )?(?:(?:final|correct) )?answer(?: is|:)[: ]*)?"
    r"(?:(?:最终)?答案(?:是|为)?[:：]?)?"
)
_ZH_YES, _ZH_NO = (
    "是的?|有的?|对的?|存在|包[含括]|能|会|可以|正确",
    "否|不是的?|没有?|无|不(?:对|存在|包[含括]|能|会|可以|正确)?|错误",
)
_SIDES = {
    "yes": re.compile(
        rf"{_LEAD}(?:(?:yes|yeah|yep|true|correct|affirmative|oui|sí|si|ja|да|はい)(?:[, ]+{_IT} {_IS})?"
        rf"|(?:{_ZH_YES})(?:[,。 ]+(?:{_ZH_YES}))?)"
    ),
    "no": re.compile(
        rf"{_LEAD}(?:(?:no|nope|false|incorrect|negative|non|nein|нет|いいえ)"
        rf"(?:[, ]+{_IT} (?:{_IS}(?: not|n['’]t)|cannot|can['’]t)(?: any)?|[, ]+there (?:is|are) none)?"
        rf"|(?:{_ZH_NO})(?:[,。 ]+(?:{_ZH_NO}))?)"
    ),
}
_NORMAL = {"正常": "yes", "健康": "yes", "不正常": "no", "不健康": "no"}  # golds of whether something is normal
_IS_NORMAL = _NORMAL | {"异常": "no"}
_ENDS = " \t\r\n.,!。,!\"'“”‘’()[]*"


def format_passed(answer: str, truth: GroundTruth) -> Verdict:
    """Return 1.0, as the reward named ``format``: it is asked only after the gate has passed."""
    return Verdict(1.0, answer, "the format gate passes")


def multiple_choice(answer: str, truth: GroundTruth) -> Verdict:
    """Return 1.0 if the answer states the truth's option alone (parsing/options.py; first paper, 3.2.2), else 0.

    For "B": ``B``, ``(B)``, ``B. Pneumonia``, ``The answer is B``; not ``A or B``, ``Not B``, ``B is seen``. For "AC"
    both: ``A, C``. An option with the same text as the right one is as right.
    """
    several = list(truth.answer) if isinstance(truth.answer, (list, tuple)) else [truth.answer]
    gold, options = ", ".join(map(str, several)), tuple(truth.options or ())
    right = _read_gold(gold, options).answer
    if not right:
        return Verdict(0.0, None, f"the ground truth {gold[:80]!r} is not an option letter", code=Code.BAD_TRUTH)
    given = read_option(answer, options, strict=True, several=len(right) > 1)
    if not given.answer:
        return Verdict(0.0, None, "no whole form of an answer", code=given.code)
    same = same_options(given.answer, right, options)
    reason = f"{'the' if same else 'another'} option, read as {', '.join(given.trace)}"
    return Verdict(float(same), given.answer, reason, trace=given.trace)


# the 16 rollouts of a question share its truth
_read_gold = cached(4096)(partial(read_option, strict=True, several=True))


def jaccard(answer: str, truth: GroundTruth) -> Verdict:
    """Return the shared share of tokens, 0 to 1, with the truth or the synonym that is nearest.

    A truth without any token ("+") must be matched exactly.
    """
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, None, f"longer than {MAX_LENGTH} characters", code=Code.TOO_LONG)
    text = plain(answer)
    given = frozenset(signed_tokens(text))
    verdict = _against(text, given, str(truth.answer))
    for synonym in truth.synonyms:
        verdict = max(verdict, _against(text, given, synonym), key=lambda judged: judged.value)
    return verdict


def side_of(text: str) -> str | None:
    """Return ``yes`` or ``no`` if a text says that and no more, by known forms; else None."""
    if len(text) > _MAX_SIDE:
        return None
    said = nfkc(text).strip(_ENDS).lower()
    return next((side for side, form in _SIDES.items() if form.fullmatch(said)), None)


def _against(text: str, given: frozenset[str], gold_text: str) -> Verdict:
    side, gold = _gold(gold_text)
    if side:
        said = side_of(text) or (_IS_NORMAL.get(text.strip(_ENDS)) if gold_text.strip(_ENDS) in _NORMAL else None)
        if said is None:
            return Verdict(
                0.0, None, "it does not say just yes or no", code=Code.UNREADABLE if text else Code.NO_ANSWER
            )
        return Verdict(float(said == side), text, f"it says {said}")
    if not gold:
        same = bool(text) and text == gold_text.strip()
        return Verdict(float(same), text or None, "compared as written", code=Code.JUDGED if text else Code.NO_ANSWER)
    if not given or given == {"?"}:
        return Verdict(0.0, None, "no word in the answer", code=Code.NO_ANSWER)
    shared, either = len(given & gold), len(given | gold)
    return Verdict(shared / either, text, f"{shared} of {either} tokens shared")


@cached(4096)
def _gold(text: str) -> tuple[str | None, frozenset[str]]:
    """Return the side of a truth that is yes or no, and its tokens."""
    return polarity_of_gold(plain(text)) or _NORMAL.get(text.strip(_ENDS)), frozenset(signed_tokens(plain(text)))
