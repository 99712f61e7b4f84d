"""``infimed trainers``: the trainers that take the rewards, the lines to paste for each, and whole configurations."""

from __future__ import annotations

from typing import Annotated

import typer

from infimed_plugins.cli.options import AsJson
from infimed_plugins.console import print_json, print_table

app = typer.Typer(
    help="List the trainers that take the rewards, and the lines to paste for each.",
    epilog="Example: infimed trainers show trl",
    invoke_without_command=True,
)


@app.callback()
def list_trainers(context: typer.Context, as_json: AsJson = False) -> None:
    """List the trainers: the version tried, the rows and the configuration that are made for it, how it is paid."""
    if context.invoked_subcommand is not None:
        return
    from infimed_plugins.trainers.registry import REWARDED, find_trainer

    trainers = [find_trainer(name).to_json() for name in REWARDED]
    if as_json:
        print_json(trainers)
        return
    shown = ("name", "version", "rows", "configuration", "takes")
    rows = [[one[key] or "–" for key in shown] for one in trainers]
    print_table("Trainers", ["name", "version tried", "rows", "configuration", "reward"], rows)


@app.command(epilog="Example: infimed trainers show easyr1")
def show(
    name: Annotated[str, typer.Argument(help="A trainer's name, as `infimed trainers` lists it.")],
    as_json: AsJson = False,
) -> None:
    """Print the lines to paste, with the paths of this installation."""
    from infimed_plugins.trainers.registry import find_trainer

    trainer = find_trainer(name)
    if as_json:
        print_json(trainer.to_json())
    else:
        typer.echo(trainer.show(), nl=False)


@app.command(epilog="Example: infimed trainers config trl --model qwen3-vl --preset dapo > dapo.yaml")
def config(
    name: Annotated[str, typer.Argument(help="easyr1, llamafactory, verl, trl, ms-swift or openrlhf.")],
    model: Annotated[
        str | None, typer.Option(help="A model family, such as qwen3-vl. Default: the paper's checkpoint after SFT.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="grpo (the paper's, the default), dapo or gspo.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a trainer's configuration with the paper's values, its head saying how to start it."""
    from infimed_plugins.trainers.configs import configuration

    text = configuration(name, model, preset)
    if as_json:
        print_json({"trainer": name, "model": model, "preset": preset, "configuration": text})
    else:
        typer.echo(text, nl=False)
