"""What every command prints with: results on stdout, everything else on stderr, so that ``--json`` stays pure.

What is printed was often written by others: a model, a server, a data set. Nothing of it is markup, and no character
of it speaks to the terminal.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from infimed_plugins.quoting import visible
from infimed_plugins.records import Json

WIDE = 200  # columns where no terminal gives a width: a pipe or a file must not cut cells
FIRST_WORD, NEXT_WORD = 2.0, 60.0  # seconds to a line on progress where there is no terminal

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines, and nothing else, on stdout.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Remove what an earlier run made there and start over.")]


class PlainConsole(Console):
    """A console that takes no text for markup and shows control characters, in whatever it is given, as escapes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Before cells are measured, so that escapes have their room."""
        return super().render_str(_visible_lines(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What came here as ``rich.text.Text``."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_visible_lines(segment.text), segment.style)


class _Stream(io.FileIO):
    """A standard stream that names itself when it cannot be written, and then takes the rest without a word."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # what is still buffered must not fail again when Python ends
            os.close(nowhere)
            if self.fileno() == 2:  # there is nobody to tell
                return len(data)
            if isinstance(error, BrokenPipeError):  # the reader has enough: quiet, as click has it
                raise
            raise OSError(error.errno, error.strerror, "standard output") from error


def guard_streams() -> None:
    """Let stdout and stderr be closed, full, or of an encoding that lacks characters; streams of tests stay."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123
        elif stream is getattr(sys, f"__{name}__"):
            raw = io.BufferedWriter(_Stream(number, "w", closefd=False))
            guarded = io.TextIOWrapper(raw, stream.encoding, "backslashreplace", line_buffering=True)
            setattr(sys, name, guarded)


console = PlainConsole(width=None if sys.stdout is not None and sys.stdout.isatty() else WIDE)
messages = PlainConsole(stderr=True)


def say(line: str, style: str | None = None) -> None:
    """One line on stdout."""
    console.print(visible(line), style=style, soft_wrap=True)


def tell(line: str, style: str | None = None) -> None:
    """One line on stderr."""
    messages.print(visible(line), style=style, soft_wrap=True)


def print_json(value: Json) -> None:
    """One JSON document on stdout; what no terminal should get, and half a surrogate, as its escape."""
    whole = "utf" in (getattr(sys.stdout, "encoding", None) or "")  # else Python's escapes, which are not JSON's
    typer.echo(_visible_lines(json.dumps(value, indent=2, ensure_ascii=not whole)))


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
    """A display on stderr of what is being done; call it with a title, what is done, and of how many.

    Without a terminal: a line a minute of what takes longer than two seconds.
    """
    if not messages.is_terminal:
        yield _words_on_progress()
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=messages, transient=True) as display:
        tasks: dict[str, TaskID] = {}

        def show(title: str, done: int, total: int | None) -> None:
            if title not in tasks:
                tasks[title] = display.add_task(title, total=total)
            display.update(tasks[title], completed=done, total=total)

        yield show


def _words_on_progress() -> Callable[[str, int, int | None], None]:
    due = time.monotonic() + FIRST_WORD

    def show(title: str, done: int, total: int | None) -> None:
        nonlocal due
        if time.monotonic() >= due:
            tell(f"{title}: {done:,}" + (f" of {total:,}" if total is not None else ""))
            due = time.monotonic() + NEXT_WORD

    return show


def _visible_lines(text: str) -> str:
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))
