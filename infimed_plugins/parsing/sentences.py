"""The sentences of a reply, for the readers of open answers and of numbers, and what takes an answer back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.lexicon import CODE, OTHER, Reading, Rule, Text
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.records import Code

LONGEST = 100_000  # characters; nobody answers a short question in more
_MAX_SENTENCES, _MAX_WORDS = 48, 300  # sentences at either end, words of one, that are looked at
_HEAD, _TAIL = 4_000, 8_000  # characters; of a longer reply the ends are read
_ASKS_ON = re.compile(r"\n[ \t]*(?:question|q)\d{0,2}[ \t]*:.*", re.IGNORECASE | re.DOTALL)
_SHORTENED = re.compile(r"\b([A-Za-z])\.(?= [a-z])")
_SENTENCE = re.compile(r"(?:^\?)?(?::\n*|\n#\.(?!\n)|[^.?\n:])+[.?]?")
_NAMES = "zero one two three four five six seven eight nine ten eleven twelve"
COUNTS = {name: str(count) for count, name in enumerate(_NAMES.split())}
_NAMED = "subject present normal abnormal named all others absent correct"
ASKABLE = frozenset([OTHER, *map(CODE.__getitem__, _NAMED.split())])  # what a question may ask about
_NOT_PLURAL = ("ss", "us", "is", "as", "os")


def tidy(reply: str) -> str:
    """The ends of a reply, without questions that it goes on to ask itself and without the point of "E. coli"."""
    text = nfkc(reply if len(reply) <= _HEAD + _TAIL else f"{reply[:_HEAD]}\n{reply[-_TAIL:]}")
    return _SHORTENED.sub(r"\1", _ASKS_ON.sub("", text) if "\n" in text else text)


class Sentence(NamedTuple):
    """The words of a sentence, their codes in the lexicon and to a reader, what it says, and where it stands."""

    words: Sequence[str]
    plain: str
    codes: str
    says: Reading
    span: tuple[int, int]


def sentences(text: Text, codes: str, judge: Callable[[str, Sequence[str]], Reading]) -> list[Sentence]:
    """The sentences, which go on in the next line after a colon, as ``judge`` reads their codes and words."""
    spans = [one.span() for one in _SENTENCE.finditer(text.codes)]
    if len(spans) > 2 * _MAX_SENTENCES:
        spans = spans[:_MAX_SENTENCES] + spans[-_MAX_SENTENCES:]
    parts = [(text.words[start:end], text.codes[start:end], codes[start:end]) for start, end in spans]
    return [Sentence(words, plain, own, judge(own, words), span)
            for span, (words, plain, own) in zip(spans, parts, strict=True) if len(words) <= _MAX_WORDS]  # fmt: skip


@cached(8192)
def norm(word: str) -> str:
    """A word in the singular, a number in digits."""
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
TAKES_BACK = (
    Rule("wait", "^[,-]*{contrast}?,?(?:{no}|{negated})?,?{subject}?{retracts}|^(?:{no}|{negated}),", Code.REJECTED,
         (("", "liver", "Liver. Wait, the edge is dark.", Code.REJECTED),)),
    Rule("it is not", f"{_I}(?:{_IT}(?:{{negated}}|{{rejected}}).{{0,9}}|" "(?:{negated}|{no}|{rejected})[,.]*"
         "{filler|correct|likely|possible}*[,.?]*)$", Code.REJECTED,
         (("", "liver", "Liver. It is not seen here.", Code.REJECTED),
         ("", "liver", "Liver. Not really.", Code.REJECTED))),
    Rule("it may be", _I + f"(?:{_IT}.?)?{{possible}}.{{0,6}}$|^{{contrast}}.{{0,7}}{{possible}}", Code.UNSURE,
         (("", "liver", "Liver. I doubt it.", Code.UNSURE),
         ("", "liver", "Liver. But an odd spleen is possible.", Code.UNSURE))),
    Rule("or else", "^{or}", Code.SEVERAL, (("", "liver", "Liver. Or an enlarged left spleen.", Code.SEVERAL),)),
    Rule("however", "^{contrast}.*(?:{rejected}|{likely}|{retracts}|{correct})", Code.REJECTED,
         (("", "liver", "Liver. However, an organ near the ribs is more likely.", Code.REJECTED),)),
)  # fmt: skip


def taken_back(later: Iterable[Sentence]) -> Reading | None:
    """Return the reading of an answer that a later sentence takes back, None where none does."""
    rules = (one for sentence in later for one in TAKES_BACK if one.search(sentence.plain))
    return next((Reading("", Code(one.effect), (one.id,)) for one in rules), None)
