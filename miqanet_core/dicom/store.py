"""A destination that takes objects by C-STORE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.status import code_to_category

from miqanet_core.dicom.delivery import Delivery, DestinationError, Outcome
from miqanet_core.dicom.tls import TLS

_CONTEXTS = 128  # PS3.8 9.3.2.2: odd numbers up to 255
_DUPLICATE = 0x0111
# PS3.7 C: what ails the destination, not the object.
_PASSING = {0x0110: "processing failure", 0x0124: "not authorized", 0x0213: "resource limitation"}
_OUT_OF_RESOURCES = 0xA7


class _NothingTaken(DestinationError):
    """The archive takes none of the kinds of objects that were proposed to it."""


@dataclass(frozen=True)
class StoreDestination:
    """``host``, ``port``, ``ae_title``: the archive; ``calling_ae_title``: who we are. ``timeout``: seconds for each step."""

    host: str
    port: int
    ae_title: str
    calling_ae_title: str = "MIQA"
    tls: TLS | None = None
    timeout: float = 30.0

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"

    def echo(self) -> None:
        """C-ECHO. DestinationError when the archive is away, refuses us, or does not answer."""
        with self.associated([build_context(Verification)]) as association:
            status = association.send_c_echo()
            if status.get("Status") != 0:
                raise DestinationError(f"{self}: does not answer an echo; look into its log")

    def deliver(self, datasets: Sequence[Dataset]) -> list[Outcome]:
        """Send the objects over one association; one outcome for each, in order. Raises nothing that the network does."""
        outcomes: list[Outcome] = []
        if not datasets:
            return outcomes
        try:
            with self.associated(_contexts_for(datasets)) as association:
                for dataset in datasets:
                    outcomes.append(self._send(association, dataset))
        except DestinationError as error:
            delivery = Delivery.NEVER if isinstance(error, _NothingTaken) else Delivery.TRY_LATER
            for dataset in datasets[len(outcomes) :]:
                outcomes.append(Outcome(str(dataset.SOPInstanceUID), delivery, str(error)))
        return outcomes

    @contextmanager
    def associated(self, contexts: Sequence[PresentationContext], **negotiation: object) -> Iterator[Association]:
        """An association with the archive, released at the end. DestinationError when there is none to be had."""
        entity = AE(self.calling_ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.connection_timeout = self.timeout
        entity.network_timeout = 2 * self.timeout
        tls_args = (self.tls.context(), self.host) if self.tls else None
        association = entity.associate(
            self.host,
            self.port,
            contexts=list(contexts),
            ae_title=self.ae_title,
            tls_args=tls_args,
            **negotiation,  # type: ignore[arg-type]
        )
        if not association.is_established:
            if association.rejected_contexts and not association.accepted_contexts:
                names = sorted({UID(context.abstract_syntax or "").name for context in association.rejected_contexts})
                raise _NothingTaken(f"{self}: does not take {', '.join(names)}")
            raise DestinationError(f"{self}: {self._why_not(association)}")
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def _why_not(self, association: Association) -> str:
        if association.ident is not None:  # there was a connection: pynetdicom tells of its end before it notes why
            association.join(self.timeout)
        if association.is_rejected:
            answer = association.acceptor.primitive
            reason = f"{answer.reason_str}" if answer is not None else "no reason given"
            return f"refuses the association ({reason}); let it know {self.calling_ae_title} and check the AE titles"
        over = " over TLS; check the certificates of both sides" if self.tls else "; is it running, and is the port right?"
        return f"cannot be reached{over}"

    def _send(self, association: Association, dataset: Dataset) -> Outcome:
        uid = str(dataset.SOPInstanceUID)
        if not association.is_established:
            raise DestinationError(f"{self}: broke the association off")
        try:
            answer = association.send_c_store(dataset)
        except ValueError as error:  # no accepted context for it, or it cannot be encoded
            name = UID(dataset.SOPClassUID).name
            return Outcome(uid, Delivery.NEVER, f"{self}: does not take {name} ({error})")
        if "Status" not in answer:
            raise DestinationError(f"{self}: did not answer, or broke the association off")
        return self._outcome(uid, answer)

    def _outcome(self, uid: str, answer: Dataset) -> Outcome:
        status = int(answer.Status)
        said = f"{self}: status 0x{status:04X}" + (f" ({answer.ErrorComment})" if answer.get("ErrorComment") else "")
        if code_to_category(status) in ("Success", "Warning") or status == _DUPLICATE:
            return Outcome(uid, Delivery.DELIVERED, "" if status == 0 else said)
        if status in _PASSING or status >> 8 == _OUT_OF_RESOURCES:
            return Outcome(uid, Delivery.TRY_LATER, f"{said}, {_PASSING.get(status, 'out of resources')}")
        return Outcome(uid, Delivery.NEVER, f"{said}, refuses the object")


def _contexts_for(datasets: Sequence[Dataset]) -> list[PresentationContext]:
    """One context for each class and encoding; the uncompressed ones are re-encoded as the archive likes."""
    plain = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    wanted: dict[tuple[str, tuple[str, ...]], None] = {}
    for dataset in datasets:
        syntax = dataset.file_meta.TransferSyntaxUID
        wanted[str(dataset.SOPClassUID), plain if syntax in plain else (syntax,)] = None
    if len(wanted) > _CONTEXTS:
        raise ValueError(f"{len(wanted)} kinds of objects at once, at most {_CONTEXTS} go over one association")
    return [build_context(sop_class, list(syntaxes)) for sop_class, syntaxes in wanted]
