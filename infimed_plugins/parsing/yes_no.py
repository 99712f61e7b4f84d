"""Whether a reply says yes or no, in a word or in a sentence.

    Yes, there is no pneumothorax.    It is abnormal, so yes.    Answer: yes, not no    Definitely.    是的    yes
    No fracture is seen.    I'd say no.    Definitely not.    I don't think so.    Absent    没有              no
    I do not know.    yes or no    Yes. … Answer: no    The diagnosis is pneumonia.                           neither

An explicit word, wherever a sentence starts or ends with it, goes before what sentences assert; two that differ are no
answer. Without such a word the first sentence can answer by asserting or denying a finding (findings.py), as can a
sentence that concludes, or one that says the words of the question; again, two that differ are no answer.
"""

from __future__ import annotations

import re

from infimed_plugins.parsing.findings import NO, NOT_NO, YES, by_words, finding, finding_zh, has_parts, is_denial
from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.normalize import tokens
from infimed_plugins.parsing.phrases import SURELY
from infimed_plugins.parsing.statements import MAX_LENGTH, announcements, lowered, sentences, settled, tidy

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
_ALWAYS = {YES: r"yes|yeah|yea|yep|yup|oui", NO: "no|nope|nah"}
_AT_FIRST = {YES: "true|correct|present|positive|affirmative", NO: "none|false|incorrect|absent|negative|not present"}
_ADVERBS = "definitely|certainly|absolutely|of course|clearly|surely|indeed|obviously|undoubtedly"
_SO = {
    YES: rf"(?:{_ADVERBS}|sure|exactly)(?: (?:so|is|does|it (?:is|does)))?|i (?:think|believe|would say) so|"
    r"(?:it|that) (?:appears|seems|looks) so|it (?:most )?(?:likely|probably) (?:is|does)|"
    r"that(?: is|['’]s) (?:right|correct)",
    NO: rf"(?:{_ADVERBS}|probably|most likely|i think|i (?:would|['’]d) say|it (?:appears|seems)) not|"
    r"not (?:at all|really)|i (?:do not|don['’]t) (?:think|believe) so|it (?:does not|doesn['’]t) (?:appear|seem) so|"
    r"it (?:most )?(?:likely|probably) (?:is|does) not|it (?:is not|isn['’]t|does not|doesn['’]t)|"
    r"that(?: is|['’]s) (?:wrong|false|incorrect)",
}
_ENDS = r"(?![\w-])(?:[\s\"'”’)\]*`]*(?:$|\.(?!\d)|[,;:!。，；！：\n-]|\s(?=[A-Z]))|[\"'”’)\]*`]+\s)"


def _pattern(words: dict[str, str], before: str, after: str) -> re.Pattern[str]:
    return re.compile(rf"{before}(?:(?P<yes>{words[YES]})|(?P<no>{words[NO]})){after}")


def _either(*kinds: dict[str, str]) -> dict[str, str]:
    return {side: "|".join(kind[side] for kind in kinds) for side in (YES, NO)}


_FRONT = (
    r"[\W_]*(?i:(?:it|this|that)(?:\s+is|['’]s)\s+|the\s+image\s+shows\s+"
    r"|(?:so|thus|therefore|hence|overall|in summary|in conclusion)\W+"
    r"|(?:i|we)(?: would| will|['’]d|['’]ll)? (?:say|think|believe|answer|conclude|go with|guess|choose|pick)"
    r"(?: that)?(?: it is)?[ ,:]+)?"
    rf"(?i:{SURELY}{{1,2}}|(?:absolutely|of course)[ ,]+)?(?i:the\s+|a\s+(?:(?:definite|clear|firm)\s+)?)?[\"'“]?"
)
_STARTS = _pattern({side: f"(?i:{words})" for side, words in _ALWAYS.items()}, _FRONT, _ENDS)
_WHOLE = _pattern(
    {side: f"(?i:{words})" for side, words in _SO.items()}, r"[\W_]*(?i:so[, ]+)?", r"[\s\"'”’)*!.]*(?:$|,)"
)
_STARTS_CHINESE = _pattern(_CHINESE, _FRONT, r"(?=[\s\"'”’)*`]*(?:$|[.,;:!?。，；！、]|\s))")
_STARTS_FIRST = _pattern({side: f"(?i:{words})" for side, words in _either(_ALWAYS, _AT_FIRST).items()}, _FRONT, _ENDS)
_ENDS_WITH = _pattern(
    _ALWAYS,
    r"(?i)(?:[,:;，：；]|(?<![a-z])(?:so|thus|therefore|hence|is|but|(?:would|['’]d) say))[\s*\"'“(]+",
    r"(?![\w-])[^\w]*$",
)
_MAY_SAY = re.compile(  # a quick look at a sentence in lower case: whether one of the patterns above or below may match
    rf"(?:y(?:es|eah?|ep|up)|oui|no(?:pe|t)?|nah|so|sure|exactly|likely|probably|{_ADVERBS}|"
    r"s (?:right|correct|wrong|false|incorrect))(?![a-z])|n['’]t|[\u4e00-\u9fff]"
)
_HEDGED = re.compile(
    rf"(?<!\w)(?:yes\W{{1,3}}(?:(?:or|and)\W{{1,3}})?no(?!\w){NOT_NO}|no\W{{1,3}}(?:(?:or|and)\W{{1,3}})?yes(?!\w))|是\s*或\s*否|是否",
    re.IGNORECASE,
)
_CONDITIONAL = re.compile(
    r"(?:yes|no),? (?:if|unless|provided)(?!\w)|^\W*(?:if|unless) [^,]{1,60}, (?:yes|no)(?!\w)", re.IGNORECASE
)
_INSTEAD = _pattern(
    _ALWAYS,
    r"(?i)(?<![a-z])(?:wait|actually|sorry|correction|i mean[ts]?)\W{1,4}(?:(?:actually|no|it is|it['’]s)\W{1,3})?",
    r"\W*$",
)
_NO_OTHER = re.compile(r"\W*no [a-z].*(?<![a-z])(?:but|however)(?![a-z])", re.IGNORECASE)
_IS_NOT = re.compile(r",?\s*(?:and\s+)?not\s+[\"'“]?(?:yes|no)(?!\w)", re.IGNORECASE)
_LEADING_WORD = re.compile(
    rf"[\W_]*(?:(?P<yes>yes|yeah|yep)|(?P<no>no|nope){NOT_NO}(?!.*(?<!\w)yes(?!\w)))(?![\w-])", re.IGNORECASE
)

_GREETING = re.compile(
    r"\W*(?:(?:sure|certainly|absolutely|of course)[!.,]|yes(?=, i can help)) +"
    r"(?=i can|i['’]d|i will|let me|let['’]s|please|the image is|here|,)",
    re.IGNORECASE,
)
_KNOWS_NOT = re.compile(
    r"(?:can ?not|can['’]?t|could not|couldn['’]t|unable to) (?:be )?(?:determine|tell|say|assess|answer)|"
    r"(?<!\w)(?:not sure|unsure|maybe|possibly|perhaps|(?:do not|don['’]t) know|i can help)(?!\w)",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"(?<!\w)(?:maybe|perhaps|possibly|unknown|unclear|uncertain|unsure|not sure|undetermined|indeterminate|"
    r"insufficient|not enough|cannot|can['’]?t|unable|(?:do not|don['’]?t) know|n/a|sorry|difficult to|hard to)(?!\w)"
    r"|(?<!\w)(?:see|provided|attached) (?:no|an|any|the) (?:image|picture|photo)(?= attached|\W*$)"
    r"|无法|不确定|不清楚|不知道|可能|也许",
    re.IGNORECASE,
)
_SAYS_YES = re.compile(r"(?<!\w)yes(?!\w)", re.IGNORECASE)
_CONCLUDES = re.compile(r"\W*(?:so|thus|therefore|hence|in conclusion|in summary|overall|conclusion)\W", re.IGNORECASE)
_NOT_SEEN = re.compile(
    r"(?:can ?not|can['’]?t|could not|couldn['’]t) "
    r"(?=(?:clearly )?(?:see|identify|detect|find|observe|appreciate|visuali[sz]e)"
    r" (?!(?:the|this|your|an|any) (?:image|picture|scan|attachment|photo))"
    r"|be (?:seen|identified|detected|found|observed))",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"(?P<of>(?:it|this|that|(?:the|this|both)\s\w+(?:\s\w+)?)\s?(?:['’]s|(?:is|are|looks?|appears?|seems?)(?:\s+to\s+be)?"
    r"|(?P<no>(?:is|are)\s?n['’]t|(?:does|do)(?:\s+not|n['’]t)\s+(?:look|appear|seem)(?:\s+to\s+be)?)))?"
    r"\s*(?P<not>(?<!\w)not\s+)?(?<!\w)(?:(?P<abnormal>abnormal|unhealthy|diseased)|normal|healthy|unremarkable)\W*$",
    re.IGNORECASE,
)
_STATE_ZH = re.compile(r".{0,8}?(?:(?P<not>不|非).{0,2})?(?:正常|健康)的?\W*$")
_ASKS_NORMAL = re.compile(
    r"(?<!\w)(?:normal|healthy|clear|midline|sharp|symmetric(?:al)?|benign|intact|patent|unremarkable)(?!\w)|正常|健康",
    re.IGNORECASE,
)
_NO_FINDING = re.compile(r"\W*no (?!it |there |this |that |the |they |i |not )[a-z]", re.IGNORECASE)
_NO_ABNORMALITY = re.compile(
    r"\W*(?:there (?:is|are) |i see |the image shows )?no (?:(?:evidence|signs?) of )?(?:\w{1,20} ){0,2}"
    r"(?:abnormalit(?:y|ies)|findings?|process|disease|pathology|lesions?)"
    r"(?: (?:(?:is|are|was|were|can be) )?(?:seen|detected|noted|identified|found|present|visible|observed))?"
    r"(?: (?:in|of) (?:the|this) (?P<where>\w{1,20}))?\W*$",
    re.IGNORECASE,
)
_ASKS_YES_NO = re.compile(r"\s*(?:is|are|was|were|does|do|did|has|have|can|could)\s", re.IGNORECASE)


_HAN = re.compile(r"[\u4e00-\u9fff]")
_MAX_SENTENCES = 20


def polarity_of_gold(gold: str) -> str | None:
    """``yes`` or ``no`` where a gold answer is that and no more, in English or Chinese; else None."""
    return _GOLD.get(gold.strip().rstrip(".。").lower()) if len(gold) < 16 else None


def polarity(reply: str, question: str = "", by_word: bool = False) -> str | None:
    """``yes`` or ``no``, or None where the reply is neither or both.

    ``question`` tells what "It is normal." says: that nothing is wrong, or that all is well. ``by_word``: what several
    sentences only assert is left out.
    """
    if len(reply) > MAX_LENGTH:
        return None
    text = tidy(plain(reply))
    greeting = _GREETING.match(text)
    text = text[greeting.end() :] if greeting else text
    said = sentences(text)
    if not said or text.lower() == "none":  # a null that was written out, as likely as a no
        return None
    asks_normal = _ASKS_NORMAL.search(question) is not None
    if asks_normal and (none := _NO_ABNORMALITY.match(said[0][1])):
        where = (none["where"] or "image").lower()
        return YES if where == "image" or where.rstrip("s") in question.lower() else None
    commitments = [(at.start, at.end, _leading_word(at.text)) for at in announcements(text) if not at.unsure]
    for place, (start, part) in enumerate(said):
        end = start + len(part)
        asked = text[end : end + 2].strip().startswith("?")
        side = "" if asked else _explicit(part, place == 0, asks_normal)
        if side and _INSTEAD.search(part):
            start = end  # behind the "wait" that takes back what was said
        commitments.append((start, end, side))
    stands = settled(sorted(one for one in commitments if one[2]), text)
    if stands is None or stands == _BOTH:
        return None
    if stands or (by_word and len(said) > 1):
        return stands or None
    return _asserted([part for _, part in said], text, question, asks_normal)


def _leading_word(text: str) -> str:
    if _HEDGED.search(_IS_NOT.sub(" ", text)):
        return _BOTH
    found = _LEADING_WORD.match(text) or _STARTS_FIRST.match(text) or _STARTS_CHINESE.match(text)
    return _side(found)


def _explicit(sentence: str, first: bool, asks_normal: bool) -> str:
    if not first and not _MAY_SAY.search(sentence.lower()):
        return ""
    if _HEDGED.search(_IS_NOT.sub(" ", sentence)) or _CONDITIONAL.search(sentence):
        return _BOTH
    if (instead := _INSTEAD.search(sentence)) or (first and _NO_OTHER.match(sentence)):
        return _side(instead)
    starts = (_STARTS_FIRST if first else _STARTS).match(sentence) or _STARTS_CHINESE.match(sentence)
    if not starts and first and not (asks_normal and _NO_FINDING.match(sentence)):
        starts = _LEADING_WORD.match(sentence)
    if starts and _KNOWS_NOT.search(sentence):
        return _BOTH
    return _side(starts or _ENDS_WITH.search(sentence) or _WHOLE.match(sentence))


def _side(found: re.Match[str] | None) -> str:
    return "" if found is None else YES if found["yes"] else NO


def _asserted(said: list[str], text: str, question: str, asks_normal: bool) -> str | None:
    """What the sentences assert or deny, unless the reply is unsure of it: the first, and those that conclude."""
    if _UNSURE.search(_NOT_SEEN.sub("do not ", text)):
        return None
    state = _STATE.match(said[0])
    if state and (state["of"] or asks_normal):
        return _of_state(bool(state["abnormal"]) != bool(state["no"] or state["not"]), question)
    if asks_normal and (state := _STATE_ZH.match(said[0])):
        return NO if state["not"] else YES
    if _SAYS_YES.search(said[0]):
        return None
    if is_denial(question):
        return None
    asked = {_by_words(part, text, question) for part in said[:_MAX_SENTENCES]} - {None} if question else set()
    if asked:
        return asked.pop() if len(asked) == 1 else None
    if question and has_parts(lowered(said[0])):
        return None
    found = {_finding(said[0], text)}
    for part in said[1:_MAX_SENTENCES]:
        if _CONCLUDES.match(part):
            found.add(_finding(part, text))
    found.discard(None)
    if asks_normal:
        return NO if found == {YES} else None  # something is there, and that one thing is not says little
    return found.pop() if len(found) == 1 else None


def _by_words(sentence: str, text: str, question: str) -> str | None:
    return None if _is_question(sentence, text) else by_words(lowered(sentence), question)


def _is_question(sentence: str, text: str) -> bool:
    end = text.find(sentence) + len(sentence)
    return text[end : end + 1] == "?"


def _finding(sentence: str, text: str) -> str | None:
    if _is_question(sentence, text):
        return None
    low = lowered(sentence)
    return finding(low) if low.isascii() or not _HAN.search(low) else finding_zh(low)


def _of_state(abnormal: bool, question: str) -> str | None:
    if _ASKS_NORMAL.search(question):
        return NO if abnormal else YES
    if abnormal:
        return YES
    return NO if _ASKS_YES_NO.match(question) or "abnormal" in tokens(question) else None
