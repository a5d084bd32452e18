"""``miqanet web``."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from miqanet_core.cli.guard import UsageError
from miqanet_core.cli.terminal import inform
from miqanet_core.errors import InputError
from miqanet_core.listener.catalogue import Catalogue, CatalogueError
from miqanet_core.listener.receiver import set_up_logging
from miqanet_core.listener.settings import load
from miqanet_core.web import add_user, all_users, disable_user, enable_user, serve


def run(config: Path, about_users: Callable[[Catalogue], None] | None) -> None:
    """Serve until stopped; or do what ``about_users`` says."""
    set_up_logging()
    try:
        settings = load(config)
        settings.storage.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if about_users is None:
            serve(settings)
            return
        catalogue = Catalogue(settings.database_url).create()
        try:
            about_users(catalogue)
        finally:
            catalogue.close()
    except OSError as error:
        raise UsageError(f"{error.filename}: {(error.strerror or 'cannot be made').lower()}; see storage.folder") from error
    except (CatalogueError, InputError, ValueError) as error:
        raise UsageError(str(error)) from error


def add(catalogue: Catalogue, name: str) -> None:
    """Ask for a password and let ``name`` in."""
    new = add_user(catalogue, name, _password())
    inform(f"{name.strip()} may log in" if new else f"{name.strip()} has a new password")


def disable(catalogue: Catalogue, name: str) -> None:
    """Shut ``name`` out."""
    disable_user(catalogue, name)
    inform(f"{name.strip()} may not log in any more, and is logged out everywhere")


def enable(catalogue: Catalogue, name: str) -> None:
    """Let ``name`` in again."""
    enable_user(catalogue, name)
    inform(f"{name.strip()} may log in again, with the password of before")


def show(catalogue: Catalogue) -> None:
    """Who there is, a line each."""
    for user in all_users(catalogue):
        typer.echo(f"{user.name}, disabled {user.disabled_at:%Y-%m-%d %H:%M} UTC" if user.disabled_at else user.name)


def _password() -> str:
    """Asked for twice at a terminal; the first line of stdin otherwise."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise UsageError("the two passwords are not the same")
    return password
