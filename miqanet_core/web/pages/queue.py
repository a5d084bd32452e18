"""Queue and health, and what a person can do there: try again, mark an incident as seen."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from miqanet_core.listener.catalogue import Incident, Job, OutboxEntry, queue
from miqanet_core.listener.catalogue.people import note
from miqanet_core.web.access import Somebody, form_is_ours
from miqanet_core.web.dashboard import TheDashboard
from miqanet_core.web.health import health
from miqanet_core.web.pages.series import Number
from miqanet_core.web.render import live_part, page

router = APIRouter(include_in_schema=False)


@router.get("/queue")
def queue_page(request: Request, dashboard: TheDashboard) -> Response:
    with dashboard.catalogue.read() as session:
        return page(request, "queue.html", health=health(session, dashboard.settings), settings=dashboard.settings)


@router.get("/queue-part")
def queue_part(request: Request, dashboard: TheDashboard) -> Response:
    with dashboard.catalogue.read() as session:
        state = health(session, dashboard.settings)
        return live_part(request, "queue_part.html", health=state, settings=dashboard.settings)


@router.post("/queue/{kind}/{number}/retry", dependencies=[Depends(form_is_ours)])
def retry(
    request: Request, dashboard: TheDashboard, person: Somebody, kind: Literal["job", "delivery"], number: Number
) -> Response:
    with dashboard.catalogue.write() as session:
        dead: Job | OutboxEntry | None
        if kind == "job":
            dead = session.get(Job, number, with_for_update=True)
        else:
            dead = session.get(OutboxEntry, number, with_for_update=True)
        if dead is None or dead.dead_at is None:
            raise HTTPException(409, "Somebody has done so already, or it is done.")
        what = "scoring" if isinstance(dead, Job) else f"{dead.what} to {dead.destination}"
        queue.try_again(session, dead)
        entry = note(session, person.name, "retry", what, address=dashboard.proxies.origin_of(request).address)
        entry.series_id = dead.series_id if isinstance(dead, Job) else dead.result.series_id
    return RedirectResponse("/queue", 303)


@router.post("/incidents/{number}/seen", dependencies=[Depends(form_is_ours)])
def seen(
    request: Request,
    dashboard: TheDashboard,
    person: Somebody,
    number: Number,
    name: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    who = person.name or name.strip() or "somebody"
    with dashboard.catalogue.write() as session:
        incident = session.get(Incident, number, with_for_update=True)
        if incident is None:
            raise HTTPException(404, "There is no such incident.")
        incident.seen_by = who
        note(session, who, "seen", f"incident {number}", address=dashboard.proxies.origin_of(request).address)
    return RedirectResponse("/queue#incidents", 303)
