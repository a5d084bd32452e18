"""The settings of ``miqanet listen``, ``worker`` and ``web``: one TOML file, checked as a whole before anything starts.

``example.toml`` beside this file explains every line; :func:`load` reads a site's own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from miqanet_core.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

AETitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]*[!-\[\]-~][ -\[\]-~]*$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Storage(_Section):
    """Where things are kept. ``folder`` holds ``spool``, ``results`` and the SQLite catalogue; hosts that share it mount it."""

    folder: Path
    database: str = ""
    keep_days: Positive = 14
    keep_gib: Positive = 200
    free_floor_gib: Annotated[float, Field(ge=0)] = 2

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def results(self) -> Path:
        return self.folder / "results"


class TLS(_Section):
    """Files in PEM. With ``client_ca``, peers must show a certificate that it signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Receiver(_Section):
    """Who may send what. An empty list lets nobody in."""

    address: str = "127.0.0.1"
    port: Port = 11112
    ae_titles: list[AETitle] = ["MIQA"]
    calling_ae_titles: list[AETitle] = []
    calling_addresses: list[str] = []
    sop_classes: list[str] = []
    processes: Annotated[int, Field(ge=1, le=64)] = 2
    max_associations: Count = 40
    max_associations_per_address: Count = 16
    max_pdu_bytes: Annotated[int, Field(ge=4096, le=1 << 20)] = 131072
    max_object_mib: Positive = 1024
    network_timeout_seconds: Positive = 60
    association_timeout_seconds: Positive = 10
    message_timeout_seconds: Positive = 300
    tls: TLS | None = None

    @field_validator("calling_addresses")
    @classmethod
    def _networks(cls, addresses: list[str]) -> list[str]:
        for address in addresses:
            ip_network(address)
        return addresses


class Completion(_Section):
    """When a series is taken to be complete, seconds after its last object."""

    quiet_seconds: Annotated[float, Field(ge=0)] = 5
    quiet_seconds_while_connected: Annotated[float, Field(ge=0)] = 30


class Scoring(_Section):
    """As the options of ``miqanet score``, and what reading untrusted files may cost."""

    model: str = "default"
    device: str = "auto"
    precision: str = "auto"
    policy: Path | None = None
    baseline: Path | None = None
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    attempts: Count = 5
    read_memory_gib: Positive = 8
    read_seconds: Positive = 120
    lease_seconds: Annotated[float, Field(ge=5)] = 120


class Web(_Section):
    """The dashboard. ``user_header``: a reverse proxy on ``proxy_addresses`` names the user in this header.

    ``open_pages`` hold no patient data and may be seen without a log-in.
    """

    enabled: bool = True
    address: str = "127.0.0.1"
    port: Port = 8042
    login: bool = True
    user_header: str = ""
    proxy_addresses: list[str] = []
    open_pages: list[Literal["scanner-room", "metrics"]] = []
    session_hours: Positive = 12
    certificate: Path | None = None
    key: Path | None = None

    @field_validator("proxy_addresses")
    @classmethod
    def _networks(cls, addresses: list[str]) -> list[str]:
        for address in addresses:
            ip_network(address)
        return addresses

    @model_validator(mode="after")
    def _header_from_a_proxy_only(self) -> Web:
        if self.user_header and not self.proxy_addresses:
            raise ValueError("user_header needs proxy_addresses: anybody could send that header")
        return self


class ClientCertificate(_Section):
    """Files in PEM by which MIQA shows who it is."""

    certificate: Path
    key: Path


class Destination(_Section):
    """Where results are written back: an archive by C-STORE ("dicom") or by DICOMweb ("stow")."""

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,40}$")]
    kind: Literal["dicom", "stow"] = "dicom"
    address: str = ""
    port: Port = 104
    ae_title: AETitle = "ARCHIVE"
    calling_ae_title: AETitle = "MIQA"
    storage_commitment: bool = True
    ca: Path | None = None
    check_host: bool = True
    tls: ClientCertificate | None = None
    url: str = ""
    user: str = ""
    password_file: Path | None = None
    timeout_seconds: Positive = 30
    attempts: Count = 20
    montage: bool = False
    from_calling_ae_titles: list[AETitle] = []

    @model_validator(mode="after")
    def _has_an_address(self) -> Destination:
        if self.kind == "dicom" and not self.address:
            raise ValueError('a destination of kind "dicom" needs address, port and ae_title')
        if self.kind == "stow" and not self.url.startswith(("https://", "http://")):
            raise ValueError('a destination of kind "stow" needs url = "https://..."')
        return self


class Webhook(_Section):
    """A JSON document is posted to ``url`` for each result that is ``on``: no patient identity in it.

    ``ca``: PEM with the authorities that may vouch for the server, the system's when None.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,40}$")]
    url: Annotated[str, Field(pattern=r"^https?://")]
    on: Literal["flagged", "all"] = "flagged"
    secret_file: Path | None = None
    ca: Path | None = None


class Email(_Section):
    """A short mail for each result that is ``on``: no patient identity in it. ``ca`` as for a webhook."""

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,40}$")] = "email"
    server: str
    port: Port = 587
    starttls: bool = True
    ca: Path | None = None
    sender: str
    recipients: Annotated[list[str], Field(min_length=1)]
    user: str = ""
    password_file: Path | None = None
    on: Literal["flagged", "all"] = "flagged"


class Notifications(_Section):
    """Who is told. ``dashboard_url`` is put before the links in messages."""

    dashboard_url: str = ""
    attempts: Count = 10
    webhooks: list[Webhook] = []
    email: Email | None = None


class Settings(_Section):
    """The whole file."""

    storage: Storage
    receiver: Receiver = Receiver()
    completion: Completion = Completion()
    scoring: Scoring = Scoring()
    web: Web = Web()
    destinations: list[Destination] = []
    notifications: Notifications = Notifications()

    @model_validator(mode="after")
    def _names_once(self) -> Settings:
        names = [d.name for d in self.destinations] + [w.name for w in self.notifications.webhooks]
        names += [self.notifications.email.name] if self.notifications.email else []
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two destinations or notifications are called {name!r}")
        return self

    @model_validator(mode="after")
    def _archives_told_apart(self) -> Settings:
        # An archive that reports on a commitment tells who it is by nothing but its AE title.
        titles = [d.ae_title for d in self.destinations if d.kind == "dicom" and d.storage_commitment]
        for title in titles:
            if titles.count(title) > 1:
                raise ValueError(f"two destinations with storage_commitment have the ae_title {title!r}")
        return self

    @property
    def database_url(self) -> str:
        """SQLAlchemy's URL of the catalogue."""
        return self.storage.database or f"sqlite:///{self.storage.folder / 'catalogue.sqlite'}"


def example(folder: Path = Path("/var/lib/miqanet"), senders: Sequence[str] = ()) -> str:
    """The commented example, with ``folder`` as the place where things are kept, and ``senders`` as the AE titles let in."""
    text = resources.files("miqanet_core.listener").joinpath("example.toml").read_text(encoding="utf-8")
    text = text.replace('"/var/lib/miqanet"', _toml_text(str(folder)))
    return text.replace("\ncalling_ae_titles = []", f"\ncalling_ae_titles = [{', '.join(map(_toml_text, senders))}]")


def _toml_text(text: str) -> str:
    """A TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def load(path: Path) -> Settings:
    """Read and check a file; relative paths start at its folder. InputError in one line that names the setting at fault."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        cure = f"write one with: miqanet listen --init --config {path}"
        raise InputError(path, (error.strerror or "cannot be read").lower(), cure) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(path, f"is not TOML ({error})", "correct the line; miqanet listen --init writes an example") from error
    try:
        return Settings.model_validate(_beside(path.resolve().parent, values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        what = first["msg"].removeprefix("Value error, ")
        raise InputError(path, f"{where}: {what}", "correct it; miqanet listen --init writes a commented example") from error


_PATHS = {"folder", "certificate", "key", "client_ca", "ca", "policy", "baseline", "password_file", "secret_file"}


def _beside(folder: Path, values: Any) -> Any:
    """The values with relative paths made absolute."""
    if isinstance(values, list):
        return [_beside(folder, one) for one in values]
    if not isinstance(values, dict):
        return values
    return {
        name: str(folder / value) if name in _PATHS and isinstance(value, str) and value else _beside(folder, value)
        for name, value in values.items()
    }
