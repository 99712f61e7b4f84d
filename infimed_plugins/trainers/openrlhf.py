"""The reward for OpenRLHF (0.11), a file it loads: one sample a call, in a thread (openrlhf/utils/agent.py).

``infimed trainers show openrlhf`` prints the lines to paste.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infimed_plugins.rewards import compute_score
from infimed_plugins.rewards.scorer import settings_of_environment

_END_TOKENS = ("<|im_end|>", "<|endoftext|>", "</s>", "<|eot_id|>", "<end_of_turn>", "<eos>")
_ASSISTANT = ("<|im_start|>assistant\n", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<start_of_turn>model\n")


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
    """Return ``rewards``, ``scores`` and ``extra_logs``, as tensors of one element for each sample."""
    import torch

    rows = [
        {"response": response_of(query, prompt), "ground_truth": label}
        for query, prompt, label in zip(queries, prompts, labels, strict=True)
    ]
    scores = compute_score(rows, **settings_of_environment())
    overall = torch.tensor([score["overall"] for score in scores])
    keys = ("format", "accuracy", "parsed", "timed_out", "bad_row")
    logs = {key: torch.tensor([score[key] for score in scores]) for key in keys}
    return {"rewards": overall, "scores": overall, "extra_logs": logs}


def response_of(query: str, prompt: str) -> str:
    """Return the text that the model added to the prompt, without the end tokens that OpenRLHF leaves in the query.

    The query is decoded from tokens and may differ from the prompt (image tokens are spelled out); then the response
    is what follows as many assistant marks of the chat template as the prompt has.
    """
    if query.startswith(prompt):
        response = query[len(prompt) :]
    else:
        mark = next((mark for text in (prompt, query) for mark in _ASSISTANT if mark in text), "")
        turns = max(prompt.count(mark), 1) if mark else 0  # a mark that the policy writes itself starts nothing
        response = query.split(mark, turns)[-1] if mark else query
    response = response.rstrip()
    while response.endswith(_END_TOKENS):
        response = next(response.removesuffix(end) for end in _END_TOKENS if response.endswith(end)).rstrip()
    return response
