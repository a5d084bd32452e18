"""What the spool lets go of, and what it does not."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("pydantic")

from sqlalchemy import select  # noqa: E402

from miqanet_core.listener.catalogue import (  # noqa: E402
    Catalogue,
    OutboxEntry,
    ReceivedObject,
    Result,
    Series,
    StackResult,
    now,
    queue,
)
from miqanet_core.listener.reconcile import reconcile  # noqa: E402
from miqanet_core.listener.retention import let_go  # noqa: E402
from miqanet_core.listener.settings import Storage  # noqa: E402
from miqanet_core.listener.spool import Announced, Incoming, Spool  # noqa: E402


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    (tmp_path / "spool").mkdir()
    (tmp_path / "results").mkdir()
    return Storage(folder=tmp_path, keep_days=10, keep_gib=1)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue.in_folder(tmp_path).create()
    yield made
    made.close()


def keep(spool: Spool, uid: str = "1.2.3", data: bytes = b"data") -> Incoming:
    incoming = Incoming(spool, 1000)
    incoming.announced = Announced("1.2.840.10008.5.1.4.1.1.4", uid, "1.2.840.10008.1.2.1")
    incoming.write(data)
    incoming.keep()
    return incoming


def entry(incoming: Incoming, uid: str = "1.2.3") -> ReceivedObject:
    return ReceivedObject(
        sop_instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.4", transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256=incoming.sha256, size=incoming.size, file=incoming.name, state="sorted",
    )  # fmt: skip


def scored(catalogue: Catalogue, storage: Storage, uid: str, days: float, size: int = 4) -> str:
    """A series with one object, a result and a map, of so many days ago; the object's name in the spool."""
    incoming = keep(Spool(storage.spool), uid)
    (storage.results / f"{uid}.npz").write_bytes(b"map")
    with catalogue.write() as session:
        series = Series(series_uid=uid, state="scored", version=1, last_object_at=now() - timedelta(days=days))
        one = entry(incoming, uid)
        one.size = size
        series.objects.append(one)
        result = Result(
            version=1, verdict="limited", score=50.0, flagged=True, objects=1, latency_seconds=1.0, model_name="m",
            model_version="1", weights_sha256="0",
        )  # fmt: skip
        result.stacks.append(
            StackResult(number=0, verdict="limited", score=50.0, document={}, map_file=f"{uid}.npz", instance_uids=[uid])
        )
        series.results.append(result)
        session.add(series)
        session.flush()
        queue.request_delivery(session, result.id, "archive", "dicom")
    return incoming.name


def delivered(catalogue: Catalogue) -> None:
    with catalogue.write() as session:
        for one in session.scalars(select(OutboxEntry)):
            one.delivered_at = now()


def test_an_old_series_goes_when_it_is_delivered_and_not_before(catalogue: Catalogue, storage: Storage) -> None:
    name = scored(catalogue, storage, "1.2.3", days=11)
    young = scored(catalogue, storage, "1.2.4", days=9)
    assert let_go(catalogue, storage) == 0
    assert (storage.spool / name).is_file()
    delivered(catalogue)
    assert let_go(catalogue, storage) == 1
    assert not (storage.spool / name).exists()
    assert not (storage.results / "1.2.3.npz").exists()
    assert (storage.spool / young).is_file()
    with catalogue.read() as session:
        assert session.scalars(select(Series.removed_at).order_by(Series.series_uid)).all()[1] is None
        assert session.scalar(select(StackResult.map_file).where(StackResult.id == 1)) == ""
    assert let_go(catalogue, storage) == 0


def test_the_oldest_goes_when_there_is_too_much(catalogue: Catalogue, storage: Storage) -> None:
    oldest = scored(catalogue, storage, "1.2.3", days=3, size=2**29)
    newer = scored(catalogue, storage, "1.2.4", days=2, size=2**29 + 1)
    delivered(catalogue)
    assert let_go(catalogue, storage) == 1
    assert not (storage.spool / oldest).exists()
    assert (storage.spool / newer).is_file()


def test_reconciling_enters_whole_files_and_removes_parts_and_copies(catalogue: Catalogue, storage: Storage) -> None:
    spool = Spool(storage.spool)
    known, copy, orphan = keep(spool), keep(spool), keep(spool, "1.2.4", b"more")
    half = Incoming(spool, 1000)
    half.announced = Announced("1.2", "1.2.5", "1.2.840.10008.1.2.1")
    half.write(b"half of it")
    with catalogue.write() as session:
        session.add(entry(known))
    found = reconcile(catalogue, spool)
    assert (found.parts, found.adopted, found.copies, found.lost) == (1, 1, 1, 0)
    assert set(spool.own_files()) == {known.name, orphan.name}
    assert not (storage.spool / copy.name).exists()
    with catalogue.read() as session:
        adopted = session.scalars(select(ReceivedObject).where(ReceivedObject.file == orphan.name)).one()
        assert (adopted.state, adopted.sop_instance_uid, adopted.sha256, adopted.size) == (
            "received",
            "1.2.4",
            orphan.sha256,
            4,
        )
    spool.remove(known.name)
    assert reconcile(catalogue, spool).lost == 1
    assert reconcile(catalogue, spool).lost == 0  # told once


def test_names_that_the_spool_did_not_make_are_refused(storage: Storage) -> None:
    for name in ("../x", "/etc/passwd", "2026010101/../../x.dcm", "", "2026010101/h-0.dcm"):
        with pytest.raises(ValueError, match="no name of the spool"):
            Spool(storage.spool).path(name)
