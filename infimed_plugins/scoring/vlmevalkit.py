"""The option VLMEvalKit reads from a reply by its rules alone, verdict for verdict, at three of its revisions.

Source: ``can_infer`` in vlmeval/utils/matching_util.py; without a judge a reply it cannot read becomes option Z
(``extract_answer_from_item`` in vlmeval/dataset/utils/multiple_choice.py), which is never right. The revisions differ:

    2025-05-24_0f27427e    one option letter anywhere in the reply; else the one option whose text occurs in it
    2025-09-23_cd98057b    the letter must be among the last four words; no text is looked for in a long reply
    HEAD_e8e78f05          and else the first "answer is B", for A to D

GMAI-MMBench and MMMU are scored by this rule in the earlier paper. MMMU's open questions are made choices of the answer
and "Other Answers" (``MMMU_preproc`` in vlmeval/dataset/utils/multiple_choice.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from infimed_plugins.records import OPTION_LETTERS

FIRST, LATE_LETTER, SPOKEN_LETTER = REVISIONS = ("2025-05-24_0f27427e", "2025-09-23_cd98057b", "HEAD_e8e78f05")
NO_OPTION = "Z"  # upstream's name for a refusal, or for a reply that it cannot read

_FAILED_CALL = "Failed to obtain answer via API"
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_TO_SPACES = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_SPOKEN = re.compile(r"answer\s+is\s+\**([ABCD])", re.IGNORECASE)


def infer(prediction: str, choices: Mapping[str, str], revision: str) -> str | None:
    """Return the option letter, ``Z`` for a refusal, or None when the rules find none.

    ``choices`` are the texts by capital letter, ``revision`` one of ``REVISIONS``.
    """
    reply = str(prediction)
    return _by_letter(reply, choices, revision) or _by_text(reply.lower(), choices, revision)


def open_as_choice(answer: str) -> tuple[str, dict[str, str]]:
    """Return MMMU's open question as a choice: the gold letter, which is the answer itself if that is one, and the
    options.

    So a gold "C" can never be right, and a short gold is found in many a reply.
    """
    gold = answer if len(answer) == 1 and answer in OPTION_LETTERS else "A"
    return gold, {"A": answer, "B": "Other Answers"}


def _by_letter(reply: str, choices: Mapping[str, str], revision: str) -> str | None:
    if _FAILED_CALL in reply:
        return None
    if any(refusal in reply for refusal in _REFUSALS):
        return NO_OPTION
    words = reply.translate(_TO_SPACES).split()
    present = [letter for letter in choices if letter in words]
    if len(present) == 1:
        late = words.index(present[0]) > len(words) - 5  # its first place counts, whatever follows
        if late or revision == FIRST:
            return present[0]
    elif not present and NO_OPTION in words:
        return NO_OPTION
    spoken = _SPOKEN.search(reply) if revision == SPOKEN_LETTER else None
    letter = spoken[1].upper() if spoken else None
    return letter if letter in choices else None


def _by_text(reply: str, choices: Mapping[str, str], revision: str) -> str | None:
    texts = {letter: str(text).lower() for letter, text in choices.items()}
    if revision != FIRST and len(reply) > 2 * sum(len(str(text)) for text in choices.values()):
        return None
    present = [letter for letter, text in texts.items() if text in reply]
    return present[0] if len(present) == 1 else None
