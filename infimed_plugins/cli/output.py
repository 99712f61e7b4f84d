"""What every command prints with: results on stdout, everything else on stderr, so that ``--json`` stays pure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infimed_plugins.records import Json

WIDE = 200  # columns where no terminal gives a width: a pipe or a file must not cut cells

console = Console(width=None if sys.stdout.isatty() else WIDE)
messages = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines, and nothing else, on stdout.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Remove what an earlier run made there and start over.")]


def print_json(value: Json) -> None:
    """One JSON document on stdout; a lone surrogate, which no output takes, as its escape."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    typer.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; numbers to the right, None as a dash."""
    table = Table(title=title, title_justify="left", show_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], (int, float)) or row[index] is None for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*("–" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(table)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A display on stderr of what is being done; call it with a title, what is done, and of how many."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=messages, transient=True, disable=not messages.is_terminal
    ) as display:
        tasks: dict[str, TaskID] = {}

        def show(title: str, done: int, total: int | None) -> None:
            if title not in tasks:
                tasks[title] = display.add_task(title, total=total)
            display.update(tasks[title], completed=done, total=total)

        yield show
