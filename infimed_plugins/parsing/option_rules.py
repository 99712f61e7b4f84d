"""A table of the forms in which sentences speak of options, and the claims that it finds in a reply.

"B is unlikely. So the answer is C."    reject B, announce C
"A. Cyst: too dark. B. Stone: fits."    a list: only what is said to be right or wrong counts

A pattern is over codes (lexicon.py): ``{answer}`` any word that announces an answer, ``{opt}`` an option by letter or
text, ``{lettered}`` one by its letter (with its text or alone), ``~`` any words that are passed over. ``<`` and ``>``
stand around the option that is claimed. The first row of RULES that matches a clause decides what it does to the option
in it: ``maybe`` makes an answer that stands before it one of several, ``several`` too; ``reject`` takes it back.

The examples are replies to "Which tumor of the liver fills in from the rim on delayed phases?" (adenoma, lipoma,
hemangioma, metastasis). They state C where the row states an answer or is a form, else nothing, or what stands beside
them; tests/parsing/test_option_rules.py takes each row away and shows that one of its examples is then read otherwise.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from infimed_plugins.bounded_cache import cached
from infimed_plugins.parsing.lexicon import CODE, Rule, rule
from infimed_plugins.parsing.option_marks import named

# forms that state an answer; the stronger statement counts
STRENGTH = {"replace": 5, "announce": 5, "hold": 4, "say": 3, "see": 2, "name": 1}

_MORE = r"(?:[,{or|and|negated}]*~{option}?~\(?{opt}\)?)*"
REWRITES = (  # parts taken out of a sentence before its claim is looked for
    Rule("second thoughts", r"^(?:{retracts}[,.:-]*(?:{subject}{be})?|{negated},)+(?={any}*{opt})", "",
         ("The answer is B. Actually, no, it is C.", "B... no, C.")),
    Rule("C, but it is not", r"^{any}*{opt}{any}*,?{contrast}~{subject}?{be|filler}*(?:{negated}|{rejected})"
         r"{correct|filler}*$", "", (("C seems right, but it is not.", ""),)),
    Rule("how sure", r"^(?={any}*{possible})({any}*?),?\(?{possible|filler|be|word}*{number}{word|filler}{0,3}\)?$",
         r"\1", ("I am confident that C is right, maybe 80 percent.",)),
    Rule("not B but C", r"{negated}~{be}?~{option}?~{opt}\)?[,.]?{contrast}(?!{negated}),?(?={any}*{opt})", "",
         ("It is not B but C.", "不是A而是C。")),
    Rule("C, not B", r"({opt}[^,.({opt}]{0,9}?\)?)[,(]?~(?:{than}|[,(]{and}?~{negated}|{and}{negated})~{option}?"
         r"~\(?{opt}\)?" + _MORE + r"|(?<={opt})-{opt}~{be}*(?:{rejected}|{negated}){any}*", r"\1", ("C rather than B.",
         "The answer is C, not A.", "The findings favor hemangioma over metastasis.")),
    Rule("although …, C", r"(?:^|(?<=[,({so|contrast|and}])){concedes}(?![^,{possible}]*{be}~{answer|correct})[^,]*,"
         r"(?={any}*{opt})", "", ("Although B seems plausible, the answer is C.",)),
    Rule("C, although …", r"({opt}{any}*?),?{concedes}(?!{any}*(?:{possible}{filler|and}*{be|correct}|{be}"
         r"~{answer|correct})){any}*", r"\1", ("The answer is C, although B is possible.",)),
    Rule("C because …", r"({opt}{any}*?)[,(]?(?:{because}){any}*", r"\1",
         ("The answer is C because B shows no enhancement.",)),
)  # fmt: skip

_PASSED = "be|subject|filler|asked|word|likely|correct|and|named|number|because|shows|retracts"
_LEAD = rf"(?:{{{_PASSED}}}|\((?:[^)]{{0,20}})\)){{0,14}}"
_IS = r"(?:~(?:{be}|[:-])){1,3}~(?:{subject|filler|likely|correct|option|so|retracts}|[,\n:]){0,4}"
NO_OPTION = (  # "so there is no correct answer", in a clause that names no option
    r"^(?:{so|contrast|filler|subject|be}|,)*(?:{all}|{negated}{filler}*(?:{correct}{filler}*{answer|option}|{option}"
    r"(?={filler|be}*{correct})))(?:{filler|option|correct|answer|be})*$"
)
RULES = (
    Rule("no option", NO_OPTION, "reject", ("It is C, so no option is correct.",)),
    Rule("or is it", r"^.{0,6}{opt}.{0,3}\?$", "maybe", ("The answer is A. Or C?",)),
    Rule("asks", r"\?$", "none", ("Is the answer perhaps in truth not A but C?",
         "Would one say that the answer here is C?")),
    Rule("rejected", r"{opt}\)?,?~{option}?~(?:{be|correct|likely|subject|and|all|shows|filler}|[,)(:-]){0,4}"
         r"(?:{negated}|{rejected})", "reject", ("The answer is C. No, C is wrong.", "C can be ruled out.")),
    Rule("is not", r"(?:{negated}|{rejected})(?:{be|filler|option|answer|likely|correct}|:)*\(?{opt}", "reject",
         ("The answer is C. On closer look it is not C.",)),
    Rule("denied", r"(?:{negated}|{rejected})(?:[^,.{contrast}]){0,9}?{opt}", "none",
         ("I do not think the answer is C.", "It would be wrong to choose C.")),
    Rule("conceded", r"{concedes}", "none", ("C, although B is the correct answer.",)),
    Rule("possible", r"(?:{subject|answer|option|correct}~){1,2}(?:{be|possible}~)*{possible}"
         r"(?:{be|filler|option|possible}|[(:])*{opt}|{opt}\)?,?~{be}*{possible}|{possible}~(?:{answer|option|be}|:)*"
         r"\(?{opt}", "maybe", ("The answer is A. It might be C.", "The answer is A, but C could be right.")),
    Rule("considered", r"{possible}", "none", ("Possibly, the answer is C.",)),
    Rule("more than one", r"(?:{answer|option}~{be}|:)~{option}?\(?{opt}[).:-]*,?{and}?[(-]*~{option}?~\(?{opt}",
         "several", ("The answer is A. The answer is A and C.",)),
    Rule("in general", r"{others}", "none", ("Many students pick C.", "C is common in this age group.")),
    Rule("either", r"{opt}\)?[,(]?(?:{or}|{and}{or})~{option}?~\(?{opt}", "maybe", ("The answer is B or C.",
         "The answer is A. B or C fits too.")),
    Rule("several", r"{opt}[).:-]*,?{and}?[(-]*~{option}?~\(?{opt}|{worded}{filler}+{word}?{worded}", "none",
         ("The image shows adenoma and lipoma.", "The image shows an adenoma with an atypical lipoma.",
         "A. Adenoma B. Lipoma C. Hemangioma")),
    Rule("announced", r"(?:{answer}|{option}(?=~{subject|asked|word}{0,4}(?:{be}|-))|{correct|likely}"
         r"~{option|word|asked|answer}?)" + _LEAD + _IS + r"\(?{option}?:?\(?<{opt}>", "announce", ("The answer is C.",
         "The most likely diagnosis here is hemangioma.", "正确答案是C。")),
    Rule("announced at once", r"{answer}[:),(-]+~{option}?[:(]*<{opt}>|{answer}~{option}?\(?<{opt}>", "announce",
         ("Answer C", "故选C")),
    Rule("picked", r"{pick}(?:~{subject|be|option|so|asked}){0,3}(?:~{word|option}{1,2},)?~\(?<{opt}>|{pick}{option}?:"
         r"<{opt}>", "hold", ("I would choose C.", "I'd go with option C.")),
    Rule("said to be right", r"<{opt}>\)?,?~{option}?[:(-]?~{subject}?~{word|asked}{0,3}(?:~{be}){0,3}"
         r"~(?:{answer|option|subject}~)*{correct|answer|likely}(?:(?=~(?:[.,(:)\n-]|$|"
         r"{answer|option|because|so|and|contrast|subject|correct|be|than}))|(?<!{be}{correct})(?=~{word|asked})|"
         r"(?={filler|likely}+{word|asked}))", "hold", ("Option C is correct.", "C fits best.", "因此C选项最符合题意。",
         ("C is right atrium.", ""))),
    Rule("what I would choose", r"<{opt}>\)?,?~{be}(?:(?:~{be|word|option}){0,5}~{subject}~{be}*)?~{pick}(?=[.,:)]|$)",
         "hold", ("C is what I would choose.",)),
    Rule("so", r"{so}[,:]?~{subject|asked}?~{be}{0,2}~{option}?:?\(?<{opt}>\)?(?=[.,:]|$|{be}~{asked})", "hold",
         ("It enhances. So C.",)),
    Rule("a letter alone", r"^[-():,#]*(?:{filler|likely|correct},?)*{option}?[:(]*~<{lettered}>[-).:,]*(?:{subject}"
         r"~{pick})?$", "announce", (("C. Hemangioma\n\nThe answer is A.", ""),), True),
    Rule("alone", r"^[-():,#]*(?:{filler|likely|correct},?)*{option}?[:(]*~<{opt}>[-).:,]*~{option}?(?:{subject}{be}+|"
         r",?{subject}~{pick}|{be|filler}*)$", "hold", ("Hemangioma.\n\nAn adenoma has no such rim.",), True),
    Rule("it is C", r"^,?(?:{so|filler|retracts|contrast|likely|subject|word|and|be},?){0,5}(?:{be|correct}~){1,2}"
         r"{option}?\(?<{lettered}>\)?[.,:]*(?:,?{subject}~{pick})?$", "say", ("This is C.", "That's C.",
         "It has to be C.")),
    Rule("corrected to", r"{retracts}~<{opt}>\.?$", "replace", ("我先选了B，现在更正为C。",)),
    Rule("in brackets", r"\({option}?:?<{lettered}>\)[.,]*$", "say", ("It is a vascular tumour (C).",)),
    Rule("led", r"^[-(:#]*<{lettered}>(?:[-,(]|\)|:(?!{number}))", "say", ("C. Hemangioma: it fills in late.",)),
    Rule("unlike", r"{than}~\(?{opt}", "none", ("Unlike a hemangioma, it throws a shadow.",)),
    Rule("it is", r"{be|shows|present|correct|likely}(?:{correct|shows|be|likely|option|asked|subject|word|filler}|"
         r"[,(]){0,7}<{texted}>", "see", ("The lesion is most likely a hemangioma.", "The image shows a hemangioma.",
         "这是血管瘤的表现。")),
    Rule("is seen", r"<{texted}>~{be}?~{present}", "see", ("A hemangioma is seen. An adenoma would not fill in.",)),
    Rule("completes the question", r"(?:{asked}(?:{filler|be|shows|likely|correct|subject|answer|number}|,)*){2,}"
         r"~{option}?<{texted}>", "see",
         ("A tumor that fills in from the rim, hemangioma.", "延迟期从边缘填充血管瘤。")),
    Rule("is what is asked", r"<{texted}>\)?,?~(?:{be|shows}~){0,2}(?:{asked}{filler|correct|likely|be|number}*){2,}"
         r"[^{word}]*$", "see",
         ("Hemangioma fills in from the rim on delayed phases. Adenoma, in contrast, washes out.",)),
    Rule("names it", r"(?<!{than})<{worded}>(?!{word}|~{or}|~{be}(?!~{asked}))", "name",
         ("Hemangioma, filled from the rim.",)),
)  # fmt: skip

_ANNOUNCED = (
    r"(?:{so},?)?{filler|correct|likely}*{answer|option}{filler|subject|correct|likely|option}*(?:{be}|[:\n])*"
    r"{filler|likely|option}*[(:]*"
)
_REASON = (
    r"[,.)]*(?:,?{because}{word|asked|filler|be|shows|subject|present|normal|abnormal|number|and|likely|named}+)?\.?"
)
FORMS = (  # whole answers that earn a reward: nothing but this may stand there
    Rule("letters or texts", r"(?:[-(:,\n]|{filler|and|option|correct})*{opt}(?:[-().,:\n]|{filler|option}|{and}"
         r"(?=~{option}?[(]*~{opt})|{opt})*", "", ("**C**\n\nC. Hemangioma",)),
    Rule("announced", r"(?:{word}{opt}(?:[,{and|filler}]*{opt})*,|{subject}?{be}?{negated}{be|filler}*{opt},)?" +
         _ANNOUNCED + "<{opt}>" + _REASON, "", ("The answer is C.", "Final answer: C", "答案是C", "故选C",
         "Not A, so the answer is C")),
    Rule("picked", r"(?:{so},?)?{subject}?{be|filler}*{pick}{be|option|filler}*\(?<{opt}>" + _REASON, "",
         ("I would choose C.",)),
    Rule("it is", r"(?:{so},?)?~(?:{subject}~){0,3}(?:{be|shows}~){1,2}{option}?\(?<{opt}>" + _REASON, "", ("It is C.",
         "So it is a hemangioma.")),
    Rule("is right", r"(?:{so},?)?{filler|option}*[(]?<{opt}>\)?{filler|option}*{be}{0,2}{filler|likely}*"
         r"{correct|answer}{filler}*{answer|option|correct}?" + _REASON, "", ("C is correct.", "C is the answer.",
         "C选项正确")),
    Rule("with a reason", r"(?:{so},?)?~[(]?<{opt}>" + _REASON, "", ("C because it is bright.",)),
)  # fmt: skip
# without known options, the text behind a letter can be any that says nothing of the letter
UNKNOWN_TEXT = Rule("a letter and a text", "(?:" + _ANNOUNCED + r")?[(]?<{letter}>[-().:,\n]{1,3}{negated|all}?"
                    r"{word|filler|number|named|normal|abnormal|and|subject|shows|present|asked|-}*\)?\.?", "",
                    ("C. Xanthoma", "The answer is C: no xanthoma"))  # fmt: skip

_LONGEST = 400  # codes of a sentence that are looked at
_MAX_CLAIMS = 400
_SENTENCE = re.compile(r"[^.?\n]+[.?\n]*")
_ITEM = (
    r"^[-(#.]*~{option}~:?{lettered}[,:]|^[-(#.]*(?:{both}|{lettered}[-).:,(])|^[-#.]+\(?{lettered}|"
    r"^[-(#.]+[:(]?{texted}(?:[:,(-]|$)|"
    r"^[-(#.]*{lettered}$|^[-(#.]*{opt}[-).:,]*\n*$"
)
_REVIEWED = r"^[-(#.]*~{option}({lettered})|^({lettered}){option}|^\(({lettered})\)[^\n.?]"
_CLAUSES = (
    r",(?={so|subject|contrast|and|pick|be}|{answer}{opt}|(?<!{opt},{opt},){opt}~{be}|[^,]{0,4}{retracts})(?!{subject}~{pick}$|{and}\(?{opt}\)?$)|"
    r"(?={contrast})(?<!,)|(?<=.)(?={so})|(?<={rejected}),|-(?={opt}.*{rejected|negated})"
)
_TAKEN_BACK = (  # by a sentence that names no option
    r"^(?:{retracts},?)+$|^~(?:(?:{retracts}|{negated},),?)+(?:{subject|contrast|word|be|filler}~){0,4}{negated|rejected|all}|"
    r"^{contrast|so|filler|,}*{subject}~{be}*{negated}~{correct}|{retracts}~{subject}?{answer}|"
    r"^{so|contrast|filler|,}*{rejected}{filler|option|correct|be}*$|" + NO_OPTION
)
_NOT_IN_LISTS = frozenset(["alone", "a letter alone", "led", "in brackets", "it is", "is seen", "it is C"])
_NOT_IN_LISTS |= {"is what is asked", "announced at once"}


class Claim(NamedTuple):
    """The effect of a rule on options that a clause names; ``again`` behind words that take something back."""

    effect: str
    letters: str
    rule: str
    again: bool


def claims_of(codes: str) -> list[Claim]:
    """Return the claims of the sentences, in order."""
    found: list[Claim] = []
    if not rule("{opt}").search(codes):
        return found
    again = False
    sentences = _SENTENCE.findall(codes)
    listed = _list_items(sentences)
    option, retracts = rule("{opt}"), CODE["retracts"]
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
    """Return the sentences that begin an item of a list of options with a remark, and so claim nothing alone."""
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
    """Match each clause of a sentence with an option: return its rule, and the letters it claims."""
    if CODE["hypothetical"] in sentence:
        return []
    head, contrast, tail = sentence.partition(CODE["contrast"])
    if contrast and CODE["possible"] in head:
        sentence = tail
    for rewrite in REWRITES:
        sentence = rule(rewrite.pattern).sub(rewrite.effect, sentence)
    found = []
    for clause in rule(_CLAUSES).split(sentence):
        options = rule("{opt}").findall(clause)
        for row in RULES:
            if (not row.whole or clause == sentence) and (match := row.search(clause)):
                claimed = next(filter(None, match.groups()), "")
                found.append((row, named(claimed) if claimed else "".join(map(named, options))))
                break
    return found
