"""Print results on stdout and everything else on stderr, so that ``--json`` stays pure; show progress.

Printed text was often written by others: a model, a server, a data set. Nothing of it is markup, and control
characters are shown as escapes.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from infimed_plugins.quoting import visible
from infimed_plugins.records import Json

WIDE = 200  # columns where no terminal gives a width: a pipe or a file must not cut cells
FIRST_WORD, NEXT_WORD = 2.0, 60.0  # seconds to a line on progress where there is no terminal

_FIGURE = re.compile(r"[+-]?\d[\d.,]*(?:e[+-]?\d+)?(?: \[.*\])?|–|None")

Show = Callable[..., None]  # (title, done, total, word=""): what is being done, how much, of how many, how it goes


class PlainConsole(Console):
    """A console that reads no markup and shows control characters as escapes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Escape before cells are measured, so that escapes have their room."""
        return super().render_str(_visible_lines(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Escape ``rich.text.Text``, too."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_visible_lines(segment.text), segment.style)


class _Stream(io.FileIO):
    """A standard stream that is named once when it cannot be written, and then drops the rest."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # buffered text must not fail again when Python ends
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
    """Print one line on stdout."""
    console.print(visible(line), style=style, soft_wrap=True)


def tell(line: str, style: str | None = None) -> None:
    """Print one line on stderr."""
    messages.print(visible(line), style=style, soft_wrap=True)


def print_json(value: Json) -> None:
    """Print one JSON document on stdout; characters unfit for a terminal and half a surrogate as their escapes."""
    whole = "utf" in (getattr(sys.stdout, "encoding", None) or "")  # else Python's escapes, which are not JSON's
    typer.echo(_visible_lines(json.dumps(value, indent=2, ensure_ascii=not whole)))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; numbers to the right, texts such as ``61.2 [57.0, 65.3]`` among them; None as a dash."""
    table = Table(title=title, title_justify="left", show_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(_FIGURE.fullmatch(str(row[index])) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*("–" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(table)


@contextmanager
def progress(console: Console | None = None) -> Iterator[Show]:
    """Show progress on stderr: call the yielded function with a title, the number done, the total, and a word.

    Without a terminal: a line after two seconds and then every minute, whether or not it is called meanwhile.
    """
    console = console or messages
    if console.is_terminal:
        with _bars(console) as show:
            yield show
        return
    lines, stopped = _Lines(console), threading.Event()
    thread = threading.Thread(target=lines.report, args=(stopped.wait,), daemon=True)
    thread.start()
    try:
        yield lines.show
    finally:
        stopped.set()
        thread.join()


@contextmanager
def _bars(console: Console) -> Iterator[Show]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    word = TextColumn("{task.fields[word]}", markup=False)
    with Progress(*columns, word, TimeElapsedColumn(), console=console, transient=True) as display:
        tasks = {}

        def show(title: str, done: int, total: int | None, word: str = "") -> None:
            if title not in tasks:
                tasks[title] = display.add_task(title, total=total, word=word)
            display.update(tasks[title], completed=done, total=total, word=word)

        yield show


class _Lines:
    """Lines on how far the latest work is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._latest = ""

    def show(self, title: str, done: int, total: int | None, word: str = "") -> None:
        self._latest = f"{title}: {done:,}" + (f" of {total:,}" if total else "") + (f", {word}" if word else "")

    def report(self, wait: Callable[[float], bool]) -> None:
        """Print until ``wait(seconds)`` returns True."""
        pause = FIRST_WORD
        while not wait(pause):
            if self._latest:
                self._console.print(visible(self._latest), highlight=False, soft_wrap=True)
                pause = NEXT_WORD


def _visible_lines(text: str) -> str:
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))
