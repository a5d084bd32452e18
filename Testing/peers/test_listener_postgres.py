"""PostgreSQL as the catalogue: leases between workers, and a server that is killed."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("sqlalchemy")

from sqlalchemy import select  # noqa: E402
from sqlalchemy.exc import InternalError  # noqa: E402

import backlog  # noqa: E402
from listening import PATIENCE, encoded, running, send_bytes, wait_for  # noqa: E402
from miqanet_core.listener import sorting  # noqa: E402
from miqanet_core.listener.catalogue import (  # noqa: E402
    Base,
    Catalogue,
    Heartbeat,
    Job,
    ReceivedObject,
    Result,
    Series,
    now,
    queue,
)
from miqanet_core.listener.spool import Spool  # noqa: E402
from postgres_server import Postgres, running_postgres  # noqa: E402
from readers.dicom_maker import mr_image, noise  # noqa: E402


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def catalogue(postgres: Postgres) -> Iterator[Catalogue]:
    made = Catalogue(postgres.url).create()
    yield made
    Base.metadata.drop_all(made.engine)
    made.close()


def test_processes_may_make_the_tables_at_once(postgres: Postgres) -> None:
    faults: list[Exception] = []

    def make() -> None:
        try:
            Catalogue(postgres.url).create().close()
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_to_read_means_that_the_database_refuses_changes(catalogue: Catalogue, postgres: Postgres) -> None:
    with catalogue.write() as session:
        session.add(Series(series_uid="1.2"))
    reader = Catalogue.to_read(postgres.url)
    with reader.read() as session:
        assert session.scalars(select(Series.series_uid)).all() == ["1.2"]
    with pytest.raises(InternalError, match="read-only transaction"), reader.write() as session:
        session.add(Series(series_uid="1.3"))
    reader.close()


def test_workers_never_wait_for_one_another_and_never_do_a_job_twice(catalogue: Catalogue) -> None:
    with catalogue.write() as session:
        for number in range(40):
            series = Series(series_uid=f"1.{number}")
            session.add(series)
            session.flush()
            queue.request_job(session, series.id, now())
    done: Counter[int] = Counter()
    lock = threading.Lock()

    def work(name: str) -> None:
        while True:
            with catalogue.write() as session:
                job = queue.lease_job(session, name, 60)
            if job is None:
                return
            with catalogue.write() as session:
                queue.finish_job(session, job, None)
            with lock:
                done[job.series_id] += 1

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 40
    assert set(done.values()) == {1}


def test_a_locked_job_is_skipped(catalogue: Catalogue) -> None:
    with catalogue.write() as session:
        for number in range(2):
            series = Series(series_uid=f"1.{number}")
            session.add(series)
            session.flush()
            queue.request_job(session, series.id, now())
    with catalogue.write() as first:
        mine = queue.lease_job(first, "a", 60)
        with catalogue.write() as second:  # while the first transaction holds its row
            theirs = queue.lease_job(second, "b", 60)
        assert mine is not None and theirs is not None
        assert mine.series_id != theirs.series_id
    with catalogue.read() as session:
        assert {job.leased_by for job in session.scalars(select(Job))} == {"a", "b"}


def test_two_worker_processes_share_a_backlog_and_score_each_series_once(
    postgres: Postgres, catalogue: Catalogue, tmp_path: Path
) -> None:
    """Real ones; how much faster two are is printed by benchmarks/listener.py --workers."""
    series = 40
    with running(tmp_path, storage={"database": postgres.url}, receiver={"processes": 1}) as listener:
        backlog.fill(listener, (mr_image(noise(n, 32, 32), SeriesInstanceUID=f"1.{n}") for n in range(series)))
        backlog.drain(listener, series, workers=2, patience=PATIENCE)
        log = listener.log.read_text()
    with catalogue.read() as session:
        versions = {one.id: one.version for one in session.scalars(select(Series))}
        results = list(session.scalars(select(Result)))
        assert session.scalars(select(Job)).all() == []
        beats = sorted((one.kind, one.stopped) for one in session.scalars(select(Heartbeat)))
    # The workers were stopped, the listener was killed.
    assert beats == [("receiver", False), ("worker", True), ("worker", True)]
    assert list(versions.values()) == [1] * series
    assert Counter(one.series_id for one in results) == Counter(versions.keys())
    assert len({one.scored_by for one in results}) == 2
    # A second scoring whose result was thrown away would show here.
    assert Counter(map(int, re.findall(r"series (\d+), version", log))) == Counter(versions.keys())
    assert "taken over" not in log


class SandboxInThisProcess:
    """Stands in for the child process that reads headers: two of them end each file at the same moment."""

    def __init__(self, both: threading.Barrier) -> None:
        self._both = both

    def call(self, function: Callable[[Path], object], path: Path) -> object:
        found = function(path)
        self._both.wait(PATIENCE)
        return found


def test_two_workers_that_sort_one_series_at_the_same_moment_lose_nothing_with_a_fake_sandbox(
    postgres: Postgres, catalogue: Catalogue, tmp_path: Path
) -> None:
    images = 2 * sorting._AT_ONCE
    with running(tmp_path, storage={"database": postgres.url}, receiver={"processes": 1}) as listener:
        # Each batch meets the same new series, in another order.
        uids = [f"1.{(n if n < images // 2 else images - n) % 2}" for n in range(images)]
        backlog.fill(listener, (mr_image(noise(n, 16, 16), SeriesInstanceUID=uid) for n, uid in enumerate(uids)))
        spool = Spool(listener.settings.storage.spool)
        with catalogue.write() as session:
            queue.give_back_objects(session, "nobody")
        both, faults = threading.Barrier(2), []

        def sort(name: str) -> None:
            try:
                sorting.sort_some(catalogue, spool, SandboxInThisProcess(both), name, 60)  # type: ignore[arg-type]
            except Exception as error:
                faults.append(error)

        threads = [threading.Thread(target=sort, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with catalogue.read() as session:
        objects = list(session.scalars(select(ReceivedObject)))
        assert faults == []
        assert {(one.state, one.leased_by) for one in objects} == {("sorted", None)}
        assert Counter(one.series_id for one in objects) == Counter({1: images // 2, 2: images // 2})
        assert len(session.scalars(select(Job)).all()) == 2


def test_a_batch_that_could_not_be_entered_is_free_at_once_with_a_fake_sandbox(
    postgres: Postgres, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, storage={"database": postgres.url}, receiver={"processes": 1}) as listener:
        backlog.fill(listener, [mr_image(noise(0, 16, 16))])
        with catalogue.write() as session:
            queue.give_back_objects(session, "nobody")
        spool, sandbox = Spool(listener.settings.storage.spool), SandboxInThisProcess(threading.Barrier(1))
        with monkeypatch.context() as patch:
            patch.setattr(sorting, "_enter", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                sorting.sort_some(catalogue, spool, sandbox, "a", 60)  # type: ignore[arg-type]
        assert sorting.sort_some(catalogue, spool, sandbox, "b", 60)  # type: ignore[arg-type]
    with catalogue.read() as session:
        assert session.scalars(select(ReceivedObject.state)).all() == ["sorted"]


def test_the_server_killed_in_the_middle_of_a_send(postgres: Postgres, tmp_path: Path) -> None:
    """What was answered with Success is there afterwards; what was not is sent again; nothing is there twice."""
    Catalogue(postgres.url).create().close()
    with running(tmp_path, storage={"database": postgres.url}, receiver={"processes": 1}) as listener:
        images = [mr_image(noise(number, 32, 32)) for number in range(60)]
        left, answered, refused, killed = list(images), [], 0, False
        while left:
            association = wait_for(lambda: _established(listener))
            for one in list(left):
                if len(answered) == 20 and not killed:
                    postgres.kill()
                    killed = True
                status = send_bytes(association, encoded(one), one.SOPInstanceUID)
                if status == 0:
                    answered.append(one.SOPInstanceUID)
                    left.remove(one)
                    continue
                assert status == 0xA700
                refused += 1
                if refused == 2:
                    postgres.start()
            association.release()
        assert refused
        listener.kill()
        listener.start()
        entries = listener.objects()
        assert Counter(one.sop_instance_uid for one in entries) == Counter(answered)
        assert all((listener.settings.storage.spool / one.file).is_file() for one in entries)
        assert len(listener.spool_files()) == len(entries)


def _established(listener):  # type: ignore[no-untyped-def]
    association = listener.associate()
    return association if association.is_established else None
