"""Read what a trainer hands over as a completion: the one text of the reply, its reasoning put back in ``<think>``.

A string; a message; a conversation, whose last assistant turn counts; a message's content as a list of parts. Messages
are dicts or objects. Reasoning that a server or a response template has cut out comes as ``reasoning_content`` (vLLM,
SGLang; TRL 1.16 with transformers 5), ``reasoning`` (newer vLLM, OpenRouter) or ``thinking`` (gpt-oss's template), or
as a part of the content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REASONING = ("reasoning_content", "reasoning", "thinking")


def reply_text(said: Any) -> str | None:
    """Return the text of a reply, None where there is none: no assistant turn, no content and no reasoning."""
    if said is None or isinstance(said, str):
        return said
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
    text = None if content is None else "".join(_joined(part) for part in parts if not _thought(part))
    if not thoughts.strip() or _holds(text or "", thoughts):
        return text
    return f"<think>{thoughts}</think>{text or ''}"


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
