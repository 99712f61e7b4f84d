"""Whether a reply says yes or no to the question that was asked.

    Yes, there is no pneumothorax.    It is abnormal, so yes.    答案：是    It does.                           explicit
    Is the aorta dilated?  The aorta is (not) dilated.    Is there a mass?  No mass is seen.    未见肿块       statement
    Is there a mass in the left lung?  There is a mass in the right lung.    I cannot tell.    yes or no       neither

Words are read as codes of their class (lexicon.py); those of the question have codes of their own. A statement counts
only where it says enough of them, and names no other side or place. Two sides that differ are no answer, unless the
first is taken back. Each example of a rule is read otherwise without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import NamedTuple

from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.lexicon import HAN, OTHER, Text, lexicon, read_text, rule
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.records import Code

MAX_LENGTH = 100_000  # characters; in a longer reply no answer is looked for
YES, NO, SEVERAL, UNSURE, ASIDE, SAID, STATE = "yes", "no", "several", "unsure", "aside", "said", "state"
_GOLDS = {
    YES: "yes true 是 是的 有 包含 存在 对 能 会 可以",
    NO: "no false 否 不是 没有 不包含 不存在 不对 无 不能 不会 不可以",
}
_GOLD = {word: side for side, words in _GOLDS.items() for word in words.split()}
_ASKED, _OPPOSITE, _BESIDE = 0xE400, 0xE480, 0xE4C0  # codes: a word of the question, its opposite, another side
_OPPOSITES = (
    "greater more larger higher bigger longer|less fewer smaller lower shorter same equal",
    "malignant cancerous|benign", "male|female", "single solitary|multiple several", "cystic|solid",
    "symmetric symmetrical|asymmetric asymmetrical", "midline central|deviated", "abnormality pathology|healthy",
)  # fmt: skip
_SIDES = "left right|upper lower|anterior posterior|acute chronic|mild severe|axial sagittal coronal"
_LIGHT = frozenset(
    "for during through into about any some there evidence sign signs presence indication you which do does did both "
    "good nice example x ray close up plane view image person used taken performed 吗 呢 么 张 幅 内 里 请 问 太".split()
)
_PRONOUNS = frozenset("it it's this that these they image images picture patient 图像 图片 图中 这 该".split())
_PLACED = frozenset("in on at within of inside under near".split())
_AUX = re.compile(r"(?:.*?[:,]\s*)?(?:is|are|was|were|does|do|did|has|have|can|could|should|will)\s", re.DOTALL)
_WH = re.compile(r"\W*(?:what|where|which|how|why|who|when)(?!\w)|.*(?:什么|哪|几|多少|怎)|\W*$")
_DENIED = re.compile(r"(?<!\w)(?:no|not|without|absent|exclude[sd]?|ruled out|free of)(?!\w)|没有|无(?!法)")
_PROGRAM = re.compile(r"^[ \t]*(?:(?:def|import|while|class) .*|return\b.*|.*print\(.*|\w+ = [\[({\d'\"].*)$", re.MULTILINE)
_HAN = re.compile(f"[{HAN}]")

_END = r"[\s\"'”’)*]*(?:$|[.,:;!?)(\n。，；：！、-](?!\d))|[\s\"”’]+[A-Z][a-z .]"
_NEXT = "it it's this that there they i we is are was would if unless wait actually or and but yes no not wrong maybe"
_FIRST, _SPOKEN = r"[\W_]*$|.*[:：]\W*$", r"(?:.*(?:[.,:。，：\n]|is|is the|shows the|答案是|所以|因此))?[\W_]*$"
_SEEN = r"(?:\s+\w+){0,2}?\s+(?:see[n\s]|identif|detect|visuali|observ|found|find|note|appreciat|present)"
CONTEXT = (  # the class of a word by what stands before and behind it
    ("no", "", rf"{_END}|\s+(?:{'|'.join(_NEXT.split())})\b", "no"),
    ("true correct present positive", _FIRST, _END, "yes"),
    ("false incorrect absent negative none", _FIRST, _END, "no"),
    ("not", _FIRST, rf"\s+(?:present|seen|visible)(?:{_END})", "no"),
    ("definitely certainly absolutely of-course clearly sure indeed exactly", _FIRST, r"\W*$", "yes"),
    ("是 有 存 包-含 存-在 对 能 会 可-以 正-确", _SPOKEN, rf"{_END}|\s*is\b", "yes"),
    ("没-有 没 无 不-是 不-包-含 不-存-在 不-对 错-误 不-能 不-会 不", _SPOKEN, rf"{_END}|\s*is\b", "no"),
    ("not", "", r"\s+only\b", "filler"),
    ("cannot can't couldn't unable", "", _SEEN, "negated"),
    ("cannot can't couldn't unable", "", "", "possible"),
    ("considered", r".*\b(?:is|are|was|were)\W*$", "", "be"),
    ("would", r".*\b(?:answer|i|we)\W*$", "", "be"),
    ("would", "", "", "hypothetical"),
    ("no-doubt without-a-doubt without-doubt", "", "", "-"),
    ("there", "", "", "present"), ("nor versus", "", "", "or"), ("than", "", "", "filler"), ("zero", "", "", "negated"),
    ("do does did can", "", "", "be"),
)  # fmt: skip


class Reading(NamedTuple):
    """The side a reply takes, "" for none; ``trace`` names the rules that led to it."""

    side: str
    code: Code
    trace: tuple[str, ...] = ()


class Rule(NamedTuple):
    """What a pattern over codes comes to. ``examples``: "[question?] reply = side", about a mass without a question."""

    id: str
    pattern: str
    effect: str
    examples: tuple[str, ...] = ()


class Asked(NamedTuple):
    """A question: the codes of its words and classes; the codes that make up its ``core``, each part's head, …"""

    words: dict[str, str]
    classes: dict[str, str]
    core: frozenset[str]
    heads: frozenset[str]
    place: frozenset[str]
    tail: frozenset[str]  # what is compared with, behind "than"
    kind: str  # "exists", "is", "any" without a yes-no question, "denial"


_N = "{negated|absent|rejected}"
EXPLICIT = (
    Rule("both", r"{yes}[,:/-]?{or|and|than|,}*{no}|{no}[,:/-]?{or|and|,}+{yes}", SEVERAL),
    Rule("conditional", r"{yes|no},?~{hypothetical}|{hypothetical}.*{yes|no}$", UNSURE),
    Rule("denied", r"{yes|no}[:(-]?~{be}?~{rejected}|{negated}~({answer}{be}?)?{yes|no}", ASIDE),
    Rule("hedged", r"{yes|no},?{subject|filler|be}*{possible}|{possible}{filler|likely|be}*({yes|no}|$)", UNSURE),
    Rule("announced", r"{answer|option|correct}.{0,16}?{be|:|)}{filler|likely|:|(}*(?:._?\))?_?{filler|likely|:|(}*({yes|no|possible})", SAID),
    Rule("first", r"^{so|shows|filler|likely|contrast|subject|be|pick|retracts|answer|correct|,|:|(|)|-}*(?:_[):-])?\(?({yes|no})", SAID),
    Rule("last", r"{so|be|contrast|pick|retracts|,|:|-}{filler|likely|:|(}*({yes|no})\)?$", SAID),
)
SHORT = (
    Rule("normal", r"^(?:.*,)?{so|filler}*{word}?{subject}{filler|subject}*{be}{filler|be}*({normal|abnormal})", STATE),
    Rule("it is not", rf"^{{so|pick|subject|be|filler|likely|present}}*{_N}{{be|present|pick|so|filler|all}}*,?$", NO),
    Rule("it is", r"^{so|pick|subject|filler|likely|,}*{be|present|so}{be|pick|so|filler|likely|present|correct}*,?$", YES),
)
STATED = (
    Rule("possible", r"{possible|hypothetical|others}", ASIDE),
    Rule("two denials", rf"{_N}.*{_N}", ASIDE),
    Rule("no X", r"({negated|than}|{rejected}~{shows|present}).*{asked|opposite}|^{contrast}.*{negated}$", NO),
    Rule("rule out X", r"{rejected}.*{asked|opposite}", ASIDE),
    Rule("X or Y", r"{asked|opposite}{or}|{or}~{asked|opposite}", ASIDE),
    Rule("X not seen", r"{asked|opposite}.*({negated}{filler|be}*({present|correct|shows}|$)|{absent|rejected})", NO),
    Rule("X is not Y", r"{asked|opposite}.*{be}~{negated}", ASIDE),
    Rule("definition", r"^{so|contrast|filler|,}*{asked}+{be}{filler}+{word|subject|option}", ASIDE),
    Rule("X", r"{asked|opposite}", YES),
)


def polarity_of_gold(gold: str) -> str | None:
    """``yes`` or ``no`` where a gold answer is that and no more, in English or Chinese; else None."""
    return _GOLD.get(gold.strip().rstrip(".。").lower()) if len(gold) < 16 else None


def read_yes_no(reply_text: str, question: str = "") -> Reading:
    """The side that a reply takes; where no yes-no question is known, what its first sentence says is there or not."""
    if len(reply_text) > MAX_LENGTH:
        return Reading("", Code.TOO_LONG)
    text = plain(nfkc(reply_text))
    program = _PROGRAM.search(text)
    text = text[: program.start()] if program else text
    if text.lower() == "none":  # a null that was written out, as likely as a no
        return Reading("", Code.NO_ANSWER)
    read = read_text(text)
    codes = _in_context(read)
    found = [(at, *said) for at, sentence in _sentences(codes) if (said := _explicit(sentence))]
    if not found:
        same_script = bool(_HAN.search(text)) == bool(_HAN.search(question))
        found = list(_stated(read.words, codes, asked_of(question[:1000] if same_script else "")))
    return _settled(found, codes)


def _in_context(read: Text) -> str:
    """The codes of a text, those of some words by what stands around them."""
    codes = list(read.codes)
    for at, word in enumerate(read.words):
        for before, after, name in _context().get(word, ()):
            start, end = read.spans[at]
            if before.match(read.text[max(0, start - 40) : start]) and after.match(read.text[end : end + 24]):
                codes[at] = lexicon().code_of.get(name, name)
                break
    return "".join(codes)


@cache
def _context() -> dict[str, list[tuple[re.Pattern[str], re.Pattern[str], str]]]:
    table: dict[str, list[tuple[re.Pattern[str], re.Pattern[str], str]]] = {}
    for words, before, after, name in CONTEXT:
        for word in words.replace("'t", "\0").split():
            row = re.compile(f"(?is){before}"), re.compile(after), name
            table.setdefault(word.replace("-", " ").replace("\0", "'t"), []).append(row)
    return table


def _sentences(codes: str) -> Iterable[tuple[int, str]]:
    return ((found.start(), found[0]) for found in re.finditer(r"[^.?\n]+(?![^.?\n]*\?)", codes))


def _first(rules: tuple[Rule, ...], codes: str) -> tuple[Rule, re.Match[str]] | None:
    return next(((one, found) for one in rules if (found := rule(one.pattern).search(codes))), None)


def _explicit(sentence: str) -> tuple[str, str] | None:
    """The yes or no that a sentence says in so many words, and the rule."""
    if not rule("{yes|no}|^~{possible}$|{answer}.*{possible}").search(sentence):
        return None
    first = _first(EXPLICIT, rule("({yes|no}),?{and}?{negated|than}{yes|no}").sub(r"\1", sentence))
    if first is None or first[0].effect == ASIDE:
        return None
    one, match = first
    said = {lexicon().code_of["yes"]: YES, lexicon().code_of["no"]: NO}
    return said.get(match[1], UNSURE) if one.effect == SAID else one.effect, one.id


def _settled(found: list[tuple[int, str, str]], codes: str) -> Reading:
    """What stands of several sides, in order: a later one that differs only where the earlier one is taken back."""
    side, since, trace = "", 0, dict.fromkeys(name for _, _, name in found)
    for at, said, _ in found:
        end = codes.find(".", at) if "." in codes[at:] else len(codes)
        if side and said != side and not rule("{retracts}").search(codes, since, end):
            return Reading("", Code.UNSURE if UNSURE in (side, said) else Code.SEVERAL, tuple(trace))
        side, since = said, at
    code = {YES: Code.JUDGED, NO: Code.JUDGED, SEVERAL: Code.SEVERAL, UNSURE: Code.UNSURE}.get(side, Code.NO_ANSWER)
    return Reading(side if code is Code.JUDGED else "", code, tuple(trace))


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    """An English word without its usual endings, in American spelling."""
    if len(word) < 4 or not word.isascii():
        return word
    word = re.sub(r"(?<![sui])s$|(?<=ss)es$|(?<=ie)s$", "", word.replace("ae", "e").replace("oe", "e"))
    return re.sub(r"(?:ie|e?ment|ation|ion|al|um|ly|i|y|e|ed|ing)$", "", word.replace("our", "or")) if word[4:] else word


@lru_cache(maxsize=4096)
def asked_of(question: str) -> Asked:
    """What a question asks."""
    text = plain(nfkc(re.split(r"[?？]", question)[0].removeprefix("Question:"))).lower()
    read, known = read_text(text), lexicon().code_of
    if _WH.match(text):
        any_word = chr(_ASKED)
        words = dict.fromkeys(("abnormalit", "lesion", "finding"), any_word)
        return Asked(words, {OTHER: any_word}, frozenset(), frozenset(), frozenset(), frozenset(), "any")
    verbs = [] if text.startswith(("is ", "are ", "was ", "were ")) else [*re.finditer(known["shows"], read.codes)]
    there = bool(verbs) or "there" in read.words or known["present"] in read.codes or "evidence" in read.words
    words, classes, parts, place, tail = {}, {}, [[]], [], []
    placed = than = False
    inside = re.match(r"\w+ (?:this|it|that|these)(?!\w)", text) is not None
    content = OTHER + "#" + "".join(known[c] for c in ("normal", "abnormal", "named", "absent", "others", "rejected"))
    for at, (word, code) in enumerate(zip(read.words, read.codes, strict=True)):
        if verbs and at < verbs[-1].end():
            continue
        placed = placed or (there and any(parts) and ((word in _PLACED and word != "of") or code == known["present"]))
        inside, than = inside or word in _PLACED, than or word == "than"
        if code in (",", ":", known["and"], known["or"], known["because"]):
            parts.append([])
        if (code not in content and word not in _RELATED) or word in _LIGHT or word in _PLACED:
            continue
        mine = words.setdefault(_stem(word), chr(_ASKED + min(len(words), 63)))
        (place if placed else parts[-1]).append(mine)
        tail += [mine] * than
        _relate(word, code, mine, words, classes, inside and not there)
    if not words:
        parts = [[words.setdefault(_stem(w), chr(_ASKED + len(words))) for w, c in zip(read.words, read.codes) if c == known["subject"] and w not in _PRONOUNS]]
    if not any(parts):
        parts, place = [place], []
    if known["or"] in read.codes:
        classes[known["or"]] = known["filler"]
    kind = "denial" if _DENIED.search(text) else "exists" if there else "is"
    core = frozenset(c for part in parts for c in part)
    return Asked(words, classes, core, frozenset(p[-1] for p in parts if p), frozenset(place), frozenset(tail), kind)


_RELATED = {word: pair for pair in (*_OPPOSITES, *_SIDES.split("|")) for word in pair.replace("|", " ").split()}


def _relate(word: str, code: str, mine: str, words: dict[str, str], classes: dict[str, str], said: bool) -> None:
    """Codes for the opposites of a word, and for the other sides of a side (opposites in what is said of a subject)."""
    known, against = lexicon().code_of, chr(ord(mine) - _ASKED + _OPPOSITE)
    sick = code == known["abnormal"] or _stem(word) in ("abnormalit", "patholog")
    if sick or code == known["normal"]:
        classes |= {known["abnormal"]: mine if sick else against, known["normal"]: against if sick else mine}
        words |= dict.fromkeys(("abnormalit", "patholog"), mine if sick else against)
    if word.startswith(("hyper", "hypo")):
        words[_stem("hypo" + word[5:] if word.startswith("hyper") else "hyper" + word[4:])] = against
    one, _, other = _RELATED.get(word, "").partition("|")
    if other:
        words |= {_stem(w): mine if (w in one.split()) == (word in one.split()) else against for w in _RELATED[word].replace("|", " ").split()}
    elif one:
        words |= {_stem(w): against if said else chr(_BESIDE) for w in one.split() if _stem(w) not in words}


_CLAUSE = (
    r"[,:()-](?=[^,:()-]*{be|shows|negated|absent|than|present|rejected})|(?<!{be})(?={because})"
    r"|(?={contrast|concedes|than|so})|{and}(?=[^,:]{0,6}{be|shows})"
)
_FORM = (
    r"^{so|subject|filler|be|likely|,}*({present|shows}|{negated}~{present|shows})|^{so|subject|filler|,}*{negated}"
    r"|^[^,:]*{present|absent}{filler|subject}*$"
)
_CONCLUDES = r"^{so|because}|^{filler}?{subject|word}{be}?{shows|pick}"


def _stated(words: list[str], codes: str, asked: Asked) -> list[tuple[int, str, str]]:
    """The sides that sentences state, with their places and rules: the first two sentences, and those that conclude."""
    found: list[tuple[int, str, str]] = []
    own = "".join(asked.words.get(_stem(w)) or asked.classes.get(c) or c for w, c in zip(words, codes, strict=True))
    for count, (place, sentence) in enumerate(_sentences(codes)):
        if count == 0 and (short := _short(sentence, asked)):
            found.append((place, *short))
            continue
        coded = own[place : place + len(sentence)]
        stops = asked.kind == "denial" or rule("{hypothetical}").search(coded) or not rule("{asked|opposite}").search(coded)
        concludes = rule(_CONCLUDES).search(coded) is not None
        if stops or (count > 1 and not concludes) or (asked.kind == "any" and (count or not rule(_FORM).search(coded))):
            continue
        bare = count and not concludes and not rule(_FORM + "|^{contrast}").search(coded)
        for said, name in _clauses(words[place : place + len(sentence)], coded, asked, concludes):
            if said == YES and name == "X" and bare:  # "Pneumonia, an infection of the lung, …"
                continue
            if found and said != found[-1][1] and rule("^{contrast}").match(coded):
                found.clear()
            found.append((place, said, name))
    return found


def _short(sentence: str, asked: Asked) -> tuple[str, str] | None:
    """What a sentence says without a word of the question: "It is not.", "The image is normal."."""
    first = _first(SHORT, sentence)
    if first is None:
        return None
    one, found = first
    if one.effect != STATE:
        return one.effect, one.id
    of_state = asked.classes.get(found[1])
    normal = found[1] == lexicon().code_of["normal"]
    if of_state:
        return (YES if ord(of_state) < _OPPOSITE else NO), one.id
    whole = rule("^{subject|filler}*,?$").match(sentence[found.end() :])
    return (NO if normal else YES, one.id) if whole and asked.kind == ("exists" if normal else "any") else None


def _clauses(words: list[str], coded: str, asked: Asked, concludes: bool) -> Iterable[tuple[str, str]]:
    """What the clauses of a sentence state of what is asked, and the rule."""
    start, carried = 0, frozenset[str]()
    for cut in (*rule(_CLAUSE).finditer(coded), None):
        clause, part = coded[start : cut.start() if cut else None], words[start : cut.start() if cut else None]
        start = cut.end() if cut else start
        marks = [c for c in clause if _ASKED <= ord(c) < _BESIDE]
        order = [chr((ord(c) - _ASKED) % 128 + _ASKED) for c in marks]
        hits = frozenset(order)
        if rule("^{contrast}?~{negated|than}|^{contrast}.*{negated}$").match(clause):
            hits |= carried
        carried |= hits
        swapped = order and asked.tail & hits and order[-1] not in asked.tail
        first = _first(STATED, clause)
        if not hits or first is None or first[0].effect == ASIDE or chr(_BESIDE) in clause or swapped:
            continue
        side = first[0].effect
        if asked.kind == "any" or _enough(hits, clause, part, asked, side, concludes):
            flipped = sum(ord(c) >= _OPPOSITE for c in marks) % 2
            yield (NO if (side == YES) == bool(flipped) else YES), first[0].id


def _enough(hits: frozenset[str], clause: str, words: list[str], asked: Asked, side: str, concludes: bool) -> bool:
    """Whether a clause says enough of the words of the question, and no other place."""
    known = lexicon().code_of
    passed = (clause[at + 1 :].lstrip(known["filler"])[:1] for at, word in enumerate(words) if word in _PLACED)
    if asked.place and not asked.place & hits and OTHER in passed:
        return False
    said, size = len(hits & asked.core), len(asked.core)
    others = sum(c in (OTHER, known["normal"], known["abnormal"]) and w not in _LIGHT for c, w in zip(clause, words))
    if side == YES and asked.kind == "exists" and said > 2 and len(hits) >= 2 * others:
        return True
    if not asked.heads & hits:
        return False
    it = asked.kind == "is" and not _PRONOUNS.isdisjoint(words[:2]) and "that" not in words
    if (not others and (asked.classes or it)) or (it and side == NO):
        return True
    return said >= (size if size < 3 else min(6, -(-size // 2) if concludes else -(-size * 3 // 5)))
