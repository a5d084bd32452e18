"""The page's charts as inline SVG: no script, colours from the page's style sheet, shapes beside every colour."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

import numpy as np
from markupsafe import Markup, escape

from benchmarking.methods import GROUPS, Group
from benchmarking.results import Figure, Results, Row, artefact_of, names, srocc_of
from miqanet_core.metrics.significance import PairwiseTests

LEVEL = 0.05
# A mark of about 2.4 pixels around a point, as a path; in the order of the groups, or of the artefacts.
SHAPES = (
    "m-2.4 0a2.4 2.4 0 1 0 4.8 0a2.4 2.4 0 1 0 -4.8 0z",
    "m-2.2 -2.2h4.4v4.4h-4.4z",
    "m0 -2.9l2.8 4.9h-5.6z",
    "m0 -3.1l3.1 3.1l-3.1 3.1l-3.1 -3.1z",
    "m0 2.9l2.8 -4.9h-5.6z",
    "m-3 -1h2v-2h2v2h2v2h-2v2h-2v-2h-2z",
)


def mark(number: int, x: float, y: float) -> str:
    """The path of one mark."""
    return f"M{x:.1f} {y:.1f}{SHAPES[number % len(SHAPES)]}"


def key(number: int) -> Markup:
    """A mark as the legend shows it."""
    return _svg([_large(number, 7, 7, "")], 14, 14, "", "key")


def _large(number: int, x: float, y: float, title: str) -> str:
    shape = number % len(SHAPES)
    place = f'transform="translate({x:.1f} {y:.1f}) scale(1.7)"'
    return f'<path class="m{shape}" {place} d="M0 0{SHAPES[shape]}"><title>{escape(title)}</title></path>'


def bar(figure: Figure | None, least: float) -> Markup:
    """A figure's interval and the figure itself, on a scale from ``least`` to 1."""
    if figure is None:
        return Markup("")

    def x(value: float) -> float:
        return 4 + 152 * (max(value, least) - least) / (1 - least)

    zero = f'<line class="grid" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="16"/>' if least < 0 else ""
    parts = [
        zero,
        f'<line class="range" x1="{x(figure.low):.1f}" x2="{x(figure.high):.1f}" y1="8" y2="8"/>',
        f'<circle class="value" cx="{x(figure.value):.1f}" cy="8" r="4"/>',
    ]
    return _svg(parts, 160, 16, f"{figure.value:.3f}, 95 % interval {figure.low:.3f} to {figure.high:.3f}", "bar-chart")


def matrix(pairs: PairwiseTests) -> Markup:
    """Which method of a row is better, or worse, than that of a column: filled after Holm's correction, outlined without."""
    side, left, count = 14, 128, len(pairs.names)
    size = left + side * count + 4
    parts = []
    for i, name in enumerate(pairs.names):
        at = left + side * (i + 0.5)
        parts.append(f'<text class="tick" x="{left - 6}" y="{at + 4:.0f}" text-anchor="end">{escape(name)}</text>')
        turned = f'transform="rotate(-90 {at + 4:.0f} {left - 6})"'
        parts.append(f'<text class="tick" x="{at + 4:.0f}" y="{left - 6}" {turned}>{escape(name)}</text>')
    for i in range(count + 1):
        at = left + side * i
        parts.append(f'<path class="grid" d="M{left} {at}H{left + side * count}M{at} {left}V{left + side * count}"/>')
    for i, j in zip(*np.nonzero(pairs.p < LEVEL), strict=True):
        x, y = left + side * (j + 0.5), left + side * (i + 0.5)
        better = pairs.difference[i, j] > 0
        triangle = f"M{x:.0f} {y - 4:.0f}l4.5 8h-9z" if better else f"M{x:.0f} {y + 4:.0f}l4.5 -8h-9z"
        sure = "sure" if pairs.p_holm[i, j] < LEVEL else "unsure"
        title = f"{pairs.names[i]} {pairs.difference[i, j]:+.3f} against {pairs.names[j]}, p {pairs.p[i, j]:.2g}"
        title += f", after Holm {pairs.p_holm[i, j]:.2g}"
        kind = "better" if better else "worse"
        parts.append(f'<path class="{kind} {sure}" d="{triangle}"><title>{escape(title)}</title></path>')
    return _svg(parts, size, size, "Which methods differ; pairs.csv holds the same numbers.", "matrix")


def scatter(row: Row, results: Results) -> Markup:
    """Score against the method's value, with the fitted mapping; against the mapped prediction where folds have their own."""
    width, height, left, bottom = 230, 190, 30, 26
    values = row.mapped if row.curve is None else row.value
    shown = np.isfinite(values)
    low, high = float(values[shown].min()), float(values[shown].max())
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)

    def x(value: float) -> float:
        return left + 8 + (width - left - 16) * (value - low) / (high - low)

    def y(score: float) -> float:
        return height - bottom - (height - bottom - 8) * min(max(score, 0.0), 100.0) / 100

    parts = [f'<path class="grid" d="M{left} {y(tick):.1f}H{width}"/>' for tick in (0, 50, 100)]
    parts += [
        f'<text class="tick" x="{left - 5}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>' for tick in (0, 50, 100)
    ]
    for value, anchor in ((low, "start"), (high, "end")):
        parts.append(f'<text class="tick" x="{x(value):.1f}" y="{height - 8}" text-anchor="{anchor}">{value:.3g}</text>')
    kinds = names(results.cases, artefact_of) or [""]
    for number, kind in enumerate(kinds):
        points = zip(results.cases, values, strict=True)
        path = "".join(
            mark(number, x(float(v)), y(c.rated.score)) for c, v in points if np.isfinite(v) and c.rated.artefact == kind
        )
        parts.append(f'<path class="point m{number % len(SHAPES)}" d="{path}"/>')
    along = np.linspace(low, high, 60)
    curve = along if row.curve is None else row.curve(along)
    line = " ".join(f"{x(float(a)):.1f},{y(float(b)):.1f}" for a, b in zip(along, curve, strict=True))
    parts.append(f'<polyline class="fit" points="{line}"/>')
    axis = "mapped prediction" if row.curve is None else "value"
    parts.append(f'<text class="tick" x="{(left + width) / 2:.0f}" y="{height - 8}" text-anchor="middle">{axis}</text>')
    return _svg(parts, width, height, f"{row.method.name}: scores against its values", "scatter")


def cheapest(rows: Sequence[Row]) -> list[Row]:
    """Methods that no other is both faster and better than, the fastest first."""
    found: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.milliseconds, -srocc_of(row))):
        if row.figures["SROCC"] and (not found or srocc_of(row) > srocc_of(found[-1])):
            found.append(row)
    return found


def cost(results: Results, width: int = 900, height: int = 420) -> Markup:
    """SROCC over milliseconds an image; named are the methods that no other is both faster and better than."""
    rows = [row for row in results.rows if row.figures["SROCC"]]
    if not rows:
        return Markup("")
    left, right, bottom, top = 46, width - 40, height - 44, 30
    decades = [log10(max(row.milliseconds, 1e-3)) for row in rows]
    first, last = floor(min(decades)), max(ceil(max(decades)), floor(min(decades)) + 1)
    least = floor(10 * min(0.0, *(srocc_of(row) for row in rows))) / 10

    def x(milliseconds: float) -> float:
        return left + (right - left) * (log10(max(milliseconds, 1e-3)) - first) / (last - first)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - least) / (1 - least)

    parts = []
    for decade in range(first, last + 1):
        at = x(10.0**decade)
        parts.append(f'<path class="grid" d="M{at:.1f} {top}V{bottom}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{10.0**decade:g} ms</text>')
    for tick in np.arange(ceil(5 * least), 6) / 5:
        parts.append(f'<path class="grid" d="M{left} {y(tick):.1f}H{right}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
    front = cheapest(rows)
    line = " ".join(f"{x(row.milliseconds):.1f},{y(srocc_of(row)):.1f}" for row in front)
    parts.append(f'<polyline class="front" points="{line}"/>')
    order: list[Group] = list(GROUPS)
    for row in rows:
        number = order.index(row.method.group)
        across, up = x(row.milliseconds), y(srocc_of(row))
        title = f"{row.method.name}: SROCC {srocc_of(row):.3f}, {row.milliseconds:.3g} ms"
        parts.append(_large(number, across, up, title))
    for row in front:
        across, up = x(row.milliseconds), y(srocc_of(row)) - 9
        anchor = "end" if across > right - 60 else "middle"
        name = escape(row.method.name)
        parts.append(f'<text class="name" x="{across:.1f}" y="{up:.1f}" text-anchor="{anchor}">{name}</text>')
    return _svg(parts, width, height, "SROCC over milliseconds an image; ranking.csv holds the same numbers.", "cost")


def _svg(parts: Sequence[str], width: int, height: int, label: str, kind: str) -> Markup:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    told = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return Markup(f'<svg class="{kind}" {size} {told}>{"".join(parts)}</svg>')
