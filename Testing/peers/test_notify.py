"""Webhook and mail: what arrives at a real HTTP and a real SMTP server, in the clear and over TLS; never who the patient is."""

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

for needed in ("sqlalchemy", "pydantic", "httpx", "aiosmtpd"):
    pytest.importorskip(needed)

from aiosmtpd.controller import Controller  # noqa: E402
from aiosmtpd.smtp import AuthResult  # noqa: E402
from sqlalchemy import select  # noqa: E402

from certificates import Certificates  # noqa: E402
from miqanet_core.listener.catalogue import Catalogue, OutboxEntry, Result, Series, StackResult  # noqa: E402
from miqanet_core.listener.outbox import Deliverer, request  # noqa: E402
from miqanet_core.listener.settings import Email, Notifications, Settings, Storage, Webhook  # noqa: E402
from orthanc_server import free_port  # noqa: E402

REASON = "3 of 12 slices score below 50 (slices 5-6, 8)."
USER, PASSWORD = "miqa", "let me send"


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted, and answers with the server's ``status``."""

    def do_POST(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers, body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silence."""


class Post:
    """Keeps the mails that aiosmtpd takes; knows no ``nobody``."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address.startswith("nobody@"):
            return "550 unknown"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.got.append(envelope.content)
        return "250 ok"


class Servers(NamedTuple):
    """``hook``: the HTTP server, with its ``got`` and ``status``; ``post``: what the SMTP server at ``mail_port`` got."""

    hook: Any
    post: Post
    mail_port: int
    tls: bool = False


@contextmanager
def serving(certificates: Certificates | None = None) -> Iterator[Servers]:
    """Both servers. With certificates they speak TLS, and the mail server lets nobody send who has not logged in by it."""
    hook: Any = HTTPServer(("127.0.0.1", 0), Hook)
    hook.got, hook.status = [], 200
    post, more = Post(), {}
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificates.server)
        hook.socket = context.wrap_socket(hook.socket, server_side=True)
        more = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": is_right}
    threading.Thread(target=hook.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    mail = Controller(post, hostname="127.0.0.1", port=free_port(), **more)
    mail.start()
    try:
        yield Servers(hook, post, mail.port, certificates is not None)
    finally:
        mail.stop()
        hook.shutdown()
        hook.server_close()


def is_right(server: Any, session: Any, envelope: Any, mechanism: str, auth: Any) -> AuthResult:
    right = (auth.login, auth.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=right)


@pytest.fixture
def servers() -> Iterator[Servers]:
    with serving() as both:
        yield both


@pytest.fixture
def encrypting(certificates: Certificates) -> Iterator[Servers]:
    with serving(certificates) as both:
        yield both


def told(
    tmp_path: Path,
    servers: Servers,
    flagged: bool = True,
    on: str = "flagged",
    recipient: str = "team@example.org",
    ca: Path | None = None,
    password: str = PASSWORD,
):
    """A result in the outbox, and what delivers it."""
    (tmp_path / "secret").write_text("a secret\n")
    (tmp_path / "password").write_text(f"{password}\n")
    address = f"{'https' if servers.tls else 'http'}://127.0.0.1:{servers.hook.server_address[1]}/"
    hook = Webhook(name="chat", url=address, on=on, secret_file=tmp_path / "secret", ca=ca)  # type: ignore[arg-type]
    post = Email(
        server="127.0.0.1", port=servers.mail_port, starttls=servers.tls, sender="miqa@example.org", recipients=[recipient],
        on=on, ca=ca, user=USER if servers.tls else "", password_file=tmp_path / "password",
    )  # type: ignore[arg-type]  # fmt: skip
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


def test_webhook_and_mail_arrive_without_the_patient(tmp_path: Path, servers: Servers) -> None:
    catalogue, deliverer = told(tmp_path, servers)
    while deliverer.deliver_one():
        pass
    [(headers, body)] = servers.hook.got
    signature = hmac.new(b"a secret", body, hashlib.sha256).hexdigest()
    assert headers["X-MIQA-Signature"] == f"sha256={signature}"
    document = json.loads(body)
    assert (document["verdict"], document["url"]) == ("limited", "https://miqa.example.org/series/1")
    [raw] = servers.post.got
    mail = message_from_bytes(raw, policy=policy.default)
    text = f"{mail['Subject']}\n{mail.get_content()}"
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
def test_a_good_series_is_told_of_only_when_asked_for(tmp_path: Path, servers: Servers, on: str, expected: int) -> None:
    catalogue, _ = told(tmp_path, servers, flagged=False, on=on)
    with catalogue.read() as session:
        assert len(session.scalars(select(OutboxEntry)).all()) == expected
    catalogue.close()


def test_what_is_not_taken_is_tried_again_with_the_reason(tmp_path: Path, servers: Servers) -> None:
    servers.hook.status = 503
    catalogue, deliverer = told(tmp_path, servers, recipient="nobody@example.org")
    while deliverer.deliver_one():
        pass
    with catalogue.read() as session:
        waiting = {entry.kind: entry for entry in session.scalars(select(OutboxEntry))}
    assert waiting["webhook"].reason == "the webhook answered with status 503"
    assert waiting["email"].reason == "the mail server cannot be reached or used (SMTPRecipientsRefused)"
    assert all(entry.attempts == 1 and entry.delivered_at is None for entry in waiting.values())
    catalogue.close()


def left_in_outbox(tmp_path: Path, servers: Servers, **more: Any) -> dict[str, OutboxEntry]:
    """The entries after one attempt each, by their kinds."""
    catalogue, deliverer = told(tmp_path, servers, **more)
    while deliverer.deliver_one():
        pass
    with catalogue.read() as session:
        found = {entry.kind: entry for entry in session.scalars(select(OutboxEntry))}
    catalogue.close()
    return found


def test_over_tls_to_servers_of_a_private_authority(tmp_path: Path, encrypting: Servers, certificates: Certificates) -> None:
    """HTTPS, and SMTP with STARTTLS and a log-in."""
    entries = left_in_outbox(tmp_path, encrypting, ca=certificates.authority)
    assert {entry.reason for entry in entries.values()} == {""}
    assert all(entry.delivered_at for entry in entries.values())
    assert len(encrypting.hook.got) == len(encrypting.post.got) == 1


@pytest.mark.parametrize("other", [False, True])
def test_a_certificate_that_nobody_vouches_for_gets_nothing(
    tmp_path: Path, encrypting: Servers, certificates: Certificates, other: bool
) -> None:
    entries = left_in_outbox(tmp_path, encrypting, ca=certificates.stranger[0] if other else None)
    for entry in entries.values():
        assert entry.delivered_at is None
        assert "its certificate: " in entry.reason
        assert "ca names the authority that signed it" in entry.reason
    assert encrypting.hook.got == encrypting.post.got == []


def test_a_password_that_is_wrong_and_an_authority_that_is_no_file_are_told(
    tmp_path: Path, encrypting: Servers, certificates: Certificates
) -> None:
    wrong = left_in_outbox(tmp_path, encrypting, ca=certificates.authority, password="guess")
    assert wrong["email"].reason == "the mail server answered with code 535"
    (tmp_path / "again").mkdir()
    absent = left_in_outbox(tmp_path / "again", encrypting, ca=tmp_path / "absent.pem")
    assert {entry.reason for entry in absent.values()} == {
        f"{tmp_path / 'absent.pem'}: does not exist or is no file; name a PEM file"
    }
    assert encrypting.post.got == []


def test_a_mail_never_falls_back_to_the_clear(tmp_path: Path, servers: Servers, certificates: Certificates) -> None:
    """The server offers no STARTTLS, as it looks when somebody between has taken the offer away."""
    entries = left_in_outbox(tmp_path, servers._replace(tls=True), ca=certificates.authority)
    assert entries["email"].reason == "the mail server cannot be reached or used (SMTPNotSupportedError)"
    assert servers.post.got == []
