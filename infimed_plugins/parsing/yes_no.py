"""Whether a reply says yes or no to the question that was asked.

    Yes, there is no pneumothorax.    It is abnormal, so yes.    答案：是    It does.                           explicit
    Is the aorta dilated?  The aorta is (not) dilated.    Is there a mass?  No mass is seen.    未见肿块       statement
    Is there a mass in the left lung?  There is a mass in the right lung.    I cannot tell.    yes or no       neither

Words are read as codes of their class (lexicon.py); those of the question have codes of their own. A statement counts
only where it says enough of them, and names no other side or place. Two sides that differ are no answer, unless the
first is taken back. An example of a rule is "[question?] reply = side", of a mass where no question is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.lexicon import HAN, OTHER, Text, lexicon, read_text, rule
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.records import Code

MAX_LENGTH, _READ = 100_000, 5_000  # characters: in a longer reply no answer is looked for; read at either end
YES, NO, SEVERAL, UNSURE, ASIDE, SAID = "yes", "no", "several", "unsure", "aside", "said"
_GOLDS = {
    YES: "yes true 是 是的 有 包含 存在 对 能 会 可以",
    NO: "no false 否 不是 没有 不包含 不存在 不对 无 不能 不会 不可以",
}
_GOLD = {word: side for side, words in _GOLDS.items() for word in words.split()}
_ASKED, _OPPOSITE, _BESIDE = 0xE400, 0xE480, 0xE4C0  # codes: a word of the question, its opposite, another side
_PAIRS = (  # what is one of them is not the other; without "|" it may be beside the other
    "greater more larger higher bigger longer|less fewer smaller lower shorter same equal",
    "malignant malignancy|benign", "male|female",
    "single solitary|multiple several", "left right", "upper lower", "acute chronic", "mild severe",
    "axial sagittal coronal",
)  # fmt: skip
_RELATED = {word: pair for pair in _PAIRS for word in pair.replace("|", " ").split()}
_KEPT = "normal abnormal named absent others rejected subject"  # classes of content words, beside other words
_LIGHT, _PRONOUNS, _PLACED, _PICTURES = (
    frozenset(words.split())
    for words in (
        "evidence sign signs presence there used good example x ray close up person you evaluate do does did can",
        "it it's this that these they there i we image images picture scan patient 图像 图片 图中 这 该",
        "in on at within of inside under near",
        "image images picture scan film x-ray radiograph study ct mri patient structure structures finding findings",
    )
)
_WH = re.compile(r"\W*(?:what|where|which|how|why|who|when)(?!\w)|.*(?:什么|哪|几|多少|怎)|\W*$")
_DENIED = re.compile(r"(?<!\w)(?:no|not|without|absent|exclude[sd]?|ruled out|free of)(?!\w)|没有|无(?!法)")
_PROGRAM = re.compile(r"^[ \t]*(?:(?:def|import|while|class) .*|.*print\(.*|\w+ = [\[({\d'\"].*)$", re.MULTILINE)
_NO_CONTENT = _LIGHT | _PLACED | _PRONOUNS
_ORGANS = {"cardio": "heart", "hepato": "liver", "spleno": "spleen"}
_MEGALY = re.compile(r"(?i)\b(cardio|hepato|spleno)megaly")
_HAN = re.compile(f"[{HAN}]")
_END = r"[\s\"'”’)\]*]*(?:$|\(|[.,:;!?)\n。，；：！、-](?!\d))|[\s\"”’]+[A-Z][a-z .]"
_NEXT = "it|it's|this|that|there|they|i|we|is|are|was|would|if|unless|wait|or|and|but|yes|no|not|wrong|maybe|question"
_FIRST = r"[\W_]*$|.*[:：]\W*$"
_SPOKEN = r"(?:.*(?:[.,:。，：\n]|is|is the|shows the|答案是|所以|因此))?[\W_]*$"
_SEEN = r"(?:\s+\w+){0,2}?\s+(?:see[n\s]|identif|detect|visuali|observ|found|find|note|appreciat|present)"


class Reading(NamedTuple):
    """The side a reply takes, "" for none; ``trace`` names the rules that led to it."""

    side: str
    code: Code
    trace: tuple[str, ...] = ()


class Rule(NamedTuple):
    """What a pattern over codes comes to; in WORDS, the class of the words ``id`` between two patterns of text."""

    id: str
    pattern: str
    effect: str
    examples: tuple[str, ...]


class _Context(NamedTuple):
    before: re.Pattern[str]
    behind: re.Pattern[str]
    becomes: str
    always: bool


class Asked(NamedTuple):
    """A question: the codes of its words and classes; those of its core, its head, of a place, behind "than"."""

    words: dict[str, str]
    classes: dict[str, str]
    core: frozenset[str] = frozenset()
    head: str = ""
    place: frozenset[str] = frozenset()
    tail: frozenset[str] = frozenset()
    kind: str = "any"  # "exists", "is", "denial"; "any" for no yes-no question


WORDS = (  # the text before, "→", and the text behind
    Rule("no", r"→\.\s?\d", "filler", ("No. 3 = ",)),
    Rule("no", r"→\s+(?:other|further|additional)\b", "possible", ("No other masses are seen. = ",)),
    Rule("no", rf"→{_END}|\s+(?:{_NEXT})\b", "no", ("No, the liver is dark. = no",)),
    Rule("true correct present positive", rf"{_FIRST}→{_END}", "yes", ("Correct, the liver is involved. = yes",)),
    Rule("false incorrect absent negative none", rf"{_FIRST}→{_END}", "no", ("Incorrect, the liver is dark. = no",)),
    Rule("not", rf"{_FIRST}→\s+(?:present|seen|visible)(?:{_END})", "no", ("Not seen The liver is dark. = no",)),
    Rule("definitely certainly absolutely of-course clearly sure", rf"{_FIRST}→\W*$", "yes", ("Of course! = yes",)),
    Rule("是 有 存-在 包-含 对 能 会 可-以 正-确", rf"{_SPOKEN}→{_END}|\s*is\b", "yes", ("有，很明显。 = yes",)),
    Rule("没-有 没 无 不-是 不-包-含 不-存-在 不-对 错-误 不-能 不-会 不", rf"{_SPOKEN}→{_END}|\s*is\b", "no",
         ("答案：没有 = no",)),
    Rule("cannot can't couldn't unable", rf"→{_SEEN}", "negated", ("A mass cannot be identified. = no",)),
    Rule("cannot can't couldn't unable", "→", "possible", ("Yes, I cannot tell. = ",)),
    Rule("considered", r".*\b(?:is|are)\W*$→", "be", ("Is the hilum wide? The hilum is considered wide. = yes",)),
    Rule("would", r".*\b(?:answer|i|we)\W*$→", "be", ("The answer would be no. = no",)),
    Rule("would", "→", "hypothetical", ("A mass would look darker. = ",)),
    Rule("no-doubt without-a-doubt without-doubt", "→", "-", ("There is no doubt. = ",)),
    Rule("include includes", r".*\b(?:signs|features|symptoms|causes) of.*→", "others",
         ("Signs of a mass include a shift. = ",)),
    Rule("there", "→", "present", ("? There is a mass. = yes",)),
    Rule("nor versus", "→", "or", ("There is neither mass nor cyst. = no",)),
    Rule("than", "→", "filler", ("There is more than one mass. = yes",)),
    Rule("zero", "→", "negated", ("Zero masses. = no",)),
    Rule("do does did can", "→", "be", ("It does. = yes",)),
)  # fmt: skip
_N = "{negated|absent|rejected}"
_X = "{asked|opposite}"
_SIDE = "({yes|no})"
_LEAD = r"^{so|shows|filler|likely|contrast|subject|be|pick|retracts|answer|correct|,|:|(|)|-}*?(?:_[):-])?\(?"
_ANSWER = r"{answer|option|correct}.{0,16}?{be|:|)}{filler|likely|:|(}*(?:._?\))?_?{filler|likely|:|(}*"
_IT_IS = r"{so|pick|subject|filler|likely|be|present|,}*"
EXPLICIT = (
    Rule("both", r"{yes}[,:/-]?{or|and|than|,}*{no}|{no}[,:/-]?{or|and|,}+{yes}", SEVERAL, ("Yes and no. = ",)),
    Rule("conditional", r"{yes|no},?~{hypothetical}|{hypothetical}.{0,40}{yes|no}$", UNSURE, ("Yes, if it grows. = ",)),
    Rule("denied", r"{yes|no}[:(-]?~{be}?~{rejected}|{negated}~({answer}{be}?)?{yes|no}", ASIDE, ("Yes is wrong. = ",)),
    Rule("hedged", r"{yes|no},?{subject|filler|be}*{possible}|{possible}{filler|likely|be|pick}*{yes|no}|^~{possible}$",
         UNSURE, ("Yes, perhaps. = ", "Perhaps. A mass is seen. = ")),
    Rule("announced", _ANSWER + "({yes|no|possible})", SAID, ("The best option here is (A) yes. = yes",)),
    Rule("first", _LEAD + _SIDE, SAID, ("No, the liver is dark. = no",)),
    Rule("last", r"{so|be|contrast|pick|retracts|,|:|-}{filler|likely|:|(}*" + _SIDE + r"\)?$", SAID,
         ("It is dark, so yes. = yes",)),
)  # fmt: skip
SHORT = (
    Rule("normal", r"^{so|filler|,}*{word}?{subject}~{be}~{normal}{filler|subject}*,?$", NO, ("It is normal. = no",)),
    Rule("abnormal", r"^{so|filler|,}*{subject}~{be}~{abnormal},?$", YES, ("? It is abnormal. = yes",)),
    Rule("it is not", rf"^{_IT_IS}{_N}{{be|present|pick|so|filler|all}}*,?$", NO, ("It is not. = no",)),
    Rule("it is", rf"^{_IT_IS}{{be|present|so}}{{be|pick|so|filler|correct}}*,?$", YES, ("It is. = yes",)),
)
STATED = (
    Rule("possible", r"{possible|hypothetical|others}", ASIDE, ("It could be a mass. = ",)),
    Rule("two denials", rf"{_N}.{{0,60}}{_N}", ASIDE, ("It is not true that no mass is seen. = ",)),
    Rule("no X", rf"({{negated|than}}|{{rejected}}~{{shows|present}}).{{0,60}}{_X}|^{{contrast}}.{{0,60}}{{negated}}$",
         NO, ("No mass is seen. = no",)),
    Rule("rule out X", rf"{{rejected}}.{{0,60}}{_X}", ASIDE, ("Rule out a mass. = ",)),
    Rule("X or Y", rf"{_X}{{or}}|{{or}}~{_X}", ASIDE, ("A mass or a cyst is seen. = ",)),
    Rule("X not seen", rf"{_X}.{{0,60}}({{negated}}{{filler|be}}*({{present|correct|shows}}|$)|{{absent|rejected}})",
         NO, ("A mass is not seen. = no", "A mass is absent. = no")),
    Rule("X is not Y", rf"{_X}.{{0,60}}{{be}}~{{negated}}", ASIDE, ("The mass is not calcified. = ",)),
    Rule("definition", r"^{so|contrast|filler|,}*{asked}+{be}{filler}+{word|subject|option}", ASIDE,
         ("A mass is a lump. = ",)),
    Rule("X", _X, YES, ("The scan shows a mass. = yes",)),
)  # fmt: skip
_CLAUSE = (
    r"[,:()-](?=[^,:()-]*{be|shows|negated|absent|than|present|rejected})|(?<!{be})(?={because})"
    r"|(?={contrast|concedes|than|so})|{and}(?=[^,:]{0,6}{be|shows})"
)
_FORM = (  # of a sentence that says what is there
    r"^{so|subject|filler|be|likely|,}*({present|shows}|{negated}~{present|shows})|^{so|subject|filler|,}*{negated}"
    r"|^[^,:]*{present|absent}{filler|subject}*$|^{asked|filler}+{present}{asked|filler}+$"
)
_CONCLUDES = r"^{so|because}|^{filler}?{subject|word}{be}?{shows|pick}"


def polarity_of_gold(gold: str) -> str | None:
    """``yes`` or ``no`` where a gold answer is that and no more, in English or Chinese; else None."""
    return _GOLD.get(gold.strip().rstrip(".。").lower()) if len(gold) < 16 else None


def read_yes_no(reply_text: str, question: str = "") -> Reading:
    """The side that a reply takes; where no yes-no question is known, what its first sentence says is there or not."""
    if len(reply_text) > MAX_LENGTH:
        return Reading("", Code.TOO_LONG)
    text = _plain(reply_text)
    program = _PROGRAM.search(text)
    text = text[: program.start()] if program else text
    text = text if len(text) <= 2 * _READ else f"{text[:_READ]}\n{text[-_READ:]}"
    if text.lower() == "none":  # a null that was written out, as likely as a no
        return Reading("", Code.NO_ANSWER)
    read = read_text(text)
    codes = _in_context(read)
    found = [(at, *said) for at, sentence in _sentences(codes) if (said := _explicit(sentence))]
    if not found:
        same_script = bool(_HAN.search(text)) == bool(_HAN.search(question))
        found = _stated(read.words, codes, _asked(question[:1000] if same_script else ""))
    return _settled(found, codes)


def _in_context(read: Text) -> str:
    """The codes of a text, those of some words by what stands around them."""
    table, codes, text = _words_in_context(WORDS), list(read.codes), read.text
    for at in [at for at, word in enumerate(read.words) if word in table]:
        rows = table[read.words[at]]
        if not rows[0].always:
            start, end = read.spans[at]
            before, behind = text[max(0, start - 40) : start], text[end : end + 24]
            rows = [row for row in rows if row.before.match(before) and row.behind.match(behind)]
        codes[at] = rows[0].becomes if rows else codes[at]
    return "".join(codes)


@cache
def _words_in_context(rows: tuple[Rule, ...]) -> dict[str, list[_Context]]:
    table: dict[str, list[_Context]] = {}
    for row in rows:
        before, behind = row.pattern.split("→")
        becomes = lexicon().code_of.get(row.effect, row.effect)
        context = _Context(re.compile(f"(?is){before}"), re.compile(behind), becomes, row.pattern == "→")
        for word in row.id.split():
            table.setdefault(word.replace("-", " "), []).append(context)
    return table


def _sentences(codes: str) -> Iterator[tuple[int, str]]:
    """The sentences that are no questions, each with its place."""
    return ((found.start(), found[0]) for found in re.finditer(r"[^.?\n]+(?:\?|)", codes) if found[0][-1] != "?")


def _first(rules: tuple[Rule, ...], codes: str) -> tuple[Rule, re.Match[str]] | None:
    return next(((one, found) for one in rules if (found := rule(one.pattern).search(codes))), None)


def _plain(text: str) -> str:
    """The text in NFKC without wrappers, with an enlarged heart for cardiomegaly."""
    text = plain(nfkc(text))
    return _MEGALY.sub(lambda found: f"enlarged {_ORGANS[found[1].lower()]}", text) if "megaly" in text else text


def _explicit(sentence: str) -> tuple[str, str] | None:
    """The yes or no that a sentence says in so many words, and the rule."""
    if not rule("{yes|no|possible}").search(sentence):
        return None
    first = _first(EXPLICIT, rule("({yes|no}),?{and}?{negated|than}{yes|no}").sub(r"\1", sentence))
    if first is None or first[0].effect == ASIDE:
        return None
    one, match = first
    said = {lexicon().code_of["yes"]: YES, lexicon().code_of["no"]: NO}
    return said.get(match[1], UNSURE) if one.effect == SAID else one.effect, one.id


def _settled(found: list[tuple[int, str, str]], codes: str) -> Reading:
    """What stands of several sides, in order: a later one that differs only where the earlier one is taken back."""
    side, since, trace = "", 0, tuple(dict.fromkeys(name for _, _, name in found))
    for at, said, _ in found:
        end = codes.find(".", at) if "." in codes[at:] else len(codes)
        if side and said != side and not rule("{retracts}").search(codes, since, end):
            return Reading("", Code.UNSURE if UNSURE in (side, said) else Code.SEVERAL, trace)
        side, since = said, at
    code = {YES: Code.JUDGED, NO: Code.JUDGED, SEVERAL: Code.SEVERAL, UNSURE: Code.UNSURE}.get(side, Code.NO_ANSWER)
    return Reading(side if code is Code.JUDGED else "", code, trace)


_ENDING = re.compile(
    r"(?<=\w\w\w)(?:ie[sd]?|e?ments?|ations?|ions?|als?|um|ly|ys?|ings?|e[sd]?|i|(?<![sui])s|(?<=ss)es)$"
)


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    """An English word without its usual endings, in American spelling."""
    word = word.replace("ae", "e").replace("oe", "e").replace("our", "or")
    return _ENDING.sub("", word)


@lru_cache(maxsize=4096)
def _asked(question: str) -> Asked:
    """What a question asks."""
    text = _plain(re.split(r"[?？]", question)[0].removeprefix("Question:")).lower()
    read, known = read_text(text), lexicon().code_of
    words, codes = read.words, read.codes
    if _WH.match(text):
        return Asked(dict.fromkeys(("abnormalit", "lesion", "finding"), chr(_ASKED)), {OTHER: chr(_ASKED)})
    verb = -1 if text.startswith(("is ", "are ", "was ", "were ")) else codes.rfind(known["shows"])
    there = verb >= 0 or known["present"] in codes or not {"there", "evidence"}.isdisjoint(words)
    kept = {OTHER, "#", *(known[name] for name in _KEPT.split())}
    content = [at for at in range(verb + 1, len(words)) if codes[at] in kept or words[at] in _RELATED]
    content = [at for at in content if words[at] not in _NO_CONTENT]
    placed = [at for at, word in enumerate(words) if word in _PLACED]
    splits = [at for at in placed if words[at] != "of"] + [codes.find(known["present"])]
    split = min((at for at in splits if there and content and at > content[0]), default=len(words))
    inside = 0 if words[1:2] and words[1] in _PRONOUNS else min(placed, default=len(words))
    own: dict[str, str] = {}
    classes = {known["or"]: known["filler"]} if known["or"] in codes else {}
    mine = {at: own.setdefault(_stem(words[at]), chr(_ASKED + min(len(own), 63))) for at in content}
    for at, code in mine.items():
        _relate(words[at], codes[at], code, own, classes, not there and at > inside)
    core = [at for at in content if at < split] or content
    return Asked(
        own,
        classes,
        frozenset(mine[at] for at in core),
        mine[core[-1]] if core else "",
        frozenset(mine[at] for at in content if at not in core),
        frozenset(mine[at] for at in content if "than" in words[:at]),
        "denial" if _DENIED.search(text) else "exists" if there else "is",
    )


def _relate(word: str, code: str, mine: str, own: dict[str, str], classes: dict[str, str], said: bool) -> None:
    """Codes for the opposites of a word; another side is one in what is said of a subject, else it is set beside."""
    known, against = lexicon().code_of, chr(ord(mine) - _ASKED + _OPPOSITE)
    sick = code == known["abnormal"] or _stem(word) in ("abnormalit", "patholog")
    if sick or code == known["normal"]:
        classes |= {known["abnormal"]: mine if sick else against, known["normal"]: against if sick else mine}
        own |= dict.fromkeys(("abnormalit", "patholog"), mine if sick else against)
    if word.startswith(("hyper", "hypo")):
        own[_stem("hypo" + word[5:] if word.startswith("hyper") else "hyper" + word[4:])] = against
    halves = _RELATED.get(word, "").split("|")
    against = against if said or len(halves) > 1 else chr(_BESIDE)
    for half in halves if halves[0] else ():
        same = len(halves) > 1 and word in half.split()
        own |= {_stem(one): mine if same else against for one in half.split() if one != word}


def _stated(words: list[str], codes: str, asked: Asked) -> list[tuple[int, str, str]]:
    """The sides that sentences state, with their places and rules: the first two sentences, and those that conclude."""
    found: list[tuple[int, str, str]] = []
    initials = {stem[0] for stem in asked.words} | {"a", "o"}  # haemorrhage, oedema
    stems = [_stem(word) if word[0] in initials else "" for word in words]
    own = "".join([asked.words.get(s) or asked.classes.get(c) or c for s, c in zip(stems, codes, strict=True)])
    hits = rule(_X)
    for count, (place, sentence) in enumerate(_sentences(codes)):
        end = place + len(sentence)
        short = _first(SHORT, sentence) if count == 0 else None
        only_of = {"normal": ("exists", True), "abnormal": ("any", False)}.get(short[0].id) if short else None
        if short and (only_of is None or only_of == (asked.kind, not asked.classes)):
            found.append((place, short[0].effect, short[0].id))
            continue
        if asked.kind == "denial" or not hits.search(own, place, end):
            continue
        coded = own[place:end]
        if rule("{hypothetical}").search(coded):
            continue
        concludes, form = rule(_CONCLUDES).search(coded) is not None, rule(_FORM).search(coded) is not None
        if (count > 1 and not concludes) or (asked.kind == "any" and (count or not form)):
            continue
        found += [(place, *said) for said in _clauses(words[place:end], coded, asked, concludes)]
    return found


def _clauses(words: list[str], coded: str, asked: Asked, concludes: bool) -> Iterator[tuple[str, str]]:
    """What the clauses of a sentence state of what is asked, and the rule."""
    start, carried = 0, frozenset[str]()
    for cut in (*rule(_CLAUSE).finditer(coded), None):
        clause, part = coded[start : cut.start() if cut else None], words[start : cut.start() if cut else None]
        start = cut.end() if cut else start
        own = [ord(c) - _ASKED for c in clause if _ASKED <= ord(c) < _BESIDE]
        order = [chr(_ASKED + number % 128) for number in own]
        hits = frozenset(order)
        if rule("^{contrast}?~{negated|than}|^{contrast}.*{negated}$").match(clause):
            hits |= carried
        carried |= hits
        first = _first(STATED, clause) if hits else None
        swapped = order and asked.tail & hits and order[-1] not in asked.tail
        if first is None or first[0].effect == ASIDE or swapped or chr(_BESIDE) in clause:
            continue
        side = first[0].effect
        if asked.kind == "any" or _enough(hits, clause, part, asked, side, concludes):
            flipped = sum(number >= 128 for number in own) % 2 == 1
            yield (NO if (side == YES) == flipped else YES), first[0].id


def _enough(hits: frozenset[str], clause: str, words: list[str], asked: Asked, side: str, concludes: bool) -> bool:
    """Whether a clause says enough of the words of the question, and no other place."""
    known = lexicon().code_of
    placed = (clause[at + 1 :].lstrip(known["filler"])[:1] for at, word in enumerate(words) if word in _PLACED)
    if asked.place and not asked.place & hits and OTHER in placed:
        return False
    said, size = len(hits & asked.core), len(asked.core)
    content = OTHER + known["normal"] + known["abnormal"]
    others = sum(c in content and w not in _LIGHT for c, w in zip(clause, words, strict=True))
    others -= bool(asked.classes) and not _PICTURES.isdisjoint(words)  # "the chest film is normal"
    if side == YES and asked.kind == "exists" and said > 2 and len(hits) >= 2 * others:
        return True
    well = asked.kind == "exists" and asked.classes.get(known["normal"], "?") in clause  # nothing abnormal is there
    if not (asked.head in hits or well):
        return False
    it = asked.kind == "is" and not _PRONOUNS.isdisjoint(words[:2])
    if not others and (asked.classes or it or well):
        return True
    return said >= (size if size < 3 else -(-size // 2) if concludes else -(-size * 3 // 5))
