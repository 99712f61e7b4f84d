"""One offline page of an evaluation: the table beside the paper's, intervals, breakdowns, curves, a browser of cases.

The page is a single file: style, script, drawings, replies and images are inside it, and its own policy forbids every
request. What models said is embedded as JSON and only ever shown as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infimed_plugins import pages
from infimed_plugins.benchmarks.judged import Run
from infimed_plugins.reports import evaluation_tables as tables
from infimed_plugins.reports.evaluation_cases import Images, all_cases, cases_json, draw_cases
from infimed_plugins.reports.figures import Figure
from infimed_plugins.reports.published import header, published_table
from infimed_plugins.reports.summary import Curve, Result, Setting, Summary, curves, summarise
from infimed_plugins.reports.svg import COLORS, curve_chart, forest_plot

MOST_CASES = 300
_FILTERS: Mapping[str, Callable[..., str]] = {
    **{"header": header, "kind": tables.interval_kind, "average": tables.average_text},
    **{"difference": tables.difference, "accuracy": tables.accuracy_text, "rate": tables.rate_text},
}


@dataclass(frozen=True)
class Breakdown:
    """One grouping of one benchmark in one setting: for each value, each model's figure."""

    benchmark: str
    asked: Setting
    key: str
    models: tuple[str, ...]
    rows: Sequence[tuple[str, Sequence[Figure | None]]]


def write_evaluation_page(
    runs: Sequence[Run],
    path: Path,
    *,
    images: Images,
    facts: Mapping[str, str],
    notes: Sequence[str] = (),
    most_cases: int = MOST_CASES,
    seed: int = 0,
    groupings: Mapping[str, Sequence[str]] | None = None,
    title: str = "Evaluation",
) -> None:
    """Write the page to ``path``.

    ``images`` as in ``cases_json``; ``facts`` are what ran, by name; ``notes`` the honest remarks. At most
    ``most_cases`` are embedded, drawn with ``seed``: those on which the models differ or that are invalid first.
    ``groupings`` as in ``summarise``. Raises MissingExtraError without jinja2 or Pillow, and DataError for
    two runs of one model, benchmark and setting.
    """
    summary = summarise(runs, groupings=groupings, seed=seed)
    cases = all_cases(runs)
    drawn = draw_cases(cases, most_cases, seed)
    beside = any(name in summary.benchmarks for name in published_table().columns)
    colors = {model: number for number, model in enumerate(summary.models)}
    pages.write_page(
        path,
        Path(__file__).with_name("evaluation.html.jinja"),
        _FILTERS,
        title=title,
        summary=summary,
        published=published_table(),
        columns=tables.wide_columns(summary) if beside else summary.benchmarks,
        beside=beside,
        rows=tables.wide_rows(summary),
        forests=_forests(summary),
        breakdowns=breakdowns(summary),
        charts=[(curve, chart) for curve in curves(summary) if (chart := _chart(curve, colors))],
        colors={model: number % COLORS for model, number in colors.items()},
        facts=facts,
        notes=notes,
        seed=seed,
        total=sum(map(len, cases.values())),
        telling=sum(case.telling for listed in cases.values() for case in listed),
        cases=cases_json(drawn, images),
    )


def breakdowns(summary: Summary) -> list[Breakdown]:
    """The groupings with more than one value, of runs without a variant."""
    found: dict[tuple[str, Setting, str], list[Result]] = {}
    for result in summary.results:
        for key in result.groups if not result.asked.variant else ():
            found.setdefault((result.benchmark, result.asked, key), []).append(result)
    listed = []
    for (benchmark, asked, key), results in found.items():
        values = sorted({value for result in results for value in result.groups[key]})
        if len(values) > 1:
            rows = [(value, [result.groups[key].get(value) for result in results]) for value in values]
            listed.append(Breakdown(benchmark, asked, key, tuple(result.model for result in results), rows))
    return listed


def _forests(summary: Summary) -> list[tuple[str, str]]:
    """(benchmark, drawing) of the runs without a variant."""
    published, drawn = published_table(), []
    places = {name: number for number, name in enumerate(published.columns)}
    several = len({asked for asked in summary.settings if not asked.variant}) > 1
    for benchmark in summary.benchmarks:
        results = [r for r in summary.results if r.benchmark == benchmark and not r.asked.variant and _counted(r)]
        rows = []
        for result in results:
            label = f"{result.model} · {result.asked.label}" if several else result.model
            note = f"{tables.interval(result.figure.estimate)}, n = {result.figure.accuracy.total:,}"
            rows.append((label, result.figure.estimate, f"{note}, {result.asked.label}"))
        rings = [(row.model, row.values[places[benchmark]]) for row in published.rows] if benchmark in places else []
        if rows:
            drawn.append((benchmark, forest_plot(header(benchmark), rows, rings)))
    return drawn


def _counted(result: Result) -> bool:
    """True if anything was scored: else there is nothing to draw."""
    return result.figure.accuracy.total > 0


def _chart(curve: Curve, colors: Mapping[str, int]) -> str:
    points = {m: [(x, r.figure.estimate) for x, r in line if _counted(r)] for m, line in curve.points.items()}
    if not any(points.values()):
        return ""
    return curve_chart(f"{curve.family} on {header(curve.benchmark)}", points, colors, curve.axis)
