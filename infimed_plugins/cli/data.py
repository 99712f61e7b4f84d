"""``infimed data``: plan, build and show training sets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infimed_plugins.cli.options import AsJson, DataDir, EngineSettings, Fresh, Url, read_engine
from infimed_plugins.console import print_json, print_table, progress, say

if TYPE_CHECKING:
    from infimed_plugins.recipes import Manifest, Plan

app = typer.Typer(
    help="Plan, build and show training sets.",
    epilog="Example: infimed data build quickstart_sft",
    no_args_is_help=True,
)

RecipeName = Annotated[str, typer.Argument(help="A shipped recipe's name, or the path of a recipe's YAML file.")]


@app.command(epilog="Example: infimed data plan quickstart_sft")
def plan(recipe: RecipeName, as_json: AsJson = False) -> None:
    """Show what a recipe would build, from which sources and under which licenses. Fetches nothing."""
    from infimed_plugins import recipes

    made = recipes.plan(recipe)
    if as_json:
        print_json(made.to_json())
    else:
        _print_plan(made)


@app.command(epilog="Example: infimed data build quickstart_sft --out data/quickstart_sft")
def build(
    recipe: RecipeName,
    out: Annotated[Path | None, typer.Option(help="The folder to write; data/RECIPE without it.")] = None,
    model: Annotated[
        str | None, typer.Option(help="The model that curation steps draw from, in the place of the recipe's.")
    ] = None,
    model_engine: Annotated[
        str, typer.Option(help="The engine of --model: transformers, vllm, openai or ray.")
    ] = "transformers",
    base_url: Url = None,
    engine_settings: EngineSettings = None,
    judge_model: Annotated[
        str | None, typer.Option(help="The model that judges, by the same engine; --model itself without it.")
    ] = None,
    judge_url: Annotated[
        list[str] | None,
        typer.Option(help="URL of the judge's server; --base-url without it. Its key is then JUDGE_API_KEY."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="llamafactory, easyr1, verl, trl, ms-swift, openrlhf or datasets; the recipe's without it.",
        ),
    ] = None,
    model_family: Annotated[
        str | None,
        typer.Option(help="The models it is for: whose image sizes and tokens count; the recipe's without it."),
    ] = None,
    data_dir: DataDir = None,
    max_rejects: Annotated[
        float | None, typer.Option(help="Share of bad rows in a part above which the build stops; the recipe's, 2%.")
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            "--executor", "--engine", help="The executor for images: local, or ray (Ray Data, also on a cluster)."
        ),
    ] = "local",
    max_tokens: Annotated[
        int | None, typer.Option(help="Drop rows of more tokens, by the tokenizer of --tokenizer, and count them.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Whose tokens are counted; the family's first model without it.")
    ] = None,
    decontaminate: Annotated[
        bool, typer.Option(help="Leave out rows that a benchmark asks, where the recipe says so.")
    ] = True,
    for_judge: Annotated[
        bool, typer.Option("--for-judge", help="Write questions into ground truths, for a reward that asks a judge.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that prepare images.")] = os.cpu_count() or 1,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let the recipe's file set what `infimed data plan` says needs your word.")
    ] = False,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Build a recipe into the files that a trainer reads, with a manifest. A rerun reuses what is done."""
    from infimed_plugins import api

    chosen = read_engine(model_engine, model, base_url, engine_settings)
    with progress() as show:
        manifest = api.build(
            recipe,
            out,
            model=chosen,
            judge_model=judge_model,
            judge_url=judge_url or (),
            form=form,
            model_family=model_family,
            data_dir=data_dir,
            max_rejects=max_rejects,
            max_tokens=max_tokens,
            tokenizer=tokenizer,
            decontaminate=decontaminate,
            for_judge=for_judge,
            executor=executor,
            workers=workers,
            trust=trust,
            fresh=fresh,
            progress=show,
        )
    folder = out or Path("data") / manifest.recipe
    if as_json:
        print_json(manifest.to_json())
    else:
        _print_manifest(manifest, folder)
    manifest.refuse_failures()


@app.command(epilog="Example: infimed data show data/quickstart_sft")
def show(
    folder: Annotated[Path, typer.Argument(metavar="BUILD", help="A folder that `infimed data build` wrote.")],
    html: Annotated[Path | None, typer.Option(help="Write a page with random rows and their images.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows on the page.")] = 40,
    seed: Annotated[int, typer.Option(help="Draws other rows.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show the manifest of a build: rows kept and dropped and why, licenses, files and their hashes."""
    from infimed_plugins import recipes

    manifest = recipes.read_manifest(folder)
    if html is not None:
        from infimed_plugins.reports.build_pages import write_review

        write_review(folder, manifest, html, rows=rows, seed=seed)
        say(f"page: {html}")
    if as_json:
        print_json(manifest.to_json())
    else:
        _print_manifest(manifest, folder)


def _print_plan(plan: Plan) -> None:
    rows = [
        [
            row.part,
            row.source,
            row.split,
            row.into,
            row.style,
            _listed(row.steps),
            row.rows,
            row.licence,
            row.download_mb,
        ]
        for row in plan.parts
    ]
    print_table(
        f"{plan.recipe} for {plan.format}, seed {plan.seed}: {plan.train:,} rows to train on, "
        f"{plan.total - plan.train:,} to validate, {plan.download_mb:,.0f} MB to fetch",
        ["part", "source", "split", "into", "style", "steps", "rows", "licence", "MB to fetch"],
        rows,
    )
    if plan.checked_against:
        say(
            f"rows that these ask are left out: {', '.join(plan.checked_against)} ({plan.checked_mb:,.0f} MB more to "
            "fetch; --no-decontaminate builds without)"
        )
    for word in plan.needs_word:
        text = f"needs your word (--trust, if you know what it is for; a path may lie below --out or --from): {word}"
        say(text, style="yellow")


def _print_manifest(manifest: Manifest, folder: Path) -> None:
    rows = [
        [p.part, p.source, p.split, p.licence, p.read, p.kept, _reasons(p.dropped), _reasons(p.rejected)]
        for p in manifest.parts
    ]
    print_table(
        f"{manifest.recipe} for {manifest.format} in {folder}: {manifest.rows:,} rows, {manifest.images:,} images",
        ["part", "source", "split", "licence", "read", "kept", "dropped", "rejected"],
        rows,
    )
    warn(manifest)
    print_table(
        "Files",
        ["file", "rows", "bytes", "sha256"],
        [[output.file, output.rows or None, output.bytes, output.sha256[:16]] for output in manifest.outputs],
    )
    from infimed_plugins.trainers.registry import FORMATS, find_format

    if manifest.format in FORMATS:
        say(find_format(manifest.format).hint.format(sets=",".join(manifest.datasets), folder=folder))


def warn(manifest: Manifest) -> None:
    """Print warnings: failures that a rerun would fix, and rows that were not checked."""
    failed = sum(part.failed for part in manifest.parts)
    if failed:
        say(f"warning: {failed:,} rows lack a reply; the same command asks for them again", style="yellow")
    for benchmark in sorted({name for part in manifest.parts for name in part.not_checked}):
        say(f"warning: not checked against {benchmark}: its files are missing", style="yellow")


def _reasons(counts: dict[str, int]) -> str:
    return _listed([f"{count:,} {reason}" for reason, count in counts.items()])


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) or "–"
