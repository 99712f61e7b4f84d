"""``infimed curate`` and ``infimed reflect``: one curation step on a data set or on pairs of your own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infimed_plugins.cli.engine_options import EngineName, EngineSettings, Url, engine_choice, key_values
from infimed_plugins.cli.output import AsJson, Fresh, console, print_json, print_table, progress
from infimed_plugins.errors import ConfigError

if TYPE_CHECKING:
    from infimed_plugins.recipes import Manifest, Recipe

Source = Annotated[
    str | None, typer.Option("--source", help="A data set and its split, such as slake/train; or give --input.")
]
Input = Annotated[Path | None, typer.Option("--input", help="A JSON lines file of questions and answers of yours.")]
Out = Annotated[Path, typer.Option(help="The folder to write.")]
Model = Annotated[str | None, typer.Option(help="The model to ask: a folder, a hub id, or a server's model name.")]
Downloads = Annotated[Path | None, typer.Option("--from", help="Where downloaded data sets lie; the hub without it.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many rows, drawn by seed.")]
Seed = Annotated[int, typer.Option(help="Seeds the choice of rows and every draw.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the step; repeat it for several.")
]
Form = Annotated[str, typer.Option("--format", help="llamafactory, easyr1 or datasets.")]


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
    seed: Seed = 0,
    settings: Settings = None,
    engine_settings: EngineSettings = None,
    form: Form = "llamafactory",
    style: Annotated[str, typer.Option(help="Prompt style of what is written: direct or reasoning.")] = "direct",
    html: Annotated[
        Path | None, typer.Option(help="Of decontamination: a page of what was found, side by side.")
    ] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Run one curation step and write what it leaves, with the evidence. A rerun asks only for what is missing."""
    chosen = engine_choice(engine, model, base_url, engine_settings)
    given = key_values(settings)
    if step == "decontamination":
        given |= {"folder": str(downloads)} if downloads and "folder" not in given else {}
        given.setdefault("report", str(out.with_name(f"{out.name}_found.jsonl")))
    elif html is not None:
        raise ConfigError(
            f"--html is for decontamination; what {step} leaves is shown by: infimed data show {out} --html"
        )
    recipe, folder = _recipe(step, source, pairs, chosen, downloads, limit, seed, given, form, style)
    manifest = _build(recipe, out, folder, fresh)
    if html is not None:
        from infimed_plugins.curation.decontamination.page import write_page

        write_page(Path(given["report"]), html)
    if as_json:
        print_json(manifest.to_json())
    else:
        _print(manifest, out)


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
    seed: Seed = 0,
    settings: Settings = None,
    engine_settings: EngineSettings = None,
    form: Form = "llamafactory",
    html: Annotated[Path | None, typer.Option(help="Write a page with chains to read.")] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Turn questions and answers into reflective chains of thought, as the InfiMed paper makes them."""
    chosen, given = engine_choice(engine, model, base_url, engine_settings), key_values(settings)
    if judge_model:
        if chosen is None:
            raise ConfigError("--judge-model needs a --model that answers")
        given["judge_engine"] = {**chosen, "model": judge_model}
    recipe, folder = _recipe("reflective_cot", source, pairs, chosen, downloads, limit, seed, given, form, "reasoning")
    manifest = _build(recipe, out, folder, fresh)
    if html is not None:
        from infimed_plugins.reports.chains import write_page

        write_page(out, manifest, html)
    if as_json:
        print_json(_summary(manifest))
    else:
        _print_summary(manifest, out)


def _recipe(
    step: str,
    source: str | None,
    pairs: Path | None,
    engine: dict[str, Any] | None,
    downloads: Path | None,
    limit: int | None,
    seed: int,
    settings: dict[str, Any],
    form: str,
    style: str,
) -> tuple[Recipe, Path | None]:
    """A recipe of one part with one step, and the folder that its source reads."""
    from infimed_plugins.recipes.recipe import parse_recipe

    if (source is None) == (pairs is None):
        raise ConfigError("name either a data set (--source slake/train) or a file of pairs (--input pairs.jsonl)")
    if pairs is not None:
        name, split, downloads = "pairs", pairs.name.removesuffix(".jsonl"), pairs.parent
    else:
        name, _, split = str(source).partition("/")
    part = {"name": step, "source": name, "split": split or "train", "style": style, "steps": [{step: settings}]}
    raw = {"name": step, "format": form, "seed": seed, "parts": [part | ({"limit": limit} if limit else {})]}
    if engine is not None:
        raw["engine"] = engine
    return parse_recipe(raw, f"infimed curate {step}"), downloads


def _build(recipe: Recipe, out: Path, folder: Path | None, fresh: bool) -> Manifest:
    from infimed_plugins import recipes

    with progress() as show:
        return recipes.build(replace(recipe, max_rejects=1.0), out, progress=show, fresh=fresh, folder=folder)


def _print(manifest: Manifest, out: Path) -> None:
    (part,) = manifest.parts
    rows: list[list[object]] = [["read", part.read], ["kept", part.kept]]
    for title, counts in (("dropped", part.dropped), ("rejected", part.rejected), ("counted", part.counted)):
        rows += [[f"{title}: {reason}", count] for reason, count in counts.items()]
    print_table(f"{part.part} on {part.source}/{part.split}, in {out}", ["", "rows"], rows)


def _summary(manifest: Manifest) -> dict[str, Any]:
    (part,) = manifest.parts
    right = {key: count for key, count in part.counted.items() if " right of " in key}
    cost = {key: count for key, count in part.counted.items() if ": " in key}
    kinds = {key: count for key, count in part.counted.items() if key.startswith("chains ")}
    return {
        "read": part.read,
        "kept": part.kept,
        "dropped": part.dropped,
        "rejected": part.rejected,
        "right": right,
        "kinds": kinds,
        "cost": cost,
        "unscored": part.counted.get("candidates left unscored by the judge", 0),
    }


def _print_summary(manifest: Manifest, out: Path) -> None:
    summary = _summary(manifest)
    asked = max(1, sum(summary["right"].values()))
    ordered = sorted(summary["right"].items(), key=lambda item: int(item[0].split()[0]))
    print_table(
        f"{summary['kept']:,} chains of {asked:,} questions, in {out}",
        ["right candidates", "questions", "share"],
        [[name, count, f"{count / asked:.1%}"] for name, count in ordered],
    )
    others = summary["kinds"] | summary["cost"] | summary["dropped"] | summary["rejected"]
    print_table(
        "What became of them, and what it took", ["", "count"], [[name, count] for name, count in others.items()]
    )
    if summary["unscored"]:
        console.print(f"{summary['unscored']:,} right candidates were left unscored by the judge", highlight=False)
