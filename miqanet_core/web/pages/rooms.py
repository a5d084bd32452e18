"""The page for a screen in the scanner room."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from miqanet_core.web.dashboard import TheDashboard
from miqanet_core.web.render import live_part, page
from miqanet_core.web.scanner_room import rooms

router = APIRouter(include_in_schema=False)


@router.get("/scanner-room")
def scanner_room(request: Request, dashboard: TheDashboard, scanner: str = "") -> Response:
    with dashboard.catalogue.read() as session:
        every = rooms(session)
    shown = [room for room in every if scanner in ("", room.scanner)]
    return page(request, "scanner_room.html", rooms=shown, scanner=scanner, every=every)


@router.get("/scanner-room-part")
def scanner_room_part(request: Request, dashboard: TheDashboard, scanner: str = "") -> Response:
    with dashboard.catalogue.read() as session:
        shown = [room for room in rooms(session) if scanner in ("", room.scanner)]
    return live_part(request, "scanner_room_part.html", rooms=shown, scanner=scanner)
