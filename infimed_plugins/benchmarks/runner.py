"""Ask a model a benchmark's questions, in a folder that can be taken up again, and judge the replies.

Questions stream: their images are read when the engine asks for them and are not held. What is written is in
run_folder.py, which rules judge it in modes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.answered import Answered
from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.benchmarks.judging import judge_rows
from infimed_plugins.benchmarks.modes import DEFAULT
from infimed_plugins.benchmarks.questions import Question, check_style, questions, request, unanswered
from infimed_plugins.benchmarks.run_folder import RESPONSES, RunFolder, answered_line
from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling
from infimed_plugins.errors import DataError
from infimed_plugins.images import decode_image
from infimed_plugins.records import BAD_IMAGE, BadRow, ImageRef, Json
from infimed_plugins.sources.entry import source_entries

MAX_FAILED_SHARE = 0.05
MIN_FAILED = 5
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Asking:
    """How a benchmark is asked. ``vary`` makes the variant's questions out of one; ``variant`` is its name.

    ``downloads`` is where downloaded data sets lie (the hub without it); ``max_tokens`` the benchmark's without it.
    """

    prompt_style: str = "direct"
    limit: int | None = None
    seed: int = 0
    max_tokens: int | None = None
    downloads: Path | None = None
    variant: str = ""
    vary: Callable[[Iterable[Question | BadRow]], Iterable[Question | BadRow]] = iter

    def settings(self, benchmark: Benchmark, model: str) -> dict[str, Json]:
        """What shapes the replies, and so must not change within a folder."""
        return {
            "benchmark": benchmark.name,
            "model": model,
            "prompt_style": self.prompt_style,
            "variant": self.variant,
            "limit": self.limit,
            "seed": self.seed,
            "max_tokens": self.max_tokens or benchmark.max_tokens,
        }


def run(
    benchmark: Benchmark,
    engine: Engine,
    run_dir: Path,
    *,
    prompt_style: str = "direct",
    limit: int | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    folder: Path | None = None,
    name: str | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Judged]:
    """Evaluate, greedily, and return every judged reply (mode ``robust``) in the order of the samples.

    ``name`` is what tables call the model; the engine's own without it. Raises ConfigError for a folder of other
    settings and DataError when more than 5% of the requests failed.
    """
    asking = Asking(prompt_style, limit, seed, max_tokens, folder)
    facts: dict[str, Json] = {"name": name} if name else {}
    ask(benchmark, engine, RunFolder(run_dir), asking, facts=facts, progress=progress)
    return read_run(run_dir)


def ask(
    benchmark: Benchmark,
    engine: Engine,
    folder: RunFolder,
    asking: Asking,
    *,
    facts: dict[str, Json] | None = None,
    progress: Progress = lambda done, total: None,
) -> None:
    """Ask what the folder has no reply to yet, greedily; ``facts`` go into its settings.

    Raises as ``run`` does.
    """
    check_style(asking.prompt_style)
    settings = asking.settings(benchmark, engine.model)
    folder.prepare(settings | (facts or {}))
    log = _Log(folder, benchmark, asking, folder.ids())
    sampling = Sampling(max_tokens=settings["max_tokens"], seed=asking.seed)
    total = _total(benchmark, asking)
    requests = log.missing()
    first = next(requests, None)
    if first is not None:
        with (folder.path / RESPONSES).open("ab") as file:
            for reply in engine.generate(chain([first], requests), sampling):
                row = log.take(reply)
                if row.error is None:
                    file.write(answered_line(row))
                    file.flush()
                progress(log.done, total)
    progress(log.done, log.asked)
    folder.write_bad_rows(log.bad_rows)
    folder.write_failed(log.failed)
    _refuse_failures(log)


def read_run(run_dir: Path, mode: str = DEFAULT) -> list[Judged]:
    """The replies of a folder judged by the rules of a mode; an empty list for a folder without any."""
    from infimed_plugins.plugins import registry

    folder = RunFolder(run_dir)
    if not (run_dir / RESPONSES).exists():
        return []
    settings = folder.settings()
    benchmark: Benchmark = registry().get("benchmark", settings["benchmark"])
    return judge_rows(benchmark, folder.answered(), settings["prompt_style"], mode)


@dataclass
class _Log:
    """Which questions are on their way: everything of them but their images, which the engine's request holds."""

    folder: RunFolder
    benchmark: Benchmark
    asking: Asking
    known: set[str]
    asked: int = 0
    done: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)
    failed: list[Answered] = field(default_factory=list)
    _waiting: dict[str, Answered] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def missing(self) -> Iterator[ChatRequest]:
        """Requests for what has no reply yet."""
        asking = self.asking
        given = questions(self.benchmark, folder=asking.downloads, seed=asking.seed, limit=asking.limit)
        for index, question in enumerate(asking.vary(given)):
            if isinstance(question, BadRow):
                self.bad_rows.append(question)
                continue
            if question.sample.id in self._seen:
                self.bad_rows.append(BadRow(question.sample.id, "its id is used twice"))
                continue
            self._seen.add(question.sample.id)
            if question.sample.id in self.known:
                self.asked += 1
                self.done += 1
                continue
            try:
                made = request(self.benchmark, question, asking.prompt_style)
            except DataError as error:
                self.bad_rows.append(BadRow(question.sample.id, "it cannot be asked in this style", str(error)))
                continue
            try:
                images = tuple(map(_decoded, made.images))
            except DataError as error:
                self.bad_rows.append(BadRow(question.sample.id, BAD_IMAGE, str(error)))
                continue
            self.asked += 1
            row = unanswered(index, question, made.text)
            self._waiting[row.id] = replace(row, images=[image.sha256() for image in images])
            yield replace(made, images=images)

    def take(self, reply: Reply) -> Answered:
        """The question of a reply, answered."""
        text = reply.texts[0] if reply.texts else ""
        cut = bool(reply.cut and reply.cut[0])
        row = replace(self._waiting.pop(reply.id), text=text, error=reply.error, cut=cut, tokens=reply.usage.completion)
        if row.error is None:
            self.done += 1
        else:
            self.failed.append(row)
        return row


def _decoded(image: ImageRef) -> ImageRef:
    """The image in memory, read once. Raises DataError naming the file where it does not decode."""
    read = ImageRef(data=image.read())
    decode_image(read.read(), image.path or "in memory")
    return read


def _total(benchmark: Benchmark, asking: Asking) -> int | None:
    """How many questions there will be, where the registry says; a variant may make more of them."""
    entry = source_entries().get(benchmark.source)
    counts = [count for count in (entry.splits.get(benchmark.split) if entry else None, asking.limit) if count]
    return min(counts, default=None) if not asking.variant else None


def _refuse_failures(log: _Log) -> None:
    failed, asked = log.failed, log.asked
    if not asked:
        rows = [f": {row.id}: {row.reason} {row.detail}".rstrip() for row in log.bad_rows[:1]]
        raise DataError(f"no question could be asked, {len(log.bad_rows)} bad rows{''.join(rows)}")
    if len(failed) == asked or (len(failed) >= MIN_FAILED and len(failed) > MAX_FAILED_SHARE * asked):
        raise DataError(f"{len(failed)} of {asked} requests failed, the first: {failed[0].error}; mend and rerun")
