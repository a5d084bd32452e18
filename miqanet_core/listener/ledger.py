"""Catalogue entries of received objects, committed in groups: one transaction, and one fsync of a folder, for all that wait.

An association waits for its entry before it answers Success; while one group is being committed the next one gathers.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue import Association, Catalogue, ReceivedObject, heartbeats, now
from miqanet_core.listener.spool import Spool, sync_folder

_LARGEST_GROUP = 200
log = logging.getLogger("miqanet.receiver")


@dataclass
class _Entry:
    table: type[Any]
    values: dict[str, Any]
    done: Future[bool] = field(default_factory=Future)


class Ledger:
    """Writes a receiver's entries in a thread of its own. ``name`` is the receiver's, for its heartbeat."""

    def __init__(self, catalogue: Catalogue, spool: Spool, name: str) -> None:
        self._catalogue = catalogue
        self._spool = spool
        self._name = name
        self._waiting: queue.Queue[_Entry | None] = queue.Queue()
        self._insert = sqlite.insert if catalogue.sqlite else postgresql.insert
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._last_beat = 0.0
        self._started_at = now()
        self.figures: dict[str, Any] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, and say that this receiver ends."""
        self._waiting.put(None)
        self._thread.join(timeout=60)

    def add_object(self, values: dict[str, Any]) -> bool:
        """Enter an object whose file is in the spool, and wait until that is durable.

        False when the same bytes are known already and their file is there: the new file is then not needed. Raises what the
        database or the file system raises; then nothing is entered, or it cannot be known.
        """
        entry = _Entry(ReceivedObject, values)
        self._waiting.put(entry)
        return entry.done.result()

    def note(self, table: type[Any], **values: Any) -> None:
        """Enter something that nobody waits for: an association, its end (``closed_at``), an incident."""
        self._waiting.put(_Entry(table, values))

    def _work(self) -> None:
        while True:
            try:
                first = self._waiting.get(timeout=heartbeats.BEAT_SECONDS / 2)
            except queue.Empty:
                self._commit([])
                continue
            group: list[_Entry] = []
            while first is not None:
                group.append(first)
                if len(group) == _LARGEST_GROUP or self._waiting.empty():
                    break
                first = self._waiting.get()
            self._commit(group)
            if first is None:
                self._say_goodbye()
                return

    def _commit(self, group: list[_Entry]) -> None:
        try:
            folders = {self._spool.path(e.values["file"]).parent for e in group if e.table is ReceivedObject}
            for folder in folders:
                sync_folder(folder)
            beat = time.monotonic() - self._last_beat >= heartbeats.BEAT_SECONDS
            if not group and not beat:
                return
            with self._catalogue.write() as session:
                entered = [self._enter(session, entry) for entry in group]
                if beat:
                    heartbeats.beat(session, self._name, "receiver", self._started_at, dict(self.figures))
            self._last_beat = time.monotonic() if beat else self._last_beat
        except Exception as error:  # whatever it was, those who wait must hear of it
            for entry in group:
                entry.done.set_exception(error)
            return
        for entry, new in zip(group, entered, strict=True):
            entry.done.set_result(new)

    def _enter(self, session: Session, entry: _Entry) -> bool:
        if entry.table is ReceivedObject:
            return self._enter_object(session, entry.values)
        if entry.table is Association and "closed_at" in entry.values:
            closed = {"closed_at": entry.values["closed_at"]}
            session.execute(update(Association).where(Association.id == entry.values["id"]).values(closed))
        else:
            session.add(entry.table(**entry.values))
            session.flush()
        return True

    def _enter_object(self, session: Session, values: dict[str, Any]) -> bool:
        same = ("sop_instance_uid", "sha256", "transfer_syntax_uid")
        insert = self._insert(ReceivedObject).values({"received_at": now(), **values})
        if session.scalar(insert.on_conflict_do_nothing(index_elements=same).returning(ReceivedObject.id)) is not None:
            return True
        known = session.scalars(
            select(ReceivedObject).where(*(getattr(ReceivedObject, name) == values[name] for name in same)).with_for_update()
        ).one()
        if known.removed_at is not None or known.file == values["file"] or self._spool.path(known.file).is_file():
            return known.file == values["file"]
        known.file = values["file"]  # the first file is gone, against all rules; here it is again
        return True

    def _say_goodbye(self) -> None:
        try:
            with self._catalogue.write() as session:
                heartbeats.stopped(session, self._name)
        except Exception as error:  # it ends all the same
            log.error("the catalogue cannot be written (%s)", type(error).__name__)
