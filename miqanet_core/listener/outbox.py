"""What goes out: results to destinations, notifications to people; entered with the result, delivered with patience."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from miqanet_core.listener import notify
from miqanet_core.listener.catalogue import Catalogue, OutboxEntry, Result, Series, now, queue
from miqanet_core.listener.settings import Settings

_IDLE_SECONDS = 0.5
_LEASE_SECONDS = 300.0
_FIRST_WAIT, _LONGEST_WAIT = 10.0, 3600.0
log = logging.getLogger("miqanet.outbox")


class NotDelivered(Exception):
    """It has not arrived; the reason is for people and names no patient. It is tried again."""


def request(session: Session, settings: Settings, result: Result) -> None:
    """Put a new result into the outbox, once for everybody who is to have it."""
    calling = session.get_one(Series, result.series_id).calling_ae
    for destination in settings.destinations:
        if not destination.from_calling_ae_titles or calling in destination.from_calling_ae_titles:
            queue.request_delivery(session, result.id, destination.name, "dicom")
    notifications = settings.notifications
    for webhook in notifications.webhooks:
        if result.flagged or webhook.on == "all":
            queue.request_delivery(session, result.id, webhook.name, "webhook")
    if notifications.email is not None and (result.flagged or notifications.email.on == "all"):
        queue.request_delivery(session, result.id, notifications.email.name, "email")


class Deliverer(threading.Thread):
    """Delivers in a thread of its own: a destination that is slow keeps no series waiting.

    ``write_back(entry)`` sends DICOM objects and raises :class:`NotDelivered`.
    """

    def __init__(
        self, settings: Settings, catalogue: Catalogue, worker: str, write_back: Callable[[OutboxEntry], None]
    ) -> None:
        super().__init__(name="deliverer", daemon=True)
        self._settings = settings
        self._catalogue = catalogue
        self._worker = worker
        self._write_back = write_back
        self._ending = threading.Event()

    def stop(self) -> None:
        self._ending.set()

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                busy = self.deliver_one()
            except Exception as error:  # the database may be away for a while
                log.error("the outbox cannot be read (%s)", type(error).__name__)
                busy = False
            if not busy:
                self._ending.wait(_IDLE_SECONDS)

    def deliver_one(self) -> bool:
        """Deliver what has waited the longest; False when nothing is due."""
        due = (OutboxEntry.next_try <= now(), OutboxEntry.delivered_at.is_(None), OutboxEntry.dead_at.is_(None))
        with self._catalogue.read() as session:
            if session.scalar(select(OutboxEntry.id).where(*due).limit(1)) is None:
                return False
        with self._catalogue.write() as session:
            entry = queue.lease_delivery(session, self._worker, _LEASE_SECONDS)
        if entry is None:
            return False
        with self._catalogue.read() as session:
            entry = session.scalars(
                select(OutboxEntry)
                .where(OutboxEntry.id == entry.id)
                .options(
                    selectinload(OutboxEntry.result).selectinload(Result.stacks),
                    selectinload(OutboxEntry.result).selectinload(Result.series),
                )
            ).one()
        try:
            self._deliver(entry)
        except Exception as error:  # a peer can be wrong in any way; the entry is tried again
            reason = str(error) if isinstance(error, (NotDelivered, notify.NotSent)) else f"{type(error).__name__}"
            self._failed(entry, reason)
            return True
        with self._catalogue.write() as session:
            queue.finish_delivery(session, entry)
        log.info("result %d was delivered to %s (%s)", entry.result_id, entry.destination, entry.what)
        return True

    def _deliver(self, entry: OutboxEntry) -> None:
        notifications = self._settings.notifications
        if entry.kind == "dicom":
            self._write_back(entry)
            return
        if entry.kind == "email" and notifications.email is not None and notifications.email.name == entry.destination:
            notify.send_email(notifications.email, notifications.dashboard_url, entry.result)
            return
        for webhook in notifications.webhooks:
            if entry.kind == "webhook" and webhook.name == entry.destination:
                notify.post(webhook, notifications.dashboard_url, entry.result)
                return
        raise NotDelivered(f"the settings name no {entry.kind} destination {entry.destination!r} any more")

    def _failed(self, entry: OutboxEntry, reason: str) -> None:
        attempts = self._settings.notifications.attempts
        for destination in self._settings.destinations:
            if entry.kind == "dicom" and destination.name == entry.destination:
                attempts = destination.attempts
        with self._catalogue.write() as session:
            dead = queue.fail(session, entry, reason, attempts, _FIRST_WAIT, _LONGEST_WAIT)
        log.warning("result %d was not delivered to %s%s", entry.result_id, entry.destination, ", given up" if dead else "")
