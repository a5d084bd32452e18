"""Which reader a file is for: told by its first bytes and the ending of its name."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from miqanet_core.errors import InputError
from miqanet_core.readers.faults import EXPORT_AGAIN, LeftOut, faults_of

FORMATS = "give DICOM, NIfTI (.nii, .nii.gz), NRRD, MetaImage (.mha, .mhd), PNG or JPEG"

HEADER_ALONE = "DICOM header without an image"


class Kind(Enum):
    """A family of formats that one reader serves."""

    DICOM = "DICOM"
    NIFTI = "NIfTI"
    ITK = "NRRD or MetaImage"
    PICTURE = "PNG or JPEG"


ENDINGS = {
    ".dcm": Kind.DICOM, ".dicom": Kind.DICOM, ".dic": Kind.DICOM, ".ima": Kind.DICOM,
    ".nii": Kind.NIFTI, ".nii.gz": Kind.NIFTI, ".hdr": Kind.NIFTI,
    ".nrrd": Kind.ITK, ".nhdr": Kind.ITK, ".mha": Kind.ITK, ".mhd": Kind.ITK,
    ".png": Kind.PICTURE, ".jpg": Kind.PICTURE, ".jpeg": Kind.PICTURE,
}  # fmt: skip
_MAGIC = {b"NRRD000": ".nrrd", b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}
_EXPLICIT_VRS = {b"UL", b"UI", b"CS", b"OB", b"SH", b"DA", b"TM", b"LO", b"SQ"}


def ending(path: Path) -> str:
    """The ending that names the format, lower case; ".nii.gz" counts as one."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def first_bytes(path: Path) -> bytes:
    """The first 352 bytes, as far as a NIfTI header goes. Raises InputError when the file cannot be opened."""
    with faults_of(path, "cannot be opened", "check that the file is there and may be read"), path.open("rb") as file:
        return file.read(352)


def has_dicom_prefix(head: bytes) -> bool:
    """PS3.10 section 7.1: 128 bytes of preamble, then DICM."""
    return head[128:132] == b"DICM"


def looks_like_bare_dicom(head: bytes) -> bool:
    """A data set without preamble: it starts with an element of group 0002 or 0008 that is short, as PS3.5 7.1 lays out."""
    if len(head) < 16 or head[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x08"):
        return False
    if head[4:6] in _EXPLICIT_VRS:
        return True
    element, length = int.from_bytes(head[2:4], "little"), int.from_bytes(head[4:8], "little")
    return head[:2] != b"\x00\x08" and element <= 0x70 and length < 1024


def recognise(path: Path) -> Kind:
    """Which reader ``path`` is for.

    Raises LeftOut for a file that is no image at all, InputError for one that should be an image but cannot be.
    """
    named = ENDINGS.get(ending(path))
    if not path.is_file():
        raise _not_a_file(path, named)
    head = first_bytes(path)
    if not head:
        raise InputError(path, "is empty", "copy or export it again") if named else LeftOut("empty file")
    if has_dicom_prefix(head) or (named is None and looks_like_bare_dicom(head)):
        return Kind.DICOM
    if named is None:
        _complain_of_name(path, head)
        raise LeftOut("not an image")
    if named is Kind.DICOM and not looks_like_bare_dicom(head):
        raise InputError(path, f"is not DICOM{_what_it_is(head)}", "rename it, remove it, or export it again as DICOM")
    return named


def _not_a_file(path: Path, named: Kind | None) -> Exception:
    if path.is_symlink() and not path.exists():
        return InputError(path, "is a link to a file that is not there", "fetch the file it points to")
    return InputError(path, "is not a regular file", FORMATS) if named else LeftOut("not a regular file")


def _content(head: bytes) -> str:
    """The ending that fits the first bytes, or nothing."""
    if head[344:348] in (b"n+1\0", b"n+2\0"):
        return ".nii"
    return next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), "")


def _what_it_is(head: bytes) -> str:
    if suffix := _content(head):
        return f" but a {suffix} file"
    return ": it holds text" if b"\0" not in head else ": it has neither the DICM mark nor DICOM's first elements"


def _complain_of_name(path: Path, head: bytes) -> None:
    if suffix := _content(head):
        raise InputError(path, f"holds {ENDINGS[suffix].value} but its name does not say so", f"rename it to end in {suffix}")


def unreadable(path: Path, reason: str) -> InputError:
    """What to say when a file that a folder would leave out is given by itself."""
    if reason == HEADER_ALONE:
        return InputError(path, "holds a DICOM header without an image", "export it again with its pixels")
    if reason.startswith("DICOM"):
        return InputError(path, f"is not an image to score: {reason}", "give the image series it belongs to, or its folder")
    if path.suffix.lower() in (".zip", ".gz", ".tar", ".7z", ".bz2"):
        return InputError(path, "is a packed archive", "unpack it and give the folder")
    cure = EXPORT_AGAIN if reason == "empty file" else FORMATS
    return InputError(path, f"is no image MIQA can read ({reason})", cure)


def nothing_in(path: Path | str, skipped: Mapping[str, int]) -> InputError:
    """What to say of a path without any image; ``skipped``: how many files were left out, by reason."""
    left_out = ", ".join(f"{count} x {reason}" for reason, count in sorted(skipped.items()))
    return InputError(path, f"holds no image (left out: {left_out})" if left_out else "holds no file", FORMATS)
