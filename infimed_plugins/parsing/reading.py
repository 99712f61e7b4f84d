"""What the readers of open answers and of numbers share: readings, rules, sentences, and what takes an answer back."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from infimed_plugins.parsing.lexicon import Text, rule
from infimed_plugins.parsing.normalize import nfkc
from infimed_plugins.records import Code

MAX_LENGTH = 100_000  # characters; nobody answers a short question in more
_MAX_SENTENCES, _MAX_WORDS = 48, 300  # sentences at either end, words of one, that are looked at
_HEAD, _TAIL = 4_000, 8_000  # characters; of a longer reply the ends are read
_ASKS_ON = re.compile(r"\n[ \t]*(?:question|q)\d{0,2}[ \t]*:.*", re.IGNORECASE | re.DOTALL)
_SHORTENED = re.compile(r"\b([A-Za-z])\.(?= [a-z])")
_SENTENCE = re.compile(r"(?:^\?)?(?::\n*|\n#\.(?!\n)|[^.?\n:])+[.?]?")
COUNTS = {name: str(count) for count, name in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve".split())}  # fmt: skip
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

    def said(self, codes: str) -> re.Match[str] | None:
        """Where the pattern stands in the codes of a sentence."""
        return rule(self.pattern).search(codes)


def tidy(reply: str) -> str:
    """The ends of a reply, without questions that it goes on to ask itself and without the point of "E. coli"."""
    text = nfkc(reply if len(reply) <= _HEAD + _TAIL else f"{reply[:_HEAD]}\n{reply[-_TAIL:]}")
    return _SHORTENED.sub(r"\1", _ASKS_ON.sub("", text) if "\n" in text else text)


def sentences(text: Text) -> list[tuple[int, int]]:
    """The tokens of each sentence, which goes on in the next line after a colon. Of many, those at either end."""
    found = [one.span() for one in _SENTENCE.finditer(text.codes)]
    if len(found) > 2 * _MAX_SENTENCES:
        found = found[:_MAX_SENTENCES] + found[-_MAX_SENTENCES:]
    return [one for one in found if one[1] - one[0] <= _MAX_WORDS]


@lru_cache(maxsize=8192)
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
    Rule("wait", "^[,-]*{contrast}?,?(?:{no}|{negated})?,?{subject}?{retracts}|^(?:{no}|{negated}),",
         (("", "liver", "Liver. Wait, the edge is dark.", Code.REJECTED),), Code.REJECTED),
    Rule("it is not", f"{_I}(?:{_IT}(?:{{negated}}|{{rejected}}).{{0,9}}|"
         "(?:{negated}|{no}|{rejected})[,.]*{filler|correct|likely|possible}*[,.?]*)$",
         (("", "liver", "Liver. It is not seen here.", Code.REJECTED), ("", "liver", "Liver. Not really.", Code.REJECTED)),
         Code.REJECTED),
    Rule("it may be", _I + f"(?:{_IT}.?)?{{possible}}.{{0,6}}$|^{{contrast}}.{{0,7}}{{possible}}",
         (("", "liver", "Liver. I doubt it.", Code.UNSURE), ("", "liver", "Liver. But an odd spleen is possible.", Code.UNSURE)),
         Code.UNSURE),
    Rule("or else", "^{or}", (("", "liver", "Liver. Or an enlarged left spleen.", Code.SEVERAL),), Code.SEVERAL),
    Rule("however", "^{contrast}.*(?:{rejected}|{likely}|{retracts}|{correct})",
         (("", "liver", "Liver. However, some other organ near the ribs is more likely.", Code.REJECTED),), Code.REJECTED),
)  # fmt: skip


def taken_back(codes: str) -> Rule | None:
    """The rule by which a later sentence takes an answer back."""
    return next((one for one in TAKES_BACK if one.said(codes)), None)
