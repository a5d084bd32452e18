"""The tables. A series has objects and results; a result has a part for each stack of slices; jobs and outbox are the queue."""

from __future__ import annotations

from datetime import datetime, timezone
from enum import Enum
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, Index, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from miqanet_core.quality import SeriesQuality, Verdict


def now() -> datetime:
    """This moment in UTC, aware."""
    return datetime.now(timezone.utc)


class Utc(TypeDecorator[datetime]):
    """An aware moment in UTC, also on SQLite, which knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


class Base(DeclarativeBase):
    """What all tables share. ``Catalogue.open`` makes the tables that are missing."""

    type_annotation_map = {datetime: Utc, dict[str, Any]: JSON, list[str]: JSON}


class ObjectState(str, Enum):
    """How far an object has come."""

    RECEIVED = "received"  # in the spool; nobody has looked into it
    SORTED = "sorted"  # its header was read, it belongs to its series and is scored with it
    LEFT_OUT = "left-out"  # kept, and not scored; ``reason`` says why (localiser, derived, our own, a second one of its UID)
    UNREADABLE = "unreadable"  # kept, and not scored; ``reason`` says why
    LOST = "lost"  # its file is gone from the spool, against all rules


class SeriesState(str, Enum):
    """How far a series has come."""

    RECEIVING = "receiving"  # objects arrive; also again, when some come late
    SCORED = "scored"  # the newest result is of all objects there are
    LEFT_OUT = "left-out"  # holds nothing to score; ``reason`` says why
    FAILED = "failed"  # could not be scored; ``reason`` says why


class IncidentKind(str, Enum):
    """What somebody should know of, beside the results."""

    DIFFERENT_OBJECT = "different-object"  # another content came under a known SOP Instance UID; both are kept
    REFUSED_OBJECT = "refused-object"  # not what was announced, too large, or no room for it
    REFUSED_ASSOCIATION = "refused-association"  # an AE title or address that is not on the list
    UNREADABLE_OBJECT = "unreadable-object"
    LATE_OBJECT = "late-object"  # came after the spool had let go of its series
    SPOOL = "spool"  # a file without an entry, or an entry without its file
    DEAD_LETTER = "dead-letter"  # a job or a delivery was given up


class Association(Base):
    """One DICOM association. ``id`` is made by the receiver. ``closed_at`` is None while it is open."""

    __tablename__ = "associations"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    calling_ae: Mapped[str] = mapped_column(String(16))
    called_ae: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(64))
    opened_at: Mapped[datetime] = mapped_column(default=now)
    closed_at: Mapped[datetime | None]


class ReceivedObject(Base):
    """One object that was answered with Success.

    ``file`` is its path below the spool. ``sha256`` is of the data set as it came, without the file's own preamble and meta
    header. ``series_id`` is None until the header is read. ``removed_at``: retention took the file, the entry stays.
    """

    __tablename__ = "objects"
    __table_args__ = (
        # The same bytes sent once more are the same object.
        UniqueConstraint("sop_instance_uid", "sha256", "transfer_syntax_uid"),
        Index("ix_objects_state_id", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    file: Mapped[str] = mapped_column(String(80), unique=True)
    association_id: Mapped[str | None] = mapped_column(String(36), index=True)
    calling_ae: Mapped[str] = mapped_column(String(16), default="")
    received_at: Mapped[datetime] = mapped_column(default=now, index=True)
    state: Mapped[str] = mapped_column(String(12), default=ObjectState.RECEIVED.value)
    reason: Mapped[str] = mapped_column(Text, default="")
    series_id: Mapped[int | None] = mapped_column(ForeignKey("series.id"), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    leased_by: Mapped[str | None] = mapped_column(String(80))
    leased_until: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]

    series: Mapped[Series | None] = relationship(back_populates="objects")


class Series(Base):
    """One DICOM series. Empty text where the header says nothing; UIDs and identity are patient data.

    ``scanner`` is a label for people and for trends ("Siemens Skyra, MR2"), ``protocol`` the key of
    :func:`miqanet_core.protocol.protocol_of`, "" before the first result or where there is none. ``expected`` is the number of
    objects that the header announces. ``version`` is that of the newest result, 0 before the first.
    """

    __tablename__ = "series"

    id: Mapped[int] = mapped_column(primary_key=True)
    series_uid: Mapped[str] = mapped_column(String(64), unique=True)
    study_uid: Mapped[str] = mapped_column(String(64), default="")
    patient_id: Mapped[str] = mapped_column(Text, default="")
    patient_name: Mapped[str] = mapped_column(Text, default="")
    accession_number: Mapped[str] = mapped_column(Text, default="")
    study_date: Mapped[str] = mapped_column(String(16), default="")  # YYYYMMDD as in the header
    series_number: Mapped[int | None]
    description: Mapped[str] = mapped_column(Text, default="")
    protocol_name: Mapped[str] = mapped_column(Text, default="")
    body_part: Mapped[str] = mapped_column(Text, default="")
    modality: Mapped[str] = mapped_column(String(16), default="")
    manufacturer: Mapped[str] = mapped_column(Text, default="")
    model: Mapped[str] = mapped_column(Text, default="")
    station: Mapped[str] = mapped_column(Text, default="")
    scanner: Mapped[str] = mapped_column(String(160), default="", index=True)
    protocol: Mapped[str] = mapped_column(Text, default="")
    calling_ae: Mapped[str] = mapped_column(String(16), default="")
    expected: Mapped[int | None]
    first_object_at: Mapped[datetime] = mapped_column(default=now)
    last_object_at: Mapped[datetime] = mapped_column(default=now, index=True)
    state: Mapped[str] = mapped_column(String(12), default=SeriesState.RECEIVING.value, index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int] = mapped_column(default=0)
    removed_at: Mapped[datetime | None]

    objects: Mapped[list[ReceivedObject]] = relationship(back_populates="series", order_by="ReceivedObject.id")
    results: Mapped[list[Result]] = relationship(back_populates="series", order_by="Result.version")
    slices: Mapped[list[SliceScore]] = relationship(order_by="SliceScore.id")
    audit: Mapped[list[AuditEntry]] = relationship(order_by="AuditEntry.id")


class SliceScore(Base):
    """A slice that was scored while its series was still arriving, to show how far it is; a result has the final say.

    ``digest`` is the SHA-256 of its voxels and names its file among the kept slices; ``score`` is None without anatomy.
    """

    __tablename__ = "slice_scores"
    __table_args__ = (UniqueConstraint("series_id", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    object_id: Mapped[int] = mapped_column(ForeignKey("objects.id"))
    digest: Mapped[str] = mapped_column(String(64))
    score: Mapped[float | None]
    scored_at: Mapped[datetime] = mapped_column(default=now)


class Result(Base):
    """What was found of a series in one version: the worst verdict of its stacks, and the lowest score among them.

    ``objects`` is how many objects it is of. ``latency_seconds``: from the arrival of the last of them to this result.
    ``review`` is what ``person`` said of it last: "confirm", "dismiss" or "reject" (the audit log has all), or "".
    """

    __tablename__ = "results"
    __table_args__ = (UniqueConstraint("series_id", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    verdict: Mapped[str] = mapped_column(String(16), index=True)
    score: Mapped[float | None]
    flagged: Mapped[bool]
    objects: Mapped[int]
    latency_seconds: Mapped[float]
    model_name: Mapped[str] = mapped_column(String(80))
    model_version: Mapped[str] = mapped_column(String(40))
    weights_sha256: Mapped[str] = mapped_column(String(64))
    scored_by: Mapped[str] = mapped_column(String(80), default="")
    review: Mapped[str] = mapped_column(String(12), default="")
    person: Mapped[str] = mapped_column(String(80), default="")

    series: Mapped[Series] = relationship(back_populates="results")
    stacks: Mapped[list[StackResult]] = relationship(back_populates="result", order_by="StackResult.number")
    outbox: Mapped[list[OutboxEntry]] = relationship(order_by="OutboxEntry.id")


class StackResult(Base):
    """One stack of the series: an echo, a time point, an orientation; most series have one.

    ``document`` is :meth:`SeriesQuality.to_dict`, without identity. ``map_file`` is a NumPy .npz below the results folder:
    ``map`` float32 0..100 with NaN where nothing was scored, and ``picture`` uint8 (each slice scaled by its own 0.5 and 99.8
    percentiles), both (slices, rows, columns) as stored, with ``spacing`` and ``direction`` of their Geometry where it has one;
    "" when retention took it. ``instance_uids`` names the
    SOP instance of each slice, in their order.
    """

    __tablename__ = "stack_results"
    __table_args__ = (UniqueConstraint("result_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("results.id"))
    number: Mapped[int]
    description: Mapped[str] = mapped_column(Text, default="")
    verdict: Mapped[str] = mapped_column(String(16))
    score: Mapped[float | None]
    document: Mapped[dict[str, Any]]
    map_file: Mapped[str] = mapped_column(String(80), default="")
    instance_uids: Mapped[list[str]]

    result: Mapped[Result] = relationship(back_populates="stacks")

    @property
    def quality(self) -> SeriesQuality:
        """The document as an object; its map stays in ``map_file``."""
        return SeriesQuality.from_dict(self.document)


class Job(Base):
    """Something to do with a series, not before ``due_at``: score the slices that are new, conclude when it is complete.

    There is one at most for each series. A worker leases it for a time; who holds ``token`` may finish it. ``dead_at`` is set
    when all attempts have failed, with the ``reason``.
    """

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), unique=True)
    due_at: Mapped[datetime] = mapped_column(default=now, index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    leased_by: Mapped[str | None] = mapped_column(String(80))
    leased_until: Mapped[datetime | None]
    token: Mapped[str | None] = mapped_column(String(36))
    reason: Mapped[str] = mapped_column(Text, default="")
    dead_at: Mapped[datetime | None]

    series: Mapped[Series] = relationship()


class OutboxEntry(Base):
    """Something to deliver: ``kind`` is "dicom", "webhook" or "email", ``destination`` its name in the settings.

    ``what``: "result" (SR, key objects, montage), or "rejection" by ``result.person``. While neither ``delivered_at`` nor
    ``dead_at`` is set it waits until ``next_try``; ``reason`` says why the last attempt failed.
    """

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("result_id", "destination", "what"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("results.id"))
    destination: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(12))
    what: Mapped[str] = mapped_column(String(16), default="result")
    created_at: Mapped[datetime] = mapped_column(default=now)
    next_try: Mapped[datetime] = mapped_column(default=now, index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    leased_by: Mapped[str | None] = mapped_column(String(80))
    leased_until: Mapped[datetime | None]
    token: Mapped[str | None] = mapped_column(String(36))
    delivered_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text, default="")

    result: Mapped[Result] = relationship(back_populates="outbox")


class Commitment(Base):
    """A request for storage commitment (PS3.4 J) that a delivery made; ``committed`` when the archive vouches for all of it."""

    __tablename__ = "commitments"

    transaction_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), index=True)
    asked_at: Mapped[datetime] = mapped_column(default=now)
    answered_at: Mapped[datetime | None]
    committed: Mapped[bool] = mapped_column(default=False)


class AuditEntry(Base):
    """What a person did. Entries are added, never changed. ``action``: "confirm", "dismiss", "reject", "retry", "login" ..."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    person: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(16))
    series_id: Mapped[int | None] = mapped_column(ForeignKey("series.id"), index=True)
    result_id: Mapped[int | None] = mapped_column(ForeignKey("results.id"))
    comment: Mapped[str] = mapped_column(Text, default="")
    address: Mapped[str] = mapped_column(String(64), default="")


class Incident(Base):
    """Something odd that somebody should look at. ``detail`` holds no patient data."""

    __tablename__ = "incidents"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    kind: Mapped[str] = mapped_column(String(24))
    detail: Mapped[str] = mapped_column(Text)
    object_id: Mapped[int | None] = mapped_column(ForeignKey("objects.id"))
    series_id: Mapped[int | None] = mapped_column(ForeignKey("series.id"))
    seen_by: Mapped[str] = mapped_column(String(80), default="")


class Heartbeat(Base):
    """A process that is at work: ``name`` is host, kind and process number. Silent for a minute: it has died or hangs."""

    __tablename__ = "heartbeats"
    STOPPED = "stopped"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # receiver, worker, web
    started_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    figures: Mapped[dict[str, Any]]  # free space, associations, device ...; or only that it has stopped

    @property
    def stopped(self) -> bool:
        """Whether it ended in order."""
        return self.STOPPED in self.figures


class User(Base):
    """Somebody who may log in to the dashboard. ``password_hash`` is argon2's own text."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    password_hash: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    disabled_at: Mapped[datetime | None]


WORST_FIRST = (Verdict.NON_DIAGNOSTIC, Verdict.LIMITED, Verdict.DIAGNOSTIC, Verdict.NOT_ASSESSED)
