"""Figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from miqanet_core.web.dashboard import TheDashboard
from miqanet_core.web.figures_for_prometheus import metrics_text

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(dashboard: TheDashboard) -> Response:
    return Response(metrics_text(dashboard.catalogue, dashboard.settings), media_type=CONTENT_TYPE_LATEST)
