"""Jobs and deliveries: leased to one process for a time, tried again with back-off, given up with the reason kept.

On PostgreSQL a lease skips what another process has locked (SKIP LOCKED), so workers never wait for one another; on SQLite the
write lock of the transaction does the same. A process that dies loses its lease when the time is over, and only the holder
of a lease's token can finish it: so nothing is done twice, and nothing is forgotten.
"""

from __future__ import annotations

import random
import uuid
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue.model import Incident, IncidentKind, Job, OutboxEntry, ReceivedObject, Result, now

Leased = TypeVar("Leased", Job, OutboxEntry)


class LeaseLost(Exception):
    """Another process has taken over what this one held for too long; what it found is thrown away."""


def request_job(session: Session, series_id: int, due_at: datetime) -> None:
    """See to it that the series has a job due at ``due_at`` or before; a dead one comes back to life."""
    job = session.scalar(select(Job).where(Job.series_id == series_id).with_for_update())
    if job is None:
        session.add(Job(series_id=series_id, due_at=due_at))
    elif job.dead_at is not None:
        job.dead_at, job.attempts, job.reason, job.due_at = None, 0, "", due_at
    else:
        job.due_at = min(job.due_at, due_at)


def lease_job(session: Session, worker: str, seconds: float) -> Job | None:
    """The job that has been due the longest, held by ``worker`` from now on; None when nothing is due."""
    return _lease(session, Job, Job.due_at, worker, seconds, ())


def lease_delivery(session: Session, worker: str, seconds: float) -> OutboxEntry | None:
    """The delivery that has been due the longest."""
    return _lease(session, OutboxEntry, OutboxEntry.next_try, worker, seconds, (OutboxEntry.delivered_at.is_(None),))


def _lease(session, kind: type[Leased], due, worker: str, seconds: float, conditions) -> Leased | None:
    moment = now()
    free = (kind.leased_until.is_(None)) | (kind.leased_until < moment)
    query = select(kind).where(kind.dead_at.is_(None), due <= moment, free, *conditions)
    found = session.scalar(query.order_by(due).limit(1).with_for_update(skip_locked=True))
    if found is None:
        return None
    found.leased_by, found.leased_until, found.token = worker, moment + timedelta(seconds=seconds), str(uuid.uuid4())
    found.attempts += 1
    return found


def renew(session: Session, leased: Leased, seconds: float) -> None:
    """Hold it for longer. LeaseLost when it is another's by now."""
    held(session, leased).leased_until = now() + timedelta(seconds=seconds)


def held(session: Session, leased: Leased) -> Leased:
    """The entry as it is now, locked until the end of the transaction. LeaseLost when it is another's by now."""
    kind = type(leased)
    current = session.scalar(
        select(kind).where(kind.id == leased.id, kind.token == leased.token).with_for_update(),
        execution_options={"populate_existing": True},
    )
    if current is None:
        raise LeaseLost(f"{kind.__tablename__} {leased.id}")
    return current


def give_back(session: Session, leased: Leased) -> None:
    """Let another process have it at once; the attempt does not count."""
    current = held(session, leased)
    current.leased_by = current.leased_until = current.token = None
    current.attempts = max(0, current.attempts - 1)


def finish_job(session: Session, job: Job, next_due: datetime | None) -> None:
    """The job is done; it is due again at ``next_due``, or gone when that is None."""
    current = held(session, job)
    if next_due is None:
        session.delete(current)
    else:
        current.leased_by = current.leased_until = current.token = None
        current.attempts, current.reason, current.due_at = 0, "", next_due


def fail(session: Session, leased: Leased, reason: str, attempts: int, first_wait: float, longest_wait: float) -> bool:
    """Try it again later, or give it up after ``attempts``; ``reason`` names no patient. True when it was given up.

    The wait doubles from ``first_wait`` to ``longest_wait`` seconds, and is spread by a fifth, so that what failed together is
    not tried together.
    """
    current = held(session, leased)
    current.leased_by = current.leased_until = current.token = None
    current.reason = reason
    if current.attempts >= attempts:
        current.dead_at = now()
        what = f"{current.destination} ({current.what})" if isinstance(current, OutboxEntry) else "scoring"
        series = session.get_one(Result, current.result_id).series_id if isinstance(current, OutboxEntry) else current.series_id
        detail = f"{what} was given up after {current.attempts} attempts: {reason}"
        session.add(Incident(kind=IncidentKind.DEAD_LETTER.value, detail=detail, series_id=series))
        return True
    wait = min(longest_wait, first_wait * 2 ** (current.attempts - 1)) * random.uniform(0.8, 1.2)
    due = now() + timedelta(seconds=wait)
    if isinstance(current, OutboxEntry):
        current.next_try = due
    else:
        current.due_at = due
    return False


def finish_delivery(session: Session, entry: OutboxEntry) -> None:
    """It has arrived, and the receiver has committed to keep it where that was asked for."""
    current = held(session, entry)
    current.delivered_at = now()
    current.leased_by = current.leased_until = current.token = None
    current.reason = ""


def request_delivery(session: Session, result_id: int, destination: str, kind: str, what: str = "result") -> None:
    """Put something into the outbox; nothing when it is there already."""
    same = (OutboxEntry.result_id == result_id, OutboxEntry.destination == destination, OutboxEntry.what == what)
    if session.scalar(select(OutboxEntry.id).where(*same)) is None:
        session.add(OutboxEntry(result_id=result_id, destination=destination, kind=kind, what=what))


def try_again(session: Session, dead: Job | OutboxEntry) -> None:
    """Bring a dead letter back, as a person asked."""
    dead.dead_at, dead.attempts = None, 0
    if isinstance(dead, OutboxEntry):
        dead.next_try = now()
    else:
        dead.due_at = now()


def lease_objects(session: Session, worker: str, seconds: float, at_most: int) -> list[ReceivedObject]:
    """Objects whose headers nobody has read, the oldest first."""
    moment = now()
    free = (ReceivedObject.leased_until.is_(None)) | (ReceivedObject.leased_until < moment)
    query = select(ReceivedObject).where(ReceivedObject.state == "received", free).order_by(ReceivedObject.id)
    found = list(session.scalars(query.limit(at_most).with_for_update(skip_locked=True)))
    for one in found:
        one.leased_by, one.leased_until = worker, moment + timedelta(seconds=seconds)
        one.attempts += 1
    return found


def release_leases_of(session: Session, worker: str) -> None:
    """What a stopping worker still holds, others may have at once."""
    for kind in (Job, OutboxEntry):
        session.execute(update(kind).where(kind.leased_by == worker).values(leased_by=None, leased_until=None, token=None))
    give_back_objects(session, worker)


def give_back_objects(session: Session, worker: str) -> None:
    """Objects that a worker did not sort, others may have at once."""
    mine = (ReceivedObject.leased_by == worker, ReceivedObject.state == "received")
    session.execute(update(ReceivedObject).where(*mine).values(leased_by=None, leased_until=None))
