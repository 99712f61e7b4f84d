"""``infimed score`` and ``infimed import``: judge kept replies anew, and take in those of other frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.cli.judge_options import (
    JudgeEngine,
    JudgeModel,
    JudgeOptions,
    JudgeSet,
    JudgeTemplate,
    JudgeUrl,
    SkillJudge,
)
from infimed_plugins.cli.output import AsJson, Fresh, print_json, progress, say
from infimed_plugins.cli.report_outputs import Csv, Dimensions, Downloads, Html, Latex, Markdown, Outputs
from infimed_plugins.cli.run_notes import notes_on, notes_on_labels
from infimed_plugins.cli.scored import Labels, Modes, agreement, judge_folders, read_people, refuse_unscored
from infimed_plugins.errors import MissingFileError

if TYPE_CHECKING:
    from infimed_plugins.benchmarks.judged import Run
    from infimed_plugins.benchmarks.run_folder import RunFolder


def score(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders; several models are compared.")],
    mode: Modes = None,
    judge: JudgeModel = None,
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
    downloads: Downloads = None,
    html: Html = None,
    csv: Csv = None,
    markdown: Markdown = None,
    latex: Latex = None,
    as_json: AsJson = False,
) -> None:
    """Judge the replies of runs anew, without the model, and compare the models."""
    from infimed_plugins.benchmarks.run_folder import run_folders
    from infimed_plugins.benchmarks.scorers import DEFAULT, find_scorer

    judging = JudgeOptions(judge, judge_engine, judge_url, judge_set, judge_template)
    judging.check(skill_judge)
    outputs = Outputs(html, csv, markdown, latex, as_json, dimensions)
    outputs.check()
    if downloads is not None and not downloads.is_dir():
        raise MissingFileError(f"there is no folder {downloads}; name the one with your downloads")
    people = read_people(labels)
    modes = list(dict.fromkeys(mode or [DEFAULT]))
    for one in modes:
        find_scorer(one)
    judged: list[Run] = []
    folders: list[RunFolder] = []
    with progress() as show:
        for root in runs:
            found = run_folders(root)
            judged += judge_folders(root, found, modes, judging, show)
            folders += found
    extra: dict[str, Any] = {"folder": [str(root) for root in runs], "agreement": agreement(judged, people)}
    extra["judge"] = judging.described()
    extra["skill_grades"] = judging.grade_skills(runs[0], judged) if skill_judge else []
    if metrics:
        extra["medevalkit"] = _metrics(folders, judged)
    outputs.write(
        judged,
        facts={"runs": ", ".join(map(str, runs)), **judging.facts()},
        notes=[*notes_on(judged, folders), *notes_on_labels(judged, people)],
        downloads=downloads,
        extra=extra,
    )
    if metrics and not as_json:
        print_json(extra["medevalkit"])
    refuse_unscored(judged)


def import_results(
    path: Annotated[Path, typer.Argument(help="MedEvalKit's output folder or a VLMEvalKit prediction file.")],
    model: Annotated[str, typer.Option(help="What to call the model.")],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    benchmark: Annotated[
        str | None, typer.Option(help="Which benchmark it is, where the file or folder was renamed.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="The prompt style that was used.")] = "medevalkit",
    downloads: Downloads = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Take in another framework's replies as a run, to be judged by `infimed score`.

    Where the data set is at hand (--from, or the hub's cache), replies are joined to its questions.
    """
    from infimed_plugins.benchmarks.imported.run import import_run

    with progress() as show:
        counts = import_run(
            path, out, model=model, benchmark=benchmark, style=prompt, downloads=downloads, fresh=fresh, show=show
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


def _metrics(folders: list[RunFolder], judged: list[Run]) -> dict[str, object]:
    from infimed_plugins.benchmarks.judging import metrics_of

    return {str(folder.path): metrics_of(folder, judged) for folder in folders}
