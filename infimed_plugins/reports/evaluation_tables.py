"""A Summary for a terminal, as CSV, as Markdown and as LaTeX rows; benchmarks always in the paper's order.

The long tables have a line for each figure with all that it depends on. The wide ones have the shape of the paper's
Table 1: a line for each model and setting, a column for each benchmark, the macro average last.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infimed_plugins.quoting import cell
from infimed_plugins.reports.against import Against, Comparison
from infimed_plugins.reports.look_or_guess import Baseline, Look
from infimed_plugins.reports.published import header, in_paper_order, published_table
from infimed_plugins.reports.statistics import SHARED_IMAGES, Estimate, Paired, Rate, interval
from infimed_plugins.reports.summary import Average, Change, Contrast, Figure, Result, Setting, Summary

if TYPE_CHECKING:
    from rich.table import Table

NONE = "–"  # for a figure over no question
_OVER_IMAGES = "clustered by image"
_CONTRAST = (
    *("benchmark", "difference", "prompt", "variant", "mode", "judge"),
    *("points [95%]", "p", "p (Holm)", "what the set can show"),
)
_LONG = ("benchmark", "model", "prompt", "variant", "mode", "judge")
_CHANGE = (*_LONG, "against", "n", "accuracy of that [95%]", "change in points [95%]", "p")
_CHANGE_TITLE = "Variants against the same questions as they are, other prompts against the direct one"
_BASELINE = ("benchmark", "n", "chance", "best constant answer [95%]", "which")
_LOOK = (
    *("benchmark", "model", "asked", "without", "n", "with [95%]", "without [95%]"),
    *("right ones kept [95%]", "other answers [95%]"),
)
_AGAINST = (*_LONG, "stage", "published", "accuracy [95%]", "difference in points [95%]", "verdict")
_COUNTS = ("n", "accuracy [95%]", "invalid", "abstained", "unscored")
_CSV = (
    *("figure", "benchmark", "model", "against", "prompt", "variant", "mode", "judge", "grouping", "value"),
    *("n", "images", "right", "estimate", "low", "high", "interval", "invalid", "abstained", "unscored"),
    *("p", "p_holm", "note"),
)
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}"}
_LATEX |= {">": r"\textgreater{}"} | {character: f"\\{character}" for character in "&%$#_{}"}
_MARKDOWN = re.compile(r"([\\`*_|<>\[\]#])")


@dataclass(frozen=True)
class WideRow:
    """One model in one setting: its figures by benchmark, and its average where it has one."""

    model: str
    asked: Setting
    figures: Mapping[str, Figure]
    average: Average | None


def wide_rows(summary: Summary) -> list[WideRow]:
    """Return the rows of the paper's table, model by model; variants are for the long tables and the curves."""
    averages = {(average.model, average.asked): average for average in summary.averages}
    figures = {(result.model, result.asked, result.benchmark): result.figure for result in summary.results}
    rows = []
    for model in summary.models:
        for asked in (asked for asked in summary.settings if not asked.variant):
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
    """Return ``+12.4 [+9.0, +15.7]``, in percentage points; a dash where no question was answered by both."""
    if not paired.total:
        return NONE
    return _points(Estimate(paired.difference, paired.low, paired.high))


def _points(difference: Estimate) -> str:
    return f"{100 * difference.value:+.1f} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"


def average_text(average: Average) -> str:
    """Return the average with its interval, and over how many of the paper's benchmarks when some are missing."""
    partial = f" ({len(average.benchmarks)} of {len(published_table().columns)})" if average.missing else ""
    return interval(average.estimate) + partial


def terminal_tables(summary: Summary, comparison: Comparison | None = None) -> list[Table]:
    """Return rich tables: the figures, and, where there are any, macro averages, paired differences, published ones."""
    tables = [_rich("accuracy in percent [95% interval]", (*_LONG, *_COUNTS), map(_long_cells, summary.results))]
    if summary.averages:
        averages = ((a.model, *_asked_cells(a.asked), average_text(a)) for a in summary.averages)
        headers = ("model", "prompt", "variant", "mode", "judge", "average [95%]")
        tables.append(_rich("mean over the paper's benchmarks", headers, averages))
    return tables + [_rich(*table) for table in _paired_tables(summary, comparison)]


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
    head = ("model", "prompt", "variant", "mode", "judge", *map(header, columns), published_table().average)
    wide = []
    for row in wide_rows(summary):
        cells = [accuracy_text(row.figures[name]) if name in row.figures else NONE for name in columns]
        wide.append((row.model, *_asked_cells(row.asked), *cells, average_text(row.average) if row.average else NONE))
    parts = ["Accuracy in percent [95% interval]", _markdown(head, wide)]
    parts += ["Every figure", _markdown((*_LONG, *_COUNTS), map(_long_cells, summary.results))]
    for title, headers, rows in _paired_tables(summary, comparison):
        parts += [title[0].upper() + title[1:], _markdown(headers, rows)]
    return "\n\n".join(parts) + "\n"


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


def latex_escape(text: str) -> str:
    r"""Escape text for LaTeX: ``a_b & 5%`` to ``a\_b \& 5\%``; line breaks to spaces."""
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def markdown_escape(text: str) -> str:
    """Escape text for Markdown and the HTML made of it, on one line."""
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def _asked_cells(asked: Setting) -> tuple[str, str, str, str]:
    return asked.prompt_style, asked.variant or "as is", asked.mode, asked.judged_by


def _long_cells(result: Result) -> tuple[str, ...]:
    figure = result.figure
    return (
        *(header(result.benchmark), result.model, *_asked_cells(result.asked)),
        *(f"{figure.accuracy.total:,}", accuracy_text(figure)),
        *(rate_text(rate, bounds=False) for rate in (figure.invalid, figure.abstained)),
        f"{result.unscored:,}",
    )


def _paired_tables(
    summary: Summary, comparison: Comparison | None
) -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[str]]]]:
    """Yield title, headers and rows of the differences: between models, by changes, to published figures."""
    if summary.contrasts:
        yield "paired differences", _CONTRAST, map(_contrast_cells, summary.contrasts)
    if summary.changes:
        shared = any(change.paired.shared for change in summary.changes)  # then p-values are too small
        title = f"{_CHANGE_TITLE}. {SHARED_IMAGES}" if shared else _CHANGE_TITLE
        yield title, _CHANGE, map(_change_cells, summary.changes)
    if summary.baselines:
        yield "without a model", _BASELINE, map(_baseline_cells, summary.baselines)
    if summary.looks:
        yield "looking or guessing", _LOOK, map(look_cells, summary.looks)
    if comparison and comparison.rows:
        yield f"against {comparison.recipe} as published", _AGAINST, map(against_cells, comparison.rows)


def _baseline_cells(one: Baseline) -> Sequence[str]:
    constant = rate_text(one.constant)
    return header(one.benchmark), f"{one.questions:,}", f"{100 * one.chance:.1f}", constant, "; ".join(one.answers)


def look_cells(look: Look) -> Sequence[str]:
    """Return the cells of one line about answers without the right picture."""
    shares = map(interval, (look.right, look.without, look.kept, look.changed))
    return header(look.benchmark), look.model, look.setting, look.how, f"{look.questions:,}", *shares


def against_cells(row: Against) -> Sequence[str]:
    """Return the cells of one line beside a published figure."""
    return (
        *(header(row.benchmark), row.model, *_asked_cells(row.asked), f"{row.stage}: {row.reference}"),
        *(f"{100 * row.published:.1f}", accuracy_text(row.ours), _points(row.difference), row.verdict),
    )


def _contrast_cells(contrast: Contrast) -> Sequence[str]:
    return (
        *(header(contrast.benchmark), f"{contrast.b} − {contrast.a}", *_asked_cells(contrast.asked)),
        *(difference(contrast.paired), f"{contrast.paired.p_value:.2g}", f"{contrast.corrected:.2g}", contrast.note),
    )


def _change_cells(change: Change) -> Sequence[str]:
    paired = change.paired
    cells = (_against(change), f"{paired.total:,}", accuracy_text(change.plain.figure), difference(paired))
    return (header(change.benchmark), change.model, *_asked_cells(change.asked), *cells, f"{paired.p_value:.2g}")


def _against(change: Change) -> str:
    """Return the baseline of a change."""
    return "as is" if change.asked.variant else change.plain.asked.prompt_style


def _rich(title: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table, at = Table(title=title), headers.index("prompt") if "prompt" in headers else None

    def joined(cells: Sequence[str]) -> Iterator[str]:  # four columns as one, so that figures stay readable at 80
        return iter(cells if at is None else (*cells[:at], " · ".join(cells[at : at + 4]), *cells[at + 4 :]))

    for name in joined(headers):
        right = name in _COUNTS or name.endswith("[95%]") or name.startswith("p (") or name == "p"
        table.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, joined(row)))  # Text: "[bold]" in a model's name is no markup
    return table


def _markdown(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, *rows]
    text = ["| " + " | ".join(markdown_escape(cell) for cell in line) + " |" for line in lines]
    return "\n".join([text[0], "|" + " --- |" * len(headers), *text[1:]])


def _conditions(row: WideRow) -> str:
    figures = "; ".join(
        f"{header(name)} n={figure.accuracy.total} invalid={rate_text(figure.invalid, bounds=False)}% "
        f"{accuracy_text(figure)}"
        for name, figure in row.figures.items()
    )
    average = f"; average {average_text(row.average)}" if row.average else ""
    return f"{row.model}: {', '.join(_asked_cells(row.asked))}; {figures}{average}"


def _csv_rows(summary: Summary, comparison: Comparison | None) -> Iterator[Mapping[str, object]]:
    for result in summary.results:
        base = {"benchmark": result.benchmark, "model": result.model, **_csv_setting(result.asked)}
        yield {"figure": "accuracy", **base, **_csv_figure(result.figure), "unscored": result.unscored}
        for key, values in result.groups.items():
            for value, figure in values.items():
                yield {"figure": "group", **base, "grouping": key, "value": value, **_csv_figure(figure)}
    for average in summary.averages:
        base = {"figure": "average", "model": average.model, **_csv_setting(average.asked)}
        kind, note = "of the benchmarks' intervals", "over " + " ".join(average.benchmarks)
        yield base | _csv_estimate(average.estimate, kind) | {"note": note}
    for contrast in summary.contrasts:
        base = {"figure": "difference", "model": contrast.b, "against": contrast.a}
        yield base | _csv_paired(contrast) | {"p_holm": contrast.corrected, "note": contrast.note}
    for change in summary.changes:
        base = {"figure": "change", "model": change.model, "against": _against(change)}
        yield base | _csv_paired(change) | {"note": SHARED_IMAGES if change.paired.shared else ""}
    for one in summary.baselines:
        none: dict[str, object] = {"figure": "baseline", "benchmark": one.benchmark, "n": one.questions}
        yield none | {"value": "chance", "estimate": round(one.chance, 6)}
        constant = _csv_estimate(one.constant, "Wilson") | {"note": "; ".join(one.answers)}
        yield none | {"value": "constant"} | constant
    for look in summary.looks:
        base = {"figure": "look", "benchmark": look.benchmark, "model": look.model, "variant": look.how}
        for name in ("right", "without", "kept", "changed"):
            share = _csv_estimate(getattr(look, name), _OVER_IMAGES)
            yield base | {"value": name, "n": look.questions, "note": look.setting} | share
    for row in comparison.rows if comparison else ():
        base = {"figure": "published", "benchmark": row.benchmark, "model": row.model, **_csv_setting(row.asked)}
        base |= {"against": row.reference, "grouping": "stage", "value": row.stage}
        yield (
            base
            | {"n": row.ours.accuracy.total}
            | _csv_estimate(row.difference, "independent shares")
            | {"note": row.verdict}
        )


def _csv_setting(asked: Setting) -> dict[str, str]:
    return {"prompt": asked.prompt_style, "variant": asked.variant, "mode": asked.mode, "judge": asked.judged_by}


def _csv_paired(compared: Contrast | Change) -> dict[str, object]:
    paired = compared.paired
    cells: dict[str, object] = {"benchmark": compared.benchmark, **_csv_setting(compared.asked), "n": paired.total}
    cells |= {"images": paired.images, "p": paired.p_value}
    difference = Estimate(paired.difference, paired.low, paired.high)
    return cells | (_csv_estimate(difference, _OVER_IMAGES) if paired.total else {})


def _csv_figure(figure: Figure) -> dict[str, object]:
    counts: dict[str, object] = {"n": figure.accuracy.total, "images": figure.images, "right": figure.accuracy.right}
    if not figure.accuracy.total:
        return counts
    rates = {"invalid": round(figure.invalid.value, 6), "abstained": round(figure.abstained.value, 6)}
    return counts | rates | _csv_estimate(figure.estimate, interval_kind(figure))


def _csv_estimate(estimate: Estimate, kind: str) -> dict[str, object]:
    bounds = {"estimate": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: round(value, 6) for name, value in bounds.items()} | {"interval": kind}


def interval_kind(figure: Figure) -> str:
    """Return the kind of interval that a figure shows."""
    return _OVER_IMAGES if figure.shared else "Wilson"


def _one_line(text: str) -> str:
    return " ".join(text.split())
