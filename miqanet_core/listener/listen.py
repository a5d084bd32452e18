"""``miqanet listen``: reconciles, opens the door, and keeps its processes running until told to stop."""

from __future__ import annotations

import fcntl
import logging
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from miqanet_core.errors import InputError
from miqanet_core.listener import worker
from miqanet_core.listener.catalogue import Catalogue
from miqanet_core.listener.door import Door
from miqanet_core.listener.receiver import server_context, set_up_logging
from miqanet_core.listener.reconcile import reconcile
from miqanet_core.listener.settings import Settings
from miqanet_core.listener.spool import Spool

_STOP_SECONDS = 60.0
_START_AGAIN_SECONDS = 2.0
log = logging.getLogger("miqanet.listen")


class Stop:
    """Set by SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True


class Child:
    """A process that stops when told, or when this one is gone: it holds the other end of a pipe."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        self._target, self._arguments = target, arguments
        self.process: BaseProcess
        self._pipe: Connection
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        theirs, self._pipe = context.Pipe(duplex=False)
        self.process = context.Process(target=self._target, args=(*self._arguments, theirs))
        self.process.start()
        theirs.close()

    def keep_alive(self) -> None:
        if not self.process.is_alive():
            log.error("%s has ended with status %s; starting it again", self._target.__module__, self.process.exitcode)
            self._pipe.close()
            time.sleep(_START_AGAIN_SECONDS)
            self.start()

    def tell_to_stop(self) -> None:
        with suppress(OSError):
            self._pipe.close()

    def wait(self, deadline: float) -> None:
        self.process.join(max(0.1, deadline - time.monotonic()))
        if self.process.is_alive():
            self.process.kill()


def prepare(settings: Settings) -> Catalogue:
    """Make the folders and the catalogue. InputError when a folder or a file of the settings cannot be used."""
    try:
        for folder in (settings.storage.folder, settings.storage.spool, settings.storage.results):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(settings.storage.spool, os.W_OK):
            raise PermissionError(13, "may not be written")
    except OSError as error:
        cure = "give storage.folder to the user that runs MIQA"
        raise InputError(settings.storage.folder, (error.strerror or "cannot be made").lower(), cure) from error
    return Catalogue(settings.database_url).create()


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. InputError when the port, a certificate or the folder cannot be used."""
    set_up_logging()
    stop = Stop()
    catalogue = prepare(settings)
    lock = _lock(settings)
    if settings.receiver.tls is not None:
        try:
            server_context(settings.receiver.tls)
        except OSError as error:
            cure = "check [receiver.tls]: certificate, key and client_ca are files in PEM"
            raise InputError(settings.receiver.tls.certificate, f"TLS cannot be set up ({error.strerror})", cure) from error
    reconcile(catalogue, Spool(settings.storage.spool))
    try:
        door = Door(settings, catalogue)
    except OSError as error:
        where = f"{settings.receiver.address}:{settings.receiver.port}"
        raise InputError(where, (error.strerror or "cannot be opened").lower(), "choose another receiver.port") from error
    door.open()
    children = [Child(worker.main, settings) for _ in range(settings.scoring.workers)]
    if settings.web.enabled:
        from miqanet_core.web import server as dashboard

        children.append(Child(dashboard.main, settings))
    _tell(settings, door.port)
    while not stop.asked:
        door.serve(seconds=1.0)
        for child in children:
            child.keep_alive()
    log.info("stopping: open associations and jobs are finished or given back")
    for child in children:
        child.tell_to_stop()
    door.close()
    deadline = time.monotonic() + _STOP_SECONDS
    for child in children:
        child.wait(deadline)
    catalogue.close()
    lock.close()
    log.info("stopped")


def _lock(settings: Settings) -> Any:
    """One listener for each folder and host: a second one would take the first one's half-written files for leftovers."""
    path = settings.storage.folder / f"{Spool(settings.storage.spool).host}.lock"
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise InputError(
            path, "is held by a listener that runs already", "stop it, or choose another storage.folder"
        ) from error
    return file


def _tell(settings: Settings, port: int) -> None:
    receiver = settings.receiver
    log.info(
        "listening on %s:%d as %s%s", receiver.address, port, ", ".join(receiver.ae_titles), " (TLS)" if receiver.tls else ""
    )
    if not receiver.calling_ae_titles or not receiver.calling_addresses:
        log.warning("nobody is let in: name the senders in receiver.calling_ae_titles and receiver.calling_addresses")
