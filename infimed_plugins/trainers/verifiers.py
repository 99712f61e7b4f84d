"""The reward for verifiers (Prime Intellect, 0.4): an async function of a task and its trace.

``infimed trainers show verifiers`` prints the lines to paste. The task's data needs a field ``ground_truth``, or
``answer`` or ``solution`` (verifiers/v1/configs/task.py and verifiers/v1/utils/loaders.py, plugged_fn).
"""

from __future__ import annotations

import asyncio
from typing import Any

from infimed_plugins.errors import ConfigError
from infimed_plugins.rewards import compute_score
from infimed_plugins.rewards.scorer import settings_of_environment
from infimed_plugins.tables.cells import blank
from infimed_plugins.trainers.trl import TRUTH_COLUMNS


async def infimed(task: Any, trace: Any) -> float:
    """Return ``overall`` of the last reply. Raises ConfigError for a task without a ground truth."""
    return (await _score(task, trace))["overall"]


async def infimed_metrics(task: Any, trace: Any) -> dict[str, float]:
    """Return format, accuracy and the other keys, as ``infimed/format`` and so on."""
    scores = await _score(task, trace)
    return {f"infimed/{key}": value for key, value in scores.items() if key != "overall"}


async def _score(task: Any, trace: Any) -> dict[str, float]:
    truth = next((value for name in TRUTH_COLUMNS if not blank(value := getattr(task, name, None))), None)
    if truth is None:
        raise ConfigError(f"the task has no ground truth; name a field of its data one of {', '.join(TRUTH_COLUMNS)}")
    row = {"response": _reply(trace), "ground_truth": truth}
    return (await asyncio.to_thread(compute_score, [row], **settings_of_environment()))[0]


def _reply(trace: Any) -> str:
    """Return the last reply, its reasoning put back where a server has cut it out of the text."""
    messages = trace.assistant_messages
    reasoning = messages[-1].reasoning_content if messages else None
    return f"<think>{reasoning}</think>{trace.last_reply}" if reasoning else str(trace.last_reply)
