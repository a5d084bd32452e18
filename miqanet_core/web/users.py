"""Local users: who there is, and shutting somebody out without forgetting what they did."""

from __future__ import annotations

from sqlalchemy import select

from miqanet_core.listener.catalogue import Catalogue, User, now
from miqanet_core.web.sessions import close_sessions_of


def all_users(catalogue: Catalogue) -> list[User]:
    """All of them, by name; ``disabled_at`` is set for those who may not log in."""
    with catalogue.read() as session:
        return list(session.scalars(select(User).order_by(User.name)))


def disable_user(catalogue: Catalogue, name: str) -> None:
    """Shut ``name`` out: no log-in any more, and those that are open end at once. ValueError when there is no such user."""
    _set(catalogue, name, enabled=False)


def enable_user(catalogue: Catalogue, name: str) -> None:
    """Let ``name`` in again, with the password of before. ValueError when there is no such user."""
    _set(catalogue, name, enabled=True)


def _set(catalogue: Catalogue, name: str, enabled: bool) -> None:
    with catalogue.write() as session:
        user = session.get(User, name.strip())
        if user is None:
            raise ValueError(f"there is no user {name.strip()!r}; miqanet web --users lists them")
        user.disabled_at = None if enabled else user.disabled_at or now()
        # Not only of the disabled: what was open before must not come back to life.
        close_sessions_of(session, user.name)
