"""``infimed check``: a training configuration and its data against the trainer's own rules, before a long run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infimed_plugins.cli.options import AsJson
from infimed_plugins.console import print_json, progress, say

if TYPE_CHECKING:
    from infimed_plugins.trainers import Checked

app = typer.Typer(
    help="Check a training configuration and its data before a long run.",
    epilog="Example: infimed check rl easyr1_configs/grpo.yaml trainer.nnodes=1",
    no_args_is_help=True,
)

Config = Annotated[Path, typer.Argument(help="The trainer's YAML file; for `check rl` also a script with its command.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[key=value]...", help="As on the trainer's own line.")]
FAULTS_FOUND = 1


@app.command(epilog="Example: infimed check sft llamafactory_configs/infimed_sft.yaml learning_rate=1.0e-5")
def sft(config: Config, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check a LLaMA-Factory configuration: keys, values, paths, and every row it would cut, drop or fail on.

    Ends with 1 when there are faults, one line each with its fix, and with 2 when it cannot be checked. Of many faults
    of one kind the first three are shown and the others counted; --json has all.
    """
    from infimed_plugins.trainers.llamafactory import check_sft

    with progress() as show:
        checked = check_sft(config, overrides or [], on_progress=lambda done, total: show("rows", done, total))
    _report(checked, config, as_json)


@app.command(epilog="Example: infimed check rl easyr1_configs/grpo.yaml trainer.nnodes=1")
def rl(
    config: Config,
    overrides: Overrides = None,
    trainer: Annotated[
        str | None,
        typer.Option(help="easyr1, verl, trl, ms-swift or openrlhf; without it the keys of the configuration tell."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a configuration of reinforcement learning: rows, prompts, pay for good replies, the judge, EasyR1's keys.

    Ends with 1 when there are faults, one line each with its fix, and with 2 when it cannot be checked. Of many faults
    of one kind the first three are shown and the others counted; --json has all.
    """
    from infimed_plugins.trainers.rl_check import check

    with progress() as show:
        checked = check(config, overrides or [], trainer, lambda done, total: show("rows", done, total))
    _report(checked, config, as_json)


def _report(checked: Checked, config: Path, as_json: bool) -> None:
    from infimed_plugins.trainers.faults import grouped

    if as_json:
        print_json(asdict(checked))
    else:
        for line in grouped(checked.faults):
            say(line, style="red")
        for line in checked.warnings:
            say(f"warning: {line}", style="yellow")
        if checked.summary:
            say(f"{config}: {checked.summary}")
        found = len(checked.faults)
        say(f"{found} fault{'' if found == 1 else 's'}" if found else "no faults")
    if checked.faults:
        raise typer.Exit(FAULTS_FOUND)
