"""Charts as inline SVG: no script and no file of their own, colors from the page.

Those of the evaluation page are drawn at the width of a phone so that their text stays readable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from infimed_plugins.pages import escape
from infimed_plugins.reports.statistics import Estimate

WIDTH = 340
COLORS = 6  # classes m0 … m5 of the stylesheet; further models take them again with another dash
_DASHES = ("", "6 3", "2 3")
_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 34, 10, 10, 34, 210
_ROW = 38

_LINE_CHART = (560, 260, 52, 12, 14, 44)  # width, height and the margins left, right, top, bottom
_LINE_DASHES = ("", "7 4", "2 3")  # lines differ by more than their color

Marked = Sequence[tuple[str, float]]
Series = Mapping[str, Sequence[tuple[float, float]]]


def forest_plot(title: str, rows: Sequence[tuple[str, Estimate, str]], published: Marked = ()) -> str:
    """Draw a line for each (label, accuracy with interval, note) over a common axis in percent.

    ``published`` values (model, accuracy in percent) stand as hollow rings on a line of their own, without intervals.
    """
    low, high = _range([e for _, e, _ in rows], [value for _, value in published])
    height = _ROW * (len(rows) + bool(published)) + 26

    def across(percent: float) -> float:
        return 8 + (percent - low) / (high - low) * (WIDTH - 16)

    parts = [_open(f"{title}: accuracy with 95% intervals", height)]
    for tick in _ticks(low, high):
        x = across(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 22}"/>')
        anchor = "start" if tick == low else "end" if tick == high else "middle"
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="{anchor}">{tick:.0f}%</text>')
    for number, (label, estimate, note) in enumerate(rows):
        y = number * _ROW + 27
        value, left, right = (across(100 * x) for x in (estimate.value, estimate.low, estimate.high))
        parts.append(f"<g><title>{escape(label)}: {escape(note)}</title>")
        parts.append(f'<text class="name" x="8" y="{y - 12}">{escape(_short(label))}</text>')
        parts.append(f'<line class="whisker" x1="{left:.1f}" x2="{right:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<rect class="dot" x="{value - 4:.1f}" y="{y - 4}" width="8" height="8"/></g>')
    if published:
        y = len(rows) * _ROW + 27
        parts.append(f'<text class="name" x="8" y="{y - 12}">published (not measured here)</text>')
        for name, percent in published:
            ring = f'<circle class="ring" cx="{across(percent):.1f}" cy="{y}" r="4">'
            parts.append(f"{ring}<title>{escape(name)}, published: {percent:.1f}</title></circle>")
    return "".join([*parts, "</svg>"])


def curve_chart(
    title: str, points: Mapping[str, Sequence[tuple[float, Estimate]]], colors: Mapping[str, int], axis: str
) -> str:
    """Draw accuracy in percent, a series for each model with its intervals; ``colors`` gives each model's number.

    ``axis`` names x: only a ``severity`` has an order, so only its points are joined. "" is for a variant without
    number. x = 0 is the question as it was asked.
    """
    severities = sorted({x for line in points.values() for x, _ in line})
    low, high = _range([estimate for line in points.values() for _, estimate in line], [])
    step = (WIDTH - _LEFT - _RIGHT) / len(severities)

    def across(severity: float) -> float:
        return _LEFT + step * (severities.index(severity) + 0.5)

    def down(percent: float) -> float:
        return _HEIGHT - _BOTTOM - (percent - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_open(title, _HEIGHT)]
    for tick in _ticks(low, high):
        y = down(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:.0f}</text>')
    for severity in severities:
        text = "as is" if severity == 0 else f"{severity:g}" if axis else "changed"
        parts.append(
            f'<text x="{across(severity):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{text}</text>'
        )
    for number, (model, line) in enumerate(points.items()):
        shift = (number - (len(points) - 1) / 2) * min(8.0, step / (len(points) + 1))
        marks = [(across(x) + shift, down(100 * e.value), down(100 * e.low), down(100 * e.high), e) for x, e in line]
        parts.append(_series(model, colors[model], marks, axis == "severity"))
    parts.append(f'<text x="{WIDTH / 2}" y="{_HEIGHT - 3}" text-anchor="middle">{escape(axis)}</text>')
    return "".join([*parts, "</svg>"])


def line_chart(series: Series, x_label: str, y_label: str) -> str:
    """Return the chart of named series of (x, y) points; an empty one says so."""
    points = [point for line in series.values() for point in line]
    if not points:
        return "<p>nothing was logged</p>"
    width, height, left, right, top, bottom = _LINE_CHART
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low, y_high = min(0.0, *(y for _, y in points)), max(y for _, y in points) or 1.0
    x_span, y_span = (x_high - x_low) or 1.0, (y_high - y_low) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = (x - x_low) / x_span, (y - y_low) / y_span
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    label = f"{escape(y_label)} by {escape(x_label)}"
    parts = [f'<svg viewBox="0 0 {width} {height + 24}" role="img" aria-label="{label}">']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x_tick, y_tick = x_low + share * x_span, y_low + share * y_span
        x, y = place(x_tick, y_tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{y_tick:.2f}</text>')
        parts.append(f'<text x="{x:.1f}" y="{height - bottom + 16}" text-anchor="middle">{x_tick:.0f}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">{escape(x_label)}</text>')
    for number, (name, line) in enumerate(series.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        style = f'class="s{number % 3}" stroke-dasharray="{_LINE_DASHES[number % 3]}"'
        parts.append(f'<polyline {style} points="{path}"/>')
        at = left + number * 150
        parts.append(f'<line {style} x1="{at}" x2="{at + 26}" y1="{height + 10}" y2="{height + 10}"/>')
        parts.append(f'<text x="{at + 32}" y="{height + 14}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def _series(model: str, color: int, marks: Sequence[tuple[float, float, float, float, Estimate]], joined: bool) -> str:
    """Return one model's marks at (x, y, y of low, y of high) with whiskers, and the line through them."""
    kind, dash = f"m{color % COLORS}", _DASHES[color // COLORS % len(_DASHES)]
    parts = []
    if joined:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in marks)
        parts.append(f'<polyline class="{kind}" stroke-dasharray="{dash}" points="{path}"/>')
    for x, y, y_low, y_high, estimate in marks:
        percent = f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
        parts.append(f'<g class="{kind}"><title>{escape(model)}: {percent}</title>')
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y_low:.1f}" y2="{y_high:.1f}"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/></g>')
    return "".join(parts)


def _open(label: str, height: float) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'


def _range(estimates: Sequence[Estimate], percents: Sequence[float]) -> tuple[float, float]:
    """Return the axis in percent: whole tens around everything shown, at least twenty wide."""
    lows = [100 * estimate.low for estimate in estimates] + list(percents)
    highs = [100 * estimate.high for estimate in estimates] + list(percents)
    low = min(80.0, 10 * math.floor(min(lows, default=0.0) / 10))
    return low, max(low + 20, min(100.0, 10 * math.ceil(max(highs, default=100.0) / 10)))


def _ticks(low: float, high: float) -> list[float]:
    step = 10 if high - low <= 50 else 20
    return [tick for tick in range(0, 101, step) if low <= tick <= high]


def _short(text: str, most: int = 46) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
