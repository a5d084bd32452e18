"""A backlog of series that waits until all workers are there, and is then let go at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydicom.dataset import Dataset
from sqlalchemy import select, update

from listening import Listener, encoded, send_bytes, wait_for
from miqanet_core.listener.catalogue import ReceivedObject, Result, now


def fill(listener: Listener, images: Iterable[Dataset]) -> None:
    """Send them to a listener without workers; nobody may take them up before :func:`drain`."""
    association = listener.associate()
    for one in images:
        assert send_bytes(association, encoded(one), one.SOPInstanceUID) == 0
    association.release()
    with listener.catalogue().write() as session:
        session.execute(update(ReceivedObject).values(leased_by="nobody", leased_until=now() + timedelta(days=1)))


def drain(listener: Listener, series: int, workers: int, patience: float) -> float:
    """Seconds from the moment when so many warm ``miqanet worker`` processes may begin to the last of ``series`` results."""
    catalogue = listener.catalogue()

    def found() -> list[datetime]:
        with catalogue.read() as session:
            return list(session.scalars(select(Result.created_at).order_by(Result.created_at)))

    with listener.workers(workers):
        begun = now()
        with catalogue.write() as session:
            session.execute(update(ReceivedObject).values(leased_by=None, leased_until=None))
        wait_for(lambda: len(found()) == series, patience, what=f"{series} results")
    seconds = (found()[-1] - begun).total_seconds()
    catalogue.close()
    return seconds
