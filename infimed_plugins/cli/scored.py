"""What ``infimed eval`` and ``infimed score`` share: the judge's options, judging run folders, and every output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.cli.dimensions import asked_once, dimension_tables, dimensions, grade_table
from infimed_plugins.cli.engine_options import engine_choice
from infimed_plugins.cli.late_engine import Later, StoredLater, shaping
from infimed_plugins.cli.output import console, messages, print_json, print_table
from infimed_plugins.errors import ConfigError

if TYPE_CHECKING:
    from infimed_plugins.benchmarks import Benchmark
    from infimed_plugins.benchmarks.judged import Run
    from infimed_plugins.benchmarks.judges.identity import JudgeIdentity
    from infimed_plugins.benchmarks.judging import Judge
    from infimed_plugins.benchmarks.run_folder import RunFolder
    from infimed_plugins.engines import Engine

JUDGE_STORE = "judge.sqlite"
DIGEST = 64  # characters of the hash of an image

Modes = Annotated[
    list[str] | None,
    typer.Option(
        "--mode",
        help="robust, medevalkit, paper, vlmevalkit (vlmevalkit-2025-05: of the earlier paper's time) or "
        "multimedeval; may be given several times.",
    ),
]
JudgeModel = Annotated[str | None, typer.Option("--judge", help="A model that judges open answers; rules without it.")]
JudgeEngine = Annotated[str, typer.Option("--judge-engine", help="What runs the judge: openai, vllm, transformers.")]
JudgeUrl = Annotated[list[str] | None, typer.Option("--judge-url", help="Of the judge's server; repeat for several.")]
JudgeSet = Annotated[
    list[str] | None, typer.Option("--judge-set", metavar="KEY=VALUE", help="A setting of the judge's engine.")
]
JudgeTemplate = Annotated[
    Path | None, typer.Option("--judge-template", help="Your judge prompt, with {question}, {answer} and {reply}.")
]
Dimensions = Annotated[
    bool, typer.Option("--dimensions", help="Also the forms of replies and the clinical skills of chains of thought.")
]
SkillJudge = Annotated[
    bool, typer.Option("--skill-judge", help="The judge grades the clinical skills of chains of thought, too.")
]
Labels = Annotated[
    Path | None, typer.Option("--labels", help='People\'s verdicts, JSON lines of {"id", "right"}: Cohen\'s kappa.')
]
Html = Annotated[Path | None, typer.Option("--html", help="Write one page: table, intervals, curves, every case.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write every figure as CSV.")]
Markdown = Annotated[Path | None, typer.Option("--markdown", help="Write the tables as Markdown.")]
Latex = Annotated[Path | None, typer.Option("--latex", help="Write rows of the paper's table as LaTeX.")]
Downloads = Annotated[Path | None, typer.Option("--from", help="Where downloaded data sets lie; the hub without it.")]


@dataclass(frozen=True)
class JudgeOptions:
    """The judge as the command line names it; no judge without a model."""

    model: str | None
    engine: str
    urls: list[str] | None
    settings: list[str] | None
    template: Path | None

    def check(self) -> None:
        """Raise an InfimedError for options that cannot work, before anything is asked."""
        self.choice()
        self._settings()

    def choice(self) -> dict[str, Any] | None:
        """The engine, as a recipe would name it."""
        if self.model is None and (self.urls or self.settings or self.template):
            raise ConfigError("--judge-url, --judge-set and --judge-template need a --judge")
        return engine_choice(self.engine if self.model else "transformers", self.model, self.urls, self.settings)

    def _settings(self) -> Any:
        from infimed_plugins.benchmarks.judges.open_judge import JudgeSettings, settings_from_template

        return JudgeSettings() if self.template is None else settings_from_template(self.template)

    def identity(self) -> JudgeIdentity | None:
        """Which judge it is; None without one."""
        from infimed_plugins.benchmarks.judges.identity import JudgeIdentity
        from infimed_plugins.recipes.step_engine import model_identity

        choice = self.choice()
        if choice is None:
            return None
        known = model_identity(choice["model"])
        return JudgeIdentity(choice["model"], known, choice["name"], shaping(choice["settings"]), self._settings())

    def described(self) -> dict[str, Any] | None:
        """All of the judge, its template word for word; None without one."""
        judge = self.identity()
        return None if judge is None else judge.facts()

    def facts(self) -> dict[str, str]:
        """The judge as a page names it."""
        judge = self.identity()
        if judge is None:
            return {}
        return {"judge": f"{judge.model}, {judge.engine}", "judge's template": f"sha256 {judge.template_hash}"}

    def later(self, root: Path) -> Engine | None:
        """The judge's engine over its store, started when it is first asked; None without a judge."""
        choice = self.choice()
        return None if choice is None else StoredLater(Later(choice, "--judge"), root / JUDGE_STORE)

    def grade_skills(self, root: Path, runs: Sequence[Run]) -> list[dict[str, Any]]:
        """The judge's grades of the five clinical skills, counted for each run as it was asked. Without images."""
        engine = self.later(root)
        if engine is None:
            raise ConfigError("--skill-judge needs a --judge")
        from infimed_plugins.benchmarks.judges.skill_judge import SkillItem, count_grades, judge_skills

        found = []
        for run in asked_once(runs):
            items = [SkillItem(row.id, row.question, row.text, row.options or ()) for row in run.rows]
            counts = count_grades(judge_skills(engine, items))
            head = {"model": run.model, "benchmark": run.benchmark, "prompt_style": run.prompt_style}
            found.append(head | {"variant": run.variant, "grades": {skill: dict(c) for skill, c in counts.items()}})
        return found

    @contextmanager
    def started(self, root: Path, show: Callable[[str, int, int | None], None]) -> Iterator[Judge | None]:
        """The judge over a request store in the run's root: a reply it gave once is not asked for again."""
        choice = self.choice()
        if choice is None:
            yield None
            return
        from infimed_plugins.benchmarks.judging import engine_judge
        from infimed_plugins.engines.store import RequestStore

        with RequestStore(root / JUDGE_STORE) as store:
            stored = Later(choice, "--judge").over(store)
            yield engine_judge(stored, self._settings(), partial(show, f"judge {self.model}"))


def judge_folders(
    root: Path,
    folders: Sequence[RunFolder],
    modes: Sequence[str],
    judge: JudgeOptions,
    show: Callable[[str, int, int | None], None],
) -> list[Run]:
    """The runs of the folders below a root, judged in each mode."""
    from infimed_plugins.benchmarks.judging import judge_folder
    from infimed_plugins.benchmarks.robustness.variants import folded
    from infimed_plugins.plugins import registry

    runs: list[Run] = []
    identity = judge.identity()
    with judge.started(root, show) as started:
        for number, folder in enumerate(folders, start=1):
            show("judging", number, len(folders))
            benchmark = registry().get("benchmark", folder.settings().get("benchmark", "?"))
            judged = judge_folder(folder, benchmark, modes, started, identity)
            runs += [shown for run in judged for shown in folded(run)]
    return runs


def read_people(labels: Path | None) -> dict[str, bool]:
    """People's verdicts by question; none without a file. Raises what ``read_labels`` raises."""
    from infimed_plugins.benchmarks.judges.agreement import read_labels

    return read_labels(labels) if labels else {}


def agreement(runs: Sequence[Run], people: Mapping[str, bool]) -> list[dict[str, Any]]:
    """How far the verdicts of each run agree with people's labels, and a judge's with the rules'."""
    from infimed_plugins.benchmarks.judges.agreement import agreement as compare

    found = []
    for run in runs:
        verdicts = {row.id: row.accuracy == 1.0 for row in run.rows if row.accuracy is not None}
        rules = {row.id: row.by_rule == 1.0 for row in run.rows if row.by_rule is not None}
        head = {"model": run.model, "benchmark": run.benchmark, "prompt_style": run.prompt_style, "mode": run.mode}
        for name, other in (("rules", rules), ("people", people)):
            if verdicts.keys() & other.keys():
                found.append({**head, "judge": run.judge, "with": name, **asdict(compare(verdicts, other))})
    return found


def notes_on_labels(runs: Sequence[Run], people: Mapping[str, bool]) -> list[str]:
    """A line where people's labels are of no question here, naming an id of each."""
    known = [row.id for run in runs for row in run.rows if row.accuracy is not None]
    if not people or not people.keys().isdisjoint(known):
        return []
    here = f"one that was scored is {known[0]!r}" if known else "nothing was scored"
    return [f"none of the {len(people):,} labels is of a question here: one is of {next(iter(people))!r}, {here}"]


def print_agreement(found: Sequence[dict[str, Any]]) -> None:
    """A table of agreements, for the terminal."""
    if found:
        names = ("benchmark", "model", "prompt_style", "mode", "judge", "with", "n", "observed", "kappa", "low", "high")
        shown = [one | {"judge": one["judge"] or "rules"} for one in found]
        rows = [[f"{one[k]:.3f}" if isinstance(one[k], float) else one[k] for k in names] for one in shown]
        print_table("agreement of verdicts (Cohen's kappa, 95%)", list(names), rows)


@dataclass(frozen=True)
class Outputs:
    """Where the figures go besides the terminal."""

    html: Path | None = None
    csv: Path | None = None
    markdown: Path | None = None
    latex: Path | None = None
    as_json: bool = False
    dimensions: bool = False

    def write(
        self,
        runs: Sequence[Run],
        *,
        facts: Mapping[str, str],
        notes: Sequence[str],
        downloads: Path | None,
        extra: Mapping[str, Any],
    ) -> None:
        """Print the tables or JSON, and write the files asked for."""
        from infimed_plugins.reports import evaluation_tables as tables
        from infimed_plugins.reports.summary import summarise

        groupings = _groupings(runs)
        summary = summarise(runs, groupings=groupings)
        texts = ((self.csv, tables.csv_text), (self.markdown, tables.markdown), (self.latex, tables.latex_rows))
        for path, made in texts:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(made(summary), encoding="utf-8", errors="replace")
                messages.print(f"wrote {path}", highlight=False, soft_wrap=True)
        if self.html is not None:
            self._write_page(runs, groupings, facts, notes, downloads)
        if self.as_json:
            print_json(
                {
                    "notes": list(notes),
                    **extra,
                    "dimensions": dimensions(runs) if self.dimensions else [],
                    **asdict(summary),
                }
            )
            return
        for table in tables.terminal_tables(summary):
            console.print(table)
        for title, columns, rows in dimension_tables(runs) if self.dimensions else ():
            print_table(title, columns, rows)
        print_agreement(extra.get("agreement", ()))
        if extra.get("skill_grades"):
            print_table(*grade_table(extra["skill_grades"]))
        for note in notes:
            console.print(note, highlight=False, soft_wrap=True)

    def _write_page(
        self,
        runs: Sequence[Run],
        groupings: Mapping[str, Sequence[str]],
        facts: Mapping[str, str],
        notes: Sequence[str],
        downloads: Path | None,
    ) -> None:
        from infimed_plugins.benchmarks.source_images import SourceImages
        from infimed_plugins.reports.evaluation_page import write_evaluation_page

        assert self.html is not None
        images = SourceImages(downloads)
        write_evaluation_page(runs, self.html, images=images, facts=facts, notes=notes, groupings=groupings)
        messages.print(f"wrote {self.html}", highlight=False, soft_wrap=True)


def _groupings(runs: Sequence[Run]) -> dict[str, Sequence[str]]:
    from infimed_plugins.plugins import registry

    names = dict.fromkeys(run.benchmark for run in runs)
    return {name: registry().get("benchmark", name).group_by for name in names}


def notes_on(runs: Sequence[Run], folders: Sequence[RunFolder]) -> list[str]:
    """What a reader must know beside the figures: a line for each benchmark and thing."""
    from infimed_plugins.benchmarks.run_folder import BAD_ROWS
    from infimed_plugins.plugins import registry

    notes: dict[tuple[str, ...], str] = {}
    bad: dict[str, int] = {}
    for folder in folders:
        if count := folder.bad_rows():
            name = str(folder.settings().get("benchmark"))
            bad[name] = max(count, bad.get(name, 0))
            notes[name, "bad"] = f"{name}: {count:,} rows of the data set could not be asked ({folder.path / BAD_ROWS})"
    for run in (run for run in runs if not run.variant):
        benchmark, name, asked = registry().get("benchmark", run.benchmark), run.benchmark, len(run.rows)
        if benchmark.questions and asked + bad.get(name, 0) < benchmark.questions:
            notes[name, "few"] = f"{name}: {asked:,} of its {benchmark.questions:,} questions were asked"
        if not run.judge and (count := _judged_by_rule(run, benchmark)):
            text = f"{name}: {count:,} of {asked:,} answers are a judge's to mark and were scored by rule ({run.mode})"
            notes[name, "rule", run.mode] = text
    return [*notes.values(), *_notes_on_images(runs)]


def _notes_on_images(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each benchmark whose models were shown other images under the same ids: a comparison means nothing."""
    if len({run.model for run in runs}) < 2:
        return
    known: dict[tuple[str, str, str], str] = {}
    others: dict[str, set[str]] = {}
    for run in runs:
        for row in run.rows:
            image = known.setdefault((run.benchmark, run.variant, row.id), row.image)
            if image != row.image and len(image) == len(row.image) == DIGEST:  # an imported run kept none
                others.setdefault(run.benchmark, set()).add(row.id)
    for name, ids in others.items():
        yield f"{name}: {len(ids):,} questions have another image in another run (another --seed?); do not compare them"


def _judged_by_rule(run: Run, benchmark: Benchmark) -> int:
    """How many answers were scored by rule that a judge would have decided."""
    from infimed_plugins.benchmarks.modes import is_open

    return sum(row.accuracy is not None and is_open(run.mode, benchmark, row) for row in run.rows)
