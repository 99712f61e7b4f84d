"""Served models asked from a Ray cluster: Ray Data's actors, each with the client of the ``openai`` engine.

    engine = RayEngine("Qwen/Qwen2.5-VL-32B-Instruct", base_url=["http://node1:8000/v1", …], actors=8)

Worth it where one machine's client is the bottleneck. Ray connects where RAY_ADDRESS says, or starts on this machine.
What makes a run resumable is the request store around the engine, not Ray's checkpoint: both would record the same.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from infimed_plugins.engines import ChatRequest, Reply, Sampling
from infimed_plugins.errors import ConfigError, DataError, MissingExtraError
from infimed_plugins.records import ImageRef

GROUP = 2048  # requests of one data set
BLOCK = 64  # requests that an actor takes at a time


class RayEngine:
    """A served model behind the Engine protocol, asked by ``actors`` processes of a cluster.

    Args:
        model: its name on the servers.
        actors: processes that ask; ``concurrency`` and the other settings of OpenAIEngine hold for each.
    Raises:
        MissingExtraError without Ray, ConfigError for a setting that cannot be used.
    """

    def __init__(self, model: str, *, actors: int = 2, revision: str = "", **settings: Any) -> None:
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise MissingExtraError("the ray engine", "ray", "ray") from error
        from infimed_plugins.engines.openai import OpenAIEngine

        if actors < 1:
            raise ConfigError(f"actors is {actors}; at least 1 is needed")
        OpenAIEngine(model, revision=revision, **settings)  # a setting that cannot be is said here, not on a node
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        self.model, self.revision, self._actors = model, revision, actors
        self._settings = {"model": model, "revision": revision, **settings}
        self._data: Any = ray.data
        ray.data.DataContext.get_current().enable_progress_bars = False

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Replies as Ray gives them, a group of requests at a time. An image that does not open makes an error."""
        iterator = iter(requests)
        while group := list(itertools.islice(iterator, GROUP)):
            rows = []
            for request in group:
                try:
                    images = tuple(ImageRef(data=image.read()) for image in request.images)
                except DataError as error:
                    yield Reply(request.id, (), str(error))
                    continue
                rows.append({"request": pickle.dumps(replace(request, images=images))})
            if rows:
                yield from self._ask(rows, sampling)

    def _ask(self, rows: list[dict[str, bytes]], sampling: Sampling) -> Iterator[Reply]:
        blocks = max(1, len(rows) // BLOCK)
        asked = self._data.from_items(rows, override_num_blocks=blocks).map_batches(
            _Asker,
            fn_constructor_kwargs={"settings": self._settings, "sampling": sampling},
            batch_size=BLOCK,
            compute=self._data.ActorPoolStrategy(size=min(self._actors, blocks)),
            num_cpus=0.5,
        )
        for row in asked.iter_rows():
            yield pickle.loads(row["reply"])


class _Asker:
    """One actor."""

    def __init__(self, settings: dict[str, Any], sampling: Sampling) -> None:
        from infimed_plugins.engines.openai import OpenAIEngine

        self._engine, self._sampling = OpenAIEngine(**settings), sampling

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        requests = [pickle.loads(one) for one in batch["request"]]
        return {"reply": [pickle.dumps(reply) for reply in self._engine.generate(requests, self._sampling)]}
