"""The two cookies: who is logged in, and the token that a change must carry beside it."""

from __future__ import annotations

import secrets

from fastapi import Request, Response

from miqanet_core.web.dashboard import dashboard_of

_LOGIN, _CSRF = "miqa-login", "miqa-csrf"


def _name(request: Request, name: str) -> str:
    # Under the prefix a browser takes the cookie only by HTTPS and from this very host, not from a neighbour's.
    return f"__Host-{name}" if _secure(request) else name


def _secure(request: Request) -> bool:
    return dashboard_of(request).proxies.origin_of(request).secure


def _set(request: Request, response: Response, name: str, value: str) -> None:
    response.set_cookie(_name(request, name), value, path="/", secure=_secure(request), httponly=True, samesite="lax")


def login_token(request: Request) -> str:
    """The log-in's token, "" without one."""
    return request.cookies.get(_name(request, _LOGIN), "")


def set_login(request: Request, response: Response, token: str) -> None:
    """Remember the log-in until the browser closes; the catalogue ends it earlier."""
    _set(request, response, _LOGIN, token)


def forget_login(request: Request, response: Response) -> None:
    """Take the cookie away."""
    name = _name(request, _LOGIN)
    response.delete_cookie(name, path="/", secure=_secure(request), httponly=True, samesite="lax")


def csrf_token(request: Request) -> str:
    """The token that forms on this page carry; made when the browser has none yet (:func:`keep_csrf` sends it)."""
    if not hasattr(request.state, "csrf"):
        known = request.cookies.get(_name(request, _CSRF), "")
        request.state.csrf_is_new = len(known) < 32
        request.state.csrf = secrets.token_urlsafe(32) if request.state.csrf_is_new else known
    return str(request.state.csrf)


def keep_csrf(request: Request, response: Response) -> None:
    """Send the token to the browser if it is new."""
    csrf_token(request)
    if request.state.csrf_is_new:
        _set(request, response, _CSRF, request.state.csrf)


def renew_csrf(request: Request, response: Response) -> None:
    """A new token at log-in: what somebody planted before is worth nothing after."""
    _set(request, response, _CSRF, secrets.token_urlsafe(32))


def csrf_fits(request: Request, sent: str) -> bool:
    """Whether a change carries the token that its cookie holds, and no other site's page sent it."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    known = request.cookies.get(_name(request, _CSRF), "")
    return len(known) >= 32 and secrets.compare_digest(known.encode(), sent.encode())
