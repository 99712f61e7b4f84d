"""Another framework's replies as a run folder, so that `infimed score` can judge them.

Where the data set is at hand a reply is joined to its question, by id or by its place, which gives images, groups and
our reading of the row. Without it the question is what the file itself says.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TypedDict

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.answered import Answered
from infimed_plugins.benchmarks.facts import write_run_file
from infimed_plugins.benchmarks.imported.result_files import ImportedReply, read_replies
from infimed_plugins.benchmarks.questions import Question, questions
from infimed_plugins.benchmarks.run_folder import RESPONSES, RunFolder, answered_line
from infimed_plugins.errors import ConfigError, DataError, InfimedError
from infimed_plugins.plugins import registry
from infimed_plugins.records import OPTION_LETTERS, BadRow, Json, Sample
from infimed_plugins.sources.public import split_letter

Show = Callable[[str, int, int | None], None]


class Counts(TypedDict):
    """Of one benchmark: replies taken in, replies to no question that we have, questions without a reply."""

    replies: int
    unmatched: int
    missing: int


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

    Raises what ``read_replies`` raises, and ConfigError when ``out`` holds something already.
    """
    if fresh:
        shutil.rmtree(out, ignore_errors=True)
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty; name a new folder, or use --fresh")
    source = registry().get("benchmark", benchmark).source if benchmark else None
    counts: dict[str, Counts] = {}
    for name, replies in groupby(read_replies(path, benchmark=source), key=lambda reply: reply.benchmark):
        known = _benchmark_of(name)
        joined = _Joined(known, downloads)
        rows = []
        for number, reply in enumerate(replies, start=1):
            rows.append(joined.answered(reply))
            show(f"importing {known.name}", number, None)
        _write(RunFolder(out / known.name / style), known, rows, model, style, path)
        counts[known.name] = {"replies": len(rows), "unmatched": joined.unmatched, "missing": joined.missing(rows)}
    write_run_file(out, {"name": model, "imported from": str(path)})
    return counts


def _benchmark_of(source: str) -> Benchmark:
    for thing in registry():
        if thing.kind == "benchmark":
            benchmark: Benchmark = thing.load()
            if benchmark.source == source:
                return benchmark
    raise ConfigError(f"no benchmark asks the source {source!r}, so its replies cannot be judged here")


@dataclass
class _Joined:
    """The questions of a benchmark by id and by place; none where its files are not at hand."""

    benchmark: Benchmark
    downloads: Path | None
    unmatched: int = 0
    by_id: dict[str, tuple[int, Question]] = field(default_factory=dict)
    by_place: dict[int, tuple[int, Question]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            given: Iterable[Question | BadRow] = questions(self.benchmark, folder=self.downloads)
            for place, question in enumerate(given):
                if isinstance(question, Question):
                    bare = Question(_without_images(question.sample), question.row)
                    self.by_id[question.sample.id] = self.by_place[place] = (place, bare)
        except InfimedError:
            if self.downloads is not None:
                raise

    def answered(self, reply: ImportedReply) -> Answered:
        """The reply with its question. Raises DataError for a row that says neither question nor answer."""
        found = self.by_id.get(reply.id) or (self.by_place.get(reply.position) if "-row" in reply.id else None)
        if found is None:
            self.unmatched += bool(self.by_id)
            return _from_file(reply)
        place, question = found
        sample = question.sample
        return Answered(
            place,
            sample.id,
            sample.question,
            sample.options,
            sample.task,
            sample.answer,
            sample.language,
            dict(sample.meta),
            [],
            reply.prompt,
            reply.row,
            reply.text,
            reply.error,
        )

    def missing(self, rows: list[Answered]) -> int:
        """Questions that no reply was for."""
        return len(self.by_id.keys() - {row.id for row in rows})


def _without_images(sample: Sample) -> Sample:
    from dataclasses import replace

    return replace(sample, images=())


def _from_file(reply: ImportedReply) -> Answered:
    """A question as the file tells it."""
    row = reply.row
    question, gold = row.get("question"), row.get("answer", row.get("gt_answer"))
    if question in (None, "") or gold in (None, ""):
        raise DataError(f"the reply {reply.id} says neither question nor answer; give the data set with --from")
    options = _options(row)
    letter = str(gold).strip().upper()
    is_choice = options is not None and letter in OPTION_LETTERS[: len(options)] and len(letter) == 1
    language = str(row.get("q_lang") or row.get("lang") or "en")
    meta = {key: row[key] for key in ("modality_type", "question_type", "category") if row.get(key)}
    return Answered(
        reply.position,
        reply.id,
        str(question),
        options if is_choice else None,
        "multiple_choice" if is_choice else "text",
        letter if is_choice else str(gold),
        language,
        meta,
        [],
        reply.prompt,
        row,
        reply.text,
        reply.error,
    )


def _options(row: dict[str, Json]) -> tuple[str, ...] | None:
    """Options as MedEvalKit writes them (a list of "A. CT") or VLMEvalKit (columns A, B …); None for none."""
    choices = row.get("choices")
    if isinstance(choices, list) and choices:
        return tuple(split_letter(str(choice))[1] for choice in choices)
    listed = [str(row[letter]) for letter in OPTION_LETTERS if row.get(letter) not in (None, "")]
    return tuple(listed) or None


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
