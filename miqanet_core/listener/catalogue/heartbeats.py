"""Which processes are at work: each says so every few seconds, and says when it ends in order."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue.model import Heartbeat, now

BEAT_SECONDS = 10.0


def beat(session: Session, name: str, kind: str, started_at: datetime, figures: dict[str, Any]) -> None:
    """The process lives. A name may have been another's before: a listener that is started again counts its receivers anew."""
    session.merge(Heartbeat(name=name, kind=kind, started_at=started_at, seen_at=now(), figures=figures))


def stopped(session: Session, name: str) -> None:
    """The process ends in order: nobody need wonder why it is silent."""
    found = session.get(Heartbeat, name)
    if found is not None:
        found.seen_at, found.figures = now(), {Heartbeat.STOPPED: "in order"}
