"""The addresses of the JSON API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.openapi.utils import get_openapi

from miqanet_core.listener.catalogue.people import Review
from miqanet_core.version import version
from miqanet_core.web.access import Somebody, script_is_ours
from miqanet_core.web.api.documents import (
    AuditDocument,
    FullSeries,
    HealthDocument,
    ReviewRequest,
    RoomDocument,
    SeriesDocument,
    TrendDocument,
    Worklist,
)
from miqanet_core.web.dashboard import TheDashboard
from miqanet_core.web.health import health
from miqanet_core.web.pages.series import Number
from miqanet_core.web.pages.worklist import wanted
from miqanet_core.web.render import page
from miqanet_core.web.reviews import say
from miqanet_core.web.scanner_room import rooms
from miqanet_core.web.series_page import view
from miqanet_core.web.trends import DAYS, trends
from miqanet_core.web.worklist import Wanted, find

router = APIRouter()
Identity = Annotated[bool, Query(description="Also who the patient is.")]


@router.get("/api/series")
def worklist(dashboard: TheDashboard, filtered: Annotated[Wanted, Depends(wanted)], identity: Identity = False) -> Worklist:
    """The worklist: `sort` newest or worst, `show` all, flagged or open (nobody has reviewed it); fifty a page."""
    with dashboard.catalogue.read() as session:
        found = find(session, filtered)
        series = [SeriesDocument.of(row, identity) for row in found.rows]
    return Worklist(total=found.total, page=filtered.page, pages=found.pages, series=series)


@router.get("/api/series/{series_id}")
def one_series(dashboard: TheDashboard, series_id: Number, identity: Identity = False) -> FullSeries:
    """One series: every version, the stacks with all slices, what people said, what was delivered."""
    with dashboard.catalogue.read() as session:
        found = view(session, series_id)
        if found is None:
            raise HTTPException(404, "there is no such series")
        return FullSeries.of_view(found, identity)


@router.post("/api/results/{result_id}/review", status_code=201, dependencies=[Depends(script_is_ours)])
def review(
    request: Request, dashboard: TheDashboard, person: Somebody, result_id: Number, said: ReviewRequest
) -> AuditDocument:
    """Confirm, dismiss or reject a result. With a cookie, the header X-CSRF-Token must carry the token of the CSRF cookie."""
    if said.action is Review.REJECT and not said.sure:
        raise HTTPException(422, "a rejection makes archives hide the images: send sure = true with it")
    address = dashboard.proxies.origin_of(request).address
    name = person.name or said.name.strip()
    return AuditDocument.of(say(dashboard, result_id, said.action, name, said.comment, address))


@router.get("/api/trends")
def all_trends(
    dashboard: TheDashboard,
    scanner: Annotated[str, Query(max_length=160)] = "",
    protocol: Annotated[str | None, Query(max_length=400)] = None,
    days: Annotated[int, Query(ge=1, le=3660)] = DAYS,
) -> list[TrendDocument]:
    """Scores over time for each scanner and protocol, with control limits; those with a signal first."""
    with dashboard.catalogue.read() as session:
        return [TrendDocument.of(trend) for trend in trends(session, scanner, protocol, days)]


@router.get("/api/scanners")
def scanners(dashboard: TheDashboard) -> list[RoomDocument]:
    """The last series of each scanner of the last day."""
    with dashboard.catalogue.read() as session:
        return [RoomDocument.of(room) for room in rooms(session)]


@router.get("/api/health")
def state(dashboard: TheDashboard) -> HealthDocument:
    """Queue, deliveries, processes, disk."""
    with dashboard.catalogue.read() as session:
        return HealthDocument.of(health(session, dashboard.settings))


@router.get("/api/openapi.json", include_in_schema=False)
def openapi(request: Request) -> dict[str, Any]:
    return _schema(request)


@router.get("/api", include_in_schema=False)
def documentation(request: Request) -> Response:
    return page(request, "api.html", schema=_schema(request))


def _schema(request: Request) -> dict[str, Any]:
    if request.app.openapi_schema is None:
        app = request.app
        request.app.openapi_schema = get_openapi(
            title="MIQA", version=version(), description=app.description, routes=app.routes
        )
    return dict(request.app.openapi_schema)
