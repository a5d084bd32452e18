"""Is an object what its sender announced? The first elements of its data set tell, and nothing more of it is looked at."""

from __future__ import annotations

import re
from io import BytesIO

from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from miqanet_core.listener.spool import Announced

_CLASS, _INSTANCE = 0x00080016, 0x00080018
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def valid_uid(uid: str) -> bool:
    """PS3.5 9.1, except that a component may start with a zero: real archives hold such UIDs."""
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None


def mismatch(announced: Announced, head: bytes) -> str | None:
    """Why an object is not what was announced; None when it is. ``head``: the first bytes of its data set.

    The reason names no UID: it goes to the log.
    """
    if not valid_uid(announced.sop_instance_uid):
        return "the announced SOP Instance UID is no UID"
    try:
        found = _first_uids(UID(announced.transfer_syntax_uid), head)
    except Exception:  # pydicom raises anything at all on bytes that are no data set
        return "its first bytes are no DICOM data set in the announced transfer syntax"
    if _CLASS not in found or _INSTANCE not in found:
        return "it does not begin with a SOP Class UID and a SOP Instance UID"
    if found[_CLASS] != announced.sop_class_uid:
        return "its SOP Class UID is not the announced one"
    if found[_INSTANCE] != announced.sop_instance_uid:
        return "its SOP Instance UID is not the announced one"
    return None


def _first_uids(syntax: UID, head: bytes) -> dict[int, str]:
    def past(tag: BaseTag, vr: str | None, length: int) -> bool:
        return tag > _INSTANCE

    dataset = read_dataset(
        BytesIO(head),
        syntax.is_implicit_VR,
        syntax.is_little_endian,
        stop_when=past,
        specific_tags=[BaseTag(_CLASS), BaseTag(_INSTANCE)],
    )
    raw = ((tag, dataset.get_item(tag).value) for tag in (_CLASS, _INSTANCE) if tag in dataset)
    return {tag: bytes(value or b"").decode("ascii").rstrip("\0 ") for tag, value in raw}
