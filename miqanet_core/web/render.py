"""Pages from templates: every text from outside is escaped, every form carries its token."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from miqanet_core.listener.catalogue import now
from miqanet_core.listener.catalogue.order import Sort
from miqanet_core.policy import format_score
from miqanet_core.presenter import moment_text, person_name
from miqanet_core.quality import Verdict, in_words
from miqanet_core.report.figures import colour_stops
from miqanet_core.report.html import ICON, LABEL, MEANING
from miqanet_core.version import version
from miqanet_core.web import access, cookies
from miqanet_core.web.worklist import Show


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """The template as an answer."""
    person = access.person_of(request)
    text = _environment().get_template(template).render(
        values, path=request.url.path, person=person, csrf=cookies.csrf_token(request)
    )  # fmt: skip
    response = HTMLResponse(text, status)
    cookies.keep_csrf(request, response)
    return response


def live_part(request: Request, template: str, **values: Any) -> Response:
    """A part of a page that asks for itself again and again: 204, which changes nothing, when it is as the page has it."""
    text = _environment().get_template(template).render(values, csrf=cookies.csrf_token(request))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    if request.query_params.get("seen") == digest:
        return Response(status_code=204)
    return HTMLResponse(text, headers={"X-Part": digest})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("miqanet_core", "web/templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(
        score=format_score,
        words=in_words,
        ago=_ago,
        moment=moment_text,
        verdict=Verdict,
        show=Show,
        sort_by=Sort,
        person=person_name,
        with_code=_with_code,
        gib=_gib,
    )
    environment.globals.update(
        icon=ICON, label=LABEL, meaning=MEANING, version=version(), build=_build(), colours=colour_stops(), Verdict=Verdict
    )
    return environment


@cache
def _build() -> str:
    """Changes with the static files, so that no browser keeps old ones."""
    digest = hashlib.sha256()
    for file in sorted(resources.files("miqanet_core.web").joinpath("static").iterdir(), key=lambda f: f.name):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _ago(at: datetime) -> str:
    """``3 min ago``."""
    seconds = (now() - at).total_seconds()
    if seconds < 60:
        return "just now"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return ""


def _with_code(text: str) -> Markup:
    """Words between back quotes as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def _gib(size: float) -> str:
    return f"{size / (1 << 30):.1f} GiB"
