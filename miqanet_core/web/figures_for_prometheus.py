"""The figures at /metrics, read from the catalogue at each scrape, so that every dashboard of a catalogue tells the same."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue import Catalogue, Incident, OutboxEntry, ReceivedObject, Result, Series, now
from miqanet_core.listener.catalogue.order import newest_result
from miqanet_core.listener.settings import Settings
from miqanet_core.version import version
from miqanet_core.web.health import Health, health


def metrics_text(catalogue: Catalogue, settings: Settings) -> bytes:
    """The exposition format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(catalogue, settings))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, catalogue: Catalogue, settings: Settings) -> None:
        self._catalogue, self._settings = catalogue, settings

    def collect(self) -> Iterator[Metric]:
        """All families."""
        with self._catalogue.read() as session:
            yield from _results(session)
            yield from _queue(session, health(session, self._settings))


def _results(session: Session) -> Iterator[Metric]:
    about = GaugeMetricFamily("miqanet_info", "Version of MIQA.", labels=("version",))
    about.add_metric((version(),), 1)
    yield about
    objects = CounterMetricFamily("miqanet_objects_received", "Objects in the catalogue, by state.", labels=("state",))
    for state, count in session.execute(select(ReceivedObject.state, func.count()).group_by(ReceivedObject.state)):
        objects.add_metric((state,), count)
    yield objects
    series = GaugeMetricFamily("miqanet_series", "Series in the catalogue, by state.", labels=("state",))
    for state, count in session.execute(select(Series.state, func.count()).group_by(Series.state)):
        series.add_metric((state,), count)
    yield series
    results = CounterMetricFamily("miqanet_results", "Results, by scanner and verdict.", labels=("scanner", "verdict"))
    by = (Series.scanner, Result.verdict)
    for scanner, verdict, count in session.execute(select(*by, func.count()).join(Result.series).group_by(*by)):
        results.add_metric((scanner, verdict), count)
    yield results
    waiting = select(func.count(Result.id)).join(Series, newest_result()).where(Result.flagged.is_(True), Result.review == "")
    text = "Flagged series whose newest result nobody has reviewed."
    yield GaugeMetricFamily("miqanet_flagged_unreviewed", text, value=session.scalar(waiting) or 0)
    count, seconds = session.execute(select(func.count(), func.sum(Result.latency_seconds)).select_from(Result)).one()
    text = "Seconds from a series' last object to its result."
    yield SummaryMetricFamily("miqanet_result_latency_seconds", text, count_value=count, sum_value=seconds or 0.0)


def _queue(session: Session, state: Health) -> Iterator[Metric]:
    for name, line, what in (("jobs", state.jobs, "Series to be scored"), ("deliveries", state.deliveries, "Deliveries")):
        family = GaugeMetricFamily(f"miqanet_{name}", f"{what}, by state.", labels=("state",))
        for label, value in (("waiting", line.waiting), ("in_work", line.in_work), ("given_up", line.dead)):
            family.add_metric((label,), value)
        yield family
        age = (now() - line.oldest).total_seconds() if line.oldest else 0.0
        yield GaugeMetricFamily(f"miqanet_{name}_oldest_seconds", f"{what}: for how long the oldest is due.", value=age)
    delivered = CounterMetricFamily("miqanet_delivered", "Deliveries that arrived.", labels=("destination",))
    arrived = select(OutboxEntry.destination, func.count()).where(OutboxEntry.delivered_at.is_not(None))
    for destination, count in session.execute(arrived.group_by(OutboxEntry.destination)):
        delivered.add_metric((destination,), count)
    yield delivered
    incidents = CounterMetricFamily("miqanet_incidents", "Incidents, by kind.", labels=("kind",))
    for kind, count in session.execute(select(Incident.kind, func.count()).group_by(Incident.kind)):
        incidents.add_metric((kind,), count)
    yield incidents
    processes = GaugeMetricFamily("miqanet_processes", "Processes with a heartbeat in the last minute.", labels=("kind",))
    for kind in sorted({"receiver", "worker"} | {p.heartbeat.kind for p in state.processes}):
        processes.add_metric((kind,), sum(p.alive for p in state.processes if p.heartbeat.kind == kind))
    yield processes
    if state.disk is not None:
        text = "Free space where objects are kept."
        yield GaugeMetricFamily("miqanet_disk_free_bytes", text, value=state.disk.free)
        text = "Below this much free space nothing is received."
        yield GaugeMetricFamily("miqanet_disk_floor_bytes", text, value=state.disk.floor)
