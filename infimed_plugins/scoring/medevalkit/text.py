r"""Take an answer out of a reply as MedEvalKit does, fault for fault (utils/utils.py:157, :255; mathruler 0.1.0).

>>> boxed(r"so \boxed{\text{B}}")
'\\text{B}'
>>> tag("<answer>B</answer>", "answer")
'B'
>>> parse("**Answer:** B. Left atrium")
' b. left atrium'
"""

from __future__ import annotations

import re

JUDGED_CORRECT = "0"
NO_BOX = "None"  # the string: a reply \boxed{None} reads as one without a box

_BOX = r"\boxed{"
_BRACE = re.compile(r"[{}]")
# in this order, each looked for in what the ones before have left
_LEADS = (
    "**answer**:",
    "**answer**",
    "*answer*:",
    "**answer:**",
    "answer is",
    "answer:",
    "final answer",
    "final answer is",
)
_BEFORE_CHINESE, _CHINESE = 6, "答案:"


def boxed(text: str) -> str:
    r"""Return the content of the last ``\boxed{`` up to its closing brace, stripped; "None" without a box."""
    start = text.rfind(_BOX)
    if start < 0:
        return NO_BOX
    start += len(_BOX)
    end = text.find("}", start)
    if end < 0:
        return NO_BOX
    if text.find("{", start, end) < 0:
        return text[start:end].strip()
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth < 0:
            return text[start : brace.start()].strip()
    return NO_BOX


def tag(text: str | None, name: str, hard: bool = True) -> str:
    """Return the text between all ``<name>`` and ``</name>``, joined by blanks and stripped.

    Without such a tag, or with an empty one: the text itself, "" if not ``hard``. None gives "".
    """
    if not text:
        return ""
    opening, closing = f"<{name}>", f"</{name}>"
    found = []
    start = text.find(opening)
    while start >= 0:
        start += len(opening)
        end = text.find(closing, start)
        if end < 0:
            break
        found.append(text[start:end])
        start = text.find(opening, end + len(closing))
    return " ".join(found).strip() or (text if hard else "")


def parse(text: str) -> str:
    """Lower-case the reply, then take the content of its box or tags, then the text behind the last "answer
    is" and its like.

    The word "boxed" anywhere is taken for a box, so that a reply which only speaks of a boxed area becomes "None".
    """
    return parse_lowered(text.lower())


def parse_lowered(text: str) -> str:
    """Do as ``parse`` for a text that is in lower case."""
    if "boxed" in text:
        text = boxed(text)
    elif "<answer>" in text:
        text = tag(text, "answer")
    if "answer" in text:
        for lead in _LEADS[:_BEFORE_CHINESE]:
            if lead in text:
                text = text.split(lead)[-1]
    if not text.isascii() and _CHINESE in text:
        text = text.split(_CHINESE)[-1]
    if "final answer" in text:
        for lead in _LEADS[_BEFORE_CHINESE:]:
            if lead in text:
                text = text.split(lead)[-1]
    return text


def unboxed(reply: str) -> str:
    """Return the text that the VQA sets score: the box, else the tags, else the reply (utils/VQA_RAD/VQA_RAD.py:90)."""
    if "\\" in reply:
        content = boxed(reply)
        if content != NO_BOX:
            return content
    return tag(reply, "answer") if "<answer>" in reply else reply


def read_judge(output: str | None) -> tuple[str, bool]:
    """Read a judge's reply (utils/VQA_RAD/VQA_RAD.py:137), where 0 says correct: the verdict, and whether it is that.

    A failed call (None) is wrong.

    >>> read_judge("<think>The same.</think><judge>0</judge>")
    ('0', True)
    >>> read_judge("<judge>{0}</judge>")
    ('{0}', False)
    """
    verdict = tag(output, "judge")
    return verdict, verdict == JUDGED_CORRECT
