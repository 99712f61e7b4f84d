"""One process of the ray engine: an async actor with one client session, which stays open from block to block.

Example::

    dataset.map_batches(Asker, fn_constructor_kwargs={"task": Task("draw", {"model": "m"}, Sampling())}, ...)
"""

from __future__ import annotations

import asyncio
import os
import pickle
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infimed_plugins.engines import Sampling
from infimed_plugins.engines.http_client import Servers
from infimed_plugins.engines.openai import OpenAIEngine
from infimed_plugins.errors import EngineError, InfimedError


@dataclass(frozen=True)
class Task:
    """What an actor does with its items. The key goes along: a runtime_env's variables stand in Ray's logs."""

    method: str
    settings: Mapping[str, Any]
    sampling: Sampling | None = None
    key_name: str = ""
    key: str = field(default="", repr=False)


class Asker:
    """Asks for a block's items at once. Errors become rows, never exceptions."""

    def __init__(self, task: Task) -> None:
        if task.key:
            os.environ[task.key_name] = task.key
        self._engine = OpenAIEngine(**task.settings)
        tasks: dict[str, Any] = {"score": self._engine.to_score, "embed": self._engine.to_embed}
        self._job = self._engine.to_draw(task.sampling) if task.sampling else tasks[task.method]()
        self._session: asyncio.Future[Servers] | None = None
        self._over = ""  # why no request can be answered any more

    async def __call__(self, block: dict[str, Any]) -> dict[str, list[Any]]:
        results = await asyncio.gather(*(self._result(packed) for packed in block["item"]))
        keys = [
            # under its own key a checkpoint would take it for done
            key if error is None else f"{key} {uuid.uuid4()}"
            for key, (_, error) in zip(block["key"], results, strict=True)
        ]
        return {"key": keys, "result": [pickle.dumps(result) for result, _ in results]}

    async def _result(self, packed: bytes) -> tuple[Any, str | None]:
        if not self._over:
            try:
                if self._session is None:
                    self._session = asyncio.ensure_future(self._engine.session().__aenter__())
                servers = await self._session
                job = await asyncio.to_thread(self._job, pickle.loads(packed))  # opens images, which takes a while
                result = await job(servers)
                return result, result.error
            except InfimedError as error:
                self._over = str(error)
        return EngineError(self._over), self._over
