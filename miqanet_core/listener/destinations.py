"""The settings' destinations as the things that deliver."""

from __future__ import annotations

from miqanet_core.dicom import TLS, StoreDestination, WebDestination
from miqanet_core.listener.settings import Destination


def destination_of(settings: Destination) -> StoreDestination | WebDestination:
    """The destination, not yet connected. OSError when its password file cannot be read."""
    return store_destination(settings) if settings.kind == "dicom" else web_destination(settings)


def store_destination(settings: Destination) -> StoreDestination:
    """C-STORE. With ``ca`` or ``tls`` the connection is encrypted; the archive's certificate is always checked."""
    return StoreDestination(
        settings.address,
        settings.port,
        settings.ae_title,
        settings.calling_ae_title,
        _tls(settings),
        settings.timeout_seconds,
    )


def web_destination(settings: Destination) -> WebDestination:
    """STOW-RS."""
    password = settings.password_file.read_text(encoding="utf-8").strip() if settings.password_file else ""
    return WebDestination(settings.url, settings.user, password, tls=_tls(settings), timeout=settings.timeout_seconds)


def _tls(settings: Destination) -> TLS | None:
    if settings.tls is None and settings.ca is None:
        return None
    certificate, key = (settings.tls.certificate, settings.tls.key) if settings.tls else (None, None)
    return TLS(settings.ca, certificate, key, check_host=settings.check_host)
