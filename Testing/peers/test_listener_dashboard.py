"""miqanet listen starts the dashboard, ends it, and goes on without it."""

import socket
from pathlib import Path

import pytest

for needed in ("pynetdicom", "fastapi", "argon2", "prometheus_client", "httpx"):
    pytest.importorskip(needed)

import httpx  # noqa: E402

from listening import Listener, free_port, wait_for  # noqa: E402


def alive(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/alive", timeout=5).text == "ok\n"
    except httpx.HTTPError:
        return False


def test_the_dashboard_lives_as_long_as_the_listener(tmp_path: Path) -> None:
    port = free_port()
    listener = Listener(tmp_path, web={"enabled": True, "port": port}).start()
    try:
        wait_for(lambda: alive(port), what="the dashboard")
        answer = httpx.get(f"http://127.0.0.1:{port}/")
        assert answer.headers["location"] == "/login"
    finally:
        listener.stop()
    assert not alive(port)


def test_a_dashboard_that_cannot_be_opened_disturbs_nobody(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listener = Listener(tmp_path, web={"enabled": True, "port": taken.getsockname()[1]}).start()
        try:
            wait_for(lambda: "no dashboard: " in listener.log.read_text(), what="a word in the log")
            assert "choose another web.address or web.port" in listener.log.read_text()
            assert "Traceback" not in listener.log.read_text()
        finally:
            listener.stop()
    assert listener.log.read_text().count("no dashboard: ") == 1
