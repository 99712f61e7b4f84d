"""Read what trainers hand over, and score it: the one text of a reply, its reasoning put back, and the row's truth.

A reply is a string; a message; a conversation, whose last assistant turn counts; or a content of several parts.
Messages are dicts or objects. Reasoning that a server or a response template has cut out comes as
``reasoning_content`` (vLLM, SGLang; TRL 1.16 with transformers 5), ``reasoning`` (newer vLLM, OpenRouter) or
``thinking`` (gpt-oss's template), or as a part of the content. Importing this module refuses wrong settings in
INFIMED_REWARD_KWARGS: every adapter does, before a trainer's first step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from infimed_plugins.errors import ConfigError
from infimed_plugins.rewards import compute_score
from infimed_plugins.rewards.scorer import settings_of_environment
from infimed_plugins.rewards.settings import read_settings
from infimed_plugins.tables.cells import blank

REASONING = ("reasoning_content", "reasoning", "thinking")
TRUTH_COLUMNS = ("ground_truth", "answer", "solution")  # a solution may be worked
_END_TOKEN = re.compile(r"<[|｜][^<>\s]{1,40}>|<[^<>\s]{1,40}[|｜]>|</s>|<(?:eos|pad|end_of_turn|endoftext)>")

settings_of_environment()


def score_replies(
    said: Sequence[Any], truths: Sequence[Any], passed: Mapping[str, Any] | None = None
) -> list[dict[str, float]]:
    """Return compute_score's dict for each reply, with the environment's settings and those among ``passed``.

    Raises ConfigError for a setting that cannot be.
    """
    rows = [{"response": reply_text(one), "ground_truth": truth} for one, truth in zip(said, truths, strict=True)]
    settings = settings_of_environment()
    return compute_score(rows, **(settings | read_settings(passed) if passed else settings))


def truth_of(row: Any) -> Any:
    """Return the first of TRUTH_COLUMNS that a row, a dict or an object, has. Raises ConfigError where it has none."""
    truth = next((value for name in TRUTH_COLUMNS if not blank(value := _of(row, name))), None)
    if truth is None:
        raise ConfigError(f"the row has no ground truth; name its column one of {', '.join(TRUTH_COLUMNS)}")
    return truth


def reply_text(said: Any) -> str | None:
    """Return the text of a reply without end tokens; None for no assistant turn, or no content and no reasoning."""
    if isinstance(said, str):
        return _without_end_tokens(said)
    if not isinstance(said, (list, tuple)):
        message = said
    elif any(_of(part, "role") for part in said):
        message = next((turn for turn in reversed(said) if _of(turn, "role") == "assistant"), None)
    else:
        message = {"content": said}
    content = _of(message, "content")
    parts = content if isinstance(content, (list, tuple)) else [content]
    thoughts = next((text for key in REASONING if (text := _joined(_of(message, key)))), "")
    thoughts = thoughts or "".join(map(_thought, parts))
    text = "".join(_joined(part) for part in parts if not _thought(part))
    if thoughts.strip() and not _holds(text, thoughts):
        text = f"<think>{thoughts}</think>{text}"
    return _without_end_tokens(text) if text or content is not None else None


def _of(holder: Any, key: str) -> Any:
    return holder.get(key) if isinstance(holder, Mapping) else getattr(holder, key, None)


def _joined(part: Any) -> str:
    """Return the text of a string, of a part with a ``text``, or of a list of them; "" for anything else."""
    if isinstance(part, (list, tuple)):
        return "".join(map(_joined, part))
    text = part if isinstance(part, str) else _of(part, "text")
    return text if isinstance(text, str) else ""


def _thought(part: Any) -> str:
    """Return the reasoning that a part of a content holds, under its type's name or as its text."""
    kind = _of(part, "type")
    return _joined(_of(part, kind)) or _joined(part) if kind in REASONING else ""


def _holds(text: str, thoughts: str) -> bool:
    """True if the text's own block of reasoning is the same, so that it must not be put back twice."""
    block, end, _ = text.partition("</think>")
    return bool(end) and block.strip().removeprefix("<think>").strip() == thoughts.strip()


def _without_end_tokens(text: str) -> str:
    """Cut off the tokens that end a turn, which some trainers leave in: ``<|im_end|>``, ``</s>`` …"""
    while (end := text.rstrip()).endswith(">") and _END_TOKEN.fullmatch(end, end.rfind("<")):
        text = end[: end.rfind("<")]
    return text
