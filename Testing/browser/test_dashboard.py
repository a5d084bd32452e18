"""The dashboard in a real Chromium: from the login to an audit entry, and nothing asked of any other machine."""

import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

for needed in ("playwright", "fastapi", "argon2", "prometheus_client", "sqlalchemy", "pydantic"):
    pytest.importorskip(needed)

from playwright.sync_api import Page, expect, sync_playwright  # noqa: E402
from sqlalchemy import select  # noqa: E402

import web_samples  # noqa: E402
from miqanet_core.listener.catalogue import Catalogue, Series, now  # noqa: E402
from miqanet_core.web import add_user, disable_user  # noqa: E402
from miqanet_core.web.server import make_server  # noqa: E402

SLOW = 60_000  # milliseconds; the machine may be busy
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Served(NamedTuple):
    """Where the dashboard is, its catalogue, the ids of its series."""

    address: str
    catalogue: Catalogue
    ids: dict[str, int]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    catalogue = Catalogue.in_folder(folder).create()
    ids = web_samples.fill(catalogue, folder)
    web_samples.add_history(catalogue, [90.0 + i % 5 for i in range(40)] + [60.0])
    add_user(catalogue, web_samples.USER, web_samples.PASSWORD)
    server = make_server(web_samples.settings_of(folder, port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}", catalogue, ids)
    server.should_exit = True
    thread.join()
    catalogue.close()


@pytest.fixture
def page(served: Served) -> Iterator[Page]:
    """A browser's page; at the end, no request has gone elsewhere and no script has complained."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is absent: apt-get install chromium")
    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        context.on("request", lambda request: asked.append(request.url))
        made = context.new_page()
        made.set_default_timeout(SLOW)
        made.on("pageerror", lambda error: complaints.append(str(error)))
        made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        yield made
        browser.close()
    assert asked
    elsewhere = [url for url in asked if urlsplit(url).netloc != urlsplit(served.address).netloc]
    assert elsewhere == []
    assert complaints == []


def log_in(page: Page, served: Served) -> None:
    page.goto(f"{served.address}/")
    page.get_by_label("Name").fill(web_samples.USER)
    page.get_by_label("Password").fill(web_samples.PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Worklist")).to_be_visible(timeout=SLOW)


def test_from_the_login_to_an_audit_entry(page: Page, served: Served, tmp_path: Path) -> None:
    log_in(page, served)
    page.get_by_role("link", name="Flagged", exact=True).click()
    page.locator(f"#series-{served.ids['flagged']}").click()
    expect(page.get_by_text(re.compile(r"[1-9]\d* of 12 slices score below 50")).first).to_be_visible()

    # The map lies over the slice, as large as it, and fades.
    # wait_for_function would poll by eval, which the page's own policy forbids.
    for image in ("#viewer-map", "#viewer-slice"):
        page.locator(image).evaluate("image => image.decode()")
    over, under = page.locator("#viewer-map").bounding_box(), page.locator("#viewer-slice").bounding_box()
    assert over == under
    expect(page.locator("#viewer-map")).to_have_css("opacity", "0.5")
    page.locator("#opacity-range").fill("80")
    expect(page.locator("#viewer-map")).to_have_css("opacity", "0.8")

    # Slices change by keyboard, and by a click on a worst slice.
    label, worst = page.locator("#viewer-label"), page.get_by_role("button", name=re.compile(r"^Slice \d+"))
    shown = int(re.findall(r"Slice (\d+) of 12", label.inner_text())[0])
    expect(worst.first).to_contain_text(f"Slice {shown}")
    page.locator("#viewer").focus()
    page.keyboard.press("ArrowRight")
    expect(label).to_contain_text(f"Slice {shown + 1} of 12")
    page.keyboard.press("m")
    expect(page.locator("#viewer-map")).to_have_css("opacity", "0")
    other = re.findall(r"Slice \d+", worst.last.inner_text())[0]
    worst.last.click()
    expect(label).to_contain_text(f"{other} of 12")
    expect(page.locator("#curve canvas")).to_be_visible()

    page.get_by_label("Comment").fill("Ghosts of the eyes, <b>harmless</b>.")
    page.get_by_role("button", name="Dismiss").click()
    entry = page.locator("#audit li").first
    expect(entry).to_contain_text(web_samples.USER, timeout=SLOW)
    expect(entry).to_contain_text("dismiss")
    expect(entry).to_contain_text("Ghosts of the eyes, <b>harmless</b>.")
    page.screenshot(path=tmp_path / "series.png", full_page=True)


def test_a_rejection_asks_once_more(page: Page, served: Served) -> None:
    log_in(page, served)
    page.goto(f"{served.address}/series/{served.ids['poor']}")
    page.get_by_label("Comment").fill("Ghosts everywhere.")
    page.get_by_role("button", name="Reject the series").click()
    expect(page.get_by_text("This hides images.")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Reject, hide the images").click()
    expect(page.locator("#audit li").first).to_contain_text("reject", timeout=SLOW)
    expect(page.get_by_text("archive (rejection)")).to_be_visible()


def test_pages_change_by_themselves(page: Page, served: Served) -> None:
    log_in(page, served)
    for address, place in (("/", "#worklist"), ("/scanner-room", "#rooms")):
        page.goto(served.address + address)
        with served.catalogue.write() as session:
            arriving = session.scalars(select(Series).where(Series.id == served.ids["arriving"])).one()
            arriving.scanner, arriving.last_object_at = f"GE for {place[1:]}", now()
        expect(page.locator(place)).to_contain_text(f"GE for {place[1:]}", timeout=SLOW)


def test_a_page_that_hears_nothing_any_more_says_so(page: Page, served: Served) -> None:
    """Without a network, and when the server answers with nothing but faults; and not any longer than that."""
    log_in(page, served)
    other = page.context.new_page()  # whose complaints about the network are expected
    other.goto(f"{served.address}/scanner-room")
    told = other.get_by_role("alert").filter(has_text="No connection to the server since")
    expect(told).to_have_count(0)
    page.context.set_offline(True)
    expect(told).to_be_visible(timeout=SLOW)
    page.context.set_offline(False)
    expect(told).to_have_count(0, timeout=SLOW)
    other.route("**/scanner-room-part*", lambda route: route.fulfill(status=500))
    expect(told).to_be_visible(timeout=SLOW)
    with other.expect_response("**/scanner-room-part*"):
        pass
    expect(told).to_be_visible()
    other.unroute("**/scanner-room-part*")
    expect(told).to_have_count(0, timeout=SLOW)


def test_a_disabled_user_is_shown_out_of_an_open_page(page: Page, served: Served) -> None:
    add_user(served.catalogue, "Otto", web_samples.PASSWORD)
    other = page.context.new_page()  # the console calls a 401 an error
    other.goto(f"{served.address}/login?next=/scanner-room")
    other.get_by_label("Name").fill("Otto")
    other.get_by_label("Password").fill(web_samples.PASSWORD)
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("heading", name="Scanner room")).to_be_visible(timeout=SLOW)
    disable_user(served.catalogue, "Otto")
    expect(other.get_by_role("heading", name="Log in")).to_be_visible(timeout=SLOW)


@pytest.mark.parametrize("width", [1400, 820])
def test_no_page_is_wider_than_the_window(page: Page, served: Served, width: int) -> None:
    log_in(page, served)
    page.set_viewport_size({"width": width, "height": 1100})
    for address in ("/", f"/series/{served.ids['flagged']}", "/trends", "/scanner-room", "/queue", "/api"):
        page.goto(served.address + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    page.goto(f"{served.address}/trends")
    expect(page.locator(".trend-chart canvas").first).to_be_visible()
