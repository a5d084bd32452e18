"""Write a result file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from miqanet_core.errors import InputError


def write_file(path: str | Path, content: bytes | str | Iterable[str]) -> Path:
    """Write ``content``, or its parts one after another, to ``path`` at once; missing folders are made.

    The bytes go to a temporary file in the same folder that then takes the name, so a reader never sees half a file and a
    full disk leaves what was there before. InputError when it cannot be written.
    """
    path = Path(path)
    parts = [content] if isinstance(content, (bytes, str)) else content
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():  # os.replace says only "Is a directory" or "Permission denied", by platform
            raise IsADirectoryError(None, "is a folder, not a file")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".miqa-")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            for part in parts:
                stream.write(part.encode("utf-8") if isinstance(part, str) else part)
            stream.flush()
            os.fsync(stream.fileno())  # some file systems report a full disk only here
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes it private; a report is for colleagues
        os.replace(temporary, path)  # noqa: PTH105 - the call whose atomicity this rests on
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise InputError(path, f"cannot be written ({error.strerror or error})", _cure(error)) from error
    except BaseException:  # Ctrl-C in the middle
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise
    return path


def _umask() -> int:
    """The process's umask; the system has no call that only reads it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _cure(error: OSError) -> str:
    if isinstance(error, (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)):
        return "name another file, or a folder that you may write to"
    return "free some space or name another folder"
