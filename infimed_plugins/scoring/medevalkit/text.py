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
    "答案:",
    "final answer",
    "final answer is",
)


def boxed(text: str) -> str:
    r"""Return the content of the last ``\boxed{`` up to its closing brace, stripped; "None" without a box."""
    start = text.rfind(_BOX)
    if start < 0:
        return NO_BOX
    start += len(_BOX)
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
    found = [part.partition(opening)[2] for part in text.split(closing)[:-1] if opening in part]
    return " ".join(found).strip() or (text if hard else "")


def parse(text: str) -> str:
    """Lower-case the reply, then take the content of its box or tags, then the text behind the last "answer
    is" and its like.

    The word "boxed" anywhere is taken for a box, so that a reply which only speaks of a boxed area becomes "None".
    """
    text = text.lower()
    text = boxed(text) if "boxed" in text else tag(text, "answer")
    for lead in _LEADS:
        text = text.rpartition(lead)[2]
    return text


def unboxed(reply: str) -> str:
    """Return the text that the VQA sets score: the box, else the tags, else the reply (utils/VQA_RAD/VQA_RAD.py:90)."""
    content = boxed(reply)
    return tag(reply, "answer") if content == NO_BOX else content


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
