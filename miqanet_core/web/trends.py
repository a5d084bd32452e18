"""How the scores of one protocol on one scanner went over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue import Result, Series, now
from miqanet_core.listener.catalogue.order import newest_result
from miqanet_core.web.control_chart import ControlChart, control_chart

DAYS = 180


@dataclass(frozen=True)
class Point:
    """One series: when it came, its score 0..100, whether it was flagged."""

    series_id: int
    at: datetime
    score: float
    flagged: bool
    weights_sha256: str


@dataclass(frozen=True)
class Trend:
    """The points of one scanner and protocol, the oldest first; ``protocol`` "" stands for series of no known protocol.

    All are of the weights that scored last: another model's scores are no sign of a drifting scanner. ``other_model`` counts
    the series that were scored by others and are left out, ``not_assessed`` those without a score.
    """

    scanner: str
    protocol: str
    points: tuple[Point, ...]
    not_assessed: int
    other_model: int
    chart: ControlChart

    @property
    def signal(self) -> bool:
        """Whether one of the last eight points, or a run that reaches the last, should be looked at."""
        last = len(self.points) - 1
        return any(i > last - 8 for i in self.chart.outside) or any(end == last for _, end in self.chart.runs)


def trends(session: Session, scanner: str = "", protocol: str | None = None, days: int = DAYS) -> list[Trend]:
    """Every scanner and protocol of the last ``days``; those with a signal first, then those with the most series.

    ``scanner`` and ``protocol`` narrow it down.
    """
    columns = (
        Series.id, Series.scanner, Series.protocol, Series.first_object_at, Result.score, Result.flagged, Result.weights_sha256,
    )  # fmt: skip
    query = select(*columns).join(Result, newest_result()).where(Series.first_object_at > now() - timedelta(days=days))
    if scanner:
        query = query.where(Series.scanner == scanner)
    if protocol is not None:
        query = query.where(Series.protocol == protocol)
    groups: dict[tuple[str, str], list[Point]] = {}
    unscored: Counter[tuple[str, str]] = Counter()
    for series, machine, name, at, score, flagged, weights in session.execute(
        query.order_by(Series.first_object_at, Series.id)
    ):
        points = groups.setdefault((machine, name), [])
        if score is None:
            unscored[machine, name] += 1
        else:
            points.append(Point(series, at, score, flagged, weights))
    made = [_trend(key, points, unscored[key]) for key, points in groups.items()]
    return sorted(made, key=lambda t: (not t.signal, -len(t.points), t.scanner, t.protocol))


def _trend(key: tuple[str, str], points: Sequence[Point], not_assessed: int) -> Trend:
    of_last = [point for point in points if point.weights_sha256 == points[-1].weights_sha256]
    chart = control_chart([point.score for point in of_last])
    if not key[1] and chart.low is not None:
        # Knees and brains together have no normal score.
        chart = control_chart([])
    return Trend(*key, tuple(of_last), not_assessed, len(points) - len(of_last), chart)
