"""A window's own temporary folder. What a window that was killed has left goes when the next one opens."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from qtpy.QtCore import QLockFile

_PREFIX, _LOCK = "miqa-review-", "window.lock"


class PrivateFolder:
    """``path``: for the user's eyes only. It is the window's while it holds the lock in it, which ends with its process."""

    def __init__(self) -> None:
        _remove_forsaken()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _lock_of(self.path)
        self._lock.tryLock(0)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        self._lock.unlock()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_forsaken() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # In a temporary folder that all users share, such a name may be anybody's trap.
        if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()):
            continue
        # One without a lock is just being made.
        lock = _lock_of(folder)
        if (folder / _LOCK).exists() and lock.tryLock(0):
            lock.unlock()
            shutil.rmtree(folder, ignore_errors=True)


def _lock_of(folder: Path) -> QLockFile:
    lock = QLockFile(str(folder / _LOCK))
    lock.setStaleLockTime(0)  # a window may be open for days; only a process that is gone has lost its lock
    return lock
