r"""Text as the readers see it: tokens, and a code character for each, by its word's class (lexicon.toml).

    "So the answer is B."     words  so the answer is b .      codes  {so}{filler}{answer}{be}_.

A rule is then a short regular expression over codes, in which ``{answer}`` stands for every word that announces an
answer, in every language. Codes beside those of the lexicon: ``_`` any other word, ``#`` a number, ``^`` a word of the
question, and the marks ``. ? , : ( ) -`` and a line's end; the marks of other scripts become these. Markdown's marks
have no code.

What was read of a text is a Reading, whichever reader read it. The last part is for the readers of open answers and of
numbers: the sentences of a reply, and what takes an answer back.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path
from string import ascii_letters
from typing import Any, NamedTuple, TypeVar

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.records import Code

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
OTHER, NUMBER, ASKED = "_", "#", "^"
_MARKS = dict(zip("。！!;；？吗么，、：（）[]【】<>«»–—…|", ".....???,,:()()()()()--.,", strict=True))
_MARKS |= {mark: mark for mark in ".?,:()-\n"}
_TOKEN = re.compile(
    rf"[a-z]{{2,}}(?![\w'’.+/-])|[{HAN}]"  # most words
    r"|(?:[Ee]\.g|[Ii]\.e|[Ff]igs?|[DM]rs?|M[rs]|Prof|vs|cf)\.(?!\w)|[Xx]-[Rr]ay|[Rr]e-(?=check|exam|eval)[a-z]+|and/or"
    r"|[<>≤≥]=?\d+(?:[.,]\d+)*"
    r"|[A-Za-z][-–'’^_=](?=\w)[\w'’-]+|[\\^][A-Za-z]\b"  # words that begin like a letter: B-cell, C's, x^2
    r"|(?<![\w.)])[-−]\\|(?<![\w.)])[-+−]?\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*(?:[A-Za-z]\b)?"
    r"|[A-Za-z]\+(?!\w)|[A-Za-z]{2,}[+-](?![\w-])"
    rf"|[^\W\d_{HAN}][^\W_{HAN}]*(?:['’][a-z]{{1,2}}(?![a-z])|-[A-Za-z]\b)?"
    r"|->|=>|[^\s*_`$\"“”‘'’#\\]|\n"
)
_APART = re.compile(r"([<>≤≥]=?)\s(?=\d)")
_TABLE: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text("utf-8"))
OPEN = _TABLE.pop("open")  # words for the readers of open answers only
CODE = dict(zip(_TABLE, ascii_letters, strict=False))  # class: its character
_WORDS: dict[str, str] = {}
_ENDINGS: dict[str, list[tuple[str, str]]] = {}  # by four letters: how a word begins, and its code
# by their first and second word: all words and the code, the longest first
_PHRASES: dict[str, dict[str, list[tuple[tuple[str, ...], str]]]] = {}
_T = TypeVar("_T")


class Text:
    """A text in NFKC and without wrappers, as tokens: as written, in lower case, and as codes; in linear time."""

    def __init__(self, text: str) -> None:
        self.text = _APART.sub(r"\1", text) if ">" in text or "<" in text or "≤" in text or "≥" in text else text
        self.written: list[str] = _TOKEN.findall(self.text)
        self.words = list(map(str.lower, self.written))
        self.codes = "".join(map(code_of, self.words))
        self._phrases = self._find_phrases()
        if self._phrases:
            self.words, self.written = self._merged(self.words, " ".join), self._merged(self.written, " ".join)
            codes = iter([code for _, _, code in self._phrases])
            self.codes = "".join(self._merged(list(self.codes), lambda _: next(codes)))

    def _find_phrases(self) -> list[tuple[int, int, str]]:
        """Return the (start, end, code) of each phrase of the lexicon."""
        words = tuple(self.words)
        found, beyond, last = [], 0, len(words) - 1
        for at in [at for at, word in enumerate(words) if word in _PHRASES]:
            if at < beyond or at == last:
                continue
            for parts, code in _PHRASES[words[at]].get(words[at + 1], ()):
                if len(parts) == 2 or words[at : at + len(parts)] == parts:
                    beyond = at + len(parts)
                    found.append((at, beyond, code))
                    break
        return found

    def _merged(self, items: list[_T], join: Callable[[list[_T]], _T]) -> list[_T]:
        """Join the items of each phrase's tokens."""
        merged, last = [], 0
        for at, beyond, _ in self._phrases:
            merged += [*items[last:at], join(items[at:beyond])]
            last = beyond
        return merged + items[last:]

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """The (start, end) of each token in the text."""
        spans = [found.span() for found in _TOKEN.finditer(self.text)]
        return self._merged(spans, lambda parts: (parts[0][0], parts[-1][1]))


def beside(group: str) -> dict[str, frozenset[str]]:
    """Return the words of a group of OPEN."""
    return {name: frozenset(words.split()) for name, words in OPEN[group].items()}


def _load() -> None:
    """Fill the tables of words, of how words begin, and of phrases."""
    for name, entry in _TABLE.items():
        for word in entry["words"].split():
            if word.endswith("*"):
                _ENDINGS.setdefault(word[:4], []).append((word[:-1], CODE[name]))
            else:
                _WORDS[word] = CODE[name]
        for phrase in (*entry.get("phrases", ()), *entry.get("zh", "").split()):
            parts = tuple(_TOKEN.findall(phrase))
            if len(parts) == 1:
                _WORDS[parts[0]] = CODE[name]
            else:
                _PHRASES.setdefault(parts[0], {}).setdefault(parts[1], []).append((parts, CODE[name]))
    _WORDS.update(_MARKS)
    for by_second in _PHRASES.values():
        for same_start in by_second.values():
            same_start.sort(key=lambda one: -len(one[0]))


_load()


@cached(65536)
def code_of(word: str) -> str:
    """Return the code of a word in lower case."""
    if word in _WORDS:
        return _WORDS[word]
    if word.lstrip("-+−<>≤≥= ")[:1].isdigit():
        return NUMBER
    if word.endswith(("n't", "n’t")):
        return CODE["negated"]
    return next((code for stem, code in _ENDINGS.get(word[:4], ()) if word.startswith(stem)), OTHER)


@cache
def rule(pattern: str) -> re.Pattern[str]:
    """Return a pattern over codes: ``{answer}`` is that class, ``{be|,}`` that or the mark; ``~`` passes fillers.

    ``<{opt}>`` is a group: the option that is claimed.
    """

    def codes(found: re.Match[str]) -> str:
        names = found[2].split("|")
        inside = "".join(CODE.get(name) or (_GROUPS[name] if name[1:] else re.escape(name)) for name in names)
        return f"{found[1]}{inside}" if found[1] else f"[{inside}]"

    pattern = _CLAIMED.sub(r"(\1)", pattern).replace("~", "{filler|likely}*")
    while (more := _NAMES.sub(codes, pattern)) != pattern:
        pattern = more
    return re.compile(pattern)


_CLAIMED = re.compile(r"<(\{[a-z]+\})>")
_NAMES = re.compile(r"(\[[^\[\]{}]*)?\{([a-z][^{}]*)\}")  # within brackets or not
_GROUPS = {
    "word": OTHER,
    "number": NUMBER,
    "any": "^.?\\n",
    "asked": "\\^\ue400-\ue47f",  # a word that the question asks about, and its opposite (yes_no.py)
    "opposite": "\ue480-\ue4bf",
    "opt": "\ue000-\ue3ff",  # options, by letter, text or both (option_marks.py)
    "letter": "\ue000-\ue0ff",
    "both": "\ue200-\ue2ff",
    "lettered": "\ue000-\ue0ff\ue200-\ue2ff",
    "texted": "\ue100-\ue2ff",
    "worded": "\ue100-\ue17f",
}


class Reading(NamedTuple):
    """The answer read of a reply. An empty ``answer`` is none, and ``code`` says why; ``trace`` names the rules.

    The answer is letters (``"B"``; ``"AC"`` where several are right), "yes" or "no", a value as it is written, or the
    stretch of text that gives it. Of a whole response it is what stands in a tag or box (``marked``) or the rest of the
    reply; then ``reason`` says in words why there is none, ``format_ok`` what the format gate says, and ``reasoning``
    is kept where that passes.
    """

    answer: str = ""
    code: Code = Code.JUDGED
    trace: tuple[str, ...] = ()
    reason: str = ""
    marked: bool = False
    format_ok: bool = False
    reasoning: str = ""


class Rule(NamedTuple):
    """A pattern over codes, and its effect on a text that matches: by reader a code, a side, the part kept, or more.

    ``examples`` are replies and their readings; without the rule, one of them is read otherwise. ``whole``: only
    a sentence that says nothing more matches.
    """

    id: str
    pattern: str
    effect: str
    examples: Any
    whole: bool = False

    def search(self, codes: str) -> re.Match[str] | None:
        """Search the pattern in codes."""
        return rule(self.pattern).search(codes)


PROGRAM = re.compile(  # the first line of one, or an assignment: of a list, or to a name_of_words
    r"^[ \t]*(?:`{0,3}py(?:thon)?$|import \w|from \w+ import |(?:def|class) \w+\(|for \w+(?:, \w+)* in [\w.]+\(.*:$"
    r"|(?:while|if) [\w.]+(?:\(| [=<>!]=? ).*:$|\w+ = [\[{]|[a-z]{3,}_\w+ = [\d(])|^.*\bprint\(",
    re.MULTILINE,
)
LONGEST = 100_000  # characters; nobody answers a short question in more
_MAX_SENTENCES, _MAX_WORDS = 48, 300  # sentences at either end, words of one, that are looked at
HEAD, TAIL = 4_000, 16_000  # characters; of a longer reply the ends are read
_ASKS_ON = re.compile(r"\n[ \t]*(?:question|q)\d{0,2}[ \t]*:.*", re.IGNORECASE | re.DOTALL)
_SHORTENED = re.compile(r"\b([A-Za-z])\.(?= [a-z])")
_SENTENCE = re.compile(r"(?:^\?)?(?::\n*|\n#\.(?!\n)|[^.?\n:])+[.?]?")
_COUNT_NAMES = "zero one two three four five six seven eight nine ten eleven twelve"
COUNTS = {name: str(count) for count, name in enumerate(_COUNT_NAMES.split())}
_NAMED = "subject present normal abnormal named all others absent correct"
ASKABLE = frozenset([OTHER, *map(CODE.__getitem__, _NAMED.split())])  # codes that a question may ask about
_NOT_PLURAL = ("ss", "us", "is", "as", "os")


def ends(reply: str) -> str:
    """Return a reply, of a long one the ends."""
    return reply if len(reply) <= HEAD + TAIL else f"{reply[:HEAD]}\n{reply[-TAIL:]}"


def tidy(reply: str) -> str:
    """Return the ends of a reply, without questions it goes on to ask itself and without the point of "E. coli"."""
    text = nfkc(ends(reply))
    return _SHORTENED.sub(r"\1", _ASKS_ON.sub("", text) if "\n" in text else text)


class Sentence(NamedTuple):
    """The words of a sentence, their codes in the lexicon and to a reader, what it says, and where it stands."""

    words: Sequence[str]
    plain: str
    codes: str
    says: Reading
    span: tuple[int, int]


def sentences(text: Text, codes: str, judge: Callable[[str, Sequence[str]], Reading]) -> list[Sentence]:
    """Return the sentences, which go on in the next line after a colon, as ``judge`` reads their codes and words."""
    spans = [one.span() for one in _SENTENCE.finditer(text.codes)]
    if len(spans) > 2 * _MAX_SENTENCES:
        spans = spans[:_MAX_SENTENCES] + spans[-_MAX_SENTENCES:]
    parts = [(text.words[start:end], text.codes[start:end], codes[start:end]) for start, end in spans]
    return [Sentence(words, plain, own, judge(own, words), span)
            for span, (words, plain, own) in zip(spans, parts, strict=True) if len(words) <= _MAX_WORDS]  # fmt: skip


@cached(8192)
def norm(word: str) -> str:
    """Return a word in the singular, a number in digits."""
    if word in COUNTS or word[0].isdigit():
        return COUNTS.get(word) or word.replace(",", "")
    word = word.removesuffix("'s")
    if len(word) < 4 or not word.endswith("s") or word.endswith(_NOT_PLURAL):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "xes", "ches", "shes")) else word[:-1]


_I = r"^[,-]*(?:{contrast|so|retracts|and}|,)*"
_IT = "{subject}(?:{be|shows|pick})*{filler}*"
RETRACTIONS = (
    Rule("wait", "^[,-]*{contrast}?,?(?:{no}|{negated})?,?{subject}?{retracts}|^(?:{no}|{negated}),", Code.REJECTED,
         ("Liver. Wait, the edge is dark.",)),
    Rule("it is not", f"{_I}(?:{_IT}(?:{{negated}}|{{rejected}}).{{0,9}}|" "(?:{negated}|{no}|{rejected})[,.]*"
         "{filler|correct|likely|possible}*[,.?]*)$", Code.REJECTED, ("Liver. It is not seen here.",
         "Liver. Not really.")),
    Rule("it may be", _I + f"(?:{_IT}.?)?{{possible}}.{{0,6}}$|^{{contrast}}.{{0,7}}{{possible}}", Code.UNSURE,
         ("Liver. I doubt it.", "Liver. But an odd spleen is possible.")),
    Rule("or else", "^{or}", Code.SEVERAL, ("Liver. Or an enlarged left spleen.",)),
    Rule("however", "^{contrast}.*(?:{rejected}|{likely}|{retracts}|{correct})", Code.REJECTED,
         ("Liver. However, an organ near the ribs is more likely.",)),
)  # fmt: skip


def retraction(later: Iterable[Sentence]) -> Reading | None:
    """Return the reading of an answer that a later sentence takes back, None where none does."""
    rules = (one for sentence in later for one in RETRACTIONS if one.search(sentence.plain))
    return next((Reading("", Code(one.effect), (one.id,)) for one in rules), None)
