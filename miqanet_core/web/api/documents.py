"""The documents of the JSON API. Times are ISO 8601 in UTC; scores run from 0 (worst) to 100 (best)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from miqanet_core.listener.catalogue import AuditEntry, Result, StackResult
from miqanet_core.listener.catalogue.people import Review
from miqanet_core.web.health import Health, Line
from miqanet_core.web.reviews import LONGEST_COMMENT
from miqanet_core.web.scanner_room import Room
from miqanet_core.web.series_page import SeriesView
from miqanet_core.web.trends import Trend
from miqanet_core.web.worklist import Row


class IdentityDocument(BaseModel):
    """Who the patient is: only when asked for."""

    patient_id: str
    patient_name: str
    accession_number: str
    study_uid: str
    series_uid: str


class ResultDocument(BaseModel):
    """What was found in one version of a series; `review` is the last word of a person: confirm, dismiss, reject, or empty."""

    id: int
    version: int
    created_at: datetime
    verdict: str
    score: float | None
    flagged: bool
    objects: int
    latency_seconds: float
    model: str
    model_version: str
    weights_sha256: str
    review: str
    person: str

    @classmethod
    def of(cls, result: Result) -> ResultDocument:
        """From the catalogue."""
        same = cls.model_fields.keys() - {"model"}
        return cls(model=result.model_name, **{name: getattr(result, name) for name in same})


class SeriesDocument(BaseModel):
    """A series and its newest result, null before the first; `interval` is that of the lowest-scoring stack."""

    id: int
    state: str
    reason: str
    description: str
    series_number: int | None
    body_part: str
    scanner: str
    protocol: str
    study_date: str
    first_object_at: datetime
    last_object_at: datetime
    version: int
    result: ResultDocument | None
    interval: tuple[float, float] | None
    identity: IdentityDocument | None = None

    @classmethod
    def of(cls, row: Row, identity: bool = False) -> SeriesDocument:
        """From the worklist."""
        same = cls.model_fields.keys() - {"result", "interval", "identity"}
        return cls(
            result=ResultDocument.of(row.result) if row.result else None,
            interval=row.interval,
            identity=_identity(row) if identity else None,
            **{name: getattr(row.series, name) for name in same},
        )


def _identity(row: Row) -> IdentityDocument:
    return IdentityDocument(**{name: getattr(row.series, name) for name in IdentityDocument.model_fields})


class Worklist(BaseModel):
    """One page of series; `total` counts those on all pages."""

    total: int
    page: int
    pages: int
    series: list[SeriesDocument]


class StackDocument(BaseModel):
    """One stack of a series: `quality` is what `miqanet score --json` writes; the pictures are PNG, `{index}` counts from 0."""

    number: int
    description: str
    quality: dict[str, Any]
    slice_picture: str
    map_picture: str

    @classmethod
    def of(cls, stack: StackResult) -> StackDocument:
        """From the catalogue."""
        pictures = f"/pictures/{stack.id}"
        return cls(
            number=stack.number, description=stack.description, quality=stack.document,
            slice_picture=f"{pictures}/slice/{{index}}.png", map_picture=f"{pictures}/map/{{index}}.png",
        )  # fmt: skip


class AuditDocument(BaseModel):
    """What a person did."""

    at: datetime
    person: str
    action: str
    comment: str

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditDocument:
        """From the catalogue."""
        return cls(at=entry.at, person=entry.person, action=entry.action, comment=entry.comment)


class DeliveryDocument(BaseModel):
    """Something on its way to an archive or a person, `reason` says why the last attempt failed."""

    destination: str
    kind: str
    what: str
    created_at: datetime
    delivered_at: datetime | None
    given_up_at: datetime | None
    attempts: int
    reason: str


class FullSeries(SeriesDocument):
    """A series with all versions, the stacks of the newest, the audit log and the deliveries."""

    versions: list[ResultDocument]
    stacks: list[StackDocument]
    audit: list[AuditDocument]
    deliveries: list[DeliveryDocument]

    @classmethod
    def of_view(cls, view: SeriesView, identity: bool) -> FullSeries:
        """From the series page."""
        same = DeliveryDocument.model_fields.keys() - {"given_up_at"}
        return cls(
            **SeriesDocument.of(view.row, identity).model_dump(),
            versions=[ResultDocument.of(result) for result in view.results],
            stacks=[StackDocument.of(stack) for stack in view.stacks],
            audit=[AuditDocument.of(entry) for entry in view.audit],
            deliveries=[
                DeliveryDocument(given_up_at=e.dead_at, **{name: getattr(e, name) for name in same}) for e in view.outbox
            ],
        )


class ReviewRequest(BaseModel):
    """What somebody says of a result. A "reject" needs `sure`: it writes a 113001 key object, and archives hide images."""

    action: Review
    comment: str = Field("", max_length=LONGEST_COMMENT)
    name: str = Field("", max_length=80, description="Who says so; only read where logging in is switched off.")
    sure: bool = False


class TrendPoint(BaseModel):
    """One series of a trend."""

    series: int
    at: datetime
    score: float
    flagged: bool


class TrendDocument(BaseModel):
    """Scores over time; limits are null where there are too few series, and `note` says so, or how they were found.

    Points are of the weights that scored last; `other_model` counts those left out. `outside` holds indices of points beyond a
    limit, `runs` first and last index of each run on one side of the centre.
    """

    scanner: str
    protocol: str
    signal: bool
    centre: float | None
    low: float | None
    high: float | None
    reference: int
    note: str
    outside: list[int]
    runs: list[tuple[int, int]]
    not_assessed: int
    other_model: int
    points: list[TrendPoint]

    @classmethod
    def of(cls, trend: Trend) -> TrendDocument:
        """From the trends page."""
        chart = {name: getattr(trend.chart, name) for name in ("centre", "low", "high", "reference", "note")}
        points = [TrendPoint(series=p.series_id, at=p.at, score=p.score, flagged=p.flagged) for p in trend.points]
        return cls(
            scanner=trend.scanner, protocol=trend.protocol, signal=trend.signal, not_assessed=trend.not_assessed,
            other_model=trend.other_model, points=points,
            outside=list(trend.chart.outside), runs=list(trend.chart.runs), **chart,
        )  # fmt: skip


class RoomDocument(BaseModel):
    """The last series of a scanner, with nothing that tells who the patient is; `light`: green, yellow, red, grey, waiting."""

    scanner: str
    light: str
    title: str
    text: str
    at: datetime
    series_number: int | None
    protocol: str
    score: float | None
    low: float | None
    high: float | None
    cause: str
    advice: str
    slices: str

    @classmethod
    def of(cls, room: Room) -> RoomDocument:
        """From the scanner room's page."""
        return cls(**{name: getattr(room, name) for name in cls.model_fields})


class LineDocument(BaseModel):
    """One kind of waiting thing; `oldest` is since when something is due."""

    waiting: int
    in_work: int
    given_up: int
    oldest: datetime | None

    @classmethod
    def of(cls, line: Line) -> LineDocument:
        """From the queue's page."""
        return cls(waiting=line.waiting, in_work=line.in_work, given_up=line.dead, oldest=line.oldest)


class ProcessDocument(BaseModel):
    """A process with a heartbeat in the last day. Neither `alive` nor `stopped` in order: it has died or hangs."""

    name: str
    kind: str
    alive: bool
    stopped: bool
    seen_at: datetime


class HealthDocument(BaseModel):
    """Queue and health; `troubles` says in words what needs a person, and is empty when nothing does."""

    troubles: list[str]
    unsorted_objects: int
    jobs: LineDocument
    deliveries: LineDocument
    unseen_incidents: int
    processes: list[ProcessDocument]
    disk_free_bytes: int | None
    disk_floor_bytes: int | None

    @classmethod
    def of(cls, state: Health) -> HealthDocument:
        """From the queue's page."""
        processes = [
            ProcessDocument(
                name=p.heartbeat.name,
                kind=p.heartbeat.kind,
                alive=p.alive,
                stopped=p.heartbeat.stopped,
                seen_at=p.heartbeat.seen_at,
            )
            for p in state.processes
        ]
        return cls(
            troubles=state.troubles, unsorted_objects=state.unsorted, jobs=LineDocument.of(state.jobs),
            deliveries=LineDocument.of(state.deliveries), unseen_incidents=state.unseen, processes=processes,
            disk_free_bytes=state.disk.free if state.disk else None, disk_floor_bytes=state.disk.floor if state.disk else None,
        )  # fmt: skip
