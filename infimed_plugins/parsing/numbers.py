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
from infimed_plugins.parsing.reading import (
    ASKS_ON,
    COUNTS,
    MAX_LENGTH,
    Reading,
    Rule,
    ends,
    norm,
    sentences,
    taken_back,
)
from infimed_plugins.records import Code

_Q = "How many nodules are shown?"
PLACES = (
    Rule("announced", "{answer}(?:{filler|subject|option|likely|correct}|[_40]){0,9}?(?:{be}|:)[^,]*?[#0]",
         ((_Q, "", "The answer is 7. The nodules shown are 5 mm wide.", "7"),)),
    Rule("so", "(?:^|,|{and}|7){so}.*[#0]", ((_Q, "", "Therefore it is 7. The nodules shown are 5 mm wide.", "7"),)),
    Rule("worked out", "=[^=]*[#0]", ((_Q, "", "4 nodules are shown above. 4 + 3 = 7. She has 7.", "7"),)),
    Rule("alone", r"^\(?[#0][^#0]{0,2}\)?$", ((_Q, "", "7\nThe upper nodules shown are 5 mm wide.", "7"),)),
    Rule("asked", "4.*[#0]|[#0].*4", ((_Q, "", "The scan took 90 s. It has 7 nodules.", "7"),)),
    Rule("only one", "[#0]", (("", "", "There are 7.", "7"),)),
)  # fmt: skip
BARS = (
    Rule("asks", r"\?$", (("", "", "Is it 7?", None),), Code.UNSURE),
    Rule("possible", "{possible|hypothetical}|{concedes}[^#]*#|#[^#]*,{contrast}",
         (("", "", "It may be 7.", None), ("", "", "At first glance 7, but see the rest.", None)), Code.UNSURE),
    Rule("denied", "(?:{negated}|{rejected})[^,]*#|#[^,]*{rejected}|{than}{filler}*#|"
         r"#_?(?:{be|filler|likely}|[(,-])*(?:{negated}|{no}|{absent})",
         (("", "", "It is not 7.", None), ("", "", "7 is wrong.", None), ("", "", "It is at least 7.", None),
          ("", "", "7 is not it.", None)),
         Code.REJECTED),
    Rule("or", "#[^#,]{0,4}(?:{or}|{and}){filler}*#|#{or}|{be|shows}[^#]{0,6}#.*{and}[^#]*{be|shows}[^#]{0,6}#",
         (("", "", "It is 7 or 8.", None), ("", "", "One side has 7 and the other has 8.", None)), Code.SEVERAL),
)  # fmt: skip
VALUES = (
    Rule("equals", "^.*=[^#=]*?(#)", (("", "", "It is 10 - 3 = 7.", "7"),)),
    Rule("the answer is", "{answer}[^#]*?(?:{be}|:)[^#]*?(#)",
         (("", "", "The 90 scans are old and the answer is 7.", "7"),)),
    Rule("is", "^[^#]*?(?:{be|shows}|:)[^#]*?(#)", (("", "", "There are 7 in 90 scans.", "7"),)),
    Rule("one number", "^[^#]*(#)[^#]*$", (("", "", "7 nodules", "7"),)),
)  # fmt: skip
_FUNCTIONS = "(?:sin|cos|tan|log|ln|exp|sqrt|frac|pi|max|min)(?![A-Za-z])"
_WORD = re.compile(rf"(?<![\\A-Za-z])(?!{_FUNCTIONS})[A-Za-z]{{2,}}|[{HAN}]{{2}}")
_FORMULA = re.compile(
    r"(?:\\[A-Za-z]+|[\d.,%]+|[-+*/^(){}√π×]|x(?= ?10\^)|(?:sqrt|pi)(?![a-z])|[ ](?=[-+*/^\d\\√(×]|x 10))+"
)
_FORMAL = re.compile(r"[\\√π^(]|sqrt|pi|\d ?[-+*×/] ?\d")
_PROGRAM = re.compile(
    r"^(?:import \w|from \w+ import|def \w|\w+ = \[)|\bprint\(|\bpython\b", re.MULTILINE | re.IGNORECASE
)
_N = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_VALUE = re.compile(
    rf"[-+−]?{_N}(?:[eE][-+]?\d+|\s?/\s?\d+|\s?(?:[-–±]|to)\s?{_N})?(?:\s?(%|°|[A-Za-zµμ]+(?:/[A-Za-z]+)?))?"
)
_HAS_NUMBER = re.compile(rf"\d|\b(?:{'|'.join(COUNTS)})\b", re.IGNORECASE)
_CLEAN = str.maketrans(dict.fromkeys("$`", ""))
_UNFINISHED = ("=", "+", "-", "*", "×", "÷", "/", "(", ",", ":")
_ORDINAL = tuple(f"{digit}{ending}" for digit in range(10) for ending in ("st", "nd", "rd", "th"))
_NO_UNITS = frozenset(["in", "a", "s", "d", "t", "unit", "units"])
_REACH = 100  # characters of a formula before its first number that are looked at
_OWN = frozenset(
    [OTHER, *(lexicon().code_of[name] for name in ("named", "normal", "abnormal", "others", "all", "subject"))]
)
_NAMES = frozenset([OTHER, lexicon().code_of["named"]])
_THAN = lexicon().code_of["than"]
_LABELS = frozenset(["figure", "fig", "fig.", "table", "panel", "step", "question", "image"])
_BEFORE_ONE = frozenset(["is", "was", "only", "just", "exactly", "shows", "has", ":"])
_EQUAL = frozenset(["=", "≈", "≅"])
_BOUNDS = frozenset(
    ["least", "most", "below", "above", "under", "exceeds", "exceeding", "beyond", "<", ">", "≤", "≥", "<=", ">="]
)
_MARKED = _EQUAL | _BOUNDS | COUNTS.keys() | {"/", "if"}


def stated_value(reply: str, question: str = "") -> Reading:
    """The value to compare with the gold, as written, with its unit; None where the reply states several or none."""
    if len(reply) > MAX_LENGTH:
        return Reading(None, Code.TOO_LONG)
    text = ASKS_ON.sub("", nfkc(ends(reply)).translate(_CLEAN).replace("**", "")).strip()
    if all(is_unit(word) for word in _WORD.findall(text)):
        lines = text.splitlines()
        text = lines[-1] if lines and all("=" in line for line in lines) else text
        return Reading(text.rsplit("≈")[-1].strip() or None, Code.JUDGED if text else Code.NO_ANSWER, ("no prose",))
    if not _HAS_NUMBER.search(text) or _PROGRAM.search(text) or text.endswith(_UNFINISHED):
        return Reading(None, Code.NO_ANSWER, ("no number, a program, or cut off",))
    parsed, (table, asked) = read_text(text), _asked(question)
    codes = _recoded(parsed, table)
    spans = [span for span in sentences(parsed) if not _repeats(parsed, span, asked)]
    said = [codes[start:end].replace("\n", "7") for start, end in spans]
    unsure, since = Reading(None, Code.NO_ANSWER), 0
    for place in PLACES:
        hits = [n for n in range(since, len(said)) if rule(place.pattern).search(said[n])]
        if place.id == "worked out" and hits:  # and every number behind it is the same
            hits = [n for n in range(hits[-1], len(said)) if re.search("[#0]", said[n])]
            if len({_value(parsed, *spans[n], said[n]).found for n in hits}) > 1:
                continue
        if hits:
            reading = _chosen(place.id, hits, parsed, spans, said)
            if reading.code != Code.UNSURE:
                return reading
            unsure, since = reading, hits[-1] + 1
    return unsure


def _repeats(text: Text, span: tuple[int, int], asked: str) -> bool:
    """Whether the last line of a sentence stands in the question."""
    if span[1] - span[0] < 4 or not asked:
        return False
    line = " ".join(text.words[slice(*span)]).rpartition("\n")[2].strip(" .")
    return len(line) > 9 and line in asked


def _chosen(place: str, hits: list[int], text: Text, spans: list[tuple[int, int]], said: list[str]) -> Reading:
    """The value of the last of these sentences, or of those that share most with the question; of two values, none."""
    if place == "asked":
        hits = [n for n in hits if NUMBER in said[n]] or hits
        shared = {
            n: len({norm(text.words[spans[n][0] + i]) for i, code in enumerate(said[n]) if code == "4"}) for n in hits
        }
        hits = [n for n in hits if shared[n] == max(shared.values())]
    n = hits[-1]
    last = _value(text, *spans[n], said[n])
    settled = place == "so" or (place == "asked" and said.count(said[n]) == 1)  # sentences all alike are a list
    if len(hits) > 1 and not settled and not any(map(rule("{retracts}").search, said[hits[0] : n + 1])):
        others = {_value(text, *spans[m], said[m]).found for m in hits[:-1]}
        if others - {None, last.found}:
            return Reading(None, Code.SEVERAL, (place,))
    for start, end in spans[n + 1 :]:
        back = taken_back(text.codes[start:end])
        if back:
            return Reading(None, back.code or Code.REJECTED, (place, *last.trace, back.id))
    return last._replace(trace=(place, *last.trace))


def _value(text: Text, start: int, end: int, codes: str) -> Reading:
    """The value that one sentence states, after its last "so"."""
    sos = [found.end() for found in rule("{so}").finditer(codes)] if NUMBER in codes or "0" in codes else []
    at = max((at for at in sos if re.search("[#0]", codes[at:])), default=0)
    codes = codes[at:] if NUMBER in codes[at:] else codes[at:].replace("0", NUMBER)
    for bar in BARS:
        if rule(bar.pattern).search(codes):
            return Reading(None, bar.code or Code.REJECTED, (bar.id,))
    for way in VALUES:
        found = rule(way.pattern).search(codes)
        if found:
            return Reading(_written(text, start + at + found.start(1), end), Code.JUDGED, (way.id,))
    return Reading(None, Code.SEVERAL)


def _written(text: Text, token: int, end: int) -> str:
    """A number as written, with its unit; a formula as far as it goes."""
    word, place, stop = text.words[token], text.spans[token][0], text.spans[end - 1][1]
    if word in COUNTS:
        return COUNTS[word]
    formulas = _FORMULA.finditer(text.text, max(0, place - _REACH), stop)
    formula = next((one for one in formulas if one.end() > place), None)
    whole = formula[0].strip(" .,").removesuffix("(").strip() if formula else ""
    if _FORMAL.search(whole):
        return whole
    found = _VALUE.match(text.text, place)
    if found is None:
        return word
    known = found[1] is None or found[1] in "%°" or (found[1].lower() not in _NO_UNITS and is_unit(found[1]))
    return (found[0] if known else text.text[place : found.start(1)]).strip()


def _recoded(text: Text, table: dict[str, str]) -> str:
    """The codes of a text, for a question."""
    words, before = text.words, text.codes
    codes = [table.get(norm(word), code) for word, code in zip(words, before, strict=True)]
    for n in [n for n, word in enumerate(words) if codes[n] == NUMBER or word in _MARKED]:
        word, after, last = words[n], words[n + 1] if n + 1 < len(words) else "", words[n - 1] if n else ""
        if word in _EQUAL:
            codes[n] = "="
        elif word == "/" or (word == "if" and after in ("we", "you", "i")):
            codes[n] = OTHER
        elif word in _BOUNDS and before[n + 1 : n + 2] == NUMBER:
            codes[n] = _THAN
        elif word in COUNTS and codes[n] != "0" and (word != "one" or n == 0 or last in _BEFORE_ONE):
            codes[n] = NUMBER
        elif codes[n] == NUMBER and (word[0] in "<>≤≥" or word.endswith(_ORDINAL) or after in ("st", "nd", "rd", "th")):
            codes[n] = OTHER
        named = n > 1 and before[n - 1] in _NAMES and before[n - 2] not in ".\n"
        if last in _LABELS or (named and text.text[text.spans[n - 1][0]].isupper()):
            codes[n] = OTHER if codes[n] == NUMBER else codes[n]  # Figure 3
    return "".join(codes)


@lru_cache(maxsize=1024)
def _asked(question: str) -> tuple[dict[str, str], str]:
    """The codes of the words of a question, and the question as words."""
    text = read_text(nfkc(question))
    pairs = list(zip(map(norm, text.words), text.words, text.codes, strict=True))
    table = {known: "4" for known, word, code in pairs if code in _OWN and len(word) > 2}
    return table | {known: "0" for known, word, code in pairs if code == NUMBER or word in COUNTS}, " ".join(text.words)
