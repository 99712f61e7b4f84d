"""``infimed reward``: score saved generations, and see why a reward stays at 0."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from infimed_plugins.cli.options import AsJson
from infimed_plugins.console import print_json, print_table, progress, tell
from infimed_plugins.errors import ConfigError, DataError
from infimed_plugins.storage import whole_file


def reward(
    file: Annotated[Path, typer.Argument(help="Generations as JSON lines, JSON, CSV, TSV, parquet, or EasyR1's log.")],
    out: Annotated[
        Path | None, typer.Option(help="Write each row with what was parsed and why, as JSON lines.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page to look through.")] = None,
    task: Annotated[str | None, typer.Option(help="The task of ground truths that name none.")] = None,
    name: Annotated[str | None, typer.Option("--reward", help="A registered reward for every row.")] = None,
    w_format: Annotated[float, typer.Option(help="Weight of the format reward.")] = 0.1,
    w_acc: Annotated[float, typer.Option(help="Weight of the accuracy reward.")] = 0.9,
    think_prefilled: Annotated[
        bool, typer.Option("--think-prefilled", help="The chat template opens <think>; responses start inside it.")
    ] = False,
    answer_frame: Annotated[
        str | None, typer.Option(help="Coordinates of predicted boxes: truth, thousandths, original or resized.")
    ] = None,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="Compare rewards: infimed, trl:accuracy, easyr1:r1v, FILE.py:FUNCTION; repeatable."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score saved generations offline: a table by task, and the reasons for zeros; or several rewards side by side."""
    from infimed_plugins.parsing import ResponseForm
    from infimed_plugins.reports.reward_review import Review, write_page
    from infimed_plugins.rewards.generations import read_generations, score_generation
    from infimed_plugins.rewards.ground_truth import check_frame
    from infimed_plugins.rewards.scorer import Scorer, closes_unopened

    if others:
        single = {"--out": out, "--html": html, "--task": task, "--reward": name, "--answer-frame": answer_frame}
        if set_here := [option for option, value in single.items() if value is not None]:
            raise ConfigError(f"{set_here[0]} is for one reward, and --with compares several; leave one of them out")
        _compare(file, others, as_json)
        return
    form = ResponseForm(think_prefilled=think_prefilled)
    scorer = Scorer(w_format, w_acc, task, name, form, check_frame(answer_frame))
    if out is not None and out.resolve() == file.resolve():
        raise ConfigError(f"--out {out} is the file that is read; name another")
    review, unopened = Review(), 0
    with progress() as show, contextlib.ExitStack() as opened:
        lines = opened.enter_context(opened.enter_context(whole_file(out)).open("w", encoding="utf-8")) if out else None
        for generation in read_generations(file):
            scored = score_generation(generation, scorer)
            review.add(scored)
            unopened += closes_unopened(generation.response, form)
            if lines is not None:
                row = json.dumps(scored.to_json(), ensure_ascii=True, default=lambda value: str(value)[:100])
                lines.write(row + "\n")
            if review.rows % 100 == 0:
                show(f"scoring {file.name}", review.rows, None)
    if html is not None:
        write_page(review, f"Rewards of {file.name}", html)
    if as_json:
        print_json(review.to_json())
    else:
        _print_review(review.to_json())
    for written in (out, html):
        if written is not None:
            tell(f"wrote {written}")
    if 2 * unopened >= review.rows and not think_prefilled:
        said = f"{unopened:,} of {review.rows:,} responses close {form.tags[1]} without opening it"
        tell(f"{said}; if the chat template opens it, add --think-prefilled")
    if review.tasks.keys() == {"unknown"}:
        raise DataError(f"no row of {file} can be scored; {review.kept[0].score.reason}")


def _compare(file: Path, names: list[str], as_json: bool) -> None:
    from infimed_plugins.evaluation.reward_comparison import PAID, compare
    from infimed_plugins.rewards.generations import read_generations

    with progress() as show:
        show(f"scoring {file.name}", 0, None)
        read = list(read_generations(file))
        made = compare([one for one in read if not one.fault], names)
    if bad := [one for one in read if one.fault]:
        tell(f"{len(bad):,} of {len(read):,} rows cannot be read; line {bad[0].number}: {bad[0].fault}")
    if as_json:
        print_json(list(map(asdict, made)))
        return
    headers = ["reward", "accuracy", f"paid (≥ {PAID})", "agrees", "kappa", "it alone differs", "lines", "µs a sample"]
    rows: list[list[Any]] = []
    for one in made:
        same = one.with_first
        kappa = "–" if same is None or same.kappa is None else f"{same.kappa:.3f}"
        agrees = "–" if same is None else f"{100 * same.observed:.1f}%"
        lines = ", ".join(map(str, one.alone[:8])) + ("…" if len(one.alone) > 8 else "")
        share, cost = f"{100 * one.paid:.1f}%", f"{one.cost:.0f}"
        rows.append([one.name, f"{one.mean:.3f}", share, agrees, kappa, len(one.alone), lines, cost])
        if one.unscored:
            tell(f"{one.name} has no verdict on {one.unscored:,} of {len(read) - len(bad):,} rollouts: not counted")
    print_table(f"Rewards of {file.name}; agreement with {made[0].name}", headers, rows)


def _print_review(summary: dict[str, Any]) -> None:
    print_table(
        "Reward by task",
        ["task", "rows", "overall", "format", "accuracy", "invalid"],
        [
            [task, means["rows"], *(f"{means[key]:.3f}" for key in ("overall", "format", "accuracy", "invalid"))]
            for task, means in summary["tasks"].items()
        ],
    )
    if summary["zeros"]:
        rows = [[zero["task"], zero["reason"], zero["rows"], zero["first_line"]] for zero in summary["zeros"]]
        print_table("Why accuracy is 0", ["task", "reason", "rows", "first line"], rows)
