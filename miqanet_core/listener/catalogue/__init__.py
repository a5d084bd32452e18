"""The catalogue: what was received, what was found, what is to be done; SQLite in a folder, or PostgreSQL for many hosts.

:mod:`.model` holds the tables, :class:`Catalogue` opens them, :mod:`.queue` leases jobs and deliveries, :mod:`.heartbeats`
tells which processes live, :mod:`.people` keeps what people did. Times are UTC and aware. Every function takes a session of
:meth:`Catalogue.write` or :meth:`Catalogue.read`.
"""

from miqanet_core.listener.catalogue.database import Catalogue, CatalogueError
from miqanet_core.listener.catalogue.model import (
    Association,
    AuditEntry,
    Base,
    Commitment,
    Heartbeat,
    Incident,
    IncidentKind,
    Job,
    ObjectState,
    OutboxEntry,
    ReceivedObject,
    Result,
    Series,
    SeriesState,
    SliceScore,
    StackResult,
    User,
    now,
)

__all__ = [
    "Association",
    "AuditEntry",
    "Base",
    "Catalogue",
    "CatalogueError",
    "Commitment",
    "Heartbeat",
    "Incident",
    "IncidentKind",
    "Job",
    "ObjectState",
    "OutboxEntry",
    "ReceivedObject",
    "Result",
    "Series",
    "SeriesState",
    "SliceScore",
    "StackResult",
    "User",
    "now",
]
