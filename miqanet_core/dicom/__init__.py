"""What is written back to the archive: quality report (SR), flag (Key Object Selection), montage; and how it gets there.

``results_of`` makes the objects of a scored series, ``rejection_of`` the one that only a person may ask for, ``is_own_output``
knows them again. ``StoreDestination`` (C-STORE) and ``WebDestination`` (STOW-RS) deliver them; the module ``commitment`` holds
both roles of storage commitment. Needs the extra ``listener``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miqanet_core.dicom.delivery import Delivery, DestinationError, Outcome, Reference
    from miqanet_core.dicom.identity import is_own_output
    from miqanet_core.dicom.key_objects import rejection_of
    from miqanet_core.dicom.results import Kind, results_of
    from miqanet_core.dicom.sources import headers_of
    from miqanet_core.dicom.store import StoreDestination
    from miqanet_core.dicom.stow import WebDestination
    from miqanet_core.dicom.tls import TLS

__all__ = [
    "TLS",
    "Delivery",
    "DestinationError",
    "Kind",
    "Outcome",
    "Reference",
    "StoreDestination",
    "WebDestination",
    "headers_of",
    "is_own_output",
    "rejection_of",
    "results_of",
]

_HOMES = {
    "TLS": "tls",
    "Delivery": "delivery",
    "DestinationError": "delivery",
    "Kind": "results",
    "Outcome": "delivery",
    "Reference": "delivery",
    "StoreDestination": "store",
    "WebDestination": "stow",
    "headers_of": "sources",
    "is_own_output": "identity",
    "rejection_of": "key_objects",
    "results_of": "results",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: highdicom takes seconds, and a receiver needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
