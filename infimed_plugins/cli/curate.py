"""``infimed curate`` and ``infimed reflect``: one curation step on a data set or on pairs of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.cli.data import warn
from infimed_plugins.cli.options import AsJson, DataDir, EngineName, EngineSettings, Fresh, Url, key_values, read_engine
from infimed_plugins.console import print_json, print_table, progress, say, tell
from infimed_plugins.errors import ConfigError, DataError

if TYPE_CHECKING:
    from infimed_plugins.recipes import Manifest, Plan
    from infimed_plugins.reports.build_pages import ChainCounts

Source = Annotated[
    str | None, typer.Option("--source", help="A data set and its split, such as slake/train; or give --input.")
]
Input = Annotated[
    Path | None,
    typer.Option("--input", help="A file of questions and answers of yours: JSON lines, JSON, CSV, TSV or parquet."),
]
Out = Annotated[Path, typer.Option(help="The folder to write.")]
Model = Annotated[str | None, typer.Option(help="The model to ask: a folder, a hub id, or a server's model name.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many rows, those that --order says.")]
Order = Annotated[
    str | None,
    typer.Option(help="The rows that --limit takes: hash (drawn by seed) or first; without it first of the phantoms."),
]
Seed = Annotated[int, typer.Option(help="Seeds the choice of rows and every draw.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting of the step, a prompt as its text or file; repeat for several."
    ),
]
Form = Annotated[str, typer.Option("--format", help="A format of `infimed data build`.")]


def curate(
    step: Annotated[str, typer.Argument(help="The step, as `infimed plugins` lists them.")],
    out: Out,
    source: Source = None,
    pairs: Input = None,
    model: Model = None,
    engine: EngineName = "transformers",
    base_url: Url = None,
    data_dir: DataDir = None,
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
        Path | None, typer.Option(help="For decontamination: a page of the duplicates, side by side.")
    ] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Run one curation step and write what it leaves, with the evidence. A rerun asks only for what is missing."""
    from infimed_plugins import api

    rows = api.Rows(source, pairs, data_dir, limit, order, seed)
    chosen, given = read_engine(engine, model, base_url, engine_settings), key_values(settings)
    if step == "decontamination":
        given |= {"folder": str(data_dir)} if data_dir and "folder" not in given else {}
        given.setdefault("report", str(out.with_name(f"{out.name}_found.jsonl")))
    elif html is not None:
        raise ConfigError(
            f"--html is for decontamination; what {step} leaves is shown by: infimed data show {out} --html"
        )
    with progress() as show:
        manifest = api.curate(
            step, rows, out, model=chosen, settings=given, form=form, style=style, fresh=fresh, progress=show
        )
    if html is not None:
        from infimed_plugins.curation.decontamination.page import write_page

        write_page(Path(given["report"]), html, settings=given)
    if as_json:
        print_json(manifest.to_json())
    else:
        _print(manifest, out)
        warn(manifest)
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
    data_dir: DataDir = None,
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
    from infimed_plugins import api

    chosen = read_engine(engine, model, base_url, engine_settings)
    with progress() as show:
        manifest = api.reflect(
            out,
            source=source,
            pairs=pairs,
            model=chosen,
            judge_model=judge_model,
            settings=key_values(settings),
            data_dir=data_dir,
            limit=limit,
            order=order,
            seed=seed,
            decontaminate=decontaminate,
            form=form,
            fresh=fresh,
            told=_tell_of_benchmarks,
            progress=show,
        )
    from infimed_plugins.reports.build_pages import ChainCounts, write_chains

    if html is not None:
        write_chains(out, manifest, html)
    counts = ChainCounts.of(manifest)
    if as_json:
        print_json(counts.to_json())
    else:
        _print_chains(counts, out)
        warn(manifest)
    _refuse_empty(manifest, out)


def _tell_of_benchmarks(planned: Plan) -> None:
    tell(
        f"rows that these ask are left out: {', '.join(planned.checked_against)} (what is not here of their "
        f"{planned.checked_mb:,.0f} MB is fetched; --no-decontaminate goes without)"
    )


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
    """Print the duplicate thresholds, and the known misses."""
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
    print_table("Outcomes", ["", "questions", "share"], [[n, c, f"{shares[n]:.1%}"] for n, c in counts.kinds.items()])
    others = {key: count for key, count in counts.dropped.items() if key not in counts.kinds} | counts.rejected
    print_table("Cost and notes", ["", "count"], list((counts.cost | counts.notes | others).items()))
