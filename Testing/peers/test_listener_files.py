"""Files that nobody has checked, read in the sandbox: whatever is in them, the worker goes on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom")
pytest.importorskip("sqlalchemy")

from miqanet_core.errors import InputError  # noqa: E402
from miqanet_core.listener.reading import facts_of_file, series_of_files  # noqa: E402
from miqanet_core.listener.sandbox import ReadingFailed, Sandbox  # noqa: E402
from readers.dicom_maker import mr_image, noise, save  # noqa: E402

FILES = 2_000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    one = Sandbox(4 * 2**30, 60)
    one.start()
    yield one
    one.close()


def test_2_000_mutated_files(sandbox: Sandbox, tmp_path: Path) -> None:
    """Seeded. Each is read or refused in a line that names no path of the spool's inside; none brings the process down."""
    rng = random.Random(2)
    original = save(mr_image(noise(1, 32, 32)), tmp_path / "original.dcm").read_bytes()
    path = tmp_path / "mutated.dcm"
    read = refused = 0
    deaths = []
    for number in range(FILES):
        path.write_bytes(mutated(rng, original))
        for function, argument in ((facts_of_file, path), (series_of_files, [path])):
            try:
                sandbox.call(function, argument)
                read += 1
            except InputError as error:
                assert "Doe" not in error.problem
                refused += 1
            except ReadingFailed as error:
                deaths.append((number, str(error)))
    assert read > 100
    assert refused > 100
    assert deaths == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mutated.dcm", "original.dcm"]


def mutated(rng: random.Random, original: bytes) -> bytes:
    found = bytearray(original)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(132, min(len(found), 900))  # the headers, not the pixels
        kind = rng.randrange(4)
        if kind == 0:
            found[at] = rng.randrange(256)
        elif kind == 1:
            found[at:at] = rng.randbytes(rng.randint(1, 8))
        elif kind == 2:
            del found[at : at + rng.randint(1, 8)]
        else:
            found[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"SQ\x00\x00", b"UN\x00\x00"])
    return bytes(found[: rng.randrange(140, len(found))] if rng.random() < 0.1 else found)


def test_a_call_that_hangs_or_swells_or_dies_ends_alone(tmp_path: Path) -> None:
    hasty = Sandbox(3 * 2**30, 1.0)
    with pytest.raises(ReadingFailed, match="longer than 1 s"):
        hasty.call(time.sleep, 30)
    hasty.close()
    sandbox = Sandbox(3 * 2**30, 100)
    with pytest.raises(ReadingFailed, match="more memory"):
        sandbox.call(bytearray, 4 * 2**30)
    with pytest.raises(ReadingFailed, match="die"):
        sandbox.call(_exit, 11)
    with pytest.raises(ReadingFailed, match=r"die|OSError"):
        sandbox.call(_write, tmp_path / "outside")
    assert not (tmp_path / "outside").exists() or (tmp_path / "outside").stat().st_size == 0
    assert sandbox.call(len, "goes on") == 7
    sandbox.close()


def _exit(status: int) -> None:
    import os

    os._exit(status)


def _write(path: Path) -> None:
    path.write_bytes(b"x")
