"""The last series of each scanner, for a screen in the scanner room: nothing that tells who the patient is.

Not even the series' description: people type names into it. What is said of the series comes from lists of fixed words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue import Result, Series, SeriesState, SliceScore, now
from miqanet_core.listener.catalogue.order import newest_result
from miqanet_core.policy import name_slices
from miqanet_core.quality import Verdict
from miqanet_core.web.advice import cause_and_advice, headline
from miqanet_core.web.worklist import objects_of

_SHOWN_FOR = timedelta(hours=24)


class Light(str, Enum):
    """What a lamp shows; each has a shape of its own beside its colour."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    GREY = "grey"
    WAITING = "waiting"


_LIGHT = {
    Verdict.DIAGNOSTIC: Light.GREEN,
    Verdict.LIMITED: Light.YELLOW,
    Verdict.NON_DIAGNOSTIC: Light.RED,
    Verdict.NOT_ASSESSED: Light.GREY,
}


@dataclass(frozen=True)
class Room:
    """One scanner. ``score`` 0..100 with its interval ``low`` to ``high``, each None where there is none."""

    scanner: str
    light: Light
    title: str
    text: str
    at: datetime
    series_number: int | None
    protocol: str
    score: float | None = None
    low: float | None = None
    high: float | None = None
    cause: str = ""
    advice: str = ""
    slices: str = ""


def rooms(session: Session) -> list[Room]:
    """Every scanner that sent something in the last day, by name."""
    recent = (Series.last_object_at > now() - _SHOWN_FOR, Series.state != SeriesState.LEFT_OUT.value, Series.scanner != "")
    rank = func.row_number().over(partition_by=Series.scanner, order_by=(Series.last_object_at.desc(), Series.id.desc()))
    numbered = select(Series.id, rank.label("rank")).where(*recent).subquery()
    query = select(Series, Result).outerjoin(Result, newest_result())
    newest = query.join(numbered, numbered.c.id == Series.id).where(numbered.c.rank == 1).order_by(Series.scanner)
    return [_room(session, series, result) for series, result in session.execute(newest)]


def _room(session: Session, series: Series, result: Result | None) -> Room:
    if series.state == SeriesState.FAILED.value:
        return _plain(series, Light.GREY, "Could not be scored", "Look at the images yourself.")
    if series.state == SeriesState.RECEIVING.value or result is None:
        received = objects_of(session, [series.id]).get(series.id, 0)
        scored = session.scalar(select(func.count()).where(SliceScore.series_id == series.id)) or 0
        text = f"{received} images received, {scored} slices looked at so far."
        return _plain(series, Light.WAITING, "Arriving\N{HORIZONTAL ELLIPSIS}", text)
    verdict = Verdict(result.verdict)
    worst = min(result.stacks, key=lambda s: (s.score is None, s.score or 0.0)).quality
    title, text = headline(verdict)
    if verdict is Verdict.NOT_ASSESSED:
        text = worst.reasons[0] if worst.reasons else text
    cause, advice = cause_and_advice(worst)
    flagged = [s.index for s in worst.slices if s.flagged]
    return Room(
        series.scanner,
        _LIGHT[verdict],
        title,
        text,
        series.last_object_at,
        series.series_number,
        _short(series.protocol),
        result.score,
        worst.interval.low if worst.interval else None,
        worst.interval.high if worst.interval else None,
        cause,
        advice,
        name_slices(flagged) if flagged else "",
    )


def _plain(series: Series, light: Light, title: str, text: str) -> Room:
    return Room(series.scanner, light, title, text, series.last_object_at, series.series_number, _short(series.protocol))


def _short(protocol: str) -> str:
    """Body part and contrast of a protocol's key; :mod:`miqanet_core.protocol` lets no free text into it."""
    parts = protocol.split("; ")
    return ", ".join((parts[0], parts[3])) if len(parts) > 3 else ""
