"""``infimed judge``: how far a model is to be trusted as a reward for open answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from infimed_plugins.cli.options import AsJson, key_values
from infimed_plugins.console import print_json, progress, say, tell
from infimed_plugins.storage import write_whole

app = typer.Typer(help="Measure a model that judges open answers as a reward.", no_args_is_help=True)
app.callback(epilog="See: infimed judge calibrate --help")(lambda: None)  # so that the one command keeps its name


@app.command(epilog="Example: infimed judge calibrate --labels labels.jsonl --model m --base-url http://node1:8000/v1")
def calibrate(
    labels: Annotated[Path, typer.Option(help='Rows of {"question", "answer", "reply", "right"}.')],
    model: Annotated[str, typer.Option(help="The judge's name on its server.")],
    base_url: Annotated[list[str], typer.Option(help="URL of an OpenAI-compatible server; repeat it for several.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Another setting of judge, as cache=FOLDER.")
    ] = None,
    floor: Annotated[float, typer.Option(min=0.0, max=1.0, help="Kappa below which `check rl` refuses it.")] = 0.6,
    out: Annotated[Path, typer.Option(help="The file for the setting judge.calibration.")] = Path("judge.json"),
    as_json: AsJson = False,
) -> None:
    """Compare the judge's rewards with labelled verdicts; ends with 1 when it is below the floor."""
    from infimed_plugins.judge import calibration
    from infimed_plugins.judge.reward import Judge

    judge = Judge.configured({"model": model, "base_url": base_url, **key_values(settings)})
    given = list(calibration.read_labels(labels))
    with progress() as show:
        made = calibration.calibrate(judge, given, floor, partial(show, f"asking {model}"))
    if as_json:
        print_json(asdict(made))
    else:
        found = made.found
        kappa = "not defined" if found.kappa is None else f"{found.kappa:.2f}"
        interval = "" if found.low is None else f" [{found.low:.2f}, {found.high:.2f}]"
        asked = f"{made.judge} was asked about {made.labels - made.by_rule:,} of {made.labels:,} labelled replies"
        say(f"{asked}, and gave no verdict on {made.unread:,}")
        say(f"agreement {found.observed:.1%}, kappa {kappa}{interval}")
        say(f"{found.only_judge} of {found.only_judge + found.both_wrong} wrong replies were paid (false positives)")
        say(f"{found.only_other} of {found.only_other + found.both_right} right ones were not (false negatives)")
        say(f"check rl refuses it: {made.trouble}" if made.trouble else f"not below the floor of {floor:g}")
    write_whole(out, json.dumps(asdict(made), indent=2) + "\n")
    tell(f"wrote {out}")
    if made.trouble:
        raise typer.Exit(1)
