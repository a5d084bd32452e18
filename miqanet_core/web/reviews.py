"""A person's word on a result, from the page and from the API."""

from __future__ import annotations

from fastapi import HTTPException

from miqanet_core.listener.catalogue import AuditEntry, Result
from miqanet_core.listener.catalogue.people import Review, review
from miqanet_core.web.dashboard import Dashboard
from miqanet_core.web.series_page import archives_of

LONGEST_COMMENT = 2000


def say(dashboard: Dashboard, result_id: int, action: Review, name: str, comment: str, address: str) -> AuditEntry:
    """Note it. HTTPException 404 without such a result, 409 when a newer one has come, 422 without a name or a reason."""
    with dashboard.catalogue.write() as session:
        result = session.get(Result, result_id)
        if result is None:
            raise HTTPException(404, "There is no such result.")
        if result.version != result.series.version:
            raise HTTPException(409, "More images came and were scored: look at the newest version before you decide.")
        archives = archives_of(dashboard.settings, result.series)
        try:
            return review(session, result_id, action, name, comment.strip(), archives, address)
        except ValueError as error:
            raise HTTPException(422, f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
