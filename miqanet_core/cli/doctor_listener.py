"""What ``miqanet doctor --config`` looks at: the settings, the catalogue, the disk, the port, and each destination's echo."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from miqanet_core.cli.doctor import Check, State

if TYPE_CHECKING:
    from miqanet_core.listener.settings import Destination, Settings

Named = tuple[str, Callable[[], Check], str]


def checks(config: Path) -> Iterator[Named]:
    """Each check with its name and the cure for when it breaks. InputError when the settings themselves are wrong."""
    from miqanet_core.listener.settings import load

    settings = load(config)
    yield "settings", lambda: _who(settings, config), "correct the file; miqanet listen --init writes an example"
    yield "folder", lambda: _disk(settings), "give storage.folder to the user that runs MIQA"
    yield "catalogue", lambda: _catalogue(settings), "check storage.database"
    yield "port", lambda: _port(settings), "choose another receiver.port"
    if settings.receiver.tls:
        yield "tls", lambda: _tls(settings), "check the PEM files of [receiver.tls]"
    yield "model", lambda: _model(settings), "check [scoring]: model, device, precision, policy, baseline"
    for destination in settings.destinations:
        name = f"to {destination.name}"
        yield name, lambda one=destination: _echo(one), "is it running, and does it know MIQA's AE title?"  # type: ignore[misc]


def _who(settings: Settings, config: Path) -> Check:
    receiver = settings.receiver
    if not receiver.calling_ae_titles or not receiver.calling_addresses:
        cure = "name the senders in receiver.calling_ae_titles and receiver.calling_addresses"
        return Check(State.WARN, "", f"{config} is correct, and lets nobody in", cure)
    return Check(State.OK, "", f"{config} lets in {', '.join(receiver.calling_ae_titles)}")


def _disk(settings: Settings) -> Check:
    from miqanet_core.listener.listen import prepare

    prepare(settings).close()
    probe = settings.storage.spool / ".probe"
    probe.write_bytes(b"")
    probe.unlink()
    free = shutil.disk_usage(settings.storage.folder).free / 2**30
    found = f"{settings.storage.folder} can be written, {free:.1f} GiB are free"
    if free < settings.storage.free_floor_gib:
        return Check(State.FAIL, "", found, f"free some: below {settings.storage.free_floor_gib:g} GiB nobody is let in")
    return Check(State.OK, "", found)


def _catalogue(settings: Settings) -> Check:
    from sqlalchemy import func, select

    from miqanet_core.listener.catalogue import Catalogue, Job, OutboxEntry, Series

    catalogue = Catalogue(settings.database_url).create()
    with catalogue.read() as session:
        series = session.scalar(select(func.count(Series.id)))
        dead = sum(
            session.scalar(select(func.count(kind.id)).where(kind.dead_at.is_not(None))) or 0 for kind in (Job, OutboxEntry)
        )
    catalogue.close()
    found = f"{'SQLite' if catalogue.sqlite else 'PostgreSQL'}, {series} series"
    if dead:
        return Check(
            State.WARN, "", f"{found}, {dead} jobs or deliveries were given up", "the dashboard shows why, and tries them again"
        )
    return Check(State.OK, "", found)


def _port(settings: Settings) -> Check:
    """Free, or held by a listener that answers an echo."""
    receiver = settings.receiver
    where = f"{receiver.address}:{receiver.port}"
    family = socket.AF_INET6 if ":" in receiver.address else socket.AF_INET
    try:
        socket.create_server((receiver.address, receiver.port), family=family).close()
    except OSError as error:
        return Check(
            State.WARN, "", f"{where}: {error.strerror}", "fine while miqanet listen runs; else choose another receiver.port"
        )
    return Check(State.OK, "", f"{where} is free")


def _tls(settings: Settings) -> Check:
    from miqanet_core.listener.receiver import server_context

    assert settings.receiver.tls is not None
    server_context(settings.receiver.tls)
    peers = "peers must show a certificate" if settings.receiver.tls.client_ca else "peers need no certificate"
    return Check(State.OK, "", f"the certificate and its key fit; {peers}")


def _model(settings: Settings) -> Check:
    from miqanet_core.baseline import Baseline
    from miqanet_core.policy import Policy
    from miqanet_core.scorer import Scorer

    scoring = settings.scoring
    policy = Policy.load(scoring.policy) if scoring.policy else None
    baseline = Baseline.load(scoring.baseline) if scoring.baseline else None
    scorer = Scorer(scoring.model, scoring.device, scoring.precision, policy, baseline=baseline)
    return Check(State.OK, "", f"{scorer.identity.name} {scorer.identity.version} on {scorer.device}, {scorer.precision}")


def _echo(destination: Destination) -> Check:
    from miqanet_core.listener.destinations import destination_of

    found = destination_of(destination)
    found.echo()
    return Check(State.OK, "", f"{found} answers")
