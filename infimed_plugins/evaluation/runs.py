"""Ask models the questions of benchmarks, judge the replies, and gather the figures of a report."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from infimed_plugins.benchmarks import Benchmark, benchmarks
from infimed_plugins.benchmarks.clinical_skills import count_grades, judge_skills
from infimed_plugins.benchmarks.judged import Run
from infimed_plugins.benchmarks.judging import engine_judge, judge_folder
from infimed_plugins.benchmarks.questions import check_style, questions
from infimed_plugins.benchmarks.robustness.perturbations import Vary, folded, needs_pictures, vary
from infimed_plugins.benchmarks.run_folder import RunFolder, run_folders
from infimed_plugins.benchmarks.run_metadata import read_run_file, write_run_file
from infimed_plugins.benchmarks.runner import RunOptions, ask
from infimed_plugins.benchmarks.scorers import DEFAULT, find_scorer
from infimed_plugins.benchmarks.source_images import source_images
from infimed_plugins.engines import shaping_settings
from infimed_plugins.errors import (
    ConfigError,
    DataError,
    MissingExtraError,
    MissingFileError,
    RequestsFailedError,
    known_name,
)
from infimed_plugins.evaluation.dimensions import asked_once
from infimed_plugins.evaluation.engine_choice import JudgeModel, LazyEngine
from infimed_plugins.evaluation.notes import notes_on, notes_on_labels
from infimed_plugins.judge import agreement as agreements
from infimed_plugins.plugins import registry
from infimed_plugins.recipes.recipe import EngineChoice
from infimed_plugins.recipes.step_engine import model_identity
from infimed_plugins.records import Json
from infimed_plugins.reports.against import Comparison, compare
from infimed_plugins.reports.evaluation_page import write_evaluation_page
from infimed_plugins.reports.published import published_data
from infimed_plugins.reports.summary import Summary, summarize
from infimed_plugins.storage import locked

Progress = Callable[[str, int, int | None], None]  # (title, done, total)
Planned = list[tuple[Benchmark, RunOptions, RunFolder]]


@dataclass(frozen=True)
class Evaluation:
    """Judged runs, and the notes beside their figures.

    ``runs`` holds one Run for each model, benchmark, prompt style, variant and mode; ``failed`` names what was not
    finished, and why; ``agreement`` compares verdicts of rules, judge and people (Cohen's kappa). ``against`` names the
    published recipe to compare with.
    """

    folders: Sequence[RunFolder]
    runs: Sequence[Run]
    metadata: Mapping[str, str]
    notes: Sequence[str]
    judge: Mapping[str, Json] | None = None
    agreement: Sequence[dict[str, Any]] = ()
    skill_grades: Sequence[dict[str, Any]] = ()
    failed: Mapping[str, DataError] = field(default_factory=dict)
    data_dir: Path | None = None
    against: str | None = None

    @property
    def groupings(self) -> dict[str, Sequence[str]]:
        """The keys that each benchmark's questions are grouped by."""
        names = dict.fromkeys(run.benchmark for run in self.runs)
        return {name: registry().get("benchmark", name).group_by for name in names}

    def summary(self) -> Summary:
        """Count the figures, with 95% intervals and paired differences."""
        return summarize(self.runs, groupings=self.groupings)

    def comparison(self) -> Comparison | None:
        """Compare the figures with those of the published recipe, if one is named."""
        return compare(self.summary(), self.against) if self.against else None

    def write_page(self, path: Path) -> None:
        """Write one HTML page: tables, intervals, curves, cases with their images."""
        images, comparison = partial(source_images, downloads=self.data_dir), self.comparison()
        write_evaluation_page(
            self.runs,
            path,
            images=images,
            metadata=self.metadata,
            notes=[*self.notes, *(comparison.notes if comparison else ())],
            groupings=self.groupings,
            comparison=comparison,
        )

    def refuse_unfinished(self) -> None:
        """Raise RequestsFailedError or DataError where something was not asked or not one reply is scored."""
        if self.failed:
            told = "; ".join(f"{title}: {error}" for title, error in self.failed.items())
            requests = any(isinstance(error, RequestsFailedError) for error in self.failed.values())
            raise (RequestsFailedError if requests else DataError)(
                f"{len(self.failed)} of {len(self.folders)} were not finished; mend and rerun: {told}"
            )
        rows = [row for run in self.runs for row in run.rows]
        if all(row.accuracy is None for row in rows):
            raise DataError(f"no reply of {len(rows):,} is scored{''.join(f': {row.reason}' for row in rows[:1])}")


def evaluate(
    model: EngineChoice,
    benchmarks: Sequence[str] = ("phantom",),
    *,
    name: str | None = None,
    prompts: Sequence[str] = (),
    variants: Sequence[str] = (),
    wordings: Path | None = None,
    modes: Sequence[str] = (DEFAULT,),
    judge: JudgeModel | None = None,
    grade_skills: bool = False,
    labels: Path | None = None,
    out: Path | None = None,
    options: RunOptions | None = None,
    progress: Progress = lambda title, done, total: None,
) -> Evaluation:
    """Ask a model the questions of benchmarks, greedily; a rerun in the same folder asks only for what is missing.

    ``benchmarks`` are names; ``paper`` stands for the seven of Table 1, ``text`` for the text-only sets. ``prompts``
    are styles (each benchmark's own without any), ``out`` the run folder (``runs/eval/NAME``). ``labels`` is a file of
    people's verdicts. Raises ConfigError and DataError for what cannot work, before the model is loaded.
    """
    people, modes = agreements.read_labels(labels) if labels else {}, _known(modes)
    label = name or model.model.rstrip("/").rpartition("/")[2]
    root = out or Path("runs") / "eval" / label
    options = options or RunOptions()
    rephrasing = judge.engine(root) if judge and wordings is None else None
    varied = {one: vary(one, engine=rephrasing, wordings=wordings) for one in dict.fromkeys(["", *variants])}
    plan = _plan(find_benchmarks(benchmarks), prompts, varied, root, options)
    folders = [folder for _, _, folder in plan]
    with locked(root):
        failed = _ask(plan, model, label, root, progress)
        runs = _judge(root, folders, modes, judge, progress)
    made = _evaluation(folders, runs, judge, people, grade_skills, root, _run_metadata(root, label, model))
    notes = [*(f"{title}: {error}" for title, error in failed.items()), *made.notes]
    return replace(made, notes=notes, failed=failed, data_dir=options.downloads)


def score(
    runs: Sequence[Path],
    modes: Sequence[str] = (DEFAULT,),
    *,
    judge: JudgeModel | None = None,
    grade_skills: bool = False,
    labels: Path | None = None,
    against: str | None = None,
    data_dir: Path | None = None,
    progress: Progress = lambda title, done, total: None,
) -> Evaluation:
    """Judge the kept replies of run folders anew, without the model; several models are compared.

    ``modes`` name scorers: ``robust``, ``medevalkit``, ``paper`` …; ``against`` a published recipe: ``infimed``,
    ``lingshu``, ``medvlthinker``. Raises ConfigError for unknown ones, DataError for a folder without a run,
    MissingFileError for a ``data_dir`` that is not there.
    """
    if against is not None:
        against = known_name(against, published_data()["recipes"], "set of published figures")
    if data_dir is not None and not data_dir.is_dir():
        raise MissingFileError(f"there is no folder {data_dir}; name the one with your downloads")
    people, modes = agreements.read_labels(labels) if labels else {}, _known(modes)
    folders: list[RunFolder] = []
    judged: list[Run] = []
    for root in runs:
        found = run_folders(root)
        judged += _judge(root, found, modes, judge, progress)
        folders += found
    metadata = {"runs": ", ".join(map(str, runs))}
    made = _evaluation(folders, judged, judge, people, grade_skills, runs[0], metadata)
    return replace(made, data_dir=data_dir, against=against)


def find_benchmarks(names: Sequence[str]) -> list[Benchmark]:
    """Look benchmarks up by name, ``paper`` and ``text`` standing for several. Raises UnknownPluginError."""
    listed: list[Benchmark] = []
    for name in names:
        listed += benchmarks(name) if name in ("paper", "text") else [registry().get("benchmark", name)]
    if not listed:
        raise ConfigError("--benchmarks names none; write phantom, paper, or names separated by commas")
    return list({one.name: one for one in listed}.values())


def _known(modes: Sequence[str]) -> list[str]:
    """Return each mode once. Raises ConfigError for one that is not registered."""
    for mode in modes:
        find_scorer(mode)
    return list(dict.fromkeys(modes))


def _plan(
    chosen: Sequence[Benchmark], styles: Sequence[str], varied: dict[str, Vary], root: Path, options: RunOptions
) -> Planned:
    """Return every benchmark in every style and variant. Raises ConfigError for one that it cannot have."""
    plan: Planned = []
    for benchmark in chosen:
        for style in dict.fromkeys(styles or benchmark.prompt_styles):
            check_style(style)
            for variant, varying in varied.items():
                if needs_pictures(variant) and not benchmark.images:
                    raise ConfigError(f"{benchmark.name} is in words only: it has no variant {variant}")
                how = replace(options, prompt_style=style, variant=variant, vary=varying)
                name = f"{style}+{variant.replace(':', '-')}" if variant else style
                plan.append((benchmark, how, RunFolder(root / benchmark.name / name)))
    return plan


def _ask(plan: Planned, model: EngineChoice, label: str, root: Path, progress: Progress) -> dict[str, DataError]:
    """Ask every planned question; return the benchmarks that were not finished, and why.

    A data set without its files, a missing package and a folder of another run are said before the model is loaded,
    which happens when a question first needs it: not for a finished run.
    """
    engine = LazyEngine(model, partial(progress, "loading the model", 0, None))
    metadata: dict[str, Json] = {"name": label, "model_hash": model_identity(model.model), "engine": model.name}
    metadata["engine_settings"] = shaping_settings(model.settings)
    for benchmark, options, folder in plan:
        try:
            next(iter(questions(benchmark, folder=options.downloads, seed=options.seed, limit=1)), None)
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"reading {benchmark.name}", error.name or "", "eval") from error
        folder.check(options.settings(benchmark, engine.model) | metadata)
    if not all(folder.begun() for _, _, folder in plan):
        engine.start()  # so that its errors come before anything is written
    given = {key: value for key, value in model.settings.items() if key != "base_url"}
    write_run_file(root, {"model": model.model, **metadata, "engine_settings": given})
    failed = {}
    for benchmark, options, folder in plan:
        title = " ".join(part for part in (benchmark.name, options.prompt_style, options.variant) if part)
        try:
            ask(benchmark, engine, folder, options, metadata=metadata, progress=partial(progress, title))
        except DataError as error:  # this benchmark's; where the engine or an option fails, it does so for all
            failed[title] = error
    return failed


def _judge(
    root: Path, folders: Sequence[RunFolder], modes: Sequence[str], judge: JudgeModel | None, progress: Progress
) -> list[Run]:
    """Judge the folders below a root in each mode."""
    runs: list[Run] = []
    asked = None
    if judge is not None:
        asked = engine_judge(judge.engine(root), judge.settings, partial(progress, f"judge {judge.choice.model}"))
    with _collector_paused() if judge is None else nullcontext():  # a judge's clients leave cycles
        for number, folder in enumerate(folders, start=1):
            progress("judging", number, len(folders))
            benchmark = registry().get("benchmark", folder.settings().get("benchmark", "?"))
            judged = judge_folder(folder, benchmark, modes, asked, judge.identity if judge else None)
            runs += [shown for run in judged for shown in folded(run)]
    return runs


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause garbage collection: a run's million rows hold no cycles, and scanning them took a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _evaluation(
    folders: Sequence[RunFolder],
    runs: Sequence[Run],
    judge: JudgeModel | None,
    people: Mapping[str, bool],
    grade_skills: bool,
    root: Path,
    metadata: dict[str, str],
) -> Evaluation:
    if judge is not None:
        told = judge.identity
        metadata |= {"judge": f"{told.model}, {told.engine}", "judge's template": f"sha256 {told.template_hash}"}
    return Evaluation(
        folders,
        runs,
        metadata,
        [*notes_on(runs, folders), *notes_on_labels(runs, people)],
        judge.identity.to_json() if judge else None,
        agreement(runs, people),
        _skill_grades(judge, root, runs) if grade_skills and judge else (),
    )


def _skill_grades(judge: JudgeModel, root: Path, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Count the judge's grades of the five clinical skills for each run as it was asked, without images."""
    engine, found = judge.engine(root), []
    for run in asked_once(runs):
        counts = count_grades(judge_skills(engine, run.rows))
        head = {"model": run.model, "benchmark": run.benchmark, "prompt_style": run.prompt_style}
        found.append(head | {"variant": run.variant, "grades": {skill: dict(c) for skill, c in counts.items()}})
    return found


def agreement(runs: Sequence[Run], people: Mapping[str, bool]) -> list[dict[str, Any]]:
    """Compare a judge's verdicts with the rules' and with people's labels, and the rules' with people's."""
    found = []
    for run in runs:
        rules = {row.id: row.by_rule == 1.0 for row in run.rows if row.by_rule is not None}
        if not rules and not people:
            continue
        head = {"model": run.model, "benchmark": run.benchmark, "prompt_style": run.prompt_style, "mode": run.mode}
        scored = [row for row in run.rows if row.accuracy is not None]
        judged = {row.id: row.accuracy == 1.0 for row in scored if row.by_rule is not None}
        by_rule = {row.id: row.accuracy == 1.0 for row in scored if row.by_rule is None}
        pairs = (
            (run.judge, judged, "rules", rules),
            (run.judge, judged, "people", people),
            ("", by_rule, "people", people),
        )
        for judge, verdicts, name, other in pairs:
            if verdicts.keys() & other.keys():
                kappa = asdict(agreements.agreement(verdicts, other))
                found.append({**head, "judge": judge, "with": name, **kappa})
    return found


def _run_metadata(root: Path, label: str, model: EngineChoice) -> dict[str, str]:
    metadata = {"model": label, "engine": model.name, "run folder": str(root)}
    for entry in read_run_file(root)[-1:]:
        metadata |= {"started": str(entry["started"]), "machine": str(entry["machine"])}
        metadata |= {name: str(version) for name, version in entry["versions"].items()}
        if entry.get("git"):
            metadata["git"] = str(entry["git"]["commit"])[:12]
    return metadata
