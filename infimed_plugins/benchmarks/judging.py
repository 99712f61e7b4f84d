"""Verdicts on a run folder, by the rules of a mode and perhaps a judge of open answers, kept beside the replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.benchmarks.scorers import by_judge, find_scorer, judges_verdict, scores
from infimed_plugins.engines import Engine
from infimed_plugins.engines.structured_reply import ParsedReply
from infimed_plugins.errors import InfimedError
from infimed_plugins.judge.open_judge import JudgeIdentity, JudgeItem, JudgeSettings, judge_answers
from infimed_plugins.parsing import extract_answer
from infimed_plugins.plugins import registry
from infimed_plugins.records import Json, Response, Score
from infimed_plugins.scoring import medevalkit
from infimed_plugins.storage import locked, remove_partial

CUT = "(cut off at max_tokens)"
Judge = Callable[[Sequence[Response]], Mapping[str, ParsedReply[bool]]]  # True: right; by id


def judge_rows(
    benchmark: Benchmark, rows: Sequence[Response], style: str, mode: str, judge: Judge | None = None
) -> list[Judged]:
    """Judge the questions in their order. A judge decides those that the mode's ``is_open`` leaves to it."""
    by_rule = scores(mode, benchmark, rows, style)
    opinions: Mapping[str, ParsedReply[bool]] = {}
    if judge is not None:
        is_open = find_scorer(mode).is_open
        opinions = judge([row for row in rows if row.error is None and is_open(benchmark, row)])
    judged = []
    for row, score in zip(rows, by_rule, strict=True):
        opinion = opinions.get(row.id)
        if opinion is None:
            judged.append(_judged(benchmark, row, score))
        else:
            reason = opinion.reason or ("right" if opinion.value else "wrong")
            decided = _judged(benchmark, row, by_judge(opinion.value, reason, score))
            empty = not row.text.strip() and opinion.value is not None  # a judge calls it wrong, but there is no answer
            judged.append(replace(decided, by_rule=score.accuracy, invalid=empty, judge_replies=opinion.replies))
    return judged


def judge_folder(
    folder: RunFolder,
    benchmark: Benchmark,
    modes: Sequence[str],
    judge: Judge | None = None,
    identity: JudgeIdentity | None = None,
) -> list[Run]:
    """Judge the replies of a folder in each mode, and keep the verdicts in it (run_folder.py names the files)."""
    with locked(folder.path):
        remove_partial(folder.path)
        settings, answered = folder.settings(), folder.answered()
        style = str(settings.get("prompt_style", "direct"))
        by = "" if judge is None else f"-{identity.tag if identity else 'judged'}"
        if identity is not None:
            folder.write_json(f"judge-{identity.tag}.json", identity.to_json())
        runs = []
        for mode in modes:
            rows = judge_rows(benchmark, answered, style, mode, judge)
            folder.write_lines(f"verdicts-{mode}{by}.jsonl", map(_verdict_line, rows))
            run = Run(
                model=str(settings.get("name") or settings.get("model", "?")),
                benchmark=benchmark.name,
                prompt_style=style,
                mode=mode,
                rows=rows,
                variant=str(settings.get("variant", "")),
                judge=identity.label if identity else "",
                seed=int(settings.get("seed") or 0),
                limit=settings.get("limit"),
            )
            runs.append(run)
    return runs


def engine_judge(
    engine: Engine, settings: JudgeSettings | None = None, progress: Callable[[int, int], None] = lambda done, of: None
) -> Judge:
    """Return a judge that asks an engine; put a response cache before that, so that nothing is asked twice.

    It is shown the answer that can be read from a reply, or the whole reply where none can.
    """

    def judge(rows: Sequence[Response]) -> Mapping[str, ParsedReply[bool]]:
        items = (
            JudgeItem(row.id, row.question, str(row.gold), extract_answer(row.text) or row.text, row.language)
            for row in rows
        )
        opinions: dict[str, ParsedReply[bool]] = {}
        for verdict in judge_answers(engine, items, settings):
            opinions[verdict.id] = verdict
            progress(len(opinions), len(rows))
        return opinions

    return judge


def _judged(benchmark: Benchmark, row: Response, score: Score) -> Judged:
    return Judged(
        id=row.id,
        group=_group(benchmark, row),
        image=row.cluster,
        prompt=row.prompt,
        text=row.text,
        gold=row.gold,
        parsed=score.parsed,
        accuracy=score.accuracy,
        format=score.format,
        invalid=score.invalid,
        reason=f"{score.reason or 'no answer'} {CUT}" if row.cut and score.invalid else score.reason,
        question=row.question,
        options=row.options,
        task=row.task,
        language=row.language,
        meta=row.meta,
        failed=row.error is not None,
        code=score.code,
    )


def _group(benchmark: Benchmark, row: Response) -> str:
    """Return the value of the first grouping that a question has one of, else its task."""
    for key in benchmark.group_by:
        value = row.meta.get(key, row.language if key == "language" else None)
        if value:
            return str(value)
    return row.task


def _verdict_line(row: Judged) -> dict[str, Json]:
    line: dict[str, Json] = {name: getattr(row, name) for name in ("id", "parsed", "accuracy", "format", "invalid")}
    line |= {"reason": row.why, "code": row.code}
    if row.by_rule is not None or row.judge_replies:
        line |= {"by_rule": row.by_rule, "judge_replies": list(row.judge_replies)}
    return line


def metrics_of(folder: RunFolder, judged: Iterable[Run] = ()) -> dict[str, Json]:
    """Return MedEvalKit's own ``metrics.json`` for the folder's replies, bugs included.

    ``{"error": …}`` where upstream would write nothing.

    ``judged`` are runs as ``judge_folder`` gives them: a judge's words in one of this folder stand for upstream's
    judge. That is asked of every SLAKE question, so there the mode must be ``paper``; and it is a wrong answer where it
    fails.
    """
    settings = folder.settings()
    benchmark: Benchmark = registry().get("benchmark", settings.get("benchmark", "?"))
    rows = folder.answered()
    if benchmark.medevalkit is None:
        return {"error": f"MedEvalKit has no data set {benchmark.name}"}
    if any(row.row is None or row.error for row in rows):
        return {"error": "upstream's own rows, or some replies, are missing here"}
    upstream, texts = [row.row for row in rows], [row.text for row in rows]
    try:
        verdicts = medevalkit.score_rows(benchmark.medevalkit, upstream, texts)
        asked = [rows[place] for place in medevalkit.asked_of_judge(benchmark.medevalkit, verdicts)]
        by_judge = [run for run in judged if run.judge and _is_of(run, settings)]
        said = _outputs(by_judge, asked) if by_judge and asked else None
        if by_judge and asked and said is None:
            return {"error": "upstream's judge is asked of more questions than this one was; add --mode paper"}
        return medevalkit.metrics(benchmark.medevalkit, upstream, texts, said, verdicts=verdicts)
    except medevalkit.UpstreamCrashError as error:
        return {"error": f"upstream ends here: {error}"}
    except (InfimedError, ZeroDivisionError, KeyError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _is_of(run: Run, settings: dict[str, Json]) -> bool:
    """True if a run was asked in a folder with these settings."""
    asked = (run.model, run.benchmark, run.prompt_style, run.variant)
    names = (settings.get("name") or settings.get("model"), settings.get("benchmark"), settings.get("prompt_style"))
    return asked == (*names, settings.get("variant", ""))


def _outputs(runs: Sequence[Run], asked: Sequence[Response]) -> list[str | None] | None:
    """Return the judge's outputs on these questions, of the first run that has them all; None for none."""
    for run in runs:
        found = {row.id: judges_verdict(row) for row in run.rows}
        if all(found.get(row.id) is not None for row in asked):
            said = [found[row.id] for row in asked]
            return [{"right": "<judge>0</judge>", "wrong": "<judge>1</judge>"}.get(str(verdict)) for verdict in said]
    return None
