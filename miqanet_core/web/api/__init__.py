"""The same data as JSON, for scripts; its description is at ``/api/openapi.json`` and, for people, at ``/api``."""

from miqanet_core.web.api.routes import router

__all__ = ["router"]
