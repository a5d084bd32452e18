"""What readers share in saying no: one plain line that names the file, the problem and the cure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from miqanet_core.errors import InputError

EXPORT_AGAIN = "export it again from the scanner or archive"
TAKE_LESS = "score fewer slices at a time"
SMALLEST_SIDE = 16
# zlib cannot shrink by more than 1032.
LARGEST_COMPRESSION = 1100
# A claim below this does no harm: DICOM's own compressions can beat any ratio on an empty image, so let the decoder tell.
HARMLESS_BYTES = 1 << 28


# ITK puts the place in its own source and the address of an object before what it has to say.
_ITK_PREFIX = re.compile(r"^.*?\bERROR: *(?:\w+\(0x[0-9a-f]+\): *)?", re.DOTALL)


class LeftOut(Exception):
    """A file that holds no image to score and is none of the user's mistakes; ``reason`` says in words what it is."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def plain(error: BaseException) -> str:
    """The first line of what a library said, short enough to end a sentence."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    lines = [line.strip() for line in _ITK_PREFIX.sub("", str(error)).splitlines() if line.strip()]
    if not lines:
        return "no reason was given"
    # A line that ends in a colon only announces the reason.
    first = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return first.rstrip(".")[:200]


@contextmanager
def faults_of(path: Path, problem: str, cure: str = EXPORT_AGAIN) -> Iterator[None]:
    """Turn whatever a library raises about ``path`` into an InputError; what is one already passes.

    Numbers too large for float32 become infinite without a warning: ``check_finite`` finds them.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (InputError, LeftOut):
        raise
    except PermissionError as error:
        raise no_permission(path) from error
    except MemoryError as error:
        raise InputError(path, "does not fit into this machine's memory", TAKE_LESS) from error
    except Exception as error:  # decoders and parsers raise anything at all on a damaged file
        if "allocate memory" in str(error):  # ITK's
            raise InputError(path, "does not fit into this machine's memory", TAKE_LESS) from MemoryError(str(error))
        raise InputError(path, f"{problem} ({plain(error)})", cure) from error


def no_permission(path: Path) -> InputError:
    return InputError(path, "may not be read (permission denied)", "ask its owner for read permission")


@contextmanager
def hush_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings about odd headers off stderr; what matters of them the readers check themselves."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pydicom")
        yield


def check_claim(path: Path, claimed: int, stored: int, *, compressed: bool) -> None:
    """Refuse, before anything is allocated, a header that claims more bytes than the file can hold.

    ``claimed`` is what the header says the voxels take, ``stored`` the bytes there are for them.
    """
    if not compressed and stored < claimed:
        raise InputError(path, f"is cut short: it holds {stored} of the {claimed} bytes its header claims", EXPORT_AGAIN)
    if compressed and claimed > HARMLESS_BYTES and claimed > LARGEST_COMPRESSION * max(stored, 1):
        raise InputError(path, f"claims {claimed} bytes of voxels but is far too small to hold them", EXPORT_AGAIN)


def check_size(path: Path, rows: int, columns: int, slices: int = 1) -> None:
    """Refuse an image without voxels, or one whose slices are smaller than 16 pixels on a side."""
    if rows < 1 or columns < 1 or slices < 1:
        raise InputError(path, f"has no voxels (its size is {columns} x {rows} x {slices})", EXPORT_AGAIN)
    if min(rows, columns) < SMALLEST_SIDE:
        problem = f"is too small to score ({columns} x {rows} pixels; {SMALLEST_SIDE} on a side are needed)"
        raise InputError(path, problem, "give an image whose slices are larger")


def check_finite(path: Path, voxels: np.ndarray) -> None:
    """Refuse NaN and infinity: to fill them in silently would be to score something else."""
    bad = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
    if bad:
        raise InputError(path, f"has {bad} of {voxels.size} voxels that are NaN or infinite", "replace them, for example by 0")


def to_grey(rgb: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601 from (..., 3) red, green and blue: (...), float32."""
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return rgb[..., :3].astype(np.float32) @ weights
