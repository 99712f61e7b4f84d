"""Ask a model a benchmark's questions, in a folder that can be taken up again, and judge the replies.

Questions stream: their images are read when the engine asks for them and are not held. What is written is in
run_folder.py, which rules judge it in scorers.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.judged import Judged
from infimed_plugins.benchmarks.judging import judge_rows
from infimed_plugins.benchmarks.questions import Question, check_style, questions, request, unanswered
from infimed_plugins.benchmarks.run_folder import BAD_ROWS, FAILED, RESPONSES, RunFolder, answered_line
from infimed_plugins.benchmarks.scorers import DEFAULT
from infimed_plugins.engines import ChatRequest, Engine, Reply, Sampling
from infimed_plugins.errors import ConfigError, DataError, refuse_failures
from infimed_plugins.images import decode_image
from infimed_plugins.records import BAD_IMAGE, BadRow, ImageRef, Json, Response
from infimed_plugins.sources import source_entries
from infimed_plugins.storage import locked, naming

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class RunOptions:
    """The settings of a run. ``vary`` makes the variant's questions out of one; ``variant`` is its name.

    ``downloads`` is the folder of downloaded data sets (the hub without it); ``max_tokens`` the benchmark's without it.
    """

    prompt_style: str = "direct"
    limit: int | None = None
    seed: int = 0
    max_tokens: int | None = None
    downloads: Path | None = None
    variant: str = ""
    vary: Callable[[Iterable[Question | BadRow]], Iterable[Question | BadRow]] = iter

    def settings(self, benchmark: Benchmark, model: str) -> dict[str, Json]:
        """Return the settings that shape the replies, and so must not change within a folder."""
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

    ``name`` is the model's name in tables; the engine's own without it. Raises ConfigError for a folder of other
    settings and RequestsFailedError when more than 5% of the requests failed.
    """
    options = RunOptions(prompt_style, limit, seed, max_tokens, folder)
    metadata: dict[str, Json] = {"name": name} if name else {}
    ask(benchmark, engine, RunFolder(run_dir), options, metadata=metadata, progress=progress)
    return read_run(run_dir)


def ask(
    benchmark: Benchmark,
    engine: Engine,
    folder: RunFolder,
    options: RunOptions,
    *,
    metadata: dict[str, Json] | None = None,
    progress: Progress = lambda done, total: None,
) -> None:
    """Ask for the replies that the folder lacks, greedily; ``metadata`` go into its settings.

    Raises as ``run`` does.
    """
    check_style(options.prompt_style)
    settings = options.settings(benchmark, engine.model)
    with locked(folder.path):
        folder.prepare(settings | (metadata or {}))
        known = folder.known()
        _check_same(_Log(folder, benchmark, options, set()), known)
        log = _Log(folder, benchmark, options, set(known))
        _ask_missing(engine, log, Sampling(max_tokens=settings["max_tokens"], seed=options.seed), progress)
        progress(log.done, log.asked)
        folder.write_lines(BAD_ROWS, map(asdict, log.bad_rows))
        folder.write_lines(FAILED, map(asdict, log.failed))
        folder.finish(log.done)
    _refuse_failures(log)


def _check_same(log: _Log, known: dict[str, bytes]) -> None:
    """Raise ConfigError if a kept reply is to another question than today's, before anything is asked."""
    left = dict(known)
    for row, _ in log.rows(left.__contains__, _in_memory) if left else ():
        if left.pop(row.id) != row.digest:
            raise ConfigError(
                f"{log.folder.path} holds a reply to {row.id} with another prompt, gold answer or image than it has "
                "today; put the data set back, choose another --out or remove the folder"
            )
        if not left:
            return
    if left:
        raise ConfigError(
            f"{log.folder.path} holds {len(left)} replies to questions that the data set has no longer, such as "
            f"{min(left)}; put it back, choose another --out or remove the folder"
        )


def _ask_missing(engine: Engine, log: _Log, sampling: Sampling, progress: Progress) -> None:
    """Ask, and write each reply as it comes, in the thread of the requests where the engine has one."""
    requests, total = log.missing(), _total(log.benchmark, log.options)
    first = next(requests, None)
    if first is None:
        return
    path = log.folder.path / RESPONSES
    with naming(path), path.open("ab") as file:

        def keep(reply: Reply) -> None:
            row = log.take(reply)
            if row is not None and row.error is None:
                file.write(answered_line(row))
                file.flush()

        engine.on_result = keep  # type: ignore[attr-defined]  # an engine that has none takes no notice
        for reply in engine.generate(chain([first], requests), sampling):
            keep(reply)
            progress(log.done, total)
        os.fsync(file.fileno())
    log.take_unanswered()


def read_run(run_dir: Path, mode: str = DEFAULT) -> list[Judged]:
    """Judge the replies of a folder by the rules of a mode; an empty list for a folder without any."""
    from infimed_plugins.plugins import registry

    folder = RunFolder(run_dir)
    if not (run_dir / RESPONSES).exists():
        return []
    settings = folder.settings()
    benchmark: Benchmark = registry().get("benchmark", settings["benchmark"])
    return judge_rows(benchmark, folder.answered(), settings["prompt_style"], mode)


@dataclass
class _Log:
    """The questions that wait for a reply, without their images, which the engine's request holds."""

    folder: RunFolder
    benchmark: Benchmark
    options: RunOptions
    known: set[str]
    asked: int = 0
    done: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)
    failed: list[Response] = field(default_factory=list)
    _waiting: dict[str, Response] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def missing(self) -> Iterator[ChatRequest]:
        """Yield requests for the questions without a reply."""
        for row, made in self.rows(lambda id: id not in self.known, _decoded):
            self.asked += 1
            self._waiting[row.id] = row
            yield made

    def rows(
        self, wanted: Callable[[str], bool], read: Callable[[ImageRef], ImageRef]
    ) -> Iterator[tuple[Response, ChatRequest]]:
        """Yield the wanted questions and their requests, images read; the others are counted, and the bad rows kept."""
        options = self.options
        given = questions(self.benchmark, folder=options.downloads, seed=options.seed, limit=options.limit)
        for index, question in enumerate(options.vary(given)):
            if isinstance(question, BadRow):
                self.bad_rows.append(question)
                continue
            id = question.sample.id
            if id in self._seen:
                self.bad_rows.append(BadRow(id, "its id is used twice"))
                continue
            self._seen.add(id)
            if not wanted(id):
                self.asked += 1
                self.done += 1
                continue
            why = "it cannot be asked in this style"
            try:
                made = request(self.benchmark, question, options.prompt_style)
                why = BAD_IMAGE
                images = tuple(map(read, made.images))
            except DataError as error:
                self.bad_rows.append(BadRow(id, why, str(error)))
                continue
            row = unanswered(index, question, made.text)
            yield replace(row, images=[image.sha256() for image in images]), replace(made, images=images)

    def take(self, reply: Reply) -> Response | None:
        """Return the question of a reply, answered; None for one that has been taken."""
        if reply.id not in self._waiting:
            return None
        text = reply.texts[0] if reply.texts else ""
        cut = bool(reply.cut and reply.cut[0])
        row = replace(self._waiting.pop(reply.id), text=text, error=reply.error, cut=cut, tokens=reply.usage.completion)
        if row.error is None:
            self.done += 1
        else:
            self.failed.append(row)
        return row

    def take_unanswered(self) -> None:
        """Count the questions that the engine left without a reply among the failed."""
        self.failed += [replace(row, error="the engine gave no reply") for row in self._waiting.values()]


def _in_memory(image: ImageRef) -> ImageRef:
    return ImageRef(data=image.read())


def _decoded(image: ImageRef) -> ImageRef:
    """Return the image in memory, read once. Raises DataError naming the file where it does not decode."""
    read = _in_memory(image)
    decode_image(read.read(), image.path or "in memory")
    return read


def _total(benchmark: Benchmark, options: RunOptions) -> int | None:
    """Return the number of questions, where the registry says; a variant may make more of them."""
    entry = source_entries().get(benchmark.source)
    counts = [count for count in (entry.splits.get(benchmark.split) if entry else None, options.limit) if count]
    return min(counts, default=None) if not options.variant else None


def _refuse_failures(log: _Log) -> None:
    if not log.asked:
        rows = [f": {row.id}: {row.reason} {row.detail}".rstrip() for row in log.bad_rows[:1]]
        variant = f" in the variant {log.options.variant}" if log.options.variant else ""
        raise DataError(f"no question could be asked{variant}, {len(log.bad_rows)} bad rows{''.join(rows)}")
    refuse_failures(len(log.failed), log.asked, next((str(row.error) for row in log.failed), ""))
