"""From C-STORE to the verdict, with the real worker and the real model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

pytest.importorskip("pynetdicom")
pytest.importorskip("sqlalchemy")

from pydicom.uid import generate_uid  # noqa: E402
from sqlalchemy import select  # noqa: E402
from sqlalchemy.orm import selectinload  # noqa: E402

from listening import Listener, encoded, running, send_bytes, wait_for  # noqa: E402
from miqanet_core.listener.catalogue import Result, Series, SliceScore  # noqa: E402
from mr_samples import slice_like  # noqa: E402
from readers.dicom_maker import enhanced, groups, mr_image, noise  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("storescu") is None, reason="dcmtk is not installed")


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    sections = {"scoring": {"workers": 1}, "receiver": {"processes": 1}, "completion": {"quiet_seconds": 1}}
    with running(tmp_path_factory.mktemp("scoring"), **sections) as one:
        yield one


def series_of(listener: Listener, uid: str) -> Series | None:
    with listener.catalogue().read() as session:
        query = select(Series).where(Series.series_uid == uid)
        return session.scalar(
            query.options(selectinload(Series.results).selectinload(Result.stacks), selectinload(Series.objects))
        )


def concluded(listener: Listener, uid: str, version: int = 1) -> Series:
    def look() -> Series | None:
        series = series_of(listener, uid)
        return series if series is not None and series.state != "receiving" and series.version >= version else None

    return wait_for(look, what="the verdict")


def send(listener: Listener, *datasets: pydicom.Dataset) -> None:
    association = listener.associate()
    for one in datasets:
        assert send_bytes(association, encoded(one), one.SOPInstanceUID) == 0
    association.release()


def twelve_slices(uid: str) -> list[pydicom.Dataset]:
    """Anatomy, which takes the worker some seconds: noise alone is told at a glance, and leaves no middle to be stopped in."""
    anatomy = slice_like(512, 512).astype(np.uint16)
    return [mr_image(anatomy + n, SeriesInstanceUID=uid, ImagePositionPatient=[0, 0, 3 * n]) for n in range(12)]


def test_a_real_series_gets_the_verdict_that_miqanet_score_gives(listener: Listener, shared: Path) -> None:
    from miqanet_core import Scorer, read_series

    folder = shared / "data" / "mri" / "thigh_T1_STS001"
    assert listener.store(folder).returncode == 0
    source = read_series(folder)
    series = concluded(listener, source.identity.series_uid)
    expected = Scorer(device="cpu").score(source)
    result = series.results[-1]
    assert (series.version, len(series.results), result.objects) == (1, 1, 6)
    assert result.verdict == expected.verdict.value
    assert result.score == pytest.approx(expected.score, abs=1e-3)
    stack = result.stacks[0]
    found = stack.quality
    assert [s.score for s in found.slices] == pytest.approx([s.score for s in expected.slices], abs=1e-3)
    assert found.in_domain == expected.in_domain
    assert [s.artifacts.keys() for s in found.slices] == [s.artifacts.keys() for s in expected.slices]
    assert stack.instance_uids == [one.instance_uid for one in source.slice_sources]
    with np.load(listener.settings.storage.results / stack.map_file) as values:
        np.testing.assert_allclose(values["map"], expected.map, atol=1e-2)
        assert values["picture"].shape == source.voxels.shape
        assert source.geometry is not None
        np.testing.assert_allclose(values["spacing"], source.geometry.spacing)
        np.testing.assert_allclose(values["direction"], source.geometry.direction)
    with listener.catalogue().read() as session:
        scored = session.scalars(select(SliceScore.score).where(SliceScore.series_id == series.id)).all()
    assert len(scored) == 6  # as they came, before the verdict
    assert "STS_001" not in str(stack.document)


def test_an_object_that_comes_late_makes_a_second_version(listener: Listener) -> None:
    uid = generate_uid()
    images = [mr_image(noise(n, 64, 64), SeriesInstanceUID=uid, ImagePositionPatient=[0, 0, 3 * n]) for n in range(3)]
    send(listener, *images[:2])
    assert concluded(listener, uid).results[-1].objects == 2
    send(listener, images[2])
    series = concluded(listener, uid, version=2)
    assert [(r.version, r.objects) for r in series.results] == [(1, 2), (2, 3)]
    send(listener, images[2])  # known already: no third version
    assert concluded(listener, uid, version=2).version == 2


def test_the_announced_number_of_objects_ends_the_wait(listener: Listener) -> None:
    uid = generate_uid()
    images = [
        mr_image(noise(n, 64, 64), SeriesInstanceUID=uid, ImagePositionPatient=[0, 0, 3 * n], ImagesInAcquisition=2)
        for n in range(2)
    ]
    send(listener, *images)
    assert concluded(listener, uid).expected == 2


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localiser"),
        ({"SeriesDescription": "3-plane Loc"}, "localiser"),
        ({"ImageType": ["DERIVED", "SECONDARY", "ADC"]}, "derived"),
        ({"Manufacturer": "MIQA", "ManufacturerModelName": "MIQA image quality"}, "MIQA made it"),
    ],
)
def test_what_is_never_scored(listener: Listener, tags: dict[str, object], reason: str) -> None:
    uid = generate_uid()
    send(listener, mr_image(noise(1, 64, 64), SeriesInstanceUID=uid, **tags))
    series = concluded(listener, uid, version=0)
    assert series.state == "left-out"
    assert reason in series.reason
    assert series.results == []


def test_a_different_object_under_a_known_uid_is_kept_and_reported(listener: Listener) -> None:
    uid, sop = generate_uid(), generate_uid()
    first = mr_image(noise(1, 64, 64), SeriesInstanceUID=uid, SOPInstanceUID=sop)
    second = mr_image(noise(2, 64, 64), SeriesInstanceUID=uid, SOPInstanceUID=sop)
    send(listener, first)
    concluded(listener, uid)
    send(listener, second)
    wait_for(lambda: any("a different object came" in detail for detail in listener.incidents()))
    series = concluded(listener, uid)
    assert [one.state for one in series.objects] == ["sorted", "left-out"]
    assert all((listener.settings.storage.spool / one.file).is_file() for one in series.objects)
    assert series.version == 1


def test_echoes_are_stacks_of_one_result(listener: Listener) -> None:
    uid = generate_uid()
    images = [
        mr_image(noise(10 * echo + n, 64, 64), SeriesInstanceUID=uid, ImagePositionPatient=[0, 0, 3 * n], EchoTime=20 * echo)
        for echo in (1, 2)
        for n in range(2)
    ]
    send(listener, *images)
    result = concluded(listener, uid).results[-1]
    assert len(result.stacks) == 2
    assert {uid for stack in result.stacks for uid in stack.instance_uids} == {one.SOPInstanceUID for one in images}


def test_a_multi_frame_image_and_a_damaged_one(listener: Listener) -> None:
    from pydicom.uid import EnhancedMRImageStorage
    from pynetdicom import AE, build_context
    from pynetdicom.dsutils import encode

    places = [groups(PlanePositionSequence={"ImagePositionPatient": [0, 0, 3 * n]}) for n in range(3)]
    good_uid, bad_uid = generate_uid(), generate_uid()
    good = enhanced(np.stack([noise(n, 64, 64) for n in range(3)]), places, SeriesInstanceUID=good_uid)
    association = AE("PYNETDICOM").associate(
        "127.0.0.1", listener.port, [build_context(EnhancedMRImageStorage, ["1.2.840.10008.1.2.1"])], "MIQA"
    )
    assert association.send_c_store(good).Status == 0
    association.release()
    assert encode(good, False, True)
    bad = mr_image(noise(1, 64, 64), SeriesInstanceUID=bad_uid)
    bad.PixelData = bad.PixelData[: len(bad.PixelData) // 2]
    send(listener, bad)
    result = concluded(listener, good_uid).results[-1]
    assert len(result.stacks[0].document["slices"]) == 3
    assert set(result.stacks[0].instance_uids) == {good.SOPInstanceUID}
    damaged = concluded(listener, bad_uid, version=0)
    assert damaged.state == "failed"
    assert "cut short" in damaged.reason


def test_a_worker_killed_in_the_middle_is_replaced_and_each_version_is_scored_once(listener: Listener) -> None:
    uid = generate_uid()
    send(listener, *twelve_slices(uid))
    wait_for(lambda: _slices(listener, uid) >= 1)
    listener.children("worker")[0].kill()
    with listener.catalogue().write() as session:
        # The lease of a dead worker ends after lease_seconds; the test need not wait for it.
        from miqanet_core.listener.catalogue import Job, now

        for job in session.scalars(select(Job)):
            job.leased_until = now()
    series = concluded(listener, uid)
    assert [(r.version, r.objects) for r in series.results] == [(1, 12)]
    assert len(series.results[0].stacks[0].document["slices"]) == 12


def test_stopping_gives_the_job_back_and_the_next_start_goes_on(listener: Listener) -> None:
    """Last of this listener's tests."""
    uid = generate_uid()
    send(listener, *twelve_slices(uid))
    wait_for(lambda: _slices(listener, uid) >= 1)
    assert listener.stop() == 0
    half = series_of(listener, uid)
    assert half is not None
    assert half.state == "receiving"
    with listener.catalogue().read() as session:
        from miqanet_core.listener.catalogue import Job

        assert [job.leased_by for job in session.scalars(select(Job).where(Job.series_id == half.id))] == [None]
    listener.start()
    assert concluded(listener, uid).results[-1].objects == 12


def _slices(listener: Listener, uid: str) -> int:
    with listener.catalogue().read() as session:
        return len(session.scalars(select(SliceScore.id).join(Series).where(Series.series_uid == uid)).all())
