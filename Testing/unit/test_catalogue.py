"""The catalogue on SQLite: leases, back-off, dead letters, reviews. PostgreSQL runs the same in peers/."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

sqlalchemy = pytest.importorskip("sqlalchemy")

from sqlalchemy import select, text  # noqa: E402

from miqanet_core.listener.catalogue import (  # noqa: E402
    AuditEntry,
    Catalogue,
    CatalogueError,
    Incident,
    Job,
    OutboxEntry,
    Result,
    Series,
    now,
    queue,
)
from miqanet_core.listener.catalogue.people import Review, review  # noqa: E402


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue.in_folder(tmp_path).create()
    yield made
    made.close()


def a_series(catalogue: Catalogue, uid: str = "1.2") -> int:
    with catalogue.write() as session:
        series = Series(series_uid=uid)
        session.add(series)
        session.flush()
        return series.id


def a_result(catalogue: Catalogue) -> int:
    series = a_series(catalogue)
    with catalogue.write() as session:
        result = Result(
            series_id=series, version=1, verdict="limited", score=50.0, flagged=True, objects=3, latency_seconds=1.0,
            model_name="m", model_version="1", weights_sha256="0",
        )  # fmt: skip
        session.add(result)
        session.flush()
        return result.id


def test_sqlite_is_durable(catalogue: Catalogue) -> None:
    with catalogue.read() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert session.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL


def test_to_read_means_that_the_database_refuses_changes(catalogue: Catalogue, tmp_path: Path) -> None:
    series = a_series(catalogue)
    reader = Catalogue.to_read(str(catalogue.engine.url))
    with reader.read() as session:
        assert session.get_one(Series, series).series_uid == "1.2"
    with pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"), reader.write() as session:
        session.add(Series(series_uid="1.3"))
    reader.close()
    for name, problem in (("absent", "unable to open"), ("empty # 100 %", "no such table")):
        if name != "absent":
            (tmp_path / name).touch()
        with pytest.raises(CatalogueError, match=f"cannot be opened .{problem}"):
            Catalogue.to_read(f"sqlite:///{tmp_path / name}")
    assert not (tmp_path / "absent").exists()


def test_what_raises_changes_nothing(catalogue: Catalogue) -> None:
    with pytest.raises(RuntimeError), catalogue.write() as session:
        session.add(Series(series_uid="1.2"))
        session.flush()
        raise RuntimeError
    with catalogue.read() as session:
        assert session.scalars(select(Series)).all() == []


def test_a_job_is_held_by_one_until_its_lease_ends(catalogue: Catalogue) -> None:
    series = a_series(catalogue)
    with catalogue.write() as session:
        queue.request_job(session, series, now())
        queue.request_job(session, series, now())
    with catalogue.write() as session:
        first = queue.lease_job(session, "a", seconds=60)
    assert first is not None
    with catalogue.write() as session:
        assert queue.lease_job(session, "b", seconds=60) is None
    with catalogue.write() as session:
        session.get_one(Job, first.id).leased_until = now() - timedelta(seconds=1)
    with catalogue.write() as session:
        second = queue.lease_job(session, "b", seconds=60)
    assert second is not None
    with pytest.raises(queue.LeaseLost), catalogue.write() as session:
        queue.finish_job(session, first, None)
    with catalogue.write() as session:
        queue.finish_job(session, second, None)
    with catalogue.read() as session:
        assert session.scalars(select(Job)).all() == []


def test_a_job_that_keeps_failing_waits_longer_and_dies_with_its_reason(catalogue: Catalogue) -> None:
    series = a_series(catalogue)
    with catalogue.write() as session:
        queue.request_job(session, series, now())
    waits = []
    for attempt in range(3):
        with catalogue.write() as session:
            session.scalars(select(Job)).one().due_at = now()
        with catalogue.write() as session:
            job = queue.lease_job(session, "a", seconds=60)
        assert job is not None
        with catalogue.write() as session:
            assert queue.fail(session, job, "no reason", attempts=3, first_wait=10, longest_wait=100) is (attempt == 2)
            waits.append((session.get_one(Job, job.id).due_at - now()).total_seconds())
    assert 7 < waits[0] < 12.1 < 15 < waits[1] < 24.1
    with catalogue.write() as session:
        assert queue.lease_job(session, "a", seconds=60) is None
        assert "no reason" in session.scalars(select(Incident)).one().detail
        queue.try_again(session, session.scalars(select(Job)).one())
    with catalogue.write() as session:
        assert queue.lease_job(session, "a", seconds=60) is not None


def test_a_job_given_back_is_free_at_once(catalogue: Catalogue) -> None:
    series = a_series(catalogue)
    with catalogue.write() as session:
        queue.request_job(session, series, now())
    with catalogue.write() as session:
        job = queue.lease_job(session, "a", seconds=60)
        assert job is not None
    with catalogue.write() as session:
        queue.give_back(session, job)
    with catalogue.write() as session:
        again = queue.lease_job(session, "b", seconds=60)
    assert again is not None
    assert again.attempts == 1


def test_a_rejection_needs_a_person_and_a_comment_and_is_written_back(catalogue: Catalogue) -> None:
    result = a_result(catalogue)
    for person, comment in (("", "motion"), ("Jo", " ")):
        with pytest.raises(ValueError, match="needs"), catalogue.write() as session:
            review(session, result, Review.REJECT, person, comment, ["archive"])
    with catalogue.write() as session:
        review(session, result, Review.DISMISS, "Jo", "fine for the question", ["archive"])
    with catalogue.write() as session:
        assert session.scalars(select(OutboxEntry)).all() == []
        review(session, result, Review.REJECT, "Kim", "motion", ["archive"])
    with catalogue.write() as session:
        entry = queue.lease_delivery(session, "w", seconds=60)
        assert entry is not None
        assert (entry.what, entry.destination, entry.result.person) == ("rejection", "archive", "Kim")
        assert [(a.person, a.action) for a in session.scalars(select(AuditEntry))] == [("Jo", "dismiss"), ("Kim", "reject")]
