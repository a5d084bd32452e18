"""What people do to results: each action is an entry in the audit log, with a name and a comment."""

from __future__ import annotations

from enum import Enum

from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue.model import AuditEntry, Result
from miqanet_core.listener.catalogue.queue import request_delivery


class Review(str, Enum):
    """What a person says of a result."""

    CONFIRM = "confirm"
    DISMISS = "dismiss"
    REJECT = "reject"  # "Rejected for Quality Reasons" (113001) is written back: archives hide the images


def review(
    session: Session,
    result_id: int,
    action: Review,
    person: str,
    comment: str,
    dicom_destinations: list[str],
    address: str = "",
) -> AuditEntry:
    """Note what ``person`` says of a result; the newest word counts. A rejection is put into the outbox for each destination.

    ``address`` is where the person sits. ValueError without a name, or for a rejection without a comment.
    """
    if not person.strip():
        raise ValueError("a review needs the name of a person")
    if action is Review.REJECT and not comment.strip():
        raise ValueError("a rejection needs a comment that says why")
    result = session.get_one(Result, result_id)
    result.review, result.person = action.value, person
    entry = note(session, person, action.value, comment, result, address)
    if action is Review.REJECT:
        for destination in dicom_destinations:
            request_delivery(session, result_id, destination, "dicom", "rejection")
    return entry


def note(
    session: Session, person: str, action: str, comment: str = "", result: Result | None = None, address: str = ""
) -> AuditEntry:
    """Add an entry to the audit log."""
    entry = AuditEntry(person=person, action=action, comment=comment, address=address)
    if result is not None:
        entry.series_id, entry.result_id = result.series_id, result.id
    session.add(entry)
    session.flush()
    return entry
