"""MIQA: is this MR scan good enough? Quality of MR images without a reference image. A research tool, not a medical device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miqanet_core.model import create_model
    from miqanet_core.quality import SeriesQuality
    from miqanet_core.readers import read_all_series, read_series
    from miqanet_core.scorer import Scorer

__all__ = ["Scorer", "SeriesQuality", "create_model", "read_all_series", "read_series"]

_HOMES = {
    "Scorer": "scorer",
    "SeriesQuality": "quality",
    "create_model": "model",
    "read_all_series": "readers",
    "read_series": "readers",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: torch takes seconds, and ``miqanet --help`` needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
