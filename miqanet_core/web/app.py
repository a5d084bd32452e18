"""The application put together: the public router by itself, every other one behind the log-in."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from miqanet_core.listener.catalogue import Catalogue
from miqanet_core.listener.settings import Settings
from miqanet_core.version import version
from miqanet_core.web import api, render
from miqanet_core.web.access import ForgedRequest, LoginNeeded, needs_login
from miqanet_core.web.dashboard import Dashboard
from miqanet_core.web.hardening import Hardening
from miqanet_core.web.logins import TooManyTries
from miqanet_core.web.pages import entrance, monitoring, queue, reviewing, rooms, series, trends, worklist

_API = "What the dashboard shows, as JSON. Log in as in a browser, or send name and password (HTTP Basic). A research tool."


def create_app(settings: Settings, catalogue: Catalogue | None = None) -> FastAPI:
    """The dashboard as an ASGI application. ``catalogue``: an open one; without it, that of the settings is opened.

    CatalogueError when it cannot be opened; InputError when the policy cannot be read.
    """
    dashboard = Dashboard(settings, (catalogue or Catalogue(settings.database_url)).create())
    _ = dashboard.policy, dashboard.proxies  # mistakes in the settings show now, not on the first page
    app = FastAPI(
        title="MIQA", version=version(), description=_API, docs_url=None, redoc_url=None, openapi_url=None,
        generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    app.state.dashboard = dashboard
    app.include_router(entrance.router)
    for router in _open_or_not(dashboard):
        app.include_router(router)
    for module in (worklist, series, reviewing, trends, queue, api):
        app.include_router(module.router, dependencies=[Depends(needs_login)])
    app.mount("/static", _Static(directory=str(resources.files("miqanet_core.web").joinpath("static"))), name="static")
    app.add_middleware(Hardening, hosts=_hosts(settings), https=settings.web.certificate is not None)
    for kind, answer in _PROBLEMS.items():
        app.add_exception_handler(kind, answer)
    return app


def _open_or_not(dashboard: Dashboard) -> Iterator[APIRouter]:
    """Pages without patient data, which a site may open to everybody who reaches the dashboard."""
    open_pages = dashboard.settings.web.open_pages
    for name, module in (("scanner-room", rooms), ("metrics", monitoring)):
        router = APIRouter(dependencies=[] if name in open_pages else [Depends(needs_login)])
        router.include_router(module.router)
        yield router


def _hosts(settings: Settings) -> set[str] | None:
    """The names the dashboard answers to while nobody needs to log in; None: all."""
    web = settings.web
    try:
        loopback = ip_address(web.address).is_loopback
    except ValueError:
        loopback = web.address == "localhost"
    if web.login or not loopback:
        return None
    known = urlsplit(settings.notifications.dashboard_url).hostname
    return {"localhost", "127.0.0.1", "::1", web.address} | ({known} if known else set())


class _Static(StaticFiles):
    def file_response(self, *args, **kwargs) -> Response:
        """Addresses carry the build, so they may be kept."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response


def _of_api(request: Request) -> bool:
    return request.url.path.startswith("/api/") or request.url.path == "/metrics"


def _login_needed(request: Request, error: Exception) -> Response:
    if _of_api(request):
        return JSONResponse({"detail": "log in first, or send name and password (HTTP Basic)"}, 401)
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    wish = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(entrance.login_address(wish if request.method == "GET" else "/"), 303)


def _problem(request: Request, status: int, title: str, text: str, headers: dict[str, str] | None = None) -> Response:
    if _of_api(request):
        return JSONResponse({"detail": f"{title}: {text}"}, status, headers)
    response = render.page(request, "problem.html", status, title=title, text=text)
    response.headers.update(headers or {})
    return response


def _forged(request: Request, error: Exception) -> Response:
    text = "The form was too old, or another site sent it. Nothing was changed. Go back, reload the page and try again."
    return _problem(request, 403, "Not done", text)


def _too_many(request: Request, error: Exception) -> Response:
    text = "There were too many wrong passwords. Wait five minutes and try again."
    return _problem(request, 429, "Wait a little", text, {"Retry-After": "300"})


def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = {404: "Not here", 405: "Not possible", 409: "Something newer came"}.get(error.status_code, "Not possible")
    text = "There is nothing at this address." if error.detail == "Not Found" else str(error.detail)
    return _problem(request, error.status_code, title, text, dict(error.headers or {}))


def _bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return _problem(request, 422, "Not understood", f"{first['loc'][-1]}: {first['msg'].lower()}")


_PROBLEMS = {
    LoginNeeded: _login_needed,
    ForgedRequest: _forged,
    TooManyTries: _too_many,
    HTTPException: _http_problem,
    RequestValidationError: _bad_request,
}
