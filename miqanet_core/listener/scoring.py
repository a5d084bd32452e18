"""One look at one series: score the slices that are new, and conclude when the series is complete.

The final verdict is of all objects read together; slices that were scored as they came only save the time. A result is entered
together with the end of its job, by the worker that still holds the job: so each version is scored once.
"""

from __future__ import annotations

import logging
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from miqanet_core.domain import unlike_by_facts
from miqanet_core.errors import Cancelled, InputError
from miqanet_core.listener import outbox
from miqanet_core.listener.catalogue import (
    Association,
    Catalogue,
    Job,
    ObjectState,
    ReceivedObject,
    Result,
    Series,
    SeriesState,
    SliceScore,
    StackResult,
    now,
    queue,
)
from miqanet_core.listener.catalogue.model import WORST_FIRST
from miqanet_core.listener.reading import series_of_files
from miqanet_core.listener.sandbox import ReadingFailed, Sandbox
from miqanet_core.listener.settings import Completion, Settings
from miqanet_core.listener.slices import KeptSlices, digest_of, write_arrays
from miqanet_core.listener.spool import Spool
from miqanet_core.protocol import protocol_of
from miqanet_core.quality import SeriesQuality, Verdict
from miqanet_core.scorer import ScoredSlice, Scorer
from miqanet_core.series import MRSeries
from miqanet_core.transforms import normalise

_FIRST_WAIT, _LONGEST_WAIT = 5.0, 300.0
_LOOK_AGAIN = timedelta(seconds=0.3)
log = logging.getLogger("miqanet.worker")


class SeriesScoring:
    """Does the jobs of one worker. ``stopping`` is asked between slices; when it says so, the job is given back."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        scorer: Scorer,
        sandbox: Sandbox,
        worker: str,
        stopping: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._spool = Spool(settings.storage.spool)
        self._scorer = scorer
        self._sandbox = sandbox
        self._worker = worker
        self._stopping = stopping

    def do_one(self) -> bool:
        """Lease the most urgent job and do it; False when none is due."""
        lease_seconds = self._settings.scoring.lease_seconds
        with self._catalogue.read() as session:
            if session.scalar(select(Job.id).where(Job.due_at <= now(), Job.dead_at.is_(None)).limit(1)) is None:
                return False
        with self._catalogue.write() as session:
            job = queue.lease_job(session, self._worker, lease_seconds)
        if job is None:
            return False
        try:
            with _kept_alive(self._catalogue, job, lease_seconds):
                self._look_at(job)
        except Cancelled:
            with self._catalogue.write() as session:
                queue.give_back(session, job)
        except queue.LeaseLost:
            log.warning("series %d was taken over by another worker", job.series_id)
        except InputError as error:
            self._series_failed(job, error.problem)
        except Exception as error:  # anything at all may be wrong; the job is tried again, and its reason kept
            reason = str(error) if isinstance(error, ReadingFailed) else f"scoring failed with {type(error).__name__}"
            # The error's own words are left out: they may quote a header.
            log.error("series %d: %s%s", job.series_id, reason, _place_of(error))
            self._try_later(job, reason)
        return True

    def _look_at(self, job: Job) -> None:
        with self._catalogue.read() as session:
            objects = _sorted_objects(session, job.series_id)
        if not objects:
            self._nothing_to_score(job)
            return
        self._score_new_slices(job.series_id, objects)
        with self._catalogue.read() as session:
            due = complete_at(session, job.series_id, self._settings.completion)
        if due > now():
            with self._catalogue.write() as session:
                queue.held(session, job)
                fresh = len(_sorted_objects(session, job.series_id)) > len(objects)
                queue.finish_job(session, job, now() if fresh else due)
            return
        self._conclude(job, objects)

    def _score_new_slices(self, series_id: int, objects: Sequence[ReceivedObject]) -> None:
        """Score what came since the last look. What cannot be read by itself is left to the conclusion."""
        kept = KeptSlices(self._settings.storage.results, series_id, self._scorer.identity)
        with self._catalogue.read() as session:
            done = set(session.scalars(select(SliceScore.object_id).where(SliceScore.series_id == series_id)))
        for one in objects:
            if one.id in done:
                continue
            self._check_stop()
            try:
                stacks = self._sandbox.call(series_of_files, [self._spool.path(one.file)])
            except InputError:
                continue
            rows: dict[str, ScoredSlice] = {}
            for stack in stacks:
                if unlike_by_facts(stack) is None:
                    rows |= self._score_and_keep(kept, stack)
            with self._catalogue.write() as session:
                known = set(session.scalars(select(SliceScore.digest).where(SliceScore.series_id == series_id)))
                session.add_all(
                    SliceScore(series_id=series_id, object_id=one.id, digest=digest, score=scored.score)
                    for digest, scored in rows.items()
                    if digest not in known
                )

    def _score_and_keep(self, kept: KeptSlices, stack: MRSeries) -> dict[str, ScoredSlice]:
        digests = [digest_of(image) for image in stack.voxels]
        scored = {digest: found for digest in digests if (found := kept.load(digest)) is not None}
        missing = [index for index, digest in enumerate(digests) if digest not in scored]
        if missing:
            fresh = self._scorer.slices(stack.voxels[missing], progress=lambda *_: self._check_stop())
            for index, one in zip(missing, fresh, strict=True):
                scored[digests[index]] = one
                kept.save(digests[index], one)
        return scored

    def _conclude(self, job: Job, objects: Sequence[ReceivedObject]) -> None:
        kept = KeptSlices(self._settings.storage.results, job.series_id, self._scorer.identity)
        stacks = self._sandbox.call(series_of_files, [self._spool.path(one.file) for one in objects])
        qualities = []
        for stack in stacks:
            slices: list[ScoredSlice] = []
            if unlike_by_facts(stack) is None:
                scored = self._score_and_keep(kept, stack)
                slices = [scored[digest_of(image)] for image in stack.voxels]
            qualities.append(self._scorer.conclude(stack, slices))
        files = [self._keep_map(stack, quality) for stack, quality in zip(stacks, qualities, strict=True)]
        entered = False
        try:
            with self._catalogue.write() as session:
                _lock_series(session, job)
                held = queue.held(session, job)
                current = _sorted_objects(session, held.series_id)
                if [one.id for one in current] != [one.id for one in objects]:
                    queue.finish_job(session, job, now())  # more came while this was going on
                    return
                result = self._enter(session, job.series_id, objects, stacks, qualities, files)
                outbox.request(session, self._settings, result)
                queue.finish_job(session, job, None)
                entered = True
        finally:
            if not entered:
                for name in files:
                    (self._settings.storage.results / name).unlink(missing_ok=True)
        flag = ", flagged" if result.flagged else ""
        log.info("series %d, version %d: %s%s", job.series_id, result.version, result.verdict, flag)

    def _enter(
        self,
        session: Session,
        series_id: int,
        objects: Sequence[ReceivedObject],
        stacks: Sequence[MRSeries],
        qualities: Sequence[SeriesQuality],
        files: Sequence[str],
    ) -> Result:
        series = session.get_one(Series, series_id)
        series.version += 1
        series.state, series.reason = SeriesState.SCORED.value, ""
        series.protocol = protocol_of(stacks[0]) or ""
        scores = [quality.score for quality in qualities if quality.score is not None]
        identity = self._scorer.identity
        result = Result(
            series_id=series_id,
            version=series.version,
            verdict=worst_verdict(quality.verdict for quality in qualities).value,
            score=min(scores, default=None),
            flagged=any(quality.flagged for quality in qualities),
            objects=len(objects),
            latency_seconds=(now() - max(one.received_at for one in objects)).total_seconds(),
            model_name=identity.name,
            model_version=identity.version,
            weights_sha256=identity.weights_sha256,
            scored_by=self._worker,
        )
        session.add(result)
        session.flush()
        for number, (stack, quality, file) in enumerate(zip(stacks, qualities, files, strict=True)):
            session.add(
                StackResult(
                    result_id=result.id,
                    number=number,
                    description=stack.description,
                    verdict=quality.verdict.value,
                    score=quality.score,
                    document=quality.to_dict(),
                    map_file=file,
                    instance_uids=[source.instance_uid for source in stack.slice_sources],
                )
            )
        return result

    def _keep_map(self, stack: MRSeries, quality: SeriesQuality) -> str:
        assert quality.map is not None
        name = f"maps/{now():%Y%m}/{uuid.uuid4().hex}.npz"
        picture = (255 * normalise(stack.voxels)).round().astype(np.uint8)
        arrays = {"map": quality.map, "picture": picture}
        if stack.geometry is not None:
            arrays |= {"spacing": np.array(stack.geometry.spacing), "direction": np.array(stack.geometry.direction)}
        write_arrays(self._settings.storage.results / name, arrays, compressed=True)
        return name

    def _nothing_to_score(self, job: Job) -> None:
        with self._catalogue.write() as session:
            series = session.get_one(Series, job.series_id)
            if _sorted_objects(session, job.series_id):
                queue.finish_job(session, job, now())
                return
            left_out = session.scalar(
                select(ReceivedObject.reason)
                .where(ReceivedObject.series_id == job.series_id)
                .order_by(ReceivedObject.id)
                .limit(1)
            )
            if series.state == SeriesState.RECEIVING.value:
                series.state, series.reason = SeriesState.LEFT_OUT.value, left_out or ""
            queue.finish_job(session, job, None)

    def _series_failed(self, job: Job, problem: str) -> None:
        """A fault of the files: trying again would find the same. Late objects give it another chance."""
        with self._catalogue.read() as session:
            due = complete_at(session, job.series_id, self._settings.completion)
        try:
            with self._catalogue.write() as session:
                if due <= now():
                    series = session.get_one(Series, job.series_id)
                    series.state, series.reason = SeriesState.FAILED.value, problem
                queue.finish_job(session, job, None if due <= now() else due)
        except queue.LeaseLost:
            return
        log.error("series %d cannot be scored: its files are at fault", job.series_id)

    def _try_later(self, job: Job, reason: str) -> None:
        try:
            with self._catalogue.write() as session:
                _lock_series(session, job)
                attempts = self._settings.scoring.attempts
                if queue.fail(session, job, reason, attempts, _FIRST_WAIT, _LONGEST_WAIT):
                    series = session.get_one(Series, job.series_id)
                    series.state, series.reason = SeriesState.FAILED.value, reason
        except queue.LeaseLost:
            return

    def _check_stop(self) -> None:
        if self._stopping():
            raise Cancelled


def _place_of(error: Exception) -> str:
    """Where in the code an unexpected error arose, for a report of it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "" if isinstance(error, ReadingFailed) else f" ({Path(last.filename).name}:{last.lineno})"


def _lock_series(session: Session, job: Job) -> None:
    """The series before its job, as sorting takes them; the other way round each could wait for the other."""
    session.get_one(Series, job.series_id, with_for_update=True)


def _sorted_objects(session: Session, series_id: int) -> list[ReceivedObject]:
    mine = (ReceivedObject.series_id == series_id, ReceivedObject.state == ObjectState.SORTED.value)
    return list(session.scalars(select(ReceivedObject).where(*mine).order_by(ReceivedObject.id)))


def complete_at(session: Session, series_id: int, completion: Completion) -> datetime:
    """When the series counts as complete, if nothing more comes until then.

    A quiet time after the last object; a longer one while a sender of it is still connected; at once when the header announces
    how many there are, they are all there, and no sender of them is connected any more.
    """
    series = session.get_one(Series, series_id)
    senders = select(ReceivedObject.association_id).where(ReceivedObject.series_id == series_id)
    connected = session.scalar(
        select(Association.id).where(Association.id.in_(senders), Association.closed_at.is_(None)).limit(1)
    )
    unsorted = session.scalar(
        select(ReceivedObject.id)
        .where(ReceivedObject.association_id.in_(senders), ReceivedObject.state == ObjectState.RECEIVED.value)
        .limit(1)
    )
    if unsorted is not None:
        return now() + _LOOK_AGAIN
    count = session.scalar(
        select(func.count(ReceivedObject.id)).where(
            ReceivedObject.series_id == series_id, ReceivedObject.state == ObjectState.SORTED.value
        )
    )
    if connected is None and count == series.expected:
        return series.last_object_at
    if connected is not None:
        # Its end is looked for, too: it shortens the wait.
        quiet = series.last_object_at + timedelta(seconds=completion.quiet_seconds_while_connected)
        return quiet if quiet <= now() else min(quiet, now() + _LOOK_AGAIN)
    return series.last_object_at + timedelta(seconds=completion.quiet_seconds)


def worst_verdict(verdicts: Iterator[Verdict] | Sequence[Verdict]) -> Verdict:
    """The worst of the stacks that were assessed; not-assessed when none was."""
    return min(verdicts, key=WORST_FIRST.index)


@contextmanager
def _kept_alive(catalogue: Catalogue, job: Job, seconds: float) -> Iterator[None]:
    """Renew the lease from a thread of its own while the work goes on."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(seconds / 3):
            try:
                with catalogue.write() as session:
                    queue.renew(session, job, seconds)
            except queue.LeaseLost:
                return
            except Exception as error:  # the database may come back before the lease is over
                log.warning("the lease of series %d could not be renewed (%s)", job.series_id, type(error).__name__)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
