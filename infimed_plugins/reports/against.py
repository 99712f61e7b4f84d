"""Compare an evaluation with published figures: ours, theirs, the difference with its interval, and a verdict.

The published figure is a share of the same questions, of which only the percentage was printed: the two shares are
taken as independent, so that the interval is wider than a paired one would be (Newcombe, Statistics in Medicine 1998,
17:873, method 10). ``published.yaml`` holds the figures, their sources and how they were measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infimed_plugins.benchmarks.judged import Setting
from infimed_plugins.plugins import registry
from infimed_plugins.reports.published import published_data, published_table
from infimed_plugins.reports.statistics import Estimate, wilson
from infimed_plugins.reports.summary import Figure, Result, Summary

SAME = 0.03  # a difference that is within this of 0, interval and all, counts as the published figure


@dataclass(frozen=True)
class Against:
    """One of our figures beside a published one. ``stage`` is base, SFT or RL, ``published`` a share in [0, 1] of
    ``questions``; ``difference`` is ours less theirs, ``verdict`` what so many questions say of it."""

    model: str
    benchmark: str
    asked: Setting
    stage: str
    reference: str
    published: float
    questions: int
    ours: Figure
    difference: Estimate
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """Every figure of a summary beside those of one published recipe, and what may move them besides the model."""

    recipe: str
    source: str
    rows: tuple[Against, ...]
    notes: tuple[str, ...]


def compare(summary: Summary, recipe: str) -> Comparison:
    """Compare what was asked without a variant. ``recipe`` is one of published.yaml."""
    told = published_data()["recipes"][recipe]
    results = [one for one in summary.results if not one.asked.variant and one.figure.accuracy.total]
    rows = tuple(row for result in results for row in _rows(result, told))
    return Comparison(recipe, told["source"], rows, tuple(dict.fromkeys(_notes(rows, told))))


def _rows(result: Result, told: Mapping[str, Any]) -> Iterator[Against]:
    columns = list(published_table().columns)
    if result.benchmark not in columns:
        return
    for stage, (reference, values) in told["stages"].items():
        value = values[columns.index(result.benchmark)]
        if value is not None:
            questions = _questions(result.benchmark, told) or result.figure.accuracy.total
            difference = _difference(result.figure.estimate, value / 100, questions)
            yield Against(
                result.model, result.benchmark, result.asked, stage, reference, value / 100, questions, result.figure,
                difference, _verdict(difference, result.figure.accuracy.total),
            )  # fmt: skip


def _verdict(difference: Estimate, total: int) -> str:
    """Return ``as published``, ``better``, ``worse``, or that so many questions cannot tell."""
    if difference.low > 0 or difference.high < 0:
        return "better" if difference.low > 0 else "worse"
    if difference.low >= -SAME and difference.high <= SAME:
        return "as published"
    least = 50 * (difference.high - difference.low)
    return f"not to be told apart: {total:,} questions show {least:.1f} points or more"


def _questions(benchmark: str, told: Mapping[str, Any]) -> int:
    own = dict(zip(published_table().columns, told.get("questions", ()), strict=False)).get(benchmark)
    return own or registry().get("benchmark", benchmark).questions or 0


def _difference(ours: Estimate, published: float, questions: int) -> Estimate:
    theirs = wilson(round(published * questions), questions)
    value = ours.value - published
    below = math.hypot(ours.value - ours.low, theirs.high - theirs.value)
    above = math.hypot(ours.high - ours.value, theirs.value - theirs.low)
    return Estimate(value, value - below, value + above)


def _notes(rows: tuple[Against, ...], told: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the published figures were measured, where ours were not, and the defects of each benchmark."""
    yield f"published: {told['source']}; {told['harness']}"
    if not rows:
        yield f"nothing was run here that these figures are on: {', '.join(published_table().columns)}"
    judge = told["judge"]
    for row in rows:
        mode, total = row.asked.mode, row.ours.accuracy.total
        if told["modes"] and mode not in told["modes"]:
            yield f"mode {mode} here, {' or '.join(told['modes'])} there: add --mode {told['modes'][0]}"
        if judge and row.asked.judge != judge:
            yield f"judged by {row.asked.judged_by} here, by {judge} there"
        if total != row.questions:
            yield f"{row.benchmark}: {total:,} questions here, {row.questions:,} there"
        yield f"{row.benchmark}: {registry().get('benchmark', row.benchmark).defects}"
    table = published_table()
    for row in rows:
        for other in (one for one in table.other_rows if one.model == row.reference):
            yield f"{row.reference}: another version of {table.table} ({table.other_source}) has other figures: {other}"
