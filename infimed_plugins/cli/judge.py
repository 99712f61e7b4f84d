"""``infimed judge``: how far a model is to be trusted as a reward for open answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infimed_plugins.cli.options import AsJson, key_values
from infimed_plugins.console import print_json, print_table, progress, say, tell
from infimed_plugins.storage import write_whole

if TYPE_CHECKING:
    from infimed_plugins.judge.calibration import Calibration

app = typer.Typer(help="Measure a model that judges open answers as a reward.", no_args_is_help=True)
BELOW_FLOOR = 1


@app.callback()
def root() -> None:
    """Hold the commands of a judge."""


@app.command(epilog="Example: infimed judge calibrate --labels labels.jsonl --model m --base-url http://node1:8000/v1")
def calibrate(
    labels: Annotated[Path, typer.Option(help='JSON lines of {"question", "answer", "reply", "right"}.')],
    model: Annotated[str, typer.Option(help="The judge's name on its server.")],
    base_url: Annotated[list[str], typer.Option(help="URL of an OpenAI-compatible server; repeat it for several.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Another setting of the judge.")
    ] = None,
    floor: Annotated[float, typer.Option(help="Cohen's kappa below which `check rl` refuses the judge.")] = 0.6,
    out: Annotated[Path, typer.Option(help="The file that the setting judge.calibration names.")] = Path("judge.json"),
    as_json: AsJson = False,
) -> None:
    """Compare the judge's rewards with labelled verdicts: kappa, false positives and false negatives.

    Ends with 1 when the judge is below the floor.
    """
    from infimed_plugins.judge import calibration
    from infimed_plugins.judge.reward import Judge

    judge = Judge.configured({"model": model, "base_url": base_url, **key_values(settings)})
    with progress() as show:
        given = calibration.read_labels(labels)
        found = calibration.calibrate(judge, given, floor, lambda done, of: show("labels", done, of))
    write_whole(out, json.dumps(found.to_json(), indent=2) + "\n")
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    tell(f"wrote {out}")
    if found.trouble:
        raise typer.Exit(BELOW_FLOOR)


def _print(made: Calibration) -> None:
    found = made.found
    interval = "" if found.low is None else f" [{found.low:.2f}, {found.high:.2f}]"
    kappa = "not defined" if found.kappa is None else f"{found.kappa:.2f}{interval}"
    named = ["labels", "asked", "no verdict", "agreement", "kappa [95%]", "false positives", "false negatives"]
    counts = [f"{count:,}" for count in (made.labels, made.asked, made.unread)]
    wrong = [f"{count:,} of {of:,}" for count, of in _wrong(made)]
    print_table(f"Judge {made.model}", named, [[*counts, f"{found.observed:.1%}", kappa, *wrong]])
    say(f"check rl refuses it: {made.trouble}" if made.trouble else f"not below the floor of {made.floor:g}")
    if not made.trouble and (found.low is None or found.low < made.floor):
        say("the interval reaches below the floor: label more replies to be sure")


def _wrong(made: Calibration) -> list[tuple[int, int]]:
    """Return false positives of the wrong replies, and false negatives of the right ones."""
    found = made.found
    return [
        (found.only_judge, found.only_judge + found.both_wrong),
        (found.only_other, found.only_other + found.both_right),
    ]
