"""How a delivery ends: delivered, to be tried again, or never accepted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Delivery(str, Enum):
    """What became of one object."""

    DELIVERED = "delivered"
    TRY_LATER = "try later"  # the destination is away, full, busy, or does not know us yet: the same object may succeed
    NEVER = "never"  # the destination looked at the object and will not have it


@dataclass(frozen=True)
class Outcome:
    """Of one object: ``reason`` in one line, empty when it was delivered without remark. Names no patient."""

    instance_uid: str
    delivery: Delivery
    reason: str = ""


class DestinationError(ConnectionError):
    """A destination that cannot be reached or will not talk to us; one line that names it, what happened and the cure."""


@dataclass(frozen=True)
class Reference:
    """An object by its UIDs (PS3.3 10.8, SOP Instance Reference)."""

    sop_class_uid: str
    instance_uid: str
