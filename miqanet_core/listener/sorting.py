"""From received objects to series: headers are read, in the sandbox, and each object finds its series."""

from __future__ import annotations

import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from miqanet_core.errors import InputError
from miqanet_core.listener.catalogue import (
    Catalogue,
    Incident,
    IncidentKind,
    ObjectState,
    ReceivedObject,
    Series,
    SeriesState,
    now,
    queue,
)
from miqanet_core.listener.reading import ObjectFacts, facts_of_file
from miqanet_core.listener.sandbox import ReadingFailed, Sandbox
from miqanet_core.listener.spool import Spool

_AT_ONCE = 32
_ATTEMPTS = 2  # a reading process may have died of the file before
log = logging.getLogger("miqanet.worker")


def sort_some(catalogue: Catalogue, spool: Spool, sandbox: Sandbox, worker: str, lease_seconds: float) -> bool:
    """Sort the oldest objects that wait; False when none did."""
    with catalogue.read() as session:
        if session.scalar(select(ReceivedObject.id).where(ReceivedObject.state == ObjectState.RECEIVED.value).limit(1)) is None:
            return False
    with catalogue.write() as session:
        waiting = queue.lease_objects(session, worker, lease_seconds, _AT_ONCE)
    read = [(one, _read(spool, sandbox, one)) for one in waiting]
    try:
        with catalogue.write_alone() as session:
            for one, found in read:
                _enter(session, one.id, worker, found)
    except Exception:
        # Nothing of it was entered. Others may try at once: the verdict must not wait until the lease is over.
        with catalogue.write() as session:
            queue.give_back_objects(session, worker)
        raise
    return bool(waiting)


def _read(spool: Spool, sandbox: Sandbox, one: ReceivedObject) -> ObjectFacts | str | None:
    """The facts, or why there are none; None: try again later."""
    try:
        return sandbox.call(facts_of_file, spool.path(one.file))
    except InputError as error:
        return error.problem
    except ReadingFailed as error:
        return str(error) if one.attempts >= _ATTEMPTS else None


def _enter(session: Session, object_id: int, worker: str, found: ObjectFacts | str | None) -> None:
    one = session.scalar(select(ReceivedObject).where(ReceivedObject.id == object_id).with_for_update())
    if one is None or one.state != ObjectState.RECEIVED.value or one.leased_by != worker:
        return  # it took too long, and another worker has done it
    one.leased_by = one.leased_until = None
    if found is None:
        return
    if isinstance(found, str):
        one.state, one.reason = ObjectState.UNREADABLE.value, found
        detail = f"an object from {one.calling_ae} cannot be read: {found}"
        session.add(Incident(kind=IncidentKind.UNREADABLE_OBJECT.value, detail=detail, object_id=one.id))
        log.warning("object %d cannot be read", one.id)
        return
    series = _series_of(session, one, found)
    one.series_id = series.id
    one.state, one.reason = ObjectState.SORTED.value, ""
    if found.left_out:
        one.state, one.reason = ObjectState.LEFT_OUT.value, found.left_out
    elif _is_second(session, one):
        one.state, one.reason = ObjectState.LEFT_OUT.value, "another object with its SOP Instance UID came before it"
        detail = "a different object came under a known SOP Instance UID; both are kept, the first one is scored"
        session.add(Incident(kind=IncidentKind.DIFFERENT_OBJECT.value, detail=detail, object_id=one.id, series_id=series.id))
    elif series.removed_at is not None:
        one.state, one.reason = ObjectState.LEFT_OUT.value, "the spool had let go of its series"
        detail = (
            "an object came after the spool had let go of its series; send the whole series again under new UIDs to score it"
        )
        session.add(Incident(kind=IncidentKind.LATE_OBJECT.value, detail=detail, object_id=one.id, series_id=series.id))
    if one.state == ObjectState.SORTED.value:
        series.state, series.reason = SeriesState.RECEIVING.value, ""
    session.flush()
    queue.request_job(session, series.id, now())


def _series_of(session: Session, one: ReceivedObject, facts: ObjectFacts) -> Series:
    series = session.scalar(select(Series).where(Series.series_uid == facts.series_uid).with_for_update())
    if series is None:
        values = {name: getattr(facts, name) for name in facts.__dataclass_fields__ if name not in ("left_out", "expected")}
        series = Series(
            **values,
            calling_ae=one.calling_ae,
            first_object_at=one.received_at,
            last_object_at=one.received_at,
            expected=facts.expected,
        )
        session.add(series)
        session.flush()
    series.last_object_at = max(series.last_object_at, one.received_at)
    series.expected = series.expected or facts.expected
    return series


def _is_second(session: Session, one: ReceivedObject) -> bool:
    same = (ReceivedObject.sop_instance_uid == one.sop_instance_uid, ReceivedObject.id != one.id)
    return session.scalar(select(ReceivedObject.id).where(*same, ReceivedObject.state == ObjectState.SORTED.value)) is not None
