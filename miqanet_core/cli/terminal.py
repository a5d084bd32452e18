"""Text for a terminal: two consoles, and text from outside made harmless."""

from __future__ import annotations

import sys
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def stdout() -> Console:
    """For results. Made anew at each use, so that a redirected stdout is seen."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def stderr() -> Console:
    """For everything else."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False)


def harmless(text: str) -> str:
    """Text on one line and without control characters: a file's description must not move the cursor or change a title."""
    return "".join(" " if c in "\n\r\t" else c for c in text if c in "\n\r\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def complain(message: str) -> None:
    """One line on stderr."""
    with suppress(OSError):  # nobody is left to read it
        print(f"miqanet: {harmless(message)}", file=sys.stderr, flush=True)


def inform(message: str) -> None:
    """One line on stderr that is no complaint."""
    print(harmless(message), file=sys.stderr, flush=True)


def survive_any_text() -> None:
    """Let a terminal that is not UTF-8 show a question mark where it would make Python stop with an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
