"""Rollouts to profile a training set by: drawn from a model with the shipped GRPO prompt, or saved by a trainer."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from infimed_plugins.engines import ChatRequest, Reply, Sampling, shaping_settings
from infimed_plugins.engines.cached_engine import CachedEngine
from infimed_plugins.engines.response_cache import ResponseCache
from infimed_plugins.errors import ConfigError, DataError, MissingFileError, optional_module, refuse_failures
from infimed_plugins.evaluation.engine_choice import LazyEngine
from infimed_plugins.parsing.replies import reply_text
from infimed_plugins.paths import shipped
from infimed_plugins.prompts import IMAGE_TAG
from infimed_plugins.recipes.recipe import EngineChoice
from infimed_plugins.records import ImageRef
from infimed_plugins.reports.profile import Group, Rollout
from infimed_plugins.rewards.generations import Generation, Scored, read_generations
from infimed_plugins.rewards.scorer import Scorer, closes_unopened
from infimed_plugins.scoring.robust import RIGHT_FROM

REPLIES = "profile.sqlite"
GROUP_KEYS = ("uid", "group", "group_id", "prompt_id", "index")  # columns that name a rollout's question
STEP_KEYS = ("step", "global_step")
LENGTH, CUT = "response_length", "cut"
COLUMNS = (("problem", "prompt"), ("answer", "ground_truth", "reward_model"), ("images",))  # of rows to train on
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


@dataclass(frozen=True)
class Rollouts:
    """Groups of rollouts, the size of the set that they were drawn from, and what to know of them."""

    groups: Sequence[Group]
    rows: int | None = None
    notes: Sequence[str] = ()


def draw_groups(data: Path, model: EngineChoice, draw: Draw, scorer: Scorer, progress: Progress) -> Rollouts:
    """Draw the groups of a training set: a parquet file of rows for EasyR1, verl or TRL, or the folder of a build.

    The questions are those with the lowest hash of seed and place. Raises MissingFileError, DataError, and
    RequestsFailedError where more than 5% of the requests failed.
    """
    rows, total = _chosen(data / "train.parquet" if data.is_dir() else data, draw)
    by_id = {str(place): _asked(row) for place, row in rows}
    rollouts, failed = list[Generation](), list[str]()
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
                rollouts += _drawn(by_id[reply.id], reply)
    refuse_failures(len(failed), len(by_id), next(iter(failed), ""))
    scored = _scored(rollouts, scorer)
    groups = [_group(list(rows), scorer) for _, rows in groupby(scored, key=lambda row: row.generation.number)]
    return Rollouts(groups, total, _notes(rollouts, scored))


def _chosen(path: Path, draw: Draw) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """Return the drawn rows with their places, and how many there are."""
    if not path.is_file():
        raise MissingFileError(
            f"there is no {path}; build it: infimed data build RECIPE --format easyr1 (or verl, trl)"
        )
    parquet = optional_module("pyarrow.parquet", "reading a training set", "data")
    file = parquet.ParquetFile(path)
    if missing := [columns for columns in COLUMNS if not set(columns) & set(file.schema_arrow.names)]:
        raise DataError(f"{path} has no column {' or '.join(missing[0])}; name a file of rows for EasyR1, verl or TRL")
    total = file.metadata.num_rows
    order = sorted(range(total), key=lambda place: hashlib.sha256(f"{draw.seed}/{place}".encode()).digest())
    wanted, chosen, start = set(order[: draw.limit]), [], 0
    for batch in file.iter_batches(64):
        held = [place for place in range(start, start + len(batch)) if place in wanted]
        chosen += [(place, batch.slice(place - start, 1).to_pylist()[0]) for place in held]
        start += len(batch)
    return chosen, total


def _asked(row: Mapping[str, Any]) -> Generation:
    """Return a row with its whole prompt, as a generation without its response; EasyR1 adds its template to a problem,
    rows for verl and TRL hold theirs (trainers/). Raises DataError for a row without one, or without a truth."""
    prompt, truth = (
        next((row[name] for name in columns if row.get(name) is not None), None) for columns in COLUMNS[:2]
    )
    if not prompt or truth is None:
        raise DataError(f"a row has no prompt or no answer ({str(row)[:100]}); name a file of rows to train on")
    kept = {key: row.get(key) for key in ("source", "data_source", "id", "language")}
    images = kept["images"] = row.get("images") or ()
    if "problem" in row:
        template = optional_module("jinja2", "the GRPO prompt", "report").Template
        name = "infimed_direct.jinja" if row.get("style") == "direct" else "infimed.jinja"
        text = template((shipped("easyr1_configs") / name).read_text(encoding="utf-8").strip()).render(content=prompt)
    else:
        text = reply_text(prompt if isinstance(prompt, str) else prompt[-1]) or ""
        text = IMAGE_TAG * (len(images) - text.count(IMAGE_TAG)) + text  # TRL's rows have no tags
    return Generation(0, text, None, truth["ground_truth"] if isinstance(truth, dict) else truth, kept)


def _requests(rows: Mapping[str, Generation]) -> Iterator[ChatRequest]:
    for id, row in rows.items():
        images: Any = row.row["images"]
        yield ChatRequest(id, row.prompt, tuple(ImageRef(data=image["bytes"]) for image in images))


def _drawn(asked: Generation, reply: Reply) -> list[Generation]:
    """Return a reply's texts as saved rows; engines count the tokens of all of them together."""
    tokens, cut = reply.usage.completion // max(1, len(reply.texts)), dict(enumerate(reply.cut))
    return [
        replace(asked, number=int(reply.id), response=text, row={**asked.row, LENGTH: tokens, CUT: cut.get(n)})
        for n, text in enumerate(reply.texts)
    ]


def saved_groups(files: Sequence[Path], scorer: Scorer, n: int | None = None) -> Rollouts:
    """Return the groups of saved generations: rows of a file and step with one ``uid`` (or group, prompt_id …), else
    of one prompt and truth, ``n`` at a time (the commonest number, without it): two questions may have the same words.

    Raises DataError for a file of which no row can be scored, or whose rows do not say which question they are of.
    """
    groups, notes = list[Group](), dict[str, None]()
    for path in files:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder; draw rollouts of a build with --model, or name saved generations")
        rows = list(read_generations(path))
        scored = _scored([row for row in rows if not row.fault], scorer)
        if not scored:
            raise DataError(f"no row of {path} can be scored; see why with: infimed reward {path}")
        found = _by_question(scored, n, path)
        groups += [_group(together, scorer) for together in found]
        notes |= dict.fromkeys(_notes(rows, scored))
        if mixed := len(scored) - sum(map(len, found)):
            notes[
                f"{mixed:,} rollouts are left out: several questions have their words and answer, and the rows of one "
                "do not stand together; the rest may be unlike them, and a column uid would tell them apart"
            ] = None
    return Rollouts(groups, None, list(notes))


def _by_question(rows: Sequence[Scored], n: int | None, path: Path) -> list[list[Scored]]:
    """Return the rows of each question, without those that may be of several.

    Rows may be in any order: verl writes them as it balances a batch (trainer/ppo/ray_trainer.py, _balance_batch),
    EasyR1 shuffles its log (trainer/ray_trainer.py, _maybe_log_val_generations).
    """
    for key in GROUP_KEYS:
        named = _gathered(rows, key)
        if len(named) < len(rows) and all(row.generation.row.get(key) not in (None, "") for row in rows):
            return named
    runs = [list(run) for _, run in groupby(rows, key=_question)]
    if 2 * len(runs) <= len(rows):  # they stand together
        size = n or _usual(runs)
        return [run[at : at + size] for run in runs for at in range(0, len(run), size)]
    if not any(row.generation.prompt for row in rows):
        raise DataError(f"{path}: its rows have no prompt, so that a question's cannot be found; add a column uid")
    found = _gathered(rows)
    most = n or _usual(found)
    return [one for one in found if len(one) <= most]


def _usual(groups: Sequence[Sequence[Scored]]) -> int:
    """Return the number of rollouts that at least half of the groups have; without one, that of the largest."""
    size, times = Counter(map(len, groups)).most_common(1)[0]
    return size if 2 * times >= len(groups) else max(map(len, groups))


def _gathered(rows: Iterable[Scored], column: str = "") -> list[list[Scored]]:
    found: dict[Hashable, list[Scored]] = defaultdict(list)
    for row in rows:
        found[_question(row, column)].append(row)
    return list(found.values())


def _question(row: Scored, column: str = "") -> Hashable:
    """Return what tells a row's question: its step with the value of a column, or with its words without one."""
    one = row.generation
    step = tuple(str(one.row.get(name)) for name in STEP_KEYS)
    return (*step, str(one.row.get(column))) if column else (*step, one.prompt, str(one.ground_truth))


def _scored(rows: Sequence[Generation], scorer: Scorer) -> list[Scored]:
    """Return the rows that can be scored."""
    judged = scorer.score([{"response": row.response, "ground_truth": row.ground_truth} for row in rows])
    scored = (Scored(row, *result) for row, result in zip(rows, judged, strict=True))
    return [one for one in scored if not one.bad_row]


def _group(rows: Sequence[Scored], scorer: Scorer) -> Group:
    return Group([_rollout(row, scorer) for row in rows], _kinds(rows[0]))


def _rollout(row: Scored, scorer: Scorer) -> Rollout:
    text, score, given = str(row.generation.response), row.score, row.generation.row
    accuracy, length, cut = score.accuracy or 0.0, given.get(LENGTH), given.get(CUT)
    length = length if isinstance(length, int) and length else len(text)
    right = accuracy >= RIGHT_FROM.get(row.task, 1.0)
    cut, unopened = cut if isinstance(cut, bool) else None, closes_unopened(text, scorer.form)
    return Rollout(score.overall, score.format, accuracy, right, length, cut, unopened)


def _kinds(row: Scored) -> tuple[tuple[str, str], ...]:
    given = row.generation.row
    source = str(given.get("source") or given.get("data_source") or str(given.get("id") or "").partition("-")[0])
    language = str(given.get("language") or ("zh" if _CHINESE.search(row.generation.prompt) else "en"))
    return (*((("source", source),) if source else ()), ("task", row.task), ("language", language))


def _notes(rows: Sequence[Generation], scored: Sequence[Scored]) -> list[str]:
    lost = len(rows) - len(scored)
    told = [f"{lost:,} of {len(rows):,} rollouts could not be read or scored, and are left out"] if lost else []
    counted = all(one.generation.row.get(LENGTH) for one in scored)
    return told + ([] if counted else ["lengths are in characters: tokens were not counted"])
