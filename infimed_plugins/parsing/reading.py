"""What the readers of open answers and of numbers share: readings, rules, sentences, and what takes an answer back."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from infimed_plugins.parsing.latex import plain
from infimed_plugins.parsing.lexicon import Text, rule
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.records import Code

MAX_LENGTH = 100_000  # characters; nobody answers a short question in more
_MAX_SENTENCES, _MAX_WORDS = 48, 300  # sentences at either end, words of one, that are looked at
_LONG = 4_000  # characters
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~|<(s|del|strike)>[^<\n]{1,200}</\1>")
_TAGS = re.compile(r"</?[A-Za-z]{1,8}>")
ASKS_ON = re.compile(r"\n[ \t]*(?:question|q)\d{0,2}[ \t]*:.*", re.IGNORECASE | re.DOTALL)
_ENDS = re.compile(r"[.?\n]")
_NAMES = "zero one two three four five six seven eight nine ten eleven twelve"
COUNTS = {name: str(count) for count, name in enumerate(_NAMES.split())}
_NOT_PLURAL = ("ss", "us", "is", "as", "os")


class Reading(NamedTuple):
    """What a reply says, ``found``, or None; ``code`` tells another answer from none; ``trace`` names the rules."""

    found: str | None
    code: Code
    trace: tuple[str, ...] = ()


class Rule(NamedTuple):
    """A pattern over the codes of a sentence, and what a sentence that it bars comes to, if it bars.

    ``examples``: a question, a gold, a reply, and what is read of it (of a short answer: whether it is given, or the
    code); without the rule, one of them is read otherwise.
    """

    id: str
    pattern: str
    examples: tuple[tuple[str, str, str, str | bool | Code | None], ...]
    code: Code | None = None


def ends(text: str) -> str:
    """The beginning and the end of a long text."""
    return text if len(text) <= 3 * _LONG else f"{text[:_LONG]}\n{text[-2 * _LONG :]}"


def tidy(reply: str) -> str:
    """A reply without wrappers and without questions that it goes on to ask itself; what is struck out is rejected."""
    text = nfkc(ends(reply))
    if "~~" in text or "</" in text:
        text = _TAGS.sub("", _STRUCK.sub(" ❌ ", text))
    return plain(ASKS_ON.sub("", text) if "\n" in text else text)


def sentences(text: Text) -> list[tuple[int, int]]:
    """The tokens of each sentence, which goes on in the next line after a colon. Of many, those at either end."""
    found: list[tuple[int, int]] = []
    start = 0
    for end in _ENDS.finditer(text.codes):
        at = end.start()
        if at == start:
            start += end[0] != "?"
        elif not _goes_on(text, start, at):
            found.append((start, at + (end[0] != "\n")))
            start = at + 1
    if start < len(text.codes):
        found.append((start, len(text.codes)))
    if len(found) > 2 * _MAX_SENTENCES:
        found = found[:_MAX_SENTENCES] + found[-_MAX_SENTENCES:]
    return [one for one in found if one[1] - one[0] <= _MAX_WORDS]


def _goes_on(text: Text, start: int, at: int) -> bool:
    """``Answer:`` and a line's end, ``E. coli``, the number of an item of a list."""
    if text.codes[at] == "\n":
        return text.codes[at - 1] == ":" or text.codes[start:at].strip("\n").endswith(":")
    if text.codes[at] == "?" or at + 1 == len(text.codes):
        return False
    last, after = text.words[at - 1], text.text[text.spans[at + 1][0]]
    return (at - 1 == start and last.isdigit() and after != "\n" and (start > 0 or last == "1")) or (
        len(last) == 1 < ord(last) < 128 and after.islower()
    )


@lru_cache(maxsize=8192)
def norm(word: str) -> str:
    """A word in the singular, a number in digits."""
    if word in COUNTS:
        return COUNTS[word]
    if word[0].isdigit():
        return word.replace(",", "") if word.count(",") else word
    if len(word) < 4 or not word.endswith("s") or word.endswith(_NOT_PLURAL):
        return _SAME_DEGREE.get(word, word)
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "xes", "ches", "shes")) else word[:-1]


_SAME_DEGREE = {"larger": "bigger", "largest": "bigger", "biggest": "bigger", "smallest": "smaller"}
_I = r"^[,-]*(?:{contrast|so|retracts|and}|,)*"
TAKES_BACK = (
    Rule("wait", "^[,-]*{contrast}?,?(?:{no}|{negated})?,?{subject}?{retracts}",
         (("", "liver", "Liver. Wait, the edge is dark.", Code.REJECTED),)),
    Rule("it is not", _I + "{subject}(?:{be|shows|pick})*{filler}*(?:{negated}|{rejected}).{0,9}$",
         (("", "liver", "Liver. It is not seen here.", Code.REJECTED),)),
    Rule("it may be", _I + "{subject}(?:{be|shows|pick})*{filler}*{possible}.{0,6}$",
         (("", "liver", "Liver. I doubt it.", Code.UNSURE),), Code.UNSURE),
    Rule("no", _I + "(?:{negated}|{no}|{rejected}|{possible})[,.]*(?:{filler}|{correct}|{likely}|{possible})*[,.?]*$",
         (("", "liver", "Liver. Not really.", Code.REJECTED),)),
    Rule("no, …", "^(?:{no}|{negated}),", (("", "liver", "Liver. No, the edge is dark.", Code.REJECTED),)),
    Rule("or else", "^{or}", (("", "liver", "Liver. Or an enlarged left spleen.", Code.SEVERAL),), Code.SEVERAL),
    Rule("however", "^{contrast}.*(?:{rejected}|{likely}|{retracts}|{correct})",
         (("", "liver", "Liver. However, some other organ near the ribs is more likely.", Code.REJECTED),)),
    Rule("but maybe", "^{contrast}.{0,7}{possible}.{0,5}$|^.{1,6}{possible}[.]?$",
         (("", "liver", "Liver. But an odd spleen is possible.", Code.UNSURE),), Code.UNSURE),
)  # fmt: skip


def taken_back(codes: str) -> Rule | None:
    """The rule by which a later sentence takes an answer back."""
    return next((one for one in TAKES_BACK if rule(one.pattern).search(codes)), None)
