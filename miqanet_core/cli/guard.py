"""What a user sees when something fails: one line and an exit status, never a traceback for a mistake of theirs."""

from __future__ import annotations

import errno
import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import typer

from miqanet_core.cli.terminal import complain
from miqanet_core.errors import Cancelled, InputError, ModelError

FAILED, USAGE, FLAGGED, INTERRUPTED = 1, 2, 3, 130

Command = TypeVar("Command", bound=Callable[..., Any])


class UsageError(Exception):
    """Options that do not go together, or name something that is not there: exit status 2."""


def guarded(command: Command) -> Command:
    """Turn what a command raises into one line on stderr and an exit status."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()  # a full disk behind a redirection shows here, while it can still be told
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except BaseException as error:
            raise typer.Exit(_explain(error)) from error

    return run  # type: ignore[return-value]


def _explain(error: BaseException) -> int:
    if isinstance(error, UsageError):
        complain(f"{error} (miqanet --help explains)")
        return USAGE
    if isinstance(error, (InputError, ModelError)):
        complain(str(error))
        return FAILED
    if isinstance(error, (KeyboardInterrupt, Cancelled)):
        complain("stopped")
        return INTERRUPTED
    if isinstance(error, OSError) and _stdout_is_gone(error):
        return FAILED
    if isinstance(error, MemoryError):
        complain("out of memory; score fewer or smaller series at a time")
        return FAILED
    if not isinstance(error, Exception):
        raise error
    complain(f"internal error ({type(error).__name__}: {error}); please report it, with what MIQANET_DEBUG=1 prints")
    if os.environ.get("MIQANET_DEBUG"):
        traceback.print_exception(error)
    return FAILED


def _stdout_is_gone(error: OSError) -> bool:
    """True when stdout cannot be written: ``miqanet ... | head`` left early (no complaint), or its disk is full.

    The files that we write ourselves raise InputError instead, so such an error without a file's name is stdout's.
    """
    if not isinstance(error, BrokenPipeError):
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO) or error.filename is not None:
            return False
        complain(f"stdout cannot be written ({error.strerror}); free some space or name a file")
    _mute_stdout()
    return True


def _mute_stdout() -> None:
    """Keep Python from trying, and complaining, once more when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
