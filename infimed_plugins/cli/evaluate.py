"""``infimed eval``: ask a model the questions of benchmarks and report; a rerun asks only what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infimed_plugins.cli.options import (
    AsJson,
    DataDir,
    EngineName,
    EngineSettings,
    JudgeEngine,
    JudgeName,
    JudgeSet,
    JudgeTemplate,
    JudgeUrl,
    Labels,
    Modes,
    SkillJudge,
    Url,
    read_engine,
    read_judge,
)
from infimed_plugins.cli.report_outputs import Csv, Dimensions, Html, Latex, Markdown, Outputs
from infimed_plugins.console import progress


def evaluate(
    model: Annotated[str, typer.Option(help="A model folder, a hub id, or a server's model name.")],
    benchmarks: Annotated[
        str, typer.Option(help="Benchmarks by name, separated by commas; paper: the seven of Table 1; text: text only.")
    ] = "phantom",
    engine: EngineName = "transformers",
    base_url: Url = None,
    engine_settings: EngineSettings = None,
    name: Annotated[str | None, typer.Option(help="The model's name in tables; its last name without it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only the first N questions.")] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            help="direct, reasoning, grounding, medevalkit or medevalkit_reasoning; may be given several times, the "
            "benchmark's own without it."
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            help="Ask a variant besides: shuffle:SEED, circular, noise:1-5, blur:1-5, jpeg:1-5, contrast:1-5, "
            "resolution:1-5, rephrase; blank, swap, noimage (does it look at the picture?); may be given several times."
        ),
    ] = None,
    wordings: Annotated[
        Path | None, typer.Option(help='Rephrased questions, JSON lines of {"id", "question"}; else by the judge.')
    ] = None,
    mode: Modes = None,
    judge: JudgeName = None,
    judge_engine: JudgeEngine = "openai",
    judge_url: JudgeUrl = None,
    judge_set: JudgeSet = None,
    judge_template: JudgeTemplate = None,
    dimensions: Dimensions = False,
    skill_judge: SkillJudge = False,
    labels: Labels = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/eval/MODEL without it.")] = None,
    data_dir: DataDir = None,
    seed: Annotated[int, typer.Option(help="Seeds the engine and what a benchmark draws.")] = 0,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The longest reply, in tokens; the benchmark's own without it.")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Resize larger images to this; the model's own limit without it.")
    ] = None,
    html: Html = None,
    csv: Csv = None,
    markdown: Markdown = None,
    latex: Latex = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model the questions of benchmarks, greedily, and report its accuracy with intervals.

    Replies are kept as they come: after an interruption the same command asks only for what is missing, and
    `infimed score` judges them anew without the model.
    """
    from infimed_plugins.benchmarks.runner import RunOptions
    from infimed_plugins.benchmarks.scorers import DEFAULT
    from infimed_plugins.evaluation import runs

    chosen = read_judge(judge, judge_engine, judge_url, judge_set, judge_template, skill_judge, base_url)
    outputs = Outputs(html, csv, markdown, latex, as_json, dimensions)
    outputs.check()
    answering = read_engine(engine, model, base_url, engine_settings)
    assert answering is not None  # there is a model
    if max_pixels is not None:
        answering.settings["max_pixels"] = max_pixels
    with progress() as show:
        made = runs.evaluate(
            answering,
            [one.strip() for one in benchmarks.split(",") if one.strip()],
            name=name,
            prompts=prompt or (),
            variants=variant or (),
            wordings=wordings,
            modes=mode or [DEFAULT],
            judge=chosen,
            grade_skills=skill_judge,
            labels=labels,
            out=out,
            options=RunOptions(limit=limit, seed=seed, max_tokens=max_tokens, downloads=data_dir),
            progress=show,
        )
    outputs.write(made, {"folder": str(made.folders[0].path.parents[1])})
    made.refuse_unfinished()
