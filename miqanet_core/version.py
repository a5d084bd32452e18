"""Which MIQA this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """The installed version; or that there is none, when the package is only on the path."""
    try:
        return metadata.version("miqanet_core")
    except metadata.PackageNotFoundError:
        return "unreleased (a checkout that is not installed)"
