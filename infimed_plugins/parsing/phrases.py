"""How answers are worded, as pieces of regular expressions for lower-case text with single spaces (statements.tidy).

    HEAD      Thus, I would say that the answer is most likely …    This points to …    Most consistent with …
    HEAD_ZH   综上所述，正确答案应该是 …    因此选 …    最可能的诊断是 …
    RIGHT     … is the best answer    … seems correct    … fits best    … 选项是正确的
    WRONG     … is unlikely    … can be ruled out    … does not fit    … 不正确
    ASIDE     …, not …    … rather than …    … instead of …
    JOINT     … or …    …/…    … 或 …

Nothing here says what stands at the dots; options/claims.py does. Every repetition is bounded. The two quick looks,
``head_at`` and ``may_turn``, first look at the first words, so that prose costs little.
"""

from __future__ import annotations

import re


def _any(words: str) -> str:
    return f"(?:{'|'.join(words.split())})"


_SURELY = (
    "likely probably clearly definitely certainly surely obviously undoubtedly indeed therefore thus hence simply "
    "actually really still now just evidently plainly unquestionably typically overall also"
)
_VERY = "most very quite almost highly"
_PICTURES = (
    "image picture scan figure photograph photo x-ray slide radiograph film study ct mri ultrasound micrograph "
    "specimen biopsy"
)
_NOUNS = (
    "answer option choice diagnosis response selection pick guess conclusion verdict impression solution prediction "
    "label decision description interpretation explanation"
)
_SHOWN = "modality technique organ plane view finding abnormality disease condition pathology structure lesion cause"
_KINDS = (
    "final correct right best most likely probable appropriate suitable accurate single only overall working leading "
    "primary proper true ideal imaging underlying main expected reasonable plausible fitting radiological clinical "
    "depicted visible preferred"
)
_LEADS = (
    "so thus therefore hence then and but yet however consequently accordingly overall finally ultimately conclusion "
    "result verdict summary clearly actually instead rather ok okay alright sure well now naturally ans ergo only "
    "personally assistant output prediction label solution response impression"
)
_VERBS = (
    "think believe say conclude feel suspect guess reckon opt answer choose chose pick picked select selected favor "
    "favour recommend diagnose vote settle go went lean choosing picking selecting going stick submit chosen take "
    "prefer propose"
)
_SHOWERS = (
    "everything evidence features feature findings finding lesion appearance appearances pattern presentation changes "
    "description patient"
)
_OWNERS = "the this these my our your"

PICTURE = _any(_PICTURES)
_NOUN = _any(_NOUNS)
_KIND = _any(_KINDS)
SURELY = rf"(?:(?:(?:{_any(_VERY)} )?{_any(_SURELY)}|in fact|without (?:a )?doubt)[ ,]{{1,2}})"
IS = (
    r"(?:is|was|are|would be|should be|must be|will be|has to be|have to be|ought to be|"
    r"(?:seems?|appears?|looks?(?! like))(?: to be)?|remains?)(?![a-z])"
)
MAY_BE = r"(?:might|could|may|can)(?: well| also| possibly)? be(?![a-z])"
_MARKS = r"[ *_#]{0,4}"
_OF = (
    r"(?: here| shown| seen| used| depicted|,? in my (?:opinion|view),?|,? therefore,?"
    r"|, (?:based on|given|considering|as seen) [^,.\n]{1,60},"
    rf"| (?:in|on|to|for|of) (?:the|this|that|your) (?:\w{{1,12}} )?(?:question|problem|patient|case|{PICTURE})"
    r"| (?:that|which|i|we)(?: [a-z'’]{1,14}){1,6}?)"
)
_LIKE = (
    r"(?:(?:(?:most|best|very|highly) )?(?:consistent|compatible) with |(?:most |highly |very )?"
    r"(?:suggestive|indicative|typical|characteristic|diagnostic) of |in keeping with |best (?:described|explained|"
    r"classified) (?:as|by) |"
    r"(?:an? )?(?:(?:classic|classical|typical|textbook) )?(?:example|case|picture|image|view|scan|appearance) of |of |"
    r"(?:an? |the )?(?:classic|classical|typical|textbook) )"
)
_LEAD = (
    rf"(?:(?:{_any(_LEADS)}|it (?:seems|appears)(?! to be)(?: that)?|all in all|"
    r"all things considered|on balance|after all|no doubt|no question|of course|as such|hmm+|"
    r"for (?:this|that|these) reasons?|because of (?:this|that)|"
    r"(?:in|as a|to) (?:summary|conclusion|short|this case|result|brief|conclude|sum up|summari[sz]e)|"
    r"(?:based on|given|considering|from|according to|looking at|with|after|in view of|among|of the) "
    r"[^,.;:\n]{1,80}(?=[,:]))"
    r"[ ,:;*_–—-]{1,4}){0,3}"
)
_OPINION = (
    r"(?:(?:(?:i|we)(?: (?:would|will|can|do|must|have|shall|should|am|need|want)|['’](?:d|ll|m|ve))?"
    rf"(?: going)?(?: have)?(?: to)? |let(?:['’]s| me| us) )?{SURELY}{{0,2}}"
    rf"(?:{_any(_VERBS)}|call (?:this|it|that)|"
    r"(?:am )?(?:(?:fairly|pretty|quite|very) )?(?:sure|confident|certain|convinced))"
    r"(?: (?:for|on|with|towards?|that|as)){0,2}[ :,]{1,2}"
    r"|in my (?:opinion|view)[, ]{1,2})"
)
_SUBJECT = (
    rf"(?:(?:it|this|that|these|which|{_NOUN}|(?:(?:the|this|my|our|your) )?(?:{_KIND} ){{0,4}}"
    rf"(?:{_NOUN}|{_any(_SHOWN)})){_OF}{{0,2}})"
)
_SHOWS = (
    rf"(?:(?:it|this|that|which|we|i|(?:(?:the|this|these) )?(?:\w{{1,14}} )?(?:{PICTURE}|{_any(_SHOWERS)})) "
    rf"(?:{SURELY}|best |strongly |most closely |closely |all )?(?:can )?"
    r"(?:shows?|depicts?|demonstrates?|reveals?|displays?|suggests?|indicates?|represents?|points? to|favou?rs?|"
    r"supports?|confirms?|illustrates?|see|looks? like|fits?|match(?:es)?|corresponds? to|aligns? with|refers? to|has|"
    rf"(?:is|are)(?= (?:{SURELY})?{_LIKE})) )"
)
_LEAVES = (
    r"(?:(?:(?:it|this|that|which) (?:leaves|makes|renders)|leaving|making) (?:us |it )?(?:with )?(?:only )?"
    r"|(?:must|has to|should|would) be |(?:looks?|seems?|appears?|sounds?) (?:like|to be) )"
)
_HEDGE = r"(?:either|maybe|perhaps|possibly|(?:it |this )?(?:could|might|may) be)[ ,]"
_ICONS = " *_>#•✅✔☑✓👉➡→|-"
_THEN = rf"[ :,*_]{{0,4}}(?P<surely>{SURELY}{{1,2}})?(?P<like>{_LIKE})?"
_IT_IS = (
    rf"(?P<is>{_SUBJECT}(?: {SURELY}?{IS}|['’]s|(?<!explanation)(?<!description){_MARKS}[:=]| "
    rf"(?P<may>{MAY_BE})))|(?P<shows>{_SHOWS})|(?P<leaves>{_LEAVES})"
)
_FULL_HEAD = re.compile(
    rf"[{_ICONS}]{{0,6}}{_LEAD}(?:(?P<maybe>{_HEDGE})|(?P<frame>{_OPINION})? ?(?:{_IT_IS})?){_THEN}"
)
_HEAD = re.compile(rf"(?P<maybe>(?!))?(?:{_IT_IS})?{_THEN}")
ANNOUNCED = re.compile(
    rf"(?:answers?(?![a-z])[\"'”’*_\]|]{{0,4}}(?: \([a-z ]{{1,20}}\))?"
    rf"|(?:option|choice|diagnosis|conclusion)(?![a-z])){_OF}{{0,2}}"
    rf"(?:(?:{_MARKS}{SURELY}?{IS}|['’]s|{_MARKS}(?P<may>{MAY_BE})){_MARKS}:?"
    rf"|{_MARKS}[\"'”’]?{_MARKS}(?:[:=|→]|->)| [-–—]{{1,2}} |[ *_#:]{{0,6}}(?P<below>\n{{1,2}}))"
    rf"[ :*_.…—]{{0,4}}{SURELY}{{0,2}}{_LIKE}?"
    r"|答案[】」』]:?|答案 ?(?:应该|应当|应|就|最可能|最有可能){0,2}(?:[是为选]{1,2}|:) ?:?"
)
_LEAD_ZH = (
    r"(?:(?:所以|因此|因而|综上所述|综上|总之|故|那么|最终|最后|由此可见|根据[^,。\n]{1,30}(?=[,]))[,: ]{0,2}){0,3}"
)
HEAD_ZH = re.compile(
    rf"(?P<maybe>(?!))?(?P<may>(?!))?{_LEAD_ZH}(?P<frame>(?:我们?|本人)?"
    r"(?:应该|应当|应|可以|就|会|将|倾向于|认为|觉得|相信|判断){0,3}"
    r"(?:(?:(?:本|该|此|这道?)题的?)?(?:正确|最佳|最终|标准|参考|最合适|最可能)?的?(?:答案|选项|选择|诊断|答)"
    r"(?:应该|应当|应|就|最可能|无疑|肯定){0,2}(?:[是为选:]{1,2})"
    r"|(?:(?:本|该|此|这道?)题)?选(?!项)择?(?:的?是)?|正确的(?:答案|选项)?[是为]"
    r"|(?:(?<=认为)|(?<=觉得)|(?<=相信)|(?<=判断))这?[是为]"
    r"|最(?:有?可能|符合|合适|恰当|准确|正确)的?(?:诊断|答案|选项|选择|情况|疾病)?(?:应该)?[是为]"
    r"|(?P<shows>(?:这|该|此|图中|图像|图片|影像)(?:张?(?:图像|图片|图|片子|病灶|病变))?"
    r"(?:显示|提示|符合|考虑){0,2}的?[是为]?)"
    r"|考虑为?|诊断为|属于))[ :,]{0,2}(?:选项)?"
)
RIGHT = re.compile(
    r"[ )\]\"'”’*,]{0,6}(?:(?:is|was|are|['’]s|would be|must be|should be|has to be|remains|"
    rf"(?:seems?|appears?|looks?)(?: to be)?) {SURELY}{{0,2}}(?:(?:the|a|my|our) )?"
    rf"(?:(?:correct|right|best|true|accurate|only|answer|{_NOUN}|"
    r"(?:single |only )?(?:most|best) [a-z]{4,12}|more (?:likely|probable|consistent)|"
    r"better(?= than )|better (?:choice|option|answer|fit|match|explanation)|"
    r"one(?! (?:of|possib|option|candidate)))(?![a-z])"
    rf"(?: {_KIND}){{0,2}}(?: {_NOUN}| one| match| fit| explanation)?)"
    r"|(?:best )?(?:fits?|match(?:es)?|suits?|explains?)(?: (?:the|these|this|all|it)(?: [a-z]{2,14}){0,2})? "
    r"(?:best|better|perfectly|well|exactly|most closely)(?![a-z])|best (?:fits|matches|explains|describes)(?![a-z])"
    r"|(?:is|was) (?:what|the one) i (?:would|['’]d) (?:choose|pick|select|say|answer)"
    r"|it (?:is|must be|has to be)(?=[ .!]*$)|wins(?![a-z])|makes (?:the most )?sense"
    r"|(?:as )?the (?:best|correct|right|most likely|only) (?:remaining |possible )?(?:answer|option|choice|diagnosis))"
    r"|[ )\]]{0,2}(?:选项|项)?(?:才?[是为])?最?(?:正确|对|准确|合适|符合|佳|可能)(?:无误)?的?"
    r"(?:答案|选项|诊断)?(?!吗|性)"
)
FITS = re.compile(
    r"[ )\]]{1,2}(?:(?:best )?(?:fits?|match(?:es)?|applies|holds|stands out|describes?)"
    r"(?: here| (?:the|these|this|all)(?: [a-z]{2,14}){1,3})?|(?:is|was|are|should be) (?:chosen|selected|your answer|"
    r"(?:supported by|consistent with) (?:the|these|this|all)(?: [a-z]{2,14}){1,3}))[ .!*]{0,3}"
)
SEEN = re.compile(
    rf" (?:is|are|was|were) (?:clearly |well )?(?:seen|shown|present|visible|depicted|demonstrated|evident|noted|"
    rf"visuali[sz]ed)(?: (?:in|on) (?:the|this) {PICTURE})?[ .!*]{{0,3}}"
)
_BE = "is was are were seems seem looks look appears appear can could would should must does do did may has have will"
_OFTEN = "definitely clearly probably obviously also been be therefore thus hence easily safely just simply"
_WRONG = (
    "incorrect wrong excluded eliminated rejected discarded impossible implausible inconsistent irrelevant unsupported "
    "incompatible cannot"
)
WRONG = re.compile(
    r"[ ()\]>\"'”’.,:;*_–—-]{0,8}(?:(?:however|though|by contrast|in turn),? )?"
    rf"(?:(?:which |that |it )?{_any(_BE)} ?)?(?:to be )?(?:{_any(_OFTEN)} ){{0,3}}"
    r"(?:not(?! only)(?![a-z])|n['’]t(?![a-z])|(?:is|was|does|do|did|would|could|ca|wo)n['’]t(?![a-z])|"
    rf"{_any(_WRONG)}(?![a-z])|false(?![ -](?:lumen|cord|rib))|ruled out|(?:very |highly |less |"
    r"the least |least )?unlikely|less (?:likely|consistent|typical|plausible|probable)|(?:the )?least |"
    r"never(?![a-z])|no[ .!)]*$|a mistake|fails? to|lacks? |[✗✘✖✕❌×🚫])"
    r"|[ )\]>\"'”’:,-]{0,4}(?:选项|项)?(?:并|是|为|可以?|应|也|被|都|均){0,2}(?:不|错|非|排除|有误)"
)
ASIDE = re.compile(
    r"[ ,;()\]*-]{0,6}(?:and |but )?(?:not|rather than|instead of|as opposed to|unlike|over|而不是|而非|不是) ?"
    r"(?:with |for |on )?(?:option |choice |the |an? )?"
)
ASIDE_FIRST = re.compile(
    r"(?:not|instead of|rather than|unlike|in contrast to|(?:as )?opposed to|不是) ?(?:option |the )?"
)
BUT = re.compile(r"[ ,;:.()*]{1,4}(?:but (?:rather |instead )?|rather |so |而是)?|而是")
JOINT = re.compile(
    r"[ )\]>\"'”’.,:;*]{0,6}(?:[/&+>]|\|(?! ?(?:\n|$))|(?:and/or|or|vs|versus|nor|as well as)(?![a-z])|"
    r"或者?|和|与|、|还是|及)"
)
UNSURE = re.compile(
    r"[ ,;()-]{1,4}(?:or |but |and )?(?:maybe|perhaps|possibly|if|unless|only if|provided|otherwise|"
    r"(?:i['’]?m |i am )?(?:not (?:sure|certain)|unsure)|i (?:do not|don['’]t) know)(?![a-z])|可能(?!的)"
)
MEANT = re.compile(
    r"[ ,]{1,2}(?:i (?:think|believe|guess|suppose|would say|am (?:fairly |quite |very )?(?:sure|confident))|"
    rf"i['’]d say|for sure|in my (?:opinion|view)|{SURELY}|(?:most |very )?{_any(_SURELY)})[ .!]{{0,3}}$"
)
RETRACTED = re.compile(
    r"(?<![a-z])(?:that|this|it|which)(?: is| was| has been|['’]s)(?: turned out)?(?: to be)? (?:clearly |obviously )?"
    r"(?:wrong|incorrect|a mistake|mistaken|not (?:right|correct|true))(?![a-z])"
)
REASON = re.compile(r"(?<![a-z])(?:because|since|given|due to|considering|as (?:the|it|this|there))(?![a-z])|因为|由于")
DOUBT = re.compile(
    r"n['’]t|[?/|]|(?<![a-z])(?:or|not|no|nor|vs|if|maybe|possibly|incorrect|wrong|false|unlikely|impossible|never|"
    r"ruled|excluded|eliminated|cannot|less)(?![a-z])|不|非|或|排除"
)

_SUBJECTS = frozenset(f"{_OWNERS} {_NOUNS} {_SHOWN} {_KINDS} it that which".split()) - frozenset(
    f"{_VERBS} {_LEADS}".split()
)
_HEAD_WORDS = _SUBJECTS | frozenset(
    f"{_SURELY} {_VERY} {_LEADS} {_VERBS} {_SHOWERS} call leaving making let must has should would fairly pretty all "
    "among looks look seems seem appears appear sounds no on after in as to based given considering from according "
    "looking with i we am for because hmm either maybe perhaps possibly could "
    "might may consistent compatible suggestive indicative typical characteristic diagnostic a an of without".split()
)
_IS_WORDS = (
    "is was are would should must will has have ought seems seem appears appear looks look remains remain might could "
    "may can"
)
_OWNED = frozenset(
    f"{_NOUNS} {_SHOWN} {_KINDS} {_PICTURES} {_SHOWERS} {_SURELY} {_VERY} {_IS_WORDS} shows show depicts demonstrates "
    "reveals displays suggests indicates represents points favors favours supports confirms illustrates fits matches "
    "leaves makes renders corresponds aligns refers".split()
)
_SAYING = frozenset(
    "call need want going fairly pretty sure confident certain convinced would will can do must have shall should am "
    "see "
    f"{_SURELY} {_VERY} {_VERBS}".split()
)
_SECOND_WORDS = dict.fromkeys(_OWNERS.split(), _OWNED) | {
    "i": _SAYING,
    "we": _SAYING,
    "a": frozenset(["example", "case", "picture", "image", "view", "scan"]),
    "an": frozenset(["example", "image"]),
    "on": frozenset(["balance"]),
    "all": frozenset(["in", "things", *_SHOWERS.split()]),
    "no": frozenset(["doubt", "question"]),
    "as": frozenset(["a", "such"]),
    "for": frozenset(["this", "that", "these"]),
    "because": frozenset(["of"]),
    "in": frozenset(["summary", "conclusion", "short", "brief", "this", "my", "keeping", "fact"]),
    "to": frozenset(["conclude", "sum", "summarise", "summarize"]),
}
_TURN_WORDS = frozenset(
    f"{_SURELY} {_BE} {_OFTEN} {_WRONG} i i'd i’d for in which that it to not false ruled very highly less the least "
    "most unlikely never fails fail lacks lack and/or or vs versus nor as maybe perhaps possibly if unless only "
    "provided but and rather instead unlike over however though best fits fit match matches suits explains makes wins "
    "remains the it 's ’s because since given no i'm i’m unsure otherwise a applies holds stands describes "
    "describe".split()
)
_FIRST_WORDS = re.compile(
    rf"[{_ICONS}]*(?P<first>[a-z]+(?:-ray)?)"
    r"(?:[,:;*_.! ]+(?P<second>[a-z]+(?:-ray)?)(?: (?P<third>[a-z]+(?:-ray)?))?|['’]|)"
)
_SHOWING = frozenset(f"{_PICTURES} {_SHOWERS}".split())


def head_at(low: str, start: int, end: int) -> re.Match[str] | None:
    """The frame a sentence starts with; None at once where its first words start none."""
    words = _FIRST_WORDS.match(low, start, end)
    first = words["first"] if words else ""
    if first not in _HEAD_WORDS or words is None:
        return None
    seconds = _SECOND_WORDS.get(first) if words["second"] else None
    if seconds is not None and words["second"] not in seconds:
        shows = seconds is _OWNED and words["third"] in _SHOWING
        if not shows:
            return None
    plain = first in _SUBJECTS and words["second"] not in ("seems", "appears") and low.startswith(first, start)
    return (_HEAD if plain else _FULL_HEAD).match(low, start, end)


def may_turn(rest: str) -> bool:
    """Whether what follows an option may start by speaking for it, against it, or for another."""
    first = rest[:24].lstrip(" -–—:;([*\"'”’").split(None, 1)
    if not first or not first[0][0].isalpha() or first[0][0] > "\u2e80":
        return True
    word = first[0].rstrip(",.;:)*!?")
    return word in _TURN_WORDS or "n't" in word or "n’t" in word
