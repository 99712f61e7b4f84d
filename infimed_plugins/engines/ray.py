"""Served models asked from a Ray cluster: Ray Data's async actors, each with the client of the ``openai`` engine.

    engine = RayEngine("Qwen/Qwen2.5-VL-32B-Instruct", base_url=["http://node1:8000/v1", …], actors=8)

Worth it where one machine's client is the bottleneck. Ray connects where RAY_ADDRESS says, or starts on this machine;
this package must be installed on every node. The request store around the engine makes a run resumable; with the
setting ``checkpoint`` Ray Data's own does it, too (ray_checkpoint.py).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from infimed_plugins.engines import AnswerScore, ChatRequest, Embedding, Reply, Sampling
from infimed_plugins.engines.ray_actor import Asker, Task
from infimed_plugins.engines.ray_checkpoint import Checkpoint
from infimed_plugins.engines.stored import request_key
from infimed_plugins.errors import ConfigError, DataError, EngineError, MissingExtraError
from infimed_plugins.records import ImageRef, Json

_T = TypeVar("_T")
GROUP_REQUESTS, GROUP_BYTES = 2048, 256 * 2**20  # of one data set, which is in the cluster's memory as a whole
BLOCK, COMMITTED_BLOCK = 1, 32


@dataclass(frozen=True)
class _Method:
    """A method of the engine: its name, what of an item is the request, and the result of one that failed."""

    name: str
    request: Callable[[Any], ChatRequest]
    with_request: Callable[[Any, ChatRequest], Any]
    failed: Callable[[str, str], Any]


_DRAW = _Method("draw", lambda item: item, lambda _, request: request, lambda id, error: Reply(id, (), error))
_EMBED = replace(_DRAW, name="embed", failed=lambda id, error: Embedding(id, error=error))
_SCORE = _Method(
    "score",
    lambda item: item[0],
    lambda item, request: (request, item[1]),
    lambda id, error: AnswerScore(id, error=error),
)


class RayEngine:
    """A served model behind the Engine, Scorer and Embedder protocols, asked by ``actors`` processes of a cluster.

    Args:
        model: its name on the servers.
        actors: processes that ask; ``concurrency`` and the other settings of OpenAIEngine hold for each.
        block: requests that an actor is given, and gives back, together: 1, or 32 with a checkpoint, which has a file
            for each block. A kill loses the finished ones of an unfinished block. More are faster: on two shared cores
            one actor got through 78 requests/s by 1, 158 by 4, 197 by 8.
        checkpoint: a folder that all nodes share, for Ray Data's checkpoint; what is committed there is not asked
            again, whatever becomes of the process that started the run.
    Raises:
        MissingExtraError without Ray, ConfigError for a setting that cannot be used.
    """

    own_seeds = True

    def __init__(
        self,
        model: str,
        *,
        actors: int = 2,
        block: int | None = None,
        checkpoint: str | Path | None = None,
        revision: str = "",
        **settings: Any,
    ) -> None:
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise MissingExtraError("the ray engine", "ray", "ray") from error
        from infimed_plugins.engines.openai import OpenAIEngine

        self._block = (COMMITTED_BLOCK if checkpoint else BLOCK) if block is None else block
        if actors < 1 or self._block < 1:
            raise ConfigError(f"actors is {actors} and block {self._block}; at least 1 is needed of both")
        self._settings = {"model": model, "revision": revision, **settings}
        self._here = OpenAIEngine(**self._settings)  # a setting that cannot be is said here, not on a node
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        self.model, self.revision, self.shaping = model, revision, self._here.shaping
        self._actors = actors
        self._ray: Any = ray
        self._checkpoint = Checkpoint(Path(checkpoint), self._block) if checkpoint else None
        ray.data.DataContext.get_current().enable_progress_bars = False

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Replies as Ray gives them, a group of requests at a time. An image that does not open makes an error."""
        self._here.to_draw(sampling)  # raises ConfigError for sampling that cannot be
        return self._results(_DRAW, requests, sampling)

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Scores as the openai engine gives them, in no order."""
        return self._results(_SCORE, requests)

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Unit vectors as the openai engine gives them, in no order."""
        return self._results(_EMBED, requests)

    def _results(self, method: _Method, items: Iterable[Any], sampling: Sampling | None = None) -> Iterator[Any]:
        from infimed_plugins.engines.openai import read_key

        key_name = str(self._settings.get("api_key_env", "OPENAI_API_KEY"))
        task = Task(method.name, self._settings, sampling, key_name, read_key(key_name))
        for group in self._groups(method, items, sampling):
            asked = {key: packed for key, (packed, _) in group.items() if packed}
            for id, error in ((id, key) for key, (packed, ids) in group.items() for id in ids if not packed):
                yield method.failed(id, error)
            for key, result in self._ask(asked, task) if asked else ():
                for id in group[key][1]:
                    yield replace(result, id=id)

    def _groups(
        self, method: _Method, items: Iterable[Any], sampling: Sampling | None
    ) -> Iterator[dict[str, tuple[bytes, list[str]]]]:
        """Items by what they ask for: each packed for the cluster, and the ids of all that are equal.

        An item that cannot be packed has its error for a key.
        """
        group: dict[str, tuple[bytes, list[str]]] = {}
        size = 0
        for item in items:
            request = method.request(item)
            try:
                images = tuple(ImageRef(data=image.read()) for image in request.images)
                key, packed = self._packed(method, method.with_request(item, replace(request, images=images)), sampling)
            except DataError as error:
                key, packed = str(error), b""
            group.setdefault(key, (packed, []))[1].append(request.id)
            size += len(packed)
            if len(group) >= GROUP_REQUESTS or size >= GROUP_BYTES:
                yield group
                group, size = {}, 0
        if group:
            yield group

    def _packed(self, method: _Method, item: Any, sampling: Sampling | None) -> tuple[str, bytes]:
        request = method.request(item)
        shaping: dict[str, Json] = {"settings": self.shaping, "known": request.known}
        if sampling is not None:
            shaping["sampling"] = vars(sampling)
        if item is not request:
            shaping["answer"] = item[1]
        return request_key(method.name, self.model, self.revision, request, **shaping), pickle.dumps(item)

    def _ask(self, asked: Mapping[str, bytes], task: Task) -> Iterator[tuple[str, Any]]:
        """The key and the result of each. Raises EngineError as the servers do, or when Ray fails."""
        over: EngineError | None = None
        try:
            rows = self._checkpoint.rows(asked, self._mapped(task)) if self._checkpoint else self._rows(asked, task)
            for key, packed in rows:
                result = pickle.loads(packed)
                if isinstance(result, EngineError):  # the others are on their way: Ray is left to end its work
                    over = result
                else:
                    yield key, result
        except (self._ray.exceptions.RayError, self._ray.data.exceptions.SystemException) as error:
            said = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
            raise EngineError(f"Ray could not ask the servers: {said.strip()[:300]}") from error
        if over is not None:
            raise over

    def _rows(self, asked: Mapping[str, bytes], task: Task) -> Iterator[tuple[str, bytes]]:
        rows = [{"key": key, "item": packed} for key, packed in asked.items()]
        dataset = self._ray.data.from_items(rows, override_num_blocks=-(-len(rows) // self._block))
        blocks = self._mapped(task)(dataset).iter_batches(prefetch_batches=0, batch_size=None)
        with closing(iter(blocks)) as arriving:
            for block in arriving:
                for key, result in zip(block["key"], block["result"], strict=True):
                    yield key.partition(" ")[0], result

    def _mapped(self, task: Task) -> Callable[[Any], Any]:
        """The data set of requests made one of results."""
        concurrency = int(self._settings.get("concurrency", 64))
        calls = -(-concurrency // self._block)
        strategy = self._ray.data.ActorPoolStrategy(
            size=self._actors, max_concurrent_calls_per_actor=calls, max_tasks_in_flight_per_actor=2 * calls
        )
        cores = float(self._ray.cluster_resources().get("CPU", 1))
        share = 0.0 if self._checkpoint else min(0.5, cores / (2 * self._actors))  # asking takes little of a core

        def mapped(dataset: Any) -> Any:
            return dataset.map_batches(
                Asker, fn_constructor_kwargs={"task": task}, batch_size=None, compute=strategy, num_cpus=share
            )

        return mapped
