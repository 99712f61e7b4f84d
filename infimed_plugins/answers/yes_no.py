"""Whether a reply says yes or no, in a word or in a sentence.

    Yes, there is no pneumothorax.    It is abnormal, so yes.    Answer: yes, not no    是的    yes
    No fracture is seen.              The image does not show it.    Absent             没有    no
    I do not know.    yes or no    Yes. … Answer: no    The diagnosis is pneumonia.             neither

An explicit word, wherever a sentence starts or ends with it, goes before what sentences assert; two that differ are no
answer. Only the first sentence can answer without such a word, by asserting or denying that something is there.
"""

from __future__ import annotations

import re

from infimed_plugins.answers.latex import plain
from infimed_plugins.answers.statements import MAX_LENGTH, announcements, sentences, settled, tidy
from infimed_plugins.answers.words import tokens

YES, NO = "yes", "no"
_BOTH = "?"

_GOLDS = {
    YES: "yes true 是 是的 有 包含 存在 对 能 会 可以",
    NO: "no false 否 不是 没有 不包含 不存在 不对 无 不能 不会 不可以",
}
_GOLD = {word: side for side, words in _GOLDS.items() for word in words.split()}
_CHINESE = {
    YES: "是的|是|有的|有|包含|存在|对的|对|正确|能|会|可以",
    NO: "不是的|不是|否|没有|没|不包含|不存在|不对|不正确|错误|无|不能|不会|不可以|不",
}
_ALWAYS = {YES: r"yes|yeah|yep|yup|oui", NO: "no|nope|nah"}
_AT_FIRST = {YES: "true|correct|present|positive|affirmative", NO: "none|false|incorrect|absent|negative|not present"}
_ENDS = r"(?![\w-])(?:[\s\"'”’)\]*`]*(?:$|\.(?!\d)|[,;:!。，；！：\n-]|\s(?=[A-Z]))|[\"'”’)\]*`]+\s)"


def _pattern(words: dict[str, str], before: str, after: str) -> re.Pattern[str]:
    return re.compile(rf"{before}(?:(?P<yes>{words[YES]})|(?P<no>{words[NO]})){after}")


def _either(*kinds: dict[str, str]) -> dict[str, str]:
    return {side: "|".join(kind[side] for kind in kinds) for side in (YES, NO)}


_FRONT = r"[\W_]*(?i:(?:it|that)\s+is\s+|the\s+image\s+shows\s+)?(?i:the\s+)?"
_STARTS = _pattern({side: f"(?i:{words})" for side, words in _ALWAYS.items()}, _FRONT, _ENDS)
_STARTS_CHINESE = _pattern(_CHINESE, _FRONT, r"(?=[\s\"'”’)*`]*(?:$|[.,;:!?。，；！、]|\s))")
_STARTS_FIRST = _pattern({side: f"(?i:{words})" for side, words in _either(_ALWAYS, _AT_FIRST).items()}, _FRONT, _ENDS)
_ENDS_WITH = _pattern(
    _ALWAYS, r"(?i)(?:[,:;，：；]|(?<![a-z])(?:so|thus|therefore|hence|is))[\s*\"'“(]+", r"(?![\w-])[^\w]*$"
)
_HEDGED = re.compile(r"(?<!\w)(?:yes|no)\W{1,3}(?:(?:or|and)\W{1,3})?(?:yes|no)(?!\w)|是\s*或\s*否|是否", re.IGNORECASE)
_IS_NOT = re.compile(r",?\s*(?:and\s+)?not\s+[\"'“]?(?:yes|no)(?!\w)", re.IGNORECASE)
_NOT_NO = r"(?!\.\d|\s+(?:idea|answer|comment|clue|way|information|image|opinion|doubt|question)(?!\w))"
_LEADING_WORD = re.compile(
    rf"[\W_]*(?:(?P<yes>yes|yeah|yep)|(?P<no>no|nope){_NOT_NO}(?!.*(?<!\w)yes(?!\w)))(?![\w-])", re.IGNORECASE
)

_UNSURE = re.compile(
    r"(?<!\w)(?:maybe|perhaps|possibly|unknown|unclear|uncertain|unsure|not sure|undetermined|indeterminate|"
    r"insufficient|not enough|cannot|can['’]?t|unable|(?:do not|don['’]?t) know|n/a|sorry|difficult to|hard to)(?!\w)"
    r"|无法|不确定|不清楚|不知道|可能|也许",
    re.IGNORECASE,
)
_SEEN = r"(?:present|seen|visible|noted|identified|evident|observed|detected|found|there|demonstrated|shown)"
_PICTURE = r"(?:the|this)\s+(?:image|picture|scan|figure|film|radiograph|x-ray|slide|study|ct|mri)"
_SHOWS = r"(?:show|demonstrate|reveal|depict|contain|display|indicate|suggest)"
_DENIES = re.compile(
    rf"there\s+(?:is|are|was|were)\s*(?:no(?!\w){_NOT_NO}|(?:not|n['’]t)(?!\w))|(?:no(?!\w){_NOT_NO}|neither)\s+\w|not\s+{_SEEN}|without\s"
    rf"|{_PICTURE}\s+(?:does\s+not|doesn['’]t|did\s+not|shows\s+no|demonstrates\s+no|reveals\s+no|contains\s+no)(?!\w)"
    rf"|.{{0,160}}\s(?:is|are|was|were)\s*(?:not|n['’]t)\s+{_SEEN}|.{{0,160}}\s(?:is|are|was|were)\s+absent"
    r"|it\s+(?:is|does|has)\s*(?:not|n['’]t)\W*$",
    re.IGNORECASE,
)
_ASSERTS = re.compile(
    rf"there\s+(?:is|are|was|were)\s|not\s+only\s+{_SEEN}|{_PICTURE}\s+{_SHOWS}s\s"
    rf"|.{{0,160}}\s(?:is|are|was|were)\s+(?:clearly\s+)?{_SEEN}|it\s+(?:is|does|has)\W*$",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"(?<!\w)(?:no|not(?!\s+only)|absent|absence|without|never|neither|nor)(?!\w)|n['’]t(?!\w)", re.I
)
_SAYS_YES = re.compile(r"(?<!\w)yes(?!\w)", re.IGNORECASE)
_CHINESE_DENIES = re.compile(r"(?:没有|未见|未发现|不存在|不包含|不是|无)")
_CHINESE_ASSERTS = re.compile(r"(?:图|片|影像|肺|肝|脑|心|肾|胸|腹).{0,12}(?:有|存在|包含|可见)")
_IS_ABNORMAL = re.compile(
    r"(?:it|this|that|the\s\w+(?:\s\w+)?)\s+(?:is|are|looks?|appears?)\s+(abnormal|normal|healthy)\W*$", re.I
)
_ASKS_NORMAL = re.compile(r"(?<!\w)(?:normal|healthy)(?!\w)|正常|健康", re.IGNORECASE)
_ASKS_YES_NO = re.compile(r"\s*(?:is|are|was|were|does|do|did|has|have|can|could)\s", re.IGNORECASE)


def polarity_of_gold(gold: str) -> str | None:
    """``yes`` or ``no`` where a gold answer is that and no more, in English or Chinese; else None."""
    return _GOLD.get(gold.strip().rstrip(".。").lower()) if len(gold) < 16 else None


def polarity(reply: str, question: str = "") -> str | None:
    """``yes`` or ``no``, or None where the reply is neither or both.

    ``question`` tells what "It is normal." says: that nothing is wrong, or that all is well.
    """
    if len(reply) > MAX_LENGTH:
        return None
    text = tidy(plain(reply))
    said = sentences(text)
    if not said or text.lower() == "none":  # a null that was written out, as likely as a no
        return None
    commitments = [(at.start, at.end, _leading_word(at.text)) for at in announcements(text) if not at.unsure]
    for place, (start, part) in enumerate(said):
        end = start + len(part)
        asked = text[end : end + 2].strip().startswith("?")
        commitments.append((start, end, "" if asked else _explicit(part, place == 0)))
    stands = settled(sorted(one for one in commitments if one[2]), text)
    if stands is None or stands == _BOTH:
        return None
    return stands or _asserted(said[0][1], text, question)


def _leading_word(text: str) -> str:
    if _HEDGED.search(_IS_NOT.sub(" ", text)):
        return _BOTH
    found = _LEADING_WORD.match(text) or _STARTS_FIRST.match(text) or _STARTS_CHINESE.match(text)
    return _side(found)


def _explicit(sentence: str, first: bool) -> str:
    if _HEDGED.search(_IS_NOT.sub(" ", sentence)):
        return _BOTH
    starts = (_STARTS_FIRST if first else _STARTS).match(sentence) or _STARTS_CHINESE.match(sentence)
    return _side(starts or (_LEADING_WORD.match(sentence) if first else None) or _ENDS_WITH.search(sentence))


def _side(found: re.Match[str] | None) -> str:
    return "" if found is None else YES if found["yes"] else NO


def _asserted(sentence: str, text: str, question: str) -> str | None:
    """What the first sentence asserts or denies, unless the reply is unsure of it."""
    if _UNSURE.search(text):
        return None
    state = _IS_ABNORMAL.match(sentence)
    if state:
        return _of_state(state[1].lower() == "abnormal", question)
    denials = len(_NEGATION.findall(sentence))
    if denials > 1 or "no doubt" in sentence.lower() or _SAYS_YES.search(sentence):
        return None
    if _DENIES.match(sentence) or _CHINESE_DENIES.search(sentence):
        return NO
    return YES if not denials and (_ASSERTS.match(sentence) or _CHINESE_ASSERTS.search(sentence)) else None


def _of_state(abnormal: bool, question: str) -> str | None:
    if _ASKS_NORMAL.search(question):
        return NO if abnormal else YES
    if abnormal:
        return YES
    return NO if _ASKS_YES_NO.match(question) or "abnormal" in tokens(question) else None
