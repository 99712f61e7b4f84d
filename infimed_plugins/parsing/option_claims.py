"""What each sentence of a reply claims of the options, by the rules of option_rules.py, lists of options set aside.

"B is unlikely. So the answer is C."    reject B, announce C
"A. Cyst: too dark. B. Stone: fits."    a list: only what is said to be right or wrong counts
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import NamedTuple, TypeVar

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.lexicon import lexicon, rule
from infimed_plugins.parsing.option_marks import named
from infimed_plugins.parsing.option_rules import NO_OPTION, REWRITES, RULES, STRENGTH, Form, Rewrite, Rule

_LONGEST = 400  # codes of a sentence that are looked at
_MAX_CLAIMS = 400
_Row = TypeVar("_Row", Rule, Rewrite)


class Claim(NamedTuple):
    """What a clause does (the effect of its rule) to which options; ``again`` behind words that take something back."""

    effect: str
    letters: str
    rule: str
    again: bool


_SENTENCE = re.compile(r"[^.?\n]+[.?\n]*")
_ITEM = (
    r"^[-(#.]*~{option}~:?{lettered}[,:]|^[-(#.]*(?:{both}|{lettered}[-).:,(])|^[-#.]+\(?{lettered}|"
    r"^[-(#.]+[:(]?{texted}(?:[:,(-]|$)|"
    r"^[-(#.]*{lettered}$|^[-(#.]*{opt}[-).:,]*\n*$"
)
_REVIEWED = r"^[-(#.]*~{option}({lettered})|^({lettered}){option}|^\(({lettered})\)[^\n.?]"
_CLAUSES = (
    r",(?={so|subject|contrast|and|pick|be}|{answer}{opt}|{opt}~{be}|[^,]{0,4}{retracts})(?!{subject}~{pick}$)|"
    r"(?={contrast})(?<!,)|(?<=.)(?={so})|(?<={rejected}),|-(?={opt}.*{rejected|negated})"
)
_TAKEN_BACK = (  # by a sentence that names no option
    r"^~(?:(?:{retracts}|{negated},),?)+(?:{subject|contrast|word|be|filler}~){0,4}{negated|rejected|all}|"
    r"^{contrast|so|filler|,}*{subject}~{be}*{negated}~{correct}|{retracts}~{subject}?{answer}|"
    r"^{so|contrast|filler|,}*{rejected}{filler|option|correct|be}*$|" + NO_OPTION
)
_NOT_IN_LISTS = frozenset(["alone", "a letter alone", "led", "in brackets", "it is", "is seen", "it is C"])
_NOT_IN_LISTS |= {"is what is asked", "announced at once"}


def claims_of(codes: str) -> list[Claim]:
    """What the sentences claim, in order."""
    found: list[Claim] = []
    if not rule("{opt}").search(codes):
        return found
    again = False
    sentences = _SENTENCE.findall(codes)
    listed = _list_items(sentences)
    option, retracts = rule("{opt}"), lexicon().code_of["retracts"]
    for index, ended in enumerate(sentences):
        sentence = ended.rstrip("\n.")[:_LONGEST]
        again = again or retracts in sentence or rule("^{negated},").match(sentence) is not None
        if not option.search(sentence):
            if rule(_TAKEN_BACK).search(sentence):
                found.append(Claim("reject", "", "taken back", True))
            continue
        for row, letters in _of_sentence(sentence):
            if index in listed and (row.id in _NOT_IN_LISTS or row.effect in ("maybe", "several")):
                continue
            found.append(Claim(row.effect, letters, row.id, again))
            again = again and row.effect not in STRENGTH
        if len(found) > _MAX_CLAIMS:
            break
    return found


def _is_bare(sentence: str) -> bool:
    return rule(r"^[-(#.]*{opt}[-).:,]*\n*$").match(sentence) is not None


def _list_items(sentences: list[str]) -> set[int]:
    """The sentences that begin an item of a list of options, each with its remark, and so claim nothing alone."""
    items: list[tuple[int, str]] = []
    reviewed: list[tuple[int, str]] = []
    starts_line = True
    for index, sentence in enumerate(sentences):
        if starts_line and (item := rule(_ITEM).match(sentence)):
            items.append((index, named(rule("{opt}").findall(item[0])[0])))
        if review := rule(_REVIEWED).match(sentence):
            reviewed.append((index, next(filter(None, review.groups()))))
        starts_line = sentence.endswith("\n")
    if items and not items[0][0] and _is_bare(sentences[0]) and not all(_is_bare(sentences[at]) for at, _ in items):
        del items[0]  # the answer, before a list
    listed = {at for at, _ in items} if len({letter for _, letter in items}) > 2 else set()
    for (index, letter), (later, following) in pairwise(items):
        bare = later == index + 1 and letter != following and _is_bare(sentences[index]) and _is_bare(sentences[later])
        if bare or (letter and following and ord(following) == ord(letter) + 1):
            listed |= {index, later}
    if len({option for _, option in reviewed}) > 1:
        listed.update(index for index, _ in reviewed)
    return listed


@cached(16384)
def _of_sentence(sentence: str) -> list[tuple[Rule, str]]:
    """The rule that each clause of a sentence with an option matches, and the letters it claims."""
    code_of = lexicon().code_of
    if code_of["hypothetical"] in sentence:
        return []
    head, contrast, tail = sentence.partition(code_of["contrast"])
    if contrast and code_of["possible"] in head:
        sentence = tail
    for rewrite in _that_may_match(REWRITES, _needed().intersection(sentence)):
        sentence = compiled(rewrite).sub(rewrite.kept, sentence)
    found = []
    for clause in rule(_CLAUSES).split(sentence):
        options = rule("{opt}").findall(clause)
        for row in _that_may_match(RULES, _needed().intersection(clause)):
            if row.whole and clause != sentence:
                continue
            match = compiled(row).search(clause)
            if match:
                claimed = next(filter(None, match.groups()), "")
                found.append((row, named(claimed) if claimed else "".join(map(named, options))))
                break
    return found


@cache
def _needed() -> frozenset[str]:
    """The codes that some row needs; a sentence is looked up by those of them that it has."""
    return frozenset().union(*(_needs(row.needs) for row in (*REWRITES, *RULES)))


@cached(8192)
def _that_may_match(rows: tuple[_Row, ...], present: frozenset[str]) -> list[_Row]:
    return [row for row in rows if not row.needs or not _needs(row.needs).isdisjoint(present)]


@cache
def _needs(names: str) -> frozenset[str]:
    return frozenset(lexicon().code_of[name] for name in names.split("|") if name)


@cached(256)
def compiled(row: Rule | Rewrite | Form) -> re.Pattern[str]:
    return rule(re.sub(r"<(\{[a-z]+\})>", r"(\1)", row.pattern))
