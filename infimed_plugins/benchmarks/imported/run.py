"""Another framework's replies as a run folder, so that `infimed score` can judge them.

Where the data set is at hand a reply is joined to its question, by id or by its place, if that is the question that the
file tells of; this gives images, groups and our reading of the row. Else the question is what the file itself says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.answered import Answered
from infimed_plugins.benchmarks.facts import read_run_file, write_run_file
from infimed_plugins.benchmarks.imported.file_question import from_file
from infimed_plugins.benchmarks.imported.out_folder import check_out
from infimed_plugins.benchmarks.imported.result_files import ImportedReply, read_replies, result_parts
from infimed_plugins.benchmarks.imported.same_question import is_of
from infimed_plugins.benchmarks.imported.sets import benchmark_of
from infimed_plugins.benchmarks.questions import Question, check_style, questions, unanswered
from infimed_plugins.benchmarks.run_folder import RESPONSES, RunFolder, answered_line
from infimed_plugins.errors import ConfigError, DataError, InfimedError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Sample
from infimed_plugins.storage import locked, whole_file, whole_folder

Show = Callable[[str, int, int | None], None]


class Counts(TypedDict):
    """Of one benchmark: replies taken in, those of no question that we have, questions without a reply, and rows that
    were left out for want of a gold answer. ``problem`` says why a set was left out or not joined, and how many rows
    have the id of another one; "" for nothing."""

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
    ``downloads`` lacks, ends nothing: its counts say so. Raises what ``read_replies`` raises where it is the only one,
    DataError when there is nothing to judge in any, and ConfigError for an unknown style and what ``check_out`` tells.
    """
    check_style(style)
    told = {"name": model, "imported from": str(path)}
    again = not fresh and any(isinstance(one, dict) and told.items() <= one.items() for one in read_run_file(out)[-1:])
    if not again:
        check_out(out, path, downloads, fresh=fresh)
    source = registry().get("benchmark", benchmark).source if benchmark else None
    taken, counts = _taken(path, source, downloads, show)
    with locked(out):
        if again and all(_stands(out / known.name / style, rows) for known, rows in taken):
            return counts  # killed when all was done but the lock
        check_out(out, path, downloads, fresh=fresh)
        with whole_folder(out.resolve()) as partial:
            for known, rows in taken:
                _write(RunFolder(partial / known.name / style), known, rows, model, style, path)
            write_run_file(partial, told)
    return counts


def _stands(folder: Path, rows: Sequence[Answered]) -> bool:
    """Whether these very replies are there."""
    try:
        return (folder / RESPONSES).read_bytes() == b"".join(map(answered_line, rows))
    except OSError:
        return False


def _taken(
    path: Path, source: str | None, downloads: Path | None, show: Show
) -> tuple[list[tuple[Benchmark, list[Answered]]], dict[str, Counts]]:
    """The benchmarks with their rows, those without any left out, and the counts of all, damaged ones among them."""
    parts = result_parts(path, benchmark=source)
    taken: list[tuple[Benchmark, list[Answered]]] = []
    counts: dict[str, Counts] = {}
    damaged: list[DataError] = []
    for part in parts:
        try:
            known, replies = _replies(part, source)
        except DataError as error:
            damaged.append(error)
            counts[part.name] = _counts(problem=str(error))
            continue
        rows, counts[known.name] = _joined(known, replies, downloads, show, alone=len(parts) == 1)
        if rows:
            taken.append((known, rows))
    if not taken and damaged:
        raise damaged[0]
    if not taken:
        raise DataError(f"{path}: no row has a gold answer, so there is nothing to judge; name the run's own results")
    return taken, counts


def _replies(part: Path, source: str | None) -> tuple[Benchmark, list[ImportedReply]]:
    """The replies of one data set. Raises as ``read_replies`` does, and DataError when there is none."""
    replies = list(read_replies(part, benchmark=source))
    if not replies:
        raise DataError(f"{part} holds no replies; name the file or folder that the run itself wrote")
    known = benchmark_of(replies[0].benchmark)
    if known is None:
        raise ConfigError(f"no benchmark asks the source {replies[0].benchmark!r}, so its replies cannot be judged")
    return known, replies


def _counts(
    rows: Sequence[Answered] = (), missing: int = 0, unmatched: int = 0, skipped: int = 0, problem: str = ""
) -> Counts:
    return Counts(replies=len(rows), unmatched=unmatched, missing=missing, skipped=skipped, problem=problem)


class _Waiting:
    """Replies that no question was found for yet, by id or, where the file tells none, by place."""

    def __init__(self, replies: Sequence[ImportedReply]) -> None:
        self.left = dict(enumerate(replies))
        self._by_id: dict[str, list[int]] = {}  # several where a file holds an id twice
        for key, reply in self.left.items():
            if reply.told:
                self._by_id.setdefault(reply.id, []).append(key)
        self._by_place = {reply.position: key for key, reply in self.left.items() if not reply.told}

    def take(self, benchmark: Benchmark, place: int, question: Question) -> ImportedReply | None:
        """The reply to a question; one that is of another question goes on waiting."""
        for key in self._by_id.get(question.sample.id, [self._by_place.get(place, -1)]):
            if key in self.left and is_of(self.left[key], question, benchmark):
                return self.left.pop(key)
        return None


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
    told = [from_file(reply, id) for reply, id in _with_ids(waiting.left.values(), asked > 0)]
    rows += [row for row in told if row is not None]
    unmatched = len(told) if asked else 0
    problem = "; ".join(filter(None, (problem, _repeated(replies))))
    return rows, _counts(rows, asked - joined, unmatched, told.count(None), problem)


def _repeated(replies: Sequence[ImportedReply]) -> str:
    """How many rows have the id of an earlier one; "" for none."""
    more = len(replies) - len({reply.id for reply in replies})
    return f"{more:,} rows have the id of an earlier row; each counts by itself" if more else ""


def _at_hand(benchmark: Benchmark, downloads: Path | None) -> Iterator[tuple[int, Question]]:
    for place, question in enumerate(questions(benchmark, folder=downloads)):
        if isinstance(question, Question):
            yield place, question


def _with_ids(replies: Iterable[ImportedReply], joined: bool) -> Iterator[tuple[ImportedReply, str]]:
    """Each reply with its own id, unless our question or an earlier row of that id is another one."""
    seen: set[str] = set()
    for reply in replies:
        id = f"{reply.benchmark}-unmatched-{reply.position}" if joined else reply.id
        yield reply, f"{id}-again-{reply.position}" if id in seen else id
        seen.add(id)


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
    with whole_file(folder.path / RESPONSES) as partial, partial.open("wb") as file:
        file.writelines(map(answered_line, rows))
    folder.finish(len(rows))
