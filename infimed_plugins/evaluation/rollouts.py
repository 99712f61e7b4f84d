"""Rollouts to profile a training set by: drawn from a model with the shipped GRPO prompt, or saved by a trainer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from infimed_plugins.engines import ChatRequest, Reply, Sampling, shaping_settings
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.errors import DataError, MissingFileError, optional_module, refuse_failures
from infimed_plugins.evaluation.engine_choice import LazyEngine
from infimed_plugins.paths import shipped
from infimed_plugins.recipes.recipe import EngineChoice
from infimed_plugins.records import ImageRef, Json, Score
from infimed_plugins.reports.profile import Group, Rollout
from infimed_plugins.rewards.generations import Generation, read_generations
from infimed_plugins.rewards.scorer import Scorer, closes_unopened
from infimed_plugins.scoring.robust import RIGHT_FROM

REPLIES = "profile.sqlite"
GROUP_KEYS = ("uid", "group", "group_id", "prompt_id", "index")  # columns that name a rollout's question
_CHINESE = re.compile("[一-鿿]")
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Draw:
    """Settings of a draw: ``n`` rollouts of ``limit`` questions at temperature 1 (EasyR1's worker.rollout).

    ``cache`` is the folder that keeps the replies: a rerun asks only for what is missing.
    """

    n: int = 8
    limit: int = 200
    temperature: float = 1.0
    max_tokens: int = 2048
    seed: int = 0
    cache: Path = Path("runs/profile")


def draw_groups(
    data: Path, model: EngineChoice, draw: Draw, scorer: Scorer, progress: Progress
) -> tuple[list[Group], int]:
    """Return the groups of a training set (EasyR1's parquet file, or the folder of a build) and its number of rows.

    The questions are those with the lowest hash of seed and place. Raises MissingFileError, DataError, and
    RequestsFailedError where more than 5% of the requests failed.
    """
    rows, total = _chosen(data / "train.parquet" if data.is_dir() else data, draw)
    by_id = {str(place): row for place, row in rows}
    groups, failed = [], []
    draw.cache.mkdir(parents=True, exist_ok=True)
    with ResponseCache(draw.cache / REPLIES) as cache:
        lazy = LazyEngine(model, lambda: progress("loading the model", 0, None))
        engine = CachedEngine(lazy, cache, settings=shaping_settings(model.settings))
        sampling = Sampling(draw.n, draw.temperature, max_tokens=draw.max_tokens, seed=draw.seed)
        for done, reply in enumerate(engine.generate(_requests(by_id), sampling), start=1):
            progress("rollouts", done, len(by_id))
            if reply.error is not None:
                failed.append(reply.error)
            else:
                groups.append(_group(by_id[reply.id], reply, scorer))
    refuse_failures(len(failed), len(by_id), next(iter(failed), ""))
    return groups, total


def _chosen(path: Path, draw: Draw) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """Return the drawn rows with their places, and how many there are."""
    if not path.is_file():
        raise MissingFileError(f"there is no {path}; build it: infimed data build RECIPE --format easyr1")
    parquet = optional_module("pyarrow.parquet", "reading a training set", "data")
    file = parquet.ParquetFile(path)
    if missing := {"problem", "answer", "images"} - set(file.schema_arrow.names):
        raise DataError(f"{path} has no column {min(missing)}; name a file in EasyR1's format")
    total = file.metadata.num_rows
    order = sorted(range(total), key=lambda place: hashlib.sha256(f"{draw.seed}/{place}".encode()).digest())
    wanted, chosen, start = set(order[: draw.limit]), [], 0
    for batch in file.iter_batches(64):
        held = [place for place in range(start, start + len(batch)) if place in wanted]
        chosen += [(place, batch.slice(place - start, 1).to_pylist()[0]) for place in held]
        start += len(batch)
    return chosen, total


def _requests(rows: Mapping[str, dict[str, Any]]) -> Iterator[ChatRequest]:
    template = optional_module("jinja2", "the GRPO prompt", "report").Template
    styles = {"direct": "infimed_direct.jinja"}
    for id, row in rows.items():
        file = shipped("easyr1_configs") / styles.get(str(row.get("style")), "infimed.jinja")
        text = template(file.read_text(encoding="utf-8").strip()).render(content=row["problem"])
        yield ChatRequest(id, text, tuple(ImageRef(data=image["bytes"]) for image in row["images"]))


def _group(row: Mapping[str, Any], reply: Reply, scorer: Scorer) -> Group:
    given = [{"response": text, "ground_truth": row["answer"]} for text in reply.texts]
    scored = scorer.score(given)
    tokens = reply.usage.completion // max(1, len(reply.texts))
    rollouts = [
        _rollout(task, score, text, scorer, tokens or len(text), bool(reply.cut[number : number + 1] == (True,)))
        for number, (text, (task, score)) in enumerate(zip(reply.texts, scored, strict=True))
    ]
    return Group(rollouts, _kinds(row, scored[0][0], str(row["problem"])))


def _rollout(task: str, score: Score, text: str, scorer: Scorer, length: int, cut: bool = False) -> Rollout:
    accuracy = score.accuracy or 0.0
    right = accuracy >= RIGHT_FROM.get(task, 1.0)
    return Rollout(score.overall, score.format, accuracy, right, length, cut, closes_unopened(text, scorer.form))


def _kinds(row: Mapping[str, Any], task: str, prompt: str) -> tuple[tuple[str, str], ...]:
    source = str(row.get("source") or row.get("data_source") or str(row.get("id") or "").partition("-")[0])
    language = str(row.get("language") or ("zh" if _CHINESE.search(prompt) else "en"))
    return (*((("source", source),) if source else ()), ("task", task), ("language", language))


def saved_groups(files: Sequence[Path], scorer: Scorer, n: int) -> list[Group]:
    """Return the groups of saved generations: rows with the same ``uid`` (or group, prompt_id …), else rows of one
    prompt and truth that stand together, ``n`` at a time. Raises DataError for a file of which no row can be read."""
    groups = []
    for path in files:
        readable = (one for one in read_generations(path) if not one.fault)
        for _, rows in groupby(readable, key=_key):
            together = list(rows)
            size = n if _named(together[0].row) is None else len(together)
            groups += [_saved(together[at : at + size], scorer) for at in range(0, len(together), size)]
    return groups


def _named(row: Mapping[str, Json]) -> str | None:
    return next((str(row[key]) for key in GROUP_KEYS if row.get(key) not in (None, "")), None)


def _key(one: Generation) -> str:
    return _named(one.row) or f"{one.prompt}\0{one.ground_truth}"


def _saved(rows: Sequence[Generation], scorer: Scorer) -> Group:
    scored = scorer.score([{"response": one.response, "ground_truth": one.ground_truth} for one in rows])
    rollouts = []
    for one, (task, score) in zip(rows, scored, strict=True):
        text = str(one.response)
        length = one.row.get("response_length")
        rollouts.append(_rollout(task, score, text, scorer, length if isinstance(length, int) else len(text)))
    return Group(rollouts, _kinds(rows[0].row, scored[0][0], rows[0].prompt))
