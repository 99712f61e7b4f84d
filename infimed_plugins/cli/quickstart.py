"""``infimed quickstart``: the whole recipe on a laptop; ``infimed quickstart pretrain`` makes its base model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infimed_plugins.cli.options import AsJson, Fresh
from infimed_plugins.console import messages, print_json, progress, tell

app = typer.Typer(
    help="The whole recipe on a laptop, through the real trainers.",
    epilog="Example: infimed quickstart --seed 1 --out runs/seed1",
    invoke_without_command=True,
)


@app.callback()
def quickstart(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/quickstart"),
    seed: Annotated[int, typer.Option(min=0, help="Seeds data, training and sampling.")] = 0,
    rl: Annotated[str, typer.Option(help="auto, easyr1 or trl.")] = "auto",
    questions: Annotated[int, typer.Option(min=10, max=2000, help="Held-out questions for each model.")] = 600,
    smoke: Annotated[bool, typer.Option("--smoke", help="Two steps of each trainer: does it all work here?")] = False,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Build the data, train in LLaMA-Factory and EasyR1 or TRL, evaluate, report; a rerun goes on."""
    if context.invoked_subcommand is not None:
        return
    from infimed_plugins.quickstart.run import run_quickstart

    results = run_quickstart(out, seed=seed, rl=rl, questions=questions, smoke=smoke, fresh=fresh, console=messages)
    if as_json:
        print_json(results)


@app.command(epilog="Example: infimed quickstart pretrain --out runs/base")
def pretrain(
    out: Annotated[Path, typer.Option(help="The folder of the model and its training record.")] = Path("runs/base"),
    seed: Annotated[int, typer.Option(min=0, help="Seeds weights and data.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make the tiny base model that ships with the package: about ten minutes on two cores."""
    from infimed_plugins.quickstart.pretrain import PretrainSettings
    from infimed_plugins.quickstart.pretrain import pretrain as make_base

    with progress() as show:
        record = make_base(
            out,
            PretrainSettings(seed=seed),
            lambda stage, step, steps, loss: show(stage, step, steps),
        )
    tell(f"{record['parameters']:,} parameters in {out}, {record['seconds']:.0f} s")
    if as_json:
        print_json(record)
