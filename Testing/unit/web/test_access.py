"""Who gets in, and that nobody else does."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

import web_samples
from miqanet_core.listener.catalogue import AuditEntry, OutboxEntry, Result, User, now
from miqanet_core.web import add_user, disable_user, enable_user
from web_site import Site, csrf_in

PUBLIC = {"/login", "/alive", "/static"}


def routes(app: Any) -> Iterator[tuple[str, str]]:
    """Method and address of everything that answers, with numbers in the place of parameters."""

    def walk(found: Any) -> Iterator[tuple[str, str]]:
        for route in found:
            inner = getattr(route, "original_router", None) or getattr(route, "router", None)
            if inner is not None:
                yield from walk(inner.routes)
            elif getattr(route, "methods", None):
                address = route.path.replace("{kind}", "job")
                yield from ((method, re.sub(r"\{.*?\}", "1", address)) for method in route.methods)

    yield from walk(app.routes)


def test_everything_but_the_entrance_needs_a_login(site: Site) -> None:
    client = site.client()
    asked = [(method, address) for method, address in routes(client.app) if address not in PUBLIC]
    assert len(asked) > 20
    for method, address in asked:
        answer = client.request(method, address)
        assert answer.status_code in (401, 303, 403), (method, address, answer.status_code)
        if answer.status_code == 303:
            assert answer.headers["location"].startswith("/login")
        for secret in (web_samples.NAME, web_samples.PATIENT, "ep2d"):
            assert secret not in answer.text


def test_a_change_without_a_login_changes_nothing(site: Site) -> None:
    client = site.client()
    token = csrf_in(client.get("/login").text)
    result = result_of(site, "flagged")
    answer = client.post(f"/results/{result}/review", data={"action": "confirm", "csrf": token})
    assert answer.headers["location"] == "/login"
    assert reviews(site) == []


def result_of(site: Site, name: str) -> int:
    with site.catalogue.read() as session:
        newest = select(Result.id).where(Result.series_id == site.ids[name]).order_by(Result.version.desc())
        found = session.scalars(newest).first()
    assert found is not None
    return found


def reviews(site: Site) -> list[str]:
    with site.catalogue.read() as session:
        said = select(AuditEntry.action).where(AuditEntry.action.in_(["confirm", "dismiss", "reject", "retry", "seen"]))
        return list(session.scalars(said))


def test_a_page_asked_for_is_shown_after_the_login(site: Site) -> None:
    client = site.client()
    where = client.get("/trends?days=30").headers["location"]
    assert where == "/login?next=%2Ftrends%3Fdays%3D30"
    page = client.get(where).text
    values = {"name": web_samples.USER, "password": web_samples.PASSWORD, "csrf": csrf_in(page), "next": "/trends?days=30"}
    assert client.post("/login", data=values).headers["location"] == "/trends?days=30"
    assert client.get("/trends?days=30").status_code == 200


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/a\nb", ""])
def test_nobody_is_led_astray_after_the_login(site: Site, elsewhere: str) -> None:
    client = site.client()
    token = csrf_in(client.get("/login", params={"next": elsewhere}).text)
    values = {"name": web_samples.USER, "password": web_samples.PASSWORD, "csrf": token, "next": elsewhere}
    assert client.post("/login", data=values).headers["location"] == "/"


def test_a_wrong_password_is_kept_in_the_log_an_unknown_name_is_not(site: Site) -> None:
    client = site.client()
    token = csrf_in(client.get("/login").text)
    for name in (web_samples.USER, "my secret password"):
        assert client.post("/login", data={"name": name, "password": "wrong", "csrf": token}).status_code == 401
    with site.catalogue.read() as session:
        assert [(e.person, e.action) for e in session.scalars(select(AuditEntry))] == [
            (web_samples.USER, "login-failed"),
            ("", "login-failed"),
        ]
    assert client.get("/").status_code == 303


def test_guessing_is_stopped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miqanet_core.web.logins.MOST_OF_A_NAME", 3)
    client = site.client()
    values = {"name": web_samples.USER, "csrf": csrf_in(client.get("/login").text)}
    for _ in range(3):
        assert client.post("/login", data=values | {"password": "guess"}).status_code == 401
    stopped = client.post("/login", data=values | {"password": web_samples.PASSWORD})
    assert stopped.status_code == 429
    assert stopped.headers["retry-after"] == "300"
    assert client.get("/api/series", auth=(web_samples.USER, web_samples.PASSWORD)).status_code == 429
    with site.catalogue.write() as session:
        for entry in session.scalars(select(AuditEntry)):
            entry.at = now().replace(year=2020)
    assert client.post("/login", data=values | {"password": web_samples.PASSWORD}).status_code == 303


def test_guessing_many_names_from_one_address_is_stopped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miqanet_core.web.logins.MOST_OF_AN_ADDRESS", 2)
    client = site.client(address="192.0.2.9")
    values = {"password": "guess", "csrf": csrf_in(client.get("/login").text)}
    assert [client.post("/login", data=values | {"name": f"n{i}"}).status_code for i in range(3)] == [401, 401, 429]
    other = site.client(address="192.0.2.10")
    token = csrf_in(other.get("/login").text)
    assert other.post("/login", data={"name": "n", "password": "guess", "csrf": token}).status_code == 401


def test_a_log_out_is_one_for_a_copy_of_the_cookie_too(site: Site, log_in: Callable[[TestClient], str]) -> None:
    client = site.client()
    token = log_in(client)
    thief = site.client()
    thief.cookies.update(client.cookies)
    assert thief.get("/").status_code == 200
    client.post("/logout", data={"csrf": token})
    assert thief.get("/").status_code == 303


def test_a_new_password_and_a_disabled_user_end_the_session(site: Site, log_in: Callable[[TestClient], str]) -> None:
    client = site.client()
    log_in(client)
    disable_user(site.catalogue, web_samples.USER)
    assert client.get("/").status_code == 303
    part = client.get("/worklist-part", headers={"hx-request": "true"})  # a page that is open somewhere
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login")
    values = {"name": web_samples.USER, "password": web_samples.PASSWORD, "csrf": csrf_in(client.get("/login").text)}
    assert client.post("/login", data=values).status_code == 401
    assert client.get("/api/series", auth=(web_samples.USER, web_samples.PASSWORD)).status_code == 401
    enable_user(site.catalogue, web_samples.USER)
    assert client.get("/").status_code == 303  # what was open before stays closed
    log_in(client)
    assert client.get("/").status_code == 200
    assert add_user(site.catalogue, web_samples.USER, "another long password") is False
    assert client.get("/").status_code == 303


def test_a_session_ends_by_itself(site: Site, log_in: Callable[[TestClient], str]) -> None:
    client = site.client(session_hours=1e-9)
    token = csrf_in(client.get("/login").text)
    values = {"name": web_samples.USER, "password": web_samples.PASSWORD, "csrf": token}
    assert client.post("/login", data=values).status_code == 303
    assert client.get("/").status_code == 303


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cookies_are_for_this_server_alone(site: Site, scheme: str) -> None:
    client = site.client()
    client.base_url = f"{scheme}://127.0.0.1"
    page = client.get("/login")
    values = {"name": web_samples.USER, "password": web_samples.PASSWORD, "csrf": csrf_in(page.text)}
    cookies = page.headers.get_list("set-cookie") + client.post("/login", data=values).headers.get_list("set-cookie")
    assert len(cookies) == 3
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert ("; Secure" in cookie) == cookie.startswith("__Host-") == (scheme == "https")


def test_passwords_are_hashed_with_argon2(site: Site) -> None:
    with site.catalogue.read() as session:
        assert session.get_one(User, web_samples.USER).password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("name", "password"), [("", "long enough, is it"), ("a" * 81, "long enough, is it"), ("anna", "short")]
)
def test_a_user_that_will_not_do_is_refused(site: Site, name: str, password: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        add_user(site.catalogue, name, password)


def test_every_change_needs_the_token_of_a_page_of_ours(site: Site, log_in: Callable[[TestClient], str]) -> None:
    client = site.client()
    token = log_in(client)
    changes = [address for method, address in routes(client.app) if method == "POST"]
    assert len(changes) >= 7
    for address in changes:
        for sent, headers in (("", {}), ("x" * 43, {}), (token, {"sec-fetch-site": "cross-site"})):
            headers |= {"x-csrf-token": sent}
            kwargs: dict[str, Any] = (
                {"json": {"action": "confirm"}} if address.startswith("/api/") else {"data": {"csrf": sent}}
            )
            if address.endswith("/review") and "data" in kwargs:
                kwargs["data"] |= {"action": "confirm"}
            assert client.post(address, headers=headers, **kwargs).status_code == 403, address
    assert client.get("/").status_code == 200  # nobody was logged out
    assert reviews(site) == []


def test_a_planted_token_is_worth_nothing_after_the_login(site: Site, log_in: Callable[[TestClient], str]) -> None:
    client = site.client()
    before = csrf_in(client.get("/login").text)
    assert log_in(client) != before


def test_a_name_in_a_header_is_believed_from_the_proxy_alone(site: Site) -> None:
    web = {"user_header": "X-User", "proxy_addresses": ["192.0.2.1"]}
    headers = {"X-User": "Jo", "X-Forwarded-For": "198.51.100.7, 203.0.113.5", "X-Forwarded-Proto": "https"}
    assert site.client("192.0.2.2", **web).get("/", headers=headers).status_code == 303
    proxy = site.client("192.0.2.1", **web)
    assert proxy.get("/").status_code == 303
    page = proxy.get("/", headers=headers)
    assert "Jo" in page.text
    # The proxy speaks HTTPS to the browser, so the cookie is for HTTPS.
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert "; Secure" in cookie
    headers["Cookie"] = cookie.partition(";")[0]
    values = {"action": "confirm", "csrf": csrf_in(page.text)}
    assert proxy.post(f"/results/{result_of(site, 'flagged')}/review", data=values, headers=headers).status_code == 303
    with site.catalogue.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "confirm")).one()
    assert (entry.person, entry.address) == ("Jo", "203.0.113.5")


def test_a_script_sends_name_and_password_and_only_to_the_api(site: Site) -> None:
    client = site.client()
    right = (web_samples.USER, web_samples.PASSWORD)
    assert client.get("/api/health", auth=right).status_code == 200
    assert client.get("/metrics", auth=right).status_code == 200
    assert client.get("/", auth=right).status_code == 303
    wrong = client.get("/api/health", auth=(web_samples.USER, "wrong"))
    assert wrong.status_code == 401
    # A challenge would make browsers send the password by themselves, also for another site's form.
    assert "www-authenticate" not in wrong.headers


def test_a_site_may_open_pages_without_patient_data(site: Site) -> None:
    client = site.client(open_pages=["scanner-room", "metrics"])
    for address in ("/scanner-room", "/scanner-room-part", "/metrics"):
        assert client.get(address).status_code == 200
    assert client.get("/").status_code == 303
    assert client.get("/api/scanners").status_code == 401


def test_without_a_login_a_person_says_who_they_are(site: Site) -> None:
    client = site.client(login=False)
    page = client.get(f"/series/{site.ids['flagged']}").text
    values = {"action": "confirm", "csrf": csrf_in(page), "comment": ""}
    address = f"/results/{result_of(site, 'flagged')}/review"
    assert client.post(address, data=values).status_code == 422
    assert client.post(address, data=values | {"name": "Jo"}).status_code == 303
    with site.catalogue.read() as session:
        assert session.get_one(Result, result_of(site, "flagged")).person == "Jo"
        assert session.scalars(select(OutboxEntry).where(OutboxEntry.what == "rejection")).all() == []


def test_without_a_login_only_names_of_this_machine_are_answered(site: Site) -> None:
    """A page on the internet whose name points at 127.0.0.1 gets nothing."""
    client = site.client(login=False)
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"host": "localhost:8042"}).status_code == 200
    assert client.get("/", headers={"host": "[::1]:8042"}).status_code == 200


def test_what_every_answer_carries(site: Site) -> None:
    for address in ("/login", "/static/miqa.css", "/api/series", "/nothing"):
        answer = site.client().get(address)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert site.client().get("/login").headers["cache-control"] == "no-store"


def test_a_large_body_is_not_read(site: Site) -> None:
    client = site.client()
    assert client.post("/login", data={"name": "x" * 100_000}).status_code == 413
    assert client.post("/login", content=iter([b"x"])).status_code == 411
