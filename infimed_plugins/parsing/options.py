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
from collections.abc import Sequence

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.lexicon import CODE, OTHER, PROGRAM, TAIL, Reading, Text, ends, rule
from infimed_plugins.parsing.normalize import nfkc, plain
from infimed_plugins.parsing.option_marks import UNKNOWN, OptionSet, mark, misspelled, named, option_key, option_set
from infimed_plugins.parsing.option_rules import FORMS, STRENGTH, UNKNOWN_TEXT, Claim, claims_of
from infimed_plugins.records import OPTION_LETTERS, Code

MAX_STRICT = 4_096  # characters of a whole form
_FEW = 25  # words of a reply that answers by naming one option
_LITTLE = 8  # characters beyond a misspelled text

_BARE = re.compile(r"[\s*_(\[\"'$]*([A-Za-z])[\s)\]*_\"'$.:]*")
_GLUED = re.compile(
    r"\b(?=[A-J]{2,10}\b)A?B?C?D?E?F?G?H?I?J?\b|(?<=[\u4e00-\u9fff])(?=[A-J]{2,10}(?![A-Za-z]))A?B?C?D?E?F?G?H?I?J?"
)
_TAGS = re.compile(r"</?(?:b|strong|i|em|u|p|span|code)>")
_INVENTED = re.compile(  # further questions, which the model asks itself
    r"\n\W{0,6}(?:#+ [^\n]*question|(?:exercise|example|case) \d|"
    r"(?:next )?(?:question|hint|choices|options|human|user|instructions?|q|problem)"
    r"\s?\d{0,3}\s?[:：]|题目|问题[:：])",
    re.IGNORECASE,
)
_LISTED = re.compile(r"\n\s*\(?a[.)、．:]")  # a question that goes on with its options
_SUPPOSES = re.compile(r"\b(?:if|were|suppose)\b[^.?\n]{0,200}\??\W*$|如果|假如")
_ASKS_FALSE = re.compile(
    r"(?:which|what|all|following|statement)\b[^.?]{0,200}"
    r"\b(?:not|except|incorrect|false|least \w+(?:ly|ble|ate|ent|ant|ive|ed)|cannot|never)\b|"
    r"\bexcept\b\W*$|(?:下列|哪|以下|关于)[^。？]{0,80}(?:错误|不正确|不是|不属于|不包括|不符合)|"
    r"(?:错误|不正确|不属于|不包括|除外)的?是?\W*(?:$|\n)"
)


def read_option(
    text: str, options: tuple[str, ...] = (), question: str = "", strict: bool = False, several: bool = False
) -> Reading:
    """Return the option that a text states; ``several`` if the question has more than one right option."""
    if strict and len(text) > MAX_STRICT:
        return Reading("", Code.TOO_LONG)
    text = ends(text)
    bare = _BARE.fullmatch(text)
    if bare and not several and bare[1].upper() in OPTION_LETTERS[: len(options) or UNKNOWN]:
        return Reading(bare[1].upper(), Code.JUDGED, ("a letter",))
    known = option_set(options)
    if strict:
        return _whole_form(nfkc(plain(text)).strip(), known, several, bool(options))
    if several and (whole := _whole_form(nfkc(plain(text)).strip(), known, True, bool(options))).answer:
        return whole
    text = _TAGS.sub("", text) if "</" in text else text
    tidy = nfkc(plain(PROGRAM.split(text, 1)[0])).strip()
    if several:
        tidy = _GLUED.sub(lambda found: ", ".join(found[0]), tidy)
    invented = _INVENTED.search(tidy, 1)
    for part in (tidy[: invented.start()], tidy) if invented else (tidy,):
        reading = _read(Text(part), known, question, several)
        if reading.answer:
            return reading
    if len(tidy) < max(map(len, options), default=0) + _LITTLE:
        slip = misspelled(tidy, options)
        return Reading(slip, Code.JUDGED, ("a slip of spelling",)) if slip else reading
    return reading


def last_option(text: str, options: tuple[str, ...]) -> str:
    """Return the letter that a chain of thought commits to last, however firmly; "" for none, or for two at once."""
    codes = _turned(mark(Text(nfkc(plain(text[-TAIL:]))), option_set(options)), False, False)
    return next((claim.letters for claim in reversed(claims_of(codes)) if claim.effect in STRENGTH), "")


def _whole_form(tidy: str, known: OptionSet, several: bool, options_known: bool) -> Reading:
    """Read an answer that is nothing but a known form."""
    if several and len(set(tidy)) == len(tidy) > 1 and set(tidy) <= set(OPTION_LETTERS[: known.letters]):
        return Reading("".join(sorted(tidy)), Code.JUDGED, ("letters",))
    codes = mark(Text(tidy), known)
    for form in FORMS if options_known else (*FORMS, UNKNOWN_TEXT):
        found = rule(form.pattern).fullmatch(codes)
        if not found:
            continue
        letters = "".join(sorted({named(code) for code in found.groups() or rule("{opt}").findall(codes)}))
        if len(letters) == 1 or (several and letters and form is FORMS[0]):
            return Reading(letters, Code.JUDGED, (form.id,))
        return Reading("", Code.SEVERAL, (form.id,))
    return Reading("", Code.UNREADABLE if rule("{opt}").search(codes) else Code.NO_ANSWER)


def _read(text: Text, known: OptionSet, question: str, several: bool) -> Reading:
    """Read the option that a text states; where that is little, in the words of the question."""
    asks_false, supposes = _asks(question) if question else (False, False)

    def claims(asked: frozenset[str]) -> list[Claim]:
        found = claims_of(_turned(mark(text, known, asked), asks_false, supposes))
        return found if len(text.words) <= _FEW else [claim for claim in found if claim.effect != "name"]

    stated = claims(frozenset())
    if question and all(STRENGTH.get(claim.effect, 0) <= STRENGTH["see"] for claim in stated):
        stated = claims(_matter(question))
    if asks_false:  # a true statement is no answer there
        stated = [claim for claim in stated if claim.effect not in ("see", "name")]
    return _settled_several(stated) if several else _settled(stated)


@cached(4096)
def _asks(question: str) -> tuple[bool, bool]:
    """Return two flags: a question asks what is not so; it supposes something."""
    low = _LISTED.split(question.lower(), maxsplit=1)[0]
    return _ASKS_FALSE.search(low) is not None, _SUPPOSES.search(low) is not None


@cached(4096)
def _matter(question: str) -> frozenset[str]:
    """Return the words of a question that are about its matter."""
    read = Text(nfkc(plain(question[-1000:])))
    return frozenset(word for word, code in zip(read.words, read.codes, strict=True) if code == OTHER)


_CONTINUED = (  # an announcement and the line behind it, where that is no list
    r"((?:{answer}|{be}|:):?)\n+(?=[-(]*~{option}?[:(]?{opt}(?!{any}*\n+[-(#.]*(?:{lettered}[^{be}]|{opt}(?:\n|$))))"
)


def _turned(codes: str, asks_false: bool, supposes: bool) -> str:
    """Return the codes as they answer a question that supposes something, or that asks what is not so."""
    if supposes:
        codes = codes.replace(CODE["hypothetical"], OTHER)
    if asks_false:  # "C is wrong" answers it, "C is right" does not
        codes = rule("{negated}~{correct}|{rejected}").sub("\0", codes)
        codes = rule("(?:{correct}|{likely})(?!~{answer|option|texted})").sub(CODE["rejected"], codes)
        codes = rule("{negated}(?!~(?:{be}~)*{answer|option|opt})").sub("\0", codes)
        codes = codes.replace("\0", CODE["correct"])
    return rule(_CONTINUED).sub(r"\1", codes)


def _settled_several(claims: list[Claim]) -> Reading:
    """Return the letters that the last announcement names; without one, all that are said to be right."""
    named_last = [claim for claim in claims if claim.effect == "announce" or claim.rule in ("more than one", "several")]
    counted = named_last[-1:] or [claim for claim in claims if claim.effect == "hold"]
    letters = "".join(sorted({letter for claim in counted for letter in claim.letters}))
    return Reading(letters, Code.JUDGED if letters else Code.NO_ANSWER, tuple(claim.rule for claim in counted))


def _settled(claims: list[Claim]) -> Reading:
    """Settle on the strongest statement, or of equal ones on the one that all make."""
    stands, strength, code = "", 0, Code.NO_ANSWER
    trace: list[str] = []
    for claim in claims:
        force = STRENGTH.get(claim.effect, 0)
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


def same_options(given: str, right: str, options: Sequence[str]) -> bool:
    """True if the letters given name the right options or their twins; options that are not there have none."""
    return bool(given) and (given == right or _texts(given, tuple(options)) == _texts(right, tuple(options)))


@cached(4096)
def _texts(letters: str, options: tuple[str, ...]) -> frozenset[str]:
    keys = dict(zip(OPTION_LETTERS, map(option_key, options), strict=False))
    return frozenset(keys.get(letter) or f"({letter})" for letter in letters)
