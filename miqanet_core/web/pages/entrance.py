"""Logging in and out, and whether the dashboard is alive: what needs no log-in, and holds no patient data."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from sqlalchemy import func, select

from miqanet_core.listener.catalogue import User
from miqanet_core.listener.catalogue.people import note
from miqanet_core.web import cookies
from miqanet_core.web.access import Somebody, form_is_ours, person_of
from miqanet_core.web.dashboard import TheDashboard
from miqanet_core.web.logins import check_password
from miqanet_core.web.render import page
from miqanet_core.web.sessions import close_session, open_session

router = APIRouter(include_in_schema=False)


def login_address(wish: str) -> str:
    """The log-in page that leads to ``wish`` afterwards."""
    return "/login" if wish == "/" else f"/login?{urlencode({'next': wish})}"


@router.get("/login")
def login_page(request: Request, dashboard: TheDashboard, next: str = "/") -> Response:
    if person_of(request) is not None:
        return RedirectResponse(_inside(next), 303)
    with dashboard.catalogue.read() as session:
        nobody_yet = not session.scalar(select(func.count()).select_from(User))
    return page(request, "login.html", next=_inside(next), wrong=False, nobody_yet=nobody_yet)


@router.post("/login", dependencies=[Depends(form_is_ours)])
def log_in(
    request: Request,
    dashboard: TheDashboard,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    name, address = name.strip(), dashboard.proxies.origin_of(request).address
    if not check_password(dashboard.catalogue, name, password, address):
        return page(request, "login.html", 401, next=_inside(next), wrong=True, nobody_yet=False)
    with dashboard.catalogue.write() as session:
        token = open_session(session, name, dashboard.settings.web.session_hours)
        note(session, name, "login", address=address)
    response = RedirectResponse(_inside(next), 303)
    cookies.set_login(request, response, token)
    cookies.renew_csrf(request, response)
    return response


@router.post("/logout", dependencies=[Depends(form_is_ours)])
def log_out(request: Request, dashboard: TheDashboard, person: Somebody) -> Response:
    with dashboard.catalogue.write() as session:
        close_session(session, cookies.login_token(request))
        note(session, person.name, "logout", address=dashboard.proxies.origin_of(request).address)
    response = RedirectResponse("/login", 303)
    cookies.forget_login(request, response)
    return response


@router.get("/alive")
def alive(dashboard: TheDashboard) -> Response:
    """For a supervisor: answers while the catalogue can be read."""
    with dashboard.catalogue.read() as session:
        session.execute(select(1))
    return PlainTextResponse("ok\n")


def _inside(address: str) -> str:
    """The address if it is one of ours, else the first page: nobody is led astray after the log-in."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if inside and "\\" not in address else "/"
