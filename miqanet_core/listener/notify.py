"""Notifications: a webhook and an e-mail, neither with a patient's identity."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx

from miqanet_core.dicom import TLS
from miqanet_core.errors import InputError
from miqanet_core.listener.catalogue import Result
from miqanet_core.listener.settings import Email, Webhook
from miqanet_core.policy import format_score

_TIMEOUT_SECONDS = 30.0


class NotSent(Exception):
    """It was not taken; the reason is for people and names no patient."""


def document_of(result: Result, dashboard_url: str) -> dict[str, Any]:
    """What a webhook is told. Free text of the header (descriptions) is left out: people write names into it."""
    series = result.series
    return {
        "schema": "miqa-notification/1",
        "result": result.id,
        "series": series.id,
        "version": result.version,
        "verdict": result.verdict,
        "score": result.score,
        "flagged": result.flagged,
        "reasons": [reason for stack in result.stacks for reason in stack.document["reasons"]],
        "scanner": series.scanner,
        "body_part": series.body_part,
        "created_at": result.created_at.isoformat(),
        "url": f"{dashboard_url.rstrip('/')}/series/{series.id}" if dashboard_url else "",
    }


def post(webhook: Webhook, dashboard_url: str, result: Result) -> None:
    """Post the document; NotSent when the other side answers with anything but 2xx, or not at all."""
    body = json.dumps(document_of(result, dashboard_url), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    if webhook.secret_file is not None:
        secret = webhook.secret_file.read_bytes().strip()
        headers["X-MIQA-Signature"] = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    context = _context(webhook.ca)
    try:
        answer = httpx.post(webhook.url, content=body, headers=headers, timeout=_TIMEOUT_SECONDS, verify=context)
    except httpx.HTTPError as error:
        raise NotSent(f"the webhook cannot be reached ({_name_of(error)})") from error
    if not answer.is_success:
        raise NotSent(f"the webhook answered with status {answer.status_code}")


def send_email(email: Email, dashboard_url: str, result: Result) -> None:
    """Send the mail; NotSent when the server does not take it for everybody."""
    facts = document_of(result, dashboard_url)
    message = EmailMessage()
    scanner = " ".join(facts["scanner"].split()) or "a scanner"  # a line's end would be a header of its own
    message["Subject"] = f"MIQA: {result.verdict} series on {scanner}"
    message["From"], message["To"] = email.sender, ", ".join(email.recipients)
    lines = [f"Verdict: {result.verdict}, score {format_score(result.score)}", *facts["reasons"], "", facts["url"]]
    message.set_content("\n".join(lines) + "\nA research tool, not a medical device.\n")
    context = _context(email.ca)
    try:
        with smtplib.SMTP(email.server, email.port, timeout=_TIMEOUT_SECONDS) as server:
            if email.starttls:
                server.starttls(context=context)
            if email.user and email.password_file is not None:
                server.login(email.user, email.password_file.read_text().strip())
            refused = server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"the mail server answered with code {error.smtp_code}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(f"the mail server cannot be reached or used ({_name_of(error)})") from error
    if refused:
        raise NotSent(f"the mail server took the mail, but not for {len(refused)} of {len(email.recipients)} recipients")


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        return TLS(ca).context()
    except InputError as error:
        raise NotSent(str(error)) from error


def _name_of(error: BaseException) -> str:
    """What went wrong; a certificate's fault is told in OpenSSL's words, which name nobody."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate: {cause.verify_message}; ca names the authority that signed it"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
