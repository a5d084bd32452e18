"""At start: spool and catalogue are made to agree, so that nothing received is forgotten and nothing half-written stays."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import pydicom
from sqlalchemy import select, update

from miqanet_core.listener.catalogue import Association, Catalogue, Incident, IncidentKind, ObjectState, ReceivedObject, now
from miqanet_core.listener.spool import Spool

log = logging.getLogger("miqanet.reconcile")


@dataclass
class Reconciled:
    """What was found.

    ``parts``: half-written files removed. ``adopted``: whole files that had no entry. ``copies``: files removed because their
    bytes are kept already. ``lost``: entries whose file is gone.
    """

    parts: int = 0
    adopted: int = 0
    copies: int = 0
    lost: int = 0


def reconcile(catalogue: Catalogue, spool: Spool) -> Reconciled:
    """Agree on this host's files; to be done before its receivers start."""
    found = Reconciled(parts=spool.remove_parts())
    with catalogue.read() as session:
        entries = session.execute(
            select(ReceivedObject.id, ReceivedObject.file).where(ReceivedObject.removed_at.is_(None))
        ).all()
    known = {file for _, file in entries}
    for name in spool.own_files():
        if name not in known:
            _adopt(catalogue, spool, name, found)
    for object_id, file in entries:
        if not spool.path(file).is_file():
            _report_lost(catalogue, object_id, found)
    with catalogue.write() as session:
        # Associations of a receiver that was killed; those of other hosts that are open will close themselves again.
        session.execute(update(Association).where(Association.closed_at.is_(None)).values(closed_at=now()))
    log.info(
        "spool and catalogue agree: %d half-written files removed, %d whole files entered, %d copies removed, %d files lost",
        found.parts, found.adopted, found.copies, found.lost,
    )  # fmt: skip
    return found


def _adopt(catalogue: Catalogue, spool: Spool, name: str, found: Reconciled) -> None:
    """Enter a whole file that was not answered any more. Its sender will send it again; the entry makes that a resend."""
    path = spool.path(name)
    try:
        values = entry_of(path)
    except Exception:  # not written by a receiver, then; it stays where it is
        with catalogue.write() as session:
            session.add(Incident(kind=IncidentKind.SPOOL.value, detail=f"{name} in the spool is no received object"))
        return
    with catalogue.write() as session:
        same = (
            getattr(ReceivedObject, field) == values[field] for field in ("sop_instance_uid", "sha256", "transfer_syntax_uid")
        )
        known = session.scalar(select(ReceivedObject).where(*same))
        if known is None:
            session.add(ReceivedObject(file=name, **values))
            found.adopted += 1
            return
        if known.removed_at is None and not spool.path(known.file).is_file():
            known.file = name
            found.adopted += 1
            return
    spool.remove(name)
    found.copies += 1


def entry_of(path: Path) -> dict[str, str | int]:
    """The catalogue's values of a file that a receiver has written."""
    with path.open("rb") as file:
        meta = pydicom.filereader.read_file_meta_info(path)
        # Preamble, prefix, and the group length's own element of 12 bytes before what it counts.
        file.seek(132 + 12 + meta.FileMetaInformationGroupLength)
        digest, size = hashlib.sha256(), 0
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    return {
        "sop_instance_uid": str(meta.MediaStorageSOPInstanceUID),
        "sop_class_uid": str(meta.MediaStorageSOPClassUID),
        "transfer_syntax_uid": str(meta.TransferSyntaxUID),
        "sha256": digest.hexdigest(),
        "size": size,
    }


def _report_lost(catalogue: Catalogue, object_id: int, found: Reconciled) -> None:
    with catalogue.write() as session:
        entry = session.get_one(ReceivedObject, object_id)
        if entry.state != ObjectState.LOST.value:
            found.lost += 1
            entry.state, entry.reason = ObjectState.LOST.value, "its file is gone from the spool"
            session.add(
                Incident(kind=IncidentKind.SPOOL.value, detail="an object's file is gone from the spool", object_id=entry.id)
            )
