"""``infimed eval``: ask a model the questions of benchmarks and report; a rerun asks only what is missing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.cli.engine_options import EngineName, EngineSettings, Url, engine_choice
from infimed_plugins.cli.judge_options import (
    JudgeEngine,
    JudgeModel,
    JudgeOptions,
    JudgeSet,
    JudgeTemplate,
    JudgeUrl,
    SkillJudge,
)
from infimed_plugins.cli.late_engine import Later
from infimed_plugins.cli.output import AsJson, progress
from infimed_plugins.cli.report_outputs import Csv, Dimensions, Downloads, Html, Latex, Markdown, Outputs
from infimed_plugins.cli.run_notes import notes_on, notes_on_labels
from infimed_plugins.cli.scored import Labels, Modes, agreement, judge_folders, read_people, refuse_unscored
from infimed_plugins.errors import ConfigError, DataError, MissingExtraError, RequestsFailedError
from infimed_plugins.storage import locked

if TYPE_CHECKING:
    from infimed_plugins.benchmarks import Benchmark
    from infimed_plugins.benchmarks.robustness.variants import Vary
    from infimed_plugins.benchmarks.run_folder import RunFolder
    from infimed_plugins.benchmarks.runner import Asking


def evaluate(
    model: Annotated[str, typer.Option(help="A model folder, a hub id, or a server's model name.")],
    benchmarks: Annotated[
        str, typer.Option(help="Benchmarks by name, separated by commas; paper: the seven of Table 1; text: text only.")
    ] = "phantom",
    engine: EngineName = "transformers",
    base_url: Url = None,
    engine_settings: EngineSettings = None,
    name: Annotated[str | None, typer.Option(help="What tables call the model; its last name without it.")] = None,
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
            "resolution:1-5, rephrase; may be given several times."
        ),
    ] = None,
    wordings: Annotated[
        Path | None, typer.Option(help='Of rephrase: JSON lines of {"id", "question"}; without it the judge rephrases.')
    ] = None,
    mode: Modes = None,
    judge: JudgeModel = None,
    judge_engine: JudgeEngine = "openai",
    judge_url: JudgeUrl = None,
    judge_set: JudgeSet = None,
    judge_template: JudgeTemplate = None,
    dimensions: Dimensions = False,
    skill_judge: SkillJudge = False,
    labels: Labels = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/eval/MODEL without it.")] = None,
    downloads: Downloads = None,
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
    from infimed_plugins.benchmarks.runner import Asking
    from infimed_plugins.benchmarks.scorers import DEFAULT, find_scorer

    judging = JudgeOptions(judge, judge_engine, judge_url, judge_set, judge_template, base_url)
    judging.check(skill_judge)
    outputs = Outputs(html, csv, markdown, latex, as_json, dimensions)
    outputs.check()
    people = read_people(labels)
    modes = list(dict.fromkeys(mode or [DEFAULT]))
    for one in modes:
        find_scorer(one)
    chosen = engine_choice(engine, model, base_url, engine_settings) or {}
    chosen["settings"] |= {} if max_pixels is None else {"max_pixels": max_pixels}
    label = name or model.rstrip("/").rpartition("/")[2]
    root = out or Path("runs") / "eval" / label
    asking = Asking(limit=limit, seed=seed, max_tokens=max_tokens, downloads=downloads)
    varied = _varied(variant or [], wordings, judging, root)
    plan = _plan(_benchmarks(benchmarks), prompt, varied, root, asking)
    with locked(root), progress() as show:
        failed = _ask(plan, chosen, label, root, show)
        folders = [folder for _, _, folder in plan]
        runs = judge_folders(root, folders, modes, judging, show)
    outputs.write(
        runs,
        facts=_facts(root, label, chosen) | judging.facts(),
        notes=[
            *(f"{title}: {error}" for title, error in failed.items()),
            *notes_on(runs, folders),
            *notes_on_labels(runs, people),
        ],
        downloads=downloads,
        extra={
            "folder": str(root),
            "agreement": agreement(runs, people),
            "judge": judging.described(),
            "skill_grades": judging.grade_skills(root, runs) if skill_judge else [],
        },
    )
    if failed:
        told = "; ".join(f"{title}: {error}" for title, error in failed.items())
        requests = any(isinstance(error, RequestsFailedError) for error in failed.values())
        raise (RequestsFailedError if requests else DataError)(
            f"{len(failed)} of {len(plan)} were not finished; mend and rerun: {told}"
        )
    refuse_unscored(runs)


Planned = list[tuple["Benchmark", "Asking", "RunFolder"]]


def _benchmarks(names: str) -> list[Benchmark]:
    from infimed_plugins.benchmarks import benchmarks
    from infimed_plugins.plugins import registry

    listed: list[str] = []
    for name in (name.strip() for name in names.split(",") if name.strip()):
        listed += [one.name for one in benchmarks(name)] if name in ("paper", "text") else [name]
    if not listed:
        raise ConfigError("--benchmarks names none; write phantom, paper, or names separated by commas")
    return [registry().get("benchmark", name) for name in dict.fromkeys(listed)]


def _varied(variants: list[str], wordings: Path | None, judging: JudgeOptions, root: Path) -> dict[str, Vary]:
    """What makes each variant's questions, the questions as they are first; all names checked."""
    from infimed_plugins.benchmarks.robustness.variants import vary

    engine = judging.later(root) if wordings is None else None
    return {name: vary(name, engine=engine, wordings=wordings) for name in dict.fromkeys(["", *variants])}


def _plan(
    chosen: list[Benchmark], styles: list[str] | None, varied: dict[str, Vary], root: Path, asking: Asking
) -> Planned:
    """Every benchmark in every style and variant. Raises ConfigError for an unknown style."""
    from infimed_plugins.benchmarks.questions import check_style
    from infimed_plugins.benchmarks.run_folder import RunFolder

    plan: Planned = []
    for benchmark in chosen:
        for style in dict.fromkeys(styles or benchmark.prompt_styles):
            check_style(style)
            for variant, vary in varied.items():
                how = replace(asking, prompt_style=style, variant=variant, vary=vary)
                plan.append((benchmark, how, RunFolder(root / benchmark.name / _folder_name(style, variant))))
    return plan


def _folder_name(style: str, variant: str) -> str:
    return f"{style}+{variant.replace(':', '-')}" if variant else style


def _ask(plan: Planned, chosen: dict[str, Any], label: str, root: Path, show: Any) -> dict[str, DataError]:
    """Ask all of it, and say what was not finished, and why.

    A data set without its files, a package that is missing and a folder of another run are said before the model is
    loaded, which is when a question first needs it: a finished run does not.
    """
    from infimed_plugins.benchmarks.facts import write_run_file
    from infimed_plugins.benchmarks.questions import questions
    from infimed_plugins.benchmarks.runner import ask
    from infimed_plugins.engines import shaping_settings
    from infimed_plugins.recipes.step_engine import model_identity

    engine = Later(chosen, "--model", partial(show, "loading the model", 0, None))
    facts = {"name": label, "model_hash": model_identity(chosen["model"]), "engine": chosen["name"]}
    facts["engine_settings"] = shaping_settings(chosen["settings"])
    for benchmark, asking, folder in plan:
        try:
            next(iter(questions(benchmark, folder=asking.downloads, seed=asking.seed, limit=1)), None)
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"reading {benchmark.name}", error.name or "", "eval") from error
        folder.check(asking.settings(benchmark, engine.model) | facts)
    if not all(folder.begun() for _, _, folder in plan):
        engine.start()  # what is wrong with it is then said before anything is written
    given = {key: value for key, value in chosen["settings"].items() if key != "base_url"}
    write_run_file(root, {"model": chosen["model"], **facts, "engine_settings": given})
    failed = {}
    for benchmark, asking, folder in plan:
        title = " ".join(part for part in (benchmark.name, asking.prompt_style, asking.variant) if part)
        try:
            ask(benchmark, engine, folder, asking, facts=facts, progress=partial(show, title))
        except DataError as error:  # of this benchmark; where the engine or an option fails, it does so for all
            failed[title] = error
    return failed


def _facts(root: Path, label: str, chosen: dict[str, Any]) -> dict[str, str]:
    from infimed_plugins.benchmarks.facts import read_run_file

    last = read_run_file(root)[-1:]
    facts = {"model": label, "engine": str(chosen["name"]), "run folder": str(root)}
    for entry in last:
        facts |= {"started": str(entry["started"]), "machine": str(entry["machine"])}
        facts |= {name: str(version) for name, version in entry["versions"].items()}
        if entry.get("git"):
            facts["git"] = str(entry["git"]["commit"])[:12]
    return facts
