"""A dashboard over a filled catalogue, and somebody who is logged in."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

for needed in ("fastapi", "argon2", "prometheus_client", "sqlalchemy", "pydantic"):
    pytest.importorskip(needed)

from fastapi.testclient import TestClient  # noqa: E402
from sqlalchemy import select  # noqa: E402

import web_samples  # noqa: E402
from miqanet_core.listener.catalogue import Catalogue, Heartbeat, now  # noqa: E402
from miqanet_core.web import add_user  # noqa: E402
from web_site import Site, csrf_in  # noqa: E402


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """Filled once; each test works on a copy."""
    folder = tmp_path_factory.mktemp("filled")
    catalogue = Catalogue.in_folder(folder).create()
    ids = web_samples.fill(catalogue, folder)
    add_user(catalogue, web_samples.USER, web_samples.PASSWORD)
    catalogue.close()
    return folder, ids


@pytest.fixture
def site(filled: tuple[Path, dict[str, int]], tmp_path: Path) -> Iterator[Site]:
    folder, ids = filled
    shutil.copytree(folder, tmp_path / "site")
    catalogue = Catalogue.in_folder(tmp_path / "site").create()
    with catalogue.write() as session:
        for beat in session.scalars(select(Heartbeat)):
            beat.seen_at = now()
    yield Site(catalogue, tmp_path / "site", ids)
    catalogue.close()


@pytest.fixture
def log_in() -> Callable[[TestClient], str]:
    """Logs the client in; returns the token for its next change."""

    def run(client: TestClient) -> str:
        token = csrf_in(client.get("/login").text)
        values = {"name": web_samples.USER, "password": web_samples.PASSWORD, "csrf": token}
        assert client.post("/login", data=values).status_code == 303
        return csrf_in(client.get("/").text)

    return run
