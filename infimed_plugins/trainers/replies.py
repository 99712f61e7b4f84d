"""Score what trainers hand over: the reply as parsing/replies.py reads it, against the row's truth.

Importing this module refuses wrong settings in INFIMED_REWARD_KWARGS: every adapter does, before a trainer's first
step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from infimed_plugins.errors import ConfigError
from infimed_plugins.parsing import replies
from infimed_plugins.parsing.replies import field_of
from infimed_plugins.rewards import compute_score
from infimed_plugins.rewards.scorer import settings_of_environment
from infimed_plugins.rewards.settings import read_settings
from infimed_plugins.tables.cells import blank

TRUTH_COLUMNS = ("ground_truth", "answer", "solution")  # a solution may be worked
_END_TOKEN = re.compile(r"<[|｜][^<>\s]{1,40}>|<[^<>\s]{1,40}[|｜]>|</s>|<(?:eos|pad|end_of_turn|endoftext)>")

settings_of_environment()


def score_replies(
    said: Sequence[Any], truths: Sequence[Any], passed: Mapping[str, Any] | None = None, tokens: Sequence[Any] = ()
) -> list[dict[str, float]]:
    """Return compute_score's dict for each reply, with the environment's settings and those among ``passed``.

    ``tokens`` are those of each reply, where the trainer hands them over. Raises ConfigError for a setting that cannot
    be.
    """
    rows = [{"response": reply_text(one), "ground_truth": truth} for one, truth in zip(said, truths, strict=True)]
    for row, ids in zip(rows, tokens, strict=False):
        row["response_length"] = len(ids)
    settings = settings_of_environment()
    return compute_score(rows, **(settings | read_settings(passed) if passed else settings))


def truth_of(row: Any) -> Any:
    """Return the first of TRUTH_COLUMNS that a row, a dict or an object, has. Raises ConfigError where it has none."""
    truth = next((value for name in TRUTH_COLUMNS if not blank(value := field_of(row, name))), None)
    if truth is None:
        raise ConfigError(f"the row has no ground truth; name its column one of {', '.join(TRUTH_COLUMNS)}")
    return truth


def reply_text(said: Any) -> str | None:
    """Return the text of a reply as parsing/replies.py reads it, without tokens that end a turn (``<|im_end|>`` …)."""
    text = replies.reply_text(said)
    while text and (end := text.rstrip()).endswith(">") and _END_TOKEN.fullmatch(end, end.rfind("<")):
        text = end[: end.rfind("<")]
    return text
