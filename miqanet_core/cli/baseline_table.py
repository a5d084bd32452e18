"""What was learnt of each protocol, in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.table import Table

from miqanet_core.baseline import ENOUGH
from miqanet_core.cli.terminal import harmless, stdout
from miqanet_core.policy import Policy, format_score
from miqanet_core.quality import Normal


def print_baseline(normals: Sequence[Normal], outliers: Mapping[str, int], policy: Policy) -> None:
    """A table for a terminal, a line per protocol with tabs between for a file or a pipe; most series first.

    ``outliers``: how many series of each protocol were left out. ``policy``: whose threshold tells which protocols score low.
    """
    columns = ("series", "median", "range", "limit", "status", "protocol")
    ordered = sorted(normals, key=lambda normal: (-normal.series, normal.protocol))
    rows = [_row(normal, outliers.get(normal.protocol, 0), policy) for normal in ordered]
    console = stdout()
    if not console.is_terminal:
        sys.stdout.writelines("\t".join(row) + "\n" for row in (columns, *rows))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in ("series", "median", "limit") else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _row(normal: Normal, outliers: int, policy: Policy) -> tuple[str, ...]:
    low, high = format_score(normal.low), format_score(normal.high)
    limit = "-" if normal.limit is None else format_score(normal.limit)
    return (
        str(normal.series),
        format_score(normal.median),
        f"{low} to {high}",
        limit,
        _status(normal, outliers, policy),
        harmless(normal.protocol),
    )


def _status(normal: Normal, outliers: int, policy: Policy) -> str:
    parts = ["ok" if normal.limit is not None else f"too few ({normal.series} of {ENOUGH})"]
    if outliers:
        parts.append(f"{outliers} outlier{'s' if outliers > 1 else ''} left out")
    if normal.limit is not None and normal.limit < policy.diagnostic:
        parts.append(f"good ones score below {policy.diagnostic:g}: see baseline_replaces in policy.toml")
    return "; ".join(parts)
