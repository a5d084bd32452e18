"""The worklist: series with their newest result, filtered, sorted, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import Enum
from urllib.parse import urlencode

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue import ReceivedObject, Result, Series, SeriesState, SliceScore, StackResult
from miqanet_core.listener.catalogue.order import Sort, in_order, newest_result
from miqanet_core.quality import Verdict

PAGE = 50


class Show(str, Enum):
    """Which series are shown."""

    ALL = "all"
    FLAGGED = "flagged"
    OPEN = "open"  # flagged, and nobody has said anything of the newest result yet


@dataclass(frozen=True)
class Wanted:
    """What a person wants to see. ``text`` looks into what names no patient, ``patient`` into what does."""

    sort: Sort = Sort.NEWEST
    show: Show = Show.ALL
    verdict: Verdict | None = None
    text: str = ""
    protocol: str = ""
    scanner: str = ""
    day: date | None = None
    page: int = 1
    patient: str = ""

    def query(self, **changes: object) -> str:
        """The address's query for this view with ``changes``; never with a patient in it, for addresses end up in logs."""
        wanted = replace(self, **changes)  # type: ignore[arg-type]
        values = {
            "sort": wanted.sort.value if wanted.sort is not Sort.NEWEST else "",
            "show": wanted.show.value if wanted.show is not Show.ALL else "",
            "verdict": wanted.verdict.value if wanted.verdict else "",
            "text": wanted.text,
            "protocol": wanted.protocol,
            "scanner": wanted.scanner,
            "day": wanted.day.isoformat() if wanted.day else "",
            "page": str(wanted.page) if wanted.page > 1 else "",
        }
        return urlencode({name: value for name, value in values.items() if value})


@dataclass(frozen=True)
class Row:
    """A series, its newest result if there is one, and how far it is while it arrives."""

    series: Series
    result: Result | None
    interval: tuple[float, float] | None = None
    objects: int = 0
    slices: int = 0
    lowest: float | None = None


@dataclass(frozen=True)
class Found:
    """One page of rows, and how many there are in all."""

    rows: list[Row]
    total: int
    wanted: Wanted
    protocols: list[str] = field(default_factory=list)
    scanners: list[str] = field(default_factory=list)

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE))


def find(session: Session, wanted: Wanted) -> Found:
    """One page of the worklist."""
    query = _filtered(select(Series, Result).outerjoin(Result, newest_result()), wanted)
    total = session.scalar(_filtered(select(func.count(Series.id)).outerjoin(Result, newest_result()), wanted)) or 0
    found = session.execute(in_order(query, wanted.sort).offset((wanted.page - 1) * PAGE).limit(PAGE)).all()
    return Found(
        with_details(session, [Row(series, result) for series, result in found]),
        total,
        wanted,
        _distinct(session, Series.protocol),
        _distinct(session, Series.scanner),
    )


def _filtered(query: Select, wanted: Wanted) -> Select:
    if wanted.show is not Show.ALL:
        query = query.where(Result.flagged.is_(True))
    if wanted.show is Show.OPEN:
        query = query.where(Result.review == "")
    if wanted.verdict is not None:
        query = query.where(Result.verdict == wanted.verdict.value)
    if wanted.protocol:
        query = query.where(Series.protocol == wanted.protocol)
    if wanted.scanner:
        query = query.where(Series.scanner == wanted.scanner)
    if wanted.day is not None:
        begin = local_midnight(wanted.day)
        end = local_midnight(wanted.day + timedelta(days=1))
        query = query.where(Series.last_object_at >= begin, Series.last_object_at < end)
    for words, columns in (
        (wanted.text, (Series.description, Series.protocol_name, Series.body_part, Series.protocol, Series.scanner)),
        (wanted.patient, (Series.patient_id, Series.patient_name, Series.accession_number)),
    ):
        for word in words.split():
            query = query.where(or_(*(column.icontains(word, autoescape=True) for column in columns)))
    return query


def local_midnight(day: date) -> datetime:
    """When a day begins where the server stands."""
    return datetime.combine(day, time()).astimezone()


def _distinct(session: Session, column) -> list[str]:
    return list(session.scalars(select(column).where(column != "").distinct().order_by(column)))


def with_details(session: Session, rows: Sequence[Row]) -> list[Row]:
    """The rows with intervals, and how far the arriving ones are."""
    intervals = _intervals(session, [row.result.id for row in rows if row.result is not None])
    arriving = [row.series.id for row in rows if row.series.state == SeriesState.RECEIVING.value]
    progress = _progress(session, arriving)
    objects = objects_of(session, arriving)
    return [
        replace(
            row,
            interval=intervals.get(row.result.id) if row.result else None,
            objects=objects.get(row.series.id, 0),
            slices=progress.get(row.series.id, (0, None))[0],
            lowest=progress.get(row.series.id, (0, None))[1],
        )
        for row in rows
    ]


def _intervals(session: Session, results: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Of the stack whose score is the result's: the lowest."""
    low, high = (StackResult.document[("interval", end)].as_float() for end in ("low", "high"))
    query = select(StackResult.result_id, low, high).where(StackResult.result_id.in_(results), StackResult.score.is_not(None))
    ordered = session.execute(query.order_by(StackResult.score.desc()))
    return {result: (a, b) for result, a, b in ordered if a is not None}


def _progress(session: Session, series: Sequence[int]) -> dict[int, tuple[int, float | None]]:
    query = select(SliceScore.series_id, func.count(), func.min(SliceScore.score)).where(SliceScore.series_id.in_(series))
    return {one: (count, lowest) for one, count, lowest in session.execute(query.group_by(SliceScore.series_id))}


def objects_of(session: Session, series: Sequence[int]) -> dict[int, int]:
    """How many objects each series has."""
    query = select(ReceivedObject.series_id, func.count()).where(ReceivedObject.series_id.in_(series))
    return {one: count for one, count in session.execute(query.group_by(ReceivedObject.series_id)) if one is not None}
