"""Checking a password, not more often than a person would try."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from miqanet_core.listener.catalogue import AuditEntry, Catalogue, User, now
from miqanet_core.listener.catalogue.people import note
from miqanet_core.web.passwords import is_right

FAILED = "login-failed"
WINDOW = timedelta(minutes=5)
MOST_OF_A_NAME, MOST_OF_AN_ADDRESS = 10, 30


class TooManyTries(Exception):
    """So many wrong passwords for this name, or from this address, that the next must wait."""


def check_password(catalogue: Catalogue, name: str, password: str, address: str) -> bool:
    """Whether it is right; a wrong one is kept in the audit log. TooManyTries after ten for a name, thirty from an address."""
    with catalogue.read() as session:
        user = session.get(User, name)
        recent = select(func.count()).where(AuditEntry.action == FAILED, AuditEntry.at > now() - WINDOW)
        of_address = session.scalar(recent.where(AuditEntry.address == address)) or 0
        of_name = session.scalar(recent.where(AuditEntry.person == name)) or 0 if user else 0
    if of_address >= MOST_OF_AN_ADDRESS or of_name >= MOST_OF_A_NAME:
        raise TooManyTries
    right = is_right(user, password)
    if not right:
        with catalogue.write() as session:
            # An unknown name is not kept: people type their password into the wrong field.
            note(session, user.name if user else "", FAILED, address=address)
    return right
