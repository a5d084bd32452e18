"""Trends per scanner and protocol."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from miqanet_core.web import control_chart
from miqanet_core.web.dashboard import TheDashboard
from miqanet_core.web.render import page
from miqanet_core.web.trends import DAYS, Trend, trends

router = APIRouter(include_in_schema=False)
_DRAWN = 24


@router.get("/trends")
def trends_page(
    request: Request,
    dashboard: TheDashboard,
    scanner: Annotated[str, Query(max_length=160)] = "",
    days: Annotated[int, Query(ge=1, le=3660)] = DAYS,
) -> Response:
    with dashboard.catalogue.read() as session:
        found = trends(session, days=days)
    scanners = sorted({trend.scanner for trend in found})
    shown = [trend for trend in found if scanner in ("", trend.scanner)]
    return page(
        request, "trends.html", trends=[(trend, _chart(trend)) for trend in shown[:_DRAWN]], more=max(0, len(shown) - _DRAWN),
        scanners=scanners, scanner=scanner, days=days, enough=control_chart.ENOUGH, run=control_chart.RUN,
    )  # fmt: skip


def _chart(trend: Trend) -> dict[str, object]:
    in_runs = {i for first, last in trend.chart.runs for i in range(first, last + 1)}
    outside = set(trend.chart.outside)
    return {
        "points": [
            {
                "series": p.series_id,
                "at": p.at.timestamp(),
                "score": p.score,
                "flagged": p.flagged,
                "outside": i in outside,
                "run": i in in_runs,
            }
            for i, p in enumerate(trend.points)
        ],
        "centre": trend.chart.centre,
        "low": trend.chart.low,
        "high": trend.chart.high,
        "reference": trend.chart.reference,
    }
