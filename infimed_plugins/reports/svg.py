"""A line chart as inline SVG: no script, no file beside the page, colours from the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infimed_plugins.pages import escape

Series = Mapping[str, Sequence[tuple[float, float]]]

WIDTH, HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 14, 44
_DASHES = ("", "7 4", "2 3")  # lines differ by more than their colour


def line_chart(series: Series, x_label: str, y_label: str) -> str:
    """The chart of named series of (x, y) points; an empty one says so."""
    points = [point for line in series.values() for point in line]
    if not points:
        return "<p>nothing was logged</p>"
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low, y_high = min(0.0, *(y for _, y in points)), max(y for _, y in points) or 1.0
    x_span, y_span = (x_high - x_low) or 1.0, (y_high - y_low) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        right, up = (x - x_low) / x_span, (y - y_low) / y_span
        return _LEFT + right * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 24}" role="img" aria-label="{escape(y_label)} by {escape(x_label)}">'
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = place(x_low, y_low + share * y_span)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{y_low + share * y_span:.2f}</text>')
        x, _ = place(x_low + share * x_span, y_low)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{x_low + share * x_span:.0f}</text>'
        )
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    for number, (name, line) in enumerate(series.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        dash = f'stroke-dasharray="{_DASHES[number % 3]}"'
        parts.append(f'<polyline class="s{number % 3}" {dash} points="{path}"/>')
        x = _LEFT + number * 150
        parts.append(
            f'<line class="s{number % 3}" {dash} x1="{x}" x2="{x + 26}" y1="{HEIGHT + 10}" y2="{HEIGHT + 10}"/>'
        )
        parts.append(f'<text x="{x + 32}" y="{HEIGHT + 14}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])
