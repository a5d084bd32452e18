"""Who is logged in: a random token in a cookie, and its digest in the catalogue, so that a log-out is one everywhere."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from miqanet_core.listener.catalogue import Base, User, now


class WebSession(Base):
    """One log-in. ``token_sha256``: whoever reads the catalogue cannot use it to log in."""

    __tablename__ = "web_sessions"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_name: Mapped[str] = mapped_column(String(80), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]


def open_session(session: Session, user: str, hours: float) -> str:
    """Log ``user`` in; the token for the cookie."""
    moment = now()
    session.execute(delete(WebSession).where(WebSession.expires_at < moment))
    token = secrets.token_urlsafe(32)
    session.add(WebSession(token_sha256=_digest(token), user_name=user, expires_at=moment + timedelta(hours=hours)))
    return token


def user_of(session: Session, token: str) -> str | None:
    """Who the token belongs to; None when it is over, unknown, or the user may no longer enter."""
    found = session.get(WebSession, _digest(token))
    if found is None or found.expires_at < now():
        return None
    user = session.get(User, found.user_name)
    return user.name if user is not None and user.disabled_at is None else None


def close_session(session: Session, token: str) -> None:
    """Log out."""
    session.execute(delete(WebSession).where(WebSession.token_sha256 == _digest(token)))


def close_sessions_of(session: Session, user: str) -> None:
    """Log ``user`` out everywhere."""
    session.execute(delete(WebSession).where(WebSession.user_name == user))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
