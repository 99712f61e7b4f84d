"""Check that a free reply gives a short text as its answer: each word beside the gold must be known to add nothing.

    gold "left lung"    Left lung.    It is located in the left lung.    Answer: left lung    The lesion is in the left
                        lung, which is …    (asked "Where is the lesion?")    Left lung. The lesion there is hypodense.
    but not             left lung or liver    not the left lung    Left lung. Liver.    the left lung is clear
                        right lung, left kidney    for    left lung, right kidney

A sentence is a string of codes: those of the lexicon, and digits and marks for what gold and question make of words.

    Which is larger, the liver or the spleen?    In  this image  ,  the     liver  is  bigger  than  the     spleen
                                                 %   4    4      ,  filler  1      be  4       than  filler  2

STEPS are tried in order: one with a code bars a sentence that it matches, one without takes out what it matches, but
for its group. A sentence gives the gold where all that is left is known to add nothing and its items are the gold's.
The examples of a rule give the gold "liver", or come to its code; else they say question, gold, reply, and reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing import lexicon
from infimed_plugins.parsing.lexicon import CODE, Reading, Rule, Sentence, Text, norm, rule, sentences
from infimed_plugins.parsing.normalize import plain
from infimed_plugins.parsing.numbers import read_value
from infimed_plugins.records import Code

# 1 of the gold, 2 one of its kind, 3 scenery, 4 of the question, 6 begins an aside, 7 taken out, 8 another, 9 a side,
# % "in", 0 "in" where the question asks where
GOLD, RIVAL, SCENE, ASKED, ASIDE, TAKEN_OUT, OTHER, SIDE, IN, WHERE = "12346789%0"
_ADDS_NOTHING = "{filler|subject|be|shows|present|so|likely|answer|pick|option|correct|yes|and}"
_TWO, _WHERE = "Which is larger, the liver or the spleen?", "Where is the mass?"
STEPS = (
    Rule("asks", r"\?", Code.UNSURE, ("The liver?",)),
    Rule("reason", "(?:{than|because}|(?<=1),{negated}(?={filler}*[2_]))(?:[^1]*,(?=[^,1]*1)|"
         "(?!{negated|rejected|possible|or})[^1]*$)", "",
         ((_TWO, "liver", "The liver is larger than the spleen.", True), "Since no rib is near, it is the liver.",
          "The liver, not the spleen.")),
    Rule("denied", "{negated}(?!-)|{no|rejected|absent}", Code.REJECTED, ("It is not the liver.",)),
    Rule("aside", "(1[^6]*?),?(?:{and|others|filler})*6(?!{be|filler|subject}*{possible}).*$", "",
         ("The liver, which filters blood.", ("", "liver", "The liver, which is doubtful.", Code.UNSURE))),
    Rule("possible", "{possible|hypothetical}", Code.UNSURE, ("It may be the liver.",)),
    Rule("or", "{or}", Code.SEVERAL, ("The liver or the spleen.",)),
    Rule("but", ".{contrast|concedes|retracts}", Code.UNSURE, ("The liver, however.",)),
    Rule("in brackets", r"\((?!{and})[^()12]*\)", "", ("Liver (segment four)",)),
    Rule("introduces", "^(?:[%06][^,128]{1,8},|(?=[^1]*(?:4|{answer|correct}))[^,1289]*(?:{be}|:)|(?=[^1]*"
         "(?:{be|shows|present}))[^,1289]*0{filler}*(?=1))", "", ("The working diagnosis for this lady is liver.",
         ("Which organ is marked?", "liver", "The organ marked with arrows is the liver.", True),
         "On the coloured slide, the liver is seen.",
         (_WHERE, "left lung", "A shadow is seen in the left lung.", True))),
    Rule("where", "(1[347]*)(?:,?[%0]{filler}*(?:[_349]{filler}*){1,4})+(?=[.,:7{be|shows|present}]|$)", "",
         (("", "cyst", "A cyst in the groin.", True),)),
)  # fmt: skip
_LEAD = "(?:{filler|subject|option|correct|likely|retracts|so|pick|and}|[34%0,-])*"
ANNOUNCES = Rule("announced", f"^{_LEAD}{{answer}}{_LEAD}(?:{{be}}|:)(?!{{filler}}*{{negated}})", "",
                 ("Spleen. The answer is liver.", "The answer is not spleen. The answer is liver.",
                  ("", "liver", "Liver. The answer is spleen.", Code.JUDGED)))  # fmt: skip
_SKIPPED = r"(?:[%0,:().\n-]|{filler})*"
RIVAL_BESIDE = Rule(
    "another beside it",
    rf"^(?:#[.)])?(?:[4%0,:-]|{_ADDS_NOTHING}|{{retracts}})*+[_2389{{normal|abnormal|named|all}}]{_SKIPPED}"
    rf"(?:[^#{{be|shows|negated}}]{_SKIPPED}){{0,2}}$", "",
    (("", "liver", "Liver. A spleen.", Code.SEVERAL),))  # fmt: skip
_RIVAL = (RIVAL_BESIDE.id,)
NOTHING = (
    Rule("refuses", "^[^_]{0,4}{subject}(?:{be|filler|pick})*(?:{negated}|{rejected}|{possible})", Code.NO_ANSWER,
         ("I cannot view pictures.",)),
    Rule("a doubt", r"\?|{possible|hypothetical|or}", Code.UNSURE, ("Some organ?",)),
    Rule("cut off", "(?:{filler|be|shows|and|or}|,)$", Code.NO_ANSWER, ("The dark organ of this picture is the",)),
)  # fmt: skip
_KINDS, _SETS = lexicon.beside("kinds"), lexicon.beside("sets")
_CODE = {"scene": SCENE, "aside": ASIDE, "side": SIDE, "other": OTHER, "in": IN}
_BESIDE = {word: _CODE[name] for name, words in lexicon.beside("words").items() for word in words}
_NAME_OF = {name: thing for thing, names in lexicon.OPEN["names"].items() for name in names}
_NAMES = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(_NAME_OF, key=len, reverse=True))})(?!\w)", re.IGNORECASE)
_MARKS = frozenset(".?,:()-\n")
_BETWEEN = frozenset([*".?,:\n", CODE["and"]])  # items
_ASKS_WHERE = re.compile(r"\b(?:where|locat|lobe|side)", re.IGNORECASE)
_EITHER = re.compile(r"\W*(?:is|are|was|were) ", re.IGNORECASE)
_STOP = re.compile(r"[.?:;]\s")
_LISTED = re.compile(r"\s*(?:;|\n\s*(?:[-*•]|\d[.)]))\s*")
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~|<(s|del|strike)>[^<\n]{1,200}</\1>")
_ZH_SCENE = re.compile("[该此]?病[变灶]主?要?(?:是|为|位于|在)|位于|一[张幅]|图像?中?|图片中?")
_ZH_SUBJECT = re.compile(rf"(?:^|(?<=[。，,\n]))([{lexicon.HAN}]{{2,20}}?)(?:主要)?[是为呈在有](?=[{lexicon.HAN}])")
_STEM = 8  # letters by which a long word of the question is known


class _Plan(NamedTuple):
    """The items of a gold, their words, and the codes of words for it and its question."""

    items: frozenset[object]
    words: frozenset[str]
    codes: dict[str, str]
    echoes: bool = False  # the gold is among the words of the question
    chooses: bool = False  # "is it X or Y": naming one of them answers it, whatever else is said


def read_short_answer(reply: str, golds: Sequence[str], question: str = "") -> Reading:
    """Return the stretch of a reply that gives one of the golds as its answer, or "".

    ``reply`` is the content of a tag or box, or a whole reply. The code is JUDGED where it commits to any answer.
    """
    if len(reply) > lexicon.LONGEST:
        return Reading("", Code.TOO_LONG)
    bare = plain(_STRUCK.sub(" ❌ ", lexicon.tidy(reply)))
    if not bare:
        return Reading("", Code.NO_ANSWER)
    flat = [" ".join(one.lower().split()).rstrip(". ") for one in (bare, *golds)]
    if flat[0] and flat[0] in flat[1:]:
        return Reading(bare, Code.JUDGED, ("the gold itself",))
    text = Text(_named(bare, question))
    readings = [_read(text, " ".join(gold.split()), question) for gold in golds]
    return next((one for one in readings if one.answer), readings[0] if readings else Reading("", Code.BAD_TRUTH))


def _named(text: str, question: str = "") -> str:
    """Return the text with one name for each thing that has several, and without Chinese words that begin an answer."""
    text = _NAMES.sub(lambda found: _NAME_OF[found[0].lower()], text)
    if text.isascii():
        return text
    return _ZH_SCENE.sub(" ", _ZH_SUBJECT.sub(lambda found: " " if found[1] in question else found[0], text))


def _read(text: Text, gold: str, question: str) -> Reading:
    """Read a reply with regard to one gold."""
    if _STOP.search(gold):  # a gold of several sentences
        flat = _STOP.sub(" ", gold)
        text, gold = Text(re.sub(re.escape(gold), lambda _: flat, text.text, flags=re.IGNORECASE)), flat
    plan = _plan(gold, question)
    if len(plan.items) > 1 and _LISTED.search(text.text):
        text = Text(_LISTED.sub(", ", text.text).strip(", "))
    reading = _chosen(text, plan)
    number = norm(gold.lower()) if gold and not reading.answer else ""
    stated = read_value(text.text, question) if number.isdigit() else reading
    return stated if stated.answer == number else reading


@cached(256)
def _plan(gold: str, question: str) -> _Plan:
    """Return the codes of words for a gold and a question; no items where the gold holds no word that counts."""
    parsed = Text(_named(gold))
    words: list[str] = []
    for word, code in zip(parsed.words, parsed.codes, strict=True):
        if code not in "()-" and word not in _SETS["weak"] and (word != "a" or words):
            words.append("," if code in _BETWEEN or word == "/" else norm(word))
    own, asked = frozenset(words) - {","}, _asked(question)
    if own <= _SETS["pronouns"]:
        return _Plan(frozenset(), own, {})
    kinds = [name for name, same in _KINDS.items() if not own.isdisjoint(same)]
    codes = {word: RIVAL if name in kinds else "_" if name == "organ" and not kinds else SCENE
             for name, same in _KINDS.items() for word in same}  # fmt: skip
    codes |= _BESIDE | {"versus": CODE["or"], "can help": TAKEN_OUT}
    codes |= dict.fromkeys(lexicon.beside("words")["in"], WHERE) if _ASKS_WHERE.search(question) else {}
    chooses = RIVAL in asked.values()
    codes |= {"with": ASIDE} if (kinds or chooses) and " with " not in gold else {}
    echoes = own <= asked.keys() and not chooses
    codes |= ({} if echoes else asked) | dict.fromkeys(own, GOLD)
    return _Plan(_items(words), own, codes, echoes, chooses and _EITHER.match(question) is not None)


@cached(1024)
def _asked(question: str) -> dict[str, str]:
    """Return the words of a question: they add nothing, but those between which it lets choose."""
    text = Text(_named(lexicon.tidy(question)))
    pairs = [(norm(word), code) for word, code in zip(text.words, text.codes, strict=True)]
    pairs = [(word, code) for word, code in pairs if word != "-" and _BESIDE.get(word) not in (SCENE, ASIDE)]
    asked = {word: ASKED for word, code in pairs if code in lexicon.ASKABLE}
    asked |= {word[:_STEM] + "*": ASKED for word in asked if len(word) >= _STEM}
    filler = CODE["filler"]
    kept = [(word, "_" if word in _KINDS["modality"] else code) for word, code in pairs if code != filler]
    rivals = rule("(?<!{be})_(?=,.*{or})|[_{normal}](?=,?{or})|(?<={or})[_{correct|abnormal}]")
    found = rivals.finditer("".join(code for _, code in kept))
    return asked | {kept[one.start()][0]: RIVAL for one in found}


def _recoded(text: Text, plan: _Plan) -> str:
    """Return the codes of a text for a gold and its question."""
    words, codes = text.words, list(text.codes)
    for n, code in enumerate(codes):
        if code not in _MARKS:
            word = norm(words[n])
            codes[n] = plan.codes.get(word) or (code == "_" and plan.codes.get(word[:_STEM] + "*")) or code
            if codes[n] in "2_" and word in _KINDS["organ"] and {*words[n + 1 : n + 2]} & _KINDS["modality"]:
                codes[n] = SCENE  # chest X-ray
    return "".join(codes)


def _items(words: Iterable[str]) -> frozenset[object]:
    """Split at commas, each side with its noun: "left and right lung" is the left lung, the right lung."""
    found: list[object] = []
    noun: tuple[str, ...] = ()
    for item in reversed([tuple(group) for comma, group in groupby(words, ",".__eq__) if not comma]):
        bare = tuple(word for word in item if word not in _SETS["nouned"])
        found.append(_key(item if bare else (*item, *noun)))
        noun = bare or noun
    return frozenset(found)


@cached(4096)
def _key(item: tuple[str, ...]) -> object:
    """Return an item; in its order where that matters: with both sides, with a lack, in Chinese."""
    lacks = any(lexicon.code_of(word.split()[0]) == CODE["negated"] for word in item)
    ordered = lacks or {"left", "right"} <= set(item) or re.search(f"[{lexicon.HAN}]", "".join(item))
    return tuple(dict.fromkeys(item)) if ordered else frozenset(item)


def _chosen(text: Text, plan: _Plan) -> Reading:
    """Take the last announcement; else the first or last sentence or one that answers the question, without a rival."""
    codes = _recoded(text, plan) if plan.words <= set(map(norm, text.words)) else text.codes
    said = sentences(text, codes, partial(_judged, plan))
    announced = [one for one in said if one.says.code == Code.JUDGED and ANNOUNCES.search(one.codes)]
    for one in announced[-1:] or [one for one in said if one in (said[0], said[-1]) or ASKED in one.codes]:
        if one.says.answer:
            if against := next(_against(one, said, announced), None):
                return Reading("", against.code, (*one.says.trace, *against.trace))
            start, end = text.spans[one.span[0]][0], text.spans[one.span[1] - 1][1]
            return Reading(text.text[start:end].strip(), Code.JUDGED, one.says.trace)
    readings = [one.says for one in said] or [Reading("", Code.NO_ANSWER)]
    return next((one for one in reversed(readings) if one.code == Code.JUDGED), readings[-1])._replace(answer="")


def _against(one: Sentence, said: Sequence[Sentence], announced: Sequence[Sentence]) -> Iterator[Reading]:
    """Yield readings against the sentence that gives the gold: it is taken back, or another answer stands beside it."""
    at, no_more = said.index(one), (Code.REJECTED, Code.UNSURE)
    if back := lexicon.retraction(said[at + 1 :]):
        yield back
    yield from (later.says for later in said[at + 1 :] if GOLD in later.codes and later.says.code in no_more)
    since = max((n for n in range(at + 1) if rule("{retracts}").search(said[n].plain)), default=0)
    for other in said[since:] if announced else said:
        if not other.says.answer and (other in announced or (not announced and other.says.trace == _RIVAL)):
            yield Reading("", Code.SEVERAL, ("another beside it",))


def _judged(plan: _Plan, codes: str, words: Sequence[str]) -> Reading:
    """Read one sentence; the answer is GOLD where it gives that."""
    if GOLD not in codes:  # another answer, a doubt, or none
        for empty in NOTHING:
            if empty.search(codes) and (empty is not NOTHING[0] or not _SETS["speaker"].isdisjoint(words[:8])):
                return Reading("", Code(empty.effect), (empty.id,))
        return Reading("", Code.JUDGED, _RIVAL if RIVAL_BESIDE.search(codes) else ())
    if plan.echoes and rule("1.*{be|shows}").search(codes):
        return Reading("", Code.JUDGED, ("the question again",))
    trace: list[str] = []
    for step in STEPS:
        if step.effect:
            if step.search(codes):
                return Reading("", Code(step.effect), (*trace, step.id))
            continue
        left = rule(step.pattern).sub(_taken_out, codes)
        trace += [step.id] if left != codes else []
        codes = left
    pairs = zip(codes, words, strict=True)
    given = [norm(word) if code == GOLD else "," for code, word in pairs if code == GOLD or code in _BETWEEN]
    items = _items(given if len(plan.items) > 1 else (word for word in given if word != ","))
    known = rule(f"{{retracts}}?(?:[13467%0,:()\\-.\\n]|{_ADDS_NOTHING})*").fullmatch(codes)
    if items != plan.items or not (known or (plan.chooses and RIVAL not in codes)):
        return Reading("", Code.JUDGED, ("more beside it, or less",))
    return Reading(GOLD, Code.JUDGED, tuple(trace))


def _taken_out(found: re.Match[str]) -> str:
    kept = found[1] if found.lastindex else ""
    return kept + TAKEN_OUT * (len(found[0]) - len(kept))
