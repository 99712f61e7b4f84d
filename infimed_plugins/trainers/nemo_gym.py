"""The reward for NeMo Gym: a resources server whose ``verify`` scores the last turn of a response.

A row of the data has ``ground_truth`` (or ``answer`` or ``solution``) beside ``responses_create_params``; settings come
from INFIMED_REWARD_KWARGS. Sources: nemo_gym/base_resources_server.py (SimpleResourcesServer), nemo_gym/judge.py
(judge_failsafe).
"""

from __future__ import annotations

import asyncio
from typing import Any

from nemo_gym.base_resources_server import BaseVerifyRequest, BaseVerifyResponse, SimpleResourcesServer
from nemo_gym.judge import JudgeError
from pydantic import ConfigDict

from infimed_plugins.trainers.replies import score_replies, truth_of


class InfimedVerifyRequest(BaseVerifyRequest):
    """A row of the data with the response to it; further columns are kept."""

    model_config = ConfigDict(extra="allow")


class InfimedVerifyResponse(BaseVerifyResponse):
    """The request with ``reward``, and with the other keys of compute_score, which NeMo Gym averages."""

    model_config = ConfigDict(extra="allow")


class InfimedServer(SimpleResourcesServer):
    """The resources server."""

    async def verify(self, body: InfimedVerifyRequest) -> InfimedVerifyResponse:
        """Return the scores. Raises JudgeError where there is no verdict: NeMo Gym leaves the row out of the mean."""
        (score,) = await asyncio.to_thread(score_replies, [_last_turn(body.response.output)], [truth_of(body)])
        if score["no_verdict"]:
            raise JudgeError("no verdict on this reply: what judges it is out")
        return InfimedVerifyResponse(**(body.model_dump() | score | {"reward": score["overall"]}))


def _last_turn(output: Any) -> list[Any]:
    """Return the parts of what was said since the last call of a tool; reasoning is an item of its own there."""
    parts: list[Any] = []
    for item in output:
        if item.type == "reasoning":
            parts += [{"type": "reasoning", "text": part.text} for part in item.summary or item.content or ()]
        else:
            parts = [*parts, *item.content] if item.type == "message" else []
    return parts
