"""Read what a server or a trainer hands over as a reply: the one text, its reasoning put back in ``<think>``, once.

A string; a message; a conversation, whose last assistant turn counts; a message's content as a list of parts. Messages
are dicts or objects. Reasoning that a server or a response template has cut out comes as ``reasoning_content`` (vLLM,
SGLang; TRL 1.16 with transformers 5), ``reasoning`` (newer vLLM, OpenRouter) or ``thinking`` (gpt-oss's template), or
as a part of the content. Reasoning that a chat template has opened only ends in the reply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REASONING = ("reasoning_content", "reasoning", "thinking")
TAIL = 16  # tokens: the end of a prompt, in which a tag stands that the chat template opens
_OPENED = re.compile(r"<think>\s*$")


def reply_text(said: Any, *, lenient: bool = False) -> str | None:
    """Return the text of a reply, None where there is none: no assistant turn, no content and no reasoning.

    A text with other reasoning of its own then has two blocks, as the model wrote them; ``lenient`` keeps its own.
    """
    if said is None or isinstance(said, str):
        return said
    if not isinstance(said, (list, tuple)):
        message = said
    elif any(field_of(part, "role") for part in said):
        message = next((turn for turn in reversed(said) if field_of(turn, "role") == "assistant"), None)
    else:
        message = {"content": said}
    content = field_of(message, "content")
    content = content or field_of(message, "refusal") or content
    parts = content if isinstance(content, (list, tuple)) else [content]
    thoughts = next((found for key in REASONING if (found := _joined(field_of(message, key)))), "")
    thoughts = thoughts or "".join(map(_thought, parts))
    text = None if content is None else "".join(_joined(part) for part in parts if not _thought(part))
    if not thoughts.strip() or _holds(text or "", thoughts) or (lenient and "think>" in (text or "")):
        return text
    return f"<think>{thoughts}</think>{text or ''}"


def _holds(text: str, thoughts: str) -> bool:
    """True if the text's own block of reasoning is the same, so that it must not be put back twice."""
    block, end, _ = text.partition("</think>")
    return bool(end) and block.strip().removeprefix("<think>").strip() == thoughts.strip()


def with_opening(text: str, prompt: str | None = None) -> str:
    """Return a reply with the ``<think>`` in front that its prompt ends in, unless it opens it again.

    Where the prompt is not known (a server does not tell it), a reply that ends reasoning it never opened is of one.
    """
    before, ended, _ = text.partition("</think>")
    opened = bool(ended) if prompt is None else _OPENED.search(prompt) is not None
    return f"<think>{text}" if opened and "<think>" not in before else text


def field_of(holder: Any, key: str) -> Any:
    """Return a field of a dict or an object, None without it."""
    return holder.get(key) if isinstance(holder, Mapping) else getattr(holder, key, None)


def _joined(part: Any) -> str:
    """Return the text of a string, of a part with a ``text``, or of a list of them; "" for anything else."""
    if isinstance(part, (list, tuple)):
        return "".join(map(_joined, part))
    text = part if isinstance(part, str) else field_of(part, "text")
    return text if isinstance(text, str) else ""


def _thought(part: Any) -> str:
    """Return the reasoning that a part of a content holds, under its type's name or as its text."""
    kind = field_of(part, "type")
    return _joined(field_of(part, kind)) or _joined(part) if kind in REASONING else ""
