"""The page of one series, and its pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from sqlalchemy import select

from miqanet_core.listener.catalogue import Result, StackResult
from miqanet_core.web.advice import cause_and_advice
from miqanet_core.web.dashboard import Dashboard, TheDashboard
from miqanet_core.web.render import page
from miqanet_core.web.series_page import SeriesView, archives_of, view, worst_slices

router = APIRouter(include_in_schema=False)
Number = Annotated[int, Path(ge=1, lt=1 << 31)]
Index = Annotated[int, Path(ge=0, lt=1 << 31)]


@router.get("/series/{series_id}")
def series(
    request: Request,
    dashboard: TheDashboard,
    series_id: Number,
    version: Annotated[int | None, Query(ge=1, lt=1 << 31)] = None,
    stack: Annotated[int | None, Query(ge=0, lt=1 << 31)] = None,
) -> Response:
    with dashboard.catalogue.read() as session:
        found = view(session, series_id, version, stack)
        if found is None:
            raise HTTPException(404, "There is no such series, or no such version of its result.")
        return page(request, "series.html", **page_values(dashboard, found))


def page_values(dashboard: Dashboard, found: SeriesView) -> dict[str, Any]:
    """What the template needs."""
    quality = found.quality
    has_map = found.stack is not None and dashboard.pictures.has(found.stack)
    worst = worst_slices(quality) if quality else []
    policy = dashboard.policy.fitted_to(quality.normal) if quality else dashboard.policy
    cause, advice = cause_and_advice(quality) if quality else ("", "")
    scored = [s for s in quality.slices if s.score is not None] if quality else []
    return {
        "view": found,
        "series": found.series,
        "quality": quality,
        "has_map": has_map,
        "worst": worst,
        "scored": scored,
        "cause": cause,
        "advice": advice,
        "policy": policy,
        "archives": archives_of(dashboard.settings, found.series),
        "chart": {
            "slices": [
                {"score": s.score, "flagged": s.flagged, "artifacts": s.artifacts, "unclear": s.unclear} for s in quality.slices
            ]
            if quality
            else [],
            "slice_flag": policy.slice_flag,
            "diagnostic": policy.diagnostic,
            "pictures": f"/pictures/{found.stack.id}/" if has_map and found.stack else "",
            "first": worst[0].index if worst else len(quality.slices) // 2 if quality else 0,
        },
    }


@router.get("/pictures/{stack_id}/slice/{index}.png")
def slice_picture(dashboard: TheDashboard, stack_id: Number, index: Index) -> Response:
    return _picture(dashboard, stack_id, lambda stack: dashboard.pictures.slice_png(stack, index))


@router.get("/pictures/{stack_id}/map/{index}.png")
def map_picture(dashboard: TheDashboard, stack_id: Number, index: Index) -> Response:
    return _picture(dashboard, stack_id, lambda stack: dashboard.pictures.map_png(stack, index))


def _picture(dashboard: Dashboard, stack_id: int, draw: Callable[[StackResult], bytes | None]) -> Response:
    with dashboard.catalogue.read() as session:
        stack = session.scalar(select(StackResult).join(Result).where(StackResult.id == stack_id))
    png = draw(stack) if stack is not None else None
    if png is None:
        raise HTTPException(404, "There is no such picture; it is removed with its series.")
    return Response(png, media_type="image/png")
