"""Whether a free reply gives a short text as its answer: every word beside the gold must be one known to add nothing.

    gold "left lung"    Left lung.    It is located in the left lung.    Answer: left lung    The lesion is in the left
                        lung, which is …    (asked "Where is the lesion?")    Left lung. The lesion there is hypodense.
    but not             left lung or liver    not the left lung    Left lung. Liver.    the left lung is clear
                        right lung, left kidney    for    left lung, right kidney

A sentence is a string of codes (lexicon.py), with a digit for what this gold and this question make of a word. Rules
bar the sentence or mask what adds nothing (``7``); what is left must be the items of the gold, no more and no fewer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from infimed_plugins.parsing.lexicon import HAN, Text, lexicon, read_text, rule
from infimed_plugins.parsing.numbers import stated_value
from infimed_plugins.parsing.reading import MAX_LENGTH, Reading, Rule, norm, sentences, taken_back, tidy
from infimed_plugins.records import Code

GOLD, RIVAL, SCENE, ASKED, KIND, TAIL, MASK, OTHER, SIDE, WITH, IN, LOCATED = "123456789@%!"
STEPS = (
    Rule("asks", r"\?", (), Code.UNSURE),
    Rule("set aside", "{than}[^,1]*(?:,|$)", (), Code.JUDGED),
    Rule("because, first", "^(?:{so},?)?{because}[^,1]*,", (), Code.JUDGED),
    Rule("because, last", "(1[^1]*?){because}(?!{negated}|{rejected}|{possible}|{or}).*$", (), Code.JUDGED),
    Rule("denied", "{negated}|{no}|{rejected|absent}", ()),
    Rule("which may", "6(?:{be|filler|subject})*{possible}", (), Code.UNSURE),
    Rule("which", "(1[^6]*)6.*$", (), Code.JUDGED),
    Rule("possible", "{possible|hypothetical}", (), Code.UNSURE),
    Rule("with", "(1[^1]*)@[^12]*$", (), Code.JUDGED),
    Rule("or", "{or}", (), Code.SEVERAL),
    Rule("but", ".{contrast|concedes|retracts}", (), Code.UNSURE),
    Rule("in brackets", r"\((?!{and})[^()12]*\)", (), Code.JUDGED),
    Rule("listed", "^#[.)]", (), Code.JUDGED),
    Rule("first of all", "^[%@][^,128]{1,8},", (), Code.JUDGED),
    Rule("side of", "(1)[45]+%{filler}*[_3]{1,2}(?=[.,]|$|{be|present})", (), Code.JUDGED),
    Rule("part of the body, scanned", "3(?=3|{subject})", (), Code.JUDGED),
    Rule("announces", "^[^1]*{answer}(?:{filler|subject|option|likely|correct|answer}|[34_%]){0,8}?(?:{be}|:)", (), Code.JUDGED),
    Rule("what is asked about", "^(?=[^1,{be}]*4)(?:[345%]|{filler|subject|named|all})*(?:_(?:[345%]|{filler|subject|named|all})*){0,3}{be}", (), Code.JUDGED),
    Rule("participle", "(1[45]*),(?:!|{present})[^12]*$", (), Code.JUDGED),
    Rule("presents", "{filler|subject|be|shows|present|so|likely|answer|pick|option|correct|yes}|^{retracts}", (), Code.JUDGED),
    Rule("asked", "4", (), Code.JUDGED),
    Rule("where", "(1[57]*)%(?:7*[_3459]){1,4}7*(?=[.,:]|$)", (), Code.JUDGED),
    Rule("scene", "[3@%!]", (), Code.JUDGED),
    Rule("kind", "5", (), Code.JUDGED),
    Rule("relative", "6", (), Code.JUDGED),
)
DENIES = (
    Rule("later denied", "^(?=.*1)(?=.*(?:{negated}|{rejected}|{possible}|{absent}))[^_]*(?:_[^_]*){0,2}$",
         (("", "liver", "Liver. The liver is an unlikely site.", False),)),
)  # fmt: skip
_PRESENTS = "^(?:{filler|subject|be|shows|present|so|likely|answer|pick|option|correct|yes|retracts|and}|[45%,:-])*"
_LEFT = r"(?:[17,:()\-.\n]|{and})*"
_ANNOUNCES = "^(?:{so|filler|subject|correct|likely|pick|retracts|and}|[-,%])*{answer}(?:{filler|subject|option|likely|correct|answer}|[34%]){0,6}(?:{be}|:)"

_SAME = {
    "rul": "right upper lobe", "rml": "right middle lobe", "rll": "right lower lobe", "lul": "left upper lobe",
    "lll": "left lower lobe", "inferior lobe": "lower lobe", "superior lobe": "upper lobe",
    "lobe of the right lung": "lobe right", "lobe of the left lung": "lobe left", "lobe of right lung": "lobe right",
    "lobe of left lung": "lobe left", "pe": "pulmonary embolism", "pulmonary thromboembolism": "pulmonary embolism",
    "dvt": "deep vein thrombosis", "deep venous thrombosis": "deep vein thrombosis", "cxr": "chest xray",
    "ggo": "ground glass opacity", "enlarged heart": "cardiomegaly", "enlarged cardiac silhouette": "cardiomegaly",
    "enlargement of the heart": "cardiomegaly", "cardiac enlargement": "cardiomegaly",
    "magnetic resonance imaging": "mri", "magnetic resonance": "mri", "mr": "mri", "mr imaging": "mri", "mr image": "mri",
    "computed tomography": "ct", "computerized tomography": "ct", "computerised tomography": "ct",
    "x-ray": "xray", "x-rays": "xray", "x ray": "xray", "x rays": "xray", "radiograph": "xray", "percent": "%",
    "radiographs": "xray", "roentgenogram": "xray", "ultrasonography": "ultrasound", "sonography": "ultrasound",
}  # fmt: skip
_NAMES = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(_SAME, key=len, reverse=True))})(?!\w)", re.IGNORECASE)
_ZH_SCENE = re.compile("[该此]?病[变灶]主?要?(?:是|为|位于|在)|位于|一[张幅]|图像?中?|图片中?")
_GROUPS = (
    "mri ct xray ultrasound pet mammogram mammography angiogram angiography fluoroscopy endoscopy microscopy",
    "t1 t2 flair dwi adc contrast intravenous iv",
    "axial sagittal coronal transverse lateral frontal pa ap",
    "brain head chest abdomen pelvis neck knee spine thorax abdominal cranial pelvic thoracic skull lung liver kidney "
    "heart spleen stomach bladder pancreas colon intestine bowel esophagus trachea aorta prostate uterus breast skin eye "
    "bone hand foot leg arm shoulder hip face tooth ovary thyroid gallbladder rectum artery vein muscle",
    "red white pink brown yellow black blue green purple gray grey orange",
)
_SEQUENCE, _BODY = 1, 3
_SCANS = frozenset("mri ct xray ultrasound".split())
_PARTS = frozenset("plain chest head brain abdominal abdomen thoracic pelvic cranial knee".split())
_KINDS = "plane view image side study area region weighted weighting aspect system position portion sequence hemisphere tissue enhanced"
_SCENERY = (
    "close up gross specimen histopathological histopathology microscopic section sample biopsy human "
    "obtain imaging imaged technique technology involved approximately about part "
    "body belong belonging focusing focused depicted displayed shown presence picture organ modality scan film person "
    "large small mild moderate severe slight tiny big significant prominent extensive pointing indicating pathology "
    "center this can here referred include includes highlight highlights feature features portray portrays capture "
    "captures provides focus focuses lies lie resides involve involves consist consists comprise comprises belongs "
    "representation represented illustrated view photo photograph microscope level cross sectional grayscale "
    "person's baby's child's man's woman's infant's baby child man woman infant somebody's"
)
_TAILS = "which including specifically particularly namely meaning where who whose among highlighting that taken captured"
_WEAK = frozenset("the in on at of within to with by for an".split())
_SIDES_ALL = "left right upper lower both bilateral unilateral anterior posterior medial lateral superior inferior"
_ELSE = "previous previously prior another other past old former formerly least less unless only partly part-time"
_SIDES = frozenset("left right upper lower".split())
_NEVER = "negated rejected possible hypothetical or contrast concedes than no retracts filler and because be shows so likely answer pick option"


class _Plan(NamedTuple):
    """What a gold and a question make of words: ``items`` of the gold and the code of each word that has its own."""

    items: tuple[tuple[str, ...], ...]
    table: dict[str, str]
    echoes: bool = False  # the gold is among the words of the question
    organ: bool = False  # the gold is a part of the body


def read_short_answer(reply: str, golds: Sequence[str], question: str = "") -> Reading:
    """The stretch of a reply that gives one of the golds as its answer; else None, and whether it gives another.

    ``reply`` is what a tag or box holds, or a whole reply. Its code is JUDGED where it commits to an answer.
    """
    if len(reply) > MAX_LENGTH:
        return Reading(None, Code.TOO_LONG)
    plain = tidy(reply)
    if not plain:
        return Reading(None, Code.NO_ANSWER)
    named = _named(plain)
    text = read_text(named)
    readings = [_read(text, plain, gold, question) for gold in golds]
    return next((one for one in readings if one.found), readings[0] if readings else Reading(None, Code.BAD_TRUTH))


def _named(text: str) -> str:
    """The text with one name for each thing that has several."""
    text = _NAMES.sub(lambda found: _SAME[found[0].lower()], text)
    return text if text.isascii() else _ZH_SCENE.sub(" ", text)


def _read(text: Text, plain: str, gold: str, question: str) -> Reading:
    bare = " ".join(gold.split())
    if " ".join(plain.split()).lower().rstrip(". ") == bare.lower().rstrip(". "):
        return Reading(plain, Code.JUDGED, ("the gold itself",))
    if _STOP.search(bare):  # a gold of several sentences
        flat = _STOP.sub(" ", bare)
        text = read_text(re.sub(re.escape(bare), flat, text.text, flags=re.IGNORECASE))
        bare = flat
    plan = _plan(bare, question)
    if not plan.items:
        return Reading(None, Code.JUDGED)
    reading = _chosen(text, plan)
    if reading.found is None and bare.isdigit():
        stated = stated_value(plain, question)
        return stated if stated.found == bare else reading
    return reading


def _chosen(text: Text, plan: _Plan) -> Reading:
    """The sentence that gives the gold: the last that announces an answer, else the first, the last, or one that answers."""
    codes = _recode(text, plan)
    spans = sentences(text)
    said = [_judge(codes[start:end], text.words[start:end], plan) for start, end in spans]
    if not said:
        return Reading(None, Code.NO_ANSWER)
    places = [n for n, (start, end) in enumerate(spans) if said[n].code == Code.JUDGED and rule(_ANNOUNCES).search(codes[start:end])]
    if places:
        candidates = places[-1:]
        for n in places[:-1]:
            since = text.codes[spans[n][1] : spans[places[-1]][0]]
            if said[n].found != said[places[-1]].found and not rule("{retracts}").search(since):
                return Reading(None, Code.SEVERAL)
    else:
        candidates = [n for n, (start, end) in enumerate(spans) if n in (0, len(spans) - 1) or ASKED in codes[start:end]]
    for n in candidates:
        if said[n].found is None:
            continue
        back = _taken_back(text, codes, spans[n + 1 :])
        if back:
            return Reading(None, back.code, (*said[n].trace, back.id))
        if not places and any(_is_rival(codes[a:b], said[m], plan) for m, (a, b) in enumerate(spans) if m != n):
            return Reading(None, Code.SEVERAL, (*said[n].trace, "another beside it"))
        start, end = text.spans[spans[n][0]][0], text.spans[spans[n][1] - 1][1]
        return Reading(text.text[start:end].strip(), Code.JUDGED, said[n].trace)
    committed = next((one for one in (said[-1], said[0], *said) if one.code == Code.JUDGED), None)
    return Reading(None, *((committed or said[-1])[1:]))


def _taken_back(text: Text, codes: str, later: Sequence[tuple[int, int]]) -> Rule | None:
    for start, end in later:
        back = taken_back(text.codes[start:end])
        back = back or next((one for one in DENIES if rule(one.pattern).search(codes[start:end])), None)
        if back:
            return back
    return None


def _judge(codes: str, words: Sequence[str], plan: _Plan) -> Reading:
    """What one sentence comes to; ``found`` is "" or the rules' own mark where it gives the gold."""
    left, trace, bar = _stepped(codes)
    if bar:
        return Reading(None, bar.code, (*trace, bar.id))
    if GOLD not in codes:
        return Reading(None, Code.JUDGED if rule("_|#|[2-5]|{normal|abnormal|named|all|subject}").search(codes) else Code.NO_ANSWER)
    if not rule(_LEFT).fullmatch(left):
        return Reading(None, Code.JUDGED, ("more beside it",))
    if plan.echoes and rule("1.*{be|shows}").search(codes):
        return Reading(None, Code.JUDGED, ("it repeats the question",))
    return Reading("gold" if _gives(left, words, plan.items) else None, Code.JUDGED, trace)


def _stepped(codes: str) -> tuple[str, tuple[str, ...], Rule | None]:
    """What the rules leave of a sentence, those that did something, and the one that barred it."""
    trace: list[str] = []
    for step in STEPS:
        pattern = rule(step.pattern)
        if step.code != Code.JUDGED:
            if pattern.search(codes):
                return codes, tuple(trace), step
            continue
        left = pattern.sub(_mask, codes)
        if left != codes:
            codes = left
            trace.append(step.id)
    return codes, tuple(trace), None


def _mask(found: re.Match[str]) -> str:
    kept = found[1] if found.lastindex else ""
    return kept + MASK * (len(found[0]) - len(kept))


def _gives(left: str, words: Sequence[str], wanted: Sequence[tuple[str, ...]]) -> bool:
    """Whether the words of the gold that are left are its items, side by side and in any order."""
    items: list[list[str]] = [[]]
    for code, word in zip(left, words, strict=True):
        if code == GOLD:
            items[-1].append(norm(word))
        elif code != MASK and code not in "()-:":
            items.append([])
    given = _with_nouns([item for item in items if item])
    flat = tuple(dict.fromkeys(word for item in given for word in item))
    if len(wanted) == 1:
        return _key(flat) == _key(wanted[0])
    singles = len(given) == 1 and all(len(item) == 1 for item in wanted)
    return (set(flat) == {item[0] for item in wanted}) if singles else set(map(_key, given)) == set(map(_key, wanted))


def _key(item: Sequence[str]) -> object:
    """An item in its order where that matters: with both sides, with what it lacks, in Chinese."""
    words = set(item)
    ordered = {"left", "right"} <= words or any(rule("{negated}").fullmatch(read_text(word).codes) for word in words)
    return tuple(dict.fromkeys(item)) if ordered or re.search(f"[{HAN}]", "".join(item)) else frozenset(words)


def _with_nouns(items: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """The items, each side with its noun: "left and right lung" is the left lung and the right lung."""
    found: list[tuple[str, ...]] = []
    noun: tuple[str, ...] = ()
    for item in reversed(list(items)):
        bare = tuple(word for word in item if word not in _SIDES)
        found.append(tuple(item) if bare else (*item, *noun))
        noun = bare or noun
    return found[::-1]


def _is_rival(codes: str, said: Reading, plan: _Plan) -> bool:
    """Whether a sentence is short enough to be another answer; a size is none where none was asked for."""
    if said.code != Code.JUDGED or GOLD in codes or ("#" in codes and not any(w.isdigit() for i in plan.items for w in i)):
        return False
    rest = rule(_PRESENTS).sub("", codes)
    if rule("{be|shows}").search(rest):
        return False
    return 0 < len(_stepped(rest)[0].strip("7.,:()-\n")) and len(rule("[.,:()\n%-]|{filler}").sub("", rest)) <= 3


def _recode(text: Text, plan: _Plan) -> str:
    table = plan.table
    codes = [code if code in _MARKS else table.get(norm(word), code) for word, code in zip(text.words, text.codes, strict=True)]
    for n, word in enumerate(text.words[:-1]):
        if word == "non" and codes[n + 1] == "-" and codes[n] != GOLD:
            codes[n] = "_"  # non-invasive
        elif plan.organ and codes[n] == "_" and codes[n + 1] == GOLD and n and text.words[n - 1] in ("a", "an", "the"):
            codes[n] = SCENE  # a fetal brain
        elif n == len(codes) - 2 and len(text.words[-1]) > 2 and codes[-1] == "_":  # cut off within a word of the question
            last = text.words[-1]
            codes[-1] = ASKED if any(one.startswith(last) for one, code in table.items() if code == ASKED) else "_"
        elif word in _PARTS and text.words[n + 1] in _SCANS:
            codes[n] = SCENE
    return "".join(codes)


_STOP = re.compile(r"[.?:;]\s")
_MARKS = frozenset(".?,:()-\n")


@lru_cache(maxsize=1024)
def _plan(gold: str, question: str) -> _Plan:
    parsed = read_text(_named(gold))
    items: list[list[str]] = [[]]
    for word, code in zip(parsed.words, parsed.codes, strict=True):
        if code in ".?,:\n" or word in _SEPARATORS:
            items.append([])
        elif code not in "()-" and word not in _WEAK and not (word == "a" and not any(items)):
            items[-1].append(norm(word))
    wanted = tuple(_with_nouns([item for item in items if item]))
    words = {word for item in wanted for word in item}
    if words <= _PRONOUNS:
        return _Plan((), {})
    asked = _asked(question, words)
    echoes = words <= asked.keys() and RIVAL not in asked.values()
    return _Plan(wanted, _static(words) | ({} if echoes else asked) | dict.fromkeys(words, GOLD), echoes, words <= set(_GROUPS[_BODY].split()))


_PRONOUNS = frozenset("this that it its these those they there".split())
_SEPARATORS = frozenset(["and", "&", "/", "和", "与", "及", "、"])


def _static(words: set[str]) -> dict[str, str]:
    groups = [frozenset(group.split()) for group in _GROUPS]
    own = {n for n, group in enumerate(groups) if group & words}
    table = dict.fromkeys(_SCENERY.split(), SCENE)
    table |= dict.fromkeys(_KINDS.split(), KIND) | dict.fromkeys(_TAILS.split(), TAIL)
    for n, group in enumerate(groups):
        if n in own or (n == _BODY and not own):
            table |= dict.fromkeys(group, "_")
        else:
            table |= dict.fromkeys(group, SCENE)
    table |= dict.fromkeys(_SIDES_ALL.split(), OTHER if _BODY in own else SIDE) | dict.fromkeys(_ELSE.split(), OTHER)
    table |= dict.fromkeys("located situated obtained acquired using used".split(), LOCATED)
    table |= {"positive": "_", "versus": lexicon().code_of["or"]}
    return table | dict.fromkeys("in of on at within by looking".split(), IN) | ({"with": WITH} if own else {})


def _asked(question: str, gold: set[str]) -> dict[str, str]:
    """The words of the question that add nothing, and those of its alternatives that are not the gold."""
    text = read_text(_named(question))
    never = {lexicon().code_of[name] for name in _NEVER.split()} | _MARKS
    words = [norm(word) for word in text.words]
    own = {*_TAILS.split(), *_KINDS.split()}
    table = {word: ASKED for word, code in zip(words, text.codes, strict=True) if code not in never and word not in own}
    alternatives = set(_alternatives(words, text.codes))
    return table | dict.fromkeys(alternatives - gold, RIVAL)


def _alternatives(words: Sequence[str], codes: str) -> Iterable[str]:
    """The words on either side of an "or", and of the commas before it."""
    place = codes.find(lexicon().code_of["or"])
    if place < 0:
        return
    passed = {lexicon().code_of["filler"], "-", ","}
    skip = _KINDS.split()
    after = next((n for n in range(place + 1, len(words)) if codes[n] not in passed and words[n] not in skip), None)
    if after is not None:
        yield words[after]
    end = place
    while end > 0:
        before = next((n for n in range(end - 1, -1, -1) if codes[n] not in passed and words[n] not in skip), -1)
        if before < 0:
            return
        if codes[before] == "_" or words[before] in _SCANS:
            yield words[before]
        end = codes.rfind(",", 0, before + 1)
    return

