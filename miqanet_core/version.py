"""Which MIQA this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """The installed version; "not installed" when the package is only on the path, as inside a checkout."""
    try:
        return metadata.version("miqanet_core")
    except metadata.PackageNotFoundError:
        return "not installed"
