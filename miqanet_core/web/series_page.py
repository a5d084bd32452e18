"""What the page of one series shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from miqanet_core.listener.catalogue import AuditEntry, OutboxEntry, Result, Series, StackResult
from miqanet_core.listener.settings import Settings
from miqanet_core.quality import SeriesQuality, SliceQuality
from miqanet_core.web.worklist import Row, with_details

WORST = 6


@dataclass(frozen=True)
class SeriesView:
    """A series with all versions of its result, one of which is looked at, in one of its stacks.

    ``results``, newest first. ``result``, ``stack`` and ``quality`` are None before the first result.
    """

    row: Row
    results: list[Result]
    result: Result | None
    stacks: list[StackResult]
    stack: StackResult | None
    quality: SeriesQuality | None
    audit: list[AuditEntry]
    outbox: list[OutboxEntry]

    @property
    def series(self) -> Series:
        """The series itself."""
        return self.row.series

    @property
    def is_newest(self) -> bool:
        """Whether the version looked at is the one that holds."""
        return self.result is not None and self.result.version == self.series.version


def view(session: Session, series_id: int, version: int | None = None, stack: int | None = None) -> SeriesView | None:
    """The series' newest version, or ``version``; its lowest-scoring stack, or the one numbered ``stack``. None: not there."""
    series = session.get(Series, series_id)
    if series is None:
        return None
    of_series = select(Result).where(Result.series_id == series_id).order_by(Result.version.desc())
    results = list(session.scalars(of_series.options(selectinload(Result.stacks), selectinload(Result.outbox))))
    result = next((r for r in results if version in (None, r.version)), None)
    if result is None and version is not None:
        return None
    stacks = list(result.stacks) if result else []
    chosen = _chosen(stacks, stack)
    if chosen is None and stack is not None:
        return None
    audit = select(AuditEntry).where(AuditEntry.series_id == series_id).order_by(AuditEntry.id.desc())
    newest = results[0] if results else None
    return SeriesView(
        with_details(session, [Row(series, newest)])[0],
        results,
        result,
        stacks,
        chosen,
        chosen.quality if chosen else None,
        list(session.scalars(audit)),
        [entry for one in results for entry in one.outbox],
    )


def _chosen(stacks: Sequence[StackResult], number: int | None) -> StackResult | None:
    if number is not None:
        return next((s for s in stacks if s.number == number), None)
    return min(stacks, key=lambda s: (s.score is None, s.score or 0.0, s.number), default=None)


def worst_slices(quality: SeriesQuality) -> list[SliceQuality]:
    """The scored slices with the lowest scores, worst first."""
    scored = [s for s in quality.slices if s.score is not None]
    return sorted(scored, key=lambda s: (s.score, s.index))[:WORST]


def archives_of(settings: Settings, series: Series) -> list[str]:
    """Where results of this series are written back: the names of the destinations."""
    return [
        d.name for d in settings.destinations
        if not d.from_calling_ae_titles or series.calling_ae in d.from_calling_ae_titles
    ]  # fmt: skip
