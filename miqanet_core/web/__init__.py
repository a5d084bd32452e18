"""The dashboard: worklist, series, trends, scanner room, queue and health, and the same data as a JSON API.

``create_app(settings)`` makes the ASGI application, ``serve(settings)`` runs it until it is told to stop, ``add_user`` lets
somebody in, ``disable_user`` shuts them out. It only reads the catalogue, but for what people do: reviews, retries, logins.
Needs the extra ``listener``.
"""

from miqanet_core.web.app import create_app
from miqanet_core.web.passwords import add_user
from miqanet_core.web.server import serve
from miqanet_core.web.users import all_users, disable_user, enable_user

__all__ = ["add_user", "all_users", "create_app", "disable_user", "enable_user", "serve"]
