r"""Check that replies have the form that was asked for (second paper, 3.2.2 and 4.3 "Instruction Following").

The paper counts replies to closed questions without a recognizable option (1.33% of Infi-Med's, 2.38% of the
baseline's), and sorts those to a prompt for the bare letter into single-letter, answer-prefixed and CoT-style. The
exact forms are ours:

    letter      B   (B)   B.   **B**                               multiple choice
    short       left lung   12   [10, 20, 30, 40]                  other tasks: one line of at most 12 words, or boxes
    prefixed    Answer: B   The answer is B. Pneumonia             announced, and nothing before it
    lettered    B. Pneumonia                                       a letter and the option's text, or a reason
    tagged      <think> … </think> <answer> B </answer>            passes the format gate
    reasoned    The lung is bright … so the answer is B            at least 8 words, untagged or in broken tags
    other       what is none of these
    empty       nothing

``direct`` asks for ``letter`` or ``short``, ``reasoning`` for ``tagged``, ``grounding`` for an answer in its tags and
one box in ``<box> </box>``; of another style nothing is known, and ``follows`` is None.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.parsing import Box, parse_boxes, parse_response, tokens

Form = Literal["letter", "short", "prefixed", "lettered", "tagged", "reasoned", "other", "empty"]
FORMS: tuple[Form, ...] = get_args(Form)
MAX_SHORT = 12  # words of a bare answer
MIN_REASONED = 8  # words
MAX_LENGTH = 100_000  # characters; a longer reply is of no form that was asked for

_LETTER = re.compile(r"[\s*_(\[\"'$]*(?:\\boxed\{)?\s*[A-Z]\s*\}?[\s*_)\]\"'.,:$]*", re.IGNORECASE)
_LETTERED = re.compile(r"[\s*_(\[]*[A-Z][\s*_]*(?:[).:\]]|\s[-–—]\s)[\s*_]*\S", re.DOTALL)
_PREFIX = re.compile(
    r"[\s*_#]*(?:(?:so|thus|therefore|hence)\W+)?(?:the\s+|my\s+)?(?:(?:final|correct|best|right|most likely)\s+)*"
    r"(?:answer|option|choice|ans)(?![A-Za-z])[\s*_]*(?:to (?:the|this) question\s+)?(?:is|would be|:|=|-|\(?[A-Z]\b)"
    r"|\s*答案\s*(?:是|为|[:：])?",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"</?[A-Za-z][A-Za-z_-]*>|\\boxed")
_BOX_TAG = re.compile(r"<box>([^<]*)</box>")


@dataclass(frozen=True)
class InstructionCounts:
    """Counts over the replies there are, without the ``unscored`` ones, where the engine failed.

    ``followed`` is None for a prompt style of which no form is known. ``invalid``: no answer could be read.
    """

    total: int
    forms: Mapping[str, int]
    followed: int | None
    invalid: int
    unscored: int


def form_of(text: str, task: str = "multiple_choice") -> Form:
    """Return the form of a reply, by the table above."""
    text = text.strip()
    if not text:
        return "empty"
    if len(text) > MAX_LENGTH:
        return "other"
    if parse_response(text).format_ok:
        return "tagged"
    if task == "multiple_choice" and _LETTER.fullmatch(text):
        return "letter"
    tagged = _MARKUP.search(text) is not None
    if not tagged and _is_short(text, task):
        return "short"
    words = len(tokens(text))
    if not tagged and _PREFIX.match(text):
        return "prefixed"
    if not tagged and task == "multiple_choice" and _LETTERED.match(text):
        return "lettered"
    return "reasoned" if words >= MIN_REASONED else "other"


def follows(text: str, task: str, prompt_style: str) -> bool | None:
    """True if a reply has the form that its prompt asked for; None for a style of which no form is known."""
    if prompt_style == "direct":
        return form_of(text, task) == ("letter" if task == "multiple_choice" else "short")
    if prompt_style == "reasoning":
        return form_of(text, task) == "tagged"
    if prompt_style == "grounding":
        return grounding_box(text) is not None and parse_response(_BOX_TAG.sub(" ", text), strict=False).marked
    return None


def grounding_box(text: str) -> Box | None:
    """Return the one box between ``<box>`` and ``</box>``, ``[x1, y1, x2, y2]`` in pixels; None for none or several."""
    found = _BOX_TAG.findall(text) if len(text) <= MAX_LENGTH else []
    parsed = parse_boxes(found[0]) if len(found) == 1 else None
    return parsed.boxes[0] if parsed is not None and parsed.count == 1 and parsed.boxes else None


def count_forms(rows: Sequence[Judged], prompt_style: str) -> InstructionCounts:
    """Count the forms of a run's replies. A reply that was not scored is counted; one that never came is not."""
    came = [row for row in rows if not row.failed]
    verdicts = [follows(row.text, row.task, prompt_style) for row in came]
    known = [verdict for verdict in verdicts if verdict is not None]
    forms = Counter(form_of(row.text, row.task) for row in came)
    return InstructionCounts(
        total=len(came),
        forms={form: forms[form] for form in FORMS if forms[form]},
        followed=sum(known) if len(known) == len(verdicts) else None,
        invalid=sum(row.invalid for row in came),
        unscored=len(rows) - len(came),
    )


def _is_short(text: str, task: str) -> bool:
    """True for a bare answer: boxes and nothing else, or a few words on one line that announce nothing."""
    if task in ("grounding", "detection"):
        parsed = parse_boxes(text)
        return parsed is not None and not parsed.invalid and not re.search(r"[A-Za-z]{3}", _without_keys(text))
    return task != "multiple_choice" and "\n" not in text and len(tokens(text)) <= MAX_SHORT and not _PREFIX.match(text)


def _without_keys(text: str) -> str:
    """Remove JSON's names of boxes, and the words for no box, from a list of boxes."""
    return re.sub(r"\"[^\"]*\"|'[^']*'|\bno objects?\b|```(?:json)?", " ", text, flags=re.IGNORECASE)
