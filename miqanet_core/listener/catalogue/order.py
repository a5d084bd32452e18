"""Series with their newest result, the newest or the worst first."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import ColumnElement, Select, and_, case

from miqanet_core.listener.catalogue.model import WORST_FIRST, Result, Series


class Sort(str, Enum):
    """Which series come first."""

    NEWEST = "newest"
    WORST = "worst"


def newest_result() -> ColumnElement[bool]:
    """The condition that joins a series with its newest result."""
    return and_(Result.series_id == Series.id, Result.version == Series.version)


def in_order(query: Select, sort: Sort) -> Select:
    """A query of series joined with their newest results, sorted; equals with the newest first."""
    newest = (Series.last_object_at.desc(), Series.id.desc())
    if sort is Sort.NEWEST:
        return query.order_by(*newest)
    rank = case({verdict.value: n for n, verdict in enumerate(WORST_FIRST)}, value=Result.verdict, else_=len(WORST_FIRST))
    return query.order_by(rank, Result.score, *newest)
