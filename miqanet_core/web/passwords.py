"""Passwords of local users: argon2id, with the library's parameters (RFC 9106's second choice)."""

from __future__ import annotations

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from miqanet_core.listener.catalogue import Catalogue, User
from miqanet_core.web.sessions import close_sessions_of

SHORTEST, LONGEST = 12, 1024
NAME_LONGEST = 80

_hasher = PasswordHasher()
# One at a time: each takes 64 MiB, and many at once would be a way to bring the machine down.
_one_at_a_time = threading.Lock()


def add_user(catalogue: Catalogue, name: str, password: str) -> bool:
    """Let ``name`` in with this password; one that is known gets the new password and is logged out. True when it is new.

    ValueError, fit to be shown, for a name or a password that will not do.
    """
    name = name.strip()
    if not name or len(name) > NAME_LONGEST or not name.isprintable():
        raise ValueError(f"a user's name has 1 to {NAME_LONGEST} printable characters")
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"a password has {SHORTEST} to {LONGEST} characters; a few words in a row are easy to remember")
    digest = _hasher.hash(password)
    with catalogue.write() as session:
        user = session.get(User, name)
        if user is None:
            session.add(User(name=name, password_hash=digest))
            return True
        user.password_hash, user.disabled_at = digest, None
        close_sessions_of(session, name)
        return False


def is_right(user: User | None, password: str) -> bool:
    """Whether this is the user's password; takes as long for a user that does not exist."""
    with _one_at_a_time:
        try:
            _hasher.verify(user.password_hash if user else _nobody(), password[: LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False
    return user is not None and user.disabled_at is None


@cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")
