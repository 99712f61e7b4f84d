"""The one value that a reply in prose states as its answer: its conclusion, or the sentence that answers the question.

    There are 3 lesions.   3        So the answer is 1982, with an income of $931,441.   1982
    It is about 12 mm.     12 mm    The difference is 10 - 4 = 6.   6    答案是3   3

A text without prose is its own value. Data, steps and numbers of the question are no answer; nor is program code. Codes
beside those of the lexicon: ``#`` a number, ``0`` one of the question, ``4`` another word of it, ``=`` an equals sign.
"""

from __future__ import annotations

import re
from functools import lru_cache

from infimed_plugins.parsing.lexicon import HAN, NUMBER, OTHER, Text, lexicon, read_text, rule
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.parsing.quantities import is_unit
from infimed_plugins.parsing.reading import ASKS_ON, COUNTS, MAX_LENGTH, Reading, Rule, norm, sentences, taken_back
from infimed_plugins.records import Code

_FUNCTIONS = "(?:sin|cos|tan|log|ln|exp|sqrt|frac|pi|max|min)(?![A-Za-z])"
_WORD = re.compile(rf"(?<![\\A-Za-z])(?!{_FUNCTIONS})[A-Za-z]{{2,}}|[{HAN}]{{2}}")
_FORMULA = re.compile(r"(?:\\[A-Za-z]+|[\d.,%]+|[-+*/^(){}√π×]|(?:sqrt|pi)(?![a-z])|[ ](?=[-+*/^\d\\√(×]))+")
_FORMAL = re.compile(r"[\\√π^(]|sqrt|pi")
_PROGRAM = re.compile(r"^(?:import \w|from \w+ import|def \w|\w+ = \[)|\bprint\(|\bpython\b", re.MULTILINE | re.IGNORECASE)
_N = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_VALUE = re.compile(
    rf"[-+−]?{_N}(?:\s?/\s?\d+|\s?(?:[×x]|\\times)\s?10\s?\^?\s?\{{?[-−]?\d+\}}?|\s?[-–]\s?{_N})?(?:\s?(%|°|π|[A-Za-zµμ]+(?:/[A-Za-z]+)?))?"
)
_CLEAN = str.maketrans(dict.fromkeys("$`", ""))
_UNFINISHED = ("=", "+", "-", "*", "×", "÷", "/", "(", ",", ":")
_BEFORE = 100  # characters of a formula before its first number that is looked at
_NO_UNITS = frozenset("in a s d t unit units".split())

MARK = "7"  # a line's end within a sentence

PLACES = (
    Rule("announced", "{answer}(?:{filler|subject|option|likely|correct}|[_40]){0,9}?(?:{be}|:)[^,]*?[#0]", ()),
    Rule("so", "(?:^|,|{and}|\n){so}.*[#0]", ()),
    Rule("worked out", "=[^=]*[#0]", ()),
    Rule("alone", r"^\(?[#0][^#0]{0,2}\)?$", ()),
    Rule("asked", "4.*[#0]|[#0].*4", ()),
    Rule("only one", "[#0]", ()),
)
BARS = (
    Rule("asks", r"\?$", (), Code.UNSURE),
    Rule("possible", "{possible|hypothetical}", (), Code.UNSURE),
    Rule("denied", "(?:{negated}|{rejected})[^,]*#|#[^,]*{rejected}|{than}{filler}*#", ()),
    Rule("or", "#[^#,]{0,4}(?:{or}|{and}){filler}*#|{or}{filler}*#", (), Code.SEVERAL),
)
VALUES = (
    Rule("equals", "^.*=[^#=]*?(#)", ()),
    Rule("is", "{answer}[^#]*?(?:{be}|:)[^#]*?(#)", ()),
    Rule("there are", "^[^#]*?(?:{be|shows}|:)[^#]*?(#)", ()),
    Rule("one number", "^[^#]*(#)[^#]*$", ()),
)


def stated_value(reply: str, question: str = "", gold: str = "") -> Reading:
    """The value to compare with the gold, as the reply writes it, with its unit; None where it states several or none."""
    if len(reply) > MAX_LENGTH:
        return Reading(None, Code.TOO_LONG)
    text = ASKS_ON.sub("", nfkc(reply).translate(_CLEAN).replace("**", "")).strip()
    if all(is_unit(word) for word in _WORD.findall(text)):
        return Reading(text.rsplit("≈")[-1].strip() or None, Code.JUDGED if text else Code.NO_ANSWER, ("no prose",))
    if _PROGRAM.search(text) or text.endswith(_UNFINISHED):
        return Reading(None, Code.NO_ANSWER, ("a program, or cut off",))
    parsed = read_text(text)
    codes = _recode(parsed, _table(question))
    spans = sentences(parsed)
    asked = " ".join(read_text(nfkc(question)).words)
    spans = [span for span in spans if len(line := _said(parsed, *span)) < 9 or line not in asked]
    said = [codes[start:end].replace("\n", MARK) for start, end in spans]
    unsure, since = Reading(None, Code.NO_ANSWER), 0
    for place in PLACES:
        hits = [n for n, one in enumerate(said) if n >= since and rule(place.pattern).search(one)]
        if place.id == "worked out" and hits:
            hits = [n for n in range(hits[-1], len(said)) if re.search("[#0]", said[n])]
            if len({_value(parsed, *spans[n], said[n]).found for n in hits}) > 1:
                continue
        if hits:
            reading = _chosen(place.id, hits, parsed, spans, said)
            if reading.code != Code.UNSURE:
                return reading
            unsure, since = reading, hits[-1] + 1
    return unsure


def _said(text: Text, start: int, end: int) -> str:
    """The last line of a sentence, without its full stop."""
    return " ".join(text.words[start:end]).rpartition("\n")[2].strip(" .")


def _chosen(place: str, hits: list[int], text: Text, spans: list[tuple[int, int]], said: list[str]) -> Reading:
    """The value of the last of these sentences, or of those that share most with the question; of two, none."""
    if place == "asked":
        hits = [n for n in hits if NUMBER in said[n]] or hits
        shared = {n: len({norm(text.words[spans[n][0] + i]) for i, code in enumerate(said[n]) if code == "4"}) for n in hits}
        hits = [n for n in hits if shared[n] == max(shared.values())]
    read = [_value(text, *spans[n], said[n]) for n in hits]
    last, n = read[-1], hits[-1]
    others = {one.found for one in read if one.found} - {last.found}
    if place == "asked" and said.count(said[n]) == 1:
        others = set()
    if others and place != "so" and not any(map(rule("{retracts}").search, said[hits[0] : n + 1])):
        return Reading(None, Code.SEVERAL, (place,))
    for start, end in spans[n + 1 :]:
        back = taken_back(text.codes[start:end])
        if back:
            return Reading(None, back.code, (place, *last.trace, back.id))
    return last._replace(trace=(place, *last.trace))


def _value(text: Text, start: int, end: int, codes: str) -> Reading:
    """The value that one sentence states."""
    at = max((found.end() for found in rule("{so}").finditer(codes) if re.search("[#0]", codes[found.end() :])), default=0)
    codes = codes[at:]
    if NUMBER not in codes:
        codes = codes.replace("0", NUMBER)
    for bar in BARS:
        if rule(bar.pattern).search(codes):
            return Reading(None, bar.code, (bar.id,))
    for way in VALUES:
        found = rule(way.pattern).search(codes)
        if found:
            return Reading(_written(text, start + at + found.start(1), end), Code.JUDGED, (way.id,))
    return Reading(None, Code.SEVERAL)


def _written(text: Text, token: int, end: int) -> str:
    """A number as written, with its unit; a formula to its end."""
    word = text.words[token]
    if word in COUNTS:
        return COUNTS[word]
    place, stop = text.spans[token][0], text.spans[end - 1][1]
    formula = next((one for one in _FORMULA.finditer(text.text, max(0, place - _BEFORE), stop) if one.end() > place), None)
    if formula and _FORMAL.search(formula[0]):
        return formula[0].strip(" .,")
    found = _VALUE.match(text.text, place)
    if found is None:
        return word
    unit = found[1]
    if unit and unit not in "%°π" and (unit.lower() in _NO_UNITS or not is_unit(unit)):
        return text.text[place : found.start(1)].strip()
    return found[0].strip()


def _recode(text: Text, table: dict[str, str]) -> str:
    codes = [table.get(norm(word), code) for word, code in zip(text.words, text.codes, strict=True)]
    for n, word in enumerate(text.words):
        if word in ("=", "≈", "≅"):
            codes[n] = "="
        elif word == "/":
            codes[n] = OTHER
        elif word == "if" and n + 1 < len(codes) and text.words[n + 1] in ("we", "you", "i"):
            codes[n] = OTHER
        elif word in COUNTS and codes[n] != "0" and (word != "one" or text.codes[n - 1] == _BE):
            codes[n] = NUMBER
        if codes[n] == NUMBER and n and text.codes[n - 1] in _NAMES and text.text[text.spans[n - 1][0]].isupper() and text.codes[n - 2 : n - 1] not in ("", ".", "\n"):
            codes[n] = OTHER  # Figure 3
    return "".join(codes)


_BE = lexicon().code_of["be"]
_NAMES = frozenset([OTHER, lexicon().code_of["named"]])


@lru_cache(maxsize=1024)
def _table(question: str) -> dict[str, str]:
    text = read_text(nfkc(question))
    own = {OTHER, *(lexicon().code_of[name] for name in ("named", "normal", "abnormal", "others", "all", "subject"))}
    table = {norm(word): "4" for word, code in zip(text.words, text.codes, strict=True) if code in own and len(word) > 2}
    return table | {norm(word): "0" for word, code in zip(text.words, text.codes, strict=True) if code == NUMBER or word in COUNTS}
