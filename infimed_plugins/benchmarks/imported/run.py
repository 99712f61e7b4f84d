"""Another framework's replies as a run folder, so that `infimed score` can judge them.

Where the data set is at hand a reply is joined to its question, by id or by its place, if that is the question that the
file tells of; this gives images, groups and our reading of the row. Else the question is what the file itself says.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.answered import Answered
from infimed_plugins.benchmarks.facts import write_run_file
from infimed_plugins.benchmarks.imported.file_question import from_file
from infimed_plugins.benchmarks.imported.result_files import ImportedReply, read_replies, result_parts
from infimed_plugins.benchmarks.imported.same_question import is_of
from infimed_plugins.benchmarks.questions import Question, questions, unanswered
from infimed_plugins.benchmarks.run_folder import RESPONSES, RunFolder, answered_line
from infimed_plugins.errors import ConfigError, DataError, InfimedError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Sample

Show = Callable[[str, int, int | None], None]


class Counts(TypedDict):
    """Of one benchmark: replies taken in, those of no question that we have, questions without a reply, and rows that
    were left out for want of a gold answer. ``problem`` says why a set was left out or not joined, "" for nothing."""

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

    Of several data sets a damaged one, or one that ``downloads`` lacks, ends nothing: its counts say so. Raises what
    ``read_replies`` raises where it is the only one, and ConfigError when ``out`` holds something already.
    """
    if fresh:
        shutil.rmtree(out, ignore_errors=True)
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty; name a new folder, or use --fresh")
    source = registry().get("benchmark", benchmark).source if benchmark else None
    parts = result_parts(path, benchmark=source)
    counts: dict[str, Counts] = {}
    damaged: list[DataError] = []
    for part in parts:
        try:
            replies = list(read_replies(part, benchmark=source))
        except DataError as error:
            damaged.append(error)
            counts[part.name] = _counts(problem=str(error))
            continue
        for known in map(_benchmark_of, {reply.benchmark for reply in replies}):  # one, or none without replies
            rows, counts[known.name] = _joined(known, replies, downloads, show, alone=len(parts) == 1)
            _write(RunFolder(out / known.name / style), known, rows, model, style, path)
    if damaged and len(damaged) == len(parts):
        raise damaged[0]
    write_run_file(out, {"name": model, "imported from": str(path)})
    return counts


def _counts(
    rows: Sequence[Answered] = (), missing: int = 0, unmatched: int = 0, skipped: int = 0, problem: str = ""
) -> Counts:
    return Counts(replies=len(rows), unmatched=unmatched, missing=missing, skipped=skipped, problem=problem)


def _benchmark_of(source: str) -> Benchmark:
    for thing in registry():
        if thing.kind == "benchmark":
            benchmark: Benchmark = thing.load()
            if benchmark.source == source:
                return benchmark
    raise ConfigError(f"no benchmark asks the source {source!r}, so its replies cannot be judged here")


class _Waiting:
    """Replies that no question was found for yet, by id or, where the file tells none, by place."""

    def __init__(self, replies: Sequence[ImportedReply]) -> None:
        self.left = dict(enumerate(replies))
        self._by_id = {reply.id: key for key, reply in self.left.items() if reply.told}
        self._by_place = {reply.position: key for key, reply in self.left.items() if not reply.told}

    def take(self, benchmark: Benchmark, place: int, question: Question) -> ImportedReply | None:
        """The reply to a question; one that is of another question goes on waiting."""
        key = self._by_id.get(question.sample.id, self._by_place.get(place))
        if key not in self.left or not is_of(self.left[key], question, benchmark):
            return None
        return self.left.pop(key)


def _joined(
    benchmark: Benchmark, replies: Sequence[ImportedReply], downloads: Path | None, show: Show, *, alone: bool
) -> tuple[list[Answered], Counts]:
    """The replies with their questions, and behind them those of no question here as the file tells them."""
    waiting, rows, asked, problem = _Waiting(replies), [], 0, ""
    try:
        for place, question in _at_hand(benchmark, downloads):
            asked += 1
            reply = waiting.take(benchmark, place, question)
            if reply is not None:
                rows.append(_answered(place, question, reply))
                show(f"importing {benchmark.name}", len(rows), len(replies))
    except InfimedError as error:
        if downloads is not None and alone:
            raise
        problem = f"not joined to the data set (intervals then know no shared images): {error}"
    joined = len(rows)
    told = [from_file(reply, _id(reply, asked > 0)) for reply in waiting.left.values()]
    rows += [row for row in told if row is not None]
    unmatched = len(told) if asked else 0
    return rows, _counts(rows, asked - joined, unmatched, told.count(None), problem)


def _at_hand(benchmark: Benchmark, downloads: Path | None) -> Iterator[tuple[int, Question]]:
    for place, question in enumerate(questions(benchmark, folder=downloads)):
        if isinstance(question, Question):
            yield place, question


def _id(reply: ImportedReply, joined: bool) -> str:
    """A reply's own id, unless our question of that id is another one."""
    return f"{reply.benchmark}-unmatched-{reply.position}" if joined else reply.id


def _answered(place: int, question: Question, reply: ImportedReply) -> Answered:
    row = reply.row if reply.of_medevalkit else question.row
    made = unanswered(place, question, reply.prompt)
    return replace(made, images=_digests(question.sample), row=row, text=reply.text, error=reply.error)


def _digests(sample: Sample) -> list[str]:
    """By which questions cluster; none where an image cannot be read."""
    try:
        return [image.sha256() for image in sample.images]
    except DataError:
        return []


def _write(folder: RunFolder, benchmark: Benchmark, rows: list[Answered], model: str, style: str, path: Path) -> None:
    folder.prepare(
        {
            "benchmark": benchmark.name,
            "model": model,
            "name": model,
            "prompt_style": style,
            "variant": "",
            "limit": None,
            "imported": str(path),
        }
    )
    with (folder.path / RESPONSES).open("wb") as file:
        for row in rows:
            file.write(answered_line(row))
