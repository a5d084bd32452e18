"""Orthanc forwards a series to the listener and gets the results back; storage commitment, both ways."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import httpx
import pydicom
import pytest

pytest.importorskip("pynetdicom")
pytest.importorskip("highdicom")

from sqlalchemy import select  # noqa: E402

from listening import MR, PATIENCE, Listener, free_port, wait_for  # noqa: E402
from miqanet_core.listener.catalogue import Commitment, OutboxEntry, Result  # noqa: E402
from miqanet_core.listener.catalogue.people import Review, review  # noqa: E402
from orthanc_server import PROGRAM, Orthanc, running_orthanc  # noqa: E402
from spoiled_series import spoiled  # noqa: E402

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Orthanc is not installed")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """It forwards by the script that is given to sites."""
    script = resources.files("miqanet_core.listener").joinpath("deployment", "orthanc-forward.lua")
    with running_orthanc(tmp_path_factory.mktemp("archive"), LuaScripts=[str(script)]) as server:
        yield server


@pytest.fixture(scope="module")
def listener(archive: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    destination = {
        "name": "archive",
        "address": "127.0.0.1",
        "port": archive.dicom_port,
        "ae_title": archive.ae_title,
        "montage": True,
    }
    one = Listener(
        tmp_path_factory.mktemp("back"), scoring={"workers": 1}, receiver={"processes": 1}, destinations=[destination]
    )
    archive.add_modality("miqa", "MIQA", one.port)
    try:
        yield one.start()
    finally:
        one.kill()


def test_a_forwarded_series_comes_back_flagged_and_a_person_may_reject_it(
    archive: Orthanc, listener: Listener, shared: Path, tmp_path: Path
) -> None:
    folder = spoiled(shared, tmp_path / "spoiled")
    for path in folder.iterdir():
        archive.rest("POST", "/instances", content=path.read_bytes())
    first = pydicom.dcmread(next(folder.iterdir()), stop_before_pixels=True)
    # Nothing but the script sends it, once it is stable.
    entry = wait_for(lambda: _delivered(listener, "result"), seconds=2 * PATIENCE, what="the delivery")
    with listener.catalogue().read() as session:
        result = session.get_one(Result, entry.result_id)
        assert result.flagged, (result.verdict, result.score)
        assert session.scalars(select(Commitment.committed)).all() == [True]  # the archive has vouched for them
    study = archive.rest("POST", "/tools/lookup", content=first.StudyInstanceUID)[0]["ID"]
    kinds = {one["MainDicomTags"].get("Modality") for one in archive.rest("GET", f"/studies/{study}/series")}
    assert {"SR", "KO"} <= kinds
    if shutil.which("findscu"):
        keys = ["-k", "QueryRetrieveLevel=SERIES", "-k", f"StudyInstanceUID={first.StudyInstanceUID}", "-k", "Modality"]
        command = ["findscu", "-S", *keys, "-aec", archive.ae_title, "127.0.0.1", str(archive.dicom_port)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
        assert {"SR", "KO"} <= set(re.findall(r"CS \[(\w\w) *\]", found.stdout + found.stderr))
    for one in archive.rest("GET", f"/studies/{study}/instances"):
        file = tmp_path / "found.dcm"
        file.write_bytes(archive.file(one["ID"]))
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        if dataset.Modality in ("SR", "KO") and shutil.which("dciodvfy"):
            done = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
            assert "Error" not in done.stderr, done.stderr
        if dataset.Modality in ("SR", "KO") and shutil.which("dsrdump"):
            done = subprocess.run(["dsrdump", str(file)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "E: " not in done.stderr, done.stderr
        if dataset.Modality == "KO":
            assert dataset.ConceptNameCodeSequence[0].CodeValue == "113010"

    with listener.catalogue().write() as session:
        review(session, entry.result_id, Review.REJECT, "Curie^Marie", "motion", ["archive"])
    wait_for(lambda: _delivered(listener, "rejection"), what="the rejection")
    titles = []
    for one in archive.rest("GET", f"/studies/{study}/instances"):
        file.write_bytes(archive.file(one["ID"]))
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        if dataset.Modality == "KO":
            titles.append(dataset.ConceptNameCodeSequence[0].CodeValue)
    assert sorted(titles) == ["113001", "113010"]


def test_what_was_written_back_is_not_taken_again(archive: Orthanc, listener: Listener) -> None:
    """An archive that forwards all it gets cannot make a loop: SR, KO and montage are of classes that are not let in."""
    results, objects = _results(listener), len(listener.objects())
    sent = 0
    for one in archive.rest("GET", "/instances?expand"):
        series = archive.rest("GET", f"/series/{one['ParentSeries']}")
        if series["MainDicomTags"].get("Modality") in ("SR", "KO", "OT"):
            assert not _forwarded(archive, one["ID"])
            sent += 1
    assert sent >= 3
    assert (_results(listener), len(listener.objects())) == (results, objects)


def test_the_listener_vouches_for_what_it_holds(archive: Orthanc, listener: Listener) -> None:
    held = listener.objects()[0]
    asked = {"DicomInstances": [{"SOPClassUID": MR, "SOPInstanceUID": held.sop_instance_uid}]}
    transaction = archive.rest("POST", "/modalities/miqa/storage-commitment", json=asked)["ID"]

    def report() -> dict | None:
        found = archive.rest("GET", f"/storage-commitment/{transaction}")
        return found if found["Status"] != "Pending" else None

    assert wait_for(report)["Status"] == "Success"
    asked = {"DicomInstances": [{"SOPClassUID": MR, "SOPInstanceUID": "1.2.3.4"}]}
    transaction = archive.rest("POST", "/modalities/miqa/storage-commitment", json=asked)["ID"]
    assert wait_for(report)["Status"] == "Failure"


def test_a_destination_that_is_away_gets_its_result_when_it_is_back(tmp_path: Path, shared: Path) -> None:
    """The outbox keeps it, with the reason; nothing is lost and nothing is given up."""
    port = free_port()
    destination = {"name": "archive", "address": "127.0.0.1", "port": port, "ae_title": "ORTHANC", "storage_commitment": False}
    listener = Listener(tmp_path, scoring={"workers": 1}, receiver={"processes": 1}, destinations=[destination])
    try:
        listener.start()
        assert listener.store(shared / "data" / "mri" / "abdomen_T2_CMB-CRC").returncode == 0
        waiting = wait_for(lambda: _first(listener, OutboxEntry.attempts > 0, OutboxEntry.leased_by.is_(None)))
        assert "cannot be reached" in waiting.reason
        (tmp_path / "archive").mkdir()
        with running_orthanc(tmp_path / "archive", DicomPort=port):
            with listener.catalogue().write() as session:
                from miqanet_core.listener.catalogue import now

                session.get_one(OutboxEntry, waiting.id).next_try = now()
            wait_for(lambda: _delivered(listener, "result"), what="the delivery")
    finally:
        listener.kill()


def _forwarded(archive: Orthanc, resource: str) -> bool:
    """Whether Orthanc could send it. Its permissive jobs count no failure, so this is none; a failure is a status of HTTP."""
    try:
        archive.rest("POST", "/modalities/miqa/store", json={"Resources": [resource], "Permissive": False, "Synchronous": True})
    except httpx.HTTPStatusError:
        return False
    return True


def _first(listener: Listener, *conditions: object) -> OutboxEntry | None:
    with listener.catalogue().read() as session:
        return session.scalars(select(OutboxEntry).where(*conditions)).first()  # type: ignore[arg-type]


def _delivered(listener: Listener, what: str) -> OutboxEntry | None:
    return _first(listener, OutboxEntry.what == what, OutboxEntry.delivered_at.is_not(None))


def _results(listener: Listener) -> list[int]:
    with listener.catalogue().read() as session:
        return list(session.scalars(select(Result.id)))
