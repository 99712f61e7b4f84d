"""The reward for verifiers (Prime Intellect, 0.4) and prime-rl (0.8): an async function of a task and its trace.

The task's data needs a field ``ground_truth``, or ``answer`` or ``solution`` (verifiers/v1/configs/task.py and
verifiers/v1/utils/loaders.py, plugged_fn).
"""

from __future__ import annotations

import asyncio
from typing import Any

from infimed_plugins.trainers.registry import SETTINGS_LINES, Trainer
from infimed_plugins.trainers.replies import score_replies, truth_of


async def infimed(task: Any, trace: Any) -> float:
    """Return ``overall`` of the last reply. Raises ConfigError for a task without a ground truth."""
    return (await _score(task, trace))["overall"]


async def infimed_metrics(task: Any, trace: Any) -> dict[str, float]:
    """Return format, accuracy and the other keys, as ``infimed/format`` and so on."""
    scores = await _score(task, trace)
    return {f"infimed/{key}": value for key, value in scores.items() if key != "overall"}


async def _score(task: Any, trace: Any) -> dict[str, float]:
    messages = trace.assistant_messages
    return (await asyncio.to_thread(score_replies, messages[-1:] or [None], [truth_of(task)]))[0]


_LINES = """[{0}.rewards.infimed]
fn = "infimed_plugins.trainers.verifiers:infimed"

[{0}.metrics.infimed]
fn = "infimed_plugins.trainers.verifiers:infimed_metrics"
"""
TRAINERS = (
    Trainer(
        name="verifiers",
        version="0.4.0",
        takes="an async function of a task and its trace",
        lines=SETTINGS_LINES + "# in the TOML file for vf-eval:\n" + _LINES.format("env.taskset.task"),
    ),
    Trainer(
        name="prime-rl",
        version="0.8.0, read",
        takes="verifiers' functions",
        lines=SETTINGS_LINES + _LINES.format("orchestrator.train.source.env.taskset.task"),
    ),
)
