"""A receiver process: it is handed connections by the door, lets permitted peers associate, and keeps what they send.

An object is answered with Success when its bytes, its name and its catalogue entry are durable. Nothing is decoded before.
Statuses (PS3.4 B.2.3, GG.4): 0xA700 when it cannot be kept now (send it again later), 0xA900 when it is not what was announced.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import ssl
import threading
import time
import uuid
from collections import Counter
from typing import Any

import pydicom
from pynetdicom import AE, _config, build_context, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]
from sqlalchemy import select

from miqanet_core.dicom.commitment import CommitmentProvider, CommitmentReport, report_handler
from miqanet_core.listener import waiting_room
from miqanet_core.listener.announcement import mismatch
from miqanet_core.listener.association import ReceiverAssociation
from miqanet_core.listener.catalogue import Association, Catalogue, Commitment, Incident, IncidentKind, ReceivedObject, now
from miqanet_core.listener.destinations import store_destination
from miqanet_core.listener.ledger import Ledger
from miqanet_core.listener.settings import TLS, Settings
from miqanet_core.listener.spool import Incoming, Spool
from miqanet_core.listener.waiting_room import Connection, WaitingRoom

SUCCESS, OUT_OF_RESOURCES, NOT_AS_ANNOUNCED = 0x0000, 0xA700, 0xA900
MR_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.4",  # MR Image
    "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR Image
    "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR Image
)
# All that is not compressed, and what MIQA can decode. Never Deflated: a few kilobytes of it can be gigabytes.
TRANSFER_SYNTAXES = (
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2",  # Implicit VR Little Endian
    "1.2.840.10008.1.2.2",  # Explicit VR Big Endian
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
)
_STOP_SECONDS = 20.0
_TOLD_AGAIN_SECONDS = 60.0

log = logging.getLogger("miqanet.receiver")


def contexts(settings: Settings) -> list[PresentationContext]:
    """What may be sent, and how."""
    classes = dict.fromkeys((*MR_CLASSES, *settings.receiver.sop_classes))
    commitment = build_context(StorageCommitmentPushModel)
    # A sender asks us to vouch for its objects; an archive that we have asked comes back with its report.
    commitment.scu_role = commitment.scp_role = True
    # pynetdicom asks for lists.
    images = [build_context(uid, list(TRANSFER_SYNTAXES)) for uid in classes]
    return [build_context(Verification), commitment, *images]


def server_context(tls: TLS) -> ssl.SSLContext:
    """TLS 1.2 or newer; peers must show a certificate when ``client_ca`` is set. OSError when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tls.client_ca)
    return context


class Receiver:
    """One of the receiver processes. ``channel`` leads to the door: connections come through it, each end is told to it."""

    def __init__(self, settings: Settings, channel: socket.socket, number: int) -> None:
        self._settings = settings.receiver
        self._floor = settings.storage.free_floor_gib * 2**30
        self._share = 1 / settings.receiver.processes
        self._channel = channel
        self._spool = Spool(settings.storage.spool)
        self._catalogue = Catalogue(settings.database_url)
        self._ledger = Ledger(self._catalogue, self._spool, f"{socket.gethostname()} receiver {number}")
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._open: Counter[str] = Counter()  # associations by address
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], float] = {}
        tls = server_context(self._settings.tls) if self._settings.tls else None
        seconds = self._settings.association_timeout_seconds
        self._room = WaitingRoom(self._selector, tls, seconds, self._admit, self._tell_door)
        self._ae = self._application_entity(settings)
        peers = {one.ae_title: one for one in settings.destinations if one.kind == "dicom"}
        self._vouching = CommitmentProvider(
            holds=self._class_of_held,
            peer_of=lambda title: store_destination(peers[title]) if title in peers else None,
            on_failure=lambda reason: log.warning("a storage commitment report was not delivered: %s", reason),
        )

    def _application_entity(self, settings: Settings) -> AE:
        ae = AE(self._settings.ae_titles[0])
        ae.supported_contexts = contexts(settings)
        ae.maximum_pdu_size = self._settings.max_pdu_bytes
        ae.network_timeout = self._settings.network_timeout_seconds
        ae.acse_timeout = self._settings.association_timeout_seconds
        ae.dimse_timeout = self._settings.message_timeout_seconds
        ae.maximum_associations = 10_000  # ours are counted before pynetdicom sees them
        return ae

    def run(self) -> None:
        """Serve until the door says stop (open associations may go on for a while) or is gone (they are cut off)."""
        self._ledger.start()
        self._selector.register(self._channel, selectors.EVENT_READ, None)
        orphaned = False
        while not self._stopping and not orphaned:
            for key, _ in self._selector.select(timeout=1.0):
                if key.data is None:
                    orphaned |= not self._hear_door()
                elif isinstance(key.data, Connection):
                    self._room.look_at(key.data)
            self._room.close_late()
            self._ledger.figures = {"associations": sum(self._open.values()), "free_bytes": self._spool.free_bytes()}
        self._room.close_all()
        deadline = time.monotonic() + (0 if orphaned else _STOP_SECONDS)
        while sum(self._open.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self._ledger.stop()
        self._catalogue.close()

    def _hear_door(self) -> bool:
        """Take a connection; False when the door is gone."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._channel, 256, 1)
        except OSError:
            return False
        if message == b"stop":
            self._stopping = True
        elif descriptors:
            self._room.add(socket.socket(fileno=descriptors[0]), message.decode())
        return bool(message)

    def _tell_door(self) -> None:
        try:
            self._channel.send(b"-")
        except OSError:
            self._stopping = True

    def _admit(self, connection: Connection) -> None:
        """A request is whole: may this peer associate?"""
        refusal = self._refusal(connection)
        if refusal is not None:
            waiting_room.reject(connection, refusal)
            self._tell_door()
            return
        with self._lock:
            self._open[connection.address] += 1
        self._associate(connection)

    def _refusal(self, connection: Connection) -> tuple[int, int, int] | None:
        if connection.called_ae_title not in self._settings.ae_titles:
            self._refused(connection, f"it calls {_plain(connection.called_ae_title)}, which is not one of ae_titles")
            return waiting_room.CALLED_AE_TITLE_NOT_RECOGNISED
        if connection.calling_ae_title not in self._settings.calling_ae_titles:
            self._refused(connection, f"{_plain(connection.calling_ae_title)} is not one of calling_ae_titles")
            return waiting_room.CALLING_AE_TITLE_NOT_RECOGNISED
        if self._spool.free_bytes() < self._floor:
            self._refused(connection, "free space is below free_floor_gib")
            return waiting_room.TEMPORARY_CONGESTION
        with self._lock:
            total, here = sum(self._open.values()), self._open[connection.address]
        limits = self._settings
        if total >= max(1, limits.max_associations * self._share) or here >= max(
            1, limits.max_associations_per_address * self._share
        ):
            self._refused(connection, "too many associations are open")
            return waiting_room.LOCAL_LIMIT_EXCEEDED
        return None

    def _associate(self, connection: Connection) -> None:
        key = str(uuid.uuid4())
        calling, called = connection.calling_ae_title, connection.called_ae_title
        limit = int(self._settings.max_object_mib * 2**20)

        def finished() -> None:
            with self._lock:
                self._open[connection.address] -= 1
                if not self._open[connection.address]:
                    del self._open[connection.address]
            self._ledger.note(Association, id=key, closed_at=now())
            log.info("association with %s at %s has ended", _plain(calling), connection.address)
            self._tell_door()

        try:
            association = ReceiverAssociation(
                self._ae,
                connection.socket,
                bytes(connection.received),
                ae_title=called,
                max_pdu=self._settings.max_pdu_bytes,
                pdu_seconds=self._settings.message_timeout_seconds,
                new_incoming=lambda: Incoming(self._spool, limit),
                finished=finished,
            )
        except OSError:  # the peer is gone
            connection.socket.close()
            finished()
            return
        association.bind(evt.EVT_C_STORE, self._store, [key, calling, connection.address])
        association.bind(evt.EVT_N_ACTION, self._vouching.handle)
        association.bind(evt.EVT_N_EVENT_REPORT, report_handler(self._keep_report))
        self._ledger.note(Association, id=key, calling_ae=calling, called_ae=called, address=connection.address)
        log.info("association with %s at %s", _plain(calling), connection.address)
        association.start()

    def _store(self, event: evt.Event, association: str, calling: str, address: str) -> int:
        incoming: Any = getattr(event.request, "DataSet", None)
        try:
            return self._keep(incoming, str(event.context.abstract_syntax), association, calling, address)
        except OSError as error:
            incoming.throw_away()
            self._refuse_object(address, f"the spool cannot be written ({error.strerror or type(error).__name__})")
        except Exception as error:  # the database raises its own errors, and all of them mean: not now
            # PostgreSQL may have committed before it was lost: the file stays then, and is reconciled at the next start.
            if self._catalogue.sqlite:
                incoming.throw_away()
            self._refuse_object(address, f"the catalogue cannot be written ({type(error).__name__})")
        return OUT_OF_RESOURCES

    def _keep(self, incoming: Any, context_class: str, association: str, calling: str, address: str) -> int:
        if not isinstance(incoming, Incoming) or incoming.announced is None:
            self._refuse_object(address, "it has no data set")
            return NOT_AS_ANNOUNCED
        if incoming.too_large:
            incoming.throw_away()
            self._refuse_object(address, "it is larger than max_object_mib")
            return OUT_OF_RESOURCES
        announced = incoming.announced
        wrong = mismatch(announced, incoming.head) if incoming.fault is None else None
        if announced.sop_class_uid != context_class:
            wrong = "its SOP class is not that of the presentation context"
        if wrong is not None:
            incoming.throw_away()
            self._refuse_object(address, wrong)
            return NOT_AS_ANNOUNCED
        incoming.keep()
        entry = {
            "sop_instance_uid": announced.sop_instance_uid,
            "sop_class_uid": announced.sop_class_uid,
            "transfer_syntax_uid": announced.transfer_syntax_uid,
            "sha256": incoming.sha256,
            "size": incoming.size,
            "file": incoming.name,
            "association_id": association,
            "calling_ae": calling,
        }
        if not self._ledger.add_object(entry):
            incoming.throw_away()  # sent once more; the first one is kept
        return SUCCESS

    def _class_of_held(self, uid: str) -> str | None:
        """The SOP class of an object that is safely in the spool."""
        held = (ReceivedObject.sop_instance_uid == uid, ReceivedObject.removed_at.is_(None))
        with self._catalogue.read() as session:
            found = session.scalars(select(ReceivedObject).where(*held).order_by(ReceivedObject.id)).first()
        return found.sop_class_uid if found is not None and self._spool.path(found.file).is_file() else None

    def _keep_report(self, report: CommitmentReport) -> None:
        """An archive's answer, for the deliverer that waits for it. A report that nobody asked for changes nothing."""
        with self._catalogue.write() as session:
            asked = session.get(Commitment, report.transaction_uid)
            if asked is not None:
                asked.committed = asked.committed or not report.failed
                asked.answered_at = now()

    def _refuse_object(self, address: str, reason: str) -> None:
        detail = f"an object from {address} was refused: {reason}"
        log.warning(detail)
        self._report(IncidentKind.REFUSED_OBJECT, address, reason, detail)

    def _refused(self, connection: Connection, reason: str) -> None:
        detail = f"an association from {connection.address} was refused: {reason}"
        log.warning(detail)
        self._report(IncidentKind.REFUSED_ASSOCIATION, connection.address, reason, detail)

    def _report(self, kind: IncidentKind, address: str, reason: str, detail: str) -> None:
        """Enter an incident, the same one not more than once a minute."""
        moment = time.monotonic()
        with self._lock:
            self._told = {what: at for what, at in self._told.items() if moment - at < _TOLD_AGAIN_SECONDS}
            if (address, reason) in self._told:
                return
            self._told[address, reason] = moment
        self._ledger.note(Incident, kind=kind.value, detail=detail)


def _plain(title: str) -> str:
    """An AE title as the log may show it."""
    return "".join(c if c.isalnum() or c in "_-." else "?" for c in title)[:16] or "nobody"


def main(settings: Settings, channel: socket.socket, number: int) -> None:
    """The process, started by the door."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the door hears it and says stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    set_up_logging()
    _config.LOG_HANDLER_LEVEL = "none"
    # Values are kept as they came; pydicom's and pynetdicom's messages quote them, so they are not for logs.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    for name in ("pynetdicom", "pydicom"):
        logging.getLogger(name).disabled = True
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    threading.excepthook = lambda raised: log.error("a thread ended with %s", raised.exc_type.__name__)
    Receiver(settings, channel, number).run()
    logging.shutdown()
    os._exit(0)  # threads of peers that do not let go must not hold it


def set_up_logging() -> None:
    """One line an event on stderr; no line holds patient data."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
