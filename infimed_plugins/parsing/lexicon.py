r"""Text as the readers see it: tokens, and one character for each that says what its word does (lexicon.toml).

    "So the answer is B."     words  so the answer is b .      codes  {so}{filler}{answer}{be}_.

A rule is then a short regular expression over codes, in which ``{answer}`` stands for every word that announces an
answer, in every language. Codes beside those of the lexicon: ``_`` any other word, ``#`` a number, and the marks
``. ? , : ( ) -`` and a line's end; the marks of other scripts become these. Markdown's marks have no code.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from string import ascii_letters
from typing import NamedTuple

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
OTHER, NUMBER = "_", "#"
_MARKS = {"。": ".", "！": ".", "!": ".", ";": ".", "；": ".", "？": "?", "，": ",", "、": ",", "：": ":", "（": "(",
          "）": ")", "[": "(", "]": ")", "【": "(", "】": ")", "–": "-", "—": "-", "…": "."}  # fmt: skip
_MARKS |= {mark: mark for mark in ".?,:()-\n"}
_TOKEN = re.compile(
    rf"[{HAN}]|(?:[Ee]\.g|[Ii]\.e|[Ff]igs?|[DM]rs?|M[rs]|Prof|vs|cf)\.(?=\W)|[Xx]-[Rr]ay|[Rr]e-(?=check|exam|eval)[a-z]+|and/or"
    rf"|(?<![\w.)])[-+−]?\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*|[A-Za-z]\+(?!\w)|[A-Za-z]{{2,}}[+-](?![\w-])"
    rf"|[^\W\d_{HAN}][^\W_{HAN}]*(?:['’][a-z]{{1,2}}(?![a-z]))?|[<>≤≥]=?(?=\s?\d)|->|=>|[^\s*_`$\"“”‘'’#\\]|\n"
)
_MAX_KNOWN = 100_000  # words remembered


class Text(NamedTuple):
    """A text in lower case as tokens: their words, where each starts and ends in the text, and their codes."""

    text: str
    words: list[str]
    spans: list[tuple[int, int]]
    codes: str


class _Lexicon(NamedTuple):
    code_of: dict[str, str]  # class: its character
    words: dict[str, str]
    endings: dict[str, list[tuple[str, str]]]  # the first four letters of a word with any ending: it and its code
    phrases: dict[str, list[tuple[tuple[str, ...], str]]]  # by their first word, the longest first


@cache
def lexicon() -> _Lexicon:
    """The table, read once."""
    table = tomllib.loads(files("infimed_plugins.parsing").joinpath("lexicon.toml").read_text("utf-8"))
    code_of = dict(zip(table, ascii_letters, strict=False))
    words: dict[str, str] = {}
    endings: dict[str, list[tuple[str, str]]] = {}
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
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
                phrases.setdefault(parts[0], []).append((parts, code))
    for same_start in phrases.values():
        same_start.sort(key=lambda one: -len(one[0]))
    return _Lexicon(code_of, words, endings, phrases)


def read_text(text: str) -> Text:
    """The tokens and codes of a text in NFKC and without wrappers, in time linear in its length."""
    phrases = lexicon().phrases
    if len(_known) > _MAX_KNOWN:
        _known.clear()
    found = list(_TOKEN.finditer(text))
    known = [_known.get(one[0]) or _look_up(one[0]) for one in found]
    words, spans, codes = [word for word, _ in known], [one.span() for one in found], [code for _, code in known]
    merged, done = Text(text, [], [], ""), 0
    merged_codes: list[str] = []
    for at in [at for at, word in enumerate(words) if word in phrases]:
        for parts, of_phrase in phrases[words[at]] if at >= done else ():
            beyond = at + len(parts)
            if tuple(words[at:beyond]) == parts:
                merged.words.extend((*words[done:at], " ".join(parts)))
                merged.spans.extend((*spans[done:at], (spans[at][0], spans[beyond - 1][1])))
                merged_codes.extend((*codes[done:at], of_phrase))
                done = beyond
                break
    return Text(text, merged.words + words[done:], merged.spans + spans[done:], "".join(merged_codes + codes[done:]))


_known: dict[str, tuple[str, str]] = {}  # a word as written: in lower case, and its code


def _look_up(written: str) -> tuple[str, str]:
    word = written.lower()
    _known[written] = entry = (word, _code(word))
    return entry


def _code(word: str) -> str:
    known = lexicon()
    if word in _MARKS:
        return _MARKS[word]
    if word in known.words:
        return known.words[word]
    if word.lstrip("-+−")[:1].isdigit():
        return NUMBER
    if word.endswith(("n't", "n’t")):
        return known.code_of["negated"]
    endings = known.endings.get(word[:4], ())
    return next((code for stem, code in endings if word.startswith(stem)), OTHER)


@cache
def rule(pattern: str) -> re.Pattern[str]:
    """A pattern over codes: ``{answer}`` is one of that class, ``{be|,}`` one of it or the mark; ``~`` any fillers."""
    code_of = lexicon().code_of

    def codes(found: re.Match[str]) -> str:
        names = found[1].split("|")
        return f"[{''.join(code_of.get(one) or (_GROUPS[one] if one[1:] else re.escape(one)) for one in names)}]"

    return re.compile(re.sub(r"\{([a-z][^{}]*)\}", codes, pattern.replace("~", "{filler|likely}*")))


OPTION_CODES = "\ue000-\ue3ff"  # given to the options of a question by options.py
ASKED_CODES = "\ue400-\ue47f"  # given to the words of a yes-no question by yes_no.py, and to their opposites
OPPOSITE_CODES = "\ue480-\ue4bf"
_GROUPS = {
    "opt": OPTION_CODES,
    "word": OTHER,
    "number": NUMBER,
    "asked": ASKED_CODES,
    "opposite": OPPOSITE_CODES,
}
