"""A Summary for a terminal, a page, as CSV, as Markdown and as LaTeX rows; benchmarks always in the paper's order.

The long tables (``grids``) have a line for each figure with all that it depends on. The wide ones have the shape of the
paper's Table 1: a line for each model and setting, a column for each benchmark, the macro average last.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from infimed_plugins.benchmarks.judged import Setting
from infimed_plugins.quoting import cell
from infimed_plugins.reports.against import Comparison
from infimed_plugins.reports.published import header, in_paper_order, published_table
from infimed_plugins.reports.statistics import OVER_IMAGES, Estimate, Paired, Rate, interval
from infimed_plugins.reports.summary import Average, Change, Contrast, Figure, Summary

NONE = "–"  # for a figure over no question
IN_WORDS = frozenset({"against", "published model", "verdict", "what the set can show", "which"})  # columns
_ASKED = ("prompt", "variant", "mode", "judge")
_CSV = (
    *("figure", "benchmark", "model", "against", *_ASKED, "grouping", "value"),
    *("n", "images", "right", "estimate", "low", "high", "interval", "invalid", "abstained", "unscored"),
    *("p", "p_holm", "note"),
)
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}"}
_LATEX |= {">": r"\textgreater{}"} | {character: f"\\{character}" for character in "&%$#_{}"}
_MARKDOWN = re.compile(r"([\\`*_|<>\[\]#])")


class Line(NamedTuple):
    """A line of a grid: what it is of, and its own cells."""

    benchmark: str
    name: str
    asked: Setting | None
    cells: Sequence[str]


class Grid(NamedTuple):
    """One of the long tables: ``headers`` are those of the lines' own cells, ``about`` is what a reader has to know,
    ``warning`` what makes its p-values too small."""

    id: str
    title: str
    headers: Sequence[str]
    lines: Sequence[Line]
    about: str
    warning: str


@dataclass(frozen=True)
class WideRow:
    """One model in one setting: its figures by benchmark, and its average where it has one."""

    model: str
    asked: Setting
    figures: Mapping[str, Figure]
    average: Average | None


def wide_rows(summary: Summary, variant: str = "") -> list[WideRow]:
    """Return the rows of the paper's table, model by model, of the questions as they are or in one variant."""
    averages = {(average.model, average.asked): average for average in summary.averages}
    figures = {(result.model, result.asked, result.benchmark): result.figure for result in summary.results}
    rows = []
    for model in summary.models:
        for asked in (asked for asked in summary.settings if asked.variant == variant):
            mine = {name: figures[key] for name in summary.benchmarks if (key := (model, asked, name)) in figures}
            if mine:
                rows.append(WideRow(model, asked, mine, averages.get((model, asked))))
    return rows


def wide_columns(summary: Summary) -> tuple[str, ...]:
    """Return the paper's seven benchmarks, then the others that were run."""
    return in_paper_order([*published_table().columns, *summary.benchmarks])


def accuracy_text(figure: Figure) -> str:
    """Return the accuracy with the interval to show; a dash where nothing was scored."""
    return interval(figure.estimate) if figure.accuracy.total else NONE


def rate_text(rate: Rate, *, bounds: bool = True) -> str:
    """Return a rate with its interval, or without; a dash where nothing was counted."""
    if not rate.total:
        return NONE
    return interval(rate) if bounds else f"{100 * rate.value:.1f}"


def difference(paired: Paired) -> str:
    """Return the difference with its interval; a dash where no question was answered by both."""
    return points(paired.estimate) if paired.total else NONE


def points(of: Estimate) -> str:
    """Return ``+12.4 [+9.0, +15.7]``, in percentage points."""
    return f"{100 * of.value:+.1f} [{100 * of.low:+.1f}, {100 * of.high:+.1f}]"


def average_text(average: Average) -> str:
    """Return the average with its interval, and over how many of the paper's benchmarks when some are missing."""
    partial = f" ({len(average.benchmarks)} of {len(published_table().columns)})" if average.missing else ""
    return interval(average.estimate) + partial


_PAIRED = "Percentage points with 95% intervals over images; p from the exact McNemar test"
_TITLES = {  # of the long tables, and what a reader has to know of each
    "figures": ("Accuracy in percent", ""),
    "averages": ("Mean over the paper's benchmarks", ""),
    "paired": (
        "Paired differences",
        f"The same questions. {_PAIRED}, then after Holm's correction over the benchmarks of the pair.",
    ),
    "changes": (
        "Prompts and variants",
        "The same questions asked differently: a variant against the questions as they are, another prompt against the "
        f"direct one. {_PAIRED}.",
    ),
    "baselines": (
        "Without a model",
        "Chance draws an option; the best constant answer, one for each kind of question, is right most often on these "
        "very questions.",
    ),
    "look": (
        "Looking or guessing",
        "The same questions without the right picture: grayed (blank), another question's (swap), none (noimage). "
        "Accuracy both ways, the share of right answers that stay right, and of answers that become another, or none "
        "that can be read; 95% intervals. A model that looks loses most of its right answers; one that guesses keeps "
        "them.",
    ),
    "against": (
        "Against published figures",
        "Ours less the published figure, percentage points with a 95% interval that takes the two as independent "
        "shares. How it was measured there, and known defects of the benchmarks, stand in the notes.",
    ),
}
_CELLS: Mapping[str, Mapping[str, Callable[[Any], str]]] = {  # the columns of each behind what a line is of
    "figures": {
        "n": lambda of: f"{of.figure.accuracy.total:,}",
        "accuracy [95%]": lambda of: accuracy_text(of.figure),
        "invalid": lambda of: rate_text(of.figure.invalid, bounds=False),
        "abstained": lambda of: rate_text(of.figure.abstained, bounds=False),
        "unscored": lambda of: f"{of.unscored:,}",
    },
    "averages": {"average [95%]": lambda of: average_text(of)},
    "paired": {
        "points [95%]": lambda of: difference(of.paired),
        "p": lambda of: f"{of.paired.p_value:.2g}",
        "p (Holm)": lambda of: f"{of.corrected:.2g}",
        "what the set can show": lambda of: of.note,
    },
    "changes": {
        "against": lambda of: of.against,
        "n": lambda of: f"{of.paired.total:,}",
        "accuracy of that [95%]": lambda of: accuracy_text(of.plain.figure),
        "change in points [95%]": lambda of: difference(of.paired),
        "p": lambda of: f"{of.paired.p_value:.2g}",
    },
    "baselines": {
        "n": lambda of: f"{of.questions:,}",
        "chance": lambda of: f"{100 * of.chance:.1f}",
        "best constant answer [95%]": lambda of: rate_text(of.constant),
        "which": lambda of: "; ".join(of.answers),
    },
    "look": {
        "n": lambda of: f"{of.questions:,}",
        "with [95%]": lambda of: interval(of.right),
        "without [95%]": lambda of: interval(of.without),
        "right ones kept [95%]": lambda of: interval(of.kept) if of.right.value else NONE,
        "other answers [95%]": lambda of: interval(of.changed),
    },
    "against": {
        "published model": lambda of: f"{of.stage}: {of.reference}",
        "published": lambda of: f"{100 * of.published:.1f}",
        "accuracy [95%]": lambda of: accuracy_text(of.ours),
        "difference in points [95%]": lambda of: points(of.difference),
        "verdict": lambda of: of.verdict,
    },
}


def grids(summary: Summary, comparison: Comparison | None = None) -> list[Grid]:
    """Return the long tables that have a line; changes that stand in the table on looking, only there."""
    looked = {(look.model, look.benchmark, look.asked) for look in summary.looks}
    changes = [one for one in summary.changes if (one.model, one.benchmark, one.asked) not in looked]
    given: dict[str, Sequence[Any]] = {
        **{"figures": summary.results, "averages": summary.averages, "paired": summary.contrasts, "changes": changes},
        **{"baselines": summary.baselines, "look": summary.looks, "against": comparison.rows if comparison else ()},
    }
    return [_grid(id, rows) for id, rows in given.items() if rows]


def _grid(id: str, rows: Sequence[Any]) -> Grid:
    lines = []
    for row in rows:
        name = f"{row.b} − {row.a}" if isinstance(row, Contrast) else getattr(row, "model", "")
        cells = [of(row) for of in _CELLS[id].values()]
        lines.append(Line(getattr(row, "benchmark", ""), name, getattr(row, "asked", None), cells))
    title, about = _TITLES[id]
    warning = max(row.paired.warning if hasattr(row, "paired") else "" for row in rows)
    return Grid(id, title, tuple(_CELLS[id]), lines, about, warning)


def whole(grid: Grid, *, joined: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return the headers and lines of a grid, the setting in four columns or in one."""
    first, asked = grid.lines[0], [" · ".join(_ASKED)] if joined else [*_ASKED]
    heads = ["benchmark"] * bool(first.benchmark) + ["model"] * bool(first.name) + asked * bool(first.asked)
    lines = []
    for benchmark, name, setting, cells in grid.lines:
        how = _asked_cells(setting) if setting else ()
        of = (header(benchmark), name, *((" · ".join(how),) if joined else how))
        lines.append([*filter(None, of), *cells])
    return [*heads, *grid.headers], lines


def csv_text(summary: Summary, comparison: Comparison | None = None) -> str:
    """Return a line for each figure, breakdown, average, difference and change; shares in [0, 1], under a header."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _CSV, restval="", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in _csv_rows(summary, comparison))
    return buffer.getvalue()


def markdown(summary: Summary, comparison: Comparison | None = None) -> str:
    """Return the paper's table with intervals, then every figure, then the differences, as Markdown tables."""
    columns = wide_columns(summary)
    head = ("model", *_ASKED, *map(header, columns), published_table().average)
    wide = []
    for row in wide_rows(summary):
        cells = [accuracy_text(row.figures[name]) if name in row.figures else NONE for name in columns]
        wide.append((row.model, *_asked_cells(row.asked), *cells, average_text(row.average) if row.average else NONE))
    parts = ["Accuracy in percent [95% interval]", _markdown(head, wide)]
    for grid in (one for one in grids(summary, comparison) if one.id != "averages"):  # they stand in the first
        parts += filter(None, (grid.title, grid.about, grid.warning, _markdown(*whole(grid))))
    return "\n\n".join(parts) + "\n"


def _markdown(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, *rows]
    text = ["| " + " | ".join(markdown_escape(cell) for cell in line) + " |" for line in lines]
    return "\n".join([text[0], "|" + " --- |" * len(headers), *text[1:]])


def latex_rows(summary: Summary, _: Comparison | None = None) -> str:
    r"""Return rows for a booktabs table: model, prompt style, the seven columns of Table 1, other benchmarks, the
    average.

    A ``%`` comment above each row holds mode, judge, variant, and for each figure n, invalid rate and interval.
    A partial average is left out: it could not stand beside the paper's.
    """
    columns = wide_columns(summary)
    lines = [_latex_line(["Model", "Prompt", *map(header, columns), published_table().average])]
    for row in wide_rows(summary):
        figures = [row.figures.get(name) for name in columns]
        shown: list[Estimate | None] = [one.estimate if one and one.accuracy.total else None for one in figures]
        shown.append(row.average.estimate if row.average and not row.average.missing else None)
        cells = ["--" if cell is None else f"{100 * cell.value:.1f}" for cell in shown]
        lines += ["% " + _one_line(_conditions(row)), _latex_line([row.model, row.asked.prompt_style, *cells])]
    return "\n".join([r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]) + "\n"


def _latex_line(cells: Iterable[str]) -> str:
    return " & ".join(map(latex_escape, cells)) + r" \\"


def _conditions(row: WideRow) -> str:
    figures = "; ".join(
        f"{header(name)} n={figure.accuracy.total} invalid={rate_text(figure.invalid, bounds=False)}% "
        f"{accuracy_text(figure)}"
        for name, figure in row.figures.items()
    )
    average = f"; average {average_text(row.average)}" if row.average else ""
    return f"{row.model}: {', '.join(_asked_cells(row.asked))}; {figures}{average}"


def latex_escape(text: str) -> str:
    r"""Escape text for LaTeX: ``a_b & 5%`` to ``a\_b \& 5\%``; line breaks to spaces."""
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def markdown_escape(text: str) -> str:
    """Escape text for Markdown and the HTML made of it, on one line."""
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _asked_cells(asked: Setting) -> tuple[str, str, str, str]:
    return asked.prompt_style, asked.variant or "as is", asked.mode, asked.judged_by


def _csv_rows(summary: Summary, comparison: Comparison | None) -> Iterator[Mapping[str, object]]:
    for result in summary.results:
        yield _csv_of("accuracy", result) | _csv_figure(result.figure) | {"unscored": result.unscored}
        for key, values in result.groups.items():
            for value, figure in values.items():
                yield _csv_of("group", result) | {"grouping": key, "value": value} | _csv_figure(figure)
    for average in summary.averages:
        estimate = _csv_estimate(average.estimate, "of the benchmarks' intervals")
        yield _csv_of("average", average) | estimate | {"note": "over " + " ".join(average.benchmarks)}
    for contrast in summary.contrasts:
        row = _csv_paired("difference", contrast, contrast.note) | {"model": contrast.b, "against": contrast.a}
        yield row | {"p_holm": contrast.corrected}
    for change in summary.changes:
        yield _csv_paired("change", change) | {"against": change.against}
    for none in summary.baselines:
        base = _csv_of("baseline", none) | {"n": none.questions}
        yield base | {"value": "chance", "estimate": round(none.chance, 6)}
        yield base | {"value": "constant", "note": "; ".join(none.answers)} | _csv_estimate(none.constant, "Wilson")
    for look in summary.looks:
        for name in ("right", "without", "kept", "changed"):
            base = _csv_of("look", look) | {"value": name, "n": look.questions}
            yield base | _csv_estimate(getattr(look, name), look.kind)
    for one in comparison.rows if comparison else ():
        base = _csv_of("published", one) | {"against": one.reference, "grouping": "stage", "value": one.stage}
        base |= {"n": one.ours.accuracy.total, "note": one.verdict}
        yield base | _csv_estimate(one.difference, "independent shares")


def _csv_of(figure: str, of: Any) -> dict[str, object]:
    row = {"figure": figure, "benchmark": getattr(of, "benchmark", ""), "model": getattr(of, "model", "")}
    if asked := getattr(of, "asked", None):
        row |= {"prompt": asked.prompt_style, "variant": asked.variant, "mode": asked.mode, "judge": asked.judged_by}
    return row


def _csv_paired(figure: str, of: Contrast | Change, note: str = "") -> dict[str, object]:
    paired = of.paired
    row = _csv_of(figure, of) | {"n": paired.total, "images": paired.images, "p": paired.p_value}
    row["note"] = " ".join(filter(None, (note, paired.warning)))
    return row | (_csv_estimate(paired.estimate, OVER_IMAGES) if paired.total else {})


def _csv_figure(figure: Figure) -> dict[str, object]:
    counts: dict[str, object] = {"n": figure.accuracy.total, "images": figure.images, "right": figure.accuracy.right}
    if not figure.accuracy.total:
        return counts
    rates = {"invalid": round(figure.invalid.value, 6), "abstained": round(figure.abstained.value, 6)}
    return counts | rates | _csv_estimate(figure.estimate, figure.kind)


def _csv_estimate(estimate: Estimate, kind: str) -> dict[str, object]:
    bounds = {"estimate": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: round(value, 6) for name, value in bounds.items()} | {"interval": kind}
