"""Take another framework's replies in as a run folder, so that `infimed score` can judge them.

Where the data set is at hand a reply is joined to its question, by id or by its place, if that is the question that the
file tells of; this gives images, groups and our reading of the row. Else the question is what the file itself says.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.imported.match_questions import from_file, is_of
from infimed_plugins.benchmarks.imported.result_files import ImportedReply, ImportedSet, result_parts
from infimed_plugins.benchmarks.questions import Question, check_style, questions, unanswered
from infimed_plugins.benchmarks.run_folder import RESPONSES, SETTINGS, RunFolder, answered_line
from infimed_plugins.benchmarks.run_metadata import RUN_FILE, read_run_file, write_run_file
from infimed_plugins.errors import ConfigError, DataError, InfimedError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Response
from infimed_plugins.storage import PARTIAL, locked, whole_folder, write_whole

Show = Callable[[str, int, int | None], None]
_RUN_FILES = re.compile(
    r"(?:run|settings|finished)\.json|(?:responses|failed|bad_rows)\.jsonl|(?:verdicts|judge)-.*\.jsonl?|judge\.sqlite.*"
    rf"|.*{re.escape(PARTIAL)}"
)


class Counts(TypedDict):
    """Counts of one benchmark: replies taken in, replies of no question here, questions without a reply, and rows left
    out without a gold answer. ``problem`` says why a set was left out or not joined, and how many rows repeat an id."""

    replies: int
    unmatched: int
    missing: int
    skipped: int
    problem: str


def import_run(
    path: Path,
    out: Path,
    *,
    model: str,
    benchmark: str | None = None,
    style: str = "medevalkit",
    downloads: Path | None = None,
    fresh: bool = False,
    show: Show = lambda title, done, total: None,
) -> dict[str, Counts]:
    """Write the replies at ``path`` into ``out``, a folder for each benchmark, and count them by benchmark.

    Nothing is written or, for ``fresh``, removed before all is read. Of several data sets a damaged one, or one that
    ``downloads`` lacks, ends nothing: its counts say so. Raises what result_files.py raises where it is the only one,
    DataError when there is nothing to judge in any, and ConfigError for an unknown style and what ``check_out`` tells.
    """
    check_style(style)
    told = {"name": model, "imported from": str(path)}
    again = not fresh and any(isinstance(one, dict) and told.items() <= one.items() for one in read_run_file(out)[-1:])
    if not again:
        check_out(out, path, downloads, fresh=fresh)
    wanted = registry().get("benchmark", benchmark) if benchmark else None
    taken, counts = _taken(path, wanted, downloads, show)
    with locked(out):
        if again and all(_stands(out / known.name / style, rows) for known, rows in taken):
            return counts  # killed when all was done but the lock
        check_out(out, path, downloads, fresh=fresh)
        with whole_folder(out.resolve()) as partial:
            for known, rows in taken:
                _write(RunFolder(partial / known.name / style), known, rows, model, style, path)
            write_run_file(partial, told)
    return counts


def check_out(out: Path, path: Path, downloads: Path | None, *, fresh: bool) -> None:
    """Raise ConfigError where ``out`` cannot be the run folder of the results at ``path``; nothing is touched.

    That is: it is, holds or lies in the results, or holds the data sets; it is a file or below one; it is not empty,
    unless ``fresh`` is given and what it holds is an earlier run.
    """
    there, results = out.resolve(), path.resolve()
    if there == results or there in results.parents or results in there.parents:
        raise ConfigError(f"--out {out} is, holds or lies in the results at {path}; name a folder apart from them")
    if downloads is not None and (there == downloads.resolve() or there in downloads.resolve().parents):
        raise ConfigError(f"--out {out} is or holds the data sets at {downloads}; name a folder apart from them")
    below = next((place for place in (out, *out.parents) if os.path.lexists(place)), out)
    if os.path.lexists(below) and not below.is_dir():
        raise ConfigError(f"{below} is no folder, so no run can be written to {out}; name another --out")
    if not out.exists() or not any(out.iterdir()):
        return
    if not fresh:
        raise ConfigError(f"{out} is not empty; name a new folder, or use --fresh")
    settings = (found.parent for below in ("", "*/", "*/*/") for found in out.glob(f"{below}{SETTINGS}"))
    if not read_run_file(out) and not any(map(_is_run, settings)):
        raise ConfigError(
            f"{out} holds no earlier run (no {RUN_FILE}, no BENCHMARK/STYLE/{SETTINGS}), so --fresh removes nothing "
            "there; name a new folder"
        )
    own = [path for path in sorted(out.rglob("*")) if path.is_file() and not _RUN_FILES.fullmatch(path.name)]
    if own:
        raise ConfigError(f"{own[0]} is no file of a run, and --fresh would remove it; move it, or name a new folder")


def _is_run(folder: Path) -> bool:
    """True if its settings are a run's: other tools write a settings.json as well."""
    try:
        return "benchmark" in RunFolder(folder).settings()
    except (InfimedError, OSError):
        return False


def _stands(folder: Path, rows: Sequence[Response]) -> bool:
    """True if these very replies are there."""
    try:
        return (folder / RESPONSES).read_bytes() == b"".join(map(answered_line, rows))
    except OSError:
        return False


def _write(
    folder: RunFolder, benchmark: Benchmark, rows: Sequence[Response], model: str, style: str, path: Path
) -> None:
    run = {"benchmark": benchmark.name, "model": model, "name": model, "prompt_style": style, "variant": ""}
    folder.prepare({**run, "limit": None, "imported": str(path)})
    write_whole(folder.path / RESPONSES, b"".join(map(answered_line, rows)))
    folder.finish(len(rows))


def _taken(
    path: Path, benchmark: Benchmark | None, downloads: Path | None, show: Show
) -> tuple[list[tuple[Benchmark, list[Response]]], dict[str, Counts]]:
    """Return the benchmarks with their rows, but for empty ones, and the counts of all, damaged ones among them."""
    parts = result_parts(path, benchmark)
    taken: list[tuple[Benchmark, list[Response]]] = []
    counts: dict[str, Counts] = {}
    damaged: list[DataError] = []
    for part in parts:
        known = part.of.benchmark
        try:
            replies = list(part.replies())
        except DataError as error:
            damaged.append(error)
            counts[part.path.name] = Counts(replies=0, unmatched=0, missing=0, skipped=0, problem=str(error))
            continue
        rows, counts[known.name] = _joined(part.of, replies, downloads, show, alone=len(parts) == 1)
        if rows:
            taken.append((known, rows))
    if not taken and damaged:
        raise damaged[0]
    if not taken:
        raise DataError(f"{path}: no row has a gold answer, so there is nothing to judge; name the run's own results")
    return taken, counts


def _joined(
    of: ImportedSet, replies: Sequence[ImportedReply], downloads: Path | None, show: Show, *, alone: bool
) -> tuple[list[Response], Counts]:
    """Return the replies with their questions, and behind them those of no question here as the file tells them."""
    waiting: dict[str | int, list[ImportedReply]] = defaultdict(list)  # by id, or where the file tells none by place
    for reply in replies:
        waiting[reply.id if reply.told else reply.position].append(reply)
    benchmark, rows, asked, problem, joined = of.benchmark, list[Response](), 0, "", set[int]()
    try:
        for place, question in enumerate(questions(benchmark, folder=downloads)):
            if not isinstance(question, Question):
                continue
            asked += 1
            for reply in waiting.get(question.sample.id, waiting.get(place, [])):
                if reply.position not in joined and is_of(reply, question, benchmark):
                    joined.add(reply.position)
                    rows.append(_answered(place, question, reply))
                    show(f"importing {benchmark.name}", len(rows), len(replies))
                    break
    except InfimedError as error:
        if downloads is not None and alone:
            raise
        problem = f"not joined to the data set (intervals then know no shared images): {error}"
    if asked and not joined and of.ours:
        raise DataError(
            f"none of the {len(replies):,} rows is a question of {benchmark.name} (the first is {replies[0].id}): the "
            "file is of another task or split; name that one's file, or its --benchmark"
        )
    left = [reply for reply in replies if reply.position not in joined]
    told = [from_file(reply, id) for reply, id in _with_ids(left, f"{benchmark.source}-unmatched-" if asked else "")]
    rows += [row for row in told if row is not None]
    more = len(replies) - len({reply.id for reply in replies})
    repeated = f"{more:,} rows have the id of an earlier row; each counts by itself" if more else ""
    return rows, Counts(
        replies=len(rows),
        unmatched=len(told) if asked else 0,
        missing=asked - len(joined),
        skipped=told.count(None),
        problem="; ".join(filter(None, (problem, repeated))),
    )


def _with_ids(replies: Sequence[ImportedReply], head: str) -> Iterator[tuple[ImportedReply, str]]:
    """Yield each reply with its own id, or a ``head`` and its place; an earlier row of that id is another one."""
    seen: set[str] = set()
    for reply in replies:
        id = f"{head}{reply.position}" if head else reply.id
        yield reply, f"{id}-again-{reply.position}" if id in seen else id
        seen.add(id)


def _answered(place: int, question: Question, reply: ImportedReply) -> Response:
    images: list[str] = []  # by which questions cluster; none where one cannot be read
    with suppress(DataError):
        images = [image.sha256() for image in question.sample.images]
    row = reply.row if reply.of_medevalkit else question.row
    made = unanswered(place, question, reply.prompt)
    return replace(made, images=images, row=row, text=reply.text, error=reply.error)
