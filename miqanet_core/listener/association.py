"""pynetdicom's association, made fit for peers that are not trusted and for objects that must not be lost.

Replaced, because of what pynetdicom 3.0 does:

* its socket believes any length that a PDU claims, and waits without end for the rest: here both have limits;
* its two threads look 1000 times a second whether something is to be done: here they sleep until there is;
* it reads ahead of what is answered, into memory: here one message is read at a time, into the spool.
"""

from __future__ import annotations

import os
import queue
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any, cast

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import MODE_ACCEPTOR, Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AddressInformation, AssociationSocket

from miqanet_core.listener.spool import Announced, Incoming

_CHUNK = 1 << 18
_LARGEST_REQUEST = 1 << 17  # bytes of a PDU other than P-DATA
_LARGEST_COMMAND = 1 << 14
_LARGEST_OTHER = 1 << 20  # bytes of a data set that no C-STORE brings
_C_STORE_RQ = 0x0001
_LOOK_SECONDS = 0.5  # how long a thread sleeps at most before it looks at its timers


class _Socket(AssociationSocket):
    """Reads in large pieces, with a limit on what a PDU may claim and on the time that it may take."""

    def __init__(self, assoc: ReceiverAssociation, client: Any, first: bytes, max_pdu: int, pdu_seconds: float) -> None:
        super().__init__(assoc, client_socket=client)
        self._buffer = bytearray(first)
        self._limit = max(max_pdu, _LARGEST_REQUEST)
        self._pdu_seconds = pdu_seconds

    @property
    def ready(self) -> bool:
        if self.socket is None or not self._is_connected:
            return False
        return bool(self._buffer) or super().ready

    def recv(self, nr_bytes: int) -> bytearray:
        if nr_bytes > self._limit:
            raise OSError(f"a PDU claims {nr_bytes} bytes")
        deadline = time.monotonic() + self._pdu_seconds
        while len(self._buffer) < nr_bytes:
            client = self.socket
            if client is None or time.monotonic() > deadline:
                raise TimeoutError("a PDU takes too long")
            more = client.recv(max(_CHUNK, nr_bytes - len(self._buffer)))
            if not more:
                break
            self._buffer += more
        taken = self._buffer[:nr_bytes]
        del self._buffer[:nr_bytes]
        return taken

    def wait(self, wake: int, read: bool) -> None:
        """Sleep until there is something to read, ``wake`` is written to, or it is time to look at the timers."""
        if read and self.ready:
            return
        client = self.socket
        waited_for: list[Any] = [wake]
        if read and client is not None:
            waited_for.append(client)
        try:
            found, _, _ = select.select(waited_for, [], [], _LOOK_SECONDS)
        except (OSError, ValueError):
            return
        if wake in found:
            os.read(wake, 8)


class _Telling(queue.Queue):
    """A queue that tells of what is put into it."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._tell()


class _DUL(DULServiceProvider):
    """Sleeps until the peer or the association has something; leaves the peer's data alone while a message is being served."""

    def __init__(self, assoc: ReceiverAssociation) -> None:
        super().__init__(assoc)
        self.wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.to_provider_queue = _Telling(self.rouse)
        self.to_user_queue = _Telling(assoc.work.rouse)
        self._run_loop_delay = 0.0
        self.daemon = True

    def rouse(self) -> None:
        os.eventfd_write(self.wake, 1)

    def kill_dul(self) -> None:
        super().kill_dul()
        self.rouse()

    def stop_dul(self) -> bool:
        if self.state_machine.current_state != "Sta1":
            return False
        self.kill_dul()
        self.join(timeout=5)
        return True

    @property
    def _busy(self) -> bool:
        return cast(ReceiverAssociation, self.assoc).serving or not self.assoc.dimse.msg_queue.empty()

    def _is_transport_event(self) -> bool:
        if self.state_machine.current_state == "Sta13":
            return super()._is_transport_event()
        if self._busy:
            self._sleep(read=False)
            return False
        if super()._is_transport_event():
            return True
        self._sleep(read=True)
        return False

    def _sleep(self, read: bool) -> None:
        if self.event_queue.empty() and self.to_provider_queue.empty() and not self._kill_thread:
            cast(_Socket, self.socket).wait(self.wake, read)

    def run_reactor(self) -> None:
        try:
            super().run_reactor()
        finally:
            cast(ReceiverAssociation, self.assoc).work.rouse()


class _DIMSE(DIMSEServiceProvider):
    """Puts a C-STORE's data set into the spool as it comes, and takes no other large message."""

    def __init__(self, assoc: ReceiverAssociation) -> None:
        super().__init__(assoc)
        self.msg_queue = _Telling(assoc.work.rouse)

    def receive_primitive(self, primitive: P_DATA) -> None:
        try:
            self._receive(primitive)
        except Exception:  # pydicom raises anything at all on a damaged command; what it says may quote the message
            self.dul.event_queue.put("Evt19")  # an invalid PDU, which ends the association (PS3.8 9.2.3)

    def _receive(self, primitive: P_DATA) -> None:
        association = cast(ReceiverAssociation, self.assoc)
        # One fragment at a time: a command may share its PDU with the data set that it announces.
        for context_id, data in primitive.presentation_data_value_list:
            if self.message is None:
                self.message = DIMSEMessage()
            message = self.message
            is_command = bool(data[0] & 1)
            if is_command and message.encoded_command_set.tell() + len(data) > _LARGEST_COMMAND:
                raise ValueError("a command set is far too long")
            if not is_command and not isinstance(message.data_set, Incoming):
                if message.command_set.CommandField == _C_STORE_RQ:
                    announced = association.announced(message, context_id)
                    message.data_set = association.open_incoming(announced)
                elif cast(BytesIO, message.data_set).tell() + len(data) > _LARGEST_OTHER:
                    raise ValueError("a data set is far too long")
            single = P_DATA()
            single.presentation_data_value_list = [[context_id, data]]  # type: ignore[list-item]
            super().receive_primitive(single)


class _Work:
    """What an association's thread sleeps on."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def rouse(self) -> None:
        os.eventfd_write(self._descriptor, 1)

    def wait(self) -> None:
        if select.select([self._descriptor], [], [], _LOOK_SECONDS)[0]:
            os.read(self._descriptor, 8)

    def close(self) -> None:
        os.close(self._descriptor)


class ReceiverAssociation(Association):
    """One association with a peer that was let in. ``first``: the bytes that the peer has sent so far.

    ``finished`` is called when it is over, however it ended.
    """

    def __init__(
        self,
        ae: ApplicationEntity,
        client: Any,
        first: bytes,
        *,
        ae_title: str,
        max_pdu: int,
        pdu_seconds: float,
        new_incoming: Callable[[], Incoming],
        finished: Callable[[], None],
    ) -> None:
        self.work = _Work()
        self.serving = False
        super().__init__(ae, MODE_ACCEPTOR)
        self.dul = _DUL(self)
        self.dimse = _DIMSE(self)
        # Once more, for the timers of the new DUL.
        self.acse_timeout, self.network_timeout = ae.acse_timeout, ae.network_timeout
        self._new_incoming = new_incoming
        self._unfinished: set[Incoming] = set()
        self._finished = finished
        client.settimeout(ae.network_timeout)
        self.set_socket(_Socket(self, client, first, max_pdu, pdu_seconds))
        self.acceptor.maximum_length = ae.maximum_pdu_size
        self.acceptor.ae_title = ae_title
        self.acceptor.implementation_class_uid = ae.implementation_class_uid
        self.acceptor.implementation_version_name = ae.implementation_version_name
        self.acceptor.supported_contexts = ae.supported_contexts
        self.acceptor.address_info = AddressInformation.from_tuple(client.getsockname())
        self.requestor.address_info = AddressInformation.from_tuple(client.getpeername())

    def open_incoming(self, announced: Announced) -> Incoming:
        """Where a data set goes. It is abandoned when its message was served, or never will be, and nobody has kept it."""
        incoming = self._new_incoming()
        incoming.announced = announced
        self._unfinished.add(incoming)
        return incoming

    def announced(self, message: DIMSEMessage, context_id: int) -> Announced:
        """What the command of a message says of the data set that follows. ValueError when it may not follow."""
        command, context = message.command_set, self._accepted_cx.get(context_id)
        if context is None or context.transfer_syntax is None or message.context_id != context_id:
            raise ValueError("a data set in a presentation context that was not accepted")
        return Announced(
            str(command.get("AffectedSOPClassUID", "")),
            str(command.get("AffectedSOPInstanceUID", "")),
            str(context.transfer_syntax[0]),
        )

    def run_reactor(self) -> None:
        try:
            super().run_reactor()
        finally:
            self._clean_up()

    def _run_reactor(self) -> None:
        """Serve messages until the peer releases, aborts, falls silent or is gone."""
        self._is_paused = False
        while not self._kill:
            if self.dimse.msg_queue.empty() and self.dul.to_user_queue.empty() and self.dul.is_alive():
                self.work.wait()
            context_id, message = self.dimse.get_msg(block=False)
            if message is not None and context_id is not None:
                self.serving = True
                try:
                    self._serve_request(message, context_id)
                finally:
                    # pynetdicom refuses some messages by itself, and their data sets then reach no handler.
                    incoming = getattr(message, "DataSet", None)
                    if incoming in self._unfinished:
                        incoming.abandon()
                        self._unfinished.remove(incoming)
                    self.serving = False
                    cast(_DUL, self.dul).rouse()
            if self.is_established and self.acse.is_release_requested():
                self.acse.send_release(is_response=True)
                self.is_released = True
                break
            if self.acse.is_aborted() or not self.dul.is_alive():
                self.is_aborted = True
                break
            if self.dul.idle_timer_expired():
                self.abort()
                break
        self.kill()

    def _clean_up(self) -> None:
        """Close the connection, whatever state it is in, and leave nothing half-written."""
        self.is_established = False
        self.dul.kill_dul()
        self.dul.join(timeout=5)
        connection = cast(_Socket, self.dul.socket)
        if connection.socket is not None:
            with suppress(OSError):  # the peer was faster
                connection.socket.shutdown(socket.SHUT_RDWR)
            connection.socket.close()
            self.dul.join(timeout=5)  # it may have been reading
        for incoming in tuple(self._unfinished):  # in the middle of a data set, or whole and never served
            incoming.abandon()
        if not self.dul.is_alive():
            os.close(cast(_DUL, self.dul).wake)
            self.work.close()
        self._finished()
