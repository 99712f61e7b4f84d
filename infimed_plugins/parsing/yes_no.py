"""Read yes or no in a reply to a question.

    Yes, there is no pneumothorax.    It is abnormal, so yes.    答案：是    It does.                           in words
    Is the aorta dilated?  The aorta is (not) dilated.    Is there a mass?  No mass is seen.    未见肿块    by statement
    Is there a mass in the left lung?  There is a mass in the right lung.    I cannot tell.    yes or no         neither

Words are read as codes of their class (lexicon.py), those of the question as codes of their own. A statement counts
only where it says enough of them, and names no other side or place. Two sides that differ are no answer, unless the
first is taken back. An example of a rule is "[question?] reply = side", of a mass where no question is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.lexicon import CODE, HAN, LONGEST, NUMBER, OTHER, PROGRAM, Reading, Rule, Text, ends, rule
from infimed_plugins.parsing.normalize import nfkc, plain
from infimed_plugins.records import Code

YES, NO, NOTHING, SAID = "yes", "no", "", "said"
_words = re.compile(r"\S+").findall
_GOLD = dict.fromkeys(_words("yes true 是 是的 有 包含 包括 存在 对 能 会 可以"), YES)
_GOLD |= dict.fromkeys(_words("no false 否 不是 没有 不包含 不包括 不存在 不对 无 不能 不会 不可以"), NO)
# codes: the words of a question, their opposites, another side than the one asked about, a finding that is not normal
_ASKED, _OPPOSITE, _BESIDE, _FINDING, _TO_OPPOSITE = "\ue400", "\ue480", "\ue4c0", "\ue4c1", 0x80
_PAIRS = (  # "|": what is one of them is not the other; "/": it may be beside the other
    "greater more larger higher bigger longer|less fewer smaller lower shorter same equal",
    "malignant malignancy|benign", "male|female", "single solitary|multiple several", "typical|atypical",
    "hyperintense|hypointense isointense", "hyperdense|hypodense isodense", "hyperechoic|hypoechoic isoechoic",
    "left/right", "upper/lower", "acute/chronic", "mild/severe", "axial/sagittal/coronal", "左/右",
    "mri mr/ct/radiograph xray/ultrasound sonogram",
)  # fmt: skip
_PAIR_OF = {word: pair for pair in _PAIRS for word in re.findall(r"\w+", pair)}
_FINDINGS = _words("opacity consolidation infiltrate nodule mass lesion fracture effusion edema cyst tumor hemorrhage")
_PRONOUNS = {*_words("it it's this that these they i we image images picture scan patient 图像 图片 图中 这 该")}
_PLACED = {*_words("in on at within of inside under near between")}
_CONTENT = _words("normal abnormal named absent others rejected subject")  # classes of what a question is about
_WH = re.compile(r"\W*(?:what|where|which|how|why|who|when)(?!\w)|.*(?:什么|哪|几|多少|怎)|\W*$")
_DENIED = re.compile(r"(?<!\w)(?:no|not|without|absent|exclude[sd]?|ruled out|free of)(?!\w)|没有|无(?!法)")
_LED = re.compile(
    r"(?:^|(?<=[.?!] ))\W*(?i:yes|no|true|false|(?:not )?present|absent|none)(?:<\|\w+\|>|[\"'])?(?= +[A-Z])",
    re.MULTILINE,
)
_ORGANS = {"cardio": "heart", "hepato": "liver", "spleno": "spleen"}
_MEGALY = re.compile(r"(?i)\b(cardio|hepato|spleno)megaly")
_HAN = re.compile(f"[{HAN}]")
_Said = tuple[re.Match[str], str, str]  # a sentence, the side it takes, and the rule
_ENDING = re.compile(r"(?<=\w\w\w)(ie[sd]?|e?ments?|(?:at)?ions?|als?|um|ly|ys?|ings?|e[sd]?|i|(?<![sui])s|(?<=ss)es)$")


@dataclass
class QuestionCodes:
    """A question, as the codes of its words."""

    kind: str  # "exists", "is", "compares", "denial"; "any" for no yes-no question
    words: dict[str, str] = field(default_factory=dict)  # by their stems
    classes: dict[str, str] = field(default_factory=dict)
    what: list[str] = field(default_factory=list)  # its head is the last
    place: list[str] = field(default_factory=list)


WORDS = (  # that mean something else here than in the lexicon, where the pattern follows them
    Rule("than evidence sign signs presence used good example", "", "filler", "More than one mass. = yes"),
    Rule("right", "", "_", "Right. = "),
    Rule("do does did can include includes", "", "be", "It does. = yes"),
    Rule("there", "", "present", "? There is a mass. = yes"),
    Rule("nor", "", "or", "There is neither mass nor cyst. = no"),
    Rule("zero", "", "negated", "Zero masses. = no"),
    Rule("history-of", "", "possible", "She has a history of a mass. = "),
    Rule("asks asked aims examines examining investigates", "", "possible", "The question asks about a mass. = "),
    Rule("abnormality abnormalities pathology", "", "abnormal", "Is the lung normal? No abnormality is seen. = yes"),
    Rule("no-doubt without-a-doubt without-doubt", "", "-", "There is no doubt. = "),
    Rule("no", r"\.#", "filler", "No. 3 = "),
    Rule("no none 没有 没 无 不是 不 不能 不会 不包含 不存在", r"[.,:()\n-]|$|{be}~{rejected}|{hypothetical|retracts}"
         "|{contrast|or|and|than|yes|no|because|rejected|possible}", "no", "The answer is no. = no"),
    Rule("definitely certainly absolutely of-course clearly sure", r"[.\n]*$", "yes", "Of course! = yes"),
    Rule("cannot can't couldn't unable", "~{be}?~{present|shows}", "negated", "I cannot see a mass. = no"),
    Rule("cannot can't couldn't unable", "", "possible", "Yes, I cannot tell. = "),
)  # fmt: skip
_LEAD = r"^[{so|shows|filler|likely|contrast|subject|be|pick|retracts|answer|correct},:()-]*?(_[):-])?\(?"
_ANSWER = "{answer|option|correct}.{0,16}?[{be}:)][{filler|likely|word}:()]*"
_IT_IS = "^[{so|pick|subject|filler|likely|be|present},]*"
EXPLICIT = (
    Rule("both", "{yes}[,:-]?({no}|{or|and}+{no|negated})|{no}[,:-]?[{or|and},]+{yes}", Code.SEVERAL, "Yes and no. = "),
    Rule("denied", "{yes|no}[:(-]?~{be}?~{rejected}|(?<!{yes|no},){negated}~({answer}{be}?)?{yes|no}", NOTHING,
         "Yes is wrong. = "),
    Rule("unsure", "{yes|no},?[{filler|likely|subject|be}]*{possible|hypothetical}|{hypothetical}.{0,40}{yes|no}$|"
         "{possible}{filler|likely|be|pick}*{yes|no}|^~{possible}$", Code.UNSURE, "Yes, perhaps. = "),
    Rule("taken back", "{yes|no}.*{retracts}.*({yes|no})", SAID, "No, I mean yes. = yes"),
    Rule("announced", _ANSWER + "({yes|no|possible})", SAID, "The best option here is (A) yes. = yes"),
    Rule("announced in words", r"{answer}[{be}:]+~({be|present|correct})$|^({present})\(", SAID, "答案：有 = yes"),
    Rule("first", _LEAD + "({yes|no})", SAID, "No, the liver is dark. = no"),
    Rule("last", r"[{so|be|contrast|pick|retracts},:-][{filler|likely}:(]*({yes|no})\)?$", SAID, "Dark, so yes. = yes"),
)  # fmt: skip
SHORT = (  # for the first sentence
    Rule("correct", "^~{correct|present|be},", YES, "Correct, the liver is involved. = yes"),
    Rule("normal", "^[{so|filler},]*(?:{word}?{subject}~{be}~{normal}{filler|subject}*|{normal}{word|subject}{1,3}),?$|"
         "^[{so|filler|be|present},]*{negated}~{abnormal}[{filler|be|present}]*$", NO,
         "It is normal. = no; Normal chest radiograph. = no; Is there a fracture? No abnormality is seen. = no"),
    Rule("it is not", _IT_IS + "{negated|absent|rejected}{be|present|pick|so|filler|all}*(,|$)", NO, "It is not. = no"),
    Rule("it is", _IT_IS + "{be|present|so|correct}{be|pick|so|filler|correct}*,?$", YES, "It is. = yes"),
)  # fmt: skip
_X, _N = "{asked|opposite}", "{negated|absent|rejected}"  # X: a word of the question
STATED = (  # for a clause
    Rule("possible", "{possible|hypothetical|others}", NOTHING, "It could be a mass. = "),
    Rule("two denials", _N + ".{0,60}" + _N, NOTHING, "It is not true that no mass is seen. = "),
    Rule("no X", "({negated|than}|{rejected}~{shows|present}).{0,60}" + _X, NO, "No mass is seen. = no"),
    Rule("but not", "^{contrast}.{0,60}{negated}$", NO,
         "Is the lung dark? The right lung is dark, but the left is not. = "),
    Rule("rule out X", "{rejected}.{0,60}" + _X, NOTHING, "Rule out a mass. = "),
    Rule("X or Y", _X + "{or}|{or}~" + _X, NOTHING, "A mass or a cyst is seen. = "),
    Rule("X not seen", _X + ".{0,60}{negated}[{filler|be}]*({present|correct|shows}|$)", NO, "A mass is not seen = no"),
    Rule("X absent", _X + ".{0,60}{absent|rejected}", NO, "A mass is absent. = no"),
    Rule("X is not Y", _X + ".{0,60}{be}~{negated}", NOTHING, "The mass is not calcified. = "),
    Rule("definition", "^[{so|contrast|filler},]*{asked}+{be}{filler}+{word|subject|option}", NOTHING,
         "A mass is a lump. = "),
    Rule("X", _X, YES, "The scan shows a mass. = yes"),
)  # fmt: skip
_SENTENCE = re.compile(r"(?:[^.?\n]|\.(?=#))+\??")  # "No. 3" is in one
_CLAUSE = (  # the end of a clause
    r"[,:()-](?=[^,:()-]*{be|shows|negated|absent|than|present|rejected})|(?<!{be})(?={because})"
    r"|(?={contrast|concedes|than|so})|{and}(?=[^,:]{0,6}{be|shows})"
)
_CONCLUDES = "^{so|because}|^{filler}?{subject|word}{be}?{shows|pick|present}"
_STATES = "^[^{asked|,}:]*{present|shows|negated}|^{asked|filler}+{present}|^[^,:]*{present|absent}{filler|subject}*$"


def polarity_of_gold(gold: str) -> str | None:
    """Return ``yes`` or ``no`` if a gold answer is that and no more, in English or Chinese; else None."""
    return _GOLD.get(gold.strip().rstrip(".。").lower()) if len(gold) < 16 else None


def read_yes_no(reply_text: str, question: str = "") -> Reading:
    """Return the side that a reply takes; without a yes-no question, what its first sentence says is there or not."""
    if len(reply_text) > LONGEST:
        return Reading("", Code.TOO_LONG)
    text = ends(_LED.sub(r"\g<0>.", PROGRAM.split(_plain(reply_text), maxsplit=1)[0]))
    if text.lower() == "none":  # a null that was written out, as likely as a no
        return Reading("", Code.NO_ANSWER)
    words, codes = _coded(text)
    sentences = [found for found in _SENTENCE.finditer(codes) if found[0][-1] != "?"]
    found = [(sentence, *said) for sentence in sentences if (said := _first(EXPLICIT, sentence[0]))[0]]
    if not found:
        same_script = bool(_HAN.search(text)) == bool(_HAN.search(question))
        found = _stated(words, codes, sentences, _asked(question[:1000] if same_script else ""))
    return _settled(found, codes)


def _plain(text: str) -> str:
    """Return the text in NFKC without wrappers, with an enlarged heart for cardiomegaly."""
    return _MEGALY.sub(lambda found: f"enlarged {_ORGANS[found[1].lower()]}", plain(nfkc(text)))


def _coded(text: str) -> tuple[list[str], str]:
    """Return the words of a text and their codes, those of this reader before the lexicon's."""
    read, table = Text(text), _by_word(WORDS)
    words = [word if word.isascii() else word.replace(" ", "") for word in read.words]
    codes = list(read.codes)
    for at in [at for at, word in enumerate(words) if word in table]:
        rows = (row for row in table[words[at]] if rule(row.pattern).match(read.codes, at + 1))
        codes[at] = next((CODE.get(row.effect, row.effect) for row in rows), codes[at])
    return words, "".join(codes)


@cache
def _by_word(rows: tuple[Rule, ...]) -> dict[str, list[Rule]]:
    words = {word for row in rows for word in row.id.split()}
    return {word.replace("-", " "): [row for row in rows if word in row.id.split()] for word in words}


def _first(rules: tuple[Rule, ...], codes: str) -> tuple[str, str]:
    """Return the effect of the first rule that matches, and its name."""
    sides = {CODE["possible"]: Code.UNSURE, CODE["no"]: NO}
    for one in rules:
        if match := rule(one.pattern).search(codes):
            return sides.get(match[match.lastindex or 0], YES) if one.effect == SAID else one.effect, one.id
    return NOTHING, ""


def _settled(found: list[_Said], codes: str) -> Reading:
    """Settle on one of several sides, in order: a later one that differs counts if the earlier one is taken back."""
    stands, since, trace = "", 0, tuple(dict.fromkeys(name for _, _, name in found))
    for sentence, side, _ in found:
        if stands and side != stands and not rule("{retracts}").search(codes, since, sentence.end()):
            return Reading("", Code.UNSURE if Code.UNSURE in (side, stands) else Code.SEVERAL, trace)
        stands, since = side, sentence.start()
    judged = stands in (YES, NO)
    return Reading(stands if judged else "", Code.JUDGED if judged else Code(stands or Code.NO_ANSWER), trace)


@cached(65_536)
def _stem(word: str) -> str:
    """Return an English word without its usual endings, in American spelling."""
    return _ENDING.sub("", word.replace("ae", "e").replace("oe", "e").replace("our", "or"))


@cached(4096)
def _asked(question: str) -> QuestionCodes:
    """Read a question."""
    text = _plain(re.split("[?？]", question)[0]).lower().lstrip()
    if _WH.match(text):
        return QuestionCodes("any", {}, {OTHER: _ASKED, CODE["abnormal"]: _ASKED})
    words, codes = _coded(text)
    verb = -1 if text.startswith(("is ", "are ", "was ", "were ")) else codes.find(CODE["shows"])
    exists = verb >= 0 or CODE["present"] in codes or "evidence" in words
    kept = {OTHER, NUMBER, *(CODE[name] for name in _CONTENT)}
    content = [at for at, word in enumerate(words) if at > verb and (codes[at] in kept or word in _PAIR_OF)]
    content = [at for at in content if words[at] not in _PRONOUNS | _PLACED]
    placed = [at for at, word in enumerate(words) if word in _PLACED and word != "of"] + [codes.find(CODE["present"])]
    split = min((at for at in placed if exists and content and at > content[0]), default=len(words))
    asked = QuestionCodes("compares" if "than" in words else "exists" if exists else "is")
    if _DENIED.search(text) or not content:
        asked.kind = "denial"
    if CODE["or"] in codes:
        asked.classes[CODE["or"]] = CODE["filler"]
    own: dict[str, str] = {}
    for at in content:
        code = own.setdefault(_stem(words[at]), chr(ord(_ASKED) + min(len(own), 63)))
        (asked.what if at < split else asked.place).append(code)
        predicate = not exists and not (_PLACED | _PRONOUNS).isdisjoint(words[:at])
        _add_opposites(asked, words[at], codes[at], code, predicate)
    findings = map(_stem, _FINDINGS if CODE["normal"] in asked.classes else ())
    asked.words = dict.fromkeys(findings, _FINDING) | asked.words | own
    return asked


def _add_opposites(asked: QuestionCodes, word: str, class_code: str, code: str, predicate: bool) -> None:
    """Add codes for the opposites of a word; another side only if it is asked about, else it is set beside."""
    opposite = chr(ord(code) + _TO_OPPOSITE)
    if class_code in (CODE["abnormal"], CODE["normal"]):
        asked.classes.update({CODE["abnormal"]: opposite, CODE["normal"]: opposite, class_code: code})
    pair = _PAIR_OF.get(word, "")
    alike = next((group.split() for group in re.split(r"[|/]", pair) if word in group.split()), [])
    for other in re.findall(r"\w+", pair):
        asked.words[_stem(other)] = code if other in alike else opposite if predicate or "|" in pair else _BESIDE


def _stated(words: list[str], codes: str, sentences: list[re.Match[str]], asked: QuestionCodes) -> list[_Said]:
    """Return the sides of the first two sentences, and of those that conclude; the first, if no question is known."""
    found: list[_Said] = []
    own = "".join([asked.words.get(_stem(w)) or asked.classes.get(c) or c for w, c in zip(words, codes, strict=True)])
    for count, sentence in enumerate(sentences[: 1 if asked.kind == "any" else None]):
        coded = own[slice(*sentence.span())]
        side, name = _first(SHORT, sentence[0]) if count == 0 else (NOTHING, "")
        if side and (name != "normal" or (asked.kind == "exists" and not asked.classes)):
            found.append((sentence, side, name))
        elif rule(_STATES).search(coded) if asked.kind == "any" else count < 2 or rule(_CONCLUDES).search(coded):
            found += [(sentence, *said) for said in _clauses(words[slice(*sentence.span())], coded, asked)]
    return found


def _clauses(words: list[str], coded: str, asked: QuestionCodes) -> list[tuple[str, str]]:
    """Return the side that each clause of a sentence takes to the question, and its rule."""
    found: list[tuple[str, str]] = []
    start, before = 0, set[str]()
    if asked.kind == "denial" or rule("{hypothetical}").search(coded):
        return found
    for cut in (*rule(_CLAUSE).finditer(coded), None):
        span = slice(start, cut.start() if cut else None)
        clause, start = coded[span], cut.end() if cut else 0
        if _FINDING in clause and rule(_X).search(clause) and not rule("{negated|than|absent|rejected}").search(clause):
            clause = clause.replace(_FINDING, asked.classes[CODE["abnormal"]], 1)
        said = rule(_X).findall(clause)
        named = [chr(ord(_ASKED) + ord(code) % _TO_OPPOSITE) for code in said]
        before.update(named)
        side, name = _first(STATED, clause)
        if not side or _BESIDE in clause or (asked.kind == "compares" and named[-1:] != asked.what[-1:]):
            continue
        goes_on = rule("^{contrast}?~{negated|than}|^{contrast}.*{negated}$").match(clause)
        if asked.kind == "any" or _enough(before if goes_on else set(named), clause, words[span], asked):
            turned = sum(code >= _OPPOSITE for code in said) % 2
            found.append(({YES: NO, NO: YES}[side] if turned else side, name))
    return found


def _enough(named: set[str], clause: str, words: list[str], asked: QuestionCodes) -> bool:
    """True if a clause says enough of the words of the question, and no other place."""
    what, place = set(asked.what), set(asked.place)
    placed = (clause[at + 1 :].lstrip(CODE["filler"])[:1] for at, word in enumerate(words) if word in _PLACED)
    said, said_place = len(what & named), len(place & named)
    if place and ((OTHER in placed and not said_place) or (said < 3 and 0 < 3 * said_place < len(place))):
        return False
    head = f"[{asked.what[-1]}{chr(ord(asked.what[-1]) + _TO_OPPOSITE)}]"
    it_is = rule("^[{so|contrast|filler},]*{subject}~{be}{negated}?~" + head).match(clause)
    if said > 2 or (asked.kind == "is" and it_is):
        return True
    well = asked.classes.get(CODE["normal"], "?") in clause  # nothing abnormal is there
    if asked.what[-1] not in named and not well:
        return False
    if 2 * said >= len(what) and said >= min(len(what), 2):
        return True
    clause = rule("^{so|filler|,|be|present}*{word}(?={subject})").sub("", clause) if asked.classes else clause
    others = any(code in OTHER + CODE["normal"] + CODE["abnormal"] for code in clause)
    return not others and (bool(asked.classes) or 2 * said >= len(what))
