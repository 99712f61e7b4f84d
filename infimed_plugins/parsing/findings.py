"""Whether a sentence says that something is there: yes, no, or neither.

    There is a fracture.   I can see a mass.   Fracture present.   The image shows a nodule.   可见骨折          yes
    There's no fracture.   I do not see a mass.   Fracture absent.   No evidence of a nodule.   未见骨折         no
    Is the aorta enlarged?   The aorta is (not) enlarged.   The heart is normal, with no enlarged aorta.        by words
    There may be a fracture.   It is a benign process.   There is no mass without contrast.                     neither

In lower case, one sentence at a time. Two negations are not resolved.
"""

from __future__ import annotations

import re
from functools import lru_cache

from infimed_plugins.parsing.normalize import tokens

YES, NO = "yes", "no"

_PICTURE = (
    r"(?:(?:the|this|that) (?:\w+ )?(?:image|picture|scan|figure|film|radiograph|x-ray|slide|study|ct|mri|ultrasound|"
    r"photograph|specimen|examination|patient))"
)
_SEEN = (
    r"(?:present|seen|visible|noted|identified|evident|observed|detected|found|there|demonstrated|shown|apparent|"
    r"appreciated|visuali[sz]ed)"
)
_SEE = r"(?:see|identify|detect|find|observe|appreciate|visuali[sz]e|note|recogni[sz]e|notice|spot)"
_SHOW = r"(?:show|demonstrate|reveal|depict|contain|display|indicate|suggest|have|include|exhibit|appear|seem)"
_SHOWS = r"(?:shows|demonstrates|reveals|depicts|contains|displays|indicates|suggests|has|includes|exhibits)"
_CLEARLY = r"(?:(?:clearly|definitely|certainly|indeed|also|still|likely|most likely|probably|obviously|evidently) )?"
_NOT = r"(?:not(?! only)|n['’]t)"
NOT_NO = (  # behind a "no" that denies nothing: "no idea", "No. 5"
    r"(?!\.\d|\s+(?:(?:clear|definite|definitive|certain|good) )?(?:idea|answer|conclusion|comment|clue|way|"
    r"information|image|opinion|doubt|question|history|comparison|prior|further|one)(?!\w))"
)
_BE = r"(?:is|are|was|were|['’]s)"
_LEAD = re.compile(
    r"[\W_]*(?:(?:(?:indeed|clearly|overall|however|in fact|actually|so|thus|therefore|hence|in summary|in conclusion|"
    r"to conclude|yes|(?:in|on|from|within|based on|according to|looking at) (?:the|this|these|my) [^,.]{1,40})"
    r"[,: ]{1,2}|(?:i|we) (?:think|believe|would say|conclude|can say)(?: that)? |"
    r"it (?:appears|seems|looks)(?: like| that) (?!so(?![a-z])|not(?![a-z]))){1,3})?"
)
_DENIES = re.compile(
    rf"there ?(?:{_BE}|(?:appears?|seems?) to be|exists?) ?{_CLEARLY}(?:no(?![\w]){NOT_NO}|{_NOT}(?!\w)|neither )"
    rf"|there (?:do|does|did) ?{_NOT} (?:appear|seem) to be"
    rf"|(?:no(?!\w){NOT_NO}|neither|absence of|negative for|free of|lack of) ?\w|not {_SEEN}|without "
    rf"|(?:{_PICTURE}|it|this|that|they) (?:(?:do|does|did) ?{_NOT} {_SHOW}|(?:fails?|failed) to {_SHOW}|"
    rf"{_SHOWS} no(?!\w)|lacks?(?!\w)|{_BE} (?:negative for|free of|without))"
    rf"|(?:i|we|one) (?:(?:do|does|did|can|ca|could) ?{_NOT}|cannot) {_CLEARLY}{_SEE} |(?:i|we|one) (?:can )?{_SEE} no "
    rf"|.{{1,160}} (?:{_BE} ?{_NOT} {_CLEARLY}{_SEEN}|{_BE} {_CLEARLY}(?:absent|ruled out|excluded)|"
    rf"(?:can ?not|cannot|could not) be {_SEEN})(?!\w)"
    rf"|none(?: (?:is|are|was|were))?(?: {_SEEN})?\W*$"
    rf"|[a-z -]{{2,60}} (?:absent|not {_SEEN}|ruled out|excluded)\W*$|it (?:is|does|has) ?{_NOT}\W*$"
)
_ASSERTS = re.compile(
    rf"there ?(?:{_BE}|(?:appears?|seems?) to be|exists?) |not only {_SEEN}"
    rf"|(?:{_PICTURE} {_CLEARLY}{_SHOWS}|(?:it|this) {_CLEARLY}(?:shows|demonstrates|reveals|contains)) "
    r"(?!the |this |that )"
    rf"|(?:i|we|one) (?:can |do |could )?{_CLEARLY}{_SEE} |(?:positive for|evidence of|presence of|signs? of) \w"
    rf"|.{{1,160}} {_BE} {_CLEARLY}{_SEEN}(?!\w)|[a-z -]{{2,60}} {_SEEN}\W*$|it (?:is|does|has)\W*$"
)
_NEGATION = re.compile(
    r"(?<!\w)(?:no|not(?! only)|absent|absence|without|never|neither|nor|cannot|lacks?|fails?|failed|negative for|"
    r"free of|ruled out|excluded|none)(?!\w)|n['’]t(?!\w)"
)
_MAYBE = re.compile(
    r"(?<!\w)(?:may|might|could(?! not| ?n)|possible|suspected|suspicious|questionable|equivocal|whether|if)(?!\w)"
    r"|(?:cannot|can ?not|could not|not) (?:be )?(?:completely |entirely )?(?:excluded?|rule[d]? out)"
)
_NO_DOUBT = re.compile(
    r"(?<!\w)(?:(?:there is )?no|without(?: a| any)?|beyond(?: a| any)?) (?:doubt|question)(?: that)?(?!\w)[ ,]*"
)
_A_CLAUSE = (
    r"(?=(?:it|this|that|there|they|(?:the|an?|no) [a-z]+(?: [a-z]+)?) "
    r"(?:is|are|was|were|shows?|has|have|appears?|looks?)(?!\w))"
)
_CONTRAST = re.compile(r";|,? (?:but(?! not)|however|while|whereas)(?!\w)")
_PARTS = re.compile(rf"{_CONTRAST.pattern}|, {_A_CLAUSE}| and (?!it|they|this){_A_CLAUSE}")
_BECAUSE = re.compile(r",? (?:because|since|given that)(?!\w)")
_RATHER = re.compile(
    r",? (?:rather than|instead of|as opposed to|than)(?!\w)|,(?: and| but)? not(?! only)(?!\w)| (?:and|but) not(?!\w)"
    r"|(?<=favor) .{1,40} over |(?<=favors) .{1,40} over "
)
_HALF_DENIED = re.compile(r"(?:(?<!\w)not|n['’]t)\W*$")
_OR = re.compile(r"(?<!\w)(?:or|versus|vs|either)(?!\w)")
_NON = re.compile(r"(?<!\w)non[- ](?=[a-z])")
_OTHERWISE = re.compile(r"(?<!\w)(?:but|however|although|except)(?!\w)")
_GENERAL = re.compile(  # said of such findings, or of what is to be done, not of this one
    r"(?<!\w)(?:would|usually|typically|often|commonly|are common|is common|rule out|exclude|history of|risk of|"
    r"to (?:determine|see|detect|confirm|diagnose)|check for|check whether|look for|evaluated?|evaluation|last year|"
    r"previous(?:ly)?|differential|considere?d?|concern|suspicion|treated|characteri[sz]ed|defined|determined|"
    r"(?:appears?|visible|seen) as|assess|lost|resolved|healed?|adjacent|compared|outside|exceeds?|above|disrupted|"
    r"up to|possibility|correlat\w+|needed|recommended|depends|presented with|placed for|after|hardly|little|"
    r"patients with|uses?|filled with|signs of .{1,40} includes?|"
    r"(?:is|are) (?:an? )?(?:breaks?|collection|condition|infection))(?!\w)"
)
_AUX = re.compile(r"\s*(?:is|are|was|were|does|do|did|has|have|can|could)\s")
_STOP_WORDS = (
    "is are was were does do did has have can could there a an any the in on at of this that these image picture scan "
    "figure film evidence sign signs seen present visible shown noted it they be been patient or and to from with you "
    "see find show shows ct mri xray x ray photo slide by for what which some "
    "plane view contain contains include includes"
)
_STOP = frozenset(_STOP_WORDS.split())
_DENIALS = (
    "no not without absent absence never neither nor cannot lacks lack negative free fail failed none zero 0 unlikely "
    "excluded ruled nothing against implausible ruling"
)
_DENYING = frozenset(_DENIALS.split())
_ASIDE = frozenset(["without", "no"])
_BY_ITSELF = frozenset(["absent", "excluded", "ruled", "negative", "none", "zero", "0", "unlikely", "implausible"])
_SEEN_BEHIND = "present seen visible noted identified evident observed detected found there demonstrated shown apparent"
_SEEN_WORDS = frozenset(_SEEN_BEHIND.split())
_SIDES = frozenset(["left", "right", "upper", "lower"])
_MODALITIES = frozenset(["ct", "mri", "xray", "ray", "ultrasound"])
_IT_IS = re.compile(
    r"\W*(?:(?:it|they) (?:is|are|was|were)(?:n['’]t)?|it['’]s)(?!\w)(?! (?:an?|the|clear|likely|unlikely) )"
)
_OF_THE = re.compile(r"\s*(?:is|are|was|were)\s+(?:the|this|these)\s", re.IGNORECASE)
_MAX_WORDS = 60


def finding(sentence: str) -> str | None:
    """``yes`` or ``no`` where a sentence, in lower case, asserts or denies a finding."""
    sentence = _NO_DOUBT.sub("", sentence)
    if _MAYBE.search(sentence):
        return None
    lead = _LEAD.match(sentence)
    bare = sentence[lead.end() :] if lead else sentence
    negations = len(_NEGATION.findall(bare))
    if negations > 1 or (negations and _OTHERWISE.search(bare)):
        return None
    if negations:
        return NO if _DENIES.match(bare) else None
    return YES if _ASSERTS.match(bare) and not _GENERAL.search(bare) else None


def by_words(sentence: str, question: str) -> str | None:
    """What a sentence says of the very words of a yes-no question; None where it does not say them all.

    "No mass is seen, but there is a fracture" says what its parts say, where they agree.
    """
    wanted = _asked(question)
    if not wanted or len(sentence) > 400:
        return None
    if len(wanted) > 1 and _IT_IS.match(sentence) and _OF_THE.match(question):
        wanted = wanted[1:]  # the subject
    sentence = _BECAUSE.split(_NO_DOUBT.sub("", sentence))[0]
    if _MAYBE.search(sentence):
        return None
    parts = _PARTS.split(sentence)
    if any(_HALF_DENIED.search(part) and not _SIDES.isdisjoint(_said(part)) for part in parts[1:]):
        return None
    said = {_of_part(part, frozenset(wanted)) for part in parts} - {None}
    return said.pop() if len(said) == 1 else None


def has_parts(sentence: str) -> bool:
    """Whether a sentence says several things: "There is a mass in the kidney, but the liver is normal"."""
    return _CONTRAST.search(sentence) is not None and "not only" not in sentence


def _of_part(part: str, wanted: frozenset[str]) -> str | None:
    """What one clause says: ``wanted`` before "rather than …" is asserted, behind it denied."""
    rather = _RATHER.search(part)
    if rather and _DENYING.isdisjoint(head := _said(part[: rather.start()])):
        tail = _said(part[rather.end() :])
        if wanted <= set(head):
            one_side = wanted.isdisjoint(_SIDES) and not (_SIDES.isdisjoint(head) or _SIDES.isdisjoint(tail))
            return None if one_side or _GENERAL.search(part) else YES
        return NO if wanted <= {*head, *tail} else None
    words = _said(part)
    neither = "neither" in words
    denials = [place for place, word in enumerate(words) if word in _DENYING and not (neither and word == "nor")]
    if len(denials) > 1 or (denials and _OTHERWISE.search(part)):
        return None
    if wanted <= set(words):
        last = max(place for place, word in enumerate(words) if word in wanted)
        if not denials:
            return None if _GENERAL.search(part) or _OR.search(part) else YES
        return NO if denials[0] < last else _denied_behind(words[denials[0] :])
    if len(denials) == 1 and words[denials[0]] in _ASIDE and wanted & set(words[denials[0] + 1 : denials[0] + 4]):
        return NO if not _OTHERWISE.search(part) and len(wanted) == 1 else None
    return None


def _said(part: str) -> list[str]:
    """The words, in the singular; "n't" is one, "non-displaced" no "displaced"."""
    part = _NON.sub("non", part.replace("not only", "")).replace("n't", " not").replace("n’t", " not")
    return [_stem(word) for word in tokens(part)][:_MAX_WORDS]


def _denied_behind(words: list[str]) -> str | None:
    """What a denial behind the words of the question makes of them: "… is not seen", but "… is not displaced"."""
    if len(words) == 1 or words[0] in _BY_ITSELF or words[1] in _SEEN_WORDS:
        return NO
    return YES if words[0] in _ASIDE else None


@lru_cache(maxsize=4096)
def is_denial(question: str) -> bool:
    """Whether a question is of what is not there: then a sentence that denies it may mean yes."""
    return not _DENYING.isdisjoint(tokens(question))


@lru_cache(maxsize=4096)
def _asked(question: str) -> tuple[str, ...]:
    """The words of a yes-no question that a sentence must say, each once, in order."""
    low = question.lower()
    if not _AUX.match(low) or re.search(r"(?<!\w)or(?!\w)", low):
        return ()
    words = dict.fromkeys(_stem(word) for word in tokens(low) if word not in _STOP)
    return tuple(words) or tuple(dict.fromkeys(word for word in tokens(low) if word in _MODALITIES))


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


_CLAUSES = re.compile(r"[,;。.!]")
_MAYBE_ZH = re.compile(
    r"没有(?:提供|上传|看到)?(?:图像|图片|影像)(?!显示|提示|学)|可能|也许|疑似|不排除|无法|不确定|不清楚|不知道|是否|有无|有没有|是不是|难以|或许|吗|\?"
)
_DENIES_ZH = re.compile(
    r"没有|未(?:见|发现|显示|提示|出现|包含|探及)|不(?:存在|包含|含|是|属于|可见|显示|能|会|正常)|无(?!法|需)|并非|没(?=见|发现)|看不到|缺如|否"
)
_ASSERTS_ZH = re.compile(
    r"(?<![没未具所只仅])有(?![关助限效时利的些])|存在|包含|含有|可见|可以看到|能看到|能看见|发现|显示(?!的)|出现|属于|^(?:这|该|图).{0,8}是"
)


def finding_zh(sentence: str) -> str | None:
    """The same for a sentence in Chinese: what its clauses assert or deny, where they agree."""
    if _MAYBE_ZH.search(sentence):
        return None
    said = set()
    for clause in _CLAUSES.split(sentence):
        denials = len(_DENIES_ZH.findall(clause))
        if denials > 1:
            return None
        if denials:
            said.add(NO)
        elif _ASSERTS_ZH.search(clause):
            said.add(YES)
    return said.pop() if len(said) == 1 else None
