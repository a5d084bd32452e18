"""The report's charts as inline SVG: no script, hover titles, colours from the page's style sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from markupsafe import Markup

from miqanet_core.policy import Policy, format_score
from miqanet_core.presenter.curve import slice_ticks, thresholds
from miqanet_core.quality import Normal, SliceQuality

# Plot area inside the view box; the right margin of the curve holds the names of the thresholds.
_LEFT, _TOP, _BOTTOM = 40, 14, 44
_BIN = 5


def score_curve(slices: Sequence[SliceQuality], policy: Policy, width: int = 760, height: int = 300) -> Markup:
    """Score over slice number; flagged slices are triangles, so that they differ in more than colour."""
    right, floor = width - 150, height - _BOTTOM
    span = max(len(slices) - 1, 1)

    def x(index: int) -> float:
        return _LEFT + 10 + (right - _LEFT - 20) * index / span

    def y(score: float) -> float:
        return floor - (floor - _TOP) * min(max(score, 0.0), 100.0) / 100

    parts = [f'<rect class="zone" x="{_LEFT}" y="{y(policy.slice_flag):.1f}" width="{right - _LEFT}"'
             f' height="{floor - y(policy.slice_flag):.1f}"/>']  # fmt: skip
    for tick in range(0, 101, 20):
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    for tick in slice_ticks(len(slices)):
        parts.append(f'<text class="tick" x="{x(tick - 1):.1f}" y="{floor + 18}" text-anchor="middle">{tick}</text>')
    parts.extend(_threshold_lines(policy, y, right, floor))
    for run in _scored_runs(slices):
        points = " ".join(f"{x(i):.1f},{y(s):.1f}" for i, s in run)
        parts.append(f'<polyline class="curve" points="{points}"/>')
    size = 4.5 if len(slices) <= 80 else 2.5
    parts.extend(_mark(i, s.score, s.flagged, x(i), y(s.score), size) for i, s in enumerate(slices) if s.score is not None)
    parts.append(f'<text class="axis" x="{(_LEFT + right) / 2:.0f}" y="{height - 6}" text-anchor="middle">slice number</text>')
    flagged = sum(s.flagged for s in slices)
    label = f"Score of each of {len(slices)} slices; {flagged} flagged. The table below holds the same numbers."
    return _svg(parts, width, height, label)


def histogram(slices: Sequence[SliceQuality], width: int = 360, height: int = 300) -> Markup:
    """How many slices have which score, in steps of five; flagged slices have their own colour, and the title says so."""
    right, floor = width - 18, height - _BOTTOM
    counts = [[0, 0] for _ in range(100 // _BIN)]  # not flagged, flagged
    for s in slices:
        if s.score is not None:
            counts[min(max(int(s.score // _BIN), 0), len(counts) - 1)][s.flagged] += 1
    most = max(max(sum(c) for c in counts), 1)
    step = (right - _LEFT) / len(counts)
    parts = []
    for tick in sorted({0, most, most // 2}):
        level = floor - (floor - _TOP) * tick / most
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{level:.1f}" y2="{level:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{level + 4:.1f}" text-anchor="end">{tick}</text>')
    for k, (passed, flagged) in enumerate(counts):
        base = float(floor)
        for count, kind in ((flagged, "bad"), (passed, "good")):
            tall = (floor - _TOP) * count / most
            base -= tall
            if count:
                title = f"score {k * _BIN} to {(k + 1) * _BIN}: {count} {'flagged' if kind == 'bad' else 'not flagged'}"
                parts.append(f'<rect class="bar {kind}" x="{_LEFT + k * step + 1:.1f}" y="{base:.1f}" width="{step - 2:.1f}"'
                             f' height="{tall:.1f}"><title>{title}</title></rect>')  # fmt: skip
    for tick in range(0, 101, 20):
        at = _LEFT + (right - _LEFT) * tick / 100
        parts.append(f'<text class="tick" x="{at:.1f}" y="{floor + 18}" text-anchor="middle">{tick}</text>')
    parts.append(f'<text class="axis" x="{(_LEFT + right) / 2:.0f}" y="{height - 6}" text-anchor="middle">score</text>')
    return _svg(parts, width, height, f"Number of slices by score, in steps of {_BIN}.")


def gauge(score: float | None, policy: Policy, width: int = 420) -> Markup:
    """The scale from 0 to 100 in the policy's three zones, with a marker at the series' score."""
    margin = 16  # room for half of "100"
    edges = (0.0, policy.non_diagnostic, policy.diagnostic, 100.0)
    inner = width - 2 * margin
    parts = []
    for kind, low, high in zip(("bad", "fair", "good"), edges, edges[1:], strict=False):
        parts.append(f'<rect class="zone-{kind}" x="{margin + inner * low / 100:.1f}" y="16"'
                     f' width="{max(inner * (high - low) / 100 - 2, 0):.1f}" height="10" rx="3"/>')  # fmt: skip
    for edge in dict.fromkeys(edges):
        parts.append(f'<text class="tick" x="{margin + inner * edge / 100:.1f}" y="42" text-anchor="middle">{edge:g}</text>')
    if score is not None:
        at = margin + inner * min(max(score, 0.0), 100.0) / 100
        parts.append(f'<path class="marker" d="M{at:.1f} 15 l-7 -12 h14 z"/>')
    label = f"Score {format_score(score)} on the scale from 0, worst, to 100, best."
    return _svg(parts, width, 48, label)


def normal_range(score: float | None, normal: Normal, width: int = 420) -> Markup:
    """The good series of the protocol on the scale from 0 to 100: a bar from lowest to highest, the median and the limit in it.

    Lies below the gauge and has its scale. Only for a protocol that has a limit.
    """
    margin = 16

    def x(value: float | None) -> float:
        return margin + (width - 2 * margin) * min(max(value or 0.0, 0.0), 100.0) / 100

    low, median, high, limit = (x(value) for value in (normal.low, normal.median, normal.high, normal.limit))
    parts = [
        f'<line class="grid" x1="{x(0):.1f}" x2="{x(100):.1f}" y1="11" y2="11"/>',
        f'<rect class="normal" x="{low:.1f}" y="6" width="{max(high - low, 1):.1f}" height="10" rx="3"/>',
        f'<line class="median" x1="{median:.1f}" x2="{median:.1f}" y1="6" y2="16"/>',
        f'<line class="limit slice" x1="{limit:.1f}" x2="{limit:.1f}" y1="1" y2="21"/>',
        f'<text class="tick" x="{limit:.1f}" y="34" text-anchor="middle">limit {format_score(normal.limit)}</text>',
    ]
    if score is not None:
        parts.append(f'<path class="marker" d="M{x(score):.1f} 5 l-4 -5 h8 z"/>')
    label = (
        f"Score {format_score(score)}; good series of this protocol score {format_score(normal.low)} to "
        f"{format_score(normal.high)}, median {format_score(normal.median)}, limit {format_score(normal.limit)}."
    )
    return _svg(parts, width, 38, label)


def _threshold_lines(policy: Policy, y: Callable[[float], float], right: int, floor: int) -> Iterator[str]:
    label = 0.0
    for kind, value, text in thresholds(policy):
        label = min(max(y(value), label + 14), floor)  # thresholds may lie close; their names must not
        yield f'<line class="limit {kind}" x1="{_LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        yield f'<text class="tick" x="{right + 8}" y="{label + 4:.1f}">{Markup.escape(text)}</text>'


def _mark(index: int, score: float | None, flagged: bool, x: float, y: float, size: float) -> str:
    title = f"<title>slice {index + 1}: {format_score(score)}{', flagged' if flagged else ''}</title>"
    if flagged:
        size *= 1.3
        return f'<path class="dot bad" d="M{x:.1f} {y - size:.1f} l{size:.1f} {2 * size:.1f} h{-2 * size:.1f} z">{title}</path>'
    return f'<circle class="dot good" cx="{x:.1f}" cy="{y:.1f}" r="{size}">{title}</circle>'


def _scored_runs(slices: Sequence[SliceQuality]) -> Iterator[list[tuple[int, float]]]:
    """Neighbouring scored slices; the curve is broken where a slice was not scored."""
    for scored, run in groupby(enumerate(slices), key=lambda item: item[1].score is not None):
        if scored:
            yield [(i, s.score) for i, s in run if s.score is not None]


def _svg(parts: Sequence[str], width: int, height: int, label: str) -> Markup:
    body = "".join(parts)
    return Markup(f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{Markup.escape(label)}">{body}</svg>')
