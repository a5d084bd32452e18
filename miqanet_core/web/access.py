"""Who may see what: dependencies that every router but the public one carries."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Header, Request

from miqanet_core.web import cookies
from miqanet_core.web.dashboard import Dashboard, dashboard_of
from miqanet_core.web.logins import check_password
from miqanet_core.web.sessions import user_of


class LoginNeeded(Exception):
    """Nobody is logged in."""


class ForgedRequest(Exception):
    """A change without the token of a page of ours."""


@dataclass(frozen=True)
class Person:
    """Who asks. ``name`` is "" where logging in is switched off; ``by_password``: a script that sent name and password."""

    name: str
    by_password: bool = False


def person_of(request: Request) -> Person | None:
    """Who asks: by the header of a believed proxy, by cookie, or for scripts by name and password; None: nobody we know."""
    dashboard = dashboard_of(request)
    web = dashboard.settings.web
    if web.user_header and dashboard.proxies.origin_of(request).proxied:
        name = request.headers.get(web.user_header, "").strip()[:80]
        if name:
            return Person(name)
    if not web.login:
        return Person("")
    token = cookies.login_token(request)
    if token:
        with dashboard.catalogue.read() as session:
            found = user_of(session, token)
        if found is not None:
            return Person(found)
    if request.url.path.startswith("/api/") or request.url.path == "/metrics":
        return _by_password(request, dashboard)
    return None


def _by_password(request: Request, dashboard: Dashboard) -> Person | None:
    """HTTP Basic, never asked for with a challenge: so no browser sends it by itself, and no other site can make it do so."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    address = dashboard.proxies.origin_of(request).address
    return Person(name, by_password=True) if check_password(dashboard.catalogue, name, password, address) else None


def needs_login(request: Request) -> Person:
    """The person; LoginNeeded without one."""
    person = person_of(request)
    if person is None:
        raise LoginNeeded
    return person


Somebody = Annotated[Person, Depends(needs_login)]


def form_is_ours(request: Request, csrf: Annotated[str, Form()] = "") -> None:
    """For changes by a form."""
    if not cookies.csrf_fits(request, csrf):
        raise ForgedRequest


def script_is_ours(request: Request, person: Somebody, x_csrf_token: Annotated[str, Header()] = "") -> None:
    """For changes through the API: a browser sends the token in a header, a script its name and password."""
    if not person.by_password and not cookies.csrf_fits(request, x_csrf_token):
        raise ForgedRequest
