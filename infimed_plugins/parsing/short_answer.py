"""Whether a free reply gives a short text as its answer: every word beside the gold must be one known to add nothing.

    gold "left lung"    Left lung.    It is located in the left lung.    Answer: left lung    The lesion is in the left
                        lung, which is …    (asked "Where is the lesion?")    Left lung. The lesion there is hypodense.
    but not             left lung or liver    not the left lung    Left lung. Liver.    the left lung is clear
                        right lung, left kidney    for    left lung, right kidney

A sentence is a string of codes (lexicon.py, answer_words.py). Steps are tried in order: one with a code bars a sentence
that it matches, one without masks what it matches (but for its group); what is left must be the items of the gold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from infimed_plugins.parsing.answer_words import ASKED, GOLD, MASK, NO_PLAN, Plan, gives, may_give, named, plan, recoded
from infimed_plugins.parsing.lexicon import Text, read_text, rule
from infimed_plugins.parsing.numbers import stated_value
from infimed_plugins.parsing.reading import MAX_LENGTH, Reading, Rule, norm, sentences, taken_back, tidy
from infimed_plugins.records import Code

_WHERE, _TWO = "Where is the mass?", "Which is larger, the liver or the spleen?"
_NP = "[345%0@]|{filler|subject|named|all}"
_VP = "[345!]|{filler|subject|be|shows|present}"
_LEAD = "{filler|subject|option|likely|correct|answer}"
STEPS = (
    Rule("asks", r"\?", (("", "liver", "The liver?", Code.UNSURE),), Code.UNSURE),
    Rule("set aside", "{than}[^,1]*(?:,|$)", ((_TWO, "liver", "The liver is larger than the spleen.", True),)),
    Rule("because, first", "^(?:{so},?)?{because}[^,1]*,",
         (("", "liver", "Since no rib is near, it is the liver.", True),)),
    Rule("because, last", "(1[^1]*?){because}(?!{negated}|{rejected}|{possible}|{or}).*$",
         (("", "liver", "It is the liver because ribs are not near.", True),)),
    Rule("denied", "{negated}(?!-)|{no}|{rejected|absent}",
         (("", "liver", "It is not the liver.", Code.REJECTED),), Code.REJECTED),
    Rule("which may", "6(?:{be|filler|subject})*{possible}",
         (("", "liver", "The liver, which is doubtful.", Code.UNSURE),), Code.UNSURE),
    Rule("which", "(1[^6]*?),?(?:{and|others|filler})*6.*$", (("", "liver", "The liver, which filters blood.", True),)),
    Rule("perhaps of a kind", "(1[^1]*,){possible}(?=[^,]*1)",
         (("", "liver", "The liver, possibly a human liver.", True),)),
    Rule("and it is", "(1[^1]*?),?{and}{subject}{be}[^12]*$",
         (("", "liver", "It is the liver, and it is lobed.", True),)),
    Rule("possible", "{possible|hypothetical}", (("", "liver", "It may be the liver.", Code.UNSURE),), Code.UNSURE),
    Rule("with", "(1[^1]*)@[^12]*$", (("", "liver", "A liver with pale nodules.", True),)),
    Rule("or", "{or}", (("", "liver", "The liver or the spleen.", Code.SEVERAL),), Code.SEVERAL),
    Rule("but", ".{contrast|concedes|retracts}", (("", "liver", "The liver, however.", Code.UNSURE),), Code.UNSURE),
    Rule("in brackets", r"\((?!{and})[^()12]*\)", (("", "liver", "Liver (segment four)", True),)),
    Rule("listed", "^#[.)]", (("", "liver", "1. Liver", True),)),
    Rule("first of all", "^[%0@][^,128]{1,8},", (("", "liver", "On the coloured slide, the liver is seen.", True),)),
    Rule("announces", f"^[^18]*{{answer|correct}}(?:{_LEAD}|[34_%0]){{0,8}}?(?:{{be}}|:)",
         (("", "liver", "The working diagnosis for this lady is liver.", True),)),
    Rule("what is asked about", f"^(?=[^1,]*4)(?:{_NP})*(?:_(?:{_NP})*){{0,3}}{{be}}",
         (("Which organ is marked?", "liver", "The organ marked with arrows is the liver.", True),)),
    Rule("participle", "(1[45]*),(?:!|{present})[^12]*$", (("", "liver", "The liver, seen under ribs.", True),)),
    Rule("placed", f"^(?=[^1]*(?:{{be|shows|present}}|!))(?:{_VP})*(?:_(?:{_VP})*){{1,3}}0{{filler}}*(?=1)",
         ((_WHERE, "left lung", "A shadow is seen in the left lung.", True),)),
    Rule("presents", "{filler|subject|be|shows|present|so|likely|answer|pick|option|correct|yes}|^{retracts}",
         (("", "liver", "I think this is the liver.", True),)),
    Rule("asked", "4", (("What organ is swollen?", "liver", "The swollen liver", True),)),
    Rule("where", "(1[357]*)(?:,?7*[%0&](?:7*[_3459]){1,4})+7*(?=[.,:]|$)",
         (("", "cyst", "A cyst in the groin.", True),)),
    Rule("scene", "[3@%0!]", (("", "liver", "A biopsy of the liver", True),)),
    Rule("kind", "5", (("", "axial", "The axial view", True),)),
    Rule("relative", "6", (("", "liver", "The organ that is seen is the liver.", True),)),
)  # fmt: skip
ANNOUNCES = Rule(
    "announced",
    f"^(?:{{so|filler|subject|correct|likely|pick|retracts|and}}|[-,%0])*{{answer}}(?:{_LEAD}|[34%0]){{0,6}}(?:{{be}}|:)",
    (("", "liver", "Spleen. The answer is liver.", True), ("", "liver", "Liver. The answer is spleen.", Code.JUDGED)),
)  # fmt: skip
DENIES = Rule("later denied", "^(?=.*1)(?=.*(?:{negated}|{rejected}|{possible}|{absent}))[^_]*(?:_[^_]*){0,2}$",
              (("", "liver", "Liver. A liver is improbable.", Code.REJECTED),))  # fmt: skip
REFUSES = Rule("refuses", "^[^_]{0,4}{subject}(?:{be|filler|pick})*(?:{negated}|{rejected}|{possible})",
               (("", "liver", "I cannot view pictures.", Code.NO_ANSWER),))  # fmt: skip
CUT_OFF = Rule("cut off", "(?:{filler|be|shows|and|or}|,)$",
               (("", "liver", "The dark organ of this picture is the", Code.NO_ANSWER),))  # fmt: skip
_RIVAL_LEAD = (
    "^#[.)]|^(?:{filler|subject|be|shows|present|so|likely|answer|pick|option|correct|yes|retracts|and}|[45%0,:-])*"
)
_LEFT = r"(?:[17,:()\-.\n]|{and})*"
_SPEAKER = frozenset(["i", "we", "sorry"])
_STOP = re.compile(r"[.?:;]\s")


def read_short_answer(reply: str, golds: Sequence[str], question: str = "") -> Reading:
    """The stretch of a reply that gives one of the golds as its answer, or None.

    ``reply`` is what a tag or box holds, or a whole reply. The code is JUDGED where it commits to any answer.
    """
    if len(reply) > MAX_LENGTH:
        return Reading(None, Code.TOO_LONG)
    bare = tidy(reply)
    if not bare:
        return Reading(None, Code.NO_ANSWER)
    flat = " ".join(bare.lower().split()).rstrip(". ")
    if flat and any(flat == " ".join(gold.lower().split()).rstrip(". ") for gold in golds):
        return Reading(bare, Code.JUDGED, ("the gold itself",))
    text = read_text(named(bare))
    readings = [_read(text, gold, question) for gold in golds]
    return next((one for one in readings if one.found), readings[0] if readings else Reading(None, Code.BAD_TRUTH))


def _read(text: Text, gold: str, question: str) -> Reading:
    """What a reply says with regard to one gold."""
    gold = " ".join(gold.split())
    if _STOP.search(gold):  # of several sentences
        flat = _STOP.sub(" ", gold)
        text, gold = read_text(re.sub(re.escape(gold), lambda _: flat, text.text, flags=re.IGNORECASE)), flat
    wanted = plan(gold, question) if may_give(text.text.lower(), gold) else NO_PLAN
    reading = _chosen(text, wanted)
    number = norm(gold.lower()) if gold else ""
    if reading.found is None and number.isdigit():
        stated = stated_value(text.text, question)
        return stated if stated.found == number else reading
    return reading


def _chosen(text: Text, wanted: Plan) -> Reading:
    """What is announced last; else the first or the last sentence or one that answers the question, without a rival."""
    codes = recoded(text, wanted) if wanted.items else text.codes
    spans = sentences(text)
    said = [_judged(codes[start:end], text.words[start:end], wanted) for start, end in spans]
    announced = [
        n for n, span in enumerate(spans) if _announces(said[n], codes[slice(*span)], text.words[slice(*span)])
    ]
    places = announced[-1:] or [
        n for n, (start, end) in enumerate(spans) if n in (0, len(spans) - 1) or ASKED in codes[start:end]
    ]
    for n in places:
        if said[n].found is None:
            continue
        barred = _against(n, text, codes, spans, said, announced)
        if barred:
            return Reading(None, barred.code, (*said[n].trace, *barred.trace))
        start, end = text.spans[spans[n][0]][0], text.spans[spans[n][1] - 1][1]
        return Reading(text.text[start:end].strip(), Code.JUDGED, said[n].trace)
    if not said or (len(said) == 1 and rule(CUT_OFF.pattern).search(text.codes)):
        return Reading(None, Code.NO_ANSWER, (CUT_OFF.id,))
    if said[0].code == Code.NO_ANSWER:
        return said[0]
    return next((one for one in reversed(said) if one.code == Code.JUDGED), said[-1])._replace(found=None)


def _announces(said: Reading, codes: str, words: Sequence[str]) -> bool:
    """Whether a sentence announces an answer; "The answer is not obvious." announces none."""
    return said.code == Code.JUDGED and rule(ANNOUNCES.pattern).search(codes) is not None and "not" not in words


def _against(
    n: int, text: Text, codes: str, spans: Sequence[tuple[int, int]], said: Sequence[Reading], announced: Sequence[int]
) -> Reading | None:
    """What stands against the sentence that gives the gold: it is taken back, or another answer stands beside it."""
    for start, end in spans[n + 1 :]:
        back = taken_back(text.codes[start:end])
        if back is None and rule(DENIES.pattern).search(codes[start:end]):
            back = DENIES
        if back:
            return Reading(None, back.code or Code.REJECTED, (back.id,))
    if not announced:
        rivals = any(_is_rival(codes[slice(*spans[m])], said[m]) for m in range(len(spans)) if m != n)
        return Reading(None, Code.SEVERAL, ("another beside it",)) if rivals else None
    for m in announced:
        between = text.codes[spans[m][1] : spans[n][0]]
        if said[m].found is None and not rule("{retracts}").search(between):
            return Reading(None, Code.SEVERAL, ("another announced",))
    return None


def _judged(codes: str, words: Sequence[str], wanted: Plan) -> Reading:
    """What one sentence comes to; ``found`` is "" where it gives the gold."""
    if GOLD not in codes:
        return _other(codes, words)
    if wanted.echoes and rule("1.*{be|shows}").search(codes):
        return Reading(None, Code.JUDGED, ("the question again",))
    trace: list[str] = []
    for step in STEPS:
        pattern = rule(step.pattern)
        if step.code is not None:
            if pattern.search(codes):
                return Reading(None, step.code, (*trace, step.id))
            continue
        left = pattern.sub(_mask, codes)
        if left != codes:
            trace.append(step.id)
            codes = left
    if not rule(_LEFT).fullmatch(codes) or not gives(codes, words, wanted.items):
        return Reading(None, Code.JUDGED, ("more beside it, or less",))
    return Reading("", Code.JUDGED, tuple(trace))


def _other(codes: str, words: Sequence[str]) -> Reading:
    """A sentence without a word of the gold: another answer, a doubt, or none."""
    if rule(REFUSES.pattern).search(codes) and not _SPEAKER.isdisjoint(words[:8]):
        return Reading(None, Code.NO_ANSWER, (REFUSES.id,))
    if rule(r"\?|{possible|hypothetical|or}").search(codes):
        return Reading(None, Code.UNSURE, ("a doubt",))
    return Reading(
        None, Code.JUDGED if rule("_|#|[2-9]|{normal|abnormal|absent|named|subject}").search(codes) else Code.NO_ANSWER
    )


def _mask(found: re.Match[str]) -> str:
    kept = found[1] if found.lastindex else ""
    return kept + MASK * (len(found[0]) - len(kept))


def _is_rival(codes: str, said: Reading) -> bool:
    """Whether a sentence without the gold is short enough to be another answer; a size or a clause is none."""
    if said.code != Code.JUDGED or GOLD in codes or rule("{negated}").search(codes):
        return False
    rest = rule(_RIVAL_LEAD).sub("", rule(_RIVAL_LEAD).sub("", codes, count=1), count=1)
    if "#" in rest or rule("{be|shows}").search(rest):
        return False
    return (
        rule("_|[2389]|{normal|abnormal|named|all}").search(rest) is not None
        and len(rule("[.,:()\\n%0-]|{filler}").sub("", rest)) <= 3
    )
