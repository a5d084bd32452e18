"""``miqanet web``."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from miqanet_core.cli.guard import UsageError
from miqanet_core.cli.terminal import inform
from miqanet_core.errors import InputError
from miqanet_core.listener.catalogue import Catalogue, CatalogueError
from miqanet_core.listener.receiver import set_up_logging
from miqanet_core.listener.settings import load
from miqanet_core.web import add_user, serve


def run(config: Path, new_user: str | None) -> None:
    """Serve until stopped; or, with ``new_user``, ask for a password and let that person in."""
    set_up_logging()
    try:
        settings = load(config)
        settings.storage.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if new_user is None:
            serve(settings)
            return
        catalogue = Catalogue(settings.database_url).create()
        try:
            new = add_user(catalogue, new_user, _password())
        finally:
            catalogue.close()
    except OSError as error:
        raise UsageError(f"{error.filename}: {(error.strerror or 'cannot be made').lower()}; see storage.folder") from error
    except (CatalogueError, InputError, ValueError) as error:
        raise UsageError(str(error)) from error
    inform(f"{new_user.strip()} may log in" if new else f"{new_user.strip()} has a new password")


def _password() -> str:
    """Asked for twice at a terminal; the first line of stdin otherwise."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise UsageError("the two passwords are not the same")
    return password
