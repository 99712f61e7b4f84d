"""``infimed score``, ``import`` and ``export``: judge kept replies anew, and ask other frameworks for theirs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from infimed_plugins.cli.options import (
    AsJson,
    DataDir,
    Fresh,
    JudgeEngine,
    JudgeName,
    JudgeSet,
    JudgeTemplate,
    JudgeUrl,
    Labels,
    Modes,
    SkillJudge,
    read_judge,
)
from infimed_plugins.cli.report_outputs import Csv, Dimensions, Html, Latex, Markdown, Outputs
from infimed_plugins.console import print_json, progress, say


def score(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders; several models are compared.")],
    mode: Modes = None,
    judge: JudgeName = None,
    judge_engine: JudgeEngine = "openai",
    judge_url: JudgeUrl = None,
    judge_set: JudgeSet = None,
    judge_template: JudgeTemplate = None,
    dimensions: Dimensions = False,
    skill_judge: SkillJudge = False,
    labels: Labels = None,
    metrics: Annotated[
        bool,
        typer.Option(
            "--medevalkit-metrics",
            help="Print MedEvalKit's own metrics too, its bugs included; with a judge's verdicts.",
        ),
    ] = False,
    data_dir: DataDir = None,
    html: Html = None,
    csv: Csv = None,
    markdown: Markdown = None,
    latex: Latex = None,
    as_json: AsJson = False,
) -> None:
    """Judge the replies of runs anew, without the model, and compare the models."""
    from infimed_plugins.benchmarks.judging import metrics_of
    from infimed_plugins.benchmarks.scorers import DEFAULT
    from infimed_plugins.evaluation import runs as judging

    chosen = read_judge(judge, judge_engine, judge_url, judge_set, judge_template, skill_judge)
    outputs = Outputs(html, csv, markdown, latex, as_json, dimensions)
    outputs.check()
    with progress() as show:
        made = judging.score(
            runs,
            mode or [DEFAULT],
            judge=chosen,
            grade_skills=skill_judge,
            labels=labels,
            data_dir=data_dir,
            progress=show,
        )
    found = {str(folder.path): metrics_of(folder, made.runs) for folder in made.folders} if metrics else {}
    outputs.write(made, {"folder": list(map(str, runs))} | ({"medevalkit": found} if metrics else {}))
    if metrics and not as_json:
        print_json(found)
    made.refuse_unfinished()


def import_results(
    path: Annotated[
        Path,
        typer.Argument(help="MedEvalKit's output folder, a VLMEvalKit prediction file or an lmms-eval sample log."),
    ],
    model: Annotated[str, typer.Option(help="The model's name in reports.")],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    benchmark: Annotated[str | None, typer.Option(help="The benchmark, if the file or folder was renamed.")] = None,
    prompt: Annotated[str, typer.Option(help="The prompt style that was used.")] = "medevalkit",
    data_dir: DataDir = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Take in another framework's replies as a run, to be judged by `infimed score`.

    Where the data set is at hand (--from, or the hub's cache), replies are joined to its questions.
    """
    from infimed_plugins.benchmarks.imported.importer import import_run

    with progress() as show:
        counts = import_run(
            path, out, model=model, benchmark=benchmark, style=prompt, downloads=data_dir, fresh=fresh, show=show
        )
    if as_json:
        print_json({"folder": str(out), "benchmarks": counts})
        return
    for name, count in counts.items():
        say(
            f"{name}: {count['replies']:,} replies, {count['unmatched']:,} of no question here, "
            f"{count['missing']:,} questions without a reply"
        )
        if count["skipped"]:
            say(f"{name}: {count['skipped']:,} rows left out, which have no gold answer")
        if count["problem"]:
            say(f"{name}: {count['problem']}")
    say(f"judge them with: infimed score {out}")


def export(
    benchmark: Annotated[str, typer.Argument(help="The benchmark, such as slake or phantom.")],
    out: Annotated[Path, typer.Option(help="VLMEvalKit's folder of data sets, LMUData.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first questions.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a benchmark as a TSV for VLMEvalKit's custom data sets; `infimed import` takes the replies back."""
    from infimed_plugins.benchmarks.vlmevalkit import write_tsv
    from infimed_plugins.plugins import registry

    path, count, bad = write_tsv(registry().get("benchmark", benchmark), out, downloads=data_dir, limit=limit)
    if as_json:
        print_json({"file": str(path), "questions": count, "bad_rows": [asdict(row) for row in bad]})
        return
    say(f"{path}: {count:,} questions, {len(bad):,} rows left out")
    say(f"ask them in VLMEvalKit with: python run.py --data {path.stem} --mode infer --model MODEL")
    say(f"and take the replies in with: infimed import MODEL_{path.stem}.xlsx --model MODEL --out runs/eval/MODEL")
