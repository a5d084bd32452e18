"""Webhook and mail: what arrives at a real HTTP and a small SMTP server, through the outbox; and never who the patient is."""

import hashlib
import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_string
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

for needed in ("sqlalchemy", "pydantic", "httpx"):
    pytest.importorskip(needed)

from sqlalchemy import select  # noqa: E402

from miqanet_core.listener.catalogue import Catalogue, OutboxEntry, Result, Series, StackResult  # noqa: E402
from miqanet_core.listener.outbox import Deliverer, request  # noqa: E402
from miqanet_core.listener.settings import Email, Notifications, Settings, Storage, Webhook  # noqa: E402

REASON = "3 of 12 slices score below 50 (slices 5-6, 8)."


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted, and answers with the server's ``status``."""

    def do_POST(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers, body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silence."""


class Post(socketserver.StreamRequestHandler):
    """As much SMTP as a client needs that neither encrypts nor logs in (RFC 5321)."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline().decode().strip().upper():
            answer = "250 ok"
            if line == "DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                    lines.append(text)
                self.server.got.append("\n".join(lines))  # type: ignore[attr-defined]
            elif line.startswith("RCPT") and "NOBODY" in line:
                answer = "550 unknown"
            elif line == "QUIT":
                answer = "221 bye"
            self.wfile.write(f"{answer}\r\n".encode())


@pytest.fixture
def servers() -> Iterator[tuple[Any, Any]]:
    made: list[Any] = [HTTPServer(("127.0.0.1", 0), Hook), socketserver.TCPServer(("127.0.0.1", 0), Post)]
    for server in made:
        server.got, server.status = [], 200
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield made[0], made[1]
    for server in made:
        server.shutdown()
        server.server_close()


def told(
    tmp_path: Path, servers: tuple[Any, Any], flagged: bool = True, on: str = "flagged", recipient: str = "team@example.org"
):
    """A result in the outbox, and what delivers it."""
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    web, mail = (server.server_address[1] for server in servers)
    hook = Webhook(name="chat", url=f"http://127.0.0.1:{web}/", on=on, secret_file=secret)  # type: ignore[arg-type]
    post = Email(server="127.0.0.1", port=mail, starttls=False, sender="miqa@example.org", recipients=[recipient], on=on)  # type: ignore[arg-type]
    notifications = Notifications(dashboard_url="https://miqa.example.org/", attempts=2, webhooks=[hook], email=post)
    settings = Settings(storage=Storage(folder=tmp_path), notifications=notifications)
    catalogue = Catalogue.in_folder(tmp_path).create()
    with catalogue.write() as session:
        series = Series(
            series_uid="1.2.3", patient_name="Ptolemy^Berenike", patient_id="PID-4711", description="Ptolemy knee",
            protocol_name="Ptolemy knee", scanner="Skyra\r\nBcc: all@example.org", version=1,
        )  # fmt: skip
        session.add(series)
        session.flush()
        result = Result(
            series_id=series.id, version=1, verdict="limited", score=76.59, flagged=flagged, objects=12, latency_seconds=1.0,
            model_name="m", model_version="1", weights_sha256="0",
        )  # fmt: skip
        session.add(result)
        session.flush()
        document = {"reasons": [REASON]}
        session.add(
            StackResult(result_id=result.id, number=0, verdict="limited", score=76.59, document=document, instance_uids=[])
        )
        request(session, settings, result)
    return catalogue, Deliverer(settings, catalogue, "test", lambda entry: None)


def test_webhook_and_mail_arrive_without_the_patient(tmp_path: Path, servers: tuple[Any, Any]) -> None:
    catalogue, deliverer = told(tmp_path, servers)
    while deliverer.deliver_one():
        pass
    [(headers, body)] = servers[0].got
    signature = hmac.new(b"a secret", body, hashlib.sha256).hexdigest()
    assert headers["X-MIQA-Signature"] == f"sha256={signature}"
    document = json.loads(body)
    assert (document["verdict"], document["url"]) == ("limited", "https://miqa.example.org/series/1")
    [text] = servers[1].got
    mail = message_from_string(text)
    assert mail["Subject"] == "MIQA: limited series on Skyra Bcc: all@example.org"
    assert mail["Bcc"] is None
    assert "score 76.5" in text
    assert "not a medical device" in text
    for sent in (body.decode(), text):
        assert REASON in sent
        for secret in ("Ptolemy", "PID-4711", "1.2.3", "knee"):
            assert secret not in sent
    with catalogue.read() as session:
        assert all(entry.delivered_at for entry in session.scalars(select(OutboxEntry)))
    catalogue.close()


@pytest.mark.parametrize(("on", "expected"), [("flagged", 0), ("all", 2)])
def test_a_good_series_is_told_of_only_when_asked_for(tmp_path: Path, servers: tuple[Any, Any], on: str, expected: int) -> None:
    catalogue, _ = told(tmp_path, servers, flagged=False, on=on)
    with catalogue.read() as session:
        assert len(session.scalars(select(OutboxEntry)).all()) == expected
    catalogue.close()


def test_what_is_not_taken_is_tried_again_with_the_reason(tmp_path: Path, servers: tuple[Any, Any]) -> None:
    servers[0].status = 503
    catalogue, deliverer = told(tmp_path, servers, recipient="nobody@example.org")
    while deliverer.deliver_one():
        pass
    with catalogue.read() as session:
        waiting = {entry.kind: entry for entry in session.scalars(select(OutboxEntry))}
    assert waiting["webhook"].reason == "the webhook answered with status 503"
    assert waiting["email"].reason == "the mail server cannot be reached or used (SMTPRecipientsRefused)"
    assert all(entry.attempts == 1 and entry.delivered_at is None for entry in waiting.values())
    catalogue.close()
