"""A destination that takes objects by DICOMweb: STOW-RS (PS3.18 10.5)."""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydicom.dataset import Dataset

from miqanet_core.dicom.delivery import Delivery, DestinationError, Outcome
from miqanet_core.dicom.tls import TLS

_PASSING = {401, 403, 404, 407, 408, 425, 429}  # who we are, where it is, how busy it is: an administrator can mend them
_REFERENCED, _FAILED, _UID, _REASON = "00081199", "00081198", "00081155", "00081197"
# PS3.18 table 10.5.3-1 takes PS3.3 C.14's reasons: out of resources and processing failure may pass.
_PASSING_REASONS = {0x0110, 0x0213}
_DUPLICATE = 0x0111


@dataclass(frozen=True)
class WebDestination:
    """``url``: the service's root, to which ``/studies`` is added. ``user`` and ``password``: HTTP Basic; ``headers``: a token.

    ``timeout``: seconds without an answer.
    """

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: TLS | None = None
    timeout: float = 30.0

    def __str__(self) -> str:
        return str(httpx.URL(self.url).copy_with(userinfo=b"", query=None))

    def echo(self) -> None:
        """Ask for at most one study (QIDO-RS). DestinationError when the service is away or refuses us."""
        with self._client() as client:
            answer = self._request(client, "GET", params={"limit": "1"})
        if not answer.is_success:
            raise DestinationError(f"{self}: answers {_said(answer)}; check the address, the user and the password")

    def deliver(self, datasets: Sequence[Dataset]) -> list[Outcome]:
        """Send the objects, each in a request of its own; one outcome for each, in order. Raises nothing that the network does.

        One by one, because a service that finds a request too large says nothing of the objects in it.
        """
        outcomes: list[Outcome] = []
        try:
            with self._client() as client:
                for dataset in datasets:
                    outcomes.append(self._send(client, dataset))
        except DestinationError as error:
            for dataset in datasets[len(outcomes) :]:
                outcomes.append(Outcome(str(dataset.SOPInstanceUID), Delivery.TRY_LATER, str(error)))
        return outcomes

    def _send(self, client: httpx.Client, dataset: Dataset) -> Outcome:
        uid, boundary = str(dataset.SOPInstanceUID), uuid.uuid4().hex
        kind = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}'}
        answer = self._request(client, "POST", content=_multipart(dataset, boundary), headers=kind)
        return _told(answer).get(uid) or self._untold(uid, answer)

    def _client(self) -> httpx.Client:
        return httpx.Client(
            timeout=self.timeout,
            verify=self.tls.context() if self.tls else True,
            auth=(self.user, self.password) if self.user else None,
            headers={"Accept": "application/dicom+json", **self.headers},
            trust_env=False,
        )

    def _request(self, client: httpx.Client, method: str, **what: Any) -> httpx.Response:
        try:
            return client.request(method, f"{self.url.rstrip('/')}/studies", **what)
        except httpx.InvalidURL as error:
            raise DestinationError(f"{self}: is no address ({error}); write http://host:port/path") from error
        except httpx.HTTPError as error:
            raise DestinationError(f"{self}: {str(error) or type(error).__name__}; is it running?") from error

    def _untold(self, uid: str, answer: httpx.Response) -> Outcome:
        """The answer says nothing of this object: go by the HTTP status."""
        said = f"{self}: answers {_said(answer)}"
        if answer.status_code == httpx.codes.OK:
            return Outcome(uid, Delivery.DELIVERED)
        if answer.is_server_error or answer.is_redirect or answer.is_success or answer.status_code in _PASSING:
            return Outcome(uid, Delivery.TRY_LATER, said)
        return Outcome(uid, Delivery.NEVER, said)


def _said(answer: httpx.Response) -> str:
    return f"HTTP {answer.status_code} {answer.reason_phrase}".strip()


def _multipart(dataset: Dataset, boundary: str) -> bytes:
    """The body (RFC 2387): one part of application/dicom, a whole Part 10 file."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n"
    return head.encode("ascii") + file.getvalue() + f"\r\n--{boundary}--\r\n".encode("ascii")


def _told(answer: httpx.Response) -> dict[str, Outcome]:
    """What the answer's own words (PS3.18 10.5.3.2) say of each object."""
    try:
        words = answer.json()
    except ValueError:
        return {}
    if not isinstance(words, dict):
        return {}
    told = {}
    for item in _items(words, _REFERENCED):
        if uid := _first(item, _UID):
            told[uid] = Outcome(uid, Delivery.DELIVERED)
    for item in _items(words, _FAILED):
        if uid := _first(item, _UID):
            told[uid] = _failure(uid, _first(item, _REASON))
    return told


def _failure(uid: str, reason: Any) -> Outcome:
    if not isinstance(reason, int):
        return Outcome(uid, Delivery.NEVER, "the service refuses the object and says no reason")
    said = f"failure reason 0x{reason:04X}"
    if reason == _DUPLICATE:
        return Outcome(uid, Delivery.DELIVERED, said)
    passing = reason in _PASSING_REASONS or reason >> 8 == 0xA7
    return Outcome(uid, Delivery.TRY_LATER if passing else Delivery.NEVER, said)


def _items(words: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    found = words.get(tag)
    value = found.get("Value") if isinstance(found, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _first(item: Mapping[str, Any], tag: str) -> Any:
    found = item.get(tag)
    value = found.get("Value") if isinstance(found, dict) else None
    return value[0] if isinstance(value, list) and value else None
