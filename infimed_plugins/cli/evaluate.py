"""``infimed eval``: a model's accuracy on benchmarks, with intervals; a rerun asks only what is missing."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from infimed_plugins.cli.output import AsJson, console, print_json, progress


class Style(StrEnum):
    """The prompt styles of prompts.py, as the command line offers them."""

    direct = "direct"
    reasoning = "reasoning"


def evaluate(
    model: Annotated[str, typer.Option(help="A model folder, or a hub id.")],
    benchmarks: Annotated[str, typer.Option(help="Benchmarks by name, separated by commas.")] = "phantom",
    engine: Annotated[
        str, typer.Option(help="The engine that runs the model (see `infimed plugins`).")
    ] = "transformers",
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only the first N questions.")] = None,
    prompt: Annotated[
        list[Style] | None, typer.Option(help="May be given twice; all of the benchmark's without it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/eval/MODEL without it.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest reply, in tokens.")] = 512,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Resize larger images to this; the model's own limit without it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model the questions of benchmarks and judge its replies with the robust scorer."""
    from infimed_plugins.benchmarks import runner
    from infimed_plugins.plugins import registry
    from infimed_plugins.recipes.recipe import EngineChoice
    from infimed_plugins.recipes.step_engine import start_engine
    from infimed_plugins.reports import table

    # everything that can be wrong is said before the model is loaded
    chosen = [registry().get("benchmark", name.strip()) for name in benchmarks.split(",")]
    settings = {} if max_pixels is None else {"max_pixels": max_pixels}
    folder = out or Path("runs") / "eval" / Path(model).name
    lines: dict[str, list[table.Line]] = {}
    with progress() as show:
        show("loading the model", 0, None)
        started = start_engine(EngineChoice(engine, model, settings))
        for benchmark in chosen:
            for style in prompt or benchmark.prompt_styles:
                judged = runner.run(
                    benchmark,
                    started,
                    folder / benchmark.name / style,
                    prompt_style=style,
                    limit=limit,
                    max_tokens=max_tokens,
                    progress=partial(show, f"{benchmark.name}, {style}"),
                )
                lines.setdefault(benchmark.name, []).append(table.line(model, style, judged))
    if as_json:
        counts = {name: [asdict(line) for line in counted] for name, counted in lines.items()}
        print_json({"folder": str(folder), "scorer": "robust", "benchmarks": counts})
        return
    for name, counted in lines.items():
        console.print(f"{name}, robust scorer; every reply is in {folder / name}", highlight=False, soft_wrap=True)
        console.print(table.rich_table(counted))
