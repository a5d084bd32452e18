"""The door: accepts connections from permitted addresses and hands each to the receiver process that has the fewest.

It reads nothing from them, so nobody can keep it busy. A receiver process that dies is started anew.
"""

from __future__ import annotations

import logging
import multiprocessing
import selectors
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from multiprocessing.process import BaseProcess

from miqanet_core.listener import receiver
from miqanet_core.listener.catalogue import Catalogue, Incident, IncidentKind
from miqanet_core.listener.settings import Settings

_START_AGAIN_SECONDS = 1.0
_TOLD_AGAIN_SECONDS = 60.0
_STOP_SECONDS = 30.0
_HAND_OVER_SECONDS = 2.0

log = logging.getLogger("miqanet.door")


@dataclass(eq=False)
class _Receiver:
    process: BaseProcess
    channel: socket.socket
    connections: int = 0


class Door:
    """Listens at the settings' address. OSError when the port cannot be had."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._allowed = [ip_network(a) for a in settings.receiver.calling_addresses]
        self._selector = selectors.DefaultSelector()
        self._receivers: list[_Receiver] = []
        self._started = 0
        self._last_replacement = float("-inf")
        self._told: dict[str, float] = {}
        family = socket.AF_INET6 if ":" in settings.receiver.address else socket.AF_INET
        self._socket = socket.create_server(
            (settings.receiver.address, settings.receiver.port), family=family, backlog=256, reuse_port=False
        )
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def open(self) -> None:
        """Start the receiver processes and let connections in."""
        for _ in range(self._settings.receiver.processes):
            self._start_receiver()
        self._selector.register(self._socket, selectors.EVENT_READ, None)

    def serve(self, seconds: float) -> None:
        """Look after the door for a while."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            left = min(left, self._replace_the_dead())
            for key, _ in self._selector.select(left):
                if key.data is None:
                    self._accept()
                else:
                    self._hear(key.data)

    def close(self) -> None:
        """Let nobody in any more, and wait for the associations that are open."""
        with suppress(KeyError):
            self._selector.unregister(self._socket)
        self._socket.close()
        for one in self._receivers:
            with suppress(OSError):
                one.channel.send(b"stop")
        deadline = time.monotonic() + _STOP_SECONDS
        for one in self._receivers:
            one.process.join(max(0.1, deadline - time.monotonic()))
            if one.process.is_alive():
                one.process.kill()

    def _start_receiver(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._started += 1
        # Forked from a process that has imported all it needs: after a crash the next one is there at once.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["miqanet_core.listener.receiver"])
        process = context.Process(target=receiver.main, args=(self._settings, theirs, self._started), name="receiver")
        process.start()
        theirs.close()
        ours.settimeout(_HAND_OVER_SECONDS)
        one = _Receiver(process, ours)
        self._receivers.append(one)
        self._selector.register(ours, selectors.EVENT_READ, one)

    def _accept(self) -> None:
        try:
            client, peer = self._socket.accept()
        except OSError:
            return  # it was gone before it was let in
        with client:
            address = peer[0].removeprefix("::ffff:")
            if not self._is_allowed(address):
                self._refuse(address)
                return
            for one in sorted(self._receivers, key=lambda r: r.connections):
                try:
                    socket.send_fds(one.channel, [address.encode()], [client.fileno()])
                except OSError:
                    continue  # it has died; the selector will tell
                one.connections += 1
                return

    def _is_allowed(self, address: str) -> bool:
        found = ip_address(address.split("%")[0])
        return any(_holds(network, found) for network in self._allowed)

    def _refuse(self, address: str) -> None:
        moment = time.monotonic()
        self._told = {what: at for what, at in self._told.items() if moment - at < _TOLD_AGAIN_SECONDS}
        if address in self._told:
            return
        self._told[address] = moment
        detail = f"a connection from {address} was refused: it is not one of calling_addresses"
        log.warning(detail)
        try:
            with self._catalogue.write() as session:
                session.add(Incident(kind=IncidentKind.REFUSED_ASSOCIATION.value, detail=detail))
        except Exception as error:  # a note must not close the door
            log.error("the catalogue cannot be written (%s)", type(error).__name__)

    def _hear(self, one: _Receiver) -> None:
        """A connection has ended, or the receiver has."""
        try:
            message = one.channel.recv(16)
        except OSError:
            message = b""
        if message:
            one.connections -= 1
            return
        self._selector.unregister(one.channel)
        one.channel.close()
        self._receivers.remove(one)
        one.process.join(5)
        log.error("a receiver process has ended with status %s; starting another", one.process.exitcode)

    def _replace_the_dead(self) -> float:
        """Start receivers in place of those that ended, one in ``_START_AGAIN_SECONDS``; seconds until the next one may."""
        while len(self._receivers) < self._settings.receiver.processes:
            wait = self._last_replacement + _START_AGAIN_SECONDS - time.monotonic()
            if wait > 0 and self._receivers:
                return wait
            # Nobody could take a connection now: those that come wait before the door.
            time.sleep(max(0.0, wait))
            self._start_receiver()
            self._last_replacement = time.monotonic()
        return float("inf")


def _holds(network: IPv4Network | IPv6Network, address: object) -> bool:
    return address in network
