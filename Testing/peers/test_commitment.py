"""Storage commitment with a real Orthanc: it vouches for us, and we vouch for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from judged import judged
from miqanet_core import read_series
from orthanc_server import Orthanc, free_port

pynetdicom = pytest.importorskip("pynetdicom")
from pynetdicom import AE, evt  # noqa: E402
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance, Verification  # noqa: E402

from miqanet_core.dicom import (  # noqa: E402
    DestinationError,
    Reference,
    StoreDestination,
    headers_of,
    results_of,
)
from miqanet_core.dicom.commitment import CommitmentProvider, CommitmentReport, report_handler, request_commitment  # noqa: E402

TIMEOUT = 20.0
NO_SUCH_OBJECT, CLASS_CONFLICT = 0x0112, 0x0119


@pytest.fixture(scope="module")
def objects(shared) -> list[Dataset]:
    """Report and flag of a real series."""
    series = read_series(shared / "data" / "mri" / "pelvis_hip_PX0000_T2cor")
    return list(results_of(judged(series, [30.0, 70.0, 80.0, 20.0]), series, headers_of(series)).values())


def reference_to(dataset: Dataset) -> Reference:
    return Reference(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID))


@contextmanager
def our_server(handlers: list) -> Iterator[int]:
    """A server such as the listener's, in both roles of storage commitment; its port."""
    entity = AE("MIQA")
    entity.add_supported_context(Verification)
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    port = free_port()
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield port
    finally:
        server.shutdown()


def test_orthanc_vouches_for_what_it_holds(orthanc: Orthanc, objects):
    reports: queue.Queue[CommitmentReport] = queue.Queue()
    destination = StoreDestination("127.0.0.1", orthanc.dicom_port, orthanc.ae_title, timeout=TIMEOUT)
    with our_server([(evt.EVT_N_EVENT_REPORT, report_handler(reports.put))]) as port:
        orthanc.add_modality("miqa-asks", "MIQA", port)
        destination.deliver(objects)
        held = [reference_to(dataset) for dataset in objects]
        transaction = request_commitment(destination, held, reports.put)
        report = reports.get(timeout=60)
        assert report == CommitmentReport(transaction, tuple(held))

        absent = Reference(held[0].sop_class_uid, str(generate_uid()))
        transaction = request_commitment(destination, [held[0], absent], reports.put)
        report = reports.get(timeout=60)
        assert report == CommitmentReport(transaction, (held[0],), ((absent, NO_SUCH_OBJECT),))


def test_we_vouch_for_what_orthanc_sent_and_for_nothing_else(orthanc: Orthanc, objects):
    StoreDestination("127.0.0.1", orthanc.dicom_port, orthanc.ae_title, timeout=TIMEOUT).deliver(objects)
    held = {str(objects[0].SOPInstanceUID): str(objects[0].SOPClassUID)}
    peers = {orthanc.ae_title: StoreDestination("127.0.0.1", orthanc.dicom_port, orthanc.ae_title, "MIQA", timeout=TIMEOUT)}
    failures: list[str] = []
    provider = CommitmentProvider(held.get, peers.get, failures.append)
    with our_server([(evt.EVT_N_ACTION, provider.handle)]) as port:
        orthanc.add_modality("miqa-vouches", "MIQA", port)
        asked = [[str(d.SOPClassUID), str(d.SOPInstanceUID)] for d in objects]
        answer = orthanc.rest("POST", "/modalities/miqa-vouches/storage-commitment", json={"DicomInstances": asked})
        found = _report_at(orthanc, answer["ID"])
        answer = orthanc.rest("POST", "/modalities/miqa-vouches/storage-commitment", json={"DicomInstances": asked[:1]})
        assert _report_at(orthanc, answer["ID"])["Status"] == "Success"
    assert found["Status"] == "Failure" and failures == []
    assert [one["SOPInstanceUID"] for one in found["Success"]] == [asked[0][1]]
    assert [(one["SOPInstanceUID"], one["FailureReason"]) for one in found["Failures"]] == [(asked[1][1], NO_SUCH_OBJECT)]


def _report_at(orthanc: Orthanc, transaction: str) -> dict:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = orthanc.rest("GET", f"/storage-commitment/{transaction}")
        if found["Status"] != "Pending":
            return found
        time.sleep(0.1)
    raise AssertionError("Orthanc got no report")


def test_report_over_the_same_association(objects):
    """Some archives report before the one who asked has gone."""
    held = [reference_to(dataset) for dataset in objects]

    def action(event: evt.Event):
        # The report that all is held has the form of the request (PS3.4 tables J.3-1 and J.3-2).
        arguments = (event.action_information, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
        threading.Timer(0.3, event.assoc.send_n_event_report, arguments).start()
        return 0x0000, None

    reports: list[CommitmentReport] = []
    with our_server([(evt.EVT_N_ACTION, action)]) as port:
        destination = StoreDestination("127.0.0.1", port, "MIQA", timeout=TIMEOUT)
        transaction = request_commitment(destination, held, reports.append, wait=TIMEOUT)
    assert reports == [CommitmentReport(transaction, tuple(held))]


def test_a_stranger_is_refused_and_a_class_conflict_is_told(objects):
    held = reference_to(objects[0])
    provider = CommitmentProvider({held.instance_uid: held.sop_class_uid}.get, lambda title: None, print)
    assert provider.verify("1.2", [held]).committed == (held,)
    other = Reference("1.2.840.10008.5.1.4.1.1.4", held.instance_uid)
    assert provider.verify("1.2", [other]).failed == ((other, CLASS_CONFLICT),)
    with our_server([(evt.EVT_N_ACTION, provider.handle)]) as port, pytest.raises(DestinationError, match="0x0124"):
        request_commitment(StoreDestination("127.0.0.1", port, "MIQA", timeout=TIMEOUT), [held], print)


def test_a_report_that_cannot_be_kept_is_not_acknowledged(orthanc: Orthanc, objects):
    def full(report: CommitmentReport) -> None:
        raise OSError("disk full")

    peers: dict[str, StoreDestination] = {}
    failures: queue.Queue[str] = queue.Queue()
    provider = CommitmentProvider(lambda uid: None, peers.get, failures.put)
    handlers = [(evt.EVT_N_EVENT_REPORT, report_handler(full)), (evt.EVT_N_ACTION, provider.handle)]
    with our_server(handlers) as port:
        peers["MIQA"] = StoreDestination("127.0.0.1", port, "MIQA", timeout=TIMEOUT)
        request_commitment(peers["MIQA"], [reference_to(objects[0])], print)
        assert "does not take the storage commitment report" in failures.get(timeout=60)
