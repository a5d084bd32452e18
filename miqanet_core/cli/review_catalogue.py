"""What ``miqanet review --config`` shows of a listener's catalogue: its series, and one of them with the result that is kept.

It looks only: the database refuses changes, and no file of the listener is opened for writing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import func, select

from miqanet_core.cli.guard import UsageError
from miqanet_core.errors import InputError
from miqanet_core.listener.catalogue import Catalogue, CatalogueError, ObjectState, Result, Series, SeriesState, StackResult
from miqanet_core.listener.catalogue.order import Sort, in_order, newest_result
from miqanet_core.listener.reading import series_of_files
from miqanet_core.listener.settings import Settings, load
from miqanet_core.listener.spool import Spool
from miqanet_core.presenter import moment_text, person_name
from miqanet_core.quality import SeriesQuality
from miqanet_core.series import MRSeries

_PAGE = 50
_GONE = "fetch it from the archive; storage.keep_days and keep_gib in the settings say how long images stay"


class Kept(NamedTuple):
    """A stack of a catalogue's series; its result where one is kept of just these images, and where that comes from."""

    series: MRSeries
    quality: SeriesQuality | None
    origin: str


def settings_of(config: Path) -> Settings:
    """The settings of a listener whose catalogue can be read; UsageError otherwise."""
    try:
        settings = load(config)
    except InputError as error:
        raise UsageError(str(error)) from error
    with _catalogue(settings):
        return settings


def listed(settings: Settings, sort: Sort, page: int) -> dict[str, Any]:
    """One page of the catalogue, as plain values: ``entries``, ``page``, ``pages`` and ``total``."""
    query = in_order(select(Series, Result).outerjoin(Result, newest_result()), sort)
    with _catalogue(settings) as catalogue, catalogue.read() as session:
        total = session.scalar(select(func.count(Series.id))) or 0
        found = session.execute(query.offset((page - 1) * _PAGE).limit(_PAGE)).all()
    entries = [_entry(series, result) for series, result in found]
    return {"entries": entries, "page": page, "pages": max(1, -(-total // _PAGE)), "total": total}


def kept(settings: Settings, series_id: int) -> Iterator[Kept]:
    """The stacks of a series. InputError when there is nothing to look at: never scored, or gone from the spool."""
    with _catalogue(settings) as catalogue, catalogue.read() as session:
        series = session.get(Series, series_id)
        if series is None:
            raise InputError(f"series {series_id}", "is not in the catalogue", "look at the list again")
        name = _name(series)
        objects = [one for one in series.objects if one.state == ObjectState.SORTED.value]
        if not objects:
            raise InputError(name, f"holds nothing to score: {series.reason or 'no image was sorted yet'}", "choose another")
        if series.removed_at is not None:
            raise InputError(name, f"its images are no longer kept (until {moment_text(series.removed_at)})", _GONE)
        spool = Spool(settings.storage.spool)
        paths = [spool.path(one.file) for one in objects]
        result = next((one for one in series.results if one.version == series.version), None)
        stored = list(result.stacks) if result is not None else []
    missing = sum(not path.is_file() for path in paths)
    if missing:
        raise InputError(name, f"{missing} of its {len(paths)} images are missing from {settings.storage.spool}", _GONE)
    stacks = series_of_files(paths)
    for number, stack in enumerate(stacks):
        one = stored[number] if len(stored) == len(stacks) else None
        yield Kept(stack, *_result_of(settings, stack, result, one))


def _result_of(
    settings: Settings, series: MRSeries, result: Result | None, stored: StackResult | None
) -> tuple[SeriesQuality | None, str]:
    if result is None:
        return None, "The listener has no result of it yet."
    said = f"the listener's result of {moment_text(result.created_at)}, version {result.version}"
    # Objects that came after a result may have put slices anywhere.
    if stored is None or stored.instance_uids != [one.instance_uid for one in series.slice_sources]:
        return None, f"Images have come since {said}."
    try:
        with np.load(settings.storage.results / stored.map_file, allow_pickle=False) as values:
            quality = replace(stored.quality, map=values["map"])
    except (OSError, ValueError, KeyError):
        return None, f"The map of {said} is no longer kept."
    return quality, f"{said[0].upper()}{said[1:]}."


def _entry(series: Series, result: Result | None) -> dict[str, Any]:
    if series.state != SeriesState.SCORED.value:
        result = None  # it is of fewer images than there are
    return {
        "id": series.id,
        "arrived": moment_text(series.last_object_at),
        "name": _name(series),
        "patient": " ".join(filter(None, (person_name(series.patient_name), series.patient_id))),
        "scanner": series.scanner,
        "verdict": result.verdict if result else None,
        "score": result.score if result else None,
        "state": series.reason or series.state,
        "removed": series.removed_at is not None,
    }


def _name(series: Series) -> str:
    return series.description or series.protocol_name or "Series without a description"


@contextmanager
def _catalogue(settings: Settings) -> Iterator[Catalogue]:
    try:
        catalogue = Catalogue.to_read(settings.database_url)
    except CatalogueError as error:
        raise UsageError(str(error)) from error
    try:
        yield catalogue
    finally:
        catalogue.close()
