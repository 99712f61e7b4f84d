"""The one value that a reply in prose states as its answer: its conclusion, or the sentence that answers the question.

    There are 3 lesions.   3        So the answer is 1982, with an income of $931,441.   1982
    It is about 12 mm.     12 mm    The difference is 10 - 4 = 6.   6    答案是3   3

A text without prose is its own value. Data, steps and numbers of the question are no answer; nor is program code. Codes
beside those of the lexicon: ``#`` a value, ``0`` one of the question, ``4`` another word of it, ``=`` an equals sign.
The examples of a rule state 7, or come to the code of the rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing import lexicon
from infimed_plugins.parsing.lexicon import NUMBER, OTHER, Reading, Rule, Sentence, Text, norm, rule, sentences
from infimed_plugins.parsing.quantities import unit_name
from infimed_plugins.records import Code

_Q = "How many nodules are shown?"
PLACES = (
    Rule("announced", "{answer}(?:{filler|subject|option|likely|correct}|[_40]){0,9}?(?:{be}|:)[^,]*?[#0]", "",
         ((_Q, "", "The answer is 7. The nodules shown are 5 mm wide.", "7"),)),
    Rule("so", "(?:^|,|{and}|7){so}.*[#0]", "",
         ((_Q, "", "Therefore it is 7. The nodules shown are 5 mm wide.", "7"),)),
    Rule("worked out", "=[^=]*[#0]", "", ((_Q, "", "4 nodules are shown above. 4 + 3 = 7. She has 7.", "7"),)),
    Rule("alone", r"^\(?[#0][^#0]{0,2}\)?$", "", ((_Q, "", "7\nThe upper nodules shown are 5 mm wide.", "7"),)),
    Rule("asked", "4.*[#0]|[#0].*4", "", ((_Q, "", "The scan took 90 s. It has 7 nodules.", "7"),)),
    Rule("only one", "[#0]", "", ("There are 7.",)),
)  # fmt: skip
BARS = (
    Rule("asks", r"\?$", Code.UNSURE, ("Is it 7?",)),
    Rule("possible", "{possible|hypothetical}|{concedes}[^#]*#|#[^#]*,{contrast}", Code.UNSURE, ("It may be 7.",
         "At first glance 7, but see the rest.")),
    Rule("denied", "{negated|rejected}[^,]*#|#[^,]*{rejected}|{than}{filler}*#|#_?(?:{be|filler|likely}|[(,-])*"
         "{negated|no|absent}", Code.REJECTED, ("It is not 7.", "7 is wrong.", "It is at least 7.", "7 is not it.")),
    Rule("or", "#[^#,]{0,4}{or|and}{filler}*#|#{or}|{be|shows}[^#]{0,6}#.*{and}[^#]*{be|shows}[^#]{0,6}#", Code.SEVERAL,
         ("It is 7 or 8.", "One side has 7 and the other has 8.")),
)  # fmt: skip
VALUES = (
    Rule("equals", "^.*=[^#=]*?(#)", "", ("It is 10 - 3 = 7.",)),
    Rule("is", "(?:^|{answer})[^#]*?(?:{be|shows}|:)[^#]*?(#)", "", ("There are 7 in 90 scans.",
         "The 90 scans are old and the answer is 7.")),
    Rule("one number", "^[^#]*(#)[^#]*$", "", ("7 nodules",)),
)  # fmt: skip
_CLEAN = re.compile(r"[$`]|\*\*|\\[()\[\]]|\\text\{([^{}]*)\}|\b[Ii]f(?= (?:we|you|I)\b)")
_WORD = re.compile(rf"(?<![\\A-Za-z])(?!(?:sin|cos|tan|log|ln|sqrt|pi)(?![A-Za-z]))[A-Za-z]{{2,}}|[{lexicon.HAN}]{{2}}")
_UNFINISHED = ("=", "+", "-", "*", "×", "÷", "/", "(", ",", ":")
_PIECE = re.compile(r"[^.?\n]{10,}[.?]?")  # a sentence that may repeat the question
_ZH_COUNTS = dict(zip("两二三四五六七八九", "223456789", strict=True)) | {"十": "10"}
_N = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?%?"
_TERM = rf"(?:{_N}|\\d?frac|\\?sqrt|√|\\?pi|π|\{{[^{{}}\n]{{0,30}}\}}|\([^()A-Za-z\n]{{1,30}}\))"
_JOINT = r"(?:[-+−*/×^–±]|\\times|to|(?:[mc]m )?(?:[x×]|by)|(?<=\d):(?=\d))"  # also of a size, a range, a ratio
_VALUE = re.compile(
    rf"(?=[-+−\d√π\\({''.join(_ZH_COUNTS)}]|\b[zotfsenZOTFSEN])(?:(?<![A-Za-z0-9_.])"
    rf"(?P<value>[-+−]?{_TERM}(?:{_TERM}| ?{_JOINT} ?-?{_TERM}|[eE][-+]?\d+)*)"
    r"(?P<unit> ?(?:[%°]|(?!(?:in|units?|[asdt])\b)[A-Za-zµμ]+(?:/[A-Za-z]+)?))?"
    rf"|(?P<count>(?i:{'|'.join(lexicon.COUNTS)}))\b|(?P<zh>[{''.join(_ZH_COUNTS)}])(?=[个根处枚块条支张片例节]))"
)
_FORMAL = re.compile(r"[^-\d.,%+–± to]")
_SETS = lexicon.beside("sets")
_NO_VALUE = Reading("", Code.NO_ANSWER)
_REACH = 12  # characters before a value that are looked at
_FIRST = 1_000_000  # the number that stands for the first value
_FIXED = {"=": "=", "≈": "=", "≅": "=", "/": OTHER, "\n": "7"}


def read_value(reply: str, question: str = "") -> Reading:
    """Return the value to compare with the gold, as written, with its unit; none if the reply states no single one."""
    if len(reply) > lexicon.LONGEST:
        return Reading("", Code.TOO_LONG)
    text = _CLEAN.sub(r"\1", lexicon.tidy(reply)).strip()
    if all(unit_name(word[0]) for word in _WORD.finditer(text)):
        return Reading(_worked_out(text), Code.JUDGED if text else Code.NO_ANSWER, ("no prose",))
    text, values = _valued(_PIECE.sub(lambda piece: " " if piece[0].strip(" .") in question else piece[0], text))
    if not values or lexicon.PROGRAM.search(text) or text.endswith(_UNFINISHED):
        return Reading("", Code.NO_ANSWER, ("no number, a program, or cut off",))
    parsed = Text(text)
    said = sentences(parsed, _coded(parsed, values, _asked(question)), partial(_value, values))
    unsure, since = _NO_VALUE, 0
    for place in PLACES:
        hits = [n for n in range(since, len(said)) if place.search(said[n].codes)]
        if not hits or (place.id == "worked out" and len({one.says.answer for one in said[hits[-1] :]} - {""}) > 1):
            continue
        reading = _chosen(place.id, [said[n] for n in hits], said)
        if reading.code != Code.UNSURE:
            return reading
        unsure, since = reading, hits[-1] + 1
    return unsure


def _worked_out(text: str) -> str:
    """Return the text behind the last "=" of a computation, and the whole of an equation."""
    lines = text.splitlines()
    text = lines[-1] if lines and all("=" in line for line in lines) else text
    before, after = text.rpartition("=")[::2]
    computed = re.search(r"\d", before) and all(map(unit_name, re.findall(r"[A-Za-z]+", before)))
    return (after if computed else text).rpartition("≈")[2].strip()


def _valued(text: str) -> tuple[str, dict[str, str]]:
    """Return the text with a number in the place of each value, and the values as written, with their units."""
    values: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        last = (found.string[max(0, found.start() - _REACH) : found.start()].lower().split() or [""])[-1]
        unit, count = found["unit"] or "", found["count"] or found["zh"]
        if last in _SETS["label"] or unit.strip() in ("st", "nd", "rd", "th"):
            return " that "
        if count and count.lower() == "one" and last and last not in _SETS["before_one"]:
            return count
        token = str(_FIRST + len(values))
        value = lexicon.COUNTS.get(count.lower()) or _ZH_COUNTS[count] if count else found["value"]
        if unit and not _FORMAL.search(value) and unit_name(unit.strip()):
            value, unit = value + unit, ""
        values[token] = value
        return f"{'over ' if last in _SETS['bound'] else ''}{token} {unit}"

    return _VALUE.sub(name, text), values


@cached(1024)
def _asked(question: str) -> dict[str, str]:
    """Return the codes of the words and numbers of a question."""
    text, values = _valued(lexicon.tidy(question))
    parsed = Text(text)
    pairs = zip(parsed.words, parsed.codes, strict=True)
    asked = {norm(word): "4" for word, code in pairs if code in lexicon.ASKABLE and len(word) > 2}
    return asked | dict.fromkeys(map(_bare, values.values()), "0")


def _bare(value: str) -> str:
    """Return a value without its unit."""
    return re.sub(r"[\s,]|[A-Za-zµμ%°/]+$", "", value)


def _coded(text: Text, values: dict[str, str], asked: dict[str, str]) -> str:
    """Return the codes of a text, for a question."""
    codes = [
        asked.get(_bare(values[word]), NUMBER) if word in values
        else _FIXED.get(word) or asked.get(norm(word)) or (OTHER if code == NUMBER else code)
        for word, code in zip(text.words, text.codes, strict=True)
    ]  # fmt: skip
    return "".join(codes)


def _chosen(place: str, hits: list[Sentence], said: list[Sentence]) -> Reading:
    """Choose the value of the last sentence, or of those that share most with the question; of two values, none."""
    if place == "asked":
        shared = [len({norm(one.words[n]) for n, code in enumerate(one.codes) if code == "4"}) for one in hits]
        hits = [one for one, most in zip(hits, shared, strict=True) if most == max(shared)]
    last, trace = hits[-1], (place, *hits[-1].says.trace)
    first, at = said.index(hits[0]), said.index(last)
    revised = any(rule("{retracts}").search(one.codes) for one in said[first : at + 1])
    alike = sum(one.codes == last.codes for one in said) > 1  # a list
    open_to_doubt = place in ("announced", "alone", "only one") or (place == "asked" and alike)
    if open_to_doubt and not revised and {one.says.answer for one in hits} - {"", last.says.answer}:
        return Reading("", Code.SEVERAL, (place,))
    back = lexicon.retraction(said[at + 1 :])
    return back._replace(trace=(*trace, *back.trace)) if back else last.says._replace(trace=trace)


def _value(values: dict[str, str], codes: str, words: Sequence[str]) -> Reading:
    """Return the value that one sentence states, after its last "so"."""
    if NUMBER not in codes and "0" not in codes:
        return _NO_VALUE
    so = rule("^.*{so}(?=.*[#0])").match(codes)
    at = so.end() if so else 0
    codes = codes[at:] if NUMBER in codes[at:] else codes[at:].replace("0", NUMBER)
    codes = re.sub("=[^=#]*$", lambda last: last[0].replace("0", NUMBER), codes) if "=" in codes else codes
    for bar in BARS:
        if bar.search(codes):
            return Reading("", Code(bar.effect), (bar.id,))
    found = next(filter(None, (way.search(codes) for way in VALUES)), None)
    return Reading(values[words[at + found.start(1)]], Code.JUDGED) if found else Reading("", Code.SEVERAL)
