"""The guard against growing slow: ratios of a run, which machines share, held against the kept ones. Higher is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

REFERENCE = Path(__file__).with_name("reference_ratios.json")
TOLERANCE = 0.2


class Row(NamedTuple):
    """One ratio: as kept, as measured now (None: one of them lacks it), and whether it fell by more than is tolerated."""

    name: str
    kept: float | None
    now: float | None
    fell: bool


def compare(kept: Mapping[str, float], now: Mapping[str, float], tolerance: float) -> list[Row]:
    """A row for each ratio of either side. A kept one that was not measured counts as fallen: nothing guards it then."""
    rows = []
    for name in dict.fromkeys((*kept, *now)):
        before, after = kept.get(name), now.get(name)
        fell = before is not None and (after is None or after < before * (1 - tolerance))
        rows.append(Row(name, before, after, fell))
    return rows


def table(rows: Sequence[Row]) -> str:
    """For people: what fell stands out."""
    lines = ["| ratio | kept | now | |", "| --- | ---: | ---: | --- |"]
    for row in rows:
        verdict = "FELL" if row.fell else "new" if row.kept is None else "ok"
        lines.append(f"| {row.name} | {_number(row.kept)} | {_number(row.now)} | {verdict} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
