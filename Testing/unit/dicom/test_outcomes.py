"""Which answers of a destination mean "try again later" and which "never"."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from dicom_maker import mr_image
from pydicom.dataset import Dataset

pytest.importorskip("pynetdicom")
from pynetdicom import AE, evt  # noqa: E402
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification  # noqa: E402

from miqanet_core.dicom import Delivery, DestinationError, StoreDestination, WebDestination  # noqa: E402

LATER, NEVER, DELIVERED = Delivery.TRY_LATER, Delivery.NEVER, Delivery.DELIVERED


@pytest.fixture
def image() -> Dataset:
    return mr_image(np.zeros((16, 16), np.uint16))


@contextmanager
def archive(on_store, contexts=(MRImageStorage, Verification)) -> Iterator[StoreDestination]:
    """A receiver whose answer to C-STORE is ``on_store(event)``."""
    entity = AE("ARCHIVE")
    for context in contexts:
        entity.add_supported_context(context)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    try:
        yield StoreDestination("127.0.0.1", server.server_address[1], "ARCHIVE", timeout=20.0)
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "delivery"),
    [
        (0x0000, DELIVERED),
        (0xB000, DELIVERED),  # coerced some elements
        (0x0111, DELIVERED),  # has it already
        (0xA700, LATER),  # full
        (0x0110, LATER),
        (0x0124, LATER),
        (0x0122, NEVER),
        (0xA900, NEVER),  # not what was announced
        (0xC000, NEVER),  # not understood
    ],
)
def test_status_of_a_c_store(image, status, delivery):
    with archive(lambda event: status) as destination:
        (outcome,) = destination.deliver([image])
    assert outcome.delivery is delivery
    assert (f"0x{status:04X}" in outcome.reason) == (status != 0)


def test_a_class_that_the_archive_does_not_take_does_not_stop_the_others(image):
    other = mr_image(np.zeros((16, 16), np.uint16), SOPClassUID=CTImageStorage)
    with archive(lambda event: 0x0000) as destination:
        refused, taken = destination.deliver([other, image])
    assert (refused.delivery, taken.delivery) == (NEVER, DELIVERED) and "CT Image Storage" in refused.reason
    with archive(lambda event: 0x0000, contexts=(CTImageStorage,)) as destination:
        (none_taken,) = destination.deliver([image])
        with pytest.raises(DestinationError):
            destination.echo()
    assert none_taken.delivery is NEVER and "MR Image Storage" in none_taken.reason


def test_what_went_before_a_broken_association_stays_delivered(image):
    seen = []

    def abort_the_second(event: evt.Event) -> int:
        seen.append(event.request.AffectedSOPInstanceUID)
        if len(seen) == 2:
            event.assoc.abort()
        return 0x0000

    with archive(abort_the_second) as destination:
        outcomes = destination.deliver([image, image, image])
    assert [o.delivery for o in outcomes] == [DELIVERED, LATER, LATER]


def test_nothing_to_send_opens_no_association():
    assert StoreDestination("127.0.0.1", 9, "NOBODY").deliver([]) == []
    assert WebDestination("http://127.0.0.1:9").deliver([]) == []


@contextmanager
def service(status: int, words: object) -> Iterator[WebDestination]:
    """A DICOMweb service with one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:  # noqa: N802
            body = json.dumps(words).encode() if words is not None else b"<p>busy</p>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield WebDestination(f"http://127.0.0.1:{server.server_port}/dicom-web/", timeout=20.0)
    finally:
        server.shutdown()
        server.server_close()


def told(uid: str, reason: int | None) -> dict:
    """PS3.18 10.5.3.2: stored, or failed for a reason."""
    item = {"00081155": {"vr": "UI", "Value": [uid]}}
    if reason is None:
        return {"00081199": {"vr": "SQ", "Value": [item]}}
    return {"00081198": {"vr": "SQ", "Value": [{**item, "00081197": {"vr": "US", "Value": [reason]}}]}}


@pytest.mark.parametrize(
    ("status", "reason", "delivery"),
    [
        (200, None, DELIVERED),
        (409, 0x0111, DELIVERED),
        (202, 0xA700, LATER),
        (409, 0x0110, LATER),
        (409, 0xA900, NEVER),
        (409, 0x0122, NEVER),
    ],
)
def test_words_of_a_stow_answer_go_before_its_status(image, status, reason, delivery):
    with service(status, told(image.SOPInstanceUID, reason)) as destination:
        (outcome,) = destination.deliver([image])
    assert outcome.delivery is delivery
    assert reason is None or f"0x{reason:04X}" in outcome.reason


@pytest.mark.parametrize(
    ("status", "delivery"),
    [(200, DELIVERED), (503, LATER), (500, LATER), (401, LATER), (404, LATER), (429, LATER), (302, LATER), (202, LATER),
     (400, NEVER), (415, NEVER), (413, NEVER), (422, NEVER)],
)  # fmt: skip
@pytest.mark.parametrize("words", [None, [], {"00081199": {"Value": ["odd"]}}])
def test_status_of_a_stow_answer_that_says_nothing(image, status, delivery, words):
    with service(status, words) as destination:
        (outcome,) = destination.deliver([image])
        assert outcome.delivery is delivery
        assert delivery is DELIVERED or str(status) in outcome.reason
        if status != 200 and status != 202:
            with pytest.raises(DestinationError, match=str(status)):
                destination.echo()
