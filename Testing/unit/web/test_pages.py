"""What pages show, what they never show, and what people do on them."""

import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import escape

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

import web_samples
from miqanet_core.listener.catalogue import (
    AuditEntry,
    Heartbeat,
    Incident,
    Job,
    OutboxEntry,
    Result,
    Series,
    StackResult,
    heartbeats,
    now,
)
from miqanet_core.report.figures import radiological
from web_site import Site, csrf_in

IDENTITY = (web_samples.NAME, web_samples.PATIENT, web_samples.ACCESSION, "Ptolemy", "1.2.3")


@pytest.fixture
def client(site: Site, log_in: Callable[[TestClient], str]) -> TestClient:
    made = site.client()
    made.headers["x-token-for-tests"] = log_in(made)
    return made


def token(client: TestClient) -> str:
    return str(client.headers["x-token-for-tests"])


def newest(site: Site, name: str) -> Result:
    with site.catalogue.read() as session:
        return session.scalars(
            select(Result).where(Result.series_id == site.ids[name]).order_by(Result.version.desc()).limit(1)
        ).one()


def pages(site: Site) -> list[str]:
    series = [f"/series/{number}" for number in site.ids.values()]
    return ["/", "/?sort=worst&show=open", *series, "/trends", "/scanner-room", "/queue", "/api", "/nothing", "/series/99"]


def test_every_page_says_that_it_is_a_research_tool(client: TestClient, site: Site) -> None:
    for address in ["/login", *pages(site)]:
        text = (site.client() if address == "/login" else client).get(address).text
        assert "a research tool, not a medical device" in text, address


def test_pages_load_nothing_from_elsewhere_and_hold_no_script_or_style_of_their_own(client: TestClient, site: Site) -> None:
    for address in pages(site):
        text = client.get(address).text
        assert re.findall(r'(?:src|href)="(?!/|#)', text) == [], address
        assert re.findall(r"<script(?![^>]*(src=|application/json))", text) == []
        assert re.findall(r"<[^>]+\s(style|on\w+)=", text) == []
        for name in re.findall(r'(?:src|href)="(/static/[^"?]+)', text):
            assert client.get(name).status_code == 200, name


def test_markup_in_a_header_is_shown_as_text(client: TestClient, site: Site) -> None:
    shown = 0
    for address in [*pages(site), "/worklist-part", "/queue-part", "/scanner-room-part", "/?text=" + web_samples.MARKUP]:
        text = client.get(address).text
        assert "<img src=x" not in text, address
        assert "<i>HEAD" not in text, address
        shown += escape(web_samples.MARKUP, quote=False).replace('"', "&#34;") in text
    assert shown >= 3


def test_markup_in_a_comment_is_shown_as_text(client: TestClient, site: Site) -> None:
    values = {"action": "dismiss", "comment": web_samples.MARKUP, "csrf": token(client)}
    assert client.post(f"/results/{newest(site, 'flagged').id}/review", data=values).status_code == 303
    text = client.get(f"/series/{site.ids['flagged']}").text
    assert "<img src=x" not in text
    assert "&lt;b&gt;T2 tra" in text


def test_the_scanner_room_and_what_is_open_name_no_patient(client: TestClient, site: Site) -> None:
    with site.catalogue.write() as session:
        for series in session.scalars(select(Series)):
            series.description = series.protocol_name = "Ptolemy knee"
    opened = site.client(open_pages=["scanner-room", "metrics"])
    for address in ("/scanner-room", "/scanner-room-part", "/metrics", "/login", "/alive"):
        text = opened.get(address).text
        for secret in (*IDENTITY, "knee", "ep2d"):
            assert secret not in text, (address, secret)
    assert not any(secret in client.get("/api/scanners").text for secret in IDENTITY)


def test_the_scanner_room_shows_the_last_series_of_each_scanner(client: TestClient, site: Site) -> None:
    text = client.get("/scanner-room").text
    assert {(scanner, light) for light, scanner in re.findall(r'lamp-card (\w+)">\s*<h2>([^<]+)', text)} == {
        (web_samples.SCANNER, "yellow"),
        (web_samples.OTHER_SCANNER, "green"),
        ("GE Signa, MR3", "waiting"),
    }
    assert "7 images received, 5 slices looked at" in text
    one = client.get("/scanner-room", params={"scanner": web_samples.SCANNER}).text
    assert one.count("lamp-card") == 1


def test_the_worklist_is_sorted_and_filtered(client: TestClient, site: Site) -> None:
    def listed(query: str) -> list[int]:
        return [int(number) for number in re.findall(r'id="series-(\d+)"', client.get(f"/?{query}").text)]

    ids = site.ids
    assert listed("")[0] == ids["arriving"]
    assert listed("sort=worst")[:2] == [ids["poor"], ids["flagged"]]
    assert set(listed("show=flagged")) == {ids["poor"], ids["flagged"]}
    assert set(listed("scanner=Philips+Ingenia%2C+MR1")) == {ids["good"]}
    assert listed("verdict=limited") == [ids["flagged"]]
    assert listed("text=mprage") == [ids["good"]]
    assert listed("text=%25") == []  # a wildcard of the database is a letter like others
    assert listed("day=2001-01-01") == []
    assert listed("text=Ptolemy") == []  # a patient is not looked for in an address
    assert client.get("/?day=nonsense").status_code == 422
    today = datetime.now().date().isoformat()
    assert len(listed(f"day={today}") + listed("day=" + (datetime.now() - timedelta(days=1)).date().isoformat())) == 6
    values = {"action": "confirm", "csrf": token(client)}
    client.post(f"/results/{newest(site, 'poor').id}/review", data=values)
    assert listed("show=open") == [ids["flagged"]]


def test_a_patient_is_found_without_getting_into_an_address(client: TestClient, site: Site) -> None:
    with site.catalogue.write() as session:
        session.get_one(Series, site.ids["good"]).patient_name = "Seleukos^Antiochos"
    found = client.post("/find", data={"patient": "seleukos", "csrf": token(client)}).text
    assert re.findall(r'id="series-(\d+)"', found) == [str(site.ids["good"])]
    assert not re.search(r'(href|hx-get|action)="[^"]*[Ss]eleukos', found)
    assert "Seleukos, Antiochos" in found


def test_a_long_worklist_has_pages(client: TestClient, site: Site) -> None:
    web_samples.add_history(site.catalogue, [90.0] * 60)
    first, second = client.get("/").text, client.get("/?page=2").text
    assert 'rel="next" href="/?page=2"' in first
    assert 'rel="prev"' in second
    both = re.findall(r'id="series-(\d+)"', first + second)
    assert len(both) == len(set(both)) == 66


def test_a_part_that_has_not_changed_is_not_sent_again(client: TestClient, site: Site) -> None:
    for address in ("/worklist-part", "/scanner-room-part", "/queue-part"):
        digest = client.get(address).headers["x-part"]
        assert client.get(address, params={"seen": digest}).status_code == 204
    with site.catalogue.write() as session:
        session.get_one(Series, site.ids["good"]).description = "something else"
    assert client.get("/worklist-part", params={"seen": "older"}).status_code == 200


def test_the_series_page_says_why(client: TestClient, site: Site) -> None:
    quality = web_samples.scored()[1][1]
    text = client.get(f"/series/{site.ids['flagged']}").text
    assert quality.interval is not None
    for said in (
        *quality.reasons,
        *quality.artifact_sentences(),
        quality.model.weights_sha256,
        "version=1",
        "Why it is flagged",
    ):
        assert escape(said) in text
    assert "You look at version 1" in client.get(f"/series/{site.ids['flagged']}?version=1").text
    assert "7 objects so far, 5 slices scored" in client.get(f"/series/{site.ids['arriving']}").text
    assert "3 of 24 files are damaged" in client.get(f"/series/{site.ids['failed']}").text
    for query in ("?version=9", "?stack=4"):
        assert client.get(f"/series/{site.ids['flagged']}{query}").status_code == 404


def test_pictures_are_the_slice_and_its_map_turned_as_people_see_them(client: TestClient, site: Site) -> None:
    series, quality = web_samples.scored()[1]
    with site.catalogue.read() as session:
        stack = session.scalars(select(StackResult.id).where(StackResult.result_id == newest(site, "flagged").id)).one()
    assert quality.map is not None
    turned = radiological(series.geometry).apply(quality.map[4])
    shown = Image.open(io.BytesIO(client.get(f"/pictures/{stack}/map/4.png").content)).convert("RGBA")
    pixels = np.asarray(shown)
    assert pixels.shape[:2] == turned.shape
    np.testing.assert_array_equal(pixels[..., 3] == 0, np.isnan(turned))
    worst, best = np.nanargmin(turned), np.nanargmax(turned)
    rows = pixels.reshape(-1, 4).astype(int)
    assert rows[worst, :3].sum() > rows[best, :3].sum()  # bad is bright
    grey = Image.open(io.BytesIO(client.get(f"/pictures/{stack}/slice/4.png").content))
    assert grey.mode == "L"
    assert grey.size == shown.size
    for address in (f"/pictures/{stack}/slice/99.png", f"/pictures/{stack}/map/-1.png", "/pictures/999/slice/0.png"):
        assert client.get(address).status_code in (404, 422)


def test_a_map_file_outside_the_results_is_not_read(client: TestClient, site: Site) -> None:
    with site.catalogue.write() as session:
        stack = session.scalars(select(StackResult)).first()
        assert stack is not None
        stack.map_file = "../catalogue.sqlite"
        number = stack.id
    with pytest.raises(ValueError, match="outside"):
        client.get(f"/pictures/{number}/slice/0.png")


def test_confirm_and_dismiss_are_kept_with_name_and_comment(client: TestClient, site: Site) -> None:
    result = newest(site, "flagged")
    for action, comment in (("confirm", ""), ("dismiss", "Flow void, looks fine.")):
        answer = client.post(f"/results/{result.id}/review", data={"action": action, "comment": comment, "csrf": token(client)})
        assert answer.status_code == 303
    with site.catalogue.read() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.result_id == result.id).order_by(AuditEntry.id)).all()
    assert [(e.person, e.action, e.comment) for e in entries] == [
        (web_samples.USER, "confirm", ""),
        (web_samples.USER, "dismiss", "Flow void, looks fine."),
    ]
    assert newest(site, "flagged").review == "dismiss"
    text = client.get(f"/series/{site.ids['flagged']}").text
    assert "Flow void, looks fine." in text
    assert "Dismissed" in text


def test_a_rejection_is_asked_for_twice_and_goes_to_the_archives_of_this_scanner(client: TestClient, site: Site) -> None:
    result = newest(site, "poor")
    address = f"/results/{result.id}/review"
    values = {"action": "reject", "comment": "Ghosts everywhere.", "csrf": token(client)}
    question = client.post(address, data=values).text
    assert "113001" in question
    assert "Rejected for Quality Reasons" in question
    assert "hide the images" in question
    assert newest(site, "poor").review == ""
    sure = values | {"sure": "true"}
    assert client.post(address, data=sure | {"comment": " "}).status_code == 422
    assert client.post(address, data=sure | {"csrf": csrf_in(question)}).status_code == 303
    with site.catalogue.read() as session:
        asked = session.scalars(select(OutboxEntry).where(OutboxEntry.what == "rejection")).all()
    assert [(e.destination, e.kind, e.result_id) for e in asked] == [("archive", "dicom", result.id)]
    assert newest(site, "poor").person == web_samples.USER


def test_an_old_version_cannot_be_reviewed(client: TestClient, site: Site) -> None:
    with site.catalogue.read() as session:
        old = session.scalars(select(Result.id).where(Result.series_id == site.ids["flagged"], Result.version == 1)).one()
    answer = client.post(f"/results/{old}/review", data={"action": "confirm", "csrf": token(client)})
    assert answer.status_code == 409
    assert "newest version" in answer.text
    assert client.post("/results/999/review", data={"action": "confirm", "csrf": token(client)}).status_code == 404


def test_what_was_given_up_is_tried_again(client: TestClient, site: Site) -> None:
    text = client.get("/queue").text
    assert "reading took longer than 120 s" in text
    assert "the archive refuses the association" in text
    for kind, number in re.findall(r'action="/queue/(\w+)/(\d+)/retry"', text):
        address = f"/queue/{kind}/{number}/retry"
        assert client.post(address, data={"csrf": token(client)}).status_code == 303
        assert client.post(address, data={"csrf": token(client)}).status_code == 409
    with site.catalogue.read() as session:
        assert session.scalars(select(Job)).one().dead_at is None
        assert session.scalars(select(OutboxEntry)).one().dead_at is None
        retried = session.scalars(select(AuditEntry).where(AuditEntry.action == "retry")).all()
    assert {(e.person, e.comment, e.series_id) for e in retried} == {
        (web_samples.USER, "scoring", site.ids["failed"]),
        (web_samples.USER, "result to archive", site.ids["poor"]),
    }


def test_an_incident_is_marked_as_seen(client: TestClient, site: Site) -> None:
    with site.catalogue.read() as session:
        number = session.scalars(select(Incident.id)).one()
    assert client.post(f"/incidents/{number}/seen", data={"csrf": token(client)}).status_code == 303
    with site.catalogue.read() as session:
        assert session.scalars(select(Incident)).one().seen_by == web_samples.USER


def test_health_says_what_needs_a_person(client: TestClient, site: Site) -> None:
    assert "2 tasks were given up" in client.get("/queue").text
    with site.catalogue.write() as session:
        for dead in (*session.scalars(select(Job)), *session.scalars(select(OutboxEntry))):
            dead.dead_at = None
    assert "Everything runs." in client.get("/queue").text


def test_health_tells_a_process_that_died_from_one_that_was_stopped(client: TestClient, site: Site) -> None:
    receiver, worker = "host receiver 1", "host worker 17"
    assert client.get("/queue").text.count('<span class="said confirm">running</span>') == 2
    with site.catalogue.write() as session:
        heartbeats.stopped(session, worker)
        session.get_one(Heartbeat, receiver).seen_at = now() - timedelta(minutes=5)
    text = client.get("/queue").text
    assert re.search(rf"{worker}</th><td>worker</td><td><span class=.said.>stopped</span> <time", text)
    assert re.search(rf"{receiver}</th><td>receiver</td><td><span class=.flag.>silent</span>, last seen <time[^>]*>5 min", text)
    state = client.get("/api/health").json()
    assert "No worker is running: nothing is scored or delivered." in state["troubles"]
    assert "No receiver is running: nothing is received." in state["troubles"]
    assert "1 process has fallen silent: see below." in state["troubles"]
    assert [(one["name"], one["alive"], one["stopped"]) for one in state["processes"]] == [
        (receiver, False, False),
        (worker, False, True),
    ]
    with site.catalogue.write() as session:
        heartbeats.beat(session, receiver, "receiver", now(), {"associations": 1})
    assert "No receiver" not in client.get("/queue").text


def test_prometheus_reads_the_figures(client: TestClient) -> None:
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}

    def value(family: str, **labels: str) -> float:
        return next(s.value for s in families[family].samples if labels.items() <= s.labels.items())

    assert value("miqanet_results", scanner=web_samples.SCANNER, verdict="limited") == 2
    assert value("miqanet_flagged_unreviewed") == 2
    assert value("miqanet_jobs", state="given_up") == 1
    assert value("miqanet_objects_received", state="sorted") == 7
    assert value("miqanet_processes", kind="worker") == 1
    assert value("miqanet_disk_free_bytes") > 0
    latency = {sample.name: sample.value for sample in families["miqanet_result_latency_seconds"].samples}
    assert latency == {"miqanet_result_latency_seconds_count": 5, "miqanet_result_latency_seconds_sum": 32.5}


def test_trends_show_limits_or_say_why_not(client: TestClient, site: Site) -> None:
    web_samples.add_history(site.catalogue, [90.0 + i % 5 for i in range(60)] + [60.0], scanner="MR9")
    text = client.get("/trends").text
    assert "the median of the first 50 series" in text
    assert "Too few series for control limits: 1 of 20" in text
    assert "Look at this" in text


def test_a_change_of_the_model_is_no_drift_of_the_scanner(client: TestClient, site: Site) -> None:
    web_samples.add_history(site.catalogue, [60.0 + i % 5 for i in range(30)], scanner="MR9", days=2.0, weights="old")
    web_samples.add_history(site.catalogue, [90.0 + i % 5 for i in range(25)], scanner="MR9", first=2000, weights="new")
    text = client.get("/trends", params={"scanner": "MR9"}).text
    assert "25 series, 30 scored by another model left out; median 92.0" in text
    assert "Look at this" not in text
