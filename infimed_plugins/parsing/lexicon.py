r"""Text as the readers see it: tokens, and one character for each that says what its word does (lexicon.toml).

    "So the answer is B."     words  so the answer is b .      codes  {so}{filler}{answer}{be}_.

A rule is then a short regular expression over codes, in which ``{answer}`` stands for every word that announces an
answer, in every language. Codes beside those of the lexicon: ``_`` any other word, ``#`` a number, ``^`` a word of the
question, and the marks ``. ? , : ( ) -`` and a line's end; the marks of other scripts become these. Markdown's marks
have no code.

What was read of a text is a Reading, whichever reader read it.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache, cached_property
from importlib.resources import files
from itertools import chain
from string import ascii_letters
from typing import Any, NamedTuple

from infimed_plugins.bounded_cache import cached
from infimed_plugins.records import Code

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
OTHER, NUMBER, ASKED = "_", "#", "^"
_MARKS = dict(zip("。！!;；？吗么，、：（）[]【】<>«»–—…|", ".....???,,:()()()()()--.,", strict=True))
_MARKS |= {mark: mark for mark in ".?,:()-\n"}
_TOKEN = re.compile(
    rf"[a-z]{{2,}}(?![\w'’.+/-])|[{HAN}]"  # most words
    r"|(?:[Ee]\.g|[Ii]\.e|[Ff]igs?|[DM]rs?|M[rs]|Prof|vs|cf)\.(?!\w)|[Xx]-[Rr]ay|[Rr]e-(?=check|exam|eval)[a-z]+|and/or"
    r"|[<>≤≥]=?\d+(?:[.,]\d+)*"
    r"|[A-Za-z][-–'’^_=](?=\w)[\w'’-]+|[\\^][A-Za-z]\b"  # what begins like a letter and goes on: B-cell, C's, x^2
    r"|(?<![\w.)])[-−]\\|(?<![\w.)])[-+−]?\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*(?:[A-Za-z]\b)?"
    r"|[A-Za-z]\+(?!\w)|[A-Za-z]{2,}[+-](?![\w-])"
    rf"|[^\W\d_{HAN}][^\W_{HAN}]*(?:['’][a-z]{{1,2}}(?![a-z])|-[A-Za-z]\b)?"
    r"|->|=>|[^\s*_`$\"“”‘'’#\\]|\n"
)
_APART = re.compile(r"([<>≤≥]=?)\s(?=\d)")
_MAX_KNOWN = 100_000  # stretches between blanks that are remembered, if not longer than:
_LONGEST_KNOWN = 32
_Phrases = dict[str, list[tuple[tuple[str, ...], str]]]  # by their second word: all words and the code, longest first
# the tokens of a stretch as written, in lower case, and their codes
_Stretch = tuple[tuple[str, ...], tuple[str, ...], str]


class Text:
    """A text in NFKC and without wrappers, as tokens: as they are written, in lower case, and their codes."""

    def __init__(self, text: str) -> None:
        self.text = _APART.sub(r"\1", text) if ">" in text or "<" in text or "≤" in text or "≥" in text else text
        parts = self.text.replace("\n", " \n ").split(" ")
        stretches = list(map(_known.get, parts))
        if None in stretches:
            stretches = [_known.get(one) or _look_up(one) for one in parts]
        written, words, codes = zip(*stretches, strict=True)
        self.written = list(chain.from_iterable(written))
        self.words = list(chain.from_iterable(words))
        self.codes = "".join(codes)
        phrases = lexicon().phrases
        starts = [at for at, word in enumerate(self.words) if word in phrases]
        if starts:
            self._join_phrases(starts, phrases)

    def _join_phrases(self, starts: list[int], phrases: dict[str, _Phrases]) -> None:
        words, found, beyond = tuple(self.words), [], 0
        last = len(words) - 1
        for at in starts:
            if at < beyond or at == last:
                continue
            for parts, code in phrases[words[at]].get(words[at + 1], ()):
                if len(parts) == 2 or words[at : at + len(parts)] == parts:
                    beyond = at + len(parts)
                    found.append((at, beyond, code))
                    break
        if not found:
            return
        joined: list[str] = []
        written: list[str] = []
        codes: list[str] = []
        last = 0
        for at, beyond, code in found:
            joined += [*words[last:at], " ".join(words[at:beyond])]
            written += [*self.written[last:at], " ".join(self.written[at:beyond])]
            codes += [self.codes[last:at], code]
            last = beyond
        self.words, self.written = [*joined, *words[last:]], written + self.written[last:]
        self.codes = "".join(codes) + self.codes[last:]

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Where each token starts and ends in the text."""
        spans: list[tuple[int, int]] = []
        at = 0
        for written in self.written:
            parts = written.split(" ")
            start = at = self.text.index(parts[0], at)
            for part in parts:
                at = self.text.index(part, at) + len(part)
            spans.append((start, at))
        return spans


def read_text(text: str) -> Text:
    """The tokens and codes of a text, in time linear in its length."""
    if len(_known) > _MAX_KNOWN:
        _known.clear()
    return Text(text)


def beside(group: str) -> dict[str, frozenset[str]]:
    """The words of a group that only the readers of open answers know."""
    return {name: frozenset(words.split()) for name, words in lexicon().open[group].items()}


class _Lexicon(NamedTuple):
    code_of: dict[str, str]  # class: its character
    words: dict[str, str]
    endings: dict[str, list[tuple[str, str]]]  # by four letters: how a word begins, and its code
    phrases: dict[str, _Phrases]  # by their first word
    open: dict[str, dict[str, Any]]  # what the reader of open answers knows beside them


@cache
def lexicon() -> _Lexicon:
    """The table, read once."""
    table = tomllib.loads(files("infimed_plugins.parsing").joinpath("lexicon.toml").read_text("utf-8"))
    open_words = table.pop("open")
    code_of = dict(zip(table, ascii_letters, strict=False))
    words: dict[str, str] = {}
    endings: dict[str, list[tuple[str, str]]] = {}
    phrases: dict[str, _Phrases] = {}
    for name, entry in table.items():
        code = code_of[name]
        for word in entry["words"].split():
            if word.endswith("*"):
                endings.setdefault(word[:4], []).append((word[:-1], code))
            else:
                words[word] = code
        for phrase in (*entry.get("phrases", ()), *entry.get("zh", "").split()):
            parts = tuple(_TOKEN.findall(phrase))
            if len(parts) == 1:
                words[parts[0]] = code
            else:
                phrases.setdefault(parts[0], {}).setdefault(parts[1], []).append((parts, code))
    for by_second in phrases.values():
        for same_start in by_second.values():
            same_start.sort(key=lambda one: -len(one[0]))
    return _Lexicon(code_of, words, endings, phrases, open_words)


_known: dict[str, _Stretch] = {}


def _look_up(stretch: str) -> _Stretch:
    written = tuple(_TOKEN.findall(stretch))
    words = tuple(map(str.lower, written))
    entry = (written, words, "".join(map(_code, words)))
    if len(stretch) <= _LONGEST_KNOWN:
        _known[stretch] = entry
    return entry


@cached(65536)
def _code(word: str) -> str:
    known = lexicon()
    if word in _MARKS:
        return _MARKS[word]
    if word in known.words:
        return known.words[word]
    if word.lstrip("-+−<>≤≥= ")[:1].isdigit():
        return NUMBER
    if word.endswith(("n't", "n’t")):
        return known.code_of["negated"]
    endings = known.endings.get(word[:4], ())
    return next((code for stem, code in endings if word.startswith(stem)), OTHER)


@cache
def rule(pattern: str) -> re.Pattern[str]:
    """A pattern over codes: ``{answer}`` is that class, ``{be|,}`` that or the mark; ``~`` passes fillers.

    ``<{opt}>`` is a group: the option that is claimed.
    """
    code_of = lexicon().code_of

    def codes(found: re.Match[str]) -> str:
        names = found[2].split("|")
        inside = "".join(code_of.get(name) or (_GROUPS[name] if name[1:] else re.escape(name)) for name in names)
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
    "asked": "\\^\ue400-\ue47f",  # what a question asks about, and the opposite of it (yes_no.py)
    "opposite": "\ue480-\ue4bf",
    "opt": "\ue000-\ue3ff",  # options, by letter, text or both (option_marks.py)
    "letter": "\ue000-\ue0ff",
    "both": "\ue200-\ue2ff",
    "lettered": "\ue000-\ue0ff\ue200-\ue2ff",
    "texted": "\ue100-\ue2ff",
    "worded": "\ue100-\ue17f",
}


class Reading(NamedTuple):
    """What was read of a reply. An empty ``answer`` is none, and ``code`` says why; ``trace`` names the rules.

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
    """A pattern over codes, and what a text that matches comes to: by its reader a code, a side, what is kept, or more.

    ``examples`` are replies and what is read of them; without the rule, one of them is read otherwise. ``whole``: only
    a sentence that says nothing more matches.
    """

    id: str
    pattern: str
    effect: str
    examples: Any
    whole: bool = False

    def search(self, codes: str) -> re.Match[str] | None:
        """Where the pattern stands in codes."""
        return rule(self.pattern).search(codes)
