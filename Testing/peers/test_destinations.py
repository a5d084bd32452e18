"""Delivery to real archives: Orthanc by C-STORE and STOW-RS, dcmtk's storescp with and without TLS."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from certificates import Certificates
from judged import judged
from miqanet_core import read_series
from miqanet_core.errors import InputError
from orthanc_server import Orthanc, free_port, wait_for_port

pytest.importorskip("pynetdicom")
from miqanet_core.dicom import (  # noqa: E402
    TLS,
    Delivery,
    DestinationError,
    Kind,
    StoreDestination,
    WebDestination,
    headers_of,
    results_of,
)

TIMEOUT = 20.0


@pytest.fixture(scope="module")
def template(shared) -> list[Dataset]:
    """Report, flag and montage of a real series."""
    series = read_series(shared / "data" / "mri" / "pelvis_hip_PX0000_T2cor")
    return list(results_of(judged(series, [30.0, 70.0, 80.0, 20.0]), series, headers_of(series), kinds=set(Kind)).values())


@pytest.fixture
def objects(template) -> list[Dataset]:
    """The same with UIDs that no other test has used."""
    study = generate_uid()
    for dataset in template:
        dataset.StudyInstanceUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID = study, generate_uid(), generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return template


def to_orthanc(orthanc: Orthanc) -> StoreDestination:
    return StoreDestination("127.0.0.1", orthanc.dicom_port, orthanc.ae_title, timeout=TIMEOUT)


def assert_held(orthanc: Orthanc, objects: list[Dataset]) -> None:
    """Orthanc gives back what it was given."""
    for dataset in objects:
        name = orthanc.find(dataset.SOPInstanceUID)
        assert name is not None
        sent = io.BytesIO()
        dataset.save_as(sent, enforce_file_format=True)
        held = pydicom.dcmread(io.BytesIO(orthanc.file(name)))
        assert held.to_json_dict() == pydicom.dcmread(io.BytesIO(sent.getvalue())).to_json_dict()


def test_orthanc_takes_them_by_c_store_and_findscu_finds_them(orthanc, objects, program, tmp_path):
    destination = to_orthanc(orthanc)
    destination.echo()
    outcomes = destination.deliver(objects)
    assert [(o.instance_uid, o.delivery) for o in outcomes] == [(d.SOPInstanceUID, Delivery.DELIVERED) for d in objects]
    assert_held(orthanc, objects)
    keys = ("-k", "QueryRetrieveLevel=SERIES", "-k", f"StudyInstanceUID={objects[0].StudyInstanceUID}")
    asked = [program("findscu"), "-S", *keys, "-k", "Modality", "-k", "SeriesDescription", "-aec", orthanc.ae_title]
    found = subprocess.run(
        [*asked, "127.0.0.1", str(orthanc.dicom_port)], capture_output=True, text=True, timeout=60, check=True
    )
    text = found.stdout + found.stderr
    for modality in ("SR", "KO", "OT"):
        assert f"[{modality}" in text
    assert "MIQA image quality" in text and "MIQA quality flag" in text


def test_a_re_run_replaces_and_does_not_multiply(orthanc, objects):
    for _ in range(2):
        assert {o.delivery for o in to_orthanc(orthanc).deliver(objects)} == {Delivery.DELIVERED}
    study = orthanc.rest("POST", "/tools/lookup", content=objects[0].StudyInstanceUID)[0]["ID"]
    assert orthanc.rest("GET", f"/studies/{study}/statistics")["CountInstances"] == 3


def test_orthanc_takes_them_by_stow(orthanc, objects):
    if not orthanc.dicomweb:
        pytest.skip("Orthanc's DICOMweb plugin is not installed")
    destination = WebDestination(orthanc.dicomweb, timeout=TIMEOUT)
    destination.echo()
    outcomes = destination.deliver(objects)
    assert [(o.instance_uid, o.delivery) for o in outcomes] == [(d.SOPInstanceUID, Delivery.DELIVERED) for d in objects]
    assert_held(orthanc, objects)


def test_stow_to_a_wrong_address_is_tried_again_and_says_so(orthanc, objects):
    nobody = WebDestination(f"http://127.0.0.1:{free_port()}/dicom-web", user="miqa", password="hidden", timeout=TIMEOUT)
    with pytest.raises(DestinationError, match="is it running"):
        nobody.echo()
    outcomes = nobody.deliver(objects)
    assert {o.delivery for o in outcomes} == {Delivery.TRY_LATER} and "hidden" not in outcomes[0].reason + repr(nobody)
    wrong = WebDestination(f"{orthanc.url}/not-here", timeout=TIMEOUT)
    with pytest.raises(DestinationError, match="404"):
        wrong.echo()
    assert {o.delivery for o in wrong.deliver(objects)} == {Delivery.TRY_LATER}
    with pytest.raises(DestinationError):
        WebDestination("no address", timeout=TIMEOUT).echo()


@contextmanager
def storescp(program: str, folder: Path, *options: str) -> Iterator[int]:
    """dcmtk's receiver on a free port, which is returned; its files go to ``folder``."""
    folder.mkdir()
    port = free_port()
    with (folder.parent / "storescp.log").open("wb") as log:
        command = [program, "-v", *options, "-od", str(folder), str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for_port(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def held_by_storescp(folder: Path) -> set[str]:
    return {pydicom.dcmread(path).SOPInstanceUID for path in folder.iterdir()}


def test_storescp_takes_them_in_the_clear(program, objects, tmp_path):
    with storescp(program("storescp"), tmp_path / "in") as port:
        destination = StoreDestination("127.0.0.1", port, "STORESCP", timeout=TIMEOUT)
        destination.echo()
        assert {o.delivery for o in destination.deliver(objects)} == {Delivery.DELIVERED}
    assert held_by_storescp(tmp_path / "in") == {d.SOPInstanceUID for d in objects}
    with pytest.raises(DestinationError, match="cannot be reached; is it running"):
        destination.echo()
    gone = destination.deliver(objects)
    assert {o.delivery for o in gone} == {Delivery.TRY_LATER} and "STORESCP at 127.0.0.1" in gone[0].reason


def test_a_refused_association_says_what_to_do(program, objects, tmp_path):
    with storescp(program("storescp"), tmp_path / "in", "--refuse") as port:
        destination = StoreDestination("127.0.0.1", port, "STORESCP", timeout=TIMEOUT)
        with pytest.raises(DestinationError, match="refuses the association"):
            destination.echo()
        assert {o.delivery for o in destination.deliver(objects)} == {Delivery.TRY_LATER}


@pytest.fixture
def tls(certificates: Certificates) -> TLS:
    return TLS(certificates.authority, *certificates.client)


def tls_options(certificates: Certificates, peer: str) -> tuple[str, ...]:
    certificate, key = certificates.server
    return ("+tls", str(key), str(certificate), "+cf", str(certificates.authority), peer)


def test_tls_with_a_client_certificate(program, objects, certificates, tls, tmp_path):
    with storescp(program("storescp"), tmp_path / "in", *tls_options(certificates, "-rc")) as port:
        destination = StoreDestination("127.0.0.1", port, "STORESCP", tls=tls, timeout=TIMEOUT)
        destination.echo()
        assert {o.delivery for o in destination.deliver(objects)} == {Delivery.DELIVERED}
        for other in (
            replace(destination, tls=TLS(certificates.authority)),  # shows no certificate
            replace(destination, tls=TLS(certificates.authority, *certificates.stranger)),  # one that nobody vouches for
            replace(destination, tls=None, timeout=5.0),  # speaks in the clear
        ):
            assert {o.delivery for o in other.deliver(objects)} == {Delivery.TRY_LATER}
    assert held_by_storescp(tmp_path / "in") == {d.SOPInstanceUID for d in objects}


def test_tls_without_a_client_certificate(program, objects, certificates, tmp_path):
    with storescp(program("storescp"), tmp_path / "in", *tls_options(certificates, "-ic")) as port:
        destination = StoreDestination("127.0.0.1", port, "STORESCP", tls=TLS(certificates.authority), timeout=TIMEOUT)
        assert {o.delivery for o in destination.deliver(objects)} == {Delivery.DELIVERED}
        stranger = replace(destination, tls=TLS(certificates.stranger[0]))
        with pytest.raises(DestinationError, match="TLS; check the certificates"):
            stranger.echo()


def test_tls_files_that_cannot_be_used_are_named(certificates, tmp_path):
    with pytest.raises(InputError, match="absent.pem: does not exist"):
        TLS(tmp_path / "absent.pem").context()
    (tmp_path / "odd.pem").write_text("no certificate", encoding="ascii")
    with pytest.raises(InputError, match="odd.pem: cannot be used for TLS"):
        TLS(certificates.authority, tmp_path / "odd.pem", certificates.client[1]).context()
