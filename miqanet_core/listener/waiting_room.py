"""Where connections wait until they have said who they are.

A connection costs a thread only when a whole association request from a permitted peer is there. Until then one loop looks
after all of them, TLS handshakes included: silent, slow and garbage connections stop nobody, and the oldest makes room.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_LARGEST_REQUEST = 1 << 17
_MOST_WAITING = 128
_HEADER = 42  # bytes up to the end of the calling AE title (PS3.8 9.3.2)


@dataclass(eq=False)
class Connection:
    """A connection that waits; ``received`` is what it has said so far."""

    socket: socket.socket
    address: str
    deadline: float
    shaking_hands: bool
    received: bytearray = field(default_factory=bytearray)

    @property
    def called_ae_title(self) -> str:
        return _title(self.received[10:26])

    @property
    def calling_ae_title(self) -> str:
        return _title(self.received[26:42])


def _title(data: bytearray) -> str:
    return bytes(data).decode("ascii", "replace").strip(" \0")


class WaitingRoom:
    """``admit`` is given each connection whose request is whole; it takes it over, or says no with :func:`reject`.

    ``left`` is called for each connection that is closed here. ``seconds``: how long one may wait.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        tls: ssl.SSLContext | None,
        seconds: float,
        admit: Callable[[Connection], None],
        left: Callable[[], None],
    ) -> None:
        self._selector = selector
        self._tls = tls
        self._seconds = seconds
        self._admit = admit
        self._left = left
        self._waiting: dict[Connection, None] = {}

    def add(self, client: socket.socket, address: str) -> None:
        """Let a connection wait; when too many do, the oldest goes."""
        while len(self._waiting) >= _MOST_WAITING:
            self.close(next(iter(self._waiting)))
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            client = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        connection = Connection(client, address, time.monotonic() + self._seconds, self._tls is not None)
        self._waiting[connection] = None
        self._selector.register(client, selectors.EVENT_READ, connection)

    def look_at(self, connection: Connection) -> None:
        """Something can be read from, or written to, a connection."""
        try:
            if connection.shaking_hands:
                connection.socket.do_handshake()  # type: ignore[attr-defined]
                connection.shaking_hands = False
                self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
            while not self._read(connection):
                pass
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except ssl.SSLWantWriteError:
            self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
        except (OSError, ValueError):  # gone, no TLS, no certificate, or no association request
            self.close(connection)

    def _read(self, connection: Connection) -> bool:
        """Read what is there; True when the request is whole. ValueError when it is none."""
        more = connection.socket.recv(65536)
        if not more:
            raise OSError("closed by the peer")
        connection.received += more
        if connection.received[0] != 0x01:
            raise ValueError("no association request")
        if len(connection.received) < 6:
            return False
        length = int.from_bytes(connection.received[2:6], "big")
        if not _HEADER <= 6 + length <= _LARGEST_REQUEST:
            raise ValueError("no request is of such a length")
        if len(connection.received) < 6 + length:
            return False
        self._take_out(connection)
        self._admit(connection)
        return True

    def close_late(self) -> None:
        """Close those that have waited for too long."""
        moment = time.monotonic()
        for connection in [c for c in self._waiting if c.deadline < moment]:
            self.close(connection)

    def close_all(self) -> None:
        for connection in list(self._waiting):
            self.close(connection)

    def close(self, connection: Connection) -> None:
        self._take_out(connection)
        connection.socket.close()
        self._left()

    def _take_out(self, connection: Connection) -> None:
        if connection in self._waiting:
            del self._waiting[connection]
            self._selector.unregister(connection.socket)


# Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4).
CALLED_AE_TITLE_NOT_RECOGNISED = (1, 1, 7)
CALLING_AE_TITLE_NOT_RECOGNISED = (1, 1, 3)
TEMPORARY_CONGESTION = (2, 3, 1)
LOCAL_LIMIT_EXCEEDED = (2, 3, 2)


def reject(connection: Connection, answer: tuple[int, int, int]) -> None:
    """Say no, and why."""
    try:
        connection.socket.send(bytes((3, 0, 0, 0, 0, 4, 0, *answer)))
        connection.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the peer does not wait for it
    connection.socket.close()
