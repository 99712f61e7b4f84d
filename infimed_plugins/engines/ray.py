"""Ask served models from a Ray cluster: Ray Data's async actors, each with the client of the ``openai`` engine.

    engine = RayEngine("Qwen/Qwen2.5-VL-32B-Instruct", base_url=["http://node1:8000/v1", …], actors=8)

Worth it where one machine's client is the bottleneck. Ray connects where RAY_ADDRESS says, or starts on this machine;
this package must be installed on every node. The response cache around the engine makes a run resumable; so does the
setting ``checkpoint``, a folder in which the actors commit what they were answered: ``replies/`` has a parquet file for
each block, and ``ids/`` one of the same name once that is written.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from infimed_plugins.engines import AnswerScore, ChatRequest, Embedding, Item, Reply, Sampling, request_of
from infimed_plugins.engines.cached_engine import request_key
from infimed_plugins.engines.openai import GREEDY, OpenAIEngine, read_key
from infimed_plugins.errors import ConfigError, DataError, EngineError, InfimedError, optional_module
from infimed_plugins.records import ImageRef, Json

GROUP_REQUESTS, GROUP_BYTES = 2048, 256 * 2**20  # of one data set, which is in the cluster's memory as a whole
BLOCK, COMMITTED_BLOCK = 1, 32
Group = dict[str, tuple[bytes, list[str]]]  # by key: the packed item, and the ids of all that are equal
RESULTS = {"draw": Reply, "score": AnswerScore, "embed": Embedding}


@dataclass(frozen=True)
class Task:
    """The work of an actor. The key is passed as an argument: Ray logs the variables of a runtime_env."""

    method: str
    settings: Mapping[str, Any]
    sampling: Sampling
    checkpoint: Path | None = None
    key_name: str = ""
    key: str = field(default="", repr=False)


class RayEngine:
    """A served model behind the Engine, Scorer and Embedder protocols, asked by ``actors`` processes of a cluster.

    Args:
        model: its name on the servers.
        actors: processes that ask; ``concurrency`` and the other settings of OpenAIEngine hold for each.
        block: requests that an actor is given, and gives back, together: 1, or 32 with a checkpoint, which has a file
            for each block. A kill loses the finished ones of an unfinished block. More are faster: on two shared cores
            one actor got through 78 requests/s by 1, 158 by 4, 197 by 8.
        checkpoint: a folder that all nodes share; what is committed there is not asked again, whatever becomes of the
            process that started the run.
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
        optional_module("ray.data", "the ray engine", "ray")
        import ray

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
        self._checkpoint = Path(checkpoint).absolute() if checkpoint else None
        ray.data.DataContext.get_current().enable_progress_bars = False

    def generate(self, requests: Iterable[ChatRequest], sampling: Sampling) -> Iterator[Reply]:
        """Yield replies as Ray gives them, a group of requests at a time. A bad image makes an error."""
        sampling.refuse_greedy_copies()
        return self._results("draw", requests, sampling)

    def score_answers(self, requests: Iterable[tuple[ChatRequest, str]]) -> Iterator[AnswerScore]:
        """Yield scores as the openai engine gives them, in no order."""
        return self._results("score", requests)

    def embed(self, requests: Iterable[ChatRequest]) -> Iterator[Embedding]:
        """Yield unit vectors as the openai engine gives them, in no order."""
        return self._results("embed", requests)

    def _results(self, method: str, items: Iterable[Item], sampling: Sampling = GREEDY) -> Iterator[Any]:
        key_name = str(self._settings.get("api_key_env", "OPENAI_API_KEY"))
        task = Task(method, self._settings, sampling, self._checkpoint, key_name, read_key(key_name))
        committed: dict[str, str] = {}
        for group in self._groups(method, items, sampling):
            asked = {key: packed for key, (packed, _) in group.items() if packed}
            for id, error in ((id, key) for key, (packed, ids) in group.items() for id in ids if not packed):
                yield RESULTS[method](id, error=error)
            known = _take_committed(self._checkpoint, committed, asked) if self._checkpoint else ()
            for key, result in chain(known, self._ask(asked, task)):
                for id in group[key][1]:
                    yield replace(result, id=id)

    def _groups(self, method: str, items: Iterable[Item], sampling: Sampling) -> Iterator[Group]:
        """Yield items by what they ask for. An item that cannot be packed has its error for a key."""
        group: Group = {}
        size = 0
        for item in items:
            request = request_of(item)
            try:
                whole = replace(request, images=tuple(ImageRef(data=image.read()) for image in request.images))
                whole_item = (whole, item[1]) if isinstance(item, tuple) else whole
                shaping: dict[str, Json] = {"settings": self.shaping, "known": request.known}
                shaping |= {"sampling": vars(sampling)} if method == "draw" else {}
                key = request_key(method, self.model, self.revision, whole_item, **shaping)
                packed = pickle.dumps(whole_item)
            except DataError as error:
                key, packed = str(error), b""
            group.setdefault(key, (packed, []))[1].append(request.id)
            size += len(packed)
            if len(group) >= GROUP_REQUESTS or size >= GROUP_BYTES:
                yield group
                group, size = {}, 0
        if group:
            yield group

    def _ask(self, asked: Mapping[str, bytes], task: Task) -> Iterator[tuple[str, Any]]:
        """Yield the key and the result of each. Raises EngineError as the servers do, or when Ray fails."""
        if not asked:
            return
        over: EngineError | None = None
        try:
            with closing(iter(self._mapped(asked, task).iter_batches(prefetch_batches=0, batch_size=None))) as blocks:
                for block in blocks:
                    for key, packed in zip(block["key"], block["result"], strict=True):
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

    def _mapped(self, asked: Mapping[str, bytes], task: Task) -> Any:
        """Return the data set of results, which Ray makes of that of requests as it is read."""
        rows = [{"key": key, "item": packed} for key, packed in asked.items()]
        calls = -(-int(self._settings.get("concurrency", 64)) // self._block)
        cores = float(self._ray.cluster_resources().get("CPU", 1))
        return self._ray.data.from_items(rows, override_num_blocks=-(-len(rows) // self._block)).map_batches(
            Asker,
            fn_constructor_kwargs={"task": task},
            batch_size=None,
            compute=self._ray.data.ActorPoolStrategy(
                size=self._actors, max_concurrent_calls_per_actor=calls, max_tasks_in_flight_per_actor=2 * calls
            ),
            num_cpus=min(0.5, cores / (2 * self._actors)),  # asking takes little of a core
        )


class Asker:
    """An async actor with one client session, which stays open from block to block. Errors become rows."""

    def __init__(self, task: Task) -> None:
        if task.key:
            os.environ[task.key_name] = task.key
        self._engine = OpenAIEngine(**task.settings)
        self._job = self._engine.task(task.method, task.sampling)
        self._checkpoint = task.checkpoint
        self._session: asyncio.Future[Any] | None = None
        self._over = ""  # why no request can be answered any more

    async def __call__(self, block: dict[str, Any]) -> dict[str, list[Any]]:
        results = await asyncio.gather(*map(self._result, block["item"]))
        rows = {"key": list(block["key"]), "result": list(map(pickle.dumps, results))}
        if self._checkpoint is not None:
            done = [not isinstance(one, EngineError) and one.error is None for one in results]
            await asyncio.to_thread(_commit, self._checkpoint, rows, done)
        return rows

    async def _result(self, packed: bytes) -> Any:
        if not self._over:
            try:
                if self._session is None:
                    self._session = asyncio.ensure_future(self._engine.session().__aenter__())
                servers = await self._session
                job = await asyncio.to_thread(self._job, pickle.loads(packed))  # opens images, which takes a while
                return await job(servers)
            except InfimedError as error:
                self._over = str(error)
        return EngineError(self._over)


def _commit(folder: Path, rows: dict[str, list[Any]], done: list[bool]) -> None:
    """Write the replies of a block, then their ids, which a kill in between leaves out."""
    import pyarrow
    import pyarrow.parquet as parquet

    table = pyarrow.table(rows).filter(pyarrow.array(done, pyarrow.bool_()))
    name = uuid.uuid4().hex
    ids = folder / "ids" / f"{name}.parquet"
    for path in (folder / "replies", ids.parent):
        path.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, folder / "replies" / f"{name}-0.parquet")
    pending = ids.with_suffix(".pending.parquet")
    parquet.write_table(table.select(["key"]), pending)
    pending.replace(ids)


def _take_committed(folder: Path, committed: dict[str, str], asked: dict[str, bytes]) -> Iterator[tuple[str, Any]]:
    """Yield what is committed of the requests, and leave it out of them; ``committed`` has the file of each key.

    Older versions wrote failures, too, under keys of their own.
    """
    seen = set(committed.values())
    for ids in (folder / "ids").glob("*.parquet"):
        if ids.stem not in seen and not ids.name.endswith(".pending.parquet"):
            committed |= {row["key"]: ids.stem for row in _rows(folder, ids.stem, "key")}
    for name in sorted({committed[key] for key in asked.keys() & committed.keys()}):
        for row in _rows(folder, name, "key", "result"):
            if asked.pop(row["key"], None) is not None:
                yield row["key"], pickle.loads(row["result"])


def _rows(folder: Path, name: str, *columns: str) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as parquet

    for file in sorted((folder / "replies").glob(f"{name}-*.parquet")):
        yield from parquet.read_table(file, columns=list(columns)).to_pylist()
