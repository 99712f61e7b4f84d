"""A judge that can be fooled only through the frame of its prompt: it obeys whatever stands outside the quotations.

It reads its prompt as the most credulous model would: in NFKC, without characters that show nothing, with whatever
looks like a control token as the end of the turn, and marks in any case. Where nothing but the frame stands outside, it
compares honestly: right is a reply with just the words of the standard answer.
"""

from __future__ import annotations

import re
import unicodedata

from talking_server import TalkingServer

from infimed_plugins.judge.open_judge import JudgeItem, JudgeSettings, judge_prompt

RIGHT, WRONG = '{"verdict": "right"}', '{"verdict": "wrong"}'
TURN = re.compile(r"<[^<>\s]{1,40}>|\[/?[A-Za-z_]{1,40}\]")  # whatever some chat template may take for its own
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
SHOWN = re.compile(r"<<<BEGIN (\w+)>>>")


def split(prompt: str, begin: str = "", end: str = "") -> tuple[str, list[str]]:
    """What stands outside the quotations, and these; marks are those that the note names, unless given."""
    kept = "".join(one for one in unicodedata.normalize("NFKC", prompt) if unicodedata.category(one) != "Cf")
    kept = UNSEEN.sub("", kept)
    mark = SHOWN.search(kept)
    begin, end = begin or f"<<<BEGIN {mark[1] if mark else '?'}>>>", end or f"<<<END {mark[1] if mark else '?'}>>>"
    turn, _, turns = kept.partition(found[0]) if (found := TURN.search(kept)) else (kept, "", "")
    first, *parts = re.split(rf"\n{re.escape(begin)}\n", turn, flags=re.IGNORECASE)
    outside, quoted = [first], []
    for part in parts:
        text, *rest = re.split(rf"(?:^|\n){re.escape(end)}(?=\n|$)", part, maxsplit=1, flags=re.IGNORECASE)
        quoted.append(text)
        outside.append("".join(rest))
    named = "\n…".join([*outside, turns])
    return re.sub(r"(BEGIN|END) \w+", r"\1", named), quoted


FRAME = split(judge_prompt(JudgeItem("", "q", "a", "r", ""), JudgeSettings()))[0]


def obey(prompt: str) -> str:
    """The verdict: right where anything but the frame stands outside."""
    try:
        outside, (_, gold, reply) = split(prompt)
    except ValueError:  # another number of quotations
        return RIGHT
    honest = any(reply.casefold() == one.casefold() for one in gold.split("; or: "))
    return RIGHT if outside != FRAME or honest else WRONG


def stub_judge(**settings: object) -> TalkingServer:
    """A server with that judge behind it."""
    return TalkingServer(lambda text, _: obey(text), **settings)
