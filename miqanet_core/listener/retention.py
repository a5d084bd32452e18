"""What the spool lets go of: series that are old, or the oldest of too many; never one with something undelivered."""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue import (
    Catalogue,
    Job,
    ObjectState,
    OutboxEntry,
    ReceivedObject,
    Result,
    Series,
    now,
)
from miqanet_core.listener.settings import Storage
from miqanet_core.listener.spool import Spool

_AT_ONCE = 20
log = logging.getLogger("miqanet.retention")


def let_go(catalogue: Catalogue, storage: Storage) -> int:
    """Remove some series that may go; how many there were. The entry of a file is marked before the file is removed."""
    spool = Spool(storage.spool)
    with catalogue.write() as session:
        chosen = _old(session, storage) or _too_much(session, storage)
        files, maps = [], []
        for series in chosen:
            for one in series.objects:
                if one.removed_at is None:
                    one.removed_at = now()
                    files.append(one.file)
            series.removed_at = now()
            for result in series.results:
                for stack in result.stacks:
                    maps.append(stack.map_file)
                    stack.map_file = ""
        lone = _old_without_series(session, storage)
        for one in lone:
            one.removed_at = now()
            files.append(one.file)
        ids = [series.id for series in chosen]
    for file in files:
        spool.remove(file)
    for name in filter(None, maps):
        (storage.results / name).unlink(missing_ok=True)
    for series_id in ids:
        shutil.rmtree(storage.results / "slices" / str(series_id), ignore_errors=True)
    if ids:
        log.info("the spool has let go of %d series", len(ids))
    return len(ids)


def _free(session: Session) -> list[Series]:
    """Series of which nothing is to be done any more, the oldest first; a dead letter may come back to life, so it counts."""
    undelivered = select(Result.series_id).join(OutboxEntry).where(OutboxEntry.delivered_at.is_(None))
    query = select(Series).where(
        Series.removed_at.is_(None), Series.id.not_in(undelivered), Series.id.not_in(select(Job.series_id))
    )
    return list(session.scalars(query.order_by(Series.last_object_at).limit(_AT_ONCE).with_for_update(skip_locked=True)))


def _old(session: Session, storage: Storage) -> list[Series]:
    oldest = now() - timedelta(days=storage.keep_days)
    return [series for series in _free(session) if series.last_object_at < oldest]


def _too_much(session: Session, storage: Storage) -> list[Series]:
    size = session.scalar(select(func.sum(ReceivedObject.size)).where(ReceivedObject.removed_at.is_(None))) or 0
    chosen = []
    for series in _free(session):
        if size <= storage.keep_gib * 2**30:
            break
        size -= sum(one.size for one in series.objects if one.removed_at is None)
        chosen.append(series)
    return chosen


def _old_without_series(session: Session, storage: Storage) -> list[ReceivedObject]:
    oldest = now() - timedelta(days=storage.keep_days)
    unreadable = (ReceivedObject.state == ObjectState.UNREADABLE.value, ReceivedObject.removed_at.is_(None))
    return list(session.scalars(select(ReceivedObject).where(*unreadable, ReceivedObject.received_at < oldest)))
