"""The reward for OpenRLHF (0.11), a file it loads: one sample a call, in a thread (openrlhf/utils/agent.py).

``infimed trainers show openrlhf`` prints the lines to paste.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infimed_plugins.errors import optional_module
from infimed_plugins.trainers.replies import score_replies

_TAIL = 8  # characters at the end of a prompt that begin the assistant's turn in any chat template, or are a part of it


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
    """Return ``rewards``, ``scores`` and ``extra_logs``, as tensors of one element for each sample."""
    torch = optional_module("torch", "OpenRLHF's reward", "transformers")
    replies = [response_of(query, prompt) for query, prompt in zip(queries, prompts, strict=True)]
    scores = score_replies(replies, labels)
    overall = torch.tensor([score["overall"] for score in scores])
    logs = {key: torch.tensor([score[key] for score in scores]) for key in scores[0] if key != "overall"}
    return {"rewards": overall, "scores": overall, "extra_logs": logs}


def response_of(query: str, prompt: str) -> str:
    """Return the text that the model added to the prompt, with its end tokens.

    The query is decoded from tokens and may differ from the prompt: image tokens are spelled out. Then the response is
    what follows as many of the prompt's own last characters as the prompt has, which the chat template wrote; those
    that the policy writes come later, and cut nothing off.
    """
    if query.startswith(prompt):
        return query[len(prompt) :]
    tail = prompt[-_TAIL:]
    return query.split(tail, prompt.count(tail))[-1] if tail in query else query
