"""Reading ahead in other processes, and shards: the same series and the same faults as reading here, each exactly once."""

import pickle
import threading
from pathlib import Path

import numpy as np
import psutil
import pydicom
import pytest
from dicom_maker import mr_image, noise, save, slices
from PIL import Image

from miqanet_core.errors import InputError
from miqanet_core.readers import ReadAhead, Shard, scan, steps
from miqanet_core.series import MRSeries

COUNT = 12


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve DICOM series whose files are spread over two folders, two pictures, and files that cannot be read."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(COUNT):
        tags = {"SeriesInstanceUID": f"1.2.3.{number}", "SeriesNumber": COUNT - number, "SeriesDescription": f"series {number}"}
        slices(folder / "one", [0, 3], first=10 * number, **tags)
        slices(folder / "two", [6], first=10 * number + 2, **tags)
    for name in ("a", "b"):
        Image.fromarray(noise(1, 32, 32).astype(np.uint8)).save(folder / f"{name}.png")
    (folder / "one" / "cut.dcm").write_bytes(b"\0" * 128 + b"DICM")
    save(mr_image(noise(0, 8, 8), SeriesInstanceUID="1.2.4"), folder / "two" / "small.dcm")
    (folder / "two" / "text.nii").write_text("no image")
    return folder


def read_ahead(*paths: Path, **options) -> tuple[list[MRSeries], list[InputError]]:
    with ReadAhead(paths, **options) as reading:
        found = list(reading)
    return [one for one in found if isinstance(one, MRSeries)], [one for one in found if isinstance(one, InputError)]


def test_the_same_as_reading_here(archive: Path) -> None:
    expected, told = scan(archive), []
    series, failures = read_ahead(archive, progress=lambda done, total: told.append((done, total)))
    assert [one.description for one in series] == [f"series {n}" for n in reversed(range(COUNT))] + ["a", "b"]
    for ours, theirs in zip(series, expected.series, strict=True):
        assert np.array_equal(ours.voxels, theirs.voxels)
        assert (ours.geometry, ours.facts, ours.identity) == (theirs.geometry, theirs.facts, theirs.identity)
        assert (ours.sources, ours.notes, ours.slice_sources) == (theirs.sources, theirs.notes, theirs.slice_sources)
    assert list(map(str, failures)) == list(map(str, expected.failures))
    assert len(failures) == 3
    files = 3 * COUNT + 2 + 3
    assert told[-1] == (files, files)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_each_series_and_each_fault_is_of_one_shard(archive: Path) -> None:
    whole = scan(archive)
    parts = [read_ahead(archive, shard=Shard(index, 3)) for index in (1, 2, 3)]
    assert sorted(one.description for series, _ in parts for one in series) == sorted(one.description for one in whole.series)
    assert sorted(str(error) for _, failures in parts for error in failures) == sorted(map(str, whole.failures))
    assert all(one.voxels.shape[0] == 3 for series, _ in parts for one in series if one.modality)
    assert sum(bool(series) for series, _ in parts) > 1


def test_a_shard_without_a_series_is_no_fault_and_an_empty_folder_is(archive: Path, tmp_path: Path) -> None:
    save(mr_image(noise(0)), tmp_path / "full" / "a.dcm")
    (tmp_path / "empty").mkdir()
    shards = [read_ahead(tmp_path / "full", shard=Shard(index, 2)) for index in (1, 2)]
    assert sorted(len(series) for series, _ in shards) == [0, 1]
    assert not any(failures for _, failures in shards)
    (error,) = read_ahead(tmp_path / "empty", shard=Shard(2, 2))[1]
    assert str(error).startswith(f"{tmp_path / 'empty'}: holds no file; ")


def test_what_is_not_there_is_told_and_the_rest_read(archive: Path, tmp_path: Path) -> None:
    series, (error,) = read_ahead(tmp_path / "absent", archive / "a.png")
    assert "does not exist" in str(error)
    assert [one.description for one in series] == ["a"]
    with ReadAhead([tmp_path / "absent"]) as reading:
        assert not reading.anything


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if "resource_tracker" not in " ".join(child.cmdline())}


def test_its_processes_and_its_thread_end_when_it_is_left_early(archive: Path) -> None:
    before, threads = children(), threading.active_count()
    with ReadAhead([archive]) as reading:
        next(iter(reading))
        assert children() > before
    assert children() == before
    assert threading.active_count() == threads


def test_a_reading_process_that_is_killed_is_told(archive: Path) -> None:
    before = children()
    with ReadAhead([archive]) as reading, pytest.raises(MemoryError):
        found = iter(reading)
        next(found)
        for pid in children() - before:
            psutil.Process(pid).kill()
        list(found)


def test_too_little_memory_is_known_as_such_in_another_process() -> None:
    error = InputError("a.dcm", "does not fit", "score less")
    error.__cause__ = MemoryError("somewhere")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert isinstance(copy.__cause__, MemoryError)
    assert pickle.loads(pickle.dumps(InputError("a", "b", "c"))).__cause__ is None


def test_a_header_is_parsed_once_and_again_only_where_it_was_let_go(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[Path] = []
    dcmread = pydicom.dcmread

    def counting(file, **options):
        parsed.append(Path(file.name))
        return dcmread(file, **options)

    monkeypatch.setattr(pydicom, "dcmread", counting)
    kept = scan(archive / "two")
    assert len(parsed) == len(set(parsed)) == COUNT + 1
    monkeypatch.setattr(steps, "MOST_KEPT", 3)
    parsed.clear()
    let_go = scan(archive / "two")
    assert len(parsed) == 2 * (COUNT + 1) - 3
    assert all(np.array_equal(a.voxels, b.voxels) for a, b in zip(kept.series, let_go.series, strict=True))
    assert list(map(str, kept.failures)) == list(map(str, let_go.failures))


def test_a_file_that_changes_after_its_header_was_let_go_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from miqanet_core.readers import dicom

    path = save(mr_image(noise(0)), tmp_path / "a.dcm")
    (header,) = dicom.read_headers([path], [], steps.Counter(), lambda _: None)
    save(mr_image(noise(0), SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4"), path)
    with pytest.raises(InputError, match="has changed while it was read"):
        dicom.read([header.let_go()], lambda _: None)
