"""``infimed profile``: what GRPO would learn from a training set, before the run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from infimed_plugins.cli.options import AsJson, EngineName, EngineSettings, Url, read_engine
from infimed_plugins.console import print_json, print_table, progress, say, tell
from infimed_plugins.errors import ConfigError


def profile(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="A build for EasyR1, verl or TRL, with --model; or saved generations."),
    ],
    model: Annotated[
        str | None, typer.Option(help="Draw rollouts from this model; without it DATA holds them.")
    ] = None,
    engine: EngineName = "transformers",
    base_url: Url = None,
    engine_settings: EngineSettings = None,
    rollouts: Annotated[
        int | None,
        typer.Option("--rollouts", "-k", min=2, help="Rollouts of each question; 8, or as many as were saved."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Questions to draw.")] = 200,
    temperature: Annotated[float, typer.Option(min=0.01, help="As in worker.rollout.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="As data.max_response_length.")] = 2048,
    think_prefilled: Annotated[
        bool, typer.Option("--think-prefilled", help="The chat template opens <think>; replies start inside it.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Draws other questions and replies.")] = 0,
    out: Annotated[Path, typer.Option(help="The folder that keeps the replies; a rerun asks none twice.")] = Path(
        "runs/profile"
    ),
    html: Annotated[Path | None, typer.Option(help="Write a page.")] = None,
    as_json: AsJson = False,
) -> None:
    """Profile groups of rollouts: accuracy, pass@k, groups without an advantage, format, length, and advice."""
    from infimed_plugins.evaluation.rollouts import Draw, draw_groups, saved_groups
    from infimed_plugins.parsing import ResponseForm
    from infimed_plugins.reports.profile import profile as made_of
    from infimed_plugins.reports.profile import table, write_page
    from infimed_plugins.rewards.scorer import Scorer

    answering = read_engine(engine, model, base_url, engine_settings)
    scorer = Scorer(form=ResponseForm(think_prefilled=think_prefilled))
    with progress() as show:
        if answering is None:
            found = saved_groups(data, scorer, rollouts)
        elif len(data) > 1:
            raise ConfigError("name one training set with --model, or saved generations without it")
        else:
            draw = Draw(rollouts or 8, limit, temperature, max_tokens, seed, out)
            found = draw_groups(data[0], answering, draw, scorer, show)
    made = made_of(found.groups, f"Profile of {', '.join(path.name for path in data)}", found.rows, found.notes)
    if html is not None:
        write_page(made, html)
        tell(f"wrote {html}")
    if as_json:
        print_json(asdict(made))
        return
    print_table(f"{made.title}: {made.rollouts:,} rollouts, percent [95%]", *table(made))
    for line in (*made.notes, *(f"advice: {one}" for one in made.advice)):
        say(line)
