"""Whether a reply says yes or no to the question that was asked.

    Yes, there is no pneumothorax.    It is abnormal, so yes.    答案：是    It does.                           explicit
    Is the aorta dilated?  The aorta is (not) dilated.    Is there a mass?  No mass is seen.    未见肿块       statement
    Is there a mass in the left lung?  There is a mass in the right lung.    I cannot tell.    yes or no       neither

Words are read as codes of their class (lexicon.py). A statement counts only where it says enough of the content words
of the question: its head noun among them, and no other side or place. Two sides that differ are no answer, unless the
first is taken back. Every rule stands in a table with the examples that need it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.lexicon import HAN, OTHER, Text, lexicon, read_text, rule
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.records import Code

MAX_LENGTH = 100_000  # characters; in a longer reply no answer is looked for
YES, NO, SEVERAL, UNSURE, NOTHING, ASIDE = "yes", "no", "several", "unsure", "", "aside"
_GOLDS = {
    YES: "yes true 是 是的 有 包含 存在 对 能 会 可以",
    NO: "no false 否 不是 没有 不包含 不存在 不对 无 不能 不会 不可以",
}
_GOLD = {word: side for side, words in _GOLDS.items() for word in words.split()}
_ASKED, _OPPOSITE, _BESIDE = 0xE400, 0xE480, 0xE4C0  # the codes of a question's words: said, denied, another's
_OPPOSITES = (
    "greater more larger higher bigger longer|less fewer smaller lower shorter same equal",
    "malignant cancerous|benign", "male man|female woman", "single solitary|multiple several", "cystic|solid", "symmetric symmetrical|asymmetric asymmetrical", "midline central|deviated",
)  # fmt: skip
_SIDES = "left right|upper lower|superior inferior|anterior posterior|acute chronic|mild severe|ap pa|axial sagittal coronal"
_LIGHT = frozenset(
    "for during through into about any some there evidence sign signs presence indication you what which do does did photo plane view both good nice example x ray close up closeup person image "
    "吗 呢 么 张 幅 内 里 请 问 太 否 是 这 此 该 any".split()
)
_PLACED = frozenset("in on at within of inside under near".split())
_AUX = re.compile(
    r"(?:.*?[:,]\s*)?(?:and |so )?(?:is|are|was|were|does|do|did|has|have|can|could|should|will|would|may)\s", re.DOTALL
)
_WH = re.compile(r"\W*(?:what|where|which|how|why|who|when|whose)(?!\w)|.*(?:什么|哪|几|多少|怎)")
_CODE = re.compile(r"^(?:\s*(?:def|import|for \w+ in|while|class) .*|\s*return\b.*|.*print\(.*|\s*\w+ = [\[({\d'\"].*)$", re.MULTILINE)


_HAN = re.compile(f"[{HAN}]")


class Reading(NamedTuple):
    """The side a reply takes, "" for none; ``trace`` names the rules that led to it."""

    side: str
    code: Code
    trace: tuple[str, ...] = ()


class Rule(NamedTuple):
    """What a pattern over codes comes to; each example is a question, a reply and the side that is read."""

    id: str
    pattern: str
    effect: str
    examples: tuple[tuple[str, str, str], ...]


class Asked(NamedTuple):
    """A question's words: their codes, which of them a statement must say (``core``), and where (``place``)."""

    by_word: dict[str, str]
    by_code: dict[str, str]
    core: frozenset[str]
    heads: frozenset[str]
    parts: tuple[frozenset[str], ...]
    place: frozenset[str]
    choice: bool  # "or" in the question
    tail: frozenset[str]  # what is compared with, behind "than"
    kind: str  # "exists", "is", "denial" or "" for no yes-no question


_N = "{negated|absent|rejected}"
_START = r"^{so|shows|filler|likely|contrast|subject|be|pick|retracts|answer|correct|,|:|(|)|-}*?(?:_[):-])?\(?"
_FINISH = r"{so|be|contrast|pick|retracts|,|:|-}{filler|likely|:|(}*"
_ANSWER = r"{answer|option|correct}[^.]{0,16}?{be|:|)}{filler|likely|:|(}*(?:._?\))?_?{filler|likely|:|(}*"
EXPLICIT = (
    Rule("both", r"{yes}[,:/-]?{or|and|than|,}*{no}|{no}[,:/-]?{or|and|,}+{yes}|{possible}{no}", SEVERAL, ()),
    Rule("conditional", r"{yes|no},?~{hypothetical}|{hypothetical}[^.]*{yes|no}$", UNSURE, ()),
    Rule("denied", r"{yes|no}[:(-]?~{be}?~{rejected}|{negated}~({answer}{be}?)?{yes|no}", NOTHING, ()),
    Rule("hedged", r"{yes|no},?{subject|filler|be}*{possible}|{possible}{filler|likely|be}*{yes|no}", UNSURE, ()),
    Rule("answer unknown", r"{answer}[^.]*?{be|:}{filler|likely|:}*{possible}", UNSURE, ()),
    Rule("maybe", r"^~{possible}$", UNSURE, ()),
    Rule("answer yes", _ANSWER + "{yes}", YES, ()),
    Rule("answer no", _ANSWER + "{no}", NO, ()),
    Rule("starts yes", _START + "{yes}", YES, ()),
    Rule("starts no", _START + "{no}", NO, ()),
    Rule("ends yes", _FINISH + r"{yes}\)?$", YES, ()),
    Rule("ends no", _FINISH + r"{no}\)?$", NO, ()),
)
SHORT = (
    Rule("short no", rf"^{{so|pick|subject|be|filler|likely}}*{_N}{{be|present|pick|so|filler|all}}*,?$", NO, ()),
    Rule("short yes", r"^{so|pick|subject|filler|likely|,}*{be|present|so|correct}{be|pick|so|filler|likely|present|correct}*,?$", YES, ()),
    Rule("normal", r"^{subject|be|shows|filler|asked}*{normal}{subject|filler}*$", NO, ()),
)
STATED = (
    Rule("possible", r"{possible|hypothetical|others}", ASIDE, ()),
    Rule("two denials", rf"{_N}.*{_N}", ASIDE, ()),
    Rule("no X", r"{negated|than}.*{asked|opposite}|{rejected}~{shows|present}.*{asked|opposite}|^{contrast}.*{negated}$", NO, ()),
    Rule("rule out X", r"{rejected}.*{asked|opposite}", ASIDE, ()),
    Rule("X or Y", r"{asked|opposite}{or}|{or}~{asked|opposite}", ASIDE, ()),
    Rule("X is not seen", r"{asked|opposite}.*({negated}{filler|be}*({present|correct|shows}|$)|{absent|rejected})", NO, ()),
    Rule("X is not Y", r"{asked|opposite}.*{be}~{negated}", ASIDE, ()),
    Rule("definition", r"^{so|contrast|filler|,}*{asked}+{be}{filler}+{word|subject|option}", ASIDE, ()),
    Rule("X", r"{asked|opposite}", YES, ()),
)


def polarity_of_gold(gold: str) -> str | None:
    """``yes`` or ``no`` where a gold answer is that and no more, in English or Chinese; else None."""
    return _GOLD.get(gold.strip().rstrip(".。").lower()) if len(gold) < 16 else None


def polarity(reply: str, question: str = "") -> str | None:
    """The side alone, None for none."""
    return read_yes_no(reply, question).side or None


def read_yes_no(reply: str, question: str = "") -> Reading:
    """The side that a reply takes in a yes-no question; without a question, what its first sentence says is there."""
    if len(reply) > MAX_LENGTH:
        return Reading("", Code.TOO_LONG)
    text = plain(nfkc(reply))
    program = _CODE.search(text)
    text = text[: program.start()] if program else text
    if not text or text.lower() == "none":
        return Reading("", Code.NO_ANSWER)
    read = read_text(text)
    asked = asked_of(question if bool(_HAN.search(text)) == bool(_HAN.search(question)) else "")
    codes = _encode(read, asked)
    found = [(place, *said) for place, s in _sentences(codes) if (said := _explicit(s))]
    return _settled(found, codes) if found else _settled(_stated(read, codes, asked), codes)


def _explicit(sentence: str) -> tuple[str, str] | None:
    if not _SAYS.search(sentence) or sentence.endswith("?"):
        return None
    sentence = rule("({yes|no}),?{and|than|negated|,}{1,3}{yes|no}").sub(r"\1", sentence) if rule("{negated|than}").search(sentence) else sentence
    first = next((one for one in EXPLICIT if rule(one.pattern).search(sentence)), None)
    return (first.effect, first.id) if first and first.effect else None


def _settled(found: list[tuple[int, str, str]], codes: str) -> Reading:
    """What stands of several sides, in order: a later one that differs only where the earlier one is taken back."""
    side, trace, since = "", [], 0
    for place, said, name in found:
        if side and said != side and not rule("{retracts}").search(codes, since, codes.find(".", place) % (len(codes)+1)):
            return Reading("", Code.UNSURE if UNSURE in (side, said) else Code.SEVERAL, (*trace, name))
        side, since = said, place
        trace.append(name)
    if side in (YES, NO):
        return Reading(side, Code.JUDGED, tuple(dict.fromkeys(trace)))
    return Reading("", {SEVERAL: Code.SEVERAL, UNSURE: Code.UNSURE}.get(side, Code.NO_ANSWER), tuple(trace))


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    if len(word) < 5 or not word.isascii():
        return word[:-1] if len(word) == 4 and word[-1] == "s" and word[-2] not in "sui" else word
    word = re.sub(r"(?<![sui])s$|(?<=ss)es$|(?<=ie)s$", "", word.replace("ae", "e").replace("oe", "e").replace("our", "or"))
    return re.sub(r"(?:ie|e?ment|ation|ion|al|um|ly|i|y|e|ed|ing)$", "", word)


@lru_cache(maxsize=4096)
def asked_of(question: str) -> Asked:
    """What a yes-no question asks."""
    text = re.split(r"[?？]", question[:1000])[0].removeprefix("Question:").strip()
    text = plain(nfkc(text)).lower()
    read = read_text(text)
    known = lexicon().code_of
    if _WH.match(text) or not (_AUX.match(text + " ") or re.search(f"[{HAN}]", text) or len(read.words) > 2):
        return Asked(dict.fromkeys(("abnormalit", "lesion", "finding"), chr(_ASKED)), {OTHER: chr(_ASKED)}, frozenset(), frozenset(), (), frozenset(), False, frozenset(), "any")
    keeps = {OTHER, "#", *(known[c] for c in ("normal", "abnormal", "named", "absent", "others", "rejected"))}
    verbs = [i for i, c in enumerate(read.codes) if c == known["shows"]] if not text.startswith(("is ", "are ", "was ", "were ")) else []
    there = bool(verbs) or "there" in read.words or known["present"] in read.codes or "evidence" in read.words
    start = verbs[-1] + 1 if verbs else 0
    by_word: dict[str, str] = {}
    by_code: dict[str, str] = {}
    parts: list[list[str]] = [[]]
    place: list[str] = []
    placed = than = False
    inside = bool(re.match(r"\w+ (?:this|it|that|these)(?!\w)", text))
    tail: list[str] = []
    for at, (word, code) in enumerate(zip(read.words, read.codes, strict=True)):
        if at < start:
            continue
        if code in ",:" or code in (known["and"], known["or"], known["because"]):
            parts.append([])
        placed = placed or (there and bool(parts[0]) and ((word in _PLACED and word != "of") or code == known["present"]))
        than = than or word == "than"
        inside = inside or word in _PLACED
        side = any(word in pair.replace("|", " ").split() for pair in _SIDES_)
        if word in _LIGHT or word in _PLACED or not (code in keeps or side or word.startswith(("abnormalit", "patholog"))):
            continue
        stem = _stem(word)
        mine = by_word.setdefault(stem, chr(_ASKED + min(len(by_word), 100)))
        (place if placed else parts[-1]).append(mine)
        tail += [mine] * than
        _add_opposites(word, code, mine, by_word, by_code, inside and not there)
    if not by_word:
        for word, code in zip(read.words, read.codes, strict=True):
            if code == known["subject"] and word not in _PRONOUNS:
                by_word[_stem(word)] = chr(_ASKED + len(by_word))
                parts[-1].append(by_word[_stem(word)])
    if not any(parts):
        parts, place = [place], []
    parts = [p for p in parts if p]
    denial = re.search(r"(?<!\w)(?:no|not|without|absent|exclude[sd]?|ruled out|free of)(?!\w)|没有|无(?!法)", text)
    return Asked(by_word, by_code, frozenset(c for p in parts for c in p), frozenset(p[-1] for p in parts), tuple(map(frozenset, parts)),
                 frozenset(place), known["or"] in read.codes, frozenset(tail), "denial" if denial else "exists" if there else "is")


_NEXT = frozenset("it it's this that there they i i'm we these the not".split())
_IT = frozenset("it this that they these it's".split())
_PRONOUNS = frozenset("it this that these those which there i we he she they image images picture scan patient patients 图像 图片 图中 这 该 此".split())
_SIDES_ = _SIDES.split("|")


def _add_opposites(word: str, code: str, mine: str, by_word: dict[str, str], by_code: dict[str, str], said: bool) -> None:
    known = lexicon().code_of
    against = chr(ord(mine) - _ASKED + _OPPOSITE)
    sick = code == known["abnormal"] or word.startswith(("abnormalit", "patholog"))
    if sick or code == known["normal"]:
        by_code[known["abnormal"]], by_code[known["normal"]] = (mine, against) if sick else (against, mine)
        for stem in ("abnormalit", "patholog"):
            by_word[stem] = mine if sick else against
    if word.startswith(("hyper", "hypo")):
        by_word[_stem("hypo" + word[5:] if word.startswith("hyper") else "hyper" + word[4:])] = against
    for pair in _OPPOSITES:
        one, other = (half.split() for half in pair.split("|"))
        if word in one or word in other:
            by_word |= {_stem(w): mine if (w in one) == (word in one) else against for w in one + other}
    for pair in _SIDES_:
        if word in pair.split():
            by_word |= {_stem(w): against if said else chr(_BESIDE) for w in pair.split() if _stem(w) not in by_word}


def _encode(read: Text, asked: Asked) -> str:
    """The codes of a reply, with those of the question's words in their place."""
    known = lexicon().code_of
    words = read.words
    codes = [asked.by_word.get(_stem(w)) or asked.by_code.get(c) or c for w, c in zip(words, read.codes, strict=True)]
    for at, word in enumerate(words):
        if word in _SPECIAL:
            codes[at] = _special(word, at, codes, read, known)
    last = words[-1]
    if read.text[-1:].isalpha() and codes[-1] == OTHER and len(last) > 2:
        codes[-1] = next((code for stem, code in asked.by_word.items() if stem.startswith(last)), OTHER)
    return "".join(codes)


_ALONE = {
    YES: "true correct present positive 是 有 存在 包含 对 能 会 可以".split(),
    NO: "false incorrect absent negative none 没有 没 无 不是 不包含 不存在 不对 错误 不能 不会 不".split(),
}
_SIDE_OF = {word if word.isascii() else " ".join(word): side for side, words in _ALONE.items() for word in words}
_SPECIAL = frozenset(_SIDE_OF) | frozenset("considered zero versus would there no not cannot can't couldn't unable nor than do does did can be".split())


_SURE = frozenset(["definitely", "certainly", "absolutely", "of course", "clearly", "indeed", "exactly", "sure"])
_SPECIAL |= _SURE | {"no doubt", "without a doubt", "without doubt"}


def capital_at(read: Text, at: int) -> bool:
    behind = read.text[read.spans[at][1] : read.spans[at][1] + 5].lstrip(" \"”'")
    return behind[:1].isupper() and (behind[1:2].islower() or behind[1:2] in (" ", "."))


def _special(word: str, at: int, codes: list[str], read: Text, known: dict[str, str]) -> str:
    after = codes[at + 1] if at + 1 < len(codes) else "."
    capital = capital_at(read, at)
    if word in _SIDE_OF:
        before = codes[at - 1] if at else "."
        opens = not at or before in ":" or before in (known["answer"], known["be"]) and known["answer"] in codes[max(0, at - 5) : at]
        opens = opens or (not word.isascii() and before in ".,\n" + known["so"] + known["filler"])
        alone = capital or after in ".,:()-\n" or (not word.isascii() and after == known["be"])
        return known[_SIDE_OF[word]] if opens and alone else codes[at]
    if word == "no":
        alone = after in ".,:-)(?\n" or read.words[at + 1] in _NEXT or after in [known[c] for c in ("be", "retracts", "no", "yes", "rejected","hypothetical","or","and","contrast","possible")]
        alone = (alone or (at > 1 and codes[at - 2] == known["yes"] and codes[at - 1] in (known["or"], known["and"], ","))) and not read.text[read.spans[at][1] + 1 : read.spans[at][1] + 2].isdigit()
        return known["no"] if alone or capital else known["negated"]
    if word == "not" and not at and after == known["present"] and (capital_at(read, 1)):
        return known["no"]
    if word == "not":
        return known["filler"] if read.words[at + 1 : at + 2] == ["only"] else codes[at]
    if word in ("nor", "versus", "than"):
        return known["or" if word != "than" else "filler"]
    if word in ("do", "does", "did", "can", "be"):
        return known["be"]
    if word == "zero":
        return known["negated"]
    if word == "would":
        return known["be" if after == known["pick"] or (at and codes[at - 1] == known["answer"]) else "hypothetical"]
    if word in ("no doubt", "without a doubt", "without doubt"):
        return OTHER
    if word in _SURE:
        return known["yes" if len(codes) == at + 1 + (codes[-1] == ".") and not at else "filler"]
    if word == "considered":
        return known["be"] if at and codes[at - 1] == known["be"] else codes[at]
    if word == "there":
        return known["present"]
    seen = known["present"] in codes[at + 1 : at + 5]
    return known["negated" if seen else "possible"]


_SENTENCE = re.compile(r"[^.?\n]+\??")
_SAYS = rule("{yes|no|answer}|^~{possible}$")


def _sentences(codes: str) -> list[tuple[int, str]]:
    return [(m.start(), m[0]) for m in _SENTENCE.finditer(codes)]


_CLAUSE = rule(
    r"[,:()-](?=[^,:()-]*{be|shows|negated|absent|than|present|rejected})|(?<!{be})(?={because})|(?={contrast|concedes|than|so})|{and}(?=[^,:]{0,6}{be|shows})"
)


def _stated(read: Text, codes: str, asked: Asked) -> list[tuple[int, str, str]]:
    found = []
    for count, (place, sentence) in enumerate(_sentences(codes)):
        if sentence.endswith("?"):
            continue
        short = next((o for o in SHORT if rule(o.pattern).search(sentence)), None) if count == 0 else None
        if short and (short.id != "normal" or asked.kind == "exists"):
            found.append((place, short.effect, short.id))
            continue
        if asked.kind == "denial" or (asked.kind == "any" and (count or not _FORM.search(sentence))) or not _HIT.search(sentence):
            continue
        if rule("{hypothetical}").search(sentence):
            continue
        concludes = bool(rule("^{so|because}|^{filler}?{subject|word}{be}?{shows|pick}").match(sentence))
        start, carried = 0, frozenset()
        for cut in [*(m for m in _CLAUSE.finditer(sentence)), None]:
            end = cut.start() if cut else len(sentence)
            clause = sentence[start:end]
            said = _of_clause(clause, carried, read.words[place + start : place + end], asked, codes[-1:] not in ".?)", concludes)
            carried = carried | _hits(clause)
            plain_x = said and said[0] == YES and said[1] == "X" and count and not (rule("^{so|because|contrast}").match(sentence) or _FORM.search(sentence))
            if said and said[0] != ASIDE and not plain_x and (count < 2 or concludes):
                if found and said[0] != found[-1][1] and rule("^{contrast}").match(sentence):
                    found.clear()
                found.append((place, *said))
            start = cut.end() if cut else end
    return found


_FORM = rule(
    r"^{so|subject|filler|be|likely|,}*({present|shows}|{negated}~{present|shows})|^{so|subject|filler|,}*{negated}|"
    r"^[^,:]*{present|absent}{filler|subject}*$"
)
_HIT = rule("{asked|opposite}")


def _last(clause: str) -> str:
    return [one for c in clause for one in _hits(c)][-1]


def _hits(clause: str) -> frozenset[str]:
    return frozenset(c if ord(c) < _OPPOSITE else chr(ord(c) - _OPPOSITE + _ASKED) for c in clause if _ASKED <= ord(c) < _BESIDE)


def _of_clause(clause: str, carried: frozenset[str], words: list[str], asked: Asked, cut: bool, concludes: bool) -> tuple[str, str] | None:
    hits = _hits(clause)
    if rule("^{contrast}?~{negated|than}|^{contrast}.*{negated}$").match(clause):
        hits |= carried
    if not hits or chr(_BESIDE) in clause:
        return None
    if asked.tail and asked.tail & hits and _last(clause) not in asked.tail:
        return None
    first = next((one for one in STATED if rule(one.pattern).search(clause) and not (one.id == "X or Y" and asked.choice)), None)
    if first is None or not _covers(hits, clause, words, asked, first.effect, cut, concludes):
        return None
    flips = sum(_OPPOSITE <= ord(c) < _BESIDE for c in clause) % 2
    side = first.effect if first.effect == ASIDE or not flips else NO if first.effect == YES else YES
    return side, first.id


def _covers(hits: frozenset[str], clause: str, words: list[str], asked: Asked, effect: str, cut: bool, concludes: bool) -> bool:
    """Whether a clause says enough of what is asked."""
    if asked.place and not asked.place & hits and _elsewhere(clause, words):
        return False
    core = asked.core
    if asked.kind == "any":
        return True
    size = len(core)
    need = size if size < 3 else min(6, -(-size // 2) if concludes else -(-size * 3 // 5))
    if len(hits & core) >= need and asked.heads & hits:
        return True
    unasked = sum(c in _CONTENT() and w not in _LIGHT for c, w in zip(clause, words, strict=False))
    it = asked.kind == "is" and not _IT.isdisjoint(words[:2]) and "that" not in words
    whole = rule("^{so|filler|,}*{word}?{subject}{filler|subject}*{be}{filler|be}*(.)").match(clause)
    if whole and whole[1] == asked.by_code.get(lexicon().code_of["normal"]):
        return True
    if asked.heads & hits and ((not unasked and (asked.by_code or it)) or (it and effect == NO)):
        return True
    if cut and effect == YES and asked.kind == "exists" and len(hits & core) > 2 and len(hits) >= 2 * unasked:
        return True
    return effect == YES and asked.kind == "exists" and any(len(part) > 1 and part <= hits for part in asked.parts)


def _CONTENT() -> str:
    known = lexicon().code_of
    return OTHER + known["normal"] + known["abnormal"]


def _elsewhere(clause: str, words: list[str]) -> bool:
    """Whether a clause names a place of its own: "in the kidney"."""
    for at, word in enumerate(words[:-1]):
        if word in _PLACED:
            rest = clause[at + 1 :].lstrip(lexicon().code_of["filler"])
            if rest[:1] == OTHER:
                return True
    return False
