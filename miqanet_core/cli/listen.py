"""``miqanet listen``, ``miqanet worker`` and ``miqanet web``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from miqanet_core.cli.guard import UsageError
from miqanet_core.cli.terminal import inform
from miqanet_core.errors import InputError, ModelError


def _needs_extra() -> None:
    """UsageError that says what to install when the listener's libraries are not there."""
    try:
        import argon2  # noqa: F401
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import pydantic  # noqa: F401
        import pynetdicom  # noqa: F401
        import python_multipart  # noqa: F401
        import sqlalchemy  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(f"the listener needs {error.name}; pip install 'miqanet_core[listener]'") from error


def init(config: Path, folder: Path | None, senders: list[str]) -> None:
    """Write the commented example, with ``senders`` as the AE titles that are let in; never over a file that is there.

    Then check it.
    """
    _needs_extra()
    from miqanet_core.listener import settings

    if config.exists():
        settings.load(config)
        if senders:
            raise UsageError(f"{config} is there already; name {', '.join(senders)} in its calling_ae_titles")
        inform(f"{config} is there already, and it is correct")
        return
    text = settings.example((folder or config.resolve().parent / "miqanet-data").resolve(), senders)
    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(config, (error.strerror or "cannot be written").lower(), "name a file that can be written") from error
    try:
        settings.load(config)
    except InputError:  # an AE title that is none
        config.unlink()
        raise
    first = "" if senders else "name the senders in calling_ae_titles, "
    inform(f"wrote {config}; {first}then: miqanet listen --config {config}")


def listen(config: Path) -> None:
    """Serve until stopped."""
    _needs_extra()
    from miqanet_core.listener import listen as listening
    from miqanet_core.listener.catalogue import CatalogueError
    from miqanet_core.listener.settings import load

    try:
        listening.run(load(config))
    except (CatalogueError, InputError) as error:
        raise UsageError(str(error)) from error


def worker(config: Path) -> None:
    """Work until stopped."""
    _needs_extra()
    from miqanet_core.listener import worker as working
    from miqanet_core.listener.catalogue import CatalogueError
    from miqanet_core.listener.settings import load

    try:
        working.main(load(config))
    except (CatalogueError, InputError, ModelError) as error:
        raise UsageError(str(error)) from error


def web(config: Path, add: str | None, disable: str | None, enable: str | None, show: bool) -> None:
    """Serve the dashboard until stopped; or let the named person in, shut them out, or show who there is."""
    _needs_extra()
    from miqanet_core.cli import web as serving

    named = {serving.add: add, serving.disable: disable, serving.enable: enable}
    wanted = [partial(what, name=name) for what, name in named.items() if name is not None]
    wanted += [partial(serving.show)] if show else []
    if len(wanted) > 1:
        raise UsageError("one of --add-user, --disable-user, --enable-user and --users at a time")
    serving.run(config, wanted[0] if wanted else None)
