"""The spool: objects as they came, one file each, under names of our own.

No UID and no patient's field is ever part of a path. A file is written under a name that ends in ``.part``, made durable and
renamed only when it is whole, so that a file without that ending is a whole object.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path

from pydicom import config as pydicom_config
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

PART = ".part"
_HEAD = 1 << 16  # bytes kept at hand to see what the object says it is
_PREFIX = b"\0" * 128 + b"DICM"
_IMPLEMENTATION_UID = "1.2.826.0.1.3680043.10.1561.1"
IMPLEMENTATION_NAME = "MIQA_LISTENER"


@dataclass(frozen=True)
class Announced:
    """What the sender says that it sends, in the command before the data set (PS3.7 9.3.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


class Spool:
    """The files below ``folder``: a folder an hour, in it ``HOST-UUID.dcm``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:20] or "host"

    def new_name(self) -> str:
        """A name for one object, relative to the folder, that nothing else has; its folder is made."""
        hour = datetime.now(timezone.utc).strftime("%Y%m%d%H")
        folder = self.folder / hour
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self.folder)
        return f"{hour}/{self.host}-{uuid.uuid4().hex}.dcm"

    def path(self, name: str) -> Path:
        """The file of an object. ValueError for a name that the spool did not make."""
        if not re.fullmatch(r"\d{10}/[A-Za-z0-9]+-[0-9a-f]{32}\.dcm", name):
            raise ValueError(f"{name!r} is no name of the spool")
        return self.folder / name

    def free_bytes(self) -> int:
        """Space that is left."""
        return shutil.disk_usage(self.folder).free

    def remove_parts(self) -> int:
        """Remove what this host was writing when it was stopped: none of it was answered with Success. How many there were."""
        parts = list(self.folder.glob(f"*/{self.host}-*{PART}"))
        for part in parts:
            part.unlink(missing_ok=True)
        return len(parts)

    def own_files(self) -> Iterator[str]:
        """The names of this host's whole objects."""
        for path in sorted(self.folder.glob(f"*/{self.host}-*.dcm")):
            yield f"{path.parent.name}/{path.name}"

    def remove(self, name: str) -> None:
        """Remove an object, and its folder when that is empty by now and its hour is over."""
        path = self.path(name)
        path.unlink(missing_ok=True)
        if path.parent.name < datetime.now(timezone.utc).strftime("%Y%m%d%H"):
            try:
                path.parent.rmdir()
            except OSError:
                return  # others are in it


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Incoming(BytesIO):
    """A data set on its way into the spool; pynetdicom writes its fragments into it as into the BytesIO it expects.

    What goes wrong is kept in ``fault`` until the message has ended, because only then it can be answered: the rest of the data
    set is read and thrown away. ``limit``: bytes it may have.
    """

    def __init__(self, spool: Spool, limit: int) -> None:
        super().__init__()
        self._spool = spool
        self._limit = limit
        self._descriptor = -1
        self._digest = hashlib.sha256()
        self.announced: Announced | None = None
        self.name = ""
        self.size = 0
        self.head = b""
        self.fault: OSError | None = None
        self.too_large = False

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self.size += len(data)
        if self.size > self._limit:
            self.too_large = True
        if self.fault is not None or self.too_large:
            return len(data)
        try:
            if self._descriptor < 0:
                self._open()
            self._digest.update(data)
            if len(self.head) < _HEAD:
                self.head += data[: _HEAD - len(self.head)]
            _write_all(self._descriptor, data)
        except OSError as error:
            self.fault = error
        return len(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def _part(self) -> Path:
        return self._spool.path(self.name).with_suffix(PART)

    def _open(self) -> None:
        assert self.announced is not None
        self.name = self._spool.new_name()
        self._descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write_all(self._descriptor, file_head(self.announced))

    def keep(self) -> None:
        """Make the file durable under its name. The folder is left to the caller, who may have many files in it. OSError."""
        if self.fault is not None:
            raise self.fault
        if self._descriptor < 0:
            raise OSError("the data set is empty")
        os.fsync(self._descriptor)
        self._close_file()
        self._part.rename(self._spool.path(self.name))

    def throw_away(self) -> None:
        """Leave nothing behind; after :meth:`keep` as well."""
        self._close_file()
        if self.name:
            self._part.unlink(missing_ok=True)
            self._spool.remove(self.name)

    def abandon(self) -> None:
        """As :meth:`throw_away` when it was not kept."""
        if self._descriptor >= 0:
            self.throw_away()

    def _close_file(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def file_head(announced: Announced) -> bytes:
    """Preamble and file meta information (PS3.10 7.1); the data set follows as it came."""
    meta = FileMetaDataset()
    # The sender's UIDs are kept as they are, right or wrong.
    with pydicom_config.disable_value_validation():
        meta.MediaStorageSOPClassUID = UID(announced.sop_class_uid)
        meta.MediaStorageSOPInstanceUID = UID(announced.sop_instance_uid)
        meta.TransferSyntaxUID = UID(announced.transfer_syntax_uid)
        meta.ImplementationClassUID = UID(_IMPLEMENTATION_UID)
        meta.ImplementationVersionName = IMPLEMENTATION_NAME
        buffer = BytesIO()
        write_file_meta_info(buffer, meta, enforce_standard=True)  # type: ignore[arg-type]
    return _PREFIX + buffer.getvalue()
