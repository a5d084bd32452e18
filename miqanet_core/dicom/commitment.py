"""Storage commitment (PS3.4 J), both ways: we ask an archive to vouch for what it got, and a sender asks us.

As the one who asks: :func:`request_commitment`, and the answer comes to the callback, over the same association or, from many
archives, over one that the archive opens: plug :func:`report_handler` into the server that it can reach. As the one who
vouches: plug :class:`CommitmentProvider` into the server that receives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import build_role, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from miqanet_core.dicom.delivery import DestinationError, Reference
from miqanet_core.dicom.store import StoreDestination
from miqanet_core.readers.dicom_values import text, value

_SUCCESS, _PROCESSING_FAILURE, _NO_SUCH_ACTION, _NOT_AUTHORIZED, _INVALID_ARGUMENT = 0x0000, 0x0110, 0x0123, 0x0124, 0x0115
_ALL_COMMITTED, _SOME_FAILED = 1, 2
_NO_SUCH_OBJECT, _CLASS_CONFLICT = 0x0112, 0x0119


@dataclass(frozen=True)
class CommitmentReport:
    """What an archive says of one transaction: it holds ``committed`` safely, ``failed`` not, for PS3.3 C.14's reason."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...] = ()


OnReport = Callable[[CommitmentReport], None]


def request_commitment(
    destination: StoreDestination,
    references: Sequence[Reference],
    on_report: OnReport,
    wait: float = 0.0,
    transaction_uid: str | None = None,
) -> str:
    """Ask ``destination`` to vouch for ``references``; returns the transaction's UID, by which the report is known.

    ``transaction_uid``: one of the caller's, who has noted it before an answer can come; a new one when None.
    The association is kept open for ``wait`` seconds, for archives that report over it. DestinationError when the archive
    cannot be reached or does not take the request.
    """
    transaction = transaction_uid or str(generate_uid(prefix=None))
    arrived = threading.Event()

    def report(found: CommitmentReport) -> None:
        on_report(found)
        if found.transaction_uid == transaction:
            arrived.set()

    contexts = [build_context(StorageCommitmentPushModel)]
    handlers = [(evt.EVT_N_EVENT_REPORT, report_handler(report))]
    with destination.associated(contexts, evt_handlers=handlers) as association:
        answer, _ = association.send_n_action(
            _request(transaction, references), 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        if answer.get("Status") != _SUCCESS:
            said = f"status 0x{int(answer.Status):04X}" if "Status" in answer else "no answer"
            raise DestinationError(f"{destination}: does not take a request for storage commitment ({said})")
        arrived.wait(wait)
    return transaction


def report_handler(on_report: OnReport) -> Callable[[evt.Event], tuple[int, Dataset | None]]:
    """A handler of pynetdicom's ``EVT_N_EVENT_REPORT``.

    ``on_report`` runs before the archive is answered: when it raises, the archive hears of a processing failure and keeps its
    report.
    """

    def handle(event: evt.Event) -> tuple[int, Dataset | None]:
        if event.event_type not in (_ALL_COMMITTED, _SOME_FAILED):
            return _NO_SUCH_ACTION, None
        try:
            report = _report_of(event.event_information)
        except ValueError:
            return _INVALID_ARGUMENT, None
        on_report(report)
        return _SUCCESS, None

    return handle


@dataclass(frozen=True)
class CommitmentProvider:
    """Vouches for what we hold.

    ``holds``: the SOP Class UID of the object with this SOP Instance UID that is safely on disk, None when there is none.
    ``peer_of``: where to report to, by the calling AE title; None for a sender that is not known. ``on_failure``: told, in one
    line, when a report could not be handed over; the sender will ask again.
    """

    holds: Callable[[str], str | None]
    peer_of: Callable[[str], StoreDestination | None]
    on_failure: Callable[[str], None]

    def handle(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """A handler of pynetdicom's ``EVT_N_ACTION``: answers at once and reports over an association of its own."""
        if event.action_type != 1:
            return _NO_SUCH_ACTION, None
        peer = self.peer_of(event.assoc.requestor.ae_title.strip())
        if peer is None:
            return _NOT_AUTHORIZED, None
        try:
            wanted = _report_of(event.action_information)
        except ValueError:
            return _INVALID_ARGUMENT, None
        threading.Thread(target=self._report, args=(peer, wanted), name="storage commitment", daemon=True).start()
        return _SUCCESS, None

    def verify(self, transaction_uid: str, references: Sequence[Reference]) -> CommitmentReport:
        """What can be vouched for, and what not and why."""
        committed, failed = [], []
        for reference in references:
            held = self.holds(reference.instance_uid)
            if held == reference.sop_class_uid:
                committed.append(reference)
            else:
                failed.append((reference, _NO_SUCH_OBJECT if held is None else _CLASS_CONFLICT))
        return CommitmentReport(transaction_uid, tuple(committed), tuple(failed))

    def _report(self, peer: StoreDestination, wanted: CommitmentReport) -> None:
        try:
            send_report(peer, self.verify(wanted.transaction_uid, wanted.committed))
        except DestinationError as error:
            self.on_failure(str(error))


def send_report(peer: StoreDestination, report: CommitmentReport) -> None:
    """N-EVENT-REPORT to the one who asked. DestinationError when it cannot be reached or does not take the report."""
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    with peer.associated([build_context(StorageCommitmentPushModel)], ext_neg=[role]) as association:
        answer, _ = association.send_n_event_report(
            _information(report),
            _SOME_FAILED if report.failed else _ALL_COMMITTED,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
        )
        if answer.get("Status") != _SUCCESS:
            said = f"status 0x{int(answer.Status):04X}" if "Status" in answer else "no answer"
            raise DestinationError(f"{peer}: does not take the storage commitment report ({said})")


def _request(transaction: str, references: Sequence[Reference]) -> Dataset:
    return _information(CommitmentReport(transaction, tuple(references)))


def _information(report: CommitmentReport) -> Dataset:
    """PS3.4 tables J.3-1 and J.3-2."""
    information = Dataset()
    information.TransactionUID = report.transaction_uid
    if report.committed:
        information.ReferencedSOPSequence = [_item(reference) for reference in report.committed]
    if report.failed:
        information.FailedSOPSequence = [_item(reference) for reference, _ in report.failed]
        for item, (_, reason) in zip(information.FailedSOPSequence, report.failed, strict=True):
            item.FailureReason = reason
    return information


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference.sop_class_uid, reference.instance_uid
    return item


def _report_of(information: Dataset) -> CommitmentReport:
    """ValueError when it names no transaction or an object without its UIDs."""
    transaction = text(information, "TransactionUID")
    if not transaction:
        raise ValueError("no Transaction UID")
    failed = value(information, "FailedSOPSequence") or []
    return CommitmentReport(
        transaction,
        tuple(_reference_of(item) for item in value(information, "ReferencedSOPSequence") or []),
        tuple((_reference_of(item), int(value(item, "FailureReason") or _PROCESSING_FAILURE)) for item in failed),
    )


def _reference_of(item: Dataset) -> Reference:
    sop_class, instance = text(item, "ReferencedSOPClassUID"), text(item, "ReferencedSOPInstanceUID")
    if not sop_class or not instance:
        raise ValueError("an object without its UIDs")
    return Reference(sop_class, instance)
