"""A dashboard over a filled catalogue."""

import re
from pathlib import Path
from typing import NamedTuple

from fastapi.testclient import TestClient

import web_samples
from miqanet_core.listener.catalogue import Catalogue
from miqanet_core.web import create_app


class Site(NamedTuple):
    """A dashboard's catalogue, its folder, and the ids of its series."""

    catalogue: Catalogue
    folder: Path
    ids: dict[str, int]

    def client(self, address: str = "127.0.0.1", **web: object) -> TestClient:
        """Somebody who is not logged in, at this dashboard with these settings."""
        settings = web_samples.settings_of(self.folder, **web)
        app = create_app(settings, self.catalogue)
        return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False, client=(address, 4711))


def csrf_in(text: str) -> str:
    """The token in a page's form."""
    found = re.search(r'name="csrf" value="([\w-]{32,})"', text)
    assert found
    return found[1]
