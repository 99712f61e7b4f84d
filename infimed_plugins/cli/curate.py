"""``infimed curate`` and ``infimed reflect``: one curation step on a data set or on pairs of your own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.cli.engine_options import EngineName, EngineSettings, Url, engine_choice, key_values
from infimed_plugins.cli.output import AsJson, Fresh, print_json, print_table, progress, say, tell
from infimed_plugins.errors import ConfigError, DataError

if TYPE_CHECKING:
    from infimed_plugins.recipes import Manifest, Recipe
    from infimed_plugins.reports.chains import ChainCounts

PROCEDURAL = ("phantom",)  # sources whose rows are random already, and made while they are read
REASONED = ("rationales", "reflective_cot")  # steps that write the reasoning which only that style trains on

Source = Annotated[
    str | None, typer.Option("--source", help="A data set and its split, such as slake/train; or give --input.")
]
Input = Annotated[
    Path | None,
    typer.Option("--input", help="A file of questions and answers of yours: JSON lines, JSON, CSV, TSV or parquet."),
]
Out = Annotated[Path, typer.Option(help="The folder to write.")]
Model = Annotated[str | None, typer.Option(help="The model to ask: a folder, a hub id, or a server's model name.")]
Downloads = Annotated[Path | None, typer.Option("--from", help="Where downloaded data sets lie; the hub without it.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many rows, those that --order says.")]
Order = Annotated[
    str | None,
    typer.Option(help="Which rows --limit takes: hash (drawn by seed) or first; without it first of the phantoms."),
]
Seed = Annotated[int, typer.Option(help="Seeds the choice of rows and every draw.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting of the step, a prompt as its text or file; repeat for several."
    ),
]
Form = Annotated[str, typer.Option("--format", help="llamafactory, easyr1 or datasets.")]


@dataclass(frozen=True)
class _Rows:
    """Which rows a step gets. Raises ConfigError unless there is one place to read them from."""

    source: str | None
    pairs: Path | None
    downloads: Path | None
    limit: int | None
    order: str | None
    seed: int

    def __post_init__(self) -> None:
        if (self.source is None) == (self.pairs is None):
            raise ConfigError("name either a data set (--source slake/train) or a file of pairs (--input pairs.jsonl)")

    @property
    def name(self) -> str:
        return "pairs" if self.source is None else self.source.partition("/")[0]

    @property
    def folder(self) -> Path | None:
        return self.downloads if self.pairs is None else self.pairs.parent

    def part(self) -> dict[str, Any]:
        """What a recipe's part says of them."""
        split = str(self.source).partition("/")[2] if self.pairs is None else self.pairs.name
        order = self.order or ("first" if self.name in PROCEDURAL else "hash")
        part = {"source": self.name, "split": split or "train", "order": order}
        return part | ({"limit": self.limit} if self.limit else {})


def curate(
    step: Annotated[str, typer.Argument(help="The step, as `infimed plugins` lists them.")],
    out: Out,
    source: Source = None,
    pairs: Input = None,
    model: Model = None,
    engine: EngineName = "transformers",
    base_url: Url = None,
    downloads: Downloads = None,
    limit: Limit = None,
    order: Order = None,
    seed: Seed = 0,
    settings: Settings = None,
    engine_settings: EngineSettings = None,
    form: Form = "llamafactory",
    style: Annotated[
        str | None,
        typer.Option(help="Prompt style of what is written: direct, or reasoning, which rationales has without it."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Of decontamination: a page of what was found, side by side.")
    ] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Run one curation step and write what it leaves, with the evidence. A rerun asks only for what is missing."""
    rows = _Rows(source, pairs, downloads, limit, order, seed)
    chosen = engine_choice(engine, model, base_url, engine_settings)
    given = key_values(settings)
    if step == "decontamination":
        given |= {"folder": str(downloads)} if downloads and "folder" not in given else {}
        given.setdefault("report", str(out.with_name(f"{out.name}_found.jsonl")))
    elif html is not None:
        raise ConfigError(
            f"--html is for decontamination; what {step} leaves is shown by: infimed data show {out} --html"
        )
    style = style or ("reasoning" if step in REASONED else "direct")
    recipe = _recipe(step, rows, chosen, given, form, style)
    manifest = _build(recipe, out, rows.folder, fresh)
    if html is not None:
        from infimed_plugins.curation.decontamination.page import write_page

        write_page(Path(given["report"]), html, settings=given)
    if as_json:
        print_json(manifest.to_json())
    else:
        _print(manifest, out)
        _warn(manifest)
        if step == "decontamination":
            _print_thresholds(given)
    _refuse_empty(manifest, out)


def reflect(
    out: Out,
    source: Source = None,
    pairs: Input = None,
    model: Model = None,
    engine: EngineName = "transformers",
    base_url: Url = None,
    judge_model: Annotated[
        str | None, typer.Option(help="Another model to judge, in the same engine; the one that answers without it.")
    ] = None,
    downloads: Downloads = None,
    limit: Limit = None,
    order: Order = None,
    seed: Seed = 0,
    settings: Settings = None,
    engine_settings: EngineSettings = None,
    decontaminate: Annotated[
        bool, typer.Option(help="Leave out rows of a public data set that a benchmark of the paper asks.")
    ] = True,
    form: Form = "llamafactory",
    html: Annotated[Path | None, typer.Option(help="Write a page with chains to read.")] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Turn questions and answers into reflective chains of thought, as the InfiMed paper makes them."""
    rows = _Rows(source, pairs, downloads, limit, order, seed)
    chosen, given = engine_choice(engine, model, base_url, engine_settings), key_values(settings)
    if judge_model:
        if chosen is None:
            raise ConfigError("--judge-model needs a --model that answers")
        given["judge_engine"] = {**chosen, "model": judge_model}
    recipe = _recipe("reflective_cot", rows, chosen, given, form, "reasoning")
    if decontaminate and pairs is None and rows.name not in PROCEDURAL:
        recipe = _decontaminated(recipe)
    manifest = _build(recipe, out, rows.folder, fresh)
    from infimed_plugins.reports.chains import ChainCounts, write_page

    if html is not None:
        write_page(out, manifest, html)
    counts = ChainCounts.of(manifest)
    if as_json:
        print_json(counts.to_json())
    else:
        _print_chains(counts, out)
        _warn(manifest)
    _refuse_empty(manifest, out)


def _recipe(
    step: str, rows: _Rows, engine: dict[str, Any] | None, settings: dict[str, Any], form: str, style: str
) -> Recipe:
    """A recipe of one part with one step."""
    from infimed_plugins.recipes.recipe_file import parse_recipe

    part = {"name": step, **rows.part(), "style": style, "steps": [{step: settings}]}
    raw = {"name": step, "format": form, "seed": rows.seed, "parts": [part]}
    return parse_recipe(raw | ({"engine": engine} if engine else {}), f"infimed curate {step}")


def _decontaminated(recipe: Recipe) -> Recipe:
    """The recipe with the benchmarks' rows left out first, as the shipped recipes have it."""
    from infimed_plugins import recipes
    from infimed_plugins.curation.decontamination.benchmark_items import PAPER_BENCHMARKS

    recipe = replace(recipe, decontaminate={"benchmarks": list(PAPER_BENCHMARKS), "skip_missing": True})
    planned = recipes.plan(recipe)
    tell(
        f"rows that these ask are left out: {', '.join(planned.checked_against)} (what is not here of their "
        f"{planned.checked_mb:,.0f} MB is fetched; --no-decontaminate goes without)"
    )
    return recipe


def _build(recipe: Recipe, out: Path, folder: Path | None, fresh: bool) -> Manifest:
    from infimed_plugins import recipes

    recipe = replace(recipe, max_rejects=1.0)
    with progress() as show:
        return recipes.build(recipe, out, progress=show, fresh=fresh, folder=folder, allow_empty=True)


def _print(manifest: Manifest, out: Path) -> None:
    (part,) = manifest.parts
    rows: list[list[object]] = [["read", part.read], ["kept", part.kept]]
    for title, counts in (("dropped", part.dropped), ("rejected", part.rejected), ("counted", part.counted)):
        rows += [[f"{title}: {reason}", count] for reason, count in counts.items()]
    print_table(f"{part.part} on {part.source}/{part.split}, in {out}", ["", "rows"], rows)


def _refuse_empty(manifest: Manifest, out: Path) -> None:
    """Raise DataError where nothing is kept or most requests failed, once all is written and told."""
    manifest.refuse_failures()
    (part,) = manifest.parts
    if not part.kept:
        aside = "".join(f"; what was put aside is in {path}" for path in (out / "samples").glob("*.aside.jsonl"))
        raise DataError(f"none of {part.read:,} rows is left to train on{aside}")


def _print_thresholds(given: dict[str, Any]) -> None:
    """What counted as the same, and what is known to escape it."""
    from infimed_plugins.curation.decontamination import DecontaminationSettings, page

    settings = DecontaminationSettings.read("decontamination", given)
    say(f"taken for the same: {page.thresholds(settings)}")
    if settings.tier == "hashes":
        print_table(
            f"What the default thresholds find, and what escapes them, by {page.MEASURED_BY}",
            page.COLUMNS,
            page.MEASURED,
        )


def _print_chains(counts: ChainCounts, out: Path) -> None:
    shares = counts.shares(counts.right)
    print_table(
        f"{counts.kept:,} chains of {counts.asked:,} questions, in {out}",
        ["right candidates", "questions", "share"],
        [[name, count, f"{shares[name]:.1%}"] for name, count in counts.right.items()],
    )
    shares = counts.shares(counts.kinds)
    print_table(
        "What became of them", ["", "questions", "share"], [[n, c, f"{shares[n]:.1%}"] for n, c in counts.kinds.items()]
    )
    others = {key: count for key, count in counts.dropped.items() if key not in counts.kinds} | counts.rejected
    print_table(
        "What it took, and what else is to know", ["", "count"], list((counts.cost | counts.notes | others).items())
    )


def _warn(manifest: Manifest) -> None:
    """Say what a rerun would mend, and what was not looked at."""
    from infimed_plugins.curation.decontamination.benchmark_items import NOT_CHECKED

    (part,) = manifest.parts
    lines = [f"{part.failed:,} rows lack a reply; the same command asks for them again"] if part.failed else []
    for line in (*lines, *(f"{NOT_CHECKED}{name}" for name in part.not_checked)):
        say(f"warning: {line}", style="yellow")
