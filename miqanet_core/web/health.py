"""Queue and health: what waits, what was given up, what is odd, what is running, how full the disk is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from miqanet_core.listener.catalogue import Heartbeat, Incident, Job, ObjectState, OutboxEntry, ReceivedObject, Result, now
from miqanet_core.listener.settings import Settings

ALIVE = timedelta(minutes=1)
_NEWS = timedelta(hours=1)
_FORGOTTEN = timedelta(days=1)
_SHOWN = 50
GIB = 1 << 30


@dataclass(frozen=True)
class Line:
    """One kind of waiting thing: how many wait, are in work, were given up; since when the oldest is due."""

    waiting: int
    in_work: int
    dead: int
    oldest: datetime | None


@dataclass(frozen=True)
class Disk:
    """Space in bytes where objects and results are kept; below ``floor`` the listener takes no new association."""

    free: int
    total: int
    floor: int

    @property
    def low(self) -> bool:
        """Whether the listener refuses objects now."""
        return self.free < self.floor


@dataclass(frozen=True)
class Process:
    """A process that beats, has stopped in order (its heartbeat says so), or is silent: it has died or hangs."""

    heartbeat: Heartbeat
    alive: bool

    @property
    def just_died(self) -> bool:
        """Whether it fell silent within the last hour; what took its place may run already."""
        return not self.alive and not self.heartbeat.stopped and now() - self.heartbeat.seen_at < _NEWS


@dataclass(frozen=True)
class Health:
    """Everything on the page. ``disk`` is None when the folder is not there."""

    unsorted: int
    jobs: Line
    deliveries: Line
    dead_jobs: list[Job]
    dead_deliveries: list[OutboxEntry]
    incidents: list[Incident]
    unseen: int
    processes: list[Process]
    disk: Disk | None

    @property
    def troubles(self) -> list[str]:
        """What somebody should do something about, in words."""
        found = []
        if self.disk is None:
            found.append("The storage folder cannot be found: nothing can be received.")
        elif self.disk.low:
            found.append("The disk is nearly full: new objects are refused.")
        alive = {p.heartbeat.kind for p in self.processes if p.alive}
        if "receiver" not in alive:
            found.append("No receiver is running: nothing is received.")
        if "worker" not in alive:
            found.append("No worker is running: nothing is scored or delivered.")
        died = sum(p.just_died for p in self.processes)
        if died:
            found.append(f"{died} {'process has' if died == 1 else 'processes have'} fallen silent: see below.")
        dead = self.jobs.dead + self.deliveries.dead
        if dead:
            found.append(f"{dead} {'task was' if dead == 1 else 'tasks were'} given up: see below.")
        return found


def health(session: Session, settings: Settings) -> Health:
    """How things stand now."""
    dead_jobs = select(Job).where(Job.dead_at.is_not(None)).order_by(Job.dead_at.desc()).limit(_SHOWN)
    dead_deliveries = select(OutboxEntry).where(OutboxEntry.dead_at.is_not(None)).order_by(OutboxEntry.dead_at.desc())
    with_series = selectinload(OutboxEntry.result).selectinload(Result.series)
    return Health(
        session.scalar(select(func.count()).where(ReceivedObject.state == ObjectState.RECEIVED.value)) or 0,
        _line(session, Job, Job.due_at),
        _line(session, OutboxEntry, OutboxEntry.next_try, OutboxEntry.delivered_at.is_(None)),
        list(session.scalars(dead_jobs.options(selectinload(Job.series)))),
        list(session.scalars(dead_deliveries.limit(_SHOWN).options(with_series))),
        list(session.scalars(select(Incident).order_by(Incident.seen_by != "", Incident.id.desc()).limit(_SHOWN))),
        session.scalar(select(func.count(Incident.id)).where(Incident.seen_by == "")) or 0,
        _processes(session),
        disk(settings),
    )


def disk(settings: Settings) -> Disk | None:
    """Space in the storage folder."""
    try:
        usage = shutil.disk_usage(settings.storage.folder)
    except OSError:
        return None
    return Disk(usage.free, usage.total, int(settings.storage.free_floor_gib * GIB))


def _line(session: Session, kind, due, *conditions) -> Line:
    moment = now()
    alive = (kind.dead_at.is_(None), *conditions)
    held = kind.leased_until >= moment
    total = session.scalar(select(func.count(kind.id)).where(*alive)) or 0
    in_work = session.scalar(select(func.count(kind.id)).where(*alive, held)) or 0
    dead = session.scalar(select(func.count(kind.id)).where(kind.dead_at.is_not(None))) or 0
    oldest = session.scalar(select(func.min(due)).where(*alive, due <= moment))
    return Line(total - in_work, in_work, dead, oldest)


def _processes(session: Session) -> list[Process]:
    moment = now()
    known = select(Heartbeat).where(Heartbeat.seen_at > moment - _FORGOTTEN).order_by(Heartbeat.kind, Heartbeat.name)
    return [Process(beat, not beat.stopped and moment - beat.seen_at < ALIVE) for beat in session.scalars(known)]
