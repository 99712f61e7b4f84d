"""Verdicts on a run folder, by the rules of a mode and perhaps a judge of open answers, kept beside the replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.answered import Answered
from infimed_plugins.benchmarks.judged import Judged, Run
from infimed_plugins.benchmarks.judges.identity import JudgeIdentity
from infimed_plugins.benchmarks.judges.open_judge import JudgeItem, JudgeSettings, judge_answers
from infimed_plugins.benchmarks.modes import by_judge, is_open, scores
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.engines import Engine
from infimed_plugins.parsing import extract_answer
from infimed_plugins.records import Json, Score
from infimed_plugins.storage import locked, remove_partial


@dataclass(frozen=True)
class Opinion:
    """What a judge said of one open answer; ``right`` None when it failed. ``replies`` are its own words in turn."""

    right: bool | None
    reason: str
    replies: Sequence[str] = ()


CUT = "(cut off at max_tokens)"
Judge = Callable[[Sequence[Answered]], Mapping[str, Opinion]]


def judge_rows(
    benchmark: Benchmark, rows: Sequence[Answered], style: str, mode: str, judge: Judge | None = None
) -> list[Judged]:
    """The judged questions in their order. A judge is asked of those that ``modes.is_open`` leaves to it."""
    by_rule = scores(mode, benchmark, rows, style)
    opinions: Mapping[str, Opinion] = {}
    if judge is not None:
        opinions = judge([row for row in rows if row.error is None and is_open(mode, benchmark, row)])
    judged = []
    for row, score in zip(rows, by_rule, strict=True):
        opinion = opinions.get(row.id)
        if opinion is None:
            judged.append(_judged(benchmark, row, score))
        else:
            decided = _judged(benchmark, row, by_judge(opinion.right, opinion.reason, score))
            empty = not row.text.strip() and opinion.right is not None  # which a judge calls wrong: there is no answer
            judged.append(replace(decided, by_rule=score.accuracy, invalid=empty, judge_replies=tuple(opinion.replies)))
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
        return _judge_folder(folder, benchmark, modes, judge, identity)


def _judge_folder(
    folder: RunFolder,
    benchmark: Benchmark,
    modes: Sequence[str],
    judge: Judge | None,
    identity: JudgeIdentity | None,
) -> list[Run]:
    settings, answered = folder.settings(), folder.answered()
    style, variant = str(settings.get("prompt_style", "direct")), str(settings.get("variant", ""))
    model = str(settings.get("name") or settings.get("model", "?"))
    drawn: dict[str, Any] = {"seed": int(settings.get("seed") or 0), "limit": settings.get("limit")}
    by = "" if judge is None else f"-{identity.tag if identity else 'judged'}"
    if identity is not None:
        folder.write_json(f"judge-{identity.tag}.json", identity.facts())
    runs = []
    for mode in modes:
        rows = judge_rows(benchmark, answered, style, mode, judge)
        folder.write_lines(f"verdicts-{mode}{by}.jsonl", map(_verdict_line, rows))
        judged_by = identity.label if identity else ""
        runs.append(Run(model, benchmark.name, style, mode, rows, variant, judged_by, **drawn))
    return runs


def engine_judge(
    engine: Engine, settings: JudgeSettings | None = None, progress: Callable[[int, int], None] = lambda done, of: None
) -> Judge:
    """A judge that asks an engine, which should be over a response cache: then nothing is asked twice.

    It is shown the answer that can be read from a reply, or the whole reply where none can.
    """

    def judge(rows: Sequence[Answered]) -> Mapping[str, Opinion]:
        items = (
            JudgeItem(row.id, row.question, str(row.gold), extract_answer(row.text) or row.text, row.language)
            for row in rows
        )
        opinions: dict[str, Opinion] = {}
        for verdict in judge_answers(engine, items, settings):
            said = "right" if verdict.right else "wrong"
            opinions[verdict.id] = Opinion(verdict.right, verdict.reason or said, verdict.replies)
            progress(len(opinions), len(rows))
        return opinions

    return judge


def _judged(benchmark: Benchmark, row: Answered, score: Score) -> Judged:
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


def _group(benchmark: Benchmark, row: Answered) -> str:
    """The value of the first grouping that a question has one of, else its task."""
    for key in benchmark.group_by:
        value = row.meta.get(key, row.language if key == "language" else None)
        if value:
            return str(value)
    return row.task


def _verdict_line(row: Judged) -> dict[str, Json]:
    line: dict[str, Json] = {
        "id": row.id,
        "parsed": row.parsed,
        "accuracy": row.accuracy,
        "format": row.format,
        "invalid": row.invalid,
        "reason": row.why,
        "code": row.code,
    }
    if row.by_rule is not None or row.judge_replies:
        line |= {"by_rule": row.by_rule, "judge_replies": list(row.judge_replies)}
    return line
