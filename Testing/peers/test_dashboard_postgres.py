"""The dashboard on a catalogue in PostgreSQL: the same pages and figures as on SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

for needed in ("psycopg", "fastapi", "argon2", "prometheus_client", "sqlalchemy"):
    pytest.importorskip(needed)

from fastapi.testclient import TestClient  # noqa: E402

import web_samples  # noqa: E402
from miqanet_core.listener.catalogue import Catalogue  # noqa: E402
from miqanet_core.web import add_user, create_app  # noqa: E402
from postgres_server import running_postgres  # noqa: E402


@pytest.fixture(scope="module")
def catalogue() -> Iterator[Catalogue]:
    with running_postgres() as server:
        made = Catalogue(server.url).create()
        yield made
        made.close()


def test_what_it_shows(catalogue: Catalogue, tmp_path: Path) -> None:
    ids = web_samples.fill(catalogue, tmp_path)
    web_samples.add_history(catalogue, [90.0 + i % 5 for i in range(30)], scanner="MR9")
    add_user(catalogue, web_samples.USER, web_samples.PASSWORD)
    app = create_app(web_samples.settings_of(tmp_path), catalogue)
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    client.auth = (web_samples.USER, web_samples.PASSWORD)

    worst = client.get("/api/series?sort=worst&show=open&text=EP2D").json()
    assert [one["id"] for one in worst["series"]] == [ids["poor"], ids["flagged"]]
    quality = web_samples.scored()[1][1]
    assert quality.interval is not None
    assert worst["series"][1]["interval"] == pytest.approx(quality.interval[:2])
    assert client.get("/api/series?text=%25").json()["total"] == 0
    assert client.get("/api/trends?scanner=MR9").json()[0]["reference"] == 30
    lights = {room["scanner"]: room["light"] for room in client.get("/api/scanners").json()}
    assert lights[web_samples.SCANNER] == "yellow"
    assert client.get("/api/health").json()["jobs"]["given_up"] == 1
    assert "miqanet_flagged_unreviewed 2.0" in client.get("/metrics").text

    result = client.get(f"/api/series/{ids['poor']}").json()["result"]["id"]
    said = {"action": "reject", "comment": "ghosts", "sure": True}
    assert client.post(f"/api/results/{result}/review", json=said).status_code == 201
    after = client.get(f"/api/series/{ids['poor']}").json()
    assert [entry["action"] for entry in after["audit"]] == ["reject"]
    assert after["deliveries"][-1]["what"] == "rejection"
