"""Writing back: the objects of a result to one destination, which vouches for them where it can."""

from __future__ import annotations

import time

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from sqlalchemy import select

from miqanet_core.dicom import Delivery, DestinationError, Reference, StoreDestination
from miqanet_core.dicom.commitment import CommitmentReport, request_commitment
from miqanet_core.errors import InputError
from miqanet_core.listener.catalogue import AuditEntry, Catalogue, Commitment, ObjectState, OutboxEntry, ReceivedObject
from miqanet_core.listener.destinations import destination_of
from miqanet_core.listener.making import made_objects, made_rejection
from miqanet_core.listener.outbox import NotDelivered
from miqanet_core.listener.sandbox import ReadingFailed, Sandbox
from miqanet_core.listener.settings import Destination, Settings
from miqanet_core.listener.spool import Spool
from miqanet_core.policy import Policy

_LOOK_SECONDS = 0.5


class WriteBack:
    """Delivers one outbox entry when it is called with it; raises :class:`NotDelivered`. For one thread."""

    def __init__(self, settings: Settings, catalogue: Catalogue, policy: Policy, sandbox: Sandbox) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._policy = policy
        self._sandbox = sandbox
        self._spool = Spool(settings.storage.spool)

    def close(self) -> None:
        self._sandbox.close()

    def __call__(self, entry: OutboxEntry) -> None:
        named = [one for one in self._settings.destinations if one.name == entry.destination]
        if not named:
            raise NotDelivered(f"the settings name no destination {entry.destination!r} any more")
        if self._vouched_for(entry):
            return  # the report came after the last attempt had stopped waiting
        try:
            objects = self._objects(entry, named[0])
        except (InputError, ReadingFailed) as error:
            reason = error.problem if isinstance(error, InputError) else str(error)
            raise NotDelivered(f"the objects cannot be made: {reason}") from error
        destination = destination_of(named[0])
        outcomes = destination.deliver(objects)
        missed = [one for one in outcomes if one.delivery is not Delivery.DELIVERED]
        if missed:
            raise NotDelivered(f"{len(missed)} of {len(outcomes)} objects: {missed[0].reason}")
        if named[0].storage_commitment and isinstance(destination, StoreDestination):
            self._have_vouched(entry, destination, objects, named[0].timeout_seconds)

    def _objects(self, entry: OutboxEntry, destination: Destination) -> list[Dataset]:
        result = entry.result
        with self._catalogue.read() as session:
            mine = (ReceivedObject.series_id == result.series_id, ReceivedObject.state == ObjectState.SORTED.value)
            # Those that the result is of; what came later has a version of its own.
            held = session.scalars(select(ReceivedObject).where(*mine).order_by(ReceivedObject.id).limit(result.objects))
            paths = [self._spool.path(one.file) for one in held]
            comment = session.scalars(
                select(AuditEntry.comment)
                .where(AuditEntry.result_id == result.id, AuditEntry.action == "reject")
                .order_by(AuditEntry.id.desc())
            ).first()
        if entry.what == "rejection":
            documents = [stack.document for stack in result.stacks]
            return self._sandbox.call(made_rejection, paths, documents, result.person, comment or "", result.version)
        stacks = [(stack.document, self._settings.storage.results / stack.map_file) for stack in result.stacks]
        return self._sandbox.call(made_objects, paths, stacks, destination.montage, self._policy, result.version)

    def _have_vouched(self, entry: OutboxEntry, destination: StoreDestination, objects: list[Dataset], seconds: float) -> None:
        """Ask for storage commitment, and wait for the answer for a while; it may come now or to the receiver."""

        def keep(report: CommitmentReport) -> None:
            reports[report.transaction_uid] = report

        reports: dict[str, CommitmentReport] = {}
        references = [Reference(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in objects]
        transaction = str(generate_uid(prefix=None))
        with self._catalogue.write() as session:
            # Before it is asked for: the receiver may have the answer at once.
            session.add(Commitment(transaction_uid=transaction, outbox_id=entry.id))
        try:
            request_commitment(destination, references, keep, transaction_uid=transaction)
        except DestinationError as error:
            raise NotDelivered(str(error)) from error
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if transaction in reports and not reports[transaction].failed or self._vouched_for(entry):
                return
            time.sleep(_LOOK_SECONDS)
        raise NotDelivered("it was taken, but the archive has not vouched for it yet (storage commitment)")

    def _vouched_for(self, entry: OutboxEntry) -> bool:
        with self._catalogue.read() as session:
            yes = (Commitment.outbox_id == entry.id, Commitment.committed.is_(True))
            return session.scalar(select(Commitment.transaction_uid).where(*yes).limit(1)) is not None
