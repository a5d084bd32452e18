"""Running the dashboard."""

from __future__ import annotations

import logging
import signal
import threading
from ipaddress import ip_address
from multiprocessing.connection import Connection
from socket import socket as Socket

import uvicorn

from miqanet_core.errors import InputError
from miqanet_core.listener.catalogue import CatalogueError
from miqanet_core.listener.receiver import set_up_logging
from miqanet_core.listener.settings import Settings, Web
from miqanet_core.web.app import create_app

log = logging.getLogger("miqanet.web")


def serve(settings: Settings) -> None:
    """Answer until SIGTERM or SIGINT. InputError when the port or the certificate cannot be used."""
    server, socket = _opened(settings)
    server.run(sockets=[socket])


def main(settings: Settings, parent: Connection) -> None:
    """As a process of ``miqanet listen``: answers until ``parent``, a pipe's end, is closed or its holder dies.

    A dashboard that cannot be opened is told in the log, and disturbs nobody: series go on being received and scored.
    """
    # A terminal's Ctrl-C reaches all processes at once, and the parent has an order.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    set_up_logging()
    try:
        server, socket = _opened(settings)
    except (CatalogueError, InputError) as error:
        log.error("no dashboard: %s", error)
        parent.poll(None)
        return
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    while thread.is_alive() and not parent.poll(1.0):
        pass
    server.should_exit = True
    thread.join()


def _opened(settings: Settings) -> tuple[uvicorn.Server, Socket]:
    server = make_server(settings)
    web = settings.web
    try:
        server.config.load()
    except OSError as error:
        cure = "check web.certificate and web.key: files in PEM that belong together"
        raise InputError(web.certificate or web.address, f"TLS cannot be set up ({error.strerror})", cure) from error
    try:
        socket = server.config.bind_socket()
    except SystemExit as error:  # that is how uvicorn says it
        raise InputError(f"{web.address}:{web.port}", "cannot be opened", "choose another web.address or web.port") from error
    scheme = "https" if web.certificate else "http"
    log.info("dashboard at %s://%s:%d/", scheme, web.address, socket.getsockname()[1])
    _warn(web)
    return server, socket


def make_server(settings: Settings) -> uvicorn.Server:
    """The server, to be run by the caller."""
    web = settings.web
    config = uvicorn.Config(
        create_app(settings),
        host=web.address,
        port=web.port,
        ssl_certfile=web.certificate,
        ssl_keyfile=web.key,
        # Addresses of pages and of people would be in it; the audit log holds what people did.
        access_log=False,
        log_level="warning",
        server_header=False,
        # X-Forwarded-... is read where it is known who may send it.
        proxy_headers=False,
        timeout_graceful_shutdown=5,
        limit_concurrency=200,
    )
    return uvicorn.Server(config)


def _warn(web: Web) -> None:
    try:
        here = ip_address(web.address).is_loopback
    except ValueError:
        here = web.address == "localhost"
    if here:
        return
    if not web.login and not web.user_header:
        log.warning("everybody who reaches %s sees patient data and may reject series: web.login is off", web.address)
    if web.certificate is None and not web.proxy_addresses:
        log.warning("passwords travel unencrypted to %s: set web.certificate and web.key, or use a reverse proxy", web.address)
