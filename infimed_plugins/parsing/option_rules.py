"""How sentences speak of options: the tables that options.py reads by, a row for each form.

A pattern is over codes (lexicon.py): ``{answer}`` any word that announces an answer, ``{opt}`` an option by letter or
text, ``{lettered}`` one by its letter (with its text or alone), ``~`` any words that are passed over. ``<`` and ``>``
stand around the option that is claimed. A row is tried where one of the classes in ``needs`` is there; of the claims,
the first row that matches decides.

The examples are replies to "Which tumor of the liver fills in from the rim on delayed phases?" (adenoma, lipoma,
hemangioma, metastasis), and the letter that they state; tests/parsing/test_option_rules.py takes each row away and
shows that one of its examples is then read otherwise.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Examples = tuple[tuple[str, str], ...]
Effect = Literal["replace", "announce", "hold", "say", "see", "name", "several", "reject", "maybe", "none"]
STRENGTH = {
    "replace": 5,
    "announce": 5,
    "hold": 4,
    "say": 3,
    "see": 2,
    "name": 1,
}  # what states an answer; the stronger statement counts


class Rewrite(NamedTuple):
    """What is taken out of a sentence before its claim is looked for."""

    id: str
    needs: str
    pattern: str
    kept: str
    examples: Examples


class Rule(NamedTuple):
    """What a clause that matches does to the option in it; ``whole``: only a sentence that says nothing more.

    ``maybe`` makes an answer that stands before it one of several, ``several`` too; ``reject`` takes it back.
    """

    id: str
    needs: str
    pattern: str
    effect: Effect
    examples: Examples
    whole: bool = False


class Form(NamedTuple):
    """A whole answer that earns a reward: nothing but this may stand there."""

    id: str
    pattern: str
    examples: Examples


_MORE = r"(?:[,{or|and|negated}]*~{option}?~\(?{opt}\)?)*"
REWRITES = (
    Rewrite("second thoughts", "retracts|negated", r"^(?:{retracts}[,.:-]*(?:{subject}{be})?|{negated},)+(?={any}*"
         r"{opt})", "",
            (("The answer is B. Actually, no, it is C.", "C"), ("B... no, C.", "C"))),
    Rewrite("C, but it is not", "contrast", r"^{any}*{opt}{any}*,?{contrast}~{subject}?{be|filler}*(?:{negated}"
         r"|{rejected}){correct|filler}*$", "",
            (("C seems right, but it is not.", ""),)),
    Rewrite("how sure", "possible", r",?\(?{possible|filler|be|word}*{number}{word|filler}{0,3}\)?$", "",
            (("I am confident that C is right, maybe 80 percent.", "C"),)),
    Rewrite("not B but C", "negated", r"{negated}~{be}?~{option}?~{opt}\)?[,.]?{contrast}(?!{negated}),?(?={any}*"
         r"{opt})", "",
            (("It is not B but C.", "C"), ("不是A而是C。", "C"))),
    Rewrite("C, not B", "than|negated|rejected", r"({opt}[^,.({opt}]{0,9}?\)?)[,(]?~(?:{than}|[,(]{and}?~{negated}"
         r"|{and}{negated})~{option}?~\(?{opt}\)?" + _MORE
         + r"|(?<={opt})-{opt}~{be}*(?:{rejected}|{negated}){any}*", r"\1",
            (("C rather than B.", "C"), ("The answer is C, not A.", "C"),
             ("The findings favor hemangioma over metastasis.", "C"))),
    Rewrite("although …, C", "concedes", r"(?:^|(?<=[,({so|contrast|and}])){concedes}(?![^,{possible}]*{be}~"
         r"{answer|correct})[^,]*,(?={any}*{opt})", "",
            (("Although B seems plausible, the answer is C.", "C"),)),
    Rewrite("C, although …", "concedes", r"({opt}{any}*?),?{concedes}(?!{any}*(?:{possible}{filler|and}*"
         r"{be|correct}|{be}~{answer|correct})){any}*", r"\1",
            (("The answer is C, although B is possible.", "C"),)),
    Rewrite("C because …", "because", r"({opt}{any}*?)[,(]?(?:{because}){any}*", r"\1",
            (("The answer is C because B shows no enhancement.", "C"),)),
)  # fmt: skip

_LEAD = r"(?:{be|subject|filler|asked|word|likely|correct|and|named|number|because|shows}|\((?:[^)]{0,20})\)){0,14}"
_IS = r"(?:~(?:{be}|[:-])){1,3}~(?:{subject|filler|likely|correct|option|so|retracts}|[,\n:]){0,4}"
NO_OPTION = (  # "so there is no correct answer", in a clause that names no option
    r"^(?:{so|contrast|filler|subject|be}|,)*(?:{all}|{negated}{filler}*(?:{correct}{filler}*{answer|option}|{option}"
    r"(?={filler|be}*{correct})))(?:{filler|option|correct|answer|be})*$"
)
RULES = (
    Rule("no option", "all|negated", NO_OPTION, "reject", (("It is C, so no option is correct.", ""),)),
    Rule("or is it", "", r"^.{0,6}{opt}.{0,3}\?$", "maybe", (("The answer is A. Or C?", ""),)),
    Rule("asks", "", r"\?$", "none",
         (("Is the answer perhaps in truth not A but C?", ""), ("Would one say that the answer here is C?", ""))),
    Rule("rejected", "negated|rejected", r"{opt}\)?,?~{option}?~(?:{be|correct|likely|subject|and|all|shows|filler}"
         r"|[,)(:-]){0,4}(?:{negated}|{rejected})", "reject",
         (("The answer is C. No, C is wrong.", ""), ("C can be ruled out.", ""))),
    Rule("is not", "negated|rejected", r"(?:{negated}|{rejected})(?:{be|filler|option|answer|likely|correct}|:)*"
         r"\(?{opt}", "reject",
         (("The answer is C. On closer look it is not C.", ""),)),
    Rule("denied", "negated|rejected", r"(?:{negated}|{rejected})(?:[^,.{contrast}]){0,9}?{opt}", "none",
         (("I do not think the answer is C.", ""), ("It would be wrong to choose C.", ""))),
    Rule("conceded", "concedes", r"{concedes}", "none", (("C, although B is the correct answer.", ""),)),
    Rule("possible", "possible", r"(?:{subject|answer|option|correct}~){1,2}(?:{be|possible}~)*{possible}"
         r"(?:{be|filler|option|possible}|[(:])*{opt}|{opt}\)?,?~{be}*{possible}|{possible}~(?:{answer|option|be}"
         r"|:)*"
         r"\(?{opt}", "maybe",
         (("The answer is A. It might be C.", ""), ("The answer is A, but C could be right.", ""))),
    Rule("considered", "possible", r"{possible}", "none", (("Possibly, the answer is C.", ""),)),
    Rule("more than one", "", r"(?:{answer|option}~{be}|:)~{option}?\(?{opt}[).:-]*,?{and}?[(-]*~{option}?~\(?{opt}",
         "several",
         (("The answer is A. The answer is A and C.", ""),)),
    Rule("in general", "others", r"{others}", "none",
         (("Many students pick C.", ""), ("C is common in this age group.", ""))),
    Rule("either", "or", r"{opt}\)?[,(]?(?:{or}|{and}{or})~{option}?~\(?{opt}", "maybe",
         (("The answer is B or C.", ""), ("The answer is A. B or C fits too.", ""))),
    Rule("several", "", r"{opt}[).:-]*,?{and}?[(-]*~{option}?~\(?{opt}", "none",
         (("The image shows adenoma and lipoma.", ""), ("A. Adenoma B. Lipoma C. Hemangioma", ""))),
    Rule("announced", "answer|option|correct|likely", r"(?:{answer}|{option}(?=~{subject|asked|word}{0,4}(?:{be}"
         r"|-))|{correct|likely}~{option|word|asked|answer}?)" + _LEAD + _IS + r"\(?{option}?:?\(?<{opt}>", "announce",
         (("The answer is C.", "C"), ("The most likely diagnosis here is hemangioma.", "C"), ("正确答案是C。", "C"))),
    Rule("announced at once", "answer", r"{answer}[:),(-]+~{option}?[:(]*<{opt}>"
         r"|{answer}~{option}?\(?<{opt}>", "announce",
         (("Answer C", "C"), ("故选C", "C"))),
    Rule("picked", "pick", r"{pick}(?:~{subject|be|option|so|asked}){0,3}(?:~{word|option}{1,2},)?~\(?<{opt}>"
         r"|{pick}{option}?:<{opt}>", "hold",
         (("I would choose C.", "C"), ("I'd go with option C.", "C"))),
    Rule("said to be right", "correct|answer|likely", r"<{opt}>\)?,?~{option}?[:(-]?~{subject}?~{word|asked}{0,3}"
         r"(?:~{be}){0,3}~(?:{answer|option|subject}~)*{correct|answer|likely}(?:(?=~(?:[.,(:)\n-]|$"
         r"|{answer|option|because|so|and|contrast|subject|correct|be|than}))|(?<!{be}{correct})(?=~{word|asked})"
         r"|(?={filler|likely}+{word|asked}))", "hold",
         (("Option C is correct.", "C"), ("C fits best.", "C"), ("因此C选项最符合题意。", "C"),
          ("C is right atrium.", ""))),
    Rule("what I would choose", "pick", r"<{opt}>\)?,?~{be}(?:~{be|subject|word|option}){0,6}~{pick}", "hold",
         (("C is what I would choose.", "C"),)),
    Rule("so", "so", r"{so}[,:]?~{subject|asked}?~{be}{0,2}~{option}?:?\(?<{opt}>\)?(?=[.,:]|$|{be}~{asked})", "hold",
         (("It enhances. So C.", "C"),)),
    Rule("a letter alone", "", r"^[-():,#]*(?:{filler|likely|correct},?)*{option}?[:(]*~<{lettered}>[-).:,]*"
         r"(?:{subject}~{pick})?$", "announce",
         (("C. Hemangioma\n\nThe answer is A.", ""),), True),
    Rule("alone", "", r"^[-():,#]*(?:{filler|likely|correct},?)*{option}?[:(]*~<{opt}>[-).:,]*~"
         r"{option}?(?:{subject}{be}+|,?{subject}~{pick}|{be|filler}*)$", "hold",
         (("Hemangioma.\n\nAn adenoma has no such rim.", "C"),), True),
    Rule("it is C", "be|correct", r"^,?(?:{so|filler|retracts|contrast|likely|subject|word|and|be},?){0,5}"
         r"(?:{be|correct}~){1,2}{option}?\(?<{lettered}>\)?[.,:]*(?:,?{subject}~{pick})?$", "say",
         (("This is C.", "C"), ("That's C.", "C"), ("It has to be C.", "C"))),
    Rule("corrected to", "retracts", r"{retracts}~<{opt}>\.?$", "replace", (("我先选了B，现在更正为C。", "C"),)),
    Rule("in brackets", "", r"\({option}?:?<{lettered}>\)[.,]*$", "say",
         (("It is a vascular tumour (C).", "C"),)),
    Rule("led", "", r"^[-(:#]*<{lettered}>(?:[-,(]|\)|:(?!{number}))", "say",
         (("C. Hemangioma: it fills in late.", "C"),)),
    Rule("unlike", "than", r"{than}~\(?{opt}", "none", (("Unlike a hemangioma, it throws a shadow.", ""),)),
    Rule("it is", "be|shows|present|correct|likely", r"{be|shows|present|correct|likely}"
         r"(?:{correct|shows|be|likely|option|asked|subject|word|filler}|[,(]){0,7}<{texted}>", "see",
         (("The lesion is most likely a hemangioma.", "C"), ("The image shows a hemangioma.", "C"),
          ("这是血管瘤的表现。", "C"))),
    Rule("is seen", "present", r"<{texted}>~{be}?~{present}", "see",
         (("A hemangioma is seen. An adenoma would not fill in.", "C"),)),
    Rule("completes the question", "", r"(?:{asked}(?:{filler|be|shows|likely|correct|subject|answer|number}|,)*)"
         r"{2,}~{option}?<{texted}>", "see",
         (("A tumor that fills in from the rim, hemangioma.", "C"), ("延迟期从边缘填充血管瘤。", "C"))),
    Rule("is what is asked", "", r"<{texted}>\)?,?~(?:{be|shows}~){0,2}(?:{asked}"
         r"{filler|correct|likely|be|number}*){2,}[^{word}]*$", "see",
         (("Hemangioma fills in from the rim on delayed phases. Adenoma, in contrast, washes out.", "C"),)),
    Rule("names it", "", r"(?<!{than})<{worded}>(?!{word}|~{or}|~{be}(?!~{asked}))", "name",
         (("Hemangioma, filled from the rim.", "C"),)),
)  # fmt: skip

_ANNOUNCED = (
    r"(?:{so},?)?{filler|correct|likely}*{answer|option}{filler|subject|correct|likely|option}*(?:{be}|[:\n])*"
    r"{filler|likely|option}*[(:]*"
)
_REASON = (
    r"[,.)]*(?:,?{because}{word|asked|filler|be|shows|subject|present|normal|abnormal|number|and|likely|named}+)?\.?"
)
FORMS = (
    Form("letters or texts", r"(?:[-(:,\n]|{filler|and|option|correct})*{opt}(?:[-().,:\n]|{filler|option}|{and}"
         r"(?=~{option}?[(]*~{opt})|{opt})*",
         (("**C**\n\nC. Hemangioma", "C"),)),
    Form("announced", r"(?:{word}{opt}(?:[,{and|filler}]*{opt})*,|{subject}?{be}?{negated}{be|filler}*{opt},)?"
         + _ANNOUNCED + "<{opt}>" + _REASON,
         (("The answer is C.", "C"), ("Final answer: C", "C"), ("答案是C", "C"), ("故选C", "C"),
          ("Not A, so the answer is C", "C"))),
    Form("picked", r"(?:{so},?)?{subject}?{be|filler}*{pick}{be|option|filler}*\(?<{opt}>" + _REASON,
         (("I would choose C.", "C"),)),
    Form("it is", r"(?:{so},?)?~(?:{subject}~){0,3}(?:{be|shows}~){1,2}{option}?\(?<{opt}>" + _REASON,
         (("It is C.", "C"), ("So it is a hemangioma.", "C"))),
    Form("is right", r"(?:{so},?)?{filler|option}*[(]?<{opt}>"
         r"\)?{filler|option}*{be}{0,2}{filler|likely}*{correct|answer}{filler}*{answer|option|correct}?" + _REASON,
         (("C is correct.", "C"), ("C is the answer.", "C"), ("C选项正确", "C"))),
    Form("with a reason", r"(?:{so},?)?~[(]?<{opt}>" + _REASON, (("C because it is bright.", "C"),)),
)  # fmt: skip
# where the options are not known, the text behind a letter can be any that says nothing of the letter
UNKNOWN_TEXT = Form("a letter and a text", "(?:" + _ANNOUNCED + r")?[(]?<{letter}>[-().:,\n]{1,3}"
                    r"{negated|all}?{word|filler|number|named|normal|abnormal|and|subject|shows|present|asked|-}*\)?\.?",
                    (("C. Xanthoma", "C"), ("The answer is C: no xanthoma", "C")))  # fmt: skip
