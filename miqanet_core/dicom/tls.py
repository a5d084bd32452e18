"""TLS for connections that we open (BCP 195 profile, PS3.15 B.9)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from miqanet_core.errors import InputError


@dataclass(frozen=True)
class TLS:
    """``ca_file``: PEM with the authorities that may vouch for the other side, the system's when None.

    ``certificate`` and ``key``: PEM files by which we show who we are, when the other side asks. ``check_host``: whether the
    other side's certificate must name its host, too; many archives' certificates name their AE title instead.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    check_host: bool = True

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, the other side always checked. InputError when a file cannot be read."""
        for path in (self.ca_file, self.certificate, self.key):
            if path is not None and not path.is_file():
                raise InputError(path, "does not exist or is no file", "name a PEM file")
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.check_hostname = self.check_host
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError) as error:
            at_fault = self.certificate or self.ca_file or Path()
            raise InputError(at_fault, f"cannot be used for TLS ({error})", "give a PEM certificate and its key") from error
        return context
