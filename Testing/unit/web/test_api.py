"""The JSON API: shapes, identity only when asked for, reviews by scripts."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel

import web_samples
from miqanet_core.quality import SeriesQuality
from miqanet_core.web.api.documents import FullSeries, HealthDocument, RoomDocument, TrendDocument, Worklist
from web_site import Site


@pytest.fixture
def script(site: Site) -> TestClient:
    client = site.client()
    client.auth = (web_samples.USER, web_samples.PASSWORD)
    return client


def strictly(kind: type[BaseModel], document: dict[str, Any]) -> Any:
    """The document, which must have the fields of its kind and no others."""
    assert document.keys() == kind.model_fields.keys()
    return kind.model_validate(document)


def test_the_worklist(script: TestClient, site: Site) -> None:
    document = strictly(Worklist, script.get("/api/series?sort=worst&show=flagged").json())
    assert [one.id for one in document.series] == [site.ids["poor"], site.ids["flagged"]]
    quality = web_samples.scored()[1][1]
    assert quality.interval is not None
    assert document.series[1].result.score == pytest.approx(quality.score)
    assert document.series[1].interval == pytest.approx(quality.interval[:2])
    assert script.get("/api/series?sort=ugliest").status_code == 422


def test_a_series_holds_what_the_command_line_writes(script: TestClient, site: Site) -> None:
    document = strictly(FullSeries, script.get(f"/api/series/{site.ids['flagged']}").json())
    assert [version.version for version in document.versions] == [2, 1]
    quality = SeriesQuality.from_dict(document.stacks[0].quality)
    assert quality.to_dict() == web_samples.scored()[1][1].to_dict()
    assert script.get(document.stacks[0].slice_picture.format(index=0)).status_code == 303  # pictures need a browser's log-in
    assert script.get("/api/series/999").json() == {"detail": "Not here: there is no such series"}


def test_identity_is_told_only_when_asked_for(script: TestClient, site: Site) -> None:
    for address in ("/api/series", f"/api/series/{site.ids['flagged']}"):
        assert web_samples.PATIENT not in script.get(address).text
        assert web_samples.PATIENT in script.get(address, params={"identity": "true"}).text


def test_trends_scanners_and_health(script: TestClient, site: Site) -> None:
    web_samples.add_history(site.catalogue, [90.0 + i % 5 for i in range(30)], scanner="MR9")
    first = strictly(TrendDocument, script.get("/api/trends", params={"scanner": "MR9"}).json()[0])
    assert (first.scanner, first.protocol) == ("MR9", web_samples.PROTOCOL)
    assert first.low < first.centre < first.high
    lights = {room["scanner"]: strictly(RoomDocument, room).light for room in script.get("/api/scanners").json()}
    assert lights[web_samples.SCANNER] == "yellow"
    state = strictly(HealthDocument, script.get("/api/health").json())
    assert state.jobs.given_up == 1
    assert state.troubles == ["2 tasks were given up: see below."]


def test_a_script_reviews_and_must_be_sure_to_reject(script: TestClient, site: Site) -> None:
    result = script.get(f"/api/series/{site.ids['poor']}").json()["result"]["id"]
    address = f"/api/results/{result}/review"
    assert script.post(address, json={"action": "reject", "comment": "ghosts"}).status_code == 422
    assert script.post(address, json={"action": "praise"}).status_code == 422
    answer = script.post(address, json={"action": "reject", "comment": "ghosts", "sure": True, "name": "somebody else"})
    assert answer.status_code == 201
    assert answer.json()["person"] == web_samples.USER
    after = script.get(f"/api/series/{site.ids['poor']}").json()
    assert [(d["what"], d["destination"]) for d in after["deliveries"]] == [("result", "archive"), ("rejection", "archive")]


def test_the_description_names_every_address_and_is_served_here(script: TestClient) -> None:
    document = script.get("/api/openapi.json").json()
    assert set(document["paths"]) == {
        "/api/series", "/api/series/{series_id}", "/api/results/{result_id}/review", "/api/trends", "/api/scanners",
        "/api/health",
    }  # fmt: skip
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"]
