"""Verifiable rewards (first paper, 3.2.2 and A.3): a format gate, and one accuracy reward for each task.

A reward is a function ``(answer, truth) -> Verdict`` with a value in [0, 1]. Importing this stays light: a task's
libraries (sympy in a process of its own, scipy) come with its first use.
"""

from __future__ import annotations

from infimed_plugins.hookspecs import Register, hookimpl
from infimed_plugins.rewards.ground_truth import parse_truth
from infimed_plugins.rewards.scorer import BUILT_IN, Reward, compute_score, find_reward, judge_answer, score_response

__all__ = ["Reward", "compute_score", "find_reward", "judge_answer", "parse_truth", "score_response"]


@hookimpl
def register_rewards(register: Register) -> None:
    """Register the built-in rewards, by the task they judge."""
    for task, path in BUILT_IN.items():
        register(task, path)
