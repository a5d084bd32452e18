"""What every answer carries, and what no request may: headers, a small body, a host that is ours."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 65536

_CONTENT = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Hardening:
    """ASGI middleware. ``hosts``: the only names by which the dashboard answers; None: any.

    Without a login, a page on the internet whose name points at 127.0.0.1 could read what is here (DNS rebinding): so then
    only the names that are ours are answered.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, https: bool) -> None:
        self.app, self.hosts, self.https = app, hosts, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def harden(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if self.https:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                # Patient data stays out of the caches of shared workstations.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, harden)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if self.hosts is not None and _name_of(headers.get("host", "")) not in self.hosts:
            return PlainTextResponse("This host name is not one of the dashboard's; see notifications.dashboard_url.", 421)
        if "transfer-encoding" in headers:
            return PlainTextResponse("A request must say how long it is.", 411)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return PlainTextResponse("The request is too large.", 413)
        return None


def _name_of(host: str) -> str:
    """``"[::1]:80"`` -> ``"::1"``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
