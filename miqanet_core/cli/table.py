"""Scores in the terminal: verdict, reasons and a small bar per slice."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from miqanet_core.cli.terminal import harmless, stdout
from miqanet_core.policy import Policy, format_score
from miqanet_core.quality import SeriesQuality, SliceQuality, Verdict

_STYLE = {
    Verdict.DIAGNOSTIC: "bold green",
    Verdict.LIMITED: "bold yellow",
    Verdict.NON_DIAGNOSTIC: "bold red",
    Verdict.NOT_ASSESSED: "bold bright_black",
}
_BAR = 12  # cells
_CELL = 32  # width of number, bar, score and flag
_MANY = 96  # above this, a strip of all slices and the worst ones in words
_WORST = 12
_STEPS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"


def print_results(results: Sequence[SeriesQuality], policy: Policy) -> None:
    """Every series on stdout."""
    for number, quality in enumerate(results):
        print_result(quality, policy, first=number == 0)


def print_result(quality: SeriesQuality, policy: Policy, *, first: bool) -> None:
    """One series on stdout: drawn for a terminal, one plain line per slice for a file or a pipe."""
    console = stdout()
    if not first:
        console.print()
    if console.is_terminal and "utf" in (console.encoding or "").lower():
        console.print(_drawn(quality, policy, console))
    else:
        sys.stdout.write(plain(quality))


def plain(quality: SeriesQuality) -> str:
    """The series as lines that grep and awk can read: ``slice``, number, score, ``flagged``."""
    lines = [f"{_name(quality)}: {format_score(quality.score)}{_interval(quality)} {quality.verdict.value}"]
    lines += [f"  {harmless(reason)}" for reason in quality.reasons]
    for s in quality.slices:
        score = "not-scored" if s.score is None else format_score(s.score)
        lines.append(" ".join([f"slice {s.index + 1} {score}", *(["flagged"] if s.flagged else []), *_named(s)]))
    return "\n".join(lines).replace("\N{EN DASH}", "-") + "\n"


def _drawn(quality: SeriesQuality, policy: Policy, console: Console) -> RenderableType:
    title = Text.assemble(
        (_name(quality), "bold"), "  ", (format_score(quality.score), _STYLE[quality.verdict]),
        (_interval(quality), "bright_black"), "  ",
        (quality.verdict.value.replace("not-", "not "), _STYLE[quality.verdict]),
    )  # fmt: skip
    sentences = [*quality.reasons, *quality.artifact_sentences()]
    reasons = [Padding(Text(harmless(sentence), "bright_black"), (0, 0, 0, 2)) for sentence in sentences]
    if not any(s.score is not None for s in quality.slices):
        return Group(title, *reasons)
    if len(quality.slices) <= _MANY:
        return Group(title, *reasons, _grid(quality.slices, policy, console.width))
    scored = [s for s in quality.slices if s.score is not None]
    worst = sorted(scored, key=lambda s: (s.score, s.index))[:_WORST]
    heading = Text(f"  The {len(worst)} lowest (--csv F or --html F gives them all):", "bright_black")
    return Group(title, *reasons, Padding(_strip(quality.slices, policy), (0, 2)), heading, _grid(worst, policy, console.width))


def _grid(slices: Sequence[SliceQuality], policy: Policy, width: int) -> Table:
    """Slices down the columns, as many columns as fit."""
    columns = max(1, min((width - 2) // _CELL, -(-len(slices) // 6)))
    rows = -(-len(slices) // columns)
    grid = Table.grid(padding=(0, 1))
    for _ in range(columns):
        grid.add_column(width=_CELL - 1, no_wrap=True)
    for row in range(rows):
        grid.add_row(*(_line(slices[k], policy) for k in range(row, len(slices), rows)))
    return grid


def _line(s: SliceQuality, policy: Policy) -> Text:
    if s.score is None:
        return Text(f"{s.index + 1:>6}  not scored", "bright_black")
    eighths = round(min(max(s.score, 0), 100) / 100 * _BAR * 8)
    bar = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    colour = _colour(s, policy)
    flag = (" ▲" if s.flagged else "", colour)
    return Text.assemble(f"{s.index + 1:>6}  ", (bar.ljust(_BAR), f"{colour} on grey15"), f" {format_score(s.score):>5}", flag)


def _strip(slices: Sequence[SliceQuality], policy: Policy) -> Text:
    """One character per slice, first to last."""
    strip = Text()
    for s in slices:
        if s.score is None:
            strip.append("·", "bright_black")
        else:
            strip.append(_STEPS[min(int(max(s.score, 0) / 12.5), 7)], _colour(s, policy))
    return strip


def _colour(s: SliceQuality, policy: Policy) -> str:
    if s.flagged:
        return "red"
    return "yellow" if s.score is not None and s.score < policy.diagnostic else "green"


def _interval(quality: SeriesQuality) -> str:
    """`` (61.0-88.2)``; nothing where no interval is known."""
    if quality.interval is None:
        return ""
    return f" ({format_score(quality.interval.low)}–{format_score(quality.interval.high)})"


def _named(s: SliceQuality) -> list[str]:
    """``ghosting=0.42``, and ``blur=unclear``."""
    return [*(f"{name}={severity:.2f}" for name, severity in s.artifacts.items()), *(f"{name}=unclear" for name in s.unclear)]


def _name(quality: SeriesQuality) -> str:
    return harmless(str(quality.series.get("description") or "")) or "series"
