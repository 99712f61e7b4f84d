"""What a gold and a question make of the words of a reply: each gets a code, in a digit or mark, for the rules to read.

    gold "liver", asked "Which is larger, the liver or the spleen?"

    In  this image  ,  the     liver  is  larger  than  the     spleen  .
    %   4    4      ,  filler  1      be  4       than  filler  2       .

The words are in answer_words.toml; what has no code here keeps that of the lexicon.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from infimed_plugins.parsing.lexicon import HAN, Text, lexicon, read_text, rule
from infimed_plugins.parsing.reading import COUNTS, norm
from infimed_plugins.records import Code

GOLD, RIVAL, SCENE, ASKED, KIND, TAIL, MASK, OTHER, SIDE, WITH, IN, LOCATED, WHERE, NEAR = "123456789@%!0&"
MARKS = frozenset(".?,:()-\n")
_WORDS: dict[str, Any] = tomllib.loads(
    files("infimed_plugins.parsing").joinpath("answer_words.toml").read_text("utf-8")
)
_NAME_OF = {name: thing for thing, names in _WORDS["names"].items() for name in names}
_NAMES = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(_NAME_OF, key=len, reverse=True))})(?!\w)", re.IGNORECASE)
_ZH_SCENE = re.compile("[该此]?病[变灶]主?要?(?:是|为|位于|在)|位于|一[张幅]|图像?中?|图片中?")
_KINDS = {name: frozenset(words.split()) for name, words in _WORDS["kinds"].items()}
_WITH_KIND = {name: frozenset(words.split()) for name, words in _WORDS["words"].items()}
_SCANS = frozenset(["mri", "ct", "xray", "ultrasound"])
_PARTS = frozenset(["plain", "chest", "head", "brain", "abdominal", "abdomen", "thoracic", "pelvic", "cranial", "knee"])
_WEAK = frozenset(["the", "in", "on", "at", "of", "within", "to", "with", "by", "for", "an"])  # of a gold
_PRONOUNS = frozenset(["this", "that", "it", "its", "these", "those", "they", "there"])
_SEPARATORS = frozenset(["and", "&", "/", "和", "与", "及"])
_SIDES = frozenset(["left", "right", "upper", "lower"])
_LETTERS = re.compile(r"[^\W\d_]{4,}")
_ASKS_WHERE = re.compile(r"\b(?:where|locat|lobe|side)", re.IGNORECASE)
_TURNS = frozenset(["a", "an", "which", "that"]) | _PARTS
_VERB = re.compile("[^sou'’]s$")  # mentions, but not gross, fibrous or a cow's
_MODALS = frozenset(["may", "might", "could", "can"])
_ADJECTIVE = frozenset(["_", SCENE, lexicon().code_of["normal"], lexicon().code_of["abnormal"]])
_OWN = [
    "_",
    "subject",
    "present",
    "normal",
    "abnormal",
    "named",
    "all",
    "others",
    "absent",
    "correct",
]  # of a question, passed over


class Plan(NamedTuple):
    """``items`` of the gold, its words that count each; the codes of its and the question's words, and of others."""

    items: tuple[tuple[str, ...], ...]
    own: dict[str, str]
    scenery: dict[str, str]
    echoes: bool = False  # the gold is among the words of the question
    organ: bool = False  # the gold is a part of the body


def named(text: str) -> str:
    """The text with one name for each thing that has several."""
    text = _NAMES.sub(lambda found: _NAME_OF[found[0].lower()], text)
    return text if text.isascii() else _ZH_SCENE.sub(" ", text)


@lru_cache(maxsize=1024)
def plan(gold: str, question: str) -> Plan:
    """What a gold and a question make of words; no items where the gold holds no word that counts."""
    parsed = read_text(named(gold))
    items: list[list[str]] = [[]]
    for word, code in zip(parsed.words, parsed.codes, strict=True):
        if code in ".?,:\n" or word in _SEPARATORS:
            items.append([])
        elif code not in "()-" and word not in _WEAK and not (word == "a" and not any(items)):
            items[-1].append(norm(word))
    wanted = tuple(_with_nouns([item for item in items if item]))
    words = {word for item in wanted for word in item}
    if words <= _PRONOUNS:
        return NO_PLAN
    asked, alternatives = _asked(question)
    asked = asked | dict.fromkeys(alternatives - words, RIVAL)
    echoes = words <= asked.keys() and RIVAL not in asked.values()
    kinds = frozenset(name for name, own in _KINDS.items() if own & words)
    scenery = _scenery(kinds, _ASKS_WHERE.search(question) is not None, RIVAL in asked.values())
    own = ({} if echoes else asked) | dict.fromkeys(words, GOLD)
    return Plan(wanted, own, scenery, echoes, words <= _KINDS["organ"])


NO_PLAN = Plan((), {}, {})


@cache
def _scenery(kinds: frozenset[str], where: bool, chosen: bool) -> dict[str, str]:
    """The codes of words that are neither the gold's nor the question's, for a gold of these kinds."""
    code = {"kind": KIND, "scene": SCENE, "located": LOCATED, "tail": TAIL, "near": NEAR, "other": OTHER}
    code |= {"in": WHERE if where else IN, "side": SIDE}
    table: dict[str, str] = {}
    for name, words in _KINDS.items():
        table |= dict.fromkeys(words, "_" if name in kinds or (name == "organ" and not kinds) else SCENE)
    for name, words in _WITH_KIND.items():
        table |= dict.fromkeys(words, code[name])
    table |= {"positive": "_", "versus": lexicon().code_of["or"]}
    return table | ({"with": WITH} if kinds or chosen else {})


@lru_cache(maxsize=1024)
def _asked(question: str) -> tuple[dict[str, str], frozenset[str]]:
    """The words of a question that add nothing, and those between which it lets choose."""
    text = read_text(named(question))
    own = {lexicon().code_of.get(name, name) for name in _OWN}
    words = [norm(word) for word in text.words]
    kept = _WITH_KIND["tail"] | _WITH_KIND["kind"]
    table = {word: ASKED for word, code in zip(words, text.codes, strict=True) if code in own and word not in kept}
    return table, frozenset(_alternatives(words, text.codes))


def _alternatives(words: Sequence[str], codes: str) -> Iterator[str]:
    """The words on either side of an "or", and before the commas before it."""
    passed = {lexicon().code_of["filler"], "-", ","}
    places = [n for n, code in enumerate(codes) if code not in passed and words[n] not in _WITH_KIND["kind"]]
    end = first = codes.find(lexicon().code_of["or"])
    if end >= 0:
        yield from (words[n] for n in [n for n in places if n > end][:1])
    while end > 0:
        before = max((n for n in places if n < end), default=-1)
        one = before >= 0 and (codes[before] == "_" or words[before] in _SCANS)
        if one and not (end < first and codes[before - 1] == lexicon().code_of["be"]):  # "which is larger, …"
            yield words[before]
        end = codes.rfind(",", 0, before + 1)


def may_give(text: str, gold: str) -> bool:
    """A quick look at a text in lower case: False where a word of the gold does not stand in it."""
    stems = [norm(word) for word in _LETTERS.findall(named(gold).lower()) if word not in COUNTS and word not in _WEAK]
    return all(stem in text or stem[:-1] in text or stem == "bigger" or stem == "smaller" for stem in stems)


class Context(NamedTuple):
    """What words are beside their neighbours: which, seen from one, get a code; for golds that are organs only."""

    id: str
    places: Callable[[Sequence[str], Sequence[str], int], Iterable[int]]
    code: str
    organ: bool
    examples: tuple[tuple[str, str, str, bool | Code], ...]


def _scanned(words: Sequence[str], codes: Sequence[str], n: int) -> Iterable[int]:
    return [n] if words[n] in _PARTS and codes[n] != GOLD and next(iter(words[n + 1 : n + 2]), "") in _SCANS else []


def _apposed(words: Sequence[str], codes: Sequence[str], n: int) -> Iterable[int]:
    stands = words[n] in ("a", "an") and words[n - 1 : n] and words[n - 1] == "," and GOLD in codes[:n]
    return [n] if stands and {IN, WHERE} & set(codes[n:]) else []


def _described(words: Sequence[str], codes: Sequence[str], n: int) -> Iterable[int]:
    first = n
    while first and n - first < 3 and codes[first - 1] in _ADJECTIVE and not _VERB.search(words[first - 1]):
        first -= 1
    stands = codes[n] == GOLD and first and (words[first - 1] in ("a", "an", "the") or words[first] in COUNTS)
    return range(first, n) if stands else []


def _treated(words: Sequence[str], codes: Sequence[str], n: int) -> Iterable[int]:
    after = next((m for m in range(n + 1, len(codes)) if codes[m] not in (KIND, ",")), n + 1)
    stands = codes[n] == GOLD and after + 2 < len(words) and codes[after] == "_"
    return [after] if stands and words[after].endswith(("ed", "ing")) else []


def _modal(words: Sequence[str], codes: Sequence[str], n: int) -> Iterable[int]:
    return [n + 1] if words[n] in ("which", "that") and next(iter(words[n + 1 : n + 2]), "") in _MODALS else []


CONTEXTS = (
    Context("scanned", _scanned, SCENE, False, (("", "lung", "The chest X-ray shows the lung.", True),)),
    Context("apposed", _apposed, TAIL, False, (("", "liver", "It is the liver, a gland of the trunk.", True),)),
    Context("described", _described, SCENE, True, (("", "brain", "It shows a fetal brain.", True),)),
    Context("treated", _treated, TAIL, True, (("", "lung", "It is a lung removed after death.", True),)),
    Context("modal", _modal, SCENE, True, (("", "lung", "It is a lung, which may be inflamed.", True),)),
)


def recoded(text: Text, plan: Plan) -> str:
    """The codes of a text for a gold and its question."""
    own, scenery, words = plan.own, plan.scenery, text.words
    codes = [
        code if code in MARKS else own.get(one := norm(word)) or scenery.get(one, code)
        for word, code in zip(words, text.codes, strict=True)
    ]
    for n in [n for n, word in enumerate(words) if codes[n] == GOLD or word in _TURNS]:
        for context in CONTEXTS:
            if plan.organ or not context.organ:
                for place in context.places(words, codes, n):
                    codes[place] = context.code
    last = words[-1] if words else ""
    if len(last) > 2 and codes[-1] == "_" and any(one.startswith(last) for one, code in own.items() if code == ASKED):
        codes[-1] = ASKED  # cut off within a word of the question
    return "".join(codes)


def gives(left: str, words: Sequence[str], wanted: Sequence[tuple[str, ...]]) -> bool:
    """Whether the words of the gold in a sentence are its items: side by side, each once, in any order."""
    items: list[list[str]] = [[]]
    for code, word in zip(left, words, strict=True):
        if code == GOLD:
            items[-1].append(norm(word))
        elif code != MASK and code not in "()-:":
            items.append([])
    given = _with_nouns([item for item in items if item])
    flat = tuple(dict.fromkeys(word for item in given for word in item))
    if len(wanted) == 1:
        return _key(flat) == _key(wanted[0])
    singles = len(given) == 1 and all(len(item) == 1 for item in wanted)
    return set(flat) == {item[0] for item in wanted} if singles else set(map(_key, given)) == set(map(_key, wanted))


@lru_cache(maxsize=4096)
def _key(item: tuple[str, ...]) -> object:
    """An item; in its order where that matters: with both sides, with what it lacks, in Chinese."""
    words = set(item)
    ordered = {"left", "right"} <= words or rule("{negated}").search(read_text(" ".join(item)).codes)
    return tuple(dict.fromkeys(item)) if ordered or re.search(f"[{HAN}]", "".join(item)) else frozenset(words)


def _with_nouns(items: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """The items, each side with its noun: "left and right lung" is the left lung and the right lung."""
    found: list[tuple[str, ...]] = []
    noun: tuple[str, ...] = ()
    for item in reversed(list(items)):
        bare = tuple(word for word in item if word not in _SIDES)
        found.append(tuple(item) if bare else (*item, *noun))
        noun = bare or noun
    return found[::-1]
