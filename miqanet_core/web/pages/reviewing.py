"""Confirm, dismiss, reject: what a person says of a result. A rejection is asked for twice."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from miqanet_core.listener.catalogue import Result
from miqanet_core.listener.catalogue.people import Review
from miqanet_core.web.access import Somebody, form_is_ours
from miqanet_core.web.dashboard import TheDashboard
from miqanet_core.web.pages.series import Number
from miqanet_core.web.render import page
from miqanet_core.web.reviews import LONGEST_COMMENT, say
from miqanet_core.web.series_page import archives_of, view

router = APIRouter(include_in_schema=False, dependencies=[Depends(form_is_ours)])


@router.post("/results/{result_id}/review")
def review(
    request: Request,
    dashboard: TheDashboard,
    person: Somebody,
    result_id: Number,
    action: Annotated[Review, Form()],
    comment: Annotated[str, Form(max_length=LONGEST_COMMENT)] = "",
    name: Annotated[str, Form(max_length=80)] = "",
    sure: Annotated[bool, Form()] = False,
) -> Response:
    # Where logging in is off, the person says who they are.
    name = person.name or name.strip()
    with dashboard.catalogue.read() as session:
        result = session.get(Result, result_id)
        series_id = result.series_id if result else 0
        found = view(session, series_id, result.version if result else None)
        if found is None:
            raise HTTPException(404, "There is no such result.")
        archives = archives_of(dashboard.settings, found.series)
        if action is Review.REJECT and not sure:
            problem = "" if comment.strip() else "Say why, too."
            return page(
                request, "reject.html", problem=problem, view=found, series=found.series, archives=archives, comment=comment,
                name=name,
            )  # fmt: skip
    origin = dashboard.proxies.origin_of(request)
    say(dashboard, result_id, action, name, comment, origin.address)
    return RedirectResponse(f"/series/{series_id}#review", 303)
