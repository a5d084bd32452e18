"""What every page needs: the settings, the catalogue, the policy; found through the request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, cast

from fastapi import Depends, Request

from miqanet_core.listener.catalogue import Catalogue
from miqanet_core.listener.settings import Settings
from miqanet_core.policy import Policy
from miqanet_core.web.origin import Proxies
from miqanet_core.web.pictures import Pictures


@dataclass(frozen=True)
class Dashboard:
    """One for each application."""

    settings: Settings
    catalogue: Catalogue

    @cached_property
    def policy(self) -> Policy:
        """The thresholds that are in force now."""
        path = self.settings.scoring.policy
        return Policy.load(path) if path else Policy.default()

    @cached_property
    def proxies(self) -> Proxies:
        """The reverse proxies that are believed."""
        return Proxies.at(self.settings.web.proxy_addresses)

    @cached_property
    def pictures(self) -> Pictures:
        """Slices and maps."""
        return Pictures(self.settings.storage.results)


def dashboard_of(request: Request) -> Dashboard:
    """The dashboard that answers the request."""
    return cast(Dashboard, request.app.state.dashboard)


TheDashboard = Annotated[Dashboard, Depends(dashboard_of)]
