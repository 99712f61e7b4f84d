r"""The option that a reply states: by letter, by text, announced or alone, and taken back by nothing that follows.

    B     (B) Pneumonia     So the answer is **B**.     The image shows pneumonia.     因此选B     B
    B or C     Is it B?     B is unlikely     If it enhances, B.     Many pick B.                  nothing
    Answer: A ⏎ Wait, … ⏎ Answer: B     B    (the first was taken back)

``strict`` is the setting of rewards: only the known whole forms count, with nothing beside them. Otherwise the
statement may stand anywhere in a reply, and what the question asks helps to find it. The forms and rules are the rows
of option_rules.py. Reading is linear in the length of the reply.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.lexicon import OTHER, Text, lexicon, read_text, rule
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.parsing.option_marks import UNKNOWN, OptionSet, mark, misspelt, named, option_set
from infimed_plugins.parsing.option_rules import FORMS, REWRITES, RULES, STRENGTH, UNKNOWN_TEXT, Form, Rule
from infimed_plugins.records import OPTION_LETTERS, Code

MAX_STRICT = 4_096  # characters of a whole form
_HEAD, _TAIL = 4_000, 16_000  # characters; of a longer reply the ends are read
_LONGEST = 400  # codes of a sentence that are looked at
_MAX_CLAIMS = 400
_FEW = 40  # words of a reply that answers by naming one option
_LITTLE = 8  # characters beyond a misspelt text

_BARE = re.compile(r"[\s*_(\[\"'$]*([A-Za-z])[\s)\]*_\"'$.:]*")
_GLUED = re.compile(
    r"\b(?=[A-J]{2,10}\b)A?B?C?D?E?F?G?H?I?J?\b|(?<=[\u4e00-\u9fff])(?=[A-J]{2,10}(?![A-Za-z]))A?B?C?D?E?F?G?H?I?J?"
)
_TAGS = re.compile(r"</?(?:b|strong|i|em|u|p|span|code)>")
_PROGRAM = re.compile(r"^(?:import \w|from \w+ import |def \w+\(|print\(|\w+ = [\[{(])", re.MULTILINE)
_INVENTED = re.compile(  # further questions, which the model asks itself
    r"\n\W{0,6}(?:#+ [^\n]*question|(?:exercise|example|case) \d|"
    r"(?:next )?(?:question|hint|choices|options|human|user|instructions?|q|problem)"
    r"\s?\d{0,3}\s?[:：]|题目|问题[:：])",
    re.IGNORECASE,
)
_LISTED = re.compile(r"\n\s*\(?a[.)、．:]")  # where a question goes on with its options
_IF_CUES = ("if ", "were ", "suppose", "如果", "假如")
_SUPPOSES = re.compile(r"\b(?:if|were|suppose)\b[^.?\n]{0,200}\??\W*$|如果|假如")
_FALSE_CUES = ("not", "except", "incorrect", "false", "least", "never", "错误", "不", "除外")
_ASKS_FALSE = re.compile(
    r"(?:which|what|all|following|statement)\b[^.?]{0,200}\b(?:not|except|incorrect|false|least|cannot|never)\b|"
    r"\bexcept\b\W*$|(?:下列|哪|以下|关于)[^。？]{0,80}(?:错误|不正确|不是|不属于|不包括|不符合)|"
    r"(?:错误|不正确|不属于|不包括|除外)的?是?\W*(?:$|\n)"
)


class Reading(NamedTuple):
    """The letters a reply states (``"B"``; ``"AC"`` where several are right), or "" and a code that says why not;
    ``trace`` names the rules that led there."""

    letters: str
    code: Code = Code.JUDGED
    trace: tuple[str, ...] = ()


class _Claim(NamedTuple):
    effect: str
    letters: str
    rule: str
    again: bool  # behind words that take back what was said


def read_option(
    text: str, options: tuple[str, ...] = (), question: str = "", strict: bool = False, several: bool = False
) -> Reading:
    """The option that a text states; ``several`` where the question has more than one right option."""
    if strict and len(text) > MAX_STRICT:
        return Reading("", Code.TOO_LONG)
    text = f"{text[:_HEAD]}\n{text[-_TAIL:]}" if len(text) > _HEAD + _TAIL else text
    bare = _BARE.fullmatch(text)
    if bare and not several and bare[1].upper() in OPTION_LETTERS[: len(options) or UNKNOWN]:
        return Reading(bare[1].upper(), Code.JUDGED, ("a letter",))
    known = option_set(options)
    if strict:
        return _whole_form(nfkc(plain(text)).strip(), known, several, bool(options))
    if several and (whole := _whole_form(nfkc(plain(text)).strip(), known, True, bool(options))).letters:
        return whole
    text = _TAGS.sub("", text) if "</" in text else text
    program = _PROGRAM.search(text)
    tidy = nfkc(plain(text[: program.start()] if program else text)).strip()
    if several:
        tidy = _GLUED.sub(lambda found: ", ".join(found[0]), tidy)
    invented = _INVENTED.search(tidy, 1)
    if invented:
        reading = _read(read_text(tidy[: invented.start()]), known, question, several)
        if reading.letters:
            return reading
    reading = _read(read_text(tidy), known, question, several)
    if not reading.letters and len(tidy) < known.longest + _LITTLE:
        slip = misspelt(tidy, options)
        return Reading(slip, Code.JUDGED, ("a slip of spelling",)) if slip else reading
    return reading


def last_option(text: str, options: tuple[str, ...]) -> str:
    """The letter that a chain of thought commits to last, with whatever force; "" for none, or for two at once."""
    codes = _turned(mark(read_text(nfkc(plain(text[-_TAIL:]))), option_set(options)), False, False)
    return next((claim.letters for claim in reversed(_claims(codes)) if claim.effect in STRENGTH), "")


def _whole_form(tidy: str, known: OptionSet, several: bool, options_known: bool) -> Reading:
    """What an answer that is nothing but a known form says."""
    if several and len(set(tidy)) == len(tidy) > 1 and set(tidy) <= set(OPTION_LETTERS[: known.count]):
        return Reading("".join(sorted(tidy)), Code.JUDGED, ("letters",))
    codes = mark(read_text(tidy), known)
    for form in FORMS if options_known else (*FORMS, UNKNOWN_TEXT):
        found = _compiled(form).fullmatch(codes)
        if not found:
            continue
        letters = "".join(sorted({named(code) for code in found.groups() or rule("{opt}").findall(codes)}))
        if len(letters) == 1 or (several and letters and form is FORMS[0]):
            return Reading(letters, Code.JUDGED, (form.id,))
        return Reading("", Code.SEVERAL, (form.id,))
    return Reading("", Code.UNREADABLE if rule("{opt}").search(codes) else Code.NO_ANSWER)


def _read(text: Text, known: OptionSet, question: str, several: bool) -> Reading:
    """What a text states; where that is nothing, what it states in the words of the question."""
    turn = _asks(question) if question else (False, False)
    claims = _claims(_turned(mark(text, known), *turn))
    if len(text.words) > _FEW:
        claims = [claim for claim in claims if claim.effect != "name"]
    if not question or any(STRENGTH.get(claim.effect, 0) > STRENGTH["see"] for claim in claims):
        return _settled(claims, several, turn[0])
    claims = _claims(_turned(mark(text, known, _matter(question)), *turn))
    return _settled(claims if len(text.words) <= _FEW else [c for c in claims if c.effect != "name"], several, turn[0])


@lru_cache(maxsize=4096)
def _asks(question: str) -> tuple[bool, bool]:
    """Whether a question asks what is not so, and whether it supposes something."""
    low = _LISTED.split(question.lower(), maxsplit=1)[0]
    false = any(cue in low for cue in _FALSE_CUES) and _ASKS_FALSE.search(low) is not None
    return false, any(cue in low for cue in _IF_CUES) and _SUPPOSES.search(low) is not None


@lru_cache(maxsize=4096)
def _matter(question: str) -> frozenset[str]:
    """The words of a question that are about its matter."""
    read = read_text(nfkc(plain(question[-1000:])))
    return frozenset(word for word, code in zip(read.words, read.codes, strict=True) if code == OTHER)


def _turned(codes: str, asks_false: bool, supposes: bool) -> str:
    """The codes as they answer a question that supposes something, or that asks what is not so."""
    code_of = lexicon().code_of
    if supposes:
        codes = codes.replace(code_of["hypothetical"], OTHER)
    if asks_false:  # "C is wrong" answers it, "C is right" does not
        codes = rule("{negated}~{correct}|{rejected}").sub("\0", codes)
        codes = rule("(?:{correct}|{likely})(?!~{answer|option|texted})").sub(code_of["rejected"], codes)
        codes = rule("{negated}(?!~(?:{be}~)*{answer|option|opt})").sub("\0", codes)
        codes = codes.replace("\0", code_of["correct"])
    return rule(_CONTINUED).sub(r"\1", codes)


_SENTENCE = re.compile(r"[^.?\n]+[.?\n]*")
_CONTINUED = (  # an announcement and the line behind it, where that is no list
    r"((?:{answer}|{be}|:):?)\n+(?=[-(]*~{option}?[:(]?{opt}(?!{any}*\n+[-(#.]*(?:{lettered}[^{be}]|{opt}(?:\n|$))))"
)
_ITEM = (
    r"^[-(#.]*~{option}~:?{lettered}[,:]|^[-(#.]*(?:{both}|{lettered}[-).:,(])|^[-#.]+\(?{lettered}|"
    r"^[-(#.]+[:(]?{texted}(?:[:,(-]|$)|"
    r"^[-(#.]*{lettered}$|^[-(#.]*{opt}[-).:,]*\n*$"
)
_REVIEWED = r"^[-(#.]*~{option}({lettered})|^({lettered}){option}|^\(({lettered})\)[^\n.?]"
_CLAUSES = (
    r",(?={so|subject|contrast|and|pick|be}|{answer}{opt}|{opt}~{be}|[^,]{0,4}{retracts})(?!{subject}~{pick}$)|"
    r"(?={contrast})(?<!,)|(?<=.)(?={so})|(?<={rejected}),|-(?={opt}.*{rejected|negated})"
)
_TAKEN_BACK = (
    r"^~(?:(?:{retracts}|{negated},),?)+(?:{subject|contrast|word|be|filler}~){0,4}{negated|rejected|all}|"
    r"^{contrast|so|filler|,}*{subject}~{be}*{negated}~{correct}|{retracts}~{subject}?{answer}|^{so|contrast|filler|,}*{rejected|all}{filler|option|correct|be}*$"
)
_NOT_IN_LISTS = frozenset(
    [
        "alone",
        "a letter alone",
        "led",
        "in brackets",
        "it is",
        "is seen",
        "is what is asked",
        "it is C",
        "announced at once",
    ]
)


def _claims(codes: str) -> list[_Claim]:
    """What the sentences claim, in order."""
    found: list[_Claim] = []
    again = False
    sentences = _SENTENCE.findall(codes)
    listed = _list_items(sentences)
    option, retracts = rule("{opt}"), lexicon().code_of["retracts"]
    for index, ended in enumerate(sentences):
        sentence = ended.rstrip("\n.")[:_LONGEST]
        again = again or retracts in sentence or rule("^{negated},").match(sentence) is not None
        if not option.search(sentence):
            if rule(_TAKEN_BACK).search(sentence):
                found.append(_Claim("reject", "", "taken back", True))
            continue
        for claim, letters in _of_sentence(sentence):
            if index in listed and (claim.id in _NOT_IN_LISTS or claim.effect in ("maybe", "several")):
                continue
            found.append(_Claim(claim.effect, letters, claim.id, again))
            again = again and claim.effect not in STRENGTH
        if len(found) > _MAX_CLAIMS:
            break
    return found


def _is_bare(sentence: str) -> bool:
    return rule(r"^[-(#.]*{opt}[-).:,]*\n*$").match(sentence) is not None


def _list_items(sentences: list[str]) -> set[int]:
    """The sentences that begin an item of a list of options, each with its remark, and so claim nothing alone."""
    items: list[tuple[int, str]] = []
    reviewed: list[tuple[int, str]] = []
    starts_line = True
    for index, sentence in enumerate(sentences):
        if starts_line and (item := rule(_ITEM).match(sentence)):
            items.append((index, named(rule("{opt}").findall(item[0])[0])))
        if review := rule(_REVIEWED).match(sentence):
            reviewed.append((index, next(filter(None, review.groups()))))
        starts_line = sentence.endswith("\n")
    if items and not items[0][0] and _is_bare(sentences[0]) and not all(_is_bare(sentences[at]) for at, _ in items):
        del items[0]  # the answer, before a list
    listed = {at for at, _ in items} if len({letter for _, letter in items}) > 2 else set()
    for (index, letter), (later, following) in pairwise(items):
        bare = later == index + 1 and letter != following and _is_bare(sentences[index]) and _is_bare(sentences[later])
        if bare or (letter and following and ord(following) == ord(letter) + 1):
            listed |= {index, later}
    if len({option for _, option in reviewed}) > 1:
        listed.update(index for index, _ in reviewed)
    return listed


@lru_cache(maxsize=16384)
def _of_sentence(sentence: str) -> list[tuple[Rule, str]]:
    """The rule that each clause of a sentence with an option matches, and the letters it claims."""
    code_of = lexicon().code_of
    if code_of["hypothetical"] in sentence:
        return []
    head, contrast, tail = sentence.partition(code_of["contrast"])
    if contrast and code_of["possible"] in head:
        sentence = tail
    for rewrite in _that_may_match(REWRITES, _needed().intersection(sentence)):
        sentence = _compiled(rewrite).sub(rewrite.kept, sentence)
    found = []
    for clause in rule(_CLAUSES).split(sentence):
        options = rule("{opt}").findall(clause)
        for row in _that_may_match(RULES, _needed().intersection(clause)) if options else ():
            if row.whole and clause != sentence:
                continue
            match = _compiled(row).search(clause)
            if match:
                claimed = next(filter(None, match.groups()), "")
                found.append((row, named(claimed) if claimed else "".join(map(named, options))))
                break
    return found


@cache
def _needed() -> frozenset[str]:
    return frozenset().union(*(_needs(row.needs) for row in (*REWRITES, *RULES)))


@lru_cache(maxsize=8192)
def _that_may_match(rows: tuple[Rule, ...], present: frozenset[str]) -> list[Rule]:
    return [row for row in rows if not row.needs or not _needs(row.needs).isdisjoint(present)]


@cache
def _needs(names: str) -> frozenset[str]:
    return frozenset(lexicon().code_of[name] for name in names.split("|") if name)


@lru_cache(maxsize=256)
def _compiled(row: Rule | Form) -> re.Pattern[str]:
    return rule(re.sub(r"<(\{[a-z]+\})>", r"(\1)", row.pattern))


def _settled_several(claims: list[_Claim]) -> Reading:
    """The letters that the last announcement names; without one, all that are said to be right."""
    named_last = [claim for claim in claims if claim.effect == "announce" or claim.rule in ("more than one", "several")]
    counted = named_last[-1:] or [claim for claim in claims if claim.effect == "hold"]
    letters = "".join(sorted({letter for claim in counted for letter in claim.letters}))
    return Reading(letters, Code.JUDGED if letters else Code.NO_ANSWER, tuple(claim.rule for claim in counted))


def _settled(claims: list[_Claim], several: bool, asks_false: bool = False) -> Reading:
    """What stands at the end: the strongest statement, or of equal ones the one that all make."""
    if several:
        return _settled_several(claims)
    stands, strength, code = "", 0, Code.NO_ANSWER
    trace: list[str] = []
    for claim in claims:
        force = STRENGTH.get(claim.effect, 0)
        if asks_false and force and force <= STRENGTH["see"]:
            continue  # what is so is no answer there
        if force:
            if not claim.letters:
                stands, strength, code = "?", max(force, strength), Code.SEVERAL
            elif not stands or claim.again or claim.effect == "replace" or force > strength or claim.letters == stands:
                strength = max(force, strength) if claim.letters == stands else force
                stands = claim.letters
            elif force == strength:
                stands, code = "?", Code.SEVERAL
        elif claim.effect == "reject" and stands and (not claim.letters or stands in claim.letters):
            stands, strength, code = "", 0, Code.REJECTED
        elif claim.effect in ("maybe", "several") and stands and set(claim.letters) - {stands}:
            stands, code = "?", Code.UNSURE if claim.effect == "maybe" else Code.SEVERAL
        else:
            if claim.effect == "maybe" and not stands:
                code = Code.UNSURE
            continue
        trace.append(claim.rule)
    if strength == STRENGTH["name"] and {letter for claim in claims for letter in claim.letters} != {stands}:
        stands, code = "?", Code.SEVERAL  # named, beside another
    letters = "" if stands == "?" else stands
    return Reading(letters, Code.JUDGED if letters else code, tuple(trace))
