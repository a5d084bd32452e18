"""The worklist."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from miqanet_core.listener.catalogue.order import Sort
from miqanet_core.quality import Verdict
from miqanet_core.web.access import form_is_ours
from miqanet_core.web.dashboard import TheDashboard
from miqanet_core.web.render import live_part, page
from miqanet_core.web.worklist import Show, Wanted, find

router = APIRouter(include_in_schema=False)


def wanted(
    sort: Sort = Sort.NEWEST,
    show: Show = Show.ALL,
    # An empty field of the form stands for "any".
    verdict: Annotated[Verdict | Literal[""], Query()] = "",
    text: Annotated[str, Query(max_length=200)] = "",
    protocol: Annotated[str, Query(max_length=400)] = "",
    scanner: Annotated[str, Query(max_length=160)] = "",
    day: Annotated[date | Literal[""], Query()] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Wanted:
    """The filter that an address's query asks for."""
    return Wanted(
        sort,
        show,
        verdict or None,
        text.strip(),
        protocol,
        scanner,
        day or None,
        page,
    )


@router.get("/")
def worklist(request: Request, dashboard: TheDashboard, view: Annotated[Wanted, Depends(wanted)]) -> Response:
    with dashboard.catalogue.read() as session:
        found = find(session, view)
        return page(request, "worklist.html", found=found, wanted=view)


@router.get("/worklist-part")
def worklist_part(request: Request, dashboard: TheDashboard, view: Annotated[Wanted, Depends(wanted)]) -> Response:
    with dashboard.catalogue.read() as session:
        return live_part(request, "worklist_part.html", found=find(session, view), wanted=view)


@router.post("/find", dependencies=[Depends(form_is_ours)])
def find_patient(request: Request, dashboard: TheDashboard, patient: Annotated[str, Form(max_length=200)] = "") -> Response:
    """By what names a patient: in the request's body, for addresses end up in logs and histories."""
    view = Wanted(patient=patient.strip())
    with dashboard.catalogue.read() as session:
        return page(request, "worklist.html", found=find(session, view), wanted=view)
